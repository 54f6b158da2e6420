"""Slots of pools for tasks that somebody else does: taken with the claim, given back at its end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio
import pytest

import callboard as cb
from callboard import testing
from callboard.supervisor import Wanted
from callboard.workflow import Retry, TaskOptions, TaskSpec, WorkflowSpec

Opens = Callable[..., AbstractAsyncContextManager[cb.Engine]]


def task(name: str, kind: str = "external", **options: Any) -> TaskSpec:
    chosen = TaskOptions(pool="one", **options)
    return TaskSpec(id=name, name=name, kind=kind, options=chosen)


def flow(*tasks: TaskSpec) -> WorkflowSpec:
    return WorkflowSpec(name="flow", tasks=tasks, pools={"one": 1})


async def slots(engine: cb.Engine) -> list[str]:
    return [lease.task for lease in await engine.store.pool_leases("one")]


async def test_no_more_are_claimed_at_once_than_the_pool_has_slots(opens: Opens) -> None:
    async with opens() as engine:
        handle = await engine.start(flow(task("a"), task("b")))
        assert await slots(engine) == []
        async with engine.claim(wait=5) as lease:
            assert lease is not None
            assert await slots(engine) == ["a"]
            async with engine.claim(wait=5) as other:
                assert other is None
            (reason,) = await handle.why("b")
            assert (reason.code, reason.blockers) == ("pool", (f"{handle.id}/a",))
            await lease.success()
        (reason,) = await handle.why("b")
        assert reason.code == "board"
        async with engine.claim() as lease:
            assert lease is not None
            assert lease.task == "b"
            await lease.success()
        assert (await handle.result()).state == "succeeded"
        assert await slots(engine) == []


@pytest.mark.parametrize("ends", ["success", "release", "expiry", "cancel"])
async def test_who_waits_gets_the_slot_when_a_claim_ends(opens: Opens, ends: str) -> None:
    async with opens() as engine:
        first = await engine.start(flow(task("a", retry=Retry(times=0))))
        second = await engine.start(flow(task("b")))
        at: list[float] = []

        async def second_worker() -> None:
            async with engine.claim("b", wait=100) as lease:
                assert lease is not None
                at.append(anyio.current_time())
                await lease.success()

        async with anyio.create_task_group() as group, engine.claim("a", lease_seconds=20) as lease:
            assert lease is not None
            group.start_soon(second_worker)
            await anyio.sleep(5.5)
            assert not at
            if ends == "success":
                await lease.success()
            elif ends == "release":
                await lease.release()
            elif ends == "cancel":
                await first.cancel()
            await second.result()
        expected = anyio.current_time() if ends == "expiry" else 5.5
        assert at[0] == pytest.approx(expected, abs=0.01)
        await first.cancel() if ends in ("release", "expiry") else None
        await first.result()
        assert await slots(engine) == []


async def test_engines_on_one_store_share_the_slots(opens: Opens, durable: bool) -> None:
    if not durable:
        return
    async with opens() as engine, opens() as other:
        first = await engine.start(flow(task("a")))
        second = await other.start(flow(task("b")))
        async with engine.claim(wait=5) as lease:
            assert lease is not None
            async with other.claim(wait=5) as none:
                assert none is None
            await lease.success()
        async with other.claim(wait=2) as lease:
            assert lease is not None
            await lease.success()
        assert (await first.result()).state == "succeeded"
        assert (await second.result()).state == "succeeded"


async def test_tasks_done_here_and_elsewhere_share_a_pool(opens: Opens) -> None:
    script = testing.Script(default=testing.succeed(after=1))
    async with opens(executors=script.executors()) as engine:
        async with engine.claim(wait=5) as lease:
            assert lease is None
        outside = await engine.start(flow(task("a")))
        async with engine.claim("a", wait=5) as lease:
            assert lease is not None
            inside = await engine.start(flow(task("b", "shell")))
            await anyio.sleep(5)
            assert script.order == []
            (reason,) = await inside.why("b")
            assert "pool 'one' is held by task 'a'" in reason.reason
            await lease.success()
        assert (await inside.result()).state == "succeeded"
        assert (await outside.result()).state == "succeeded"


async def test_a_claim_keeps_its_slot_with_the_next_engine(opens: Opens, durable: bool) -> None:
    if not durable:
        return
    async with opens(grace=0) as engine:
        await engine.start(flow(task("a"), task("b")), run_id="r")
        claim = await engine.tree.board.claim(Wanted(labels=["a"]), "w", 5, 20)
        assert claim is not None
        fence = claim.lease.fence
    async with opens(grace=0) as engine:
        handle = await engine.resume("r")
        await anyio.sleep(1)
        assert await slots(engine) == ["a"]
        async with engine.claim("b", wait=5) as none:
            assert none is None
        # Nobody sends a heartbeat: then the slot is free, for whichever is next.
        await anyio.sleep(20)
        for _ in range(2):
            async with engine.claim(wait=5) as again:
                assert again is not None
                assert again.fence != fence
                assert await slots(engine) == [again.task]
                await again.success()
        assert (await handle.result()).state == "succeeded"
        assert await slots(engine) == []


async def test_a_slot_does_not_leak_with_a_claim_that_came_too_late(opens: Opens) -> None:
    async with opens() as engine:
        handle = await engine.start(flow(task("a")))
        await anyio.sleep(1)
        claims: list[Any] = []

        async def claim() -> None:
            async with engine.claim("a", wait=5) as lease:
                claims.append(lease)
                if lease is not None:
                    await lease.success()

        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(claim)
            await anyio.lowlevel.checkpoint()
            await handle.cancel()
        assert (await handle.result()).state in ("cancelled", "succeeded")
        await anyio.sleep(1)
        assert await slots(engine) == []
