"""Child runs and failure workflows."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio
import pytest

import callboard as cb
from callboard import testing
from callboard.workflow import InputSpec, Retry, TaskOptions, TaskSpec, WorkflowSpec

Opens = Callable[..., AbstractAsyncContextManager[cb.Engine]]


def task(name: str, *needs: str, kind: str = "shell", **options: Any) -> TaskSpec:
    fields = {key: options.pop(key) for key in ("config", "inputs", "when") if key in options}
    chosen = TaskOptions(**options)
    return TaskSpec(id=name, name=name, kind=kind, needs=needs, options=chosen, **fields)


def flow(*tasks: TaskSpec, **settings: Any) -> WorkflowSpec:
    return WorkflowSpec(name="flow", tasks=tasks, **settings)


def calls(name: str, workflow: str, *needs: str, **options: Any) -> TaskSpec:
    return task(name, *needs, kind="workflow", config={"workflow": workflow}, **options)


def child(*tasks: TaskSpec, name: str = "child", **settings: Any) -> WorkflowSpec:
    return WorkflowSpec(name=name, tasks=tasks, **settings)


async def test_a_child_gives_its_output_to_its_parent(opens: Opens) -> None:
    inner = child(
        task("a"), output={"said": {"$task": "a"}}, inputs={"x": InputSpec(type="number")}
    )
    script = testing.Script({"a": testing.succeed(7, after=2)})
    parent = flow(calls("call", "child", inputs={"x": 1}), task("b", "call"))
    async with opens(executors=script.executors(), workflows=[inner]) as engine:
        result = await engine.run(parent)
        rows = await engine.runs()
    assert result.tasks["call"].output == {"said": 7}
    assert script.order == ["a", "b"]
    (row,) = [row for row in rows if row.parent_run == result.run]
    assert (row.parent_task, row.state) == ("call", "succeeded")


async def test_what_becomes_of_a_child_becomes_of_its_parents_task(opens: Opens) -> None:
    script = testing.Script(
        {"bad": testing.fail("broken"), "not": testing.not_ready(), "slow": testing.hang()}
    )
    workflows = [
        child(task("bad"), name="bad"),
        child(task("not"), name="not"),
        child(task("slow"), name="slow", timeout=5),
    ]
    spec = flow(*(calls(each.name, each.name) for each in workflows), calls("none", "nowhere.yaml"))
    async with opens(executors=script.executors(), workflows=workflows) as engine:
        result = await engine.run(spec)
    errors = {name: each.error for name, each in result.tasks.items() if each.error}
    assert errors["bad"].kind == "error"
    assert "broken" in errors["bad"].message
    assert result.tasks["not"].state == "not_ready"
    assert errors["slow"].kind == "timeout"
    assert errors["none"].kind == "config"
    assert "nowhere.yaml" in errors["none"].message


async def test_a_child_is_cancelled_with_its_parent(opens: Opens) -> None:
    script = testing.Script(default=testing.hang(cleanup=1))
    async with opens(executors=script.executors(), workflows=[child(task("a"))]) as engine:
        handle = await engine.start(flow(calls("call", "child")))
        await script.until_started("a")
        await handle.cancel()
        assert (await handle.result()).state == "cancelled"
        rows = await engine.runs()
    assert {row.state for row in rows} == {"cancelled"}
    assert script.running == []


async def test_a_child_that_is_just_being_started_is_cancelled_too(opens: Opens) -> None:
    script = testing.Script(default=testing.hang())
    async with opens(executors=script.executors(), workflows=[child(task("a"))]) as engine:
        handle = await engine.start(flow(calls("call", "child")))
        await handle.cancel()
        with anyio.fail_after(5):
            assert (await handle.result()).state == "cancelled"
        rows = await engine.runs()
    assert {row.state for row in rows} == {"cancelled"}


async def test_a_restarted_task_starts_another_child(opens: Opens) -> None:
    script = testing.Script()
    inner = child(task("a"), output={"$task": "a"})
    script.steps["a"] = lambda _: (
        testing.hang() if len(script.starts("a")) == 1 else testing.succeed(2)
    )
    async with opens(executors=script.executors(), workflows=[inner]) as engine:
        handle = await engine.start(flow(calls("call", "child")))
        await script.until_started("a")
        await handle.restart("call")
        result = await handle.result()
        rows = await engine.runs()
    assert result.tasks["call"].output == 2
    assert sorted(row.state for row in rows if row.parent_run) == ["cancelled", "succeeded"]


async def test_a_failed_child_is_retried_as_another_run(opens: Opens) -> None:
    script = testing.Script(
        {"a": lambda _: testing.fail() if len(script.starts("a")) == 1 else testing.succeed()}
    )
    spec = flow(calls("call", "child", retry=Retry(times=1, delay=1)))
    async with opens(executors=script.executors(), workflows=[child(task("a"))]) as engine:
        result = await engine.run(spec)
        rows = await engine.runs()
    assert result.state == "succeeded"
    assert len(rows) == 3


async def test_nested_children_cannot_block_each_other(opens: Opens) -> None:
    workflows = [
        child(task("a"), calls("b", "two", "a"), name="one", concurrency=1),
        child(task("a"), calls("b", "three", "a"), name="two", concurrency=1),
        child(task("a"), task("b", "a"), name="three", concurrency=1),
    ]
    script = testing.Script(default=testing.succeed(after=1))
    spec = flow(calls("x", "one"), calls("y", "one"), task("z", "x", "y"), concurrency=1)
    async with opens(concurrency=1, executors=script.executors(), workflows=workflows) as engine:
        with anyio.fail_after(100):
            result = await engine.run(spec)
    assert result.state == "succeeded"
    assert script.peak == 1


async def test_a_parent_that_is_taken_up_again_finds_its_child(opens: Opens, durable: bool) -> None:
    if not durable:
        return
    script = testing.Script({"a": testing.succeed(after=60), "b": testing.succeed(5)})
    inner = child(task("a"), task("b", "a"), output={"$task": "b"})
    async with opens(executors=script.executors(), workflows=[inner], grace=1) as engine:
        handle = await engine.start(flow(calls("call", "child")))
        await script.until_started("a")
    async with opens(executors=script.executors(), workflows=[inner], recover="all") as engine:
        result = await (await engine.get(handle.id)).result()
        rows = await engine.runs()
    assert result.state == "succeeded"
    assert result.tasks["call"].output == 5
    assert len(rows) == 2


# --- failure workflows


@pytest.mark.parametrize(
    ("how", "follows"), [("fail", True), ("time out", True), ("cancel", False), ("succeed", False)]
)
async def test_a_failure_workflow_follows_once(opens: Opens, how: str, follows: bool) -> None:
    cleanup = child(task("tidy"), name="cleanup", inputs={"run": InputSpec(type="string")})
    steps = {"fail": testing.fail(), "succeed": testing.succeed()}
    script = testing.Script({"a": steps.get(how, testing.hang())})
    spec = flow(task("a"), failure_workflow="cleanup", timeout=10 if how == "time out" else None)
    async with opens(executors=script.executors(), workflows=[cleanup]) as engine:
        handle = await engine.start(spec)
        await script.until_started("a")
        if how == "cancel":
            await handle.cancel()
        await handle.result()
        rows = [row for row in await engine.runs() if row.workflow == "cleanup"]
        assert len(rows) == follows
        for row in rows:
            follower = await engine.get(row.run)
            assert (await follower.result()).state == "succeeded"
            assert (await follower.snapshot()).inputs == {"run": handle.id}
            assert row.parent_run == handle.id


async def test_a_failure_workflow_that_is_not_there_lets_the_run_end(opens: Opens) -> None:
    script = testing.Script(default=testing.fail())
    async with opens(executors=script.executors()) as engine:
        result = await engine.run(flow(task("a"), failure_workflow="nowhere.yaml"))
    assert result.state == "failed"


@pytest.mark.parametrize("ends", ["success", "cancel", "left"])
async def test_a_child_that_another_engine_carries_on_is_waited_for(
    opens: Opens, durable: bool, ends: str
) -> None:
    if not durable:
        return
    settings: Any = {"workflows": [child(task("a", kind="external"))], "grace": 0}
    async with opens(**settings) as engine:
        await engine.start(flow(calls("call", "child")), run_id="parent")
        await anyio.sleep(1)
    async with opens(**settings) as engine:
        async with opens(**settings) as other:
            (inner,) = [row.run for row in await other.runs() if row.parent_run]
            await other.resume(inner)
            parent = await engine.resume("parent")
            await anyio.sleep(20)
            assert not (await parent.run()).ended
            assert inner not in engine.tree.live
            if ends == "success":
                async with other.claim(wait=5) as lease:
                    assert lease is not None
                    await lease.success()
            elif ends == "cancel":
                await parent.cancel()
            if ends != "left":
                await parent.result()
        if ends == "left":
            # Nobody owns it any more: it is taken up here.
            await anyio.sleep(20)
            async with engine.claim(wait=5) as lease:
                assert lease is not None
                await lease.success()
        result = await parent.result()
        states = {row.run: str(row.state) for row in await engine.runs()}
    state = "cancelled" if ends == "cancel" else "succeeded"
    assert result.state == state
    assert states == {"parent": state, inner: state}


async def test_a_failure_workflow_is_told_what_it_declares(opens: Opens) -> None:
    script = testing.Script({"bad": testing.fail("broken")})
    for inputs in ({}, {"state": InputSpec(type="string"), "run": InputSpec(type="string")}):
        after = child(task("sweep", kind="step"), name="cleanup", inputs=inputs)
        async with opens(executors=script.executors(), workflows=[after], board=False) as engine:
            result = await engine.run(flow(task("bad"), failure_workflow="cleanup"))
            assert result.state == "failed"
            follower = await (await engine.get(f"{result.run}.failure")).result()
            run = await (await engine.get(follower.run)).run()
        assert follower.state == "succeeded"
        told = {"state": "failed", "run": result.run}
        assert (run.inputs or {}) == {name: told[name] for name in inputs}
