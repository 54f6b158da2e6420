"""Who may run now: the engine's slots, a ledger of live leases.

It is plain state on the engine's one event loop and is called, not asked by message: a message per
task would
cost more than the task.  In use is the number of leases in the ledger, never a counter that could
drift.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Final, NamedTuple

_HEAP_MIN: Final = 64  # a smaller heap is not worth tidying


class Holder(NamedTuple):
    """Who holds a slot."""

    run: str
    task: str


class Slots:
    """At most ``limit`` leases at once, shared fairly between runs.

    A run that finds no slot gets in line with :meth:`wait`; a slot that comes free is kept for the
    first in
    line, who is called and takes it.  Lines are served by priority, then by age; a run stands in
    line once.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._holders: dict[str, Holder] = {}
        self._line: dict[str, tuple[int, int, Callable[[], None]]] = {}
        # The line as a heap; what stands otherwise in the line by now is passed over.
        self._next: list[tuple[int, int, str]] = []
        self._kept: set[str] = set()
        self._age = 0

    @property
    def holders(self) -> dict[str, Holder]:
        """Who holds the slots, by fence."""
        return self._holders

    @property
    def in_use(self) -> int:
        """How many slots are held."""
        return len(self._holders)

    def take(self, run: str, task: str, fence: str) -> bool:
        """Give a slot to an attempt if one is free and not kept for another run."""
        kept = self._kept
        others = len(kept) - (run in kept) if kept else 0
        if len(self._holders) + others >= self.limit:
            return False
        if kept:
            kept.discard(run)
        self._holders[fence] = Holder(run, task)
        return True

    def free(self, fence: str) -> None:
        """Take the slot of an ended attempt back, and call the first in line."""
        if self._holders.pop(fence, None) is not None and self._line:
            self._call_next()

    def wait(self, run: str, priority: int, call: Callable[[], None]) -> None:
        """Put a run in line; ``call()`` tells it that a slot is kept for it.

        Said again it keeps the place, and moves up if the priority is higher now.
        """
        if run in self._kept:
            return
        known = self._line.get(run)
        if known is None:
            self._age += 1
            self._stand(run, -priority, self._age, call)
        elif -priority < known[0]:
            self._stand(run, -priority, known[1], call)

    def _stand(self, run: str, rank: int, age: int, call: Callable[[], None]) -> None:
        self._line[run] = (rank, age, call)
        heapq.heappush(self._next, (rank, age, run))
        if len(self._next) > 2 * len(self._line) + _HEAP_MIN:
            self._next = [(*place[:2], name) for name, place in self._line.items()]
            heapq.heapify(self._next)

    def _pop_next(self) -> str:
        while True:
            rank, age, run = heapq.heappop(self._next)
            if self._line.get(run, ())[:2] == (rank, age):
                return run

    def leave(self, run: str) -> None:
        """Take a run out of the line and give up what is kept for it."""
        self._line.pop(run, None)
        if run in self._kept:
            self._kept.discard(run)
            self._call_next()

    def _call_next(self) -> None:
        if self._line and len(self._holders) + len(self._kept) < self.limit:
            run = self._pop_next()
            call = self._line.pop(run)[2]
            self._kept.add(run)
            call()
