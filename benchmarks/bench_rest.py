"""What a run costs that waits for days: it should be a row, not a task."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from functools import partial
from pathlib import Path

import anyio
from benchmarks._harness import OURS, Figures, Goal, Row

import callboard
from callboard.storage import SqliteStore
from callboard.storage._bridge import on_trio

STARTERS = 64
REST_AFTER_SECONDS = 0.5
PATIENCE_SECONDS = 60.0


def tasks_alive() -> int:
    """Return how many tasks the event loop has."""
    if not on_trio():
        return len(asyncio.all_tasks())
    import trio

    return trio.lowlevel.current_statistics().tasks_living


async def at_rest(text: str, size: int, folder: Path) -> Figures:
    """Start runs that wait, and look when all of them have been put to rest."""
    (folder / "flow.yaml").write_text(f"tasks:\n  - {{name: wait, {text}}}\n")
    flow = callboard.load(folder / "flow.yaml")
    runs = iter(range(size))

    async def start(engine: callboard.Engine) -> None:
        for _ in runs:
            await engine.start(flow)

    async with callboard.Engine(SqliteStore(folder / "store.db")) as engine:
        engine.tree.rest_after = REST_AFTER_SECONDS
        await engine.start(flow)
        # What is held is counted; what the process has resident remembers how the runs were awake.
        tasks_before = tasks_alive()
        tracemalloc.start()
        async with anyio.create_task_group() as group:
            for _ in range(STARTERS):
                group.start_soon(start, engine)
        with anyio.move_on_after(PATIENCE_SECONDS):
            while tasks_alive() > tasks_before:  # noqa: ASYNC110 - a run says nothing when it rests
                await anyio.sleep(REST_AFTER_SECONDS / 5)
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        tasks = tasks_alive() - tasks_before
    return Figures(held / size, {"tasks a run": max(0, tasks) / size})


def _row(name: str, title: str, text: str) -> Row:
    return Row(
        name=name,
        title=title,
        unit="bytes",
        ways={OURS: partial(at_rest, text)},
        size=10_000,
        quick=1_000,
        tiny=3,
        rounds=1,
        less_is_better=True,
        goal=Goal(value=1024),
    )


ROWS = [
    _row("rest-input", "memory of a run that waits for a person", "input: {message: well?}"),
    _row("rest-sleep", "memory of a run that sleeps for days", "sleep: 72h"),
]
