"""run_dag: a plain mapping, run here and now, with objects handed over as they are."""

from __future__ import annotations

import functools
import gc
import threading
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio
import pytest

import callboard as cb
from callboard import testing
from callboard.workflow import TaskOptions, TaskSpec, WorkflowSpec

Opens = Callable[..., AbstractAsyncContextManager[cb.Engine]]


def task(name: str, *needs: str, kind: str = "shell", **options: Any) -> TaskSpec:
    fields = {key: options.pop(key) for key in ("config", "inputs", "when") if key in options}
    chosen = TaskOptions(**options)
    return TaskSpec(id=name, name=name, kind=kind, needs=needs, options=chosen, **fields)


def flow(*tasks: TaskSpec, **settings: Any) -> WorkflowSpec:
    return WorkflowSpec(name="flow", tasks=tasks, **settings)


@pytest.fixture(params=testing.virtual_backends(), ids=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param


class Job:
    def __init__(self, name: str, do: Callable[[], Any]) -> None:
        self.name = name
        self.do = do


def jobs_of(order: list[str], *names: str) -> dict[str, Callable[[], Any]]:
    def job(name: str) -> Callable[[], Any]:
        async def do() -> None:
            order.append(name)
            await anyio.sleep(1)

        return do

    return {name: job(name) for name in names}


DIAMOND = {"B": ["A"], "C": ["A"], "D": ["B", "C"]}


async def test_jobs_run_in_order_and_side_by_side() -> None:
    order: list[str] = []
    result = await cb.run_dag(jobs_of(order, "A", "B", "C", "D"), DIAMOND)
    # Those that are started together begin in the loop's own order.
    assert order in (["A", "B", "C", "D"], ["A", "C", "B", "D"])
    assert anyio.current_time() == pytest.approx(3)
    assert result.is_ready()
    assert list(result.order) == ["A", "B", "C", "D"]


async def test_concurrency_bounds_them() -> None:
    order: list[str] = []
    await cb.run_dag(jobs_of(order, "A", "B", "C", "D"), {}, concurrency=1)
    assert anyio.current_time() == pytest.approx(4)
    with pytest.raises(cb.UsageError, match="concurrency must be at least 1"):
        await cb.run_dag({}, {}, concurrency=0)


async def test_nothing_to_do_is_ready() -> None:
    result = await cb.run_dag({}, {})
    assert result.state == "succeeded"
    assert result.is_ready()
    assert result.tasks == {}


async def test_outputs_are_handed_over_as_they_are() -> None:
    thing = object()
    outputs = {"none": None, "true": True, "thing": thing, "zero": 0, "text": ""}
    result = await cb.run_dag({name: lambda v=value: v for name, value in outputs.items()})
    assert result.is_ready()
    assert result.tasks["thing"].output is thing
    assert result.tasks["zero"].output == 0
    assert result.tasks["true"].output is None


async def test_what_is_not_ready_skips_what_is_below_and_the_rest_goes_on() -> None:
    order: list[str] = []
    jobs = jobs_of(order, "A", "B", "C", "D", "E")
    jobs["B"] = lambda: False
    jobs["E"] = lambda: cb.NotReady("not yet")
    result = await cb.run_dag(jobs, DIAMOND)
    states = {name: str(each.state) for name, each in result.tasks.items()}
    assert states == {
        "A": "succeeded",
        "B": "not_ready",
        "C": "succeeded",
        "D": "skipped",
        "E": "not_ready",
    }
    assert result.is_not_ready()
    assert not result.is_failed()
    first = result.first_in_progress()
    assert first is not None
    assert first.id in ("B", "E")
    assert result.tasks["E"].reason == "not yet"


async def test_the_first_error_stops_everything_at_once() -> None:
    cancelled: list[str] = []

    async def slow() -> None:
        try:
            await anyio.sleep(100)
        except anyio.get_cancelled_exc_class():
            cancelled.append("slow")
            raise

    async def fails() -> None:
        await anyio.sleep(1)
        raise OSError("no route")

    result = await cb.run_dag({"slow": slow, "fails": fails, "after": slow}, {"after": ["slow"]})
    assert anyio.current_time() == pytest.approx(1)
    assert cancelled == ["slow"]
    assert result.is_failed()
    error = result.first_error()
    assert error is not None
    assert error.id == "fails"
    assert error.error is not None
    assert error.error.message == "OSError: no route"
    with pytest.raises(cb.RunFailed, match="no route"):
        result.raise_for_state()


async def test_another_policy_lets_the_rest_go_on() -> None:
    order: list[str] = []
    jobs = jobs_of(order, "A", "B", "C", "D")

    async def fails() -> None:
        raise OSError

    jobs["B"] = fails
    result = await cb.run_dag(jobs, DIAMOND, on_failure="skip_downstream")
    assert order == ["A", "C"]
    assert result.tasks["D"].state == "upstream_failed"
    with pytest.raises(cb.UsageError, match="on_failure must be one of"):
        await cb.run_dag(jobs, on_failure="whatever")


async def test_a_timeout_stops_it() -> None:
    result = await cb.run_dag(
        {"a": anyio.sleep_forever, "b": lambda: None}, {"b": ["a"]}, timeout=5
    )
    assert anyio.current_time() == pytest.approx(5)
    assert result.is_timed_out()
    assert result.tasks["b"].state == "cancelled"


async def test_all_unknown_names_are_reported_at_once_with_the_nearest_known() -> None:
    jobs = {"alpha": lambda: None, "beta": lambda: None}
    with pytest.raises(cb.DefinitionError) as caught:
        await cb.run_dag(jobs, {"alpa": ["beta"], "beta": ["gamma", "alphaa"]})
    assert len(caught.value.errors) == 3
    assert "did you mean 'alpha'?" in caught.value.errors[0]
    assert "'gamma'" in caught.value.errors[1]


@pytest.mark.parametrize(
    ("needs", "cycle"),
    [({"A": ["A"]}, "A → A"), ({"A": ["B"], "B": ["A"]}, "→")],
)
async def test_a_cycle_is_named(needs: dict[str, list[str]], cycle: str) -> None:
    jobs = {"A": lambda: None, "B": lambda: None}
    with pytest.raises(cb.DefinitionError, match=cycle):
        await cb.run_dag(jobs, needs)


async def test_jobs_may_be_objects_and_their_names_are_their_own() -> None:
    done: list[str] = []
    jobs = [Job(name, functools.partial(done.append, name)) for name in ("a", "b")]
    result = await cb.run_dag(jobs, {"a": ["b", "b"]})
    assert done == ["b", "a"]
    assert result.is_ready()
    with pytest.raises(cb.DefinitionError, match="two jobs have the name 'a'"):
        await cb.run_dag([*jobs, jobs[0]])


async def test_sync_jobs_run_in_threads_and_a_lambda_may_give_a_coroutine() -> None:
    main = threading.get_ident()

    async def on_loop(n: int) -> bool:
        await anyio.sleep(1)
        return n == 1 and threading.get_ident() == main

    result = await cb.run_dag({"a": lambda: on_loop(1), "b": lambda: threading.get_ident() != main})
    assert result.is_ready()


async def test_it_can_be_cancelled_and_leaves_nothing() -> None:
    ended: list[float] = []

    async def slow() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(1)
            ended.append(anyio.current_time())

    with anyio.move_on_after(3) as scope:
        await cb.run_dag({"a": slow, "b": slow})
    assert scope.cancelled_caught
    assert ended == pytest.approx([4, 4])


async def test_the_same_jobs_may_run_again() -> None:
    order: list[str] = []
    jobs = jobs_of(order, "A", "B", "C", "D")
    for _ in range(3):
        assert (await cb.run_dag(jobs, DIAMOND)).is_ready()
    assert order[::4] == ["A"] * 3
    assert len(order) == 12


@pytest.mark.parametrize("enabled", [True, False])
async def test_the_garbage_collector_is_left_as_it_was(enabled: bool) -> None:
    """It is paused while a graph is built, also when that fails, and is on while jobs run."""
    seen: list[bool] = []
    was_enabled = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        await cb.run_dag({"a": lambda: seen.append(gc.isenabled())})
        with pytest.raises(cb.DefinitionError):
            await cb.run_dag({"a": print}, {"a": ["b"]})
        with pytest.raises(cb.DefinitionError):
            await cb.run_dag({"a": print, "b": print}, {"a": ["b"], "b": ["a"]})
        assert [*seen, gc.isenabled()] == [enabled, enabled]
    finally:
        (gc.enable if was_enabled else gc.disable)()
