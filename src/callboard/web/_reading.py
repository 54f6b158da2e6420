"""Reading requests: parameters and bodies, strictly, with all that is wrong at once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from functools import cache
from typing import Any, Final, Literal, TypeVar, cast, get_args, get_origin

import attrs
import cattrs
import msgspec
from cattrs.cols import list_structure_factory
from cattrs.errors import StructureHandlerNotFoundError
from cattrs.gen import make_dict_structure_fn
from starlette.requests import ClientDisconnect, Request

from ._endpoint import Endpoint, Param
from ._problems import Problem, bad_request

_T = TypeVar("_T")

JSON_TYPES: Final = ("application/json",)
TEXT_TYPES: Final = (
    "application/json",
    "application/yaml",
    "application/x-yaml",
    "text/yaml",
    "text/plain",
)

_FLAGS: Final = {"true": True, "1": True, "false": False, "0": False}


# --- the query ------------------------------------------------------------------------------------


def read_query(params: Sequence[Param], request: Request) -> dict[str, Any]:
    """Return all parameters with their defaults.

    Raises:
        Problem: some are wrong or unknown; all of them are named.
    """
    known = {param.name: param for param in params}
    errors: list[str] = []
    found: dict[str, Any] = {param.name: param.default for param in params}
    given = request.query_params
    for name in dict.fromkeys(given.keys()):
        param = known.get(name)
        if param is None:
            names = ", ".join(known) or "none"
            errors.append(f"unknown parameter {name!r} of the query; known here: {names}")
            continue
        try:
            found[name] = _param(param, given.getlist(name))
        except ValueError as wrong:
            errors.append(f"parameter {name!r} of the query {wrong}")
    if errors:
        raise bad_request(errors)
    return found


def _param(param: Param, values: Sequence[str]) -> Any:
    if param.kind == "texts":
        return [_choice(param, value) for value in values]
    if len(values) > 1:
        raise ValueError(f"is given {len(values)} times")
    value = values[0]
    if param.kind == "number":
        return _number(param, value)
    if param.kind == "flag":
        if value not in _FLAGS:
            raise ValueError(f"must be true or false, not {value!r}")
        return _FLAGS[value]
    return _choice(param, value)


def _choice(param: Param, value: str) -> str:
    if "\0" in value:
        raise ValueError("must not hold a zero byte")
    if param.choices and value not in param.choices:
        raise ValueError(f"must be one of {', '.join(param.choices)}, not {value!r}")
    return value


def _number(param: Param, value: str) -> int:
    # Not int(): that also takes spaces, underscores and the digits of other scripts.
    if not (value.isascii() and value.isdecimal() and len(value) < 20):  # noqa: PLR2004
        raise ValueError(f"must be a whole number, not {value!r}")
    number = int(value)
    if not param.least <= number <= param.most:
        raise ValueError(f"must be from {param.least} to {param.most}, not {number}")
    return number


def read_version(request: Request) -> int | None:
    """Return the version that ``If-Match`` expects.

    Raises:
        Problem: it is no version.
    """
    text = request.headers.get("if-match")
    if text is None:
        return None
    found = re.fullmatch(VERSION_PATTERN, text.strip())
    if found is None:
        raise bad_request([f'If-Match must be a version such as "7", not {text!r}'])
    return None if found[2] is None else int(found[2])


VERSION_PATTERN: Final = r'^([*]|"?([0-9]{1,18})"?)$'
"""A version, as an ETag gives it, or any; some clients leave out the quotes."""


# --- the body -------------------------------------------------------------------------------------


async def read_body(endpoint: Endpoint, request: Request) -> Any:
    """Return the body as what the endpoint takes; None if it takes none.

    Raises:
        Problem: it is too large, of another type, or something in it is wrong.
    """
    raw = await _raw(request, endpoint.body_max)
    if endpoint.body is None:
        if raw:
            raise bad_request([f"{endpoint.method} {endpoint.path} takes no body"])
        return None
    if not raw and not endpoint.body_required:
        return structured(endpoint.body, {})
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    allowed = TEXT_TYPES if endpoint.body is bytes else JSON_TYPES
    if media not in allowed:
        raise Problem(
            415,
            f"the body must be {' or '.join(allowed)}, as its Content-Type says, not {media!r}",
            kind="media_type",
        )
    if endpoint.body is bytes:
        return raw
    return structured(endpoint.body, decoded(raw))


async def _raw(request: Request, limit: int) -> bytes:
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdecimal() and int(length[:20]) > limit:
        raise _too_large(limit)
    found = bytearray()
    try:
        async with aclosing(request.stream()) as chunks:
            async for chunk in chunks:
                found += chunk
                if len(found) > limit:
                    raise _too_large(limit)
    except ClientDisconnect as gone:
        raise Problem(400, "the request ended before its body did", kind="invalid") from gone
    return bytes(found)


def _too_large(limit: int) -> Problem:
    return Problem(
        413,
        f"the body is larger than {limit // 1024 // 1024} MiB",
        kind="too_large",
        headers={"connection": "close"},
    )


def decoded(raw: bytes) -> Any:
    """Return JSON as it is stored: UTF-8, no NaN, no unpaired surrogates, bounded depth.

    Raises:
        Problem: it is none.
    """
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise bad_request([f"the body is not JSON: {error}"]) from error


def structured(cls: type[_T], value: Any) -> _T:
    """Return JSON as an object of a class.

    Raises:
        Problem: all that is wrong with it.
    """
    if not isinstance(value, dict):
        raise bad_request(["the body must be a JSON object"])
    try:
        return _converter().structure(value, cls)
    except cattrs.BaseValidationError as error:
        raise bad_request(sorted(_words(error, ""))) from error


@cache
def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True, detailed_validation=True)
    for cls, words in ((str, "text"), (bool, "true or false")):
        converter.register_structure_hook(cls, _strictly(cls, words))
    converter.register_structure_hook(int, _whole)
    converter.register_structure_hook(float, _float)
    converter.register_structure_hook_func(lambda cls: _is_of(cls, dict), _object)
    converter.register_structure_hook_func(lambda cls: _is_of(cls, Literal), _one_of)

    def listed(cls: Any) -> Any:
        return _listed(cls, converter)

    def made(cls: Any) -> Any:
        return make_dict_structure_fn(cls, converter)

    converter.register_structure_hook_factory(lambda cls: _is_of(cls, list), listed)
    converter.register_structure_hook_factory(attrs.has, made)
    return converter


def _is_of(hint: Any, cls: Any) -> bool:
    return get_origin(hint) is cls


def _strictly(cls: type[_T], words: str) -> Any:
    def hook(value: Any, _: Any) -> _T:
        if type(value) is not cls:
            raise ValueError(f"must be {words}")
        if "\0" in (value if isinstance(value, str) else ""):
            raise ValueError("must not hold a zero byte")
        return value

    return hook


def _whole(value: Any, _: Any) -> int:
    # JSON has one sort of number: 9.0 is a whole one.
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if type(value) is not int:
        raise ValueError("must be a whole number")
    return value


def _float(value: Any, _: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a number")
    return float(value)


def _one_of(value: Any, cls: Any) -> Any:
    choices = get_args(cls)
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"must be one of {', '.join(choices)}, not {value!r}")
    return value


def _listed(cls: Any, converter: cattrs.Converter) -> Any:
    each = list_structure_factory(cls, converter)

    def hook(value: Any, of: Any) -> Any:
        if not isinstance(value, list):
            raise ValueError("must be a list")
        return each(value, of)

    return hook


def _object(value: Any, _: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("must be an object")
    return cast("dict[str, Any]", value)


def _words(error: BaseException, path: str) -> list[str]:
    """Return each thing that is wrong, with the path to it."""
    if isinstance(error, cattrs.ClassValidationError | cattrs.IterableValidationError):
        found: list[str] = []
        grouped, ungrouped = error.group_exceptions()
        for each, note in grouped:
            name = getattr(note, "name", None)
            step = f"[{note.index}]" if name is None else f".{name}" if path else str(name)
            found += _words(each, path + step)
        for each in ungrouped:
            found += _words(each, path)
        return found
    where = f"{path!r} " if path else ""
    match error:
        case cattrs.ForbiddenExtraKeysError(extra_fields=extra, cl=cls):
            known = ", ".join(each.name for each in attrs.fields(cls))
            inside = f"{path}: " if path else ""
            return [
                f"{inside}unknown key {name!r}; known here: {known}"
                for name in sorted(map(str, extra))
            ]
        case KeyError():
            return [f"{path} is missing"]
        case StructureHandlerNotFoundError() | TypeError():
            return [f"{where}has a wrong type"]
        case _:
            return [f"{where}{error}"]


def texts_of(value: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Return some fields of an object, without those that are None."""
    return {name: value[name] for name in names if value.get(name) is not None}
