"""Attempts have nothing of each other: no cancellation, no context variable, no odd error."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from typing import Any

import anyio
import pytest

import callboard as cb

Opens = Callable[..., AbstractAsyncContextManager[cb.Engine]]
USER: ContextVar[str] = ContextVar("user")


def once(function: Callable[..., Any], *args: Any) -> Any:
    def build(w: Any) -> Any:
        return w.add(function, *args)

    return cb.workflow(build)


def cancel_this_task(after: float | None) -> None:
    """Cancel the asyncio task that runs now, at once or later; on trio nothing can do that."""
    if anyio.get_cancelled_exc_class() is not asyncio.CancelledError:
        return
    task = asyncio.current_task()
    assert task is not None
    if after is None:
        task.cancel()
    else:
        asyncio.get_running_loop().call_later(after, task.cancel)


async def careless(waits: float | None, late: float | None) -> None:
    if waits is not None:
        await anyio.sleep(waits)
    cancel_this_task(late)


async def innocent(seconds: float) -> str:
    await anyio.sleep(seconds)
    return "done"


@pytest.mark.parametrize("waits", [0.05, None])
@pytest.mark.parametrize("after", [0.3, None])
async def test_a_cancellation_left_behind_hits_no_idle_engine(
    opens: Opens, waits: float | None, after: float | None
) -> None:
    async with opens() as engine:
        long = await engine.start(once(innocent, 3.0))
        assert (await engine.run(once(careless, waits, after))).state == "succeeded"
        await anyio.sleep(1)
        assert (await engine.run(once(innocent, 0.0))).output == "done"
        assert (await long.result()).output == "done"


@pytest.mark.parametrize(("waits", "after"), [(0.05, 0.3), (0.05, None), (None, None)])
async def test_a_cancellation_left_behind_hits_no_other_attempt(
    opens: Opens, waits: float | None, after: float | None
) -> None:
    async with opens() as engine:
        assert (await engine.run(once(careless, waits, after))).state == "succeeded"
        assert (await engine.run(once(innocent, 1.0))).output == "done"


async def test_a_burst_goes_on_after_cancellations_that_were_left_behind(opens: Opens) -> None:
    def build(w: Any) -> Any:
        for _ in range(20):
            w.add(careless, None, None)
        return w.add(innocent, 0.5)

    async with opens(concurrency=2) as engine:
        for _ in range(3):
            assert (await engine.run(cb.workflow(build))).output == "done"


@pytest.mark.parametrize("waits", [False, True])
async def test_what_an_attempt_puts_into_context_variables_ends_with_it(
    opens: Opens, waits: bool
) -> None:
    seen: list[str] = []

    async def visit() -> None:
        seen.append(USER.get())
        USER.set("a visitor")
        if waits:
            await anyio.sleep(0.1)
        assert USER.get() == "a visitor"

    def visit_in_thread() -> None:
        seen.append(USER.get())
        USER.set("a visitor in a thread")

    token = USER.set("who opened the engine")
    async with opens() as engine:
        USER.set("who started the run")
        for function in (visit, visit, visit_in_thread, visit):
            assert (await engine.run(once(function))).state == "succeeded"
    USER.reset(token)
    assert seen == ["who opened the engine"] * 4


class Odd(BaseException):
    """No ``Exception``, and still only an attempt's."""


@pytest.mark.parametrize("error", [asyncio.CancelledError, Odd, SystemExit])
@pytest.mark.parametrize("waits", [False, True])
async def test_whatever_an_attempt_raises_only_it_fails(
    opens: Opens, error: type[BaseException], waits: bool
) -> None:
    async def fail() -> None:
        if waits:
            await anyio.sleep(0.1)
        raise error

    def fail_in_thread() -> None:
        raise error

    async def fail_in_a_group() -> None:
        raise BaseExceptionGroup("several", [error(), ValueError("another")])

    async with opens() as engine:
        long = await engine.start(once(innocent, 3.0))
        for function in (fail, fail_in_thread, fail_in_a_group):
            assert (await engine.run(once(function))).state == "failed"
        assert (await long.result()).output == "done"
