"""A run that waits for days costs a row, a timer and a small object, and wakes when needed."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio
import pytest

import callboard as cb
from callboard.definitions import loads

Opens = Callable[..., AbstractAsyncContextManager[cb.Engine]]

WEEK = 7 * 24 * 3600.0


def flow(*tasks: dict[str, object], name: str = "w") -> cb.WorkflowSpec:
    """Return a definition with these tasks."""
    return loads(json.dumps({"workflow": name, "tasks": list(tasks)}))


async def at_rest(engine: cb.Engine, run_id: str) -> None:
    """Return when a run has been put to rest."""
    with anyio.fail_after(60):
        while not engine.tree.live[run_id].resting:  # noqa: ASYNC110 - no event tells it
            await anyio.sleep(1)


async def test_a_run_that_waits_for_a_person_rests_until_the_answer(opens: Opens) -> None:
    """The answer wakes it, however late it comes."""
    async with opens() as engine:
        run = await engine.start(
            flow({"name": "a", "input": {}}, {"name": "b", "needs": ["a"], "sleep": 1})
        )
        await at_rest(engine, run.id)
        await anyio.sleep(WEEK)
        assert (await run.snapshot()).tasks["a"].state is cb.TaskState.WAITING
        await run.answer("a", 5)
        result = await run.result()
        assert (result.state, result.tasks["a"].output) == (cb.RunState.SUCCEEDED, 5)


async def test_a_sleeping_run_wakes_by_itself(opens: Opens) -> None:
    """One timer is left of it, for the first of its deadlines."""
    async with opens() as engine:
        began = anyio.current_time()
        run = await engine.start(
            flow({"name": "a", "sleep": WEEK}, {"name": "b", "sleep": WEEK / 7})
        )
        await at_rest(engine, run.id)
        assert len(engine.tree.timers) == 1
        result = await run.result()
        assert result.state is cb.RunState.SUCCEEDED
        assert anyio.current_time() - began < WEEK + 60
        assert result.order == ("a", "b")


async def test_a_resting_run_can_be_cancelled_and_paused(opens: Opens) -> None:
    """Whatever is said to it wakes it."""
    async with opens() as engine:
        run = await engine.start(flow({"name": "a", "input": {}}))
        await at_rest(engine, run.id)
        await run.pause()
        assert (await run.snapshot()).paused
        await at_rest(engine, run.id)
        await run.cancel()
        assert (await run.result()).state is cb.RunState.CANCELLED


async def test_a_parent_and_its_child_rest_together_or_not_at_all(opens: Opens) -> None:
    """A child at rest still answers to its parent."""
    child = flow({"name": "a", "input": {}}, name="child")
    async with opens(workflows=[child]) as engine:
        run = await engine.start(flow({"name": "p", "workflow": "child"}))
        await anyio.sleep(120)
        child_id = next(row.run for row in await engine.runs() if row.parent_run == run.id)
        await (await engine.get(child_id)).answer("a", 1)
        assert (await run.result()).state is cb.RunState.SUCCEEDED


async def test_leaving_the_engine_leaves_resting_runs_resumable(opens: Opens) -> None:
    """In memory they end cancelled, in a file they stay as they are; nothing hangs."""
    async with opens() as engine:
        run = await engine.start(flow({"name": "a", "input": {}}))
        await at_rest(engine, run.id)


async def test_a_run_rests_though_the_attempt_that_waits_has_had_its_time(
    opens: Opens, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The timeout of an attempt counts what it does, and not how long it waits."""
    loads: list[str] = []

    @cb.task(timeout=5)
    async def ask() -> object:
        return await cb.current().wait({"type": "boolean"}, "good?")

    @cb.workflow
    def asks(w: cb.Builder) -> None:
        w.add(ask)

    async with opens() as engine:
        run = await engine.start(asks)
        await at_rest(engine, run.id)
        load = engine.store.load

        async def counted(run_id: str) -> Any:
            loads.append(run_id)
            return await load(run_id)

        monkeypatch.setattr(engine.store, "load", counted)
        await anyio.sleep(WEEK)
        assert loads == []
        assert engine.tree.live[run.id].resting
        await run.answer("ask", value=True)
        assert (await run.result()).tasks["ask"].output is True
