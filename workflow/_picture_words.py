"""What may still come, in words."""

from __future__ import annotations

from typing import Final

from ._run import Part
from ._shapes import Alt, Empty, Lab, Loop, Map, Par, Seq, Shape, Wild

NAMES_MAX = 3
"""How many names stand in a line before the rest is only counted."""
PHRASE_MAX: Final = 44
"""How many characters an expression takes in words before its signs are easier to read."""


def phrase(shape: Shape) -> str:
    """Return what an expression means: ``N → M or J → K``, ``any number of fetch``."""
    match shape:
        case Lab(label):
            return label
        case Wild():
            return "anything"
        case Empty():
            return "nothing"
        case Seq(items):
            return " → ".join(_grouped(item, Alt, Par, Map, Loop) for item in items)
        case Par(items):
            return " and ".join(_grouped(item, Alt) for item in items)
        case Alt(items):
            return " or ".join(phrase(item) for item in items)
        case Map(item, lo, hi):
            return f"{_many(lo, hi)} {_grouped(item, Alt, Par, Seq, Map, Loop)}"
        case Loop(item, lo, hi):
            rounds = "round" if (lo, hi) in ((1, None), (0, 1)) else "rounds"
            return f"{_many(lo, hi)} {rounds} of {_grouped(item, Alt, Par, Map, Loop)}"


def many(lo: int, hi: int | None, what: str) -> str:
    """Return how many of something: ``2 to 5 of these``."""
    return f"{_many(lo, hi)} {what}".replace(" of of ", " of ")


def _grouped(shape: Shape, *loose: type[Shape]) -> str:
    return f"({phrase(shape)})" if isinstance(shape, loose) else phrase(shape)


def _many(lo: int, hi: int | None) -> str:
    match lo, hi:
        case 0, None:
            return "any number of"
        case 1, None:
            return "at least one"
        case _, None:
            return f"at least {lo:,}"
        case 0, 1:
            return "at most one"
        case 0, _:
            return f"up to {hi:,}"
        case _ if lo == hi:
            return f"{lo:,}"
        case _:
            return f"{lo:,} to {hi:,}"


def meaning(part: Part) -> str:
    """Return what may still come into a part, beside what came: ``fetch ×3, more possible``.

    What would take too many words is told by the expression.
    """
    told = _in_words(part)
    return told if len(told) <= PHRASE_MAX else signs(part.residual)


def signs(shape: Shape) -> str:
    """Return an expression with arrows for people."""
    return str(shape).replace("->", "→")


def _in_words(part: Part) -> str:
    rest = part.residual
    if part.begun and isinstance(rest, Map):
        inner = _grouped(rest.item, Alt, Par, Seq, Map, Loop)
        return f"{inner} ×{part.begun:,}, {_more(rest.lo, rest.hi)}"
    if part.begun and isinstance(rest, Loop):
        inner = _grouped(rest.item, Alt, Par, Map, Loop)
        rounds = "round" if part.begun == 1 else "rounds"
        return f"{part.begun:,} {rounds} of {inner}, {_more(rest.lo, rest.hi)}"
    return phrase(rest)


def _more(lo: int, hi: int | None) -> str:
    match lo, hi:
        case 0, None:
            return "more possible"
        case _, None:
            return f"at least {lo:,} more"
        case 0, _:
            return f"up to {hi:,} more"
        case _ if lo == hi:
            return f"{lo:,} more"
        case _:
            return f"{lo:,} to {hi:,} more"


def says_as_much(label: str, shape: Shape) -> bool:
    """Return whether a label says all that an expression says."""
    return label in (signs(shape), phrase(shape)) and not isinstance(shape, (Map, Loop))


def names(some: list[str]) -> str:
    """Return a short list: the first names, and how many more there are."""
    if len(some) <= NAMES_MAX + 1:
        return ", ".join(some)
    return f"{', '.join(some[:NAMES_MAX])} and {len(some) - NAMES_MAX:,} more"


def words(state: str) -> str:
    """Return a state as people write it."""
    return state.replace("_", " ")
