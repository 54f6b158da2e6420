"""Text in pictures: what can be printed at all, and how long a line may be."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

LINE_MAX: Final = 30
"""How many characters stand in a line of a node."""
LINES_MAX: Final = 3
"""How many lines a label has at most; the rest is left to the tooltip."""

_BREAKS: Final = re.compile(r"(?<=[\s/_.:,;-])")


def printable(text: str) -> str:
    """Replace what XML has no way to carry, and control characters."""
    return "".join("\N{REPLACEMENT CHARACTER}" if _is_odd(char) else char for char in text)


def _is_odd(char: str) -> bool:
    return unicodedata.category(char) in ("Cc", "Cs") or char in "\ufffe\uffff"


def wrapped(text: str, width: int = LINE_MAX, lines: int = LINES_MAX) -> list[str]:
    """Break a text into lines, where words end if that is possible; what is too much is elided."""
    found = [""]
    # What is too much by far is not even looked at.
    for piece in _pieces(text[: 2 * width * (lines + 1)], width):
        if _width(found[-1]) + _width(piece.rstrip()) <= width:
            found[-1] += piece
        else:
            found.append(piece)
    found = [line.strip() for line in found if line.strip()] or [""]
    if len(found) > lines:
        found[lines - 1 :] = [_cut(found[lines - 1], width - 1).rstrip() + "…"]
    return found


def _pieces(text: str, width: int) -> list[str]:
    """Return what a line may not break, cut where a piece alone is longer than a line."""
    pieces: list[str] = []
    for piece in _BREAKS.split(printable(text)):
        while _width(piece.rstrip()) > width:
            head = _cut(piece, width)
            pieces.append(head)
            piece = piece[len(head) :]  # noqa: PLW2901 - what is left of it
        pieces.append(piece)
    return pieces


def _cut(text: str, width: int) -> str:
    end = 0
    while end < len(text) and _width(text[: end + 1]) <= width:
        end += 1
    return text[:end]


def _width(text: str) -> int:
    """Return how wide a text is, in characters of which some count double."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)
