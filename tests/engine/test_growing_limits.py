"""What grows for ever is stopped: by its promise, its timeout, or the ceiling of every run."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio
import pytest

import callboard as cb
from callboard.storage import MemoryStore

Opens = Callable[..., AbstractAsyncContextManager[cb.Engine]]


async def nothing() -> None: ...


async def create_for_ever(every: float, batch: int) -> None:
    """Create until somebody stops it."""
    me = cb.current()
    while True:
        if batch == 1:
            await me.add(nothing)
        else:
            async with me.batch():
                for _ in range(batch):
                    await me.add(nothing)
        await anyio.sleep(every)


def create_for_ever_in_a_thread() -> None:
    me = cb.current_sync()
    while True:
        me.add(nothing)


async def create_the_next() -> None:
    """Create one more of itself, which creates one more."""
    await cb.current().add(create_the_next)


def growing(
    fn: Callable[..., Any], *args: Any, promises: tuple[str, ...] = (), **settings: Any
) -> cb.Workflow:
    def build(w: cb.Builder) -> None:
        w.add(fn, *args, id="grow")
        w.add(nothing, after="grow", id="end")
        for text in promises:
            w.promise(text)

    return cb.workflow(**settings)(build)


async def ended(opens: Opens, workflow: cb.Workflow) -> cb.RunResult:
    async with opens() as engine:
        return await engine.run(workflow)


GROWERS = [
    pytest.param((create_for_ever, 0.0, 1), id="one by one"),
    pytest.param((create_for_ever, 0.0, 7), id="batches"),
    pytest.param((create_for_ever_in_a_thread,), id="thread"),
    pytest.param((create_the_next,), id="one another"),
]


@pytest.mark.parametrize("grower", GROWERS)
async def test_a_promise_stops_what_creates_for_ever(opens: Opens, grower: Any) -> None:
    text = "at most 20 tasks"
    result = await ended(opens, growing(*grower, promises=(text,)))
    assert result.state == "promise_broken"
    assert text in str(result.reason)
    assert len(result.tasks) <= 20
    assert result.tasks["end"].state != "running"


@pytest.mark.parametrize("grower", GROWERS)
async def test_without_one_the_ceiling_does_and_names_itself(opens: Opens, grower: Any) -> None:
    result = await ended(opens, growing(*grower, max_tasks=20))
    assert result.state == "promise_broken"
    assert "at most 20 tasks (the ceiling that every run has: max_tasks)" in str(result.reason)
    assert len(result.tasks) <= 20
    broken = [task for task in result.tasks.values() if task.error is not None]
    assert [task.error.kind for task in broken if task.error] == ["promise_broken"]


@pytest.mark.parametrize("timeout", ["attempt", "run"])
async def test_a_timeout_does(opens: Opens, timeout: str) -> None:
    grow = create_for_ever
    if timeout == "attempt":
        workflow = growing(cb.task(grow, timeout=10), 1.0, 1)
    else:
        workflow = growing(grow, 1.0, 1, timeout=10.0)
    result = await ended(opens, workflow)
    assert result.state == ("failed" if timeout == "attempt" else "timed_out")
    created = [task for task in result.tasks.values() if task.created_by == "grow"]
    assert 9 <= len(created) <= 11
    if timeout == "attempt":
        error = result.tasks["grow"].error
        assert error is not None
        assert error.kind == "timeout"
        assert result.tasks["end"].state == "upstream_failed"


async def test_an_again_for_ever_is_stopped_by_its_promise(opens: Opens) -> None:
    async def once_more() -> None:
        await cb.current().again("grow")

    result = await ended(opens, growing(once_more, promises=("at most 5 rounds of grow",)))
    assert result.state == "promise_broken"
    assert result.tasks["grow"].generation == 6
    assert "at most 5 rounds of grow" in str(result.reason)


async def test_what_is_kept_of_a_run_that_grew_to_its_ceiling_is_bounded(
    anyio_backend: Any,
) -> None:
    """Ten times as long a struggle leaves no more behind than the ceiling allows."""

    async def peak(ceiling: int) -> int:
        tracemalloc.start()
        try:
            async with cb.Engine(MemoryStore(), concurrency=8) as engine:
                workflow = growing(create_for_ever, 0.0, 10, max_tasks=ceiling)
                result = await engine.run(workflow)
            assert len(result.tasks) <= ceiling
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    await peak(20)  # what is kept for ever is there now
    small, large = await peak(100), await peak(1_000)
    assert large < 1_000 * 40_000
    assert large < 20 * max(small, 1_000_000)


def test_a_ceiling_that_lets_nothing_run_is_refused() -> None:
    with pytest.raises(cb.UsageError, match="at least 1"):
        growing(nothing, max_tasks=0)
