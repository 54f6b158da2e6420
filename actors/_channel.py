"""The channel: one queue that feeds many consumers, each item to exactly one of them."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

import anyio.lowlevel
import attrs

from ._parking import Spot, new_spot

T = TypeVar("T")

FAIR = 32


@attrs.frozen(kw_only=True)
class ChannelStatistics:
    """What a channel holds at this moment."""

    queued: int
    consumers_waiting: int


class Channel(Generic[T]):
    """A queue for standing consumers, unbounded because it never waits.

    An item goes straight to the consumer that began to wait last, whose memory is the warmest;
    only when nobody waits is it queued, first in, first out. A consumer that finds an item takes
    it at once and lets others run after every ``FAIR`` items taken so; hence being cancelled is
    noticed at the next real wait, not at each ``receive``.
    """

    __slots__ = ("_at_once", "_items", "_waiting")

    def __init__(self) -> None:
        self._items: deque[T] = deque()
        self._waiting: dict[_Consumer[T], None] = {}
        self._at_once = 0

    def post(self, item: T) -> None:
        """Give an item to a waiting consumer, or queue it; never waits."""
        if not self._hand_over(item):
            self._items.append(item)

    async def receive(self) -> T:
        """Take an item, waiting for one; cancelled while it waits, no item is lost."""
        if self._items:
            if self._at_once >= FAIR:
                self._at_once = 0
                await anyio.lowlevel.checkpoint()
            if self._items:
                self._at_once += 1
                return self._items.popleft()
        return await self._wait()

    def statistics(self) -> ChannelStatistics:
        """Tell what the channel holds now."""
        return ChannelStatistics(queued=len(self._items), consumers_waiting=len(self._waiting))

    async def _wait(self) -> T:
        consumer: _Consumer[T] = _Consumer(new_spot())  # a subscripted call costs a microsecond
        self._waiting[consumer] = None
        try:
            await consumer.spot
        except BaseException:
            self._waiting.pop(consumer, None)
            for item in consumer.given:
                if not self._hand_over(item):
                    self._items.appendleft(item)
            raise
        return consumer.given[0]

    def _hand_over(self, item: T) -> bool:
        while self._waiting:
            consumer, _ = self._waiting.popitem()
            if consumer.spot.wake():
                consumer.given = (item,)
                return True
        return False


@attrs.define(eq=False)
class _Consumer(Generic[T]):
    """Who waits for an item, and what it was given."""

    spot: Spot
    given: tuple[T, ...] = ()
