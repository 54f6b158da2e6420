"""A program that waits for a run until somebody presses Ctrl-C: ``interrupted.py STORE WAY``."""

from __future__ import annotations

import asyncio
import signal
import sys
from functools import partial

import anyio
import trio

import callboard as cb

say = partial(print, flush=True)
calls: list[anyio.CancelScope] = []


@cb.task
async def hold() -> None:
    """Say that it has begun, and go on for ever."""
    try:
        say("begun")
        if "inside" in sys.argv[2]:
            signal.raise_signal(signal.SIGINT)
        for call in calls:
            call.cancel()
        await anyio.sleep_forever()
    finally:
        say("stopped")


@cb.workflow
def holding(w: cb.Builder) -> None:
    """Hold."""
    w.add(hold)


async def main(url: str, way: str) -> None:
    """Run it, in the way that the test wants."""
    async with cb.Engine(url, grace=30) as engine:
        if "tidy" in way:
            try:
                await engine.run(holding, run_id="r")
            finally:
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(0.05)
        elif "scope" in way:
            with anyio.CancelScope() as scope:
                calls.append(scope)
                await engine.run(holding, run_id="r")
            say("left")
            await anyio.sleep_forever()
        else:
            await engine.run(holding, run_id="r")


if __name__ == "__main__":
    # What a shell starts in the background ignores it, and so does all that this starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    backend, _, how = sys.argv[2].partition("-")
    if backend == "trio":
        trio.run(main, sys.argv[1], how)
    elif backend == "asyncio":
        asyncio.run(main(sys.argv[1], how))
    else:
        anyio.run(partial(main, sys.argv[1], how))
