"""Crashes of a run's actor, stores that fail, functions that are not there."""

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
from callboard.workflow import Event, Retry, TaskOptions, TaskSpec, WorkflowSpec
from callboard.workflow.events import AttemptStarted

Opens = Callable[..., AbstractAsyncContextManager[cb.Engine]]


def task(name: str, *needs: str, kind: str = "shell", **options: Any) -> TaskSpec:
    fields = {key: options.pop(key) for key in ("config", "inputs", "when") if key in options}
    chosen = TaskOptions(**options)
    return TaskSpec(id=name, name=name, kind=kind, needs=needs, options=chosen, **fields)


def flow(*tasks: TaskSpec, **settings: Any) -> WorkflowSpec:
    return WorkflowSpec(name="flow", tasks=tasks, **settings)


NewStore = Callable[[], Store]


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.CRITICAL, "callboard"):
        yield


def crash_on(engine: cb.Engine, crashes: list[str]) -> None:
    """Let binding the inputs of tasks raise where only the supervisor's own code can."""
    actor_type = type(next(iter(engine.tree.live.values())).actor)
    assert actor_type is not None
    published = engine.tree.published

    def crashing(run: Any, events: list[Event]) -> None:
        published(run, events)
        for event in events:
            if isinstance(event, AttemptStarted) and event.task in crashes:
                crashes.remove(event.task)
                raise RuntimeError(f"a bug met {event.task}")

    engine.tree.published = crashing  # type: ignore[method-assign]


async def test_a_crashed_actor_is_rebuilt_and_goes_on(opens: Opens) -> None:
    script = testing.Script({"ask": testing.succeed()}, default=testing.succeed(1, after=1))
    spec = flow(task("a"), task("b", "a"), task("c", "b"), task("hold", kind="input"))
    async with opens(executors=script.executors()) as engine:
        handle = await engine.start(spec)
        other = await engine.start(flow(task("x"), task("y", "x")))
        crash_on(engine, ["b"])
        await script.until_started("c")
        await handle.answer("hold", 1)
        result = await handle.result()
        assert (await other.result()).state == "succeeded"
    assert result.state == "succeeded"
    assert [each.state for each in result.tasks.values()] == ["succeeded"] * 4
    assert result.tasks["b"].attempts == 2
    assert result.tasks["a"].attempts == 1


async def test_what_ran_under_a_crashed_actor_is_stopped_before_it_runs_again(opens: Opens) -> None:
    script = testing.Script(
        {"long": testing.succeed(after=30, cleanup=2)}, default=testing.succeed(after=5)
    )
    async with opens(executors=script.executors(), concurrency=2) as engine:
        handle = await engine.start(flow(task("long"), task("a"), task("b", "a")))
        crash_on(engine, ["b"])
        result = await handle.result()
    assert result.state == "succeeded"
    first, second = [call for call in script.calls if call.task == "long"]
    assert first.cancelled
    assert first.ended == pytest.approx(7)
    assert second.started >= 7


async def test_a_claim_survives_the_crash_of_its_runs_actor(opens: Opens) -> None:
    script = testing.Script(default=testing.succeed(after=5))
    async with opens(executors=script.executors()) as engine:
        handle = await engine.start(flow(task("board", kind="external"), task("a"), task("b", "a")))
        async with engine.claim(wait=1) as lease:
            assert lease is not None
            crash_on(engine, ["b"])
            await anyio.sleep(6)
            await lease.success("kept")
        result = await handle.result()
    assert result.tasks["board"].output == "kept"
    assert result.tasks["board"].attempts == 1


async def test_a_pool_slot_does_not_leak_in_a_crash(opens: Opens) -> None:
    script = testing.Script(default=testing.succeed(after=1))
    spec = flow(*(task(f"t{i}", pool="one") for i in range(4)), pools={"one": 1})
    async with opens(executors=script.executors()) as engine:
        handle = await engine.start(spec)
        crash_on(engine, ["t1", "t2"])
        with anyio.fail_after(60):
            assert (await handle.result()).state == "succeeded"
        assert list(await engine.store.pool_leases("one")) == []
    assert script.peak == 1


async def test_past_its_intensity_a_run_is_set_aside_and_others_go_on(opens: Opens) -> None:
    script = testing.Script(default=testing.succeed(after=1))
    async with opens(executors=script.executors()) as engine:
        handle = await engine.start(flow(task("a"), task("bad", "a")), run_id="bad-run")
        other = await engine.start(flow(task("x"), task("y", "x")))
        crash_on(engine, ["bad"] * 9)
        with pytest.raises(
            cb.InternalError, match=r"'bad-run' is set aside.*a bug met bad.*resume"
        ):
            await handle.result()
        with pytest.raises(cb.InternalError, match="set aside"):
            await (await engine.get("bad-run")).result()
        assert (await other.result()).state == "succeeded"
        del vars(engine.tree)["published"]  # The bug is mended.
        again = await engine.resume("bad-run")
        assert (await again.result()).state == "succeeded"


async def test_commands_meet_the_actor_that_follows_a_crashed_one(opens: Opens) -> None:
    script = testing.Script(default=testing.succeed(after=1))
    async with opens(executors=script.executors()) as engine:
        handle = await engine.start(flow(task("ask", kind="input"), task("a")))
        crash_on(engine, ["a", "a"])
        await script.until_started("a")
        await handle.answer("ask", 3)
        result = await handle.result()
    assert result.tasks["ask"].output == 3


# --- a store that fails


def work(script: testing.Script) -> WorkflowSpec:
    policy = Retry(times=1, backoff="fixed", delay=1, jitter=False)
    return flow(
        task("a"),
        task("b", "a", retry=policy, pool="one"),
        task("nap", kind="sleep", config={"seconds": 3}),
        task("call", "a", kind="workflow", config={"workflow": "child"}),
        task("end", "b", "nap", "call"),
        pools={"one": 1},
    )


def new_script() -> testing.Script:
    script = testing.Script(default=testing.succeed(1, after=1))
    script.steps["b"] = lambda _: (
        testing.fail() if len(script.starts("b")) == 1 else testing.succeed(2)
    )
    return script


@pytest.mark.parametrize("when", ["before", "after"])
async def test_one_failing_call_of_the_store_never_breaks_a_run(
    opens: Opens, new_store: NewStore, when: Any, durable: bool
) -> None:
    """Whichever call fails: the run goes on, or says why not; nothing is done twice."""
    child = WorkflowSpec(name="child", tasks=(task("inner"),))
    number = 0
    while True:
        number += 1
        script = new_script()
        faulty = testing.FaultyStore(new_store(), fail_on=number, when=when)
        run_id = f"run-{number}"
        options: dict[str, Any] = {"executors": script.executors(), "workflows": [child]}
        async with opens(faulty, **options) as engine:
            with anyio.fail_after(300):
                try:
                    handle = await engine.start(work(script), run_id=run_id)
                    result = await handle.result()
                except cb.StoreError:
                    result = None
            untouched = not faulty.has_failed
            faulty.heal()
            if result is not None:
                assert result.state == "succeeded"
        assert script.running == []
        if untouched:
            break
    assert 5 < number < 100


async def test_a_store_that_stays_broken_is_told_and_runs_stay_resumable(
    opens: Opens, new_store: NewStore, durable: bool
) -> None:
    script = testing.Script(default=testing.succeed(1, after=1))

    def full() -> Exception:
        return cb.StoreError("the disk is full: make room")

    for number in range(2, 4):
        store = new_store()
        faulty = testing.FaultyStore(
            store, fail_on=number, mode="persistent", only=["commit"], error=full
        )
        run_id = f"run-{number}"
        async with opens(faulty, executors=script.executors()) as engine:
            handle = await engine.start(flow(task("a"), task("b", "a")), run_id=run_id)
            with pytest.raises(cb.StoreError, match="the disk is full: make room"):
                await handle.result()
            with pytest.raises(cb.StoreError, match="the disk is full"):
                await engine.start(flow(task("a")))
        assert script.running == []
        if durable:
            async with opens(executors=script.executors()) as engine:
                result = await (await engine.resume(run_id)).result()
                assert result.state == "succeeded"


async def test_starting_fails_with_the_stores_own_error(opens: Opens, new_store: NewStore) -> None:
    faulty = testing.FaultyStore(new_store(), fail_on=1, only=["commit"])
    async with opens(faulty) as engine:
        with pytest.raises(cb.StoreError, match="made to fail"):
            await engine.start(flow(task("a", kind="input")), run_id="it")
        handle = await engine.start(flow(task("a", kind="input")), run_id="it")
        await handle.answer("a", 1)
        assert (await handle.result()).state == "succeeded"


# --- what an engine lacks


async def test_a_task_that_nobody_here_can_do_waits_with_its_reason(opens: Opens) -> None:
    script = testing.Script(lacks=["a"])
    async with opens(executors=script.executors("shell")) as engine:
        handle = await engine.start(flow(task("a"), task("b"), task("c", kind="http")))
        await script.until_started("b")
        await anyio.sleep(5)
        why = {reason.task: reason.reason for reason in await handle.why()}
        assert "needs 'a', which this script lacks" in why["a"]
        assert "executor for 'http'" in why["c"]
        assert engine.tree.slots.in_use == 0
        script.lacks.clear()
        engine.tree.look()
        await script.until_started("a")
        await handle.settle("c", "skipped")
        assert (await handle.result()).state == "succeeded"


async def test_a_function_that_cannot_be_found_is_named_and_can_be_given(
    opens: Opens, durable: bool
) -> None:
    def local() -> int:
        return 5

    @cb.workflow
    def one(w: cb.Builder) -> Any:
        return w.add(local, after=[w.add(cb.task(anyio.sleep, name="nap"), 10)])

    if not durable:
        return
    async with opens() as engine:
        handle = await engine.start(one)
        await anyio.sleep(1)
    async with opens() as engine:
        resumed = await engine.resume(handle.id)
        await anyio.sleep(30)
        (why,) = [each for each in await resumed.why() if each.task == "local"]
        assert "needs" in why.reason
        assert "Engine(tasks=[…])" in why.reason
    async with opens(tasks=[local]) as engine:
        assert (await (await engine.resume(handle.id)).result()).output == 5


async def test_a_probe_that_cannot_be_found_is_named(opens: Opens) -> None:
    async with opens() as engine:
        spec = flow(task("w", kind="wait", config={"probe": "no.such.module:check"}))
        handle = await engine.start(spec)
        await anyio.sleep(1)
        (why,) = [each for each in await handle.why() if each.task == "w"]
        assert "no.such.module:check" in why.reason
        await handle.cancel()
