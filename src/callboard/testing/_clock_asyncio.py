"""Virtual time on asyncio: an event loop whose selector moves the clock instead of waiting."""

from __future__ import annotations

import asyncio
import math
import selectors
from collections.abc import Callable
from concurrent.futures import Executor
from contextvars import Context
from time import get_clock_info
from typing import Final, TypeVar, TypeVarTuple, Unpack

# anyio tells only of its default limiter; these count the threads of every limiter.
from anyio._backends._asyncio import (
    _threadpool_idle_workers,  # pyright: ignore[reportPrivateUsage]
    _threadpool_workers,  # pyright: ignore[reportPrivateUsage]
)

from ._virtual_time import VirtualTime

_Result = TypeVar("_Result")
_Args = TypeVarTuple("_Args")
_Ready = list[tuple[selectors.SelectorKey, int]]

RESOLUTION: Final = get_clock_info("monotonic").resolution


class _VirtualSelector(selectors.DefaultSelector):
    """Reports what is ready; where a selector would wait, it asks its loop."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> _Ready:
        """Return what is ready, waiting only for outside work."""
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        seconds = self.loop.jump_or_wait(math.inf if timeout is None else timeout)
        if seconds == 0:
            return []
        ready = super().select(seconds)
        if not ready:
            raise self.loop.stuck()
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop that lives in virtual time."""

    def __init__(self, virtual_time: VirtualTime) -> None:
        self.virtual_time = virtual_time
        self.callboard_busy = virtual_time.outside
        self._virtual_selector = _VirtualSelector()
        self._virtual_selector.loop = self
        super().__init__(self._virtual_selector)
        self._own_files = len(self._virtual_selector.get_map())

    def time(self) -> float:
        """Return the virtual time."""
        return self.virtual_time.now

    def jump_or_wait(self, timeout: float) -> float:
        """Jump ahead by ``timeout`` and return 0, or return the real seconds to wait."""
        sockets = len(self._virtual_selector.get_map()) - self._own_files
        deadline = self.virtual_time.now + timeout
        seconds = self.virtual_time.real_wait(
            deadline=deadline, threads=_threads_under_way(), sockets=sockets
        )
        if seconds == 0:
            self.virtual_time.now = deadline
            # asyncio fires what is due before now + resolution.  After 48 days its nanosecond is
            # lost in rounding, and a timer due exactly now would never fire.
            self._clock_resolution = max(RESOLUTION, math.ulp(deadline))
        return seconds

    def stuck(self) -> RuntimeError:
        """Return the error for a real wait in vain."""
        tasks = (task.get_name() for task in asyncio.all_tasks(self))
        return self.virtual_time.stuck(threads=_threads_under_way(), tasks=tasks)

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[_Args]], object],
        *args: *_Args,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Set a timer; one that is never due (``anyio.sleep_forever``) must not look like one."""
        if when == math.inf:
            return asyncio.TimerHandle(when, callback, args, self, context)
        return super().call_at(when, callback, *args, context=context)

    def run_in_executor(
        self,
        executor: Executor | None,
        func: Callable[[Unpack[_Args]], _Result],
        *args: *_Args,
    ) -> asyncio.Future[_Result]:
        """Run a function in asyncio's own threads, which count as outside work."""
        future = super().run_in_executor(executor, func, *args)
        self.virtual_time.outside.count += 1
        future.add_done_callback(self._executor_call_ended)
        return future

    def _executor_call_ended(self, _: asyncio.Future[_Result]) -> None:
        self.virtual_time.outside.count -= 1

    async def shutdown_default_executor(self, *timeout: float) -> None:
        """Wait for the executor's threads really; the timeout would pass at once otherwise."""
        with self.virtual_time.outside:
            await super().shutdown_default_executor(*timeout)


def _threads_under_way() -> int:
    return len(_threadpool_workers.get(())) - len(_threadpool_idle_workers.get(()))
