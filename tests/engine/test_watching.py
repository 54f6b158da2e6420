"""What people see: why tasks wait, events as they come, logs, lists."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio
import pytest

import callboard as cb
from callboard import testing
from callboard.workflow import Retry, TaskOptions, TaskSpec, WorkflowSpec

Opens = Callable[..., AbstractAsyncContextManager[cb.Engine]]


def task(name: str, *needs: str, kind: str = "shell", **options: Any) -> TaskSpec:
    fields = {key: options.pop(key) for key in ("config", "inputs", "when") if key in options}
    chosen = TaskOptions(**options)
    return TaskSpec(id=name, name=name, kind=kind, needs=needs, options=chosen, **fields)


def flow(*tasks: TaskSpec, **settings: Any) -> WorkflowSpec:
    return WorkflowSpec(name="flow", tasks=tasks, **settings)


async def why_of(handle: cb.RunHandle) -> dict[str | None, str]:
    return {reason.task: reason.reason for reason in await handle.why()}


async def test_every_task_that_does_not_run_has_its_reason(opens: Opens) -> None:
    script = testing.Script(
        {
            "failing": testing.fail("no luck"),
            "retried": testing.fail("bad day"),
            "holder": testing.hang(),
        },
        default=testing.hang(),
    )
    spec = flow(
        task("failing", priority=8),
        task(
            "retried", priority=8, retry=Retry(times=3, backoff="fixed", delay=1000, jitter=False)
        ),
        task("busy", priority=5),
        task("queued"),
        task("pooled", pool="one"),
        task("pending", "queued"),
        task("below", "failing"),
        task("ask", kind="input", config={"message": "Shall we?"}),
        task("nap", kind="sleep", config={"seconds": 5000}),
        task("board", kind="external"),
        task("odd", kind="no-such-kind", priority=9),
        pools={"one": 1},
    )
    async with opens(concurrency=3, executors=script.executors(), grace=0) as engine:
        filler = await engine.start(flow(task("filler")), run_id="filler")
        await engine.start(flow(task("holder", pool="one"), pools={"one": 1}))
        await script.until_started("filler")
        await script.until_started("holder")
        handle = await engine.start(spec)
        await anyio.sleep(3)
        why = await why_of(handle)
        expected = {
            "failing": "no luck",
            "retried": "bad day",
            "queued": "filler",
            "pooled": "pool 'one'",
            "pending": "queued",
            "below": "failing",
            "ask": "Shall we?",
            "board": "board",
            "odd": "no-such-kind",
        }
        for name, words in expected.items():
            assert words in why[name], (name, why[name])
        assert "nap" in why
        await handle.pause(by="ann")
        assert "paused" in str(await handle.why("queued"))
        with pytest.raises(cb.Refused, match="has no task"):
            await handle.why("nobody")
        await filler.cancel()
        await handle.cancel()


async def test_followed_events_come_as_they_happen_and_end_with_the_run(opens: Opens) -> None:
    script = testing.Script(default=testing.succeed(after=10))
    seen: list[tuple[float, int, str]] = []
    async with opens(executors=script.executors()) as engine:
        handle = await engine.start(flow(task("a"), task("b", "a")))

        async def follow() -> None:
            async for number, event in handle.events(follow=True):
                seen.append((anyio.current_time(), number, event.kind))

        async with anyio.create_task_group() as group:
            group.start_soon(follow)
        after = [number async for number, _ in handle.events(after=2)]
        again = [event.kind async for _, event in handle.events()]
    assert [number for _, number, _ in seen] == list(range(1, len(seen) + 1))
    assert [at for at, _, _ in seen] == pytest.approx([0, 0, 10, 10, 20, 20])
    assert [kind for _, _, kind in seen] == [
        "run_created",
        "attempt_started",
        "task_settled",
        "attempt_started",
        "task_settled",
        "run_ended",
    ]
    assert after == [3, 4, 5, 6]
    assert again == [kind for _, _, kind in seen]


async def test_following_ends_when_the_engine_is_left(opens: Opens, durable: bool) -> None:
    kinds: list[str] = []
    async with anyio.create_task_group() as group, opens() as engine:
        handle = await engine.start(flow(task("a", kind="input")))

        async def follow() -> None:
            async for _, event in handle.events(follow=True):
                kinds.append(event.kind)

        group.start_soon(follow)
        await anyio.sleep(1)
        if not durable:
            await handle.cancel()
    assert kinds[:2] == ["run_created", "task_waiting"]


async def test_leaving_the_loop_over_events_early_leaves_nothing(opens: Opens) -> None:
    async with opens() as engine:
        handle = await engine.start(flow(task("a", kind="input")))
        for _ in range(3):
            async for _, event in handle.events(follow=True):
                if event.kind == "task_waiting":
                    break
        live = handle.live
        assert live is not None
        assert live.watchers == []
        await handle.cancel()


async def test_runs_are_listed_and_found_by_the_beginning_of_their_id(opens: Opens) -> None:
    async with opens(board=False) as engine:
        for name in ("abc-1", "abc-2", "xyz"):
            await engine.run(flow(task("a", kind="step")), run_id=name, topic="t")
            await anyio.sleep(1)
        assert [row.run for row in await engine.runs()] == ["xyz", "abc-2", "abc-1"]
        assert (await engine.get("x")).id == "xyz"
        with pytest.raises(cb.UnknownRun, match="abc-1, abc-2"):
            await engine.get("abc")
        with pytest.raises(cb.UnknownRun, match="there is no run 'nope'"):
            await engine.get("nope")
        result = await (await engine.get("xyz")).result()
        assert result.to_json()["topic" if "topic" in result.to_json() else "run"] in ("t", "xyz")
