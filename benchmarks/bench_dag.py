"""No-op async tasks with two edges each, 64 at a time, in memory: ours beside its limits."""

from __future__ import annotations

import statistics
from collections.abc import Awaitable, Callable
from functools import partial
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TypeAlias

import anyio
from benchmarks._harness import OURS, Figures, Goal, Row, Stopwatch, memory_now, memory_peak

import callboard

AT_ONCE = 64
MIB = 2.0**20
Needs: TypeAlias = dict[str, list[str]]


def graph(size: int) -> Needs:
    """Return a layered graph: every task runs after two earlier ones."""
    first = 64
    return {
        f"t{i}": [] if i < first else [f"t{i - first}", f"t{i - first + 1 + i % (first - 1)}"]
        for i in range(size)
    }


async def noop() -> None:
    """Do nothing."""


async def ours(needs: Needs) -> None:
    """Run the graph with ``run_dag``: supervised, with results, failure policy and limits."""
    result = await callboard.run_dag(dict.fromkeys(needs, noop), needs, concurrency=AT_ONCE)
    assert result.is_ready()


async def graphlib_anyio(needs: Needs) -> None:
    """Run it with graphlib and a task each in an anyio task group: no supervision, no results."""
    sorter = TopologicalSorter(needs)
    sorter.prepare()
    limiter = anyio.Semaphore(AT_ONCE)
    changed = anyio.Event()

    async def one(name: str) -> None:
        nonlocal changed
        async with limiter:
            await noop()
        sorter.done(name)
        changed.set()

    async with anyio.create_task_group() as group:
        while sorter.is_active():
            for name in sorter.get_ready():
                group.start_soon(one, name)
            await changed.wait()
            changed = anyio.Event()


async def graphlib_workers(needs: Needs) -> None:
    """Run it with graphlib and 64 standing workers on an anyio stream."""
    sorter = TopologicalSorter(needs)
    sorter.prepare()
    send, receive = anyio.create_memory_object_stream[str](len(needs))

    async def worker() -> None:
        async for name in receive:
            await noop()
            sorter.done(name)
            for ready in sorter.get_ready():
                send.send_nowait(ready)
            if not sorter.is_active():
                send.close()

    async with send, receive, anyio.create_task_group() as group:
        for name in sorter.get_ready():
            send.send_nowait(name)
        for _ in range(AT_ONCE):
            group.start_soon(worker)


async def once(run: Callable[[Needs], Awaitable[None]], size: int, _folder: Path) -> Figures:
    """Run a graph once."""
    needs = graph(size)
    watch = Stopwatch()
    watch.start()
    await run(needs)
    watch.stop()
    return watch.rate(size)


async def three_times(run: Callable[[Needs], Awaitable[None]], size: int, _folder: Path) -> Figures:
    """Run a graph three times in one process: does the memory come back?"""
    needs = graph(size)
    rates: list[float] = []
    watch = Stopwatch()
    notes = {"MiB before": memory_now() / MIB}
    for turn in ("first", "second", "third"):
        watch.start()
        await run(needs)
        watch.stop()
        rates.append(watch.rate(size).value)
        if turn == "first":
            notes["MiB at most, first run"] = memory_peak() / MIB
        notes[f"MiB after the {turn}"] = memory_now() / MIB
    notes["MiB at most"] = memory_peak() / MIB
    notes["seconds a run"] = size / statistics.median(rates)
    return Figures(statistics.median(rates), notes)


TASK_GROUP = "graphlib + anyio task group"
WORKERS = "graphlib + 64 workers on a stream"
WAYS = {OURS: ours, TASK_GROUP: graphlib_anyio, WORKERS: graphlib_workers}

ROWS = [
    Row(
        name="dag",
        title="no-op async tasks, 2 edges each, 64 at a time, in memory, supervised",
        unit="tasks/s",
        ways={name: partial(once, way) for name, way in WAYS.items()},
        size=10_000,
        quick=5_000,
        tiny=200,
        rounds=5,
        goal=Goal(value=1.0, of=TASK_GROUP),
    ),
    Row(
        name="dag-large",
        title="the same graph, larger",
        unit="tasks/s",
        ways={name: partial(once, way) for name, way in WAYS.items() if way != graphlib_workers},
        size=100_000,
        quick=20_000,
        tiny=100,
        goal=Goal(value=1.0, of=TASK_GROUP),
    ),
    Row(
        name="dag-million",
        title="the same, three times one after another",
        unit="tasks/s",
        ways={OURS: partial(three_times, ours), TASK_GROUP: partial(three_times, graphlib_anyio)},
        size=1_000_000,
        quick=50_000,
        tiny=100,
        rounds=1,
        goal=Goal(value=1.0, of=TASK_GROUP),
    ),
]
