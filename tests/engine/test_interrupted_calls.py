"""What becomes of a run when the call that waits for it is cut short, and by whom."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio
import pytest

import callboard as cb
from callboard import testing
from callboard.workflow import TaskSpec, WorkflowSpec

Opens = Callable[..., AbstractAsyncContextManager[cb.Engine]]

FLOW = WorkflowSpec(name="flow", tasks=(TaskSpec(id="a", name="a", kind="shell"),))


def holding() -> testing.Script:
    return testing.Script(default=testing.hang(cleanup=1))


async def state(engine: cb.Engine, run: str = "r") -> str:
    return str((await (await engine.get(run)).snapshot()).state)


@pytest.fixture
def kept(durable: bool) -> str:
    """The state of a run that was put down with its engine."""
    return "running" if durable else "cancelled"


async def stored(opens: Opens) -> str:
    async with opens() as engine:
        return await state(engine)


async def test_a_scope_around_the_engine_leaves_the_run_resumable(opens: Opens, kept: str) -> None:
    script = holding()
    with anyio.move_on_after(3):
        async with opens(executors=script.executors(), grace=100) as engine:
            await engine.run(FLOW, run_id="r")
    assert anyio.current_time() == pytest.approx(4)
    assert script.running == []
    assert await stored(opens) == kept


async def test_a_scope_around_the_call_cancels_the_run_and_waits(opens: Opens) -> None:
    script = holding()
    async with opens(executors=script.executors()) as engine:
        with anyio.move_on_after(3):
            await engine.run(FLOW, run_id="r")
        assert anyio.current_time() == pytest.approx(4)
        assert await state(engine) == "cancelled"


async def test_calls_in_a_group_around_the_engine_leave_their_runs_resumable(
    opens: Opens, kept: str
) -> None:
    script = holding()
    async with anyio.create_task_group() as group:

        async def serve() -> None:
            async with opens(executors=script.executors()) as engine:
                group.start_soon(lambda: engine.run(FLOW, run_id="r"))
                await anyio.sleep_forever()

        group.start_soon(serve)
        await script.until_started("a")
        group.cancel_scope.cancel()
    assert await stored(opens) == kept


async def test_a_cancelled_group_in_the_block_cancels_the_runs_of_its_calls(opens: Opens) -> None:
    script = holding()
    async with opens(executors=script.executors()) as engine:
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: engine.run(FLOW, run_id="r"))
            await script.until_started("a")
            group.cancel_scope.cancel()
        assert await state(engine) == "cancelled"


async def test_an_error_beside_the_call_in_the_block_cancels_the_run(opens: Opens) -> None:
    script = holding()

    async def fails() -> None:
        async with (
            opens(executors=script.executors()) as engine,
            anyio.create_task_group() as group,
        ):
            group.start_soon(lambda: engine.run(FLOW, run_id="r"))
            await script.until_started("a")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fails()
    assert await stored(opens) == "cancelled"


class TestCancelledAsAsyncioDoes:
    """A task of asyncio is cancelled without a scope: by Ctrl-C, a timeout, or by hand."""

    @pytest.fixture(params=testing.virtual_backends()[:1], ids=["asyncio"])
    def anyio_backend(self, request: pytest.FixtureRequest) -> Any:
        return request.param

    async def test_the_task_that_opened_the_engine(self, opens: Opens, kept: str) -> None:
        script = holding()

        async def serve() -> None:
            async with opens(executors=script.executors()) as engine:
                try:
                    await engine.run(FLOW, run_id="r")
                finally:
                    await anyio.sleep(2)

        task = asyncio.create_task(serve())
        await script.until_started("a")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await stored(opens) == kept

    @pytest.mark.parametrize("tidies", [False, True])
    async def test_a_timeout_around_the_call(self, opens: Opens, tidies: bool) -> None:
        script = holding()

        async def call(engine: cb.Engine) -> None:
            async with asyncio.timeout(3):
                try:
                    await engine.run(FLOW, run_id="r")
                finally:
                    await anyio.sleep(1 if tidies else 0)

        async with opens(executors=script.executors()) as engine:
            with pytest.raises(TimeoutError):
                await call(engine)
            assert (await (await engine.get("r")).result()).state == "cancelled"
            assert anyio.current_time() <= 6

    async def test_a_timeout_around_the_engine(self, opens: Opens, kept: str) -> None:
        script = holding()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3), opens(executors=script.executors()) as engine:
                await engine.run(FLOW, run_id="r")
        assert await stored(opens) == kept

    async def test_a_task_of_its_own(self, opens: Opens) -> None:
        script = holding()
        async with opens(executors=script.executors()) as engine:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(engine.run(FLOW, run_id="r"), 3)
            assert await state(engine) == "cancelled"
            task = asyncio.create_task(engine.run(FLOW, run_id="s"))
            await script.until_started("a", 2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await state(engine, "s") == "cancelled"
