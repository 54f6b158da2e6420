"""What options may be, checked where they are made: what is stored must be readable again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any, Final, cast

import attrs

from ._errors import UsageError

Accepts = Callable[[Any], bool]
_Validator = Callable[[Any, "attrs.Attribute[Any]", Any], None]

_INTEGER_MAX: Final = (1 << 63) - 1


def _option(default: Any, accepts: Accepts, wanted: str, *more: _Validator) -> Any:
    """Return the field of an option.

    Whoever makes an object with another value gets a :class:`UsageError` that says what is wanted;
    a default of None may always be given.
    """

    def check(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
        if not (value is None and default is None) and not accepts(value):
            raise UsageError(f"{attribute.name} must be {wanted}, not {value!r}")

    return attrs.field(default=default, validator=[check, *more])


def seconds(default: float | None) -> Any:
    """Return the field of a length of time."""
    return _option(default, _is_seconds, "seconds as a number, 0 or more")


def whole(default: int | None, least: int = -_INTEGER_MAX) -> Any:
    """Return the field of a whole number."""

    def check(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
        if value is not None and value < least:
            raise UsageError(f"{attribute.name} must be at least {least}, not {value!r}")

    return _option(default, _is_whole, "a whole number", check)


def flag(*, default: bool) -> Any:
    """Return the field of what is true or false."""
    return _option(default, lambda value: isinstance(value, bool), "True or False")


def word(default: str, *others: str) -> Any:
    """Return the field of one of some words."""
    known = (default, *others)
    return _option(default, lambda value: value in known, f"one of {', '.join(known)}")


def text() -> Any:
    """Return the field of a text that may be left out."""
    return _option(None, lambda value: isinstance(value, str), "a text")


def texts(default: tuple[str, ...]) -> Any:
    """Return the field of several texts."""
    return _option(default, _is_texts, 'several texts, like ("error", "ConnectionError")')


def variables() -> Any:
    """Return the field of environment variables."""
    return _option(None, _is_variables, "a mapping of texts to texts")


def slots() -> Any:
    """Return the field of numbers of slots, by name."""

    def check(_: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
        for name, number in value.items():
            if not _is_whole(number) or number < 1:
                wanted = "numbers of slots, 1 or more"
                raise UsageError(f"{attribute.name} must be {wanted}, not {number!r} for {name!r}")

    return attrs.field(factory=dict[str, int], validator=check)


def made(default: Any, kind: type, wanted: str) -> Any:
    """Return the field of an object of a class."""
    return _option(default, lambda value: isinstance(value, kind), wanted)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _INTEGER_MAX


def _is_seconds(value: Any) -> bool:
    return (_is_whole(value) or isinstance(value, float)) and isfinite(value) and value >= 0


def _is_texts(value: Any) -> bool:
    each = cast("tuple[Any, ...]", value)
    return isinstance(value, tuple) and all(isinstance(one, str) for one in each)


def _is_variables(value: Any) -> bool:
    pairs = cast("Mapping[Any, Any]", value)
    return isinstance(value, Mapping) and all(
        isinstance(name, str) and isinstance(text, str) for name, text in pairs.items()
    )
