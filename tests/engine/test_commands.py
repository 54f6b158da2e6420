"""What people say to a run: cancel, pause, restart, settle, answer; and tasks that wait."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio
import pytest

import callboard as cb
from callboard import testing
from callboard.executors import NotReady
from callboard.workflow import Retry, TaskOptions, TaskSpec, TaskState, Timeouts, WorkflowSpec

Opens = Callable[..., AbstractAsyncContextManager[cb.Engine]]


def task(name: str, *needs: str, kind: str = "shell", **options: Any) -> TaskSpec:
    fields = {key: options.pop(key) for key in ("config", "inputs", "when") if key in options}
    chosen = TaskOptions(**options)
    return TaskSpec(id=name, name=name, kind=kind, needs=needs, options=chosen, **fields)


def flow(*tasks: TaskSpec, **settings: Any) -> WorkflowSpec:
    return WorkflowSpec(name="flow", tasks=tasks, **settings)


async def until(handle: cb.RunHandle, kind: str, name: str | None = None) -> None:
    async for _, event in handle.events(follow=True):
        if event.kind == kind and name in (None, getattr(event, "task", None)):
            return
    raise AssertionError(f"the run is over without {kind}")


async def kinds(handle: cb.RunHandle) -> list[tuple[str, str | None]]:
    return [(event.kind, getattr(event, "task", None)) async for _, event in handle.events()]


async def test_after_a_cancel_nothing_starts_and_clean_up_runs(opens: Opens) -> None:
    script = testing.Script({"a": testing.hang(cleanup=3)}, default=testing.succeed(after=1))
    async with opens(concurrency=2, executors=script.executors()) as engine:
        handle = await engine.start(
            flow(task("a"), task("b"), task("c", "b"), task("d"), task("e", "a"))
        )
        await script.until_started("a")
        await handle.cancel("enough", by="me")
        result = await handle.result()
        events = await kinds(handle)
    stop = events.index(("run_stopping", None))
    assert all(kind != "attempt_started" for kind, _ in events[stop:])
    assert result.state == "cancelled"
    assert "enough" in str(result.reason)
    assert script.calls[0].ended == pytest.approx(3)
    assert script.order == ["a", "b"]


async def test_cancelling_twice_is_harmless_and_an_ended_run_refuses(opens: Opens) -> None:
    script = testing.Script(default=testing.hang(cleanup=1))
    async with opens(executors=script.executors()) as engine:
        handle = await engine.start(flow(task("a")))
        await script.until_started("a")
        await handle.cancel()
        await handle.cancel()
        await handle.result()
        with pytest.raises(cb.Refused, match="it has ended cancelled"):
            await handle.cancel()


async def test_a_paused_run_starts_nothing_and_what_runs_goes_on(opens: Opens) -> None:
    script = testing.Script(default=testing.succeed(after=1))
    async with opens(executors=script.executors()) as engine:
        handle = await engine.start(flow(task("a"), task("b", "a")))
        await script.until_started("a")
        await handle.pause()
        await anyio.sleep(50)
        assert script.order == ["a"]
        assert (await handle.snapshot()).tasks["a"].state == "succeeded"
        await handle.unpause()
        await handle.result()
    assert script.starts("b") == pytest.approx([50])


async def test_a_task_and_what_is_below_are_done_anew_while_they_run(opens: Opens) -> None:
    steps = {
        "a": [testing.succeed(1), testing.succeed(2)],
        "b": [testing.hang(cleanup=1), testing.succeed()],
    }
    script = testing.Script(steps, default=testing.succeed(after=0.5))
    async with opens(executors=script.executors()) as engine:
        handle = await engine.start(flow(task("a"), task("b", "a"), task("c", "b"), task("other")))
        await script.until_started("b")
        await handle.restart("a")
        result = await handle.result()
    assert result.state == "succeeded"
    assert [result.tasks[name].generation for name in ("a", "b", "c", "other")] == [2, 2, 2, 1]
    assert result.tasks["a"].output == 2
    assert script.order.count("other") == 1
    first_b, second_a = script.calls[2], [c for c in script.calls if c.task == "a"][1]
    assert first_b.ended is not None
    assert second_a.started >= first_b.ended


async def test_a_restart_after_the_end_opens_the_run_again(opens: Opens) -> None:
    steps = {"b": [testing.fail(), testing.succeed("now")]}
    script = testing.Script(steps)
    async with opens(executors=script.executors(), recover="all") as engine:
        handle = await engine.start(flow(task("a"), task("b", "a"), task("c", "b")))
        assert (await handle.result()).state == "failed"
        assert await handle.restart("b")
        result = await handle.result()
    assert result.state == "succeeded"
    assert result.tasks["b"].output == "now"
    assert script.order == ["a", "b", "b", "c"]


async def test_settling_by_hand_lets_the_rest_go_on(opens: Opens) -> None:
    script = testing.Script({"a": testing.fail()})
    spec = flow(task("a"), task("b", "a"), task("slow", kind="input"))
    async with opens(executors=script.executors()) as engine:
        handle = await engine.start(spec)
        await until(handle, "tasks_settled")
        await handle.settle("a", "succeeded", {"x": 1}, by="ann")
        await until(handle, "attempt_started", "b")
        await handle.answer("slow", None)
        result = await handle.result()
    assert result.state == "succeeded"
    assert result.tasks["a"].output == {"x": 1}
    assert "ann" in str(result.tasks["a"].reason)


async def test_a_running_task_is_not_settled_by_hand(opens: Opens) -> None:
    script = testing.Script(default=testing.hang())
    async with opens(executors=script.executors(), grace=0) as engine:
        handle = await engine.start(flow(task("a")))
        await script.until_started("a")
        with pytest.raises(cb.Refused, match="somebody works on it"):
            await handle.settle("a", TaskState.SUCCEEDED)
        await handle.cancel()


async def test_an_answer_is_checked_and_the_first_one_counts(opens: Opens) -> None:
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
    ask = task("ask", kind="input", config={"schema": schema, "message": "Well?"})
    async with opens(board=False) as engine:
        handle = await engine.start(
            flow(ask, task("end", "ask", kind="step"), task("hold", kind="input"))
        )
        await until(handle, "task_waiting", "ask")
        with pytest.raises(cb.UsageError, match="lacks 'ok'"):
            await handle.answer("ask", {})
        with pytest.raises(cb.UsageError, match="must be boolean, not string"):
            await handle.answer("ask", {"ok": "yes"})
        await handle.answer("ask", {"ok": True}, by="ann")
        with pytest.raises(cb.Refused, match="answered already"):
            await handle.answer("ask", {"ok": False})
        await handle.answer("hold", 0)
        result = await handle.result()
    assert result.tasks["ask"].output == {"ok": True}
    assert result.state == "succeeded"


async def test_a_task_that_suspends_sees_its_answer_in_its_next_attempt(opens: Opens) -> None:
    seen: list[tuple[Any, ...]] = []

    def play(lease: Any) -> testing.Step:
        seen.append(lease.answers)
        return (
            testing.succeed(list(lease.answers)) if lease.answers else testing.suspend("how many?")
        )

    script = testing.Script({"a": play})
    async with opens(executors=script.executors()) as engine:
        handle = await engine.start(flow(task("a")))
        await until(handle, "task_waiting", "a")
        await handle.answer("a", 3)
        result = await handle.result()
    assert seen == [(), (3,)]
    assert result.tasks["a"].output == [3]


@pytest.mark.parametrize("kind", ["input", "sleep"])
async def test_what_waits_is_cancelled_at_once(opens: Opens, kind: str) -> None:
    spec = flow(task("a", kind=kind, config={"seconds": 1000}), task("b", "a"))
    async with opens() as engine:
        handle = await engine.start(spec)
        await until(handle, "task_waiting")
        await handle.cancel()
        result = await handle.result()
        assert anyio.current_time() < 1
    assert {each.state for each in result.tasks.values()} == {"cancelled"}


async def test_a_sleep_lasts_as_long_as_it_says(opens: Opens) -> None:
    script = testing.Script()
    day = 86400.0
    async with opens(executors=script.executors()) as engine:
        await engine.run(
            flow(task("a", kind="sleep", config={"seconds": 30 * day}), task("b", "a"))
        )
    assert script.starts("b") == pytest.approx([30 * day])


# --- probes


def probe(**config: Any) -> TaskSpec:
    return task("wait", kind="wait", config={"probe": "nowhere:check", **config})


async def probed(opens: Opens, check: Callable[[], Any], **config: Any) -> Any:
    async with opens() as engine:
        engine._register("nowhere:check", check)
        return await engine.run(flow(probe(**config)))


async def test_a_prober_asks_once(opens: Opens) -> None:
    asked: list[float] = []

    async def check() -> Any:
        asked.append(anyio.current_time())
        return NotReady("not yet") if len(asked) == 1 else {"port": 80}

    result = await probed(opens, check)
    assert result.state == "not_ready"
    assert result.tasks["wait"].reason == "not yet"
    assert (await probed(opens, check)).tasks["wait"].output == {"port": 80}
    assert len(asked) == 2


async def test_a_poller_asks_at_once_and_then_in_its_rhythm(opens: Opens) -> None:
    asked: list[float] = []

    async def check() -> bool:
        asked.append(anyio.current_time())
        return len(asked) == 4

    result = await probed(opens, check, every=5)
    assert result.state == "succeeded"
    assert asked == pytest.approx([0, 5, 10, 15])


async def test_a_poller_gives_up_in_time(opens: Opens) -> None:
    async def check() -> bool:
        return False

    result = await probed(opens, check, every=5, within=12)
    error = result.tasks["wait"].error
    assert error.kind == "timeout"
    assert "within 12 s" in error.message
    assert anyio.current_time() == pytest.approx(12)


async def test_a_check_that_takes_too_long_is_an_error_and_not_asked_again(opens: Opens) -> None:
    asked: list[float] = []

    async def check() -> bool:
        asked.append(anyio.current_time())
        await anyio.sleep(60)
        return True

    result = await probed(opens, check, every=5, timeout=2)
    assert result.tasks["wait"].error.kind == "timeout"
    assert asked == [0]
    assert anyio.current_time() == pytest.approx(2)


async def test_a_check_that_raises_is_an_error(opens: Opens) -> None:
    def check() -> bool:
        raise ConnectionError("refused")

    result = await probed(opens, check, every=5)
    assert result.tasks["wait"].error.message == "ConnectionError: refused"


async def test_a_probe_is_stopped_with_its_run(opens: Opens) -> None:
    ended: list[float] = []

    async def check() -> bool:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append(anyio.current_time())
        return True

    async with opens() as engine:
        engine._register("nowhere:check", check)
        handle = await engine.start(flow(probe(every=5)))
        await anyio.sleep(7)
        await handle.cancel()
        assert (await handle.result()).state == "cancelled"
    assert ended == pytest.approx([7])


async def test_a_failed_probe_is_retried_as_any_task(opens: Opens) -> None:
    asked: list[float] = []

    def check() -> bool:
        asked.append(0.0)
        if len(asked) < 3:
            raise ConnectionError("refused")
        return True

    spec = flow(
        task(
            "wait",
            kind="wait",
            config={"probe": "nowhere:check"},
            retry=Retry(times=5, delay=1),
            timeout=Timeouts(attempt=9),
        )
    )
    async with opens() as engine:
        engine._register("nowhere:check", check)
        assert (await engine.run(spec)).state == "succeeded"
    assert len(asked) == 3
