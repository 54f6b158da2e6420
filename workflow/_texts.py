"""Texts as they can be stored: Python's may hold what is no Unicode, such as names of files."""

from __future__ import annotations

from typing import overload


@overload
def storable(text: str) -> str: ...


@overload
def storable(text: None) -> None: ...


def storable(text: str | None) -> str | None:
    r"""Return a text with whatever is no Unicode written as an escape, ``\udce9``."""
    if text is None or text.isascii():
        return text
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
