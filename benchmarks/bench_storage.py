"""How fast runs become durable, beside what the driver does at best in the same run.

Prints commits (or transitions) a second, the median of several rounds, and the ratio to the limit.

    python benchmarks/bench_storage.py [--rounds 3] [--backend asyncio|trio]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiosqlite
import anyio
import anyio.lowlevel

from callboard.storage import (
    EngineInfo,
    MemoryStore,
    RunRow,
    SqliteStore,
    Storage,
    Store,
    TaskRow,
    Transition,
)
from callboard.storage._bridge import AsyncioBridge, on_trio
from callboard.workflow import RunState, TaskSpec, TaskState, WorkflowSpec
from callboard.workflow.events import AttemptStarted, RunCreated, TaskSettled

BARE_COMMITS = 1_000
CHAIN_STEPS = 1_000
PRODUCERS = 64
STEPS_EACH = 150
BODY = "x" * 200
ENGINE = EngineInfo(id="bench", host="here", pid=1, started_at=0.0)
SPEC = WorkflowSpec(name="bench", tasks=tuple(TaskSpec(id=f"t{i}", name=f"t{i}") for i in range(5)))


async def bare(folder: Path) -> float:
    """BEGIN, one insert, COMMIT through aiosqlite, each awaited, nothing else."""

    async def work() -> float:
        async with aiosqlite.connect(folder / "bare.db", isolation_level=None) as db:
            await db.execute("PRAGMA journal_mode = WAL")
            await db.execute("PRAGMA synchronous = FULL")
            await db.execute("CREATE TABLE events (id INTEGER PRIMARY KEY, body TEXT)")
            begun = time.perf_counter()
            for _ in range(BARE_COMMITS):
                await commit(db)
            return BARE_COMMITS / (time.perf_counter() - begun)

    async def commit(db: aiosqlite.Connection) -> None:
        await db.execute("BEGIN")
        await db.execute("INSERT INTO events (body) VALUES (?)", (BODY,))
        await db.execute("COMMIT")

    if not on_trio():
        return await work()
    # On trio each commit is one call through the portal, as it must be for whoever waits for it.
    async with AsyncioBridge.opened() as bridge:
        connected: list[aiosqlite.Connection] = []

        async def connect() -> None:
            db = await aiosqlite.connect(folder / "bare.db", isolation_level=None)
            await db.execute("PRAGMA journal_mode = WAL")
            await db.execute("PRAGMA synchronous = FULL")
            await db.execute("CREATE TABLE events (id INTEGER PRIMARY KEY, body TEXT)")
            connected.append(db)

        await bridge.call(connect)
        begun = time.perf_counter()
        for _ in range(BARE_COMMITS):
            await bridge.call(commit, connected[0])
        rate = BARE_COMMITS / (time.perf_counter() - begun)
        await bridge.call(connected[0].close)
        return rate


@asynccontextmanager
async def storing(store: Store) -> AsyncGenerator[Storage]:
    async with store.opened(ENGINE):
        storage = Storage(store)
        async with anyio.create_task_group() as tg:
            await tg.start(storage.run)
            yield storage
            tg.cancel_scope.cancel()


def created(run: str) -> Transition:
    return Transition(
        run=run,
        version=0,
        engine="bench",
        events=[RunCreated(at=0.0, run=run, spec=SPEC)],
        row=row(run),
    )


def row(run: str) -> RunRow:
    return RunRow(run=run, workflow="bench", state=RunState.RUNNING, created_at=1.0)


def task(run: str, name: str, state: TaskState) -> TaskRow:
    return TaskRow(
        run=run, task=name, label=name, kind="function", state=state, generation=1, attempt=1,
        fence="3f2a9c", worker="w1", changed_at=1.0,
    )  # fmt: skip


def step(run: str, number: int) -> Transition:
    """One task succeeds and the next one starts: two events, two task rows."""
    this, following = f"t{number}", f"t{number + 1}"
    return Transition(
        run=run,
        version=1 + 2 * number,
        engine="bench",
        events=[
            TaskSettled(at=1.0, task=this, state=TaskState.SUCCEEDED, output=number),
            AttemptStarted(at=1.0, task=following, attempt=1, fence="3f2a9c"),
        ],
        row=row(run),
        tasks=[task(run, this, TaskState.SUCCEEDED), task(run, following, TaskState.RUNNING)],
    )


async def produce(storage: Storage, run: str, steps: int) -> None:
    await storage.commit(created(run))
    for number in range(steps):
        await storage.commit(step(run, number))


async def chain(store: Store) -> float:
    async with storing(store) as storage:
        begun = time.perf_counter()
        await produce(storage, "r", CHAIN_STEPS)
        return CHAIN_STEPS / (time.perf_counter() - begun)


async def many(store: Store) -> float:
    async with storing(store) as storage:
        begun = time.perf_counter()
        async with anyio.create_task_group() as tg:
            for i in range(PRODUCERS):
                tg.start_soon(produce, storage, f"r{i}", STEPS_EACH)
        return PRODUCERS * STEPS_EACH / (time.perf_counter() - begun)


async def busy_loop(store: Store) -> float:
    """The same while the loop is never idle, as it is when tasks run."""
    rates: list[float] = []
    async with anyio.create_task_group() as tg:
        tg.start_soon(_spin)
        rates.append(await many(store))
        tg.cancel_scope.cancel()
    return rates[0]


async def _spin() -> None:
    while True:
        for _ in range(5_000):
            pass
        await anyio.lowlevel.checkpoint()


def sqlite(measure: Callable[[Store], Awaitable[float]]) -> Callable[[Path], Awaitable[float]]:
    return lambda folder: measure(SqliteStore(folder / "store.db"))


def memory(measure: Callable[[Store], Awaitable[float]]) -> Callable[[Path], Awaitable[float]]:
    return lambda _: measure(MemoryStore())


MEASURES: dict[str, Callable[[Path], Awaitable[float]]] = {
    "limit: aiosqlite BEGIN, insert, COMMIT": bare,
    "chain of one run, SQLite FULL": sqlite(chain),
    "64 runs at once, SQLite FULL": sqlite(many),
    "64 runs at once, loop busy": sqlite(busy_loop),
    "chain of one run, memory": memory(chain),
    "64 runs at once, memory": memory(many),
}


def measure(backend: str, rounds: int) -> None:
    rates: dict[str, list[float]] = {name: [] for name in MEASURES}
    for _ in range(rounds):
        for name, function in MEASURES.items():
            with tempfile.TemporaryDirectory() as folder:
                options: dict[str, Any] = {"backend": backend}
                rates[name].append(anyio.run(function, Path(folder), **options))
    limit = statistics.median(rates["limit: aiosqlite BEGIN, insert, COMMIT"])
    print(f"{backend}, median of {rounds}")
    for name, found in rates.items():
        rate = statistics.median(found)
        print(f"  {name:42} {rate:10,.0f}/s   {rate / limit:6.2f} × limit")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--backend", choices=["asyncio", "trio"], action="append")
    arguments = parser.parse_args()
    for backend in arguments.backend or ["asyncio", "trio"]:
        measure(backend, arguments.rounds)


if __name__ == "__main__":
    main()
