"""The inputs of a run: read from a command line, checked against what the workflow declares."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Final

from .._json_text import read_json
from ..workflow import InputSpec, UsageError, WorkflowSpec
from ._nodes import shorten, sound
from ._problems import suggest

_WHAT: Final = {
    "string": "a text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
}


def check_inputs(spec: WorkflowSpec, given: Mapping[str, Any]) -> dict[str, Any]:
    """Give the inputs of a run, typed and completed with the defaults.

    Raises:
        UsageError: Something is missing, unknown or of another type; the message says all of it.
    """
    errors = [
        f'workflow "{spec.name}" has no input "{shorten(name)}"{suggest(name, spec.inputs)}'
        for name in given
        if name not in spec.inputs
    ]
    values: dict[str, Any] = {}
    for name, declared in spec.inputs.items():
        try:
            values[name] = _value(name, declared, given)
        except ValueError as error:
            errors.append(f'input "{name}" {error}')
    if errors:
        raise UsageError("\n".join(errors))
    return values


def _value(name: str, declared: InputSpec, given: Mapping[str, Any]) -> Any:
    if name in given:
        if given[name] is None and not declared.required and declared.default is None:
            return None
        return fit(declared, given[name])
    if declared.required:
        what = _WHAT.get(declared.type, "any value")
        raise ValueError(f"is missing; give {what} with --input {name}=…")
    return declared.default


def fit(declared: InputSpec, value: Any) -> Any:
    """Give a value as its declared type says: numbers become doubles.

    Raises:
        ValueError: It is of another type, or not among those allowed; the text follows a name.
    """
    typed = _typed(declared.type, value)
    if declared.enum is not None and typed not in declared.enum:
        allowed = ", ".join(json.dumps(each, ensure_ascii=False) for each in declared.enum)
        raise ValueError(f"must be one of {allowed}, not {_shown(value)}")
    return typed


def _typed(wanted: str, value: Any) -> Any:
    plain = {"string": str, "boolean": bool, "array": list, "object": dict}.get(wanted, object)
    if plain is not object or wanted == "any":
        if not issubclass(type(value), plain):
            raise ValueError(f"must be {_WHAT[wanted]}, not {_shown(value)}")
        return value
    match wanted, value:
        case (("number" | "integer"), bool()):
            pass
        case "number", int() | float():
            number = float(value) if abs(value) < 10**308 else math.inf
            if math.isfinite(number):
                return number
        case "integer", int():
            return value
        case "integer", float() if value.is_integer():
            return int(value)
        case _:
            pass
    raise ValueError(f"must be {_WHAT[wanted]}, not {_shown(value)}")


def _shown(value: Any) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = repr(value)
    return f"the text {shorten(text)}" if isinstance(value, str) else shorten(text)


def parse_input_text(text: str, spec: WorkflowSpec) -> tuple[str, Any]:
    """Read ``NAME=VALUE``: by the input's declared type, else as JSON, else as text.

    What does not read so is given as text, for :func:`check_inputs` to refuse with the rest.

    Raises:
        UsageError: There is no ``=``, or no name before it, or what cannot be stored after it.
    """
    name, sign, value = text.partition("=")
    name = name.strip()
    if not sign or not name:
        raise UsageError(f'--input takes NAME=VALUE, not "{shorten(text)}"')
    if not sound(text):
        raise UsageError(f"--input {shorten(text)!r} is no Unicode text")
    declared = spec.inputs.get(name, InputSpec())
    return name, value if declared.type == "string" else _json_or_text(name, value)


def _json_or_text(name: str, text: str) -> Any:
    try:
        return read_json(text)
    except UsageError as error:
        raise UsageError(f'input "{name}" cannot be {shorten(text)}: {error}') from error
    except ValueError:
        return text
