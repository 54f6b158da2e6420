"""The engine's clock: monotonic time for waiting, wall time for what is stored."""

from __future__ import annotations

import time
from collections.abc import Callable

import anyio


class Clock:
    """Tells the wall time and turns a stored wall time into the loop's own.

    Args:
        wall: Gives the wall time in seconds since the epoch; a test gives a virtual one.
    """

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self.wall = wall

    def deadline(self, at: float) -> float:
        """Return the loop's time at which the wall time ``at`` will have come."""
        return anyio.current_time() + max(0.0, at - self.wall())
