"""A process with an engine that starts many short runs on a shared store."""

from __future__ import annotations

import json
import sys
from functools import partial

import anyio

import callboard as cb


@cb.task
async def step() -> None:
    """Take a moment."""
    await anyio.sleep(0.01)


@cb.workflow
def short(w: cb.Builder) -> None:
    """Three steps in a row."""
    first = w.add(step)
    second = w.add(step, after=first)
    w.add(step, after=second)


async def main(url: str, name: str, runs: int) -> None:
    """Run them all, and print what came of each as JSON."""
    states: dict[str, str] = {}
    starters = anyio.Semaphore(20)

    async with (
        cb.Engine(url, recover="none", concurrency=16) as engine,
        anyio.create_task_group() as group,
    ):

        async def one(run_id: str) -> None:
            async with starters:
                result = await engine.run(short, run_id=run_id)
                states[run_id] = str(result.state)

        for number in range(runs):
            group.start_soon(one, f"{name}-{number}")
    sys.stdout.write(json.dumps(states))


if __name__ == "__main__":
    anyio.run(partial(main, sys.argv[1], sys.argv[2], int(sys.argv[3])), backend=sys.argv[4])
