"""How things look in pictures: by state, and in colours that anybody can read.

States differ in fill, in stroke, in shape and in a word with its sign, so nobody needs to tell
colours apart, and a black and white print says as much.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import attrs

from .._frozen import frozen
from ._errors import UsageError
from ._states import TaskState

CONTRAST_MIN: Final = 4.5
"""How far text, strokes and edges stand out from what they are on, as WCAG counts it."""

INK: Final = "#1a1a1a"
GREY: Final = "#555555"
EDGE: Final = "#4a4a4a"
PAPER: Final = "#ffffff"


@frozen(kw_only=True)
class Look:
    """How a state is drawn.

    Attributes:
        sign: One character before the state's word.
        shape: The shape and its further attributes, in DOT.
        brackets: The same shape in Mermaid.
    """

    sign: str
    fill: str
    stroke: str
    text: str
    shape: str
    brackets: tuple[str, str]


def _look(sign: str, colours: str, shape: str, brackets: str) -> Look:
    fill, stroke, text = colours.split()
    left, right = brackets.split()
    return Look(sign=sign, fill=fill, stroke=stroke, text=text, shape=shape, brackets=(left, right))


LOOKS: Final[Mapping[TaskState, Look]] = {
    TaskState.PENDING: _look("·", "#ffffff #666666 #1a1a1a", 'box style="rounded,filled"', "( )"),
    TaskState.READY: _look("○", "#e3effb #1f5f99 #1a1a1a", "box", "[ ]"),
    TaskState.RUNNING: _look(
        "▶", "#0b5fa5 #04305a #ffffff", 'box style="rounded,filled" penwidth=3', "([ ])"
    ),
    TaskState.WAITING: _look("…", "#fff3c4 #7a5b00 #1a1a1a", "note", "{{ }}"),
    TaskState.RETRY_WAIT: _look("↻", "#ffd9a0 #8a4b00 #1a1a1a", "component", "[/ /]"),
    TaskState.SUCCEEDED: _look("✓", "#d3f0dc #1b6e3c #1a1a1a", "box peripheries=2", "[[ ]]"),
    TaskState.NOT_READY: _look("◐", "#e8dcf4 #5b3a86 #1a1a1a", "tab", r"[/ \]"),
    TaskState.FAILED: _look("✗", "#a61b1b #4d0606 #ffffff", "octagon penwidth=3", "> ]"),
    TaskState.SKIPPED: _look("»", "#efefef #6b6b6b #1a1a1a", "folder", r"[\ /]"),
    TaskState.UPSTREAM_FAILED: _look("↯", "#fbdcd6 #8f2a1d #1a1a1a", "octagon", r"[\ \]"),
    TaskState.CANCELLED: _look(
        "■", "#dcdcdc #333333 #1a1a1a", 'box style="filled,diagonals"', "[( )]"
    ),
}
HOLE: Final = _look("?", "#ffffff #333333 #1a1a1a", 'box style="dashed,rounded,filled"', "( )")
PLANNED: Final = LOOKS[TaskState.PENDING]
URGENT: Final = (
    TaskState.FAILED,
    TaskState.UPSTREAM_FAILED,
    TaskState.CANCELLED,
    TaskState.NOT_READY,
    TaskState.RUNNING,
    TaskState.RETRY_WAIT,
    TaskState.WAITING,
    TaskState.READY,
    TaskState.PENDING,
    TaskState.SKIPPED,
    TaskState.SUCCEEDED,
)
"""Several tasks that are drawn as one look like the first of these that one of them is in."""

PROMISE_SIGNS: Final[Mapping[str, str]] = {
    "settled": "✓",
    "holding": "○",
    "owed": "◐",
    "broken": "✗",
}
PROMISES_MAX: Final = 12
"""How many promises a picture tells in full."""


def state_words(state: str | None) -> str:
    """Return how a promise stands, as pictures say it; in a definition there is no state yet."""
    return "promised" if state is None else f"{PROMISE_SIGNS[state]} {state}"


# --- colours that somebody asked for --------------------------------------------------------------

_HEX: Final = re.compile(r"#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})")
NAMED: Final[Mapping[str, str]] = {
    "black": "#000000",
    "blue": "#0000ff",
    "brown": "#a52a2a",
    "cyan": "#00ffff",
    "gold": "#ffd700",
    "gray": "#808080",
    "green": "#008000",
    "grey": "#808080",
    "lime": "#00ff00",
    "magenta": "#ff00ff",
    "maroon": "#800000",
    "navy": "#000080",
    "olive": "#808000",
    "orange": "#ffa500",
    "pink": "#ffc0cb",
    "purple": "#800080",
    "red": "#ff0000",
    "silver": "#c0c0c0",
    "teal": "#008080",
    "violet": "#ee82ee",
    "white": "#ffffff",
    "yellow": "#ffff00",
}


def colour_of(text: str | None) -> str | None:
    """Return a colour as ``#rrggbb``; None if it is none that is known."""
    if text is None:
        return None
    text = text.strip().lower()
    if not _HEX.fullmatch(text):
        return NAMED.get(text)
    return text if len(text) > len("#rgb") else "#" + "".join(digit * 2 for digit in text[1:])


def check_colour(text: str | None) -> None:
    """Refuse a colour that is none.

    Raises:
        UsageError: it says what would be one.
    """
    if text is not None and colour_of(text) is None:
        known = ", ".join(NAMED)
        raise UsageError(
            f"{text!r} is no colour of a picture: say it as #rrggbb, or as one of {known}"
        )


def luminance(colour: str) -> float:
    """Return how bright a colour is to the eye, from 0 to 1."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4  # noqa: PLR2004 - sRGB
        for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Return how far two colours stand apart, from 1 to 21."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def text_on(fill: str) -> str:
    """Return black or white, whichever reads better on a colour."""
    return max("#000000", "#ffffff", key=lambda text: contrast(text, fill))


def readable(colour: str) -> str:
    """Return a colour, darkened as far as a line on white needs it."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    while contrast(colour, PAPER) < CONTRAST_MIN:
        red, green, blue = red * 9 // 10, green * 9 // 10, blue * 9 // 10
        colour = f"#{red:02x}{green:02x}{blue:02x}"
    return colour


def painted(look: Look, fill: str | None) -> Look:
    """Return a look in another colour, which still reads."""
    return look if fill is None else attrs.evolve(look, fill=fill, text=text_on(fill))
