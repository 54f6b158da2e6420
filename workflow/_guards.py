"""Guards: how many tasks, and which edges, the finished run may have.

A count is kept for each pair of a pattern and a scope; promising intersects its interval, so the
order of promises does not matter, saying one twice is harmless, and nothing is ever widened.  A
guard ``by T`` counts the tasks that have T among their creators, however far up.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import attrs

from ._guard_text import EdgeGuard, Looks, OnlyEdges, OnlyTasks, matches

Chain = Collection[str]
"""The creators of something, the nearest first."""

NOBODY: Final[Chain] = ()


@attrs.define(eq=False)
class Guard:
    """An interval on the number of tasks with a matching label in the finished run.

    Attributes:
        by: Whose creations are counted, and what those create; None counts all tasks.
        lo: At least so many.
        hi: At most so many; None is no limit.
        count: How many there are now.
        low_text: The promise that ``lo`` comes from.
        high_text: The promise that ``hi`` comes from.
        no_new: Whether it was promised that none is created any more.
    """

    pattern: str
    by: str | None
    lo: int = 0
    hi: int | None = None
    count: int = 0
    low_text: str = ""
    high_text: str = ""
    no_new: bool = False

    @property
    def full(self) -> bool:
        """Whether no more may come."""
        return self.hi is not None and self.count >= self.hi

    @property
    def owed(self) -> int:
        """How many must still come."""
        return max(0, self.lo - self.count)

    def counts(self, chain: Chain) -> bool:
        """Return whether it counts what has these creators."""
        return self.by is None or self.by in chain


@attrs.define(eq=False)
class Guards:
    """All guards of a run.

    Attributes:
        tasks: Those on numbers of tasks, by pattern and scope.
        only_tasks: What labels new tasks may have, each with the text that said so.
        no_edges: Between what labels no edges may be added, likewise.
        only_edges: Between what labels edges may be added, likewise.
        no_looks: Whose things may not look different any more, likewise.
        lower: Whether any of them asks for tasks.
        scoped: Whether any of them holds only for some task's creations.
    """

    tasks: dict[tuple[str, str | None], Guard] = attrs.field(
        factory=dict[tuple[str, str | None], Guard]
    )
    only_tasks: list[tuple[OnlyTasks, str]] = attrs.field(factory=list[tuple[OnlyTasks, str]])
    no_edges: list[tuple[EdgeGuard, str]] = attrs.field(factory=list[tuple[EdgeGuard, str]])
    only_edges: list[tuple[OnlyEdges, str]] = attrs.field(factory=list[tuple[OnlyEdges, str]])
    no_looks: list[tuple[Looks, str]] = attrs.field(factory=list[tuple[Looks, str]])
    lower: bool = False
    scoped: bool = False
    _matching: dict[str, tuple[Guard, ...]] = attrs.field(factory=dict[str, tuple[Guard, ...]])

    @property
    def owed(self) -> bool:
        """Whether some tasks must still come."""
        return any(guard.owed for guard in self.tasks.values())

    def matching(self, label: str) -> tuple[Guard, ...]:
        """Return the guards that may count a task with this label."""
        found = self._matching.get(label)
        if found is None:
            found = self._matching[label] = tuple(
                each for each in self.tasks.values() if matches(each.pattern, label)
            )
        return found

    def guard(self, pattern: str, by: str | None) -> Guard:
        """Return the guard for a pattern and a scope, made if there was none; it counts nothing."""
        found = self.tasks.get((pattern, by))
        if found is None:
            found = self.tasks[pattern, by] = Guard(pattern, by)
            self._matching.clear()
        return found

    def count(self, label: str, chain: Chain) -> None:
        """Note that there is one task more."""
        for guard in self.matching(label):
            if guard.counts(chain):
                guard.count += 1

    def discount(self, label: str, chain: Chain) -> None:
        """Note that there is one task less; where no new ones come, that is all there will be."""
        for guard in self.matching(label):
            if guard.counts(chain):
                guard.count -= 1
                if guard.no_new:
                    guard.hi = guard.count

    def exceeded(self, label: str, chain: Chain) -> str | None:
        """Return the promise that one more task with this label would break, if one would be."""
        for guard in self.matching(label):
            if guard.full and guard.counts(chain):
                return guard.high_text
        for only, text in self.only_tasks:
            if _in_scope(only.by, chain) and not any(matches(p, label) for p in only.patterns):
                return text
        return None

    def forbids_edge(self, source: str, target: str, chain: Chain) -> str | None:
        """Return the promise that an edge between these labels would break, if one would be."""
        for no, text in self.no_edges:
            if (
                _in_scope(no.by, chain)
                and matches(no.source, source)
                and matches(no.target, target)
            ):
                return text
        for only, text in self.only_edges:
            if _in_scope(only.by, chain) and not any(
                matches(a, source) and matches(b, target) for a, b in only.pairs
            ):
                return text
        return None

    def forbids_looks(self, chain: Chain) -> str | None:
        """Return the promise that another look for something would break, if one would be."""
        return next((text for no, text in self.no_looks if _in_scope(no.by, chain)), None)


def _in_scope(by: str | None, chain: Chain) -> bool:
    return by is None or by in chain
