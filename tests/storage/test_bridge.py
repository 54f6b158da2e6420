"""The bridge runs coroutines on an asyncio loop in another thread, for either backend."""

from __future__ import annotations

import asyncio
import threading

import anyio
import pytest

from callboard.storage._bridge import AsyncioBridge, on_trio


async def test_a_call_runs_on_asyncio_in_one_other_thread() -> None:
    async def where(value: int) -> tuple[int, int, bool]:
        asyncio.get_running_loop()
        return value, threading.get_ident(), on_trio()

    async with AsyncioBridge.opened() as bridge:
        first = await bridge.call(where, 1)
        second = await bridge.call(where, 2)
    assert first[1] == second[1] != threading.get_ident()
    assert (first[0], second[0]) == (1, 2)
    assert not first[2]


async def test_an_error_comes_back() -> None:
    async def fail() -> None:
        raise LookupError("over there")

    async with AsyncioBridge.opened() as bridge:
        with pytest.raises(LookupError, match="over there"):
            await bridge.call(fail)


async def test_a_cancelled_call_is_cancelled_over_there_before_it_returns() -> None:
    ended: list[str] = []
    started = anyio.Event()

    async def wait() -> None:
        host(started.set)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    async with AsyncioBridge.opened() as bridge:
        host = bridge.wake
        async with anyio.create_task_group() as tg:
            tg.start_soon(bridge.call, wait)
            await started.wait()
            tg.cancel_scope.cancel()
        assert ended == ["cancelled"]


async def test_many_calls_wait_at_once() -> None:
    async def meet(barrier: asyncio.Barrier) -> None:
        await barrier.wait()

    async def make() -> asyncio.Barrier:
        return asyncio.Barrier(100)

    async with AsyncioBridge.opened() as bridge:
        barrier = await bridge.call(make)
        with anyio.fail_after(30):
            async with anyio.create_task_group() as tg:
                for _ in range(100):
                    tg.start_soon(bridge.call, meet, barrier)
