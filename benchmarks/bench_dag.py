"""10,000 no-op async tasks with two edges each, 64 at a time, in memory: ours beside its limits.

Run it with ``python benchmarks/bench_dag.py [asyncio|trio] [tasks]``.  Every round runs ours and each limit in
turn, so that a noisy machine is noisy for all; medians and ratios are printed.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from graphlib import TopologicalSorter

import anyio

import callboard

AT_ONCE = 64
ROUNDS = 5


def graph(size: int) -> dict[str, list[str]]:
    """Return a layered graph: every task runs after two earlier ones."""
    first = 64
    return {
        f"t{i}": [] if i < first else [f"t{i - first}", f"t{i - first + 1 + i % (first - 1)}"]
        for i in range(size)
    }


async def noop() -> None:
    """Do nothing."""


async def ours(needs: dict[str, list[str]]) -> None:
    """Run the graph with ``run_dag``: supervised, with results, failure policy and limits."""
    result = await callboard.run_dag(dict.fromkeys(needs, noop), needs, concurrency=AT_ONCE)
    assert result.is_ready()


async def graphlib_anyio(needs: dict[str, list[str]]) -> None:
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


async def graphlib_workers(needs: dict[str, list[str]]) -> None:
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

    async with anyio.create_task_group() as group:
        for name in sorter.get_ready():
            send.send_nowait(name)
        for _ in range(AT_ONCE):
            group.start_soon(worker)


async def measure(size: int) -> None:
    """Print the rate of each, and ours as a multiple of the limits."""
    needs = graph(size)
    ways: dict[str, Callable[[dict[str, list[str]]], Awaitable[None]]] = {
        "callboard": ours,
        "graphlib + anyio task group": graphlib_anyio,
        "graphlib + 64 workers on a stream": graphlib_workers,
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, run in ways.items():
            began = time.perf_counter()
            await run(needs)
            rates[name].append(size / (time.perf_counter() - began))
    mine = statistics.median(rates["callboard"])
    for name, each in rates.items():
        rate = statistics.median(each)
        print(f"{name:36} {rate:10,.0f} tasks/s   ours is {mine / rate:5.2f} ×")


if __name__ == "__main__":
    backend = sys.argv[1] if len(sys.argv) > 1 else "asyncio"
    tasks = int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
    print(f"{tasks:,} tasks on {backend}")
    anyio.run(measure, tasks, backend=backend)
