"""Whether an answer fits the JSON Schema that its question came with: what forms use of it.

Tasks bring schemas, too, and whatever is in them: a rule that is none is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from .workflow import UsageError

_TYPES: dict[str, Callable[[Any], bool]] = {
    "string": lambda v: isinstance(v, str),
    "boolean": lambda v: isinstance(v, bool),
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "number": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
    "array": lambda v: isinstance(v, list),
    "object": lambda v: isinstance(v, dict),
    "null": lambda v: v is None,
}


def check_answer(schema: Any, value: Any, task: str) -> None:
    """Refuse an answer that does not fit; keywords that are not known here are left to the task.

    Raises:
        UsageError: what does not fit, all of it.
    """
    problems = list(problems_of(schema, value, "the answer"))
    if problems:
        raise UsageError(f"this does not answer task {task!r}: {'; '.join(problems)}")


def problems_of(schema: Any, value: Any, what: str) -> list[str]:
    """Say what of a value does not fit a schema; ``what`` is what the value is called."""
    if not isinstance(schema, Mapping):
        return []
    rules = cast("Mapping[str, Any]", schema)
    wanted = rules.get("type")
    types = [wanted] if isinstance(wanted, str) else _texts(wanted)
    if types and not any(_TYPES[each](value) for each in types if each in _TYPES):
        return [f"{what} must be {' or '.join(types)}, not {_name(value)}"]
    found: list[str] = []
    choices = rules.get("enum")
    if isinstance(choices, list | tuple) and value not in choices:
        found.append(f"{what} must be one of {', '.join(map(repr, cast('list[Any]', choices)))}")
    for word, bad in (("minimum", _below), ("maximum", _above)):
        number = _TYPES["number"]
        if number(rules.get(word)) and number(value) and bad(value, rules[word]):
            found.append(
                f"{what} must be {'at least' if word == 'minimum' else 'at most'} {rules[word]}"
            )
    if isinstance(value, dict):
        found += _object_problems(rules, cast("dict[str, Any]", value), what)
    if isinstance(value, list):
        for index, each in enumerate(cast("list[Any]", value)):
            found += problems_of(rules.get("items"), each, f"{what}[{index}]")
    return found


def _texts(given: Any) -> list[str]:
    items = cast("list[Any]", given) if isinstance(given, list | tuple) else ()
    return [each for each in items if isinstance(each, str)]


def _below(value: float, limit: float) -> bool:
    return value < limit


def _above(value: float, limit: float) -> bool:
    return value > limit


def _object_problems(rules: Mapping[str, Any], value: dict[str, Any], what: str) -> list[str]:
    found = [
        f"{what} lacks {name!r}" for name in _texts(rules.get("required")) if name not in value
    ]
    given = rules.get("properties")
    properties: Mapping[str, Any] = (
        cast("Mapping[str, Any]", given) if isinstance(given, Mapping) else {}
    )
    for name, each in value.items():
        if name in properties:
            found += problems_of(properties[name], each, f"{what}.{name}")
        elif rules.get("additionalProperties") is False:
            found.append(f"{what} has the unknown key {name!r}")
    return found


def _name(value: Any) -> str:
    return (
        next(name for name, is_it in _TYPES.items() if is_it(value))
        if value is not None
        else "null"
    )
