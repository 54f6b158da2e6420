"""What an attempt created is taken out of the graph again while it waits for something."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio
import pytest

import callboard as cb

Opens = Callable[..., AbstractAsyncContextManager[cb.Engine]]


def bystander(starts: list[float], seconds: float = 20) -> Any:
    """Return a task whose attempts are counted: nothing that happens beside it begins it anew."""

    @cb.task
    async def stand_by() -> None:
        starts.append(anyio.current_time())
        await anyio.sleep(seconds)

    return stand_by


@cb.task(pool="p")
async def hold() -> None:
    await anyio.sleep(10)


@cb.task(pool="p")
async def pooled() -> str:
    return "x"


async def test_a_retried_creator_whose_creation_waits_for_a_pool(opens: Opens) -> None:
    starts: list[float] = []
    stand_by = bystander(starts)

    @cb.task(retry=cb.Retry(times=1, delay=1))
    async def create() -> None:
        me = cb.current()
        await anyio.sleep(1)
        await me.add(pooled)
        await anyio.sleep(1)
        if me.attempt == 1:
            raise ValueError("no")

    @cb.workflow
    def flow(w: cb.Builder) -> None:
        for each in (hold, create, stand_by):
            w.add(each)

    async with opens(pools={"p": 1}) as engine:
        result = await engine.run(flow)
    assert result.state == "succeeded"
    assert result.tasks["create"].attempts == 2
    assert len(starts) == 1


async def test_a_restarted_creator_whose_creation_waits_for_a_pool(opens: Opens) -> None:
    starts: list[float] = []
    stand_by = bystander(starts)

    @cb.task
    async def create() -> None:
        await cb.current().add(pooled)

    @cb.workflow
    def holds(w: cb.Builder) -> None:
        w.add(hold)

    @cb.workflow
    def flow(w: cb.Builder) -> None:
        for each in (create, stand_by):
            w.add(each)

    async with opens(pools={"p": 1}) as engine:
        await engine.start(holds)
        await anyio.sleep(1)
        handle = await engine.start(flow)
        await anyio.sleep(1)
        await handle.restart("create")
        result = await handle.result()
    assert result.state == "succeeded"
    assert result.tasks["create"].generation == 2
    assert len(starts) == 1


class TestInRealTime:
    """Threads do not live in virtual time."""

    @pytest.fixture(params=["asyncio", "trio"])
    def anyio_backend(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    async def test_a_creation_that_cannot_be_stopped_and_is_not_created_again(
        self, opens: Opens
    ) -> None:
        starts: list[float] = []
        stand_by = bystander(starts, 0.5)
        begun, goes_on = threading.Event(), threading.Event()

        @cb.task
        def block() -> None:
            begun.set()
            goes_on.wait(10)

        @cb.task
        async def create() -> None:
            me = cb.current()
            if me.generation == 1:
                await me.add(block)

        @cb.workflow
        def flow(w: cb.Builder) -> None:
            for each in (create, stand_by):
                w.add(each)

        async with opens() as engine:
            handle = await engine.start(flow)
            await anyio.to_thread.run_sync(begun.wait, 5)
            await handle.restart("create")
            # It was given up as one that cannot be stopped, and goes on for a while.
            async for _, event in handle.events(follow=True):
                if event.kind == "tasks_restarted":
                    break
            goes_on.set()
            result = await handle.result()
        assert result.state == "succeeded"
        assert set(result.tasks) == {"create", "stand_by"}
        assert len(starts) == 1
