"""Lets code that waits for the world outside the loop say so, at no cost when nobody asks.

A virtual clock may jump to the next timer only while nothing outside the loop is under way: no
storage call, no thread, no child process.  Whoever starts such work waits for it inside
``with busy():``.  A loop that cares carries a ``BusyCount`` as its attribute ``callboard_busy`` (on
asyncio the event loop itself, on trio its clock); elsewhere ``busy()`` does nothing.  There is no
registry, so loops in several threads do not know of each other.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Final

ATTRIBUTE: Final = "callboard_busy"
_NOBODY_COUNTS: Final = nullcontext()


class BusyCount:
    """How many waits for outside work are under way on one loop; entered once for each of them."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> None:
        self.count += 1

    def __exit__(self, *exc_info: object) -> None:
        self.count -= 1


def busy() -> AbstractContextManager[None]:
    """Return a context for waiting on something outside the running loop.

    Enter and leave it in the loop's own thread, and leave it when the outcome is known there.
    """
    count: AbstractContextManager[None] = getattr(clock_owner(), ATTRIBUTE, _NOBODY_COUNTS)
    return count


@contextmanager
def not_busy() -> Generator[None]:
    """Take one count back while outside work itself waits for the running loop.

    For a coroutine that a worker thread runs with ``anyio.from_thread.run``: the thread counts as
    busy, and yet nothing comes of it before this coroutine is done.
    """
    count: BusyCount | None = getattr(clock_owner(), ATTRIBUTE, None)
    if count is None:
        yield
        return
    count.count -= 1
    try:
        yield
    finally:
        count.count += 1


def clock_owner() -> object:
    """Return what keeps the running loop's time: the asyncio loop or trio's clock."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        trio = sys.modules.get("trio")  # never imported from here: asyncio programs do without it
        if trio is None:
            raise
    clock: object = trio.lowlevel.current_clock()
    return clock
