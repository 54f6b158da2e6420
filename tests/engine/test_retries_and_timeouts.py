"""Retries and timeouts, read as schedules in virtual time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio
import pytest

import callboard as cb
from callboard import testing
from callboard.workflow import Retry, TaskOptions, TaskSpec, Timeouts, WorkflowSpec

Opens = Callable[..., AbstractAsyncContextManager[cb.Engine]]


def task(name: str, *needs: str, kind: str = "shell", **options: Any) -> TaskSpec:
    fields = {key: options.pop(key) for key in ("config", "inputs", "when") if key in options}
    chosen = TaskOptions(**options)
    return TaskSpec(id=name, name=name, kind=kind, needs=needs, options=chosen, **fields)


def flow(*tasks: TaskSpec, **settings: Any) -> WorkflowSpec:
    return WorkflowSpec(name="flow", tasks=tasks, **settings)


SCHEDULES = {
    "fixed": (Retry(times=3, backoff="fixed", delay=2, jitter=False), [0, 2, 4, 6]),
    "linear": (Retry(times=3, backoff="linear", delay=1, increment=2, jitter=False), [0, 1, 4, 9]),
    "exponential": (Retry(times=4, delay=1, jitter=False), [0, 1, 3, 7, 15]),
    "capped": (Retry(times=4, delay=1, cap=3, jitter=False), [0, 1, 3, 6, 9]),
    "elapsed": (Retry(times=9, backoff="fixed", delay=4, jitter=False, max_elapsed=10), [0, 4, 8]),
    "another kind": (Retry(times=3, delay=1, on=("timeout",)), [0]),
    "never": (None, [0]),
}


@pytest.mark.parametrize("name", SCHEDULES)
async def test_retries_come_when_the_policy_says(opens: Opens, name: str) -> None:
    policy, starts = SCHEDULES[name]
    script = testing.Script(default=testing.fail("no"))
    async with opens(executors=script.executors()) as engine:
        result = await engine.run(flow(task("a", retry=policy)))
    assert script.starts("a") == pytest.approx(starts)
    assert result.state == "failed"
    assert result.tasks["a"].attempts == len(starts)
    error = result.tasks["a"].error
    assert error is not None
    assert (error.kind, error.message) == ("error", "no")


@pytest.mark.parametrize("draw", [0.0, 0.25, 1.0])
async def test_jitter_draws_from_zero_to_the_whole_wait(opens: Opens, draw: float) -> None:
    script = testing.Script(default=testing.fail())
    policy = Retry(times=3, delay=1, jitter=True)
    async with opens(executors=script.executors(), draw=lambda: draw) as engine:
        await engine.run(flow(task("a", retry=policy)))
    assert script.starts("a") == pytest.approx([0, draw, draw * 3, draw * 7])


async def test_a_task_may_ask_for_a_longer_wait_but_never_beyond_the_cap(opens: Opens) -> None:
    steps = [testing.fail(retry_after=5), testing.fail(retry_after=500), testing.succeed(1)]
    script = testing.Script({"a": steps})
    policy = Retry(times=3, backoff="fixed", delay=1, cap=60, jitter=False)
    async with opens(executors=script.executors()) as engine:
        result = await engine.run(flow(task("a", retry=policy)))
    assert script.starts("a") == pytest.approx([0, 5, 65])
    assert result.state == "succeeded"


async def test_a_retry_waits_without_a_slot_and_other_tasks_go_on(opens: Opens) -> None:
    script = testing.Script(
        {"a": [testing.fail(), testing.succeed()]}, default=testing.succeed(after=1)
    )
    policy = Retry(times=1, backoff="fixed", delay=10, jitter=False)
    async with opens(concurrency=1, executors=script.executors()) as engine:
        await engine.run(flow(task("a", retry=policy), task("b"), task("c", "b")))
    assert script.order == ["a", "b", "c", "a"]


async def test_the_class_of_an_exception_can_be_retried(opens: Opens) -> None:
    script = testing.Script(
        {"a": testing.crash(ConnectionError("x")), "b": testing.crash(KeyError("x"))}
    )
    policy = Retry(times=2, delay=1, on=("OSError",))
    async with opens(executors=script.executors()) as engine:
        await engine.run(flow(task("a", retry=policy), task("b", retry=policy)))
    assert len(script.starts("a")) == 3
    assert len(script.starts("b")) == 1


async def test_an_attempt_has_its_time_and_its_clean_up_runs(opens: Opens) -> None:
    script = testing.Script({"a": [testing.hang(cleanup=2), testing.succeed("late")]})
    policy = Retry(times=1, backoff="fixed", delay=1, jitter=False)
    spec = flow(task("a", retry=policy, timeout=Timeouts(attempt=5)))
    async with opens(executors=script.executors()) as engine:
        result = await engine.run(spec)
    first, second = script.calls
    assert first.cancelled
    assert first.ended == pytest.approx(7)
    assert second.started == pytest.approx(8)
    assert result.tasks["a"].output == "late"


async def test_the_total_timeout_ends_all_attempts(opens: Opens) -> None:
    script = testing.Script(default=testing.fail(after=2))
    policy = Retry(times=99, backoff="fixed", delay=1, jitter=False)
    spec = flow(task("a", retry=policy, timeout=Timeouts(total=10)))
    async with opens(executors=script.executors()) as engine:
        result = await engine.run(spec)
        assert anyio.current_time() == pytest.approx(10)
    error = result.tasks["a"].error
    assert error is not None
    assert error.kind == "timeout"
    assert script.starts("a") == pytest.approx([0, 3, 6, 9])


async def test_what_is_ready_too_long_without_being_started_fails(opens: Opens) -> None:
    script = testing.Script(default=testing.succeed(after=100))
    spec = flow(task("a"), task("b", timeout=Timeouts(queued=10)))
    async with opens(concurrency=1, executors=script.executors()) as engine:
        handle = await engine.start(spec)
        async for _, event in handle.events(follow=True):
            if event.kind == "task_settled":
                break
        assert anyio.current_time() == pytest.approx(10)
        result = await handle.result()
    assert result.tasks["b"].state == "failed"
    assert result.tasks["b"].error is not None
    assert result.tasks["b"].error.kind == "timeout"
    assert script.order == ["a"]


async def test_a_run_has_its_time(opens: Opens) -> None:
    script = testing.Script(default=testing.hang(cleanup=1))
    async with opens(executors=script.executors()) as engine:
        result = await engine.run(flow(task("a"), task("b", "a"), timeout=30))
        assert anyio.current_time() == pytest.approx(31)
    assert result.state == "timed_out"
    assert {each.state for each in result.tasks.values()} == {"cancelled"}


async def test_what_was_cancelled_is_not_retried(opens: Opens) -> None:
    script = testing.Script(default=testing.hang())
    policy = Retry(times=9, delay=0, on=("error", "timeout", "cancelled"))
    async with opens(executors=script.executors()) as engine:
        handle = await engine.start(flow(task("a", retry=policy)))
        await script.until_started("a")
        await handle.cancel()
        result = await handle.result()
    assert len(script.calls) == 1
    assert result.state == "cancelled"
    assert result.tasks["a"].state == "cancelled"


async def test_work_that_cancels_itself_fails_and_keeps_no_slot(opens: Opens) -> None:
    async def cancels_itself() -> None:
        raise anyio.get_cancelled_exc_class()

    async def raises_exit() -> None:
        raise SystemExit(3)

    @cb.workflow
    def both(w: cb.Builder) -> None:
        w.add(cancels_itself)
        w.add(raises_exit)

    if anyio.get_cancelled_exc_class().__module__.startswith("trio"):
        pytest.skip("on trio only the loop can make a cancellation")
    async with opens() as engine:
        result = await engine.run(both)
    errors = {name: each.error for name, each in result.tasks.items()}
    assert errors["cancels_itself"] is not None
    assert errors["cancels_itself"].kind == "cancelled"
    assert errors["raises_exit"] is not None
    assert errors["raises_exit"].message == "SystemExit: 3"


async def test_a_stopped_task_group_that_fails_in_its_clean_up_takes_nothing_down(
    opens: Opens,
) -> None:
    async def bad_clean_up() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            raise ValueError("in the clean-up")

    async def grouped() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(bad_clean_up)
            group.start_soon(anyio.sleep_forever)

    @cb.workflow
    def one(w: cb.Builder) -> None:
        w.add(cb.task(grouped, timeout=1))

    async with opens() as engine:
        result = await engine.run(one)
        assert result.state == "failed"
        error = result.tasks["grouped"].error
        assert error is not None
        assert error.kind == "timeout"
        assert "in the clean-up" in error.message
        assert (await engine.run(one)).state == "failed"


class TestInRealTime:
    """Threads do not live in virtual time."""

    @pytest.fixture(params=["asyncio", "trio"])
    def anyio_backend(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    async def test_a_sync_function_that_outlives_its_timeout(self, opens: Opens) -> None:
        gate, running, peak = threading.Event(), [0], [0]

        def stubborn() -> str:
            running[0] += 1
            peak[0] = max(peak[0], running[0])
            gate.wait(10)
            running[0] -= 1
            return "done"

        @cb.workflow
        def one(w: cb.Builder) -> None:
            policy = Retry(times=1, backoff="fixed", delay=0.01, jitter=False)
            w.add(cb.task(stubborn, retry=policy, timeout=0.1))

        async with opens(concurrency=2) as engine:
            handle = await engine.start(one)
            async for _, event in handle.events(follow=True):
                if event.kind == "retry_due":
                    break
            failure = (await handle.snapshot()).tasks["stubborn"].error
            assert failure is not None
            assert failure.kind == "timeout"
            assert "could not be stopped" in failure.message
            assert engine.tree.slots.in_use == 1
            assert "could not be stopped" in str(await handle.why("stubborn"))
            gate.set()
            result = await handle.result()
            assert engine.tree.slots.in_use == 0
        assert result.tasks["stubborn"].output == "done"
        assert peak[0] == 1

    async def test_a_cancelled_run_waits_for_the_thread_it_cannot_stop(self, opens: Opens) -> None:
        gate, begun = threading.Event(), threading.Event()

        def stubborn() -> None:
            begun.set()
            gate.wait(10)

        @cb.workflow
        def one(w: cb.Builder) -> None:
            w.add(cb.task(stubborn, pool="narrow"))

        async with opens(pools={"narrow": 1}) as engine:
            handle = await engine.start(one)
            await anyio.to_thread.run_sync(begun.wait, 5)
            await handle.cancel()
            async for _, event in handle.events(follow=True):
                if event.kind == "run_ended":
                    break
            assert engine.tree.slots.in_use == 1
            gate.set()
            result = await handle.result()
            assert engine.tree.slots.in_use == 0
            assert list(await engine.store.pool_leases("narrow")) == []
        assert result.state == "cancelled"
        assert "could not be stopped" in str(result.tasks["stubborn"].reason)

    async def test_a_sync_probe_that_outlives_its_timeout(self, opens: Opens) -> None:
        """No check is made before the thread of the last one has ended."""
        gate, lock = threading.Event(), threading.Lock()
        running, peak, calls = [0], [0], [0]

        def probe() -> bool:
            with lock:
                calls[0] += 1
                running[0] += 1
                peak[0] = max(peak[0], running[0])
            gate.wait(10)
            with lock:
                running[0] -= 1
            return True

        policy = Retry(times=1, backoff="fixed", delay=0.01, jitter=False, on=("timeout",))
        spec = WorkflowSpec(
            name="waits",
            tasks=(
                TaskSpec(
                    id="ready",
                    name="ready",
                    kind="wait",
                    config={"probe": "probes:probe", "timeout": 0.1},
                    options=TaskOptions(retry=policy),
                ),
            ),
        )
        async with opens() as engine:
            engine._register("probes:probe", probe)
            handle = await engine.start(spec)
            async for _, event in handle.events(follow=True):
                if event.kind == "retry_due":
                    break
            await anyio.sleep(0.2)
            assert calls[0] == 1
            assert "could not be stopped" in str(await handle.why("ready"))
            gate.set()
            result = await handle.result()
        assert result.state == "succeeded"
        assert (calls[0], peak[0]) == (2, 1)

    @pytest.mark.parametrize("timeout", [None, 0.2])
    async def test_a_sync_probe_that_waits_for_a_thread_does_not_time_out(
        self, opens: Opens, timeout: float | None
    ) -> None:
        gate, begun, also_begun = threading.Event(), threading.Event(), threading.Event()

        def slow() -> bool:
            begun.set()
            return gate.wait(10)

        def quick() -> bool:
            also_begun.set()
            return True

        def wait(**config: Any) -> WorkflowSpec:
            return flow(task("w", kind="wait", config=config))

        async with opens(concurrency=1) as engine:
            engine._register("nowhere:slow", slow)
            engine._register("nowhere:quick", quick)
            first = await engine.start(wait(probe="nowhere:slow", timeout=timeout))
            await anyio.to_thread.run_sync(begun.wait, 5)
            second = await engine.start(wait(probe="nowhere:quick", timeout=0.3))
            await anyio.sleep(0.5)  # Longer than both timeouts; only time can show this.
            assert (await second.snapshot()).state == "running"
            # One that has timed out keeps its thread until it has ended.
            assert not also_begun.is_set()
            gate.set()
            assert (await second.result()).state == "succeeded"
            assert (await first.result()).state == ("failed" if timeout else "succeeded")
