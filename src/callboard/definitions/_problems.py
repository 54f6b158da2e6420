"""Errors of a definition, gathered: where each is, what is wrong, and what was meant."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from typing import Final

import attrs

from .._frozen import frozen
from ..workflow import DefinitionError

LISTED_MAX = 10
NEAR = 0.6
"""How alike two names must be, from 0 to 1, to be mistaken for each other."""

COMPARISONS_MAX = 100_000
"""How many names the errors of a file are compared with, so that they do not take minutes."""


class Invalid:
    """The type of :data:`INVALID`."""


INVALID: Final = Invalid()
"""What reading gives where something was wrong; the error itself has been reported."""


@attrs.define(order=False)
class _Problem:
    line: int
    text: str


@attrs.define
class Problems:
    """All that is wrong with one source.

    Attributes:
        source: The file's name as the reader knows it.
        foreign: Errors of other files that this one names, complete with their places.
    """

    source: str
    found: list[_Problem] = attrs.field(factory=list[_Problem])
    foreign: list[str] = attrs.field(factory=list[str])
    comparisons_left: int = COMPARISONS_MAX

    def __bool__(self) -> bool:
        return bool(self.found or self.foreign)

    def add(self, line: int, path: str, message: str) -> None:
        """Note one error."""
        place = f"{path}: " if path else ""
        self.found.append(_Problem(line, f"{self.source}:{line}: {place}{message}"))

    def suggest(self, name: str, known: Collection[str]) -> str:
        """Complete a message about an unknown name with the nearest known one."""
        self.comparisons_left -= len(known)
        return suggest(name, known if self.comparisons_left > 0 else ())

    def texts(self) -> list[str]:
        """Give every error once, in the order of the file."""
        ordered = [problem.text for problem in sorted(self.found, key=lambda p: p.line)]
        return list(dict.fromkeys([*ordered, *self.foreign]))

    def raise_any(self) -> None:
        """Raise all of them at once, if there are any."""
        if self:
            raise DefinitionError(self.texts())


@frozen
class Place:
    """A spot in a definition, as a path that error messages show."""

    problems: Problems
    path: str = ""

    def key(self, name: str) -> Place:
        """Go to an entry of a mapping."""
        plainly = name.replace("_", "").replace("-", "").isalnum()
        shown = name if plainly else f'["{name}"]'
        dot = "." if self.path and plainly else ""
        return Place(self.problems, f"{self.path}{dot}{shown}")

    def item(self, index: int) -> Place:
        """Go to an item of a list."""
        return Place(self.problems, f"{self.path}[{index}]")

    def report(self, line: int, message: str) -> Invalid:
        """Note an error here."""
        self.problems.add(line, self.path, message)
        return INVALID


def suggest(name: str, known: Collection[str]) -> str:
    """Give ``; did you mean "…"?``, or the known names where none is near, or nothing."""
    folded = {other.casefold(): other for other in known}
    for cutoff, answer in ((NEAR, "; did you mean {}?"), (0.0, "; known names, nearest first: {}")):
        many = 1 if cutoff else LISTED_MAX
        near = difflib.get_close_matches(name.casefold(), folded, n=many, cutoff=cutoff)
        if near:
            total = len(known) if many > 1 else 0
            return answer.format(listing((folded[each] for each in near), total))
    return ""


def listing(names: Iterable[str], total: int = 0) -> str:
    """Write names one after another, the first few of many."""
    every = list(names)
    rest = max(total, len(every)) - LISTED_MAX
    shown = ", ".join(f'"{name}"' for name in every[:LISTED_MAX])
    return f"{shown} and {rest} more" if rest > 0 else shown
