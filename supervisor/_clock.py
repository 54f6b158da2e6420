"""The engine's clock: monotonic time for waiting, wall time for what is stored."""

from __future__ import annotations

import time
from collections.abc import Callable

import anyio

from ..actors._busy import clock_owner


class Clock:
    """Tells the wall time and turns a stored wall time into the loop's own.

    Args:
        wall: Gives the wall time in seconds since the epoch.  By default it is the system's, or
            the virtual one on a loop of ``callboard.testing``.
    """

    def __init__(self, wall: Callable[[], float] | None = None) -> None:
        self._given = wall
        self.wall: Callable[[], float] = wall or time.time

    def start(self) -> None:
        """Take the time of the running loop, if it has one of its own and no other was given."""
        virtual = getattr(clock_owner(), "virtual_time", None)
        if self._given is None and virtual is not None:
            self.wall = virtual.wall_time

    def deadline(self, at: float) -> float:
        """Return the loop's time at which the wall time ``at`` will have come."""
        return anyio.current_time() + max(0.0, at - self.wall())
