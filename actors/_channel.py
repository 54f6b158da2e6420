"""The channel: one queue that feeds many consumers, each item to exactly one of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Generic, TypeVar

import anyio.lowlevel

from .._frozen import frozen
from ._parking import Spot, new_spot

T = TypeVar("T")

FAIR = 32


@frozen(kw_only=True)
class ChannelStatistics:
    """What a channel holds at this moment."""

    queued: int
    consumers_waiting: int


class Channel(Generic[T]):
    """A queue for standing consumers, unbounded because it never waits.

    Items are taken first in, first out. Posting wakes one waiting consumer, the one that began to
    wait last, whose memory is the warmest; whoever takes an item while more are queued wakes the
    next one before it goes to work. So consumers whose work never waits share a burst among few,
    without a switch of tasks for each item, and those whose work waits are soon all at it. A
    consumer that finds an item takes it at once and lets others run after every ``FAIR`` items
    taken so; hence being cancelled is noticed at the next real wait, not at each ``receive``.
    """

    __slots__ = ("_at_once", "_items", "_waiting", "_woken")

    def __init__(self) -> None:
        self._items: deque[T] = deque()
        self._waiting: dict[Spot, None] = {}
        self._woken: Spot | None = None  # who was woken and has not run since
        self._at_once = 0

    def post(self, item: T) -> None:
        """Queue an item and see that somebody takes it; never waits."""
        self._items.append(item)
        if self._waiting and self._woken is None:
            self._wake_one()

    def post_all(self, items: Iterable[T]) -> None:
        """Queue items and see that they are taken; never waits."""
        self._items.extend(items)
        if self._items and self._waiting and self._woken is None:
            self._wake_one()

    async def receive(self) -> T:
        """Take an item, waiting for one; cancelled while it waits, no item is lost."""
        items = self._items
        if items and self._at_once >= FAIR:
            self._at_once = 0
            await anyio.lowlevel.checkpoint()
        if items:
            self._at_once += 1
        else:
            self._at_once = 0
            while not items:
                await self._wait()
        item = items.popleft()
        if items and self._waiting and self._woken is None:
            self._wake_one()
        return item

    def statistics(self) -> ChannelStatistics:
        """Tell what the channel holds now."""
        return ChannelStatistics(queued=len(self._items), consumers_waiting=len(self._waiting))

    async def _wait(self) -> None:
        spot = new_spot()
        self._waiting[spot] = None
        try:
            await spot
        except BaseException:
            self._waiting.pop(spot, None)
            if self._woken is spot:
                self._woken = None
                if self._items:
                    self._wake_one()
            raise
        if self._woken is spot:
            self._woken = None

    def _wake_one(self) -> None:
        while self._waiting:
            spot, _ = self._waiting.popitem()
            if spot.wake():
                self._woken = spot
                return
