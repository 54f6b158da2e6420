"""Who starts when: order, limits, fairness, and slots that never leak."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio
import pytest

import callboard as cb
from callboard import testing
from callboard.supervisor import Lease
from callboard.supervisor._run_ids import new_run_id
from callboard.workflow import Retry, TaskOptions, TaskSpec, Timeouts, WorkflowSpec

Opens = Callable[..., AbstractAsyncContextManager[cb.Engine]]


def task(name: str, *needs: str, kind: str = "shell", **options: object) -> TaskSpec:
    config = options.pop("config", {})
    chosen = TaskOptions(**options)  # type: ignore[arg-type]
    return TaskSpec(id=name, name=name, kind=kind, needs=needs, config=config, options=chosen)  # type: ignore[arg-type]


def flow(*tasks: TaskSpec, **settings: object) -> WorkflowSpec:
    return WorkflowSpec(name="flow", tasks=tasks, **settings)  # type: ignore[arg-type]


async def together(*calls: Callable[[], Coroutine[Any, Any, object]]) -> None:
    async with anyio.create_task_group() as group:
        for call in calls:
            group.start_soon(call)


async def test_priority_goes_before_creation_and_creation_before_the_rest(opens: Opens) -> None:
    script = testing.Script(default=testing.succeed(after=1))
    tasks = [task("a"), task("b", priority=5), task("c"), task("d", priority=5), task("e", "a")]
    async with opens(concurrency=1, executors=script.executors()) as engine:
        result = await engine.run(flow(*tasks))
    assert script.order == ["b", "d", "a", "c", "e"]
    assert list(result.order) == script.order
    assert [call.started for call in script.calls] == pytest.approx([0, 1, 2, 3, 4])


async def test_no_more_attempts_at_once_than_the_engine_allows(opens: Opens) -> None:
    script = testing.Script(default=testing.succeed(after=1))
    spec = flow(*(task(f"t{i}") for i in range(10)))
    async with opens(concurrency=3, executors=script.executors()) as engine:
        await together(*(lambda: engine.run(spec) for _ in range(3)))
        assert anyio.current_time() == pytest.approx(10)
    assert script.peak == 3


async def test_no_more_attempts_of_a_run_at_once_than_the_run_allows(opens: Opens) -> None:
    script = testing.Script(default=testing.succeed(after=1))
    spec = flow(*(task(f"t{i}") for i in range(6)), concurrency=2)
    async with opens(concurrency=8, executors=script.executors()) as engine:
        await engine.run(spec)
        assert anyio.current_time() == pytest.approx(3)
    assert script.peak == 2


async def test_a_small_run_does_not_wait_for_a_large_one(opens: Opens) -> None:
    script = testing.Script(default=testing.succeed(after=1))
    large = flow(*(task(f"t{i}") for i in range(100)))
    small = flow(task("a"), task("b", "a"), task("c", "b"))
    async with opens(concurrency=2, executors=script.executors()) as engine:
        await engine.start(large)
        await script.until(lambda s: len(s.calls) >= 2)
        await engine.run(small)
        assert anyio.current_time() <= 8
        await (await engine.start(large)).cancel()


async def test_two_runs_share_the_slots_evenly(opens: Opens) -> None:
    script = testing.Script(default=testing.succeed(after=1))
    spec = flow(*(task(f"t{i}") for i in range(20)))
    async with opens(concurrency=2, executors=script.executors()) as engine:
        await together(lambda: engine.run(spec), lambda: engine.run(spec))
    runs = [call.run for call in script.calls[2:22]]
    assert 8 <= runs.count(runs[0]) <= 12


@pytest.mark.parametrize("state", ["input", "sleep", "workflow", "wait", "suspended", "external"])
async def test_what_waits_holds_no_slot(opens: Opens, state: str) -> None:
    child = WorkflowSpec(name="child", tasks=(task("inner", kind="input"),))
    configs = {
        "sleep": {"seconds": 50},
        "workflow": {"workflow": "child"},
        "wait": {"probe": "x:y"},
    }
    kind = "shell" if state == "suspended" else state
    waiting = task("waiting", kind=kind, priority=1, config=configs.get(state, {}))
    script = testing.Script({"waiting": testing.suspend("well?")}, default=testing.succeed(after=1))
    probes = testing.Script({"waiting": testing.hang()})
    executors = {**script.executors(), **probes.executors("wait")}
    async with opens(concurrency=1, executors=executors, workflows=[child], grace=1) as engine:
        handle = await engine.start(flow(waiting, task("other")))
        async for _, event in handle.events(follow=True):
            if getattr(event, "task", None) == "other" and event.kind == "task_settled":
                break
        assert engine.tree.slots.in_use == 0
        await handle.cancel()
        assert (await handle.result()).state == "cancelled"


async def test_a_run_that_stops_wanting_its_slot_does_not_keep_it(opens: Opens) -> None:
    script = testing.Script(default=testing.succeed(after=1))
    spec = flow(*(task(f"t{i}") for i in range(4)))
    async with opens(concurrency=1, executors=script.executors()) as engine:
        first, second = await engine.start(spec), await engine.start(spec)
        await script.until_started("t0")
        await second.pause()
        await first.result()
        assert anyio.current_time() == pytest.approx(4)
        await second.unpause()
        await second.result()
        assert anyio.current_time() == pytest.approx(8)


async def test_a_step_is_done_at_once_without_a_board(opens: Opens) -> None:
    async with opens(board=False) as engine:
        result = await engine.run(flow(task("a", kind="step"), task("b", "a", kind="step")))
    assert result.state == "succeeded"
    assert result.tasks["a"].output is None


async def _disturb(handle: cb.RunHandle, how: str) -> None:
    match how:
        case "cancel":
            await handle.cancel()
        case "restart":
            await handle.restart("t0")
        case "pause":
            await handle.pause()
            await anyio.sleep(1)
            await handle.unpause()
        case _:
            pass


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_happens_no_slot_leaks(opens: Opens, seed: int) -> None:
    draw = random.Random(seed)

    def step(lease: Lease) -> testing.Step:
        after = draw.choice([0, 0.5, 1, 3])
        return draw.choice(
            [
                testing.succeed(lease.task, after=after),
                testing.succeed(after=after),
                testing.fail(after=after),
                testing.crash(ValueError("x"), after=after),
                testing.hang(cleanup=draw.choice([0, 1])),
                testing.not_ready(after=after),
                testing.suspend(until=testing.wall_time() + after),
            ]
        )

    def spec() -> WorkflowSpec:
        names = [f"t{i}" for i in range(12)]
        tasks: list[TaskSpec] = []
        for i, name in enumerate(names):
            tasks.append(
                task(
                    name,
                    *draw.sample(names[:i], min(i, draw.choice([0, 0, 1, 2]))),
                    retry=Retry(times=draw.choice([0, 2]), delay=draw.choice([0.0, 1.0])),
                    timeout=Timeouts(attempt=2.0, total=draw.choice([None, 5.0]), queued=20.0),
                    priority=draw.choice([0, 1]),
                    pool=draw.choice([None, None, "narrow"]),
                )
            )
        policy = draw.choice(["stop", "drain", "skip_downstream", "allow_partial"])
        return flow(*tasks, on_failure=policy, pools={"narrow": 1}, timeout=60)

    script = testing.Script(default=step)
    async with opens(concurrency=3, executors=script.executors()) as engine:
        handles = [await engine.start(spec()) for _ in range(4)]
        for handle in handles:
            await anyio.sleep(draw.choice([0, 0.5]))
            with contextlib.suppress(cb.Refused):
                await _disturb(handle, draw.choice(["cancel", "restart", "pause", "", ""]))
        for handle in handles:
            with anyio.fail_after(200):
                await handle.result()
        assert engine.tree.slots.holders == {}
        assert list(await engine.store.pool_leases("narrow")) == []
    assert script.peak <= 3
    assert script.running == []


def test_ids_of_runs_begin_with_the_time_and_differ() -> None:
    """Runs that live at the same time stand side by side in a store."""
    ids = [new_run_id(wall) for wall in (0.0, 0.1, 1.0, 3600.0, 16_000.0)]
    assert ids == sorted(ids)
    assert {len(each) for each in ids} == {14}
    assert len({new_run_id(1_000.0) for _ in range(1_000)}) == 1_000


def test_runs_share_a_graph_that_holds_no_values() -> None:
    @cb.workflow
    def plain(w: cb.Builder, steps: int) -> None:
        for _ in range(steps):
            w.add(print)

    one, other, more = (plain.build(steps)[0] for steps in (2, 2, 3))
    assert one is other
    assert len(more.tasks) == 3


def test_graphs_with_equal_values_of_other_types_are_kept_apart() -> None:
    """To Python 1 and true are the same; to a task they are not."""

    @cb.workflow
    def given(w: cb.Builder, value: object) -> None:
        w.add(print, value)

    one, true = (given.build(value)[0] for value in (1, True))
    assert one.tasks[0].inputs["args"][0] is not true.tasks[0].inputs["args"][0]


def test_a_workflow_function_that_does_not_fit_its_inputs_is_told_why() -> None:
    @cb.workflow
    def no_builder(number: int) -> None: ...

    @cb.workflow
    def nothing() -> None: ...

    @cb.workflow
    def fits(w: cb.Builder, number: int) -> None: ...

    def told(flow: cb.Workflow, *args: Any, **inputs: Any) -> str:
        with pytest.raises(cb.DefinitionError) as caught:
            flow.build(*args, **inputs)
        place = f"test_starting.py:{flow.function.__code__.co_firstlineno}: workflow {flow.name!r} "
        (_, text) = str(caught.value).split(place)
        return text

    builder = "; its parameters must be the builder, then the run's inputs"
    many = f"cannot be built: too many positional arguments{builder}"
    assert told(no_builder, number=1) == (
        f"cannot be built: multiple values for argument 'number'{builder}"
    )
    assert [told(no_builder, 1), told(nothing), told(fits, 1, 2)] == [many] * 3
    assert told(fits) == "cannot be built: missing a required argument: 'number'"
    assert told(fits, number=1, more=2) == (
        "cannot be built: got an unexpected keyword argument 'more'"
    )


def test_a_type_error_inside_a_workflow_function_is_told_alone() -> None:
    @cb.workflow
    def adds(w: cb.Builder) -> None:
        w.add()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]

    with pytest.raises(cb.DefinitionError) as caught:
        adds.build()
    assert "TypeError" in str(caught.value)
    assert "parameters" not in str(caught.value)


def test_an_async_function_is_no_workflow() -> None:
    async def flow(w: cb.Builder) -> None: ...

    with pytest.raises(cb.UsageError, match="write def instead of async def"):
        cb.workflow(flow)
