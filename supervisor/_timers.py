"""One heap for every deadline of the engine: a wait is an entry here, not a sleeping task."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Hashable
from enum import Enum, auto
from typing import Final, TypeAlias

import anyio

from ._clock import Clock

_Entry: TypeAlias = tuple[float, int, "str | Shared", Hashable, float]
_Live: TypeAlias = tuple[int, Callable[[], None]]

_HEAP_MIN: Final = 64  # a smaller heap is not worth tidying
_EARLY: Final = 1e-6  # the kernel takes a microsecond early for on time


class Shared(Enum):
    """Groups that belong to no run in particular."""

    BOARD = auto()
    """Leases of the board, by fence."""
    AT_REST = auto()
    """Runs at rest, each by its id: a group for each would be most of what is left of it."""


class Timers:
    """Calls a function when a wall time has come; :meth:`serve` must run for that.

    A timer has a key within a group, which is a run's or a shared one: setting it anew replaces it,
    and a group can be forgotten whole.  Functions are called in the order of their deadlines; they
    must not block nor raise.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[_Entry] = []
        self._groups: dict[str | Shared, dict[Hashable, _Live]] = {}
        self._heap_max = _HEAP_MIN
        self._count = 0
        self._live = 0
        self._wake: anyio.Event | None = None

    def __len__(self) -> int:
        """Return how many timers are set."""
        return self._live

    def set(self, group: str | Shared, key: Hashable, at: float, call: Callable[[], None]) -> None:
        """Call ``call()`` at the wall time ``at``, instead of what was set under this key."""
        self._count += 1
        timers = self._groups.setdefault(group, {})
        self._live += key not in timers
        timers[key] = (self._count, call)
        entry = (self._clock.deadline(at), self._count, group, key, at)
        heapq.heappush(self._heap, entry)
        if self._heap[0] is entry and self._wake is not None:
            self._wake.set()
        if len(self._heap) > self._heap_max:
            self._heap = [each for each in self._heap if self._is_live(each)]
            heapq.heapify(self._heap)
            # Not counted each time: there may be a group for each of a hundred thousand runs.
            self._heap_max = max(_HEAP_MIN, 2 * len(self._heap))

    def clear(self, group: str | Shared, key: Hashable) -> None:
        """Forget a timer; one that is not set is fine."""
        timers = self._groups.get(group)
        if timers is not None:
            self._live -= timers.pop(key, None) is not None

    def clear_group(self, group: str | Shared) -> None:
        """Forget all timers of a group."""
        self._live -= len(self._groups.pop(group, ()))

    def _is_live(self, entry: _Entry) -> bool:
        live = self._groups.get(entry[2], {}).get(entry[3])
        return live is not None and live[0] == entry[1]

    async def serve(self) -> None:
        """Call what is due, for ever."""
        while True:
            self._call_due()
            self._wake = anyio.Event()
            timeout = self._heap[0][0] - anyio.current_time() if self._heap else None
            if timeout is None:
                await self._wake.wait()
            elif timeout > 0:
                with anyio.move_on_after(timeout):
                    await self._wake.wait()
            self._wake = None

    def _call_due(self) -> None:
        while self._heap:
            entry = self._heap[0]
            if not self._is_live(entry):
                heapq.heappop(self._heap)
            elif entry[0] > anyio.current_time():
                return
            elif entry[4] > self._clock.wall() + _EARLY:
                # The wall clock was set back, or runs slower than the loop's: it is not time yet.
                heapq.heapreplace(self._heap, (self._clock.deadline(entry[4]), *entry[1:]))
            else:
                heapq.heappop(self._heap)
                self._live -= 1
                self._groups[entry[2]].pop(entry[3])[1]()
