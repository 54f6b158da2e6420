"""A store that takes no more: the run is set aside at once, and carried on when there is room."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio
import pytest

import callboard as cb
from callboard import testing
from callboard.storage import MemoryStore, Store
from callboard.supervisor._pools import DEAD_SECONDS
from callboard.workflow import TaskOptions, TaskSpec, WorkflowSpec

Opens = Callable[..., AbstractAsyncContextManager[cb.Engine]]
NewStore = Callable[[], Store]


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.CRITICAL, "callboard"):
        yield


def task(name: str, *needs: str, kind: str = "shell", **options: Any) -> TaskSpec:
    fields = {key: options.pop(key) for key in ("config",) if key in options}
    chosen = TaskOptions(**options)
    return TaskSpec(id=name, name=name, kind=kind, needs=needs, options=chosen, **fields)


def flow(*tasks: TaskSpec, name: str = "flow", **settings: Any) -> WorkflowSpec:
    return WorkflowSpec(name=name, tasks=tasks, **settings)


def full(store: Store) -> testing.FaultyStore:
    """Give a store whose commits fail as soon as :func:`fill` says so, and until it is healed."""
    return testing.FaultyStore(
        store,
        mode="persistent",
        only=["commit"],
        error=lambda: cb.StoreError("store x: no room is left; free some"),
    )


def fill(store: testing.FaultyStore) -> None:
    store.calls, store.fail_on = [], 1


async def test_a_run_is_set_aside_at_once_and_its_attempts_are_stopped(
    opens: Opens, new_store: NewStore
) -> None:
    store = full(new_store())
    script = testing.Script(
        {"long": [testing.hang(cleanup=1), testing.succeed("long")]},
        default=testing.succeed(1, after=1),
    )
    async with opens(store, executors=script.executors()) as engine:
        handle = await engine.start(flow(task("a"), task("long"), task("b", "a")), run_id="the-run")
        await script.until_started("long")
        fill(store)
        with pytest.raises(cb.StoreError) as told:
            await handle.result()
        assert anyio.current_time() == pytest.approx(2)
        assert script.order == ["a", "long"]
        assert script.running == []
        for part in ("'the-run'", "no room is left; free some", "nothing stored is lost", "resume"):
            assert part in str(told.value)
        with pytest.raises(cb.StoreError, match="no room"):
            await (await engine.get("the-run")).result()
        store.heal()
        again = await (await engine.resume("the-run")).result()
    assert again.state == "succeeded"
    assert script.order == ["a", "long", "a", "long", "b"]


class SlowToReply(testing.FaultyStore):
    """Takes its time to store an answer."""

    async def reply(self, post: int, answer: Any) -> None:
        await anyio.sleep(3)
        await super().reply(post, answer)


async def test_who_cancels_a_run_that_another_engine_set_aside_is_answered(opens: Opens) -> None:
    """Although the run has ended before that is answered: nobody cancels it twice."""
    memory = MemoryStore()  # one, for both: virtual time knows nothing of what a file tells others
    store = SlowToReply(memory, mode="persistent", only=["commit"])
    async with opens(store) as owner, opens(memory) as other:
        handle = await owner.start(flow(task("ask", kind="input")), run_id="r")
        fill(store)
        with pytest.raises(cb.StoreError):
            await handle.answer("ask", 1)
        store.heal()
        theirs = await other.get("r")
        await theirs.cancel("enough")
        assert (await theirs.result()).state == "cancelled"
        await anyio.wait_all_tasks_blocked()
        assert await other.store.owner("r") is None


async def test_a_run_is_let_go_after_an_answer_although_that_failed_at_first(opens: Opens) -> None:
    memory = MemoryStore()
    store = testing.FaultyStore(memory, mode="persistent", only=["commit"])
    async with opens(store) as owner, opens(memory) as other:
        handle = await owner.start(flow(task("ask", kind="input")), run_id="r")
        fill(store)
        with pytest.raises(cb.StoreError):
            await handle.answer("ask", 1)
        # What ends the run is stored, and the next commit, which lets it go, is not.
        store.calls, store.fail_on, store.mode = [], 2, "transient"
        await (await other.get("r")).cancel("enough")
        await anyio.sleep(5)
        assert len(store.calls) == 3
        assert await other.store.owner("r") is None


async def test_why_tells_that_a_run_is_set_aside(opens: Opens, new_store: NewStore) -> None:
    store = full(new_store())
    script = testing.Script(default=testing.succeed(1, after=1))
    async with opens(store, executors=script.executors()) as engine:
        handle = await engine.start(flow(task("a"), task("b", "a")))
        fill(store)
        with pytest.raises(cb.StoreError):
            await handle.result()
        run, *_ = await handle.why()
        assert run.code == "aside"
        assert "no room is left" in run.reason
        store.heal()
        await (await engine.resume(handle.id)).result()
        assert [each.code for each in await handle.why()] == ["settled"]


async def test_a_parent_is_set_aside_with_its_child_and_nothing_of_both_is_lost(
    opens: Opens, new_store: NewStore
) -> None:
    store = full(new_store())
    script = testing.Script(default=testing.succeed(1, after=1))
    child = flow(task("inner"), task("last", "inner"), name="child")
    parent = flow(task("call", kind="workflow", config={"workflow": "child"}), task("b", "call"))
    async with opens(store, executors=script.executors(), workflows=[child]) as engine:
        handle = await engine.start(parent, run_id="parent")
        await script.until_started("inner")
        # That one commit fails, and it is the child's.
        store.mode = "transient"
        fill(store)
        with pytest.raises(cb.StoreError, match=r"'parent' is set aside.*'parent\.0.*no room"):
            await handle.result()
        result = await (await engine.resume("parent")).result()
        assert result.state == "succeeded"
        assert result.tasks["call"].attempts == 1
    assert script.order == ["inner", "inner", "last", "b"]


async def test_a_child_that_cannot_be_stored_does_not_fail_its_parents_task(
    opens: Opens, new_store: NewStore
) -> None:
    store = full(new_store())
    script = testing.Script(default=testing.succeed(1, after=1))
    child = flow(task("inner"), name="child")
    parent = flow(
        task("a"), task("call", "a", kind="workflow", config={"workflow": "child"}), name="parent"
    )
    async with opens(store, executors=script.executors(), workflows=[child]) as engine:
        handle = await engine.start(parent)
        await script.until_started("a")
        store.calls, store.fail_on, store.mode = [], 2, "transient"
        with pytest.raises(cb.StoreError, match="no room"):
            await handle.result()
        assert (await (await engine.resume(handle.id)).result()).state == "succeeded"


async def test_an_answer_that_cannot_be_stored_is_refused_and_can_be_given_again(
    opens: Opens, new_store: NewStore
) -> None:
    store = full(new_store())
    async with opens(store) as engine:
        handle = await engine.start(flow(task("ask", kind="input")))
        fill(store)
        with pytest.raises(cb.StoreError, match=r"set aside.*no room"):
            await handle.answer("ask", 1)
        store.heal()
        again = await engine.resume(handle.id)
        await again.answer("ask", 2)
        assert (await again.result()).tasks["ask"].output == 2


async def test_a_pool_slot_of_a_run_that_is_set_aside_is_free_at_once(
    new_store: NewStore, opens: Opens, durable: bool
) -> None:
    """Nothing more is written of the run, and its engine has no other that could give it back.

    Virtual time may run ahead of the thread that watches a file: the next look finds the slot.
    """
    spec = WorkflowSpec(
        name="pooled",
        tasks=(TaskSpec(id="a", name="a", kind="shell", options=TaskOptions(pool="p")),),
        pools={"p": 1},
    )
    script = testing.Script({"a": testing.succeed(after=5)})
    faulty = testing.FaultyStore(new_store(), mode="persistent", only=["commit"])
    async with (
        opens(faulty, executors=script.executors()) as engine,
        opens(executors=script.executors()) as other,
    ):
        handle = await engine.start(spec)
        await anyio.sleep(1)
        waiting = await other.start(spec)
        await anyio.sleep(1)
        assert (await waiting.run()).tasks["a"].state == "ready"
        faulty.fail_on = len(faulty.calls) + 1
        with pytest.raises(cb.StoreError, match="set aside"):
            await handle.result()
        began = anyio.current_time()
        assert (await waiting.result()).state == "succeeded"
        waited = anyio.current_time() - began - 5  # how long the task takes
        assert waited <= DEAD_SECONDS if durable else waited == 0
        faulty.heal()


class TakesNoEnd(testing.FaultyStore):
    """Refuses what holds the end of a run that failed, as long as it is told to."""

    refuses = True

    async def commit(self, transitions: Any, lines: Any = ()) -> None:
        if self.refuses and any(each.row.state == "failed" for each in transitions):
            raise cb.StoreError("store x: no room is left; free some")
        await super().commit(transitions, lines)


async def test_a_failure_workflow_does_not_begin_before_the_failure_is_stored(
    opens: Opens, new_store: NewStore
) -> None:
    store = TakesNoEnd(new_store())
    script = testing.Script({"a": [testing.fail(), testing.succeed(1)]}, default=testing.succeed(1))
    tidy = flow(task("tidy"), name="tidy")
    async with opens(store, executors=script.executors(), workflows=[tidy]) as engine:
        handle = await engine.start(flow(task("a"), failure_workflow="tidy"), run_id="the-run")
        with pytest.raises(cb.StoreError):
            await handle.result()
        await anyio.sleep(1)
        assert [row.run for row in await engine.runs()] == ["the-run"]
        again = await (await engine.resume("the-run")).result()
        assert again.state == "succeeded"
        assert [row.run for row in await engine.runs()] == ["the-run"]
    assert script.order == ["a", "a"]


async def test_a_failure_and_its_failure_workflow_are_stored_together(
    opens: Opens, new_store: NewStore
) -> None:
    store = TakesNoEnd(new_store())
    script = testing.Script({"a": testing.fail()}, default=testing.succeed(1))
    tidy = flow(task("tidy"), name="tidy")
    async with opens(store, executors=script.executors(), workflows=[tidy]) as engine:
        handle = await engine.start(flow(task("a"), failure_workflow="tidy"), run_id="the-run")
        with pytest.raises(cb.StoreError):
            await handle.result()
        store.refuses = False
        again = await (await engine.resume("the-run")).result()
        assert again.state == "failed"
        follower = await (await engine.get("the-run.failure")).result()
        assert follower.state == "succeeded"
    assert script.order == ["a", "a", "tidy"]
