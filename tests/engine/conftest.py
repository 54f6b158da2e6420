"""Engines on both backends and both stores, under virtual time, each checked when it is left.

However a test ends, what is stored must be what was seen: the events of every run are folded anew
and compared with the run as it was in memory.  And nothing may be left: no slot, no lease, no task.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest

import callboard as cb
from callboard import testing
from callboard.storage import MemoryStore, SqliteStore, Store
from callboard.supervisor import Live
from callboard.workflow import Run, Task, fold

NOT_STORED = ("tasks", "holes", "active", "ready", "elsewhere", "changed", "spec", "growth")
"""What of a run is compared by itself, or depends on the engine that it is in."""

NewStore = Callable[[], Store]
Opens = Callable[..., AbstractAsyncContextManager[cb.Engine]]


@pytest.fixture(params=testing.virtual_backends(), ids=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(params=["memory", "sqlite"])
def store_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def durable(store_kind: str) -> bool:
    return store_kind == "sqlite"


@pytest.fixture
def new_store(store_kind: str, tmp_path: Path) -> NewStore:
    """Give a function that gives a store; all of one test hold the same data."""
    memory = MemoryStore()
    if store_kind == "memory":
        return lambda: memory
    # What survives a power cut is the storage tests' business, and syncing costs them all time.
    return lambda: SqliteStore(tmp_path / "engine.db", synchronous="NORMAL")


@pytest.fixture
def opens(new_store: NewStore, anyio_backend: Any) -> Opens:
    """Give a function that opens an engine under virtual time and checks it when it is left."""

    @asynccontextmanager
    async def open_engine(store: Store | None = None, **options: Any) -> AsyncGenerator[cb.Engine]:
        options.setdefault("draw", lambda: 1.0)
        options.setdefault("recover", "none")
        given = store if store is not None else new_store()
        engine = cb.Engine(given, **options)
        seen = _note_runs(engine)
        try:
            async with engine:
                yield engine
        finally:
            _check_left(engine)
            inner = given.inner if isinstance(given, testing.FaultyStore) else given
            await _check_stored(inner, seen)

    return open_engine


def _note_runs(engine: cb.Engine) -> dict[str, Live]:
    seen: dict[str, Live] = {}
    tree = engine.tree
    spawn = tree.spawn

    def noting(run: Run, first: list[Any]) -> Live:
        seen[run.id] = live = spawn(run, first)
        return live

    tree.spawn = noting  # type: ignore[method-assign]
    return seen


def _check_left(engine: cb.Engine) -> None:
    tree = engine.tree
    assert tree.live == {}
    assert tree.slots.holders == {}
    assert tree.slots._line == {}
    assert tree.slots._kept == set()
    assert tree.board.claims == {}
    assert tree.board._offers == {}
    assert len(tree.timers) == 0
    assert not any(tree.pools._wishes.values())


async def _check_stored(store: Store, seen: dict[str, Live]) -> None:
    async with store.opened():
        for run_id, live in seen.items():
            stored = await store.load(run_id)
            if stored is None:
                assert live.failure is not None, f"run {run_id} is not stored"
                continue
            folded = fold(stored.events)
            _check_attempts(folded, list(stored.events))
            assert stored.row.state == folded.state
            rows = {row.task: row.state for row in await store.tasks(run_id)}
            gone = rows.keys() - folded.tasks.keys()
            assert {rows.pop(name) for name in gone} <= {"skipped"}, "withdrawn, or archived"
            assert rows == {task.id: task.state for task in folded.tasks.values()}
            if live.resting:
                continue  # What is stored is all there is of it.
            if live.failure is None and folded.version == live.run.version:
                assert describe(folded) == describe(live.run)


def _check_attempts(run: Run, events: list[Any]) -> None:
    """No task was done by two attempts at once, or done twice in one generation."""
    holding: dict[str, str] = {}
    for event in events:
        match event.kind:
            case "attempt_started":
                assert event.task not in holding, f"two attempts of {event.task} at once"
                holding[event.task] = event.fence
            case "task_settled" | "task_released" | "retry_scheduled" | "task_waiting":
                holding.pop(event.task, None)
            case "tasks_settled" | "tasks_restarted":
                for name in event.tasks:
                    assert name not in holding, f"{name} was settled under a live attempt"
            case "run_ended":
                assert not holding, f"run {run.id} ended while {set(holding)} ran"
            case _:
                pass


def describe(run: Run) -> dict[str, Any]:
    """Return all that there is to a run, but for what depends on nothing stored."""
    facts = {
        field.name: getattr(run, field.name)
        for field in attrs.fields(Run)
        if field.name not in NOT_STORED
    }
    growth = run.growth
    facts["log"], facts["rounds"] = growth.log, growth.rounds
    facts["promises"] = [(promise.text, promise.by) for promise in growth.promises]
    facts["guards"] = {key: (g.lo, g.hi, g.count) for key, g in growth.guards.tasks.items()}
    facts["parts"] = {
        address: (str(part.residual), part.closed, part.lapsed, [o.id for o in part.owners])
        for address, part in growth.parts.items()
    }
    facts["tasks"] = {name: _describe_task(task) for name, task in run.tasks.items()}
    facts["active"] = sorted(run.active)
    return facts


def _describe_task(task: Task) -> dict[str, Any]:
    told = {
        field.name: getattr(task, field.name)
        for field in attrs.fields(Task)
        if field.name
        not in ("before", "after", "queued", "spec", "rank", "binds", "bound", "named", "part")
    }
    return {**told, "part": None if task.part is None else task.part.address}
