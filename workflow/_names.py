"""Names that people give: what can be one."""

from __future__ import annotations

from typing import Final

from ._errors import UsageError

NAME_LENGTH_MAX: Final = 200


def check_name(what: str, given: object) -> str:
    """Return a name or a text that things are told apart by.

    Args:
        what: What it names, for the error.
        given: The name.

    Raises:
        UsageError: it is empty, too long, or holds what no terminal can show.
    """
    if not isinstance(given, str) or not given.strip():
        raise UsageError(f"{what} must be a text that is not empty, not {given!r}")
    if len(given) > NAME_LENGTH_MAX:
        raise UsageError(
            f"{what} has {len(given)} characters, at most {NAME_LENGTH_MAX} are allowed"
        )
    if not given.isprintable():
        raise UsageError(f"{what} {given!r} holds characters that cannot be shown; leave them out")
    return given


def check_id(what: str, given: object) -> str:
    """Return a name that can stand between the slashes of an address.

    Args:
        what: What it names, for the error.
        given: The name.

    Raises:
        UsageError: it is no name, or no address can hold it (RFC 3986, 3.3).
    """
    name = check_name(what, given)
    if "/" in name or name in (".", ".."):
        raise UsageError(
            f"{what} {name!r} could not be reached: it must hold no slash, and be neither . nor .."
        )
    return name
