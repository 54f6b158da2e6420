"""Runs at rest whose store fails, whose engine closes, or whose parent is cancelled."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager

import anyio
import pytest

import callboard as cb
from callboard import testing
from callboard.definitions import loads
from callboard.storage import Store, StoredRun

Opens = Callable[..., AbstractAsyncContextManager[cb.Engine]]
NewStore = Callable[[], Store]


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.CRITICAL, "callboard"):
        yield


def flow(*tasks: dict[str, object], name: str = "w") -> cb.WorkflowSpec:
    return loads(json.dumps({"workflow": name, "tasks": list(tasks)}))


async def at_rest(engine: cb.Engine, run_id: str) -> None:
    with anyio.fail_after(60):
        while not engine.tree.live[run_id].resting:  # noqa: ASYNC110 - in virtual time
            await anyio.sleep(1)


def fail_loads(store: testing.FaultyStore, times: str = "transient") -> None:
    store.only = frozenset({"load"})
    store.calls = []
    store.fail_on = 1
    store.mode = times  # type: ignore[assignment]


async def test_a_run_that_cannot_be_woken_by_its_timer_takes_nothing_else_down(
    opens: Opens, new_store: NewStore
) -> None:
    store = testing.FaultyStore(new_store())
    async with opens(store) as engine:
        other = await engine.start(flow({"name": "x", "sleep": 1000}))
        run = await engine.start(flow({"name": "a", "sleep": 100}))
        await at_rest(engine, run.id)
        fail_loads(store, "persistent")
        await anyio.sleep(200)
        with pytest.raises(cb.StoreError, match="made to fail"):
            await run.result()
        store.heal()
        assert (await other.result()).state is cb.RunState.SUCCEEDED
        again = await engine.resume(run.id)
        assert (await again.result()).state is cb.RunState.SUCCEEDED


async def test_a_store_that_fails_for_a_moment_does_not_lose_the_deadline_of_a_resting_run(
    opens: Opens, new_store: NewStore
) -> None:
    store = testing.FaultyStore(new_store())
    async with opens(store) as engine:
        run = await engine.start(flow({"name": "a", "sleep": 100}))
        await at_rest(engine, run.id)
        fail_loads(store)
        with anyio.fail_after(300):
            assert (await run.result()).state is cb.RunState.SUCCEEDED


async def test_a_command_meets_a_resting_run_that_cannot_be_loaded_for_a_moment(
    opens: Opens, new_store: NewStore
) -> None:
    store = testing.FaultyStore(new_store())
    async with opens(store) as engine:
        run = await engine.start(flow({"name": "a", "sleep": 100}, {"name": "b", "input": {}}))
        await at_rest(engine, run.id)
        fail_loads(store)
        await run.settle("b", "succeeded", 1)
        with anyio.fail_after(300):
            assert (await run.result()).state is cb.RunState.SUCCEEDED


async def test_the_engine_closes_although_a_resting_run_cannot_be_loaded(
    opens: Opens, new_store: NewStore
) -> None:
    store = testing.FaultyStore(new_store())
    with anyio.fail_after(300):
        async with opens(store) as engine:
            run = await engine.start(flow({"name": "a", "input": {}}))
            async with anyio.create_task_group() as group:

                async def look() -> None:
                    with pytest.raises(cb.CallboardError):
                        await run.result()

                group.start_soon(look)
                await at_rest(engine, run.id)
                fail_loads(store, "persistent")
                engine.tree.closing.set()


async def test_the_result_of_a_resting_run_can_be_asked_for_while_its_engine_closes(
    opens: Opens, durable: bool
) -> None:
    script = testing.Script(default=testing.succeed(after=5))
    results: list[cb.RunResult] = []
    async with opens(executors=script.executors()) as engine:
        run = await engine.start(flow({"name": "a", "input": {}}))
        await engine.start(flow({"name": "s", "shell": "x"}, {"name": "z", "input": {}}))
        await at_rest(engine, run.id)
        other = await engine.start(flow({"name": "s", "shell": "x"}))
        async with anyio.create_task_group() as group:

            async def look() -> None:
                await anyio.sleep(2)
                results.append(await run.result())

            group.start_soon(look)
            await script.until_started("s")
            engine.tree.closing.set()
            await other.result()
    expected = cb.RunState.RUNNING if durable else cb.RunState.CANCELLED
    assert [result.state for result in results] == [expected]


async def test_a_resting_run_with_a_deadline_is_left_without_a_trace(opens: Opens) -> None:
    async with opens() as engine:
        run = await engine.start(flow({"name": "a", "sleep": 100}))
        await at_rest(engine, run.id)


async def test_a_child_at_rest_is_cancelled_with_its_parent(opens: Opens) -> None:
    child = flow({"name": "a", "input": {}}, name="child")
    async with opens(workflows=[child]) as engine:
        run = await engine.start(flow({"name": "p", "workflow": "child"}))
        await anyio.sleep(60)
        child_id = next(row.run for row in await engine.runs() if row.parent_run == run.id)
        assert engine.tree.live[child_id].resting
        await run.cancel()
        with anyio.fail_after(60):
            assert (await run.result()).state is cb.RunState.CANCELLED
        assert (await (await engine.get(child_id)).result()).state is cb.RunState.CANCELLED


async def test_a_child_that_cannot_be_woken_does_not_keep_its_parent(
    opens: Opens, new_store: NewStore
) -> None:
    child = flow({"name": "a", "input": {}}, name="child")
    store = testing.FaultyStore(new_store())
    async with opens(store, workflows=[child]) as engine:
        run = await engine.start(flow({"name": "p", "workflow": "child"}))
        await anyio.sleep(60)
        fail_loads(store, "persistent")
        await run.cancel()
        with anyio.fail_after(60):
            assert (await run.result()).state is cb.RunState.CANCELLED
        store.heal()


class SlowStore(testing.FaultyStore):
    """Loads slowly when it is told to."""

    seconds = 0.0

    async def load(self, run: str) -> StoredRun | None:
        await anyio.sleep(self.seconds)
        return await super().load(run)


async def test_who_is_cancelled_while_waking_a_run_does_not_take_its_deadline_along(
    opens: Opens, new_store: NewStore
) -> None:
    store = SlowStore(new_store())
    async with opens(store) as engine:
        run = await engine.start(flow({"name": "a", "sleep": 100}))
        await at_rest(engine, run.id)
        store.seconds = 5
        with anyio.move_on_after(1):
            await run.pause()
        store.seconds = 0
        with anyio.fail_after(300):
            assert (await run.result()).state is cb.RunState.SUCCEEDED


async def test_an_engine_that_closes_while_a_run_wakes_leaves_it_as_it_was(
    opens: Opens, new_store: NewStore
) -> None:
    store = SlowStore(new_store())
    async with opens(store) as engine:
        run = await engine.start(flow({"name": "a", "sleep": 30}, {"name": "b", "input": {}}))
        await at_rest(engine, run.id)
        store.seconds = 50
        await anyio.sleep(40)
        store.seconds = 0
