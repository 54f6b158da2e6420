"""Leaving an engine, by whatever way, and carrying on in another."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio
import anyio.lowlevel
import pytest

import callboard as cb
from callboard import testing
from callboard.storage import Store
from callboard.workflow import RunOwned, TaskOptions, TaskSpec, WorkflowSpec

Opens = Callable[..., AbstractAsyncContextManager[cb.Engine]]


def task(name: str, *needs: str, kind: str = "shell", **options: Any) -> TaskSpec:
    fields = {key: options.pop(key) for key in ("config", "inputs", "when") if key in options}
    chosen = TaskOptions(**options)
    return TaskSpec(id=name, name=name, kind=kind, needs=needs, options=chosen, **fields)


def flow(*tasks: TaskSpec, **settings: Any) -> WorkflowSpec:
    return WorkflowSpec(name="flow", tasks=tasks, **settings)


async def states(engine: cb.Engine) -> dict[str, str]:
    return {row.run: str(row.state) for row in await engine.runs()}


async def test_what_runs_gets_its_grace(opens: Opens, durable: bool) -> None:
    script = testing.Script({"a": testing.succeed(1, after=5)}, default=testing.succeed(after=1))
    async with opens(executors=script.executors(), grace=10) as engine:
        handle = await engine.start(flow(task("a"), task("b", "a")))
        await script.until_started("a")
    assert script.order == ["a"]
    assert not script.calls[0].cancelled
    assert anyio.current_time() == pytest.approx(5)
    result = await handle.result()
    assert result.tasks["a"].state == "succeeded"
    assert result.state == ("running" if durable else "cancelled")
    assert result.tasks["b"].state == ("ready" if durable else "cancelled")


async def test_what_takes_longer_is_interrupted_and_done_again_elsewhere(
    opens: Opens, durable: bool
) -> None:
    script = testing.Script({"b": [testing.hang(cleanup=1), testing.succeed("b")]})
    spec = flow(task("a"), task("b", "a"), task("c", "b"))
    async with opens(executors=script.executors(), grace=10) as engine:
        handle = await engine.start(spec, run_id="the-run")
        await script.until_started("b")
    assert anyio.current_time() == pytest.approx(11)
    assert script.running == []
    async with opens(executors=script.executors(), recover="all") as engine:
        if not durable:
            assert await states(engine) == {"the-run": "cancelled"}
            return
        result = await (await engine.get("the-run")).result()
    assert result.state == "succeeded"
    assert script.order == ["a", "b", "b", "c"]
    assert (await handle.result()).tasks["b"].state == "ready"


async def test_an_error_in_the_block_is_raised_as_it_is_and_gives_no_grace(opens: Opens) -> None:
    script = testing.Script(default=testing.hang(cleanup=1))

    async def fails() -> None:
        async with opens(executors=script.executors(), grace=100) as engine:
            await engine.start(flow(task("a")))
            await script.until_started("a")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fails()
    assert anyio.current_time() == pytest.approx(1)
    assert script.calls[0].cancelled


async def test_losing_patience_in_the_grace_time_stops_at_once(opens: Opens) -> None:
    script = testing.Script(default=testing.hang(cleanup=1))
    with anyio.move_on_after(5):
        async with opens(executors=script.executors(), grace=100) as engine:
            await engine.start(flow(task("a")))
            await script.until_started("a")
    assert anyio.current_time() == pytest.approx(6)
    assert script.running == []


async def test_an_engine_in_a_cancelled_task_group_leaves_nothing(opens: Opens) -> None:
    script = testing.Script(default=testing.hang(cleanup=1))
    before = set(threading.enumerate())
    async with anyio.create_task_group() as group:

        async def serve() -> None:
            async with opens(executors=script.executors()) as engine:
                await engine.start(flow(task("a"), task("b", kind="sleep", config={"seconds": 99})))
                await anyio.sleep_forever()

        group.start_soon(serve)
        await script.until_started("a")
        group.cancel_scope.cancel()
    assert script.running == []
    for thread in set(threading.enumerate()) - before:
        # Idle threads of the loop's own pool are daemons; all others end.
        if not thread.daemon:
            thread.join(5)
        assert thread.daemon or not thread.is_alive()


async def test_entering_can_be_cancelled_at_any_step(opens: Opens) -> None:
    for steps in range(0, 60, 3):
        async with anyio.create_task_group() as group:

            async def serve() -> None:
                async with opens():
                    await anyio.sleep_forever()

            group.start_soon(serve)
            for _ in range(steps):
                await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()


async def test_cancelling_run_cancels_the_run_and_cancelling_result_does_not(opens: Opens) -> None:
    script = testing.Script({"a": testing.hang(cleanup=1), "b": testing.succeed(after=9)})
    async with opens(executors=script.executors()) as engine:
        with anyio.move_on_after(3):
            await engine.run(flow(task("a")), run_id="one")
        assert anyio.current_time() == pytest.approx(4)
        assert (await states(engine))["one"] == "cancelled"
        handle = await engine.start(flow(task("b")), run_id="two")
        with anyio.move_on_after(1):
            await handle.result()
        assert (await handle.result()).state == "succeeded"


async def test_run_cancelled_at_any_step_leaves_no_run_behind(opens: Opens) -> None:
    script = testing.Script(default=testing.hang())
    async with opens(executors=script.executors()) as engine:
        for steps in range(25):
            async with anyio.create_task_group() as group:
                group.start_soon(engine.run, flow(task("a")))
                for _ in range(steps):
                    await anyio.lowlevel.checkpoint()
                group.cancel_scope.cancel()
            assert engine.tree.live == {}, f"after {steps} steps"
        assert set((await states(engine)).values()) <= {"cancelled"}


async def test_waiting_runs_do_not_hold_up_leaving(opens: Opens, durable: bool) -> None:
    spec = flow(
        task("ask", kind="input"),
        task("nap", kind="sleep", config={"seconds": 999}),
        task("board", kind="external"),
        task("probe", kind="wait", config={"probe": "x:y", "every": 5}),
    )

    async def not_yet() -> bool:
        return False

    async with opens(grace=100) as engine:
        engine._register("x:y", not_yet)
        handle = await engine.start(spec)
        await anyio.sleep(12)
    assert anyio.current_time() == pytest.approx(12)
    result = await handle.result()
    assert result.state == ("running" if durable else "cancelled")


async def test_a_wait_goes_on_where_it_was(opens: Opens, durable: bool) -> None:
    if not durable:
        return
    script = testing.Script()
    spec = flow(
        task("nap", kind="sleep", config={"seconds": 100}),
        task("b", "nap"),
        task("probe", kind="wait", config={"probe": "x:y", "every": 5, "within": 60}),
    )

    async def not_yet() -> bool:
        return False

    async with opens(executors=script.executors()) as engine:
        engine._register("x:y", not_yet)
        handle = await engine.start(spec)
        await anyio.sleep(40)
    await anyio.sleep(10)
    async with opens(executors=script.executors(), recover="all") as engine:
        engine._register("x:y", not_yet)
        engine.tree.look()
        result = await (await engine.get(handle.id)).result()
    assert script.starts("b") == pytest.approx([100])
    ended = result.tasks["probe"].ended_at
    assert ended is not None
    assert result.tasks["probe"].state == "failed"


async def test_two_engines_live_in_one_process(
    opens: Opens, new_store: Callable[[], Store]
) -> None:
    script = testing.Script(default=testing.succeed(after=1))
    async with (
        opens(executors=script.executors()) as one,
        opens(executors=script.executors()) as two,
    ):
        first = await one.start(flow(task("a")), run_id="first")
        second = await two.start(flow(task("a")), run_id="second")
        assert (await first.result()).state == (await second.result()).state == "succeeded"


async def test_a_living_owner_is_named_and_keeps_its_run(opens: Opens) -> None:
    script = testing.Script(default=testing.hang())
    async with opens(executors=script.executors(), grace=0) as one, opens() as two:
        await one.start(flow(task("a")), run_id="it")
        with pytest.raises(RunOwned, match=one.tree.id):
            await two.resume("it")
        assert await two.resume_all() == []


async def test_recover_none_leaves_runs_alone(opens: Opens, durable: bool) -> None:
    if not durable:
        return
    script = testing.Script(default=testing.hang())
    async with opens(executors=script.executors(), grace=0) as engine:
        await engine.start(flow(task("a")), run_id="it")
        await script.until_started("a")
    script.steps["a"] = testing.succeed()
    async with opens(executors=script.executors(), recover="none") as engine:
        await anyio.sleep(60)
        assert await states(engine) == {"it": "running"}
        assert len(script.calls) == 1
        assert (await (await engine.resume("it")).result()).state == "succeeded"


async def test_a_command_to_a_run_that_nobody_owns_is_recorded(opens: Opens, durable: bool) -> None:
    if not durable:
        return
    script = testing.Script({"b": testing.hang()})
    spec = flow(task("a", kind="input"), task("b"), task("c", "a"))
    async with opens(executors=script.executors(), grace=0) as engine:
        await engine.start(spec, run_id="it")
        await script.until_started("b")
    async with opens() as engine:
        handle = await engine.get("it")
        assert not await handle.answer("a", 5)
        assert not await handle.pause()
        assert engine.tree.live == {}
    script.steps["b"] = testing.succeed()
    async with opens(executors=script.executors()) as engine:
        handle = await engine.resume("it")
        await anyio.sleep(10)
        assert len(script.calls) == 1
        await handle.unpause()
        result = await handle.result()
    assert result.state == "succeeded"
    assert result.tasks["a"].output == 5


async def test_a_recovering_engine_goes_on_after_a_command(opens: Opens, durable: bool) -> None:
    if not durable:
        return
    async with opens(board=False) as engine:
        await engine.start(flow(task("a", kind="input"), task("b", "a", kind="step")), run_id="it")
    async with opens(board=False, recover="all") as engine:
        handle = await engine.get("it")
        assert await handle.answer("a", 1)
        assert (await handle.result()).state == "succeeded"


async def test_a_run_that_cannot_be_read_is_set_aside_and_others_go_on(
    opens: Opens, durable: bool, caplog: pytest.LogCaptureFixture, tmp_path: Any
) -> None:
    if not durable:
        return
    async with opens(board=False) as engine:
        for name in ("bad", "good"):
            await engine.start(flow(task("a", kind="input")), run_id=name)
    import sqlite3

    with sqlite3.connect(tmp_path / "engine.db") as connection:
        connection.execute("UPDATE events SET kind = 'unheard_of' WHERE run = 'bad' AND number = 2")
    connection.close()
    with caplog.at_level(logging.CRITICAL, "callboard"):
        async with opens(recover="all") as engine:
            handle = await engine.get("good")
            await handle.answer("a", 1)
            assert (await handle.result()).state == "succeeded"
            with pytest.raises(cb.StoreError, match="unheard_of"):
                await (await engine.get("bad")).result()


async def test_two_take_ups_at_once_make_one_actor(opens: Opens, durable: bool) -> None:
    if not durable:
        return
    async with opens() as engine:
        await engine.start(flow(task("a", kind="input")), run_id="it")
    async with opens() as engine:
        handles: list[cb.RunHandle] = []

        async def take() -> None:
            handles.append(await engine.resume("it"))

        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(take)
        assert len({id(handle.live) for handle in handles}) == 1
        await handles[0].answer("a", 1)
        assert (await handles[1].result()).state == "succeeded"


async def test_ids_are_taken_once(opens: Opens) -> None:
    spec = flow(task("a", kind="input"))
    async with opens() as engine:
        handle = await engine.start(spec, run_id="it")
        with pytest.raises(cb.UsageError, match="there is a run 'it' already"):
            await engine.start(spec, run_id="it")
        await handle.cancel()
        await handle.result()
        with pytest.raises(cb.UsageError, match="there is a run 'it' already"):
            await engine.start(spec, run_id="it")


async def test_a_closed_engine_starts_nothing(opens: Opens) -> None:
    async with opens() as engine:
        pass
    with pytest.raises(cb.UsageError, match="closing"):
        await engine.start(flow(task("a")))


class TestAcrossEnginesInRealTime:
    """What one engine writes another one notices in real time."""

    @pytest.fixture(params=["asyncio", "trio"])
    def anyio_backend(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    async def test_commands_reach_the_engine_that_owns_the_run(self, opens: Opens) -> None:
        ask = task("ask", kind="input", config={"schema": {"type": "integer"}})
        async with opens(board=False) as one, opens() as two:
            handle = await one.start(flow(ask, task("b", "ask", kind="step")), run_id="it")
            other = await two.get("it")
            await other.pause(by="two")
            assert (await handle.snapshot()).paused
            await other.unpause()
            with pytest.raises(cb.Refused, match="has no task"):
                await other.settle("nonsense", "failed")
            with pytest.raises(cb.UsageError, match="integer"):
                await other.answer("ask", "five")
            await other.answer("ask", 5)
            with anyio.fail_after(5):
                assert (await other.result()).tasks["ask"].output == 5
            assert (await handle.result()).state == "succeeded"

    async def test_a_pool_is_shared_by_all_engines_on_a_store(self, opens: Opens) -> None:
        running, peak, done = 0, 0, 0

        async def work() -> None:
            nonlocal running, peak, done
            running += 1
            peak = max(peak, running)
            await anyio.sleep(0.01)
            running -= 1
            done += 1

        @cb.workflow(pools={"narrow": 2})
        def many(w: cb.Builder) -> None:
            for i in range(8):
                w.add(cb.task(work, pool="narrow"), id=f"t{i}")

        async with opens(concurrency=8) as one, opens(concurrency=8) as two:
            with anyio.fail_after(20):
                async with anyio.create_task_group() as group:
                    group.start_soon(one.run, many)
                    group.start_soon(two.run, many)
            assert list(await one.store.pool_leases("narrow")) == []
        assert peak == 2
        assert done == 16


async def test_whoever_waits_for_a_run_of_another_engine_hears_what_this_one_does_with_it(
    opens: Opens, durable: bool
) -> None:
    if not durable:
        return
    heard: list[str] = []
    states: list[str] = []
    async with opens() as engine, anyio.create_task_group() as group:
        async with opens() as other:
            await other.start(flow(task("a", kind="external")), run_id="it")
        handle = await engine.get("it")

        async def follow() -> None:
            async for _, event in handle.events(follow=True):
                heard.append(event.kind)

        async def result() -> None:
            states.append((await handle.result()).state)

        group.start_soon(follow)
        group.start_soon(result)
        await anyio.sleep(1)
        await handle.pause()
        await anyio.sleep(1)
        assert heard[-1] == "run_paused"
        await engine.resume("it")
        await handle.unpause()
        async with engine.claim(wait=5) as lease:
            assert lease is not None
            await lease.success()
        await anyio.sleep(1)
        assert heard[-1] == "run_ended"
        assert states == ["succeeded"]
        group.cancel_scope.cancel()
