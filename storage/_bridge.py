"""Drivers that know asyncio only, on trio: one thread with an asyncio loop, behind a bridge.

A call starts the coroutine over there and waits here for an event that the other loop's thread sets
through this loop's own wake-up: no thread is held while a call waits, and a call can be cancelled.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar, TypeVarTuple

import anyio
from anyio.from_thread import start_blocking_portal

_T = TypeVar("_T")
_Args = TypeVarTuple("_Args")

Wake = Callable[[Callable[[], object]], None]
"""Has a function called in a loop's own thread, soon; may itself be called from any thread."""


def on_trio() -> bool:
    """Return whether trio runs the current task."""
    trio = sys.modules.get("trio")  # never imported from here: asyncio programs do without it
    return trio is not None and bool(trio.lowlevel.in_trio_run())


def wake_of_this_loop() -> Wake:
    """Return the way to wake the running loop from other threads; an ended loop is not woken."""
    if on_trio():
        import trio

        token = trio.lowlevel.current_trio_token()

        def wake_trio(function: Callable[[], object]) -> None:
            with suppress(trio.RunFinishedError):
                token.run_sync_soon(function)

        return wake_trio
    loop = asyncio.get_running_loop()

    def wake_asyncio(function: Callable[[], object]) -> None:
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(function)

    return wake_asyncio


class AsyncioBridge:
    """Runs coroutines on an asyncio loop in a thread of its own; made by :func:`opened`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, wake: Wake) -> None:
        self._loop = loop
        self.wake = wake

    @classmethod
    @asynccontextmanager
    async def opened(cls) -> AsyncGenerator[AsyncioBridge]:
        """Start the thread, and end it when the block is left."""
        with start_blocking_portal(backend="asyncio") as portal:
            yield cls(portal.call(asyncio.get_running_loop), wake_of_this_loop())

    async def call(
        self, function: Callable[[*_Args], Coroutine[Any, Any, _T]], *args: *_Args
    ) -> _T:
        """Await ``function(*args)`` on the other loop; cancelling this cancels it over there."""
        done = anyio.Event()
        tasks: list[asyncio.Task[_T]] = []

        def start() -> None:
            task = self._loop.create_task(function(*args))
            task.add_done_callback(lambda _: self.wake(done.set))
            tasks.append(task)

        def stop() -> None:
            tasks[0].cancel()

        # Not portal.start_task_soon: that holds this loop until the other one has begun.
        self._loop.call_soon_threadsafe(start)
        try:
            await done.wait()
        except anyio.get_cancelled_exc_class():
            self._loop.call_soon_threadsafe(stop)
            with anyio.CancelScope(shield=True):
                await done.wait()
            raise
        return tasks[0].result()
