"""What stays behind when a store fails in the middle, and who still hears of what."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio
import pytest

import callboard as cb
from callboard import testing
from callboard.storage import Store
from callboard.workflow import Event, TaskOptions, TaskSpec, WorkflowSpec

Opens = Callable[..., AbstractAsyncContextManager[cb.Engine]]
NewStore = Callable[[], Store]


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.CRITICAL, "callboard"):
        yield


def task(name: str, *needs: str, kind: str = "shell", **options: Any) -> TaskSpec:
    fields = {key: options.pop(key) for key in ("config", "inputs", "when") if key in options}
    chosen = TaskOptions(**options)
    return TaskSpec(id=name, name=name, kind=kind, needs=needs, options=chosen, **fields)


def flow(*tasks: TaskSpec, name: str = "flow", **settings: Any) -> WorkflowSpec:
    return WorkflowSpec(name=name, tasks=tasks, **settings)


def crash_on(engine: cb.Engine, crashes: list[str], kind: str = "attempt_started") -> None:
    """Crash a run's actor right after the commit of an event of a task."""
    published = engine.tree.published

    def crashing(run: Any, events: list[Event]) -> None:
        published(run, events)
        for event in events:
            if getattr(event, "task", None) in crashes and event.kind == kind:
                crashes.remove(event.task)  # type: ignore[union-attr, arg-type]
                raise RuntimeError("a bug")

    engine.tree.published = crashing  # type: ignore[method-assign]


def heal(engine: cb.Engine) -> None:
    engine.tree.published = lambda run, events: type(engine.tree).published(  # type: ignore[method-assign]
        engine.tree, run, events
    )


async def test_a_run_that_is_set_aside_gives_its_pool_slots_back(opens: Opens) -> None:
    script = testing.Script(default=testing.succeed(after=1))
    spec = flow(task("a", pool="one"), pools={"one": 1})
    other = flow(
        task("b", pool="one"), task("c", kind="sleep", config={"seconds": 90}), pools={"one": 1}
    )
    async with opens(executors=script.executors()) as engine:
        first = await engine.start(spec)
        crash_on(engine, ["a"] * 9)
        with pytest.raises(cb.InternalError, match="set aside"):
            await first.result()
        heal(engine)
        with anyio.fail_after(200):
            assert (await engine.run(other)).state == "succeeded"


@pytest.mark.parametrize("recover", ["all", "none"])
async def test_a_cancelled_run_that_was_set_aside_says_so(opens: Opens, recover: str) -> None:
    script = testing.Script(default=testing.succeed(after=1))
    async with opens(executors=script.executors(), recover=recover) as engine:
        handle = await engine.start(flow(task("first"), task("a", "first")))
        crash_on(engine, ["a"] * 9)
        with pytest.raises(cb.InternalError, match="set aside"):
            await handle.result()
        heal(engine)
        if not await handle.cancel():
            with pytest.raises(cb.InternalError, match="set aside"):
                await handle.result()
            await engine.resume(handle.id)
        for each in (handle, await engine.get(handle.id)):
            with anyio.fail_after(60):
                assert (await each.result()).state == "cancelled"


async def test_an_old_handle_knows_what_became_of_a_run_taken_up_again(opens: Opens) -> None:
    script = testing.Script(default=testing.succeed(after=1))
    async with opens(executors=script.executors()) as engine:
        handle = await engine.start(flow(task("first"), task("a", "first")))
        crash_on(engine, ["a"] * 9)
        with pytest.raises(cb.InternalError, match="set aside"):
            await handle.result()
        heal(engine)
        again = await engine.resume(handle.id)
        assert (await again.result()).state == "succeeded"
        assert (await handle.result()).state == "succeeded"


async def test_cancelling_a_parent_reaches_a_child_whose_actor_has_just_crashed(
    opens: Opens,
) -> None:
    script = testing.Script({"bad": testing.hang()}, default=testing.hang())
    child = flow(task("bad"), name="child")
    parent = flow(task("call", kind="workflow", config={"workflow": "child"}))
    async with opens(executors=script.executors(), workflows=[child]) as engine:
        handle = await engine.start(parent)
        crash_on(engine, ["bad"] * 2)
        await anyio.sleep(0.25)  # between the second crash and the restart after it
        await handle.cancel()
        with anyio.fail_after(60):
            assert (await handle.result()).state == "cancelled"


async def test_a_posted_command_is_read_again_when_the_inbox_could_not_be(
    opens: Opens, new_store: NewStore, durable: bool
) -> None:
    if durable:
        pytest.skip("virtual time runs ahead of the thread that watches a file")
    store = testing.FaultyStore(new_store(), only=["inbox"])
    other_store = new_store()
    async with opens(store) as owner, opens(other_store) as other:
        handle = await owner.start(flow(task("ask", kind="input")))
        await anyio.sleep(1)
        store.calls, store.fail_on = [], 1
        with anyio.fail_after(60):
            await (await other.get(handle.id)).answer("ask", 1)
            assert (await handle.result()).state == "succeeded"


async def test_a_command_that_cannot_be_stored_leaves_the_run_to_others(
    opens: Opens, new_store: NewStore, durable: bool
) -> None:
    if not durable:
        pytest.skip("in memory a run ends with its engine")
    async with opens(new_store()) as engine:
        run_id = (await engine.start(flow(task("ask", kind="input")))).id
    store = testing.FaultyStore(new_store(), only=["commit"], fail_on=1)
    async with opens(store) as one, opens(new_store()) as other:
        with pytest.raises(cb.StoreError):
            await (await one.get(run_id)).pause()
        resumed = await other.resume(run_id)
        await resumed.answer("ask", 1)
        assert (await resumed.result()).state == "succeeded"


async def test_waiting_for_another_engines_run_ends_with_ones_own_engine(
    opens: Opens, new_store: NewStore
) -> None:
    async with opens(new_store()) as owner:
        run_id = (await owner.start(flow(task("ask", kind="input")))).id
        with anyio.fail_after(60):
            async with anyio.create_task_group() as group, opens(new_store()) as other:
                handle = await other.get(run_id)
                group.start_soon(handle.result)
                await anyio.wait_all_tasks_blocked()


@pytest.mark.parametrize("call", ["inbox", "unowned", "lease_pool"])
async def test_a_store_that_raises_what_it_likes_does_not_take_the_engine_down(
    opens: Opens, new_store: NewStore, call: str
) -> None:
    script = testing.Script(default=testing.succeed(after=1))
    store = testing.FaultyStore(
        new_store(), only=[call], fail_on=1, error=lambda: OSError("the network is away")
    )
    async with opens(store, executors=script.executors()) as engine, opens(new_store()) as other:
        engine.tree.recovers = True
        handle = await other.start(flow(task("ask", kind="input")))
        with anyio.fail_after(60):
            result = await engine.run(flow(task("a", pool="p"), pools={"p": 1}))
        assert result.state == "succeeded"
        await handle.cancel()
