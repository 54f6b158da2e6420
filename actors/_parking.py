"""Where a task waits until another one wakes it: the loop's own primitive, without a detour.

An ``anyio.Event`` would do the same for three times the price, and waiting is what actors do
most. A spot serves one task once: the task makes it and awaits it at once, somebody wakes it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Protocol

import anyio

if TYPE_CHECKING:
    import trio


class Spot(Protocol):
    """One task's place to wait, for one time."""

    def wake(self) -> bool:
        """Let the waiting task run on; false when it was cancelled and waits no more."""
        ...

    def __await__(self) -> Generator[Any, Any, None]:
        """Wait until woken; cancelling the wait leaves nothing behind."""
        ...


def new_spot() -> Spot:
    """Make a spot for the current task, on the backend that runs it."""
    if "trio" not in sys.modules or anyio.get_cancelled_exc_class() is asyncio.CancelledError:
        return AsyncioSpot()
    return TrioSpot()


class AsyncioSpot:
    """A spot on asyncio: a future."""

    __slots__ = ("_future",)

    def __init__(self) -> None:
        self._future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def wake(self) -> bool:
        """Let the waiting task run on; false when it was cancelled and waits no more."""
        if self._future.done():
            return False
        self._future.set_result(None)
        return True

    def __await__(self) -> Generator[Any, Any, None]:
        """Wait until woken."""
        return self._future.__await__()


class TrioSpot:
    """A spot on trio: the task itself, taken off the run queue."""

    __slots__ = ("_lowlevel", "_task")

    def __init__(self) -> None:
        import trio

        self._lowlevel = trio.lowlevel
        self._task: trio.lowlevel.Task | None = trio.lowlevel.current_task()

    def wake(self) -> bool:
        """Let the waiting task run on; false when it was cancelled and waits no more."""
        if self._task is None:
            return False
        task, self._task = self._task, None
        self._lowlevel.reschedule(task)
        return True

    def __await__(self) -> Generator[Any, Any, None]:
        """Wait until woken."""
        return self._lowlevel.wait_task_rescheduled(self._abort).__await__()

    def _abort(self, _raise_cancel: object) -> trio.lowlevel.Abort:
        self._task = None
        return self._lowlevel.Abort.SUCCEEDED
