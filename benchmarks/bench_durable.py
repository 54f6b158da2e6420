"""Runs on SQLite FULL, through the whole engine, beside what the driver does at best."""

from __future__ import annotations

import statistics
import time
from bisect import bisect
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import aiosqlite
import anyio
from benchmarks._harness import OURS, Figures, Goal, Row, Stopwatch

import callboard
from callboard.storage import CrashPoint, SqliteStore
from callboard.storage._bridge import AsyncioBridge, on_trio

PRODUCERS = 64
STEPS_EACH = 5
BODY = "x" * 200
INSERT = "INSERT INTO events (body) VALUES (?)"

Call: TypeAlias = Callable[..., Awaitable[Any]]
"""Awaits a coroutine function where the driver lives."""


# --- ours ---------------------------------------------------------------------------------------


async def step() -> None:
    """Do nothing."""


@callboard.workflow
def chain_of(w: callboard.Builder, steps: int) -> None:
    """One step after another."""
    last: list[callboard.TaskRef] = []
    for _ in range(steps):
        last = [w.add(step, after=last)]


async def chain(size: int, folder: Path) -> Figures:
    """One run, one step after another; its start counts, too."""
    watch = Stopwatch()
    async with callboard.Engine(SqliteStore(folder / "store.db")) as engine:
        watch.start()
        result = await engine.run(chain_of, size)
        watch.stop()
    assert result.is_ready()
    return watch.rate(size)


async def many(size: int, folder: Path) -> Figures:
    """Many short runs, as fast as 64 callers can start them and wait for them."""
    runs = iter(range(max(1, size // STEPS_EACH)))
    count = 0
    watch = Stopwatch()

    async def caller(engine: callboard.Engine) -> None:
        nonlocal count
        for _ in runs:
            result = await engine.run(chain_of, STEPS_EACH)
            assert result.is_ready()
            count += STEPS_EACH

    async with callboard.Engine(SqliteStore(folder / "store.db"), concurrency=PRODUCERS) as engine:
        watch.start()
        async with anyio.create_task_group() as group:
            for _ in range(PRODUCERS):
                group.start_soon(caller, engine)
        watch.stop()
    return watch.rate(count)


_started: list[float] = []


async def stamped_step() -> None:
    """Say when it began."""
    _started.append(time.perf_counter())


@callboard.workflow
def stamped_chain(w: callboard.Builder, steps: int) -> None:
    """One stamped step after another."""
    last: list[callboard.TaskRef] = []
    for _ in range(steps):
        last = [w.add(stamped_step, after=last)]


async def successor(size: int, folder: Path) -> Figures:
    """From the moment before COMMIT, in the thread that writes, to the successor's first line."""
    commits: list[float] = []

    def hook(point: CrashPoint) -> None:
        if point is CrashPoint.IN_TRANSACTION:
            commits.append(time.perf_counter())

    _started.clear()
    async with callboard.Engine(SqliteStore(folder / "store.db", crash=hook)) as engine:
        result = await engine.run(stamped_chain, size)
    assert result.is_ready()
    waits = [1000 * (at - commits[bisect(commits, at) - 1]) for at in _started[1:]]
    return Figures(statistics.median(waits), {"ms at most": max(waits)})


# --- the limits ---------------------------------------------------------------------------------


async def _here(function: Call, *args: Any) -> Any:
    return await function(*args)


@asynccontextmanager
async def _calling() -> AsyncGenerator[Call]:
    if not on_trio():
        yield _here
        return
    async with AsyncioBridge.opened() as bridge:
        yield bridge.call


@asynccontextmanager
async def _database(path: Path) -> AsyncGenerator[tuple[Call, aiosqlite.Connection]]:
    async def connect() -> aiosqlite.Connection:
        db = await aiosqlite.connect(path, isolation_level=None)
        await db.execute("PRAGMA journal_mode = WAL")
        await db.execute("PRAGMA synchronous = FULL")
        await db.execute("CREATE TABLE events (id INTEGER PRIMARY KEY, body TEXT)")
        return db

    async with _calling() as call:
        db = await call(connect)
        try:
            yield call, db
        finally:
            with anyio.CancelScope(shield=True):
                await call(db.close)


async def one_by_one(size: int, folder: Path) -> Figures:
    """BEGIN, one insert, COMMIT, each awaited; on trio each commit is one call of the bridge."""

    async def commit(db: aiosqlite.Connection) -> None:
        await db.execute("BEGIN")
        await db.execute(INSERT, (BODY,))
        await db.execute("COMMIT")

    watch = Stopwatch()
    async with _database(folder / "bare.db") as (call, db):
        watch.start()
        for _ in range(size):
            await call(commit, db)
        watch.stop()
    return watch.rate(size)


async def in_groups(size: int, folder: Path) -> Figures:
    """64 producers wait for one insert each; a writer commits all that wait at once."""
    waiting: list[anyio.Event] = []
    wake = anyio.Event()
    numbers = iter(range(size))

    async def commit(db: aiosqlite.Connection, count: int) -> None:
        await db.execute("BEGIN")
        await db.executemany(INSERT, [(BODY,)] * count)
        await db.execute("COMMIT")

    async def produce() -> None:
        for _ in numbers:
            done = anyio.Event()
            waiting.append(done)
            wake.set()
            await done.wait()

    async def write(call: Call, db: aiosqlite.Connection) -> None:
        nonlocal wake, waiting
        while True:
            await wake.wait()
            wake = anyio.Event()
            batch, waiting = waiting, []
            await call(commit, db, len(batch))
            for done in batch:
                done.set()

    watch = Stopwatch()
    async with _database(folder / "bare.db") as (call, db), anyio.create_task_group() as writer:
        writer.start_soon(write, call, db)
        watch.start()
        async with anyio.create_task_group() as producers:
            for _ in range(PRODUCERS):
                producers.start_soon(produce)
        watch.stop()
        writer.cancel_scope.cancel()
    return watch.rate(size)


ONE_BY_ONE = "BEGIN, one insert, COMMIT"

ROWS = [
    Row(
        name="chain",
        title="one run, steps in a chain, SQLite FULL",
        unit="steps/s",
        ways={OURS: chain, ONE_BY_ONE: one_by_one},
        size=1_000,
        quick=200,
        tiny=3,
        goal=Goal(value=0.8, of=ONE_BY_ONE),
    ),
    Row(
        name="many",
        title="runs of 5 steps each, 64 at once, SQLite FULL",
        unit="steps/s",
        ways={OURS: many, "group commit, 64 producers": in_groups},
        size=5_000,
        quick=1_000,
        tiny=10,
        goal=Goal(value=8_000),
    ),
    Row(
        name="successor",
        title="predecessor's COMMIT begins → successor's first line, SQLite FULL",
        unit="ms",
        ways={OURS: successor},
        size=500,
        quick=100,
        tiny=3,
        less_is_better=True,
        goal=Goal(value=2.0),
    ),
]
