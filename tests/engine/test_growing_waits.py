"""Functions that wait for a person, and tasks that are done again when one says so."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio
import pytest

import callboard as cb
from callboard.workflow.events import AttemptStarted, TaskWaiting

Opens = Callable[..., AbstractAsyncContextManager[cb.Engine]]

BOOLEAN = {"type": "boolean"}


async def page(number: int) -> int:
    return number * 10


async def until_waiting(handle: cb.RunHandle, task: str = "ask", answers: int = 0) -> None:
    async for _, event in handle.events(follow=True):
        if isinstance(event, TaskWaiting) and event.task == task:
            if not answers:
                return
            answers -= 1


# --- waiting for an answer


async def ask() -> list[Any]:
    me = cb.current()
    await me.add(page, 1)
    first = await me.wait(BOOLEAN, "go on?")
    second = await me.wait(message="how many?")
    return [first, second, list(me.answers)]


def ask_in_a_thread() -> list[Any]:
    me = cb.current_sync()
    me.add(page, 1)
    first = me.wait(BOOLEAN, "go on?")
    second = me.wait(message="how many?")
    return [first, second, list(me.answers)]


async def ask_and_swallow() -> list[Any]:
    try:
        return await ask()
    except BaseException:  # noqa: BLE001 - that is what is tested
        return ["swallowed"]


async def ask_and_turn_it_into_an_error() -> list[Any]:
    try:
        return await ask()
    except BaseException as error:
        raise RuntimeError("the function's own fault") from error


async def ask_in_a_child_task() -> list[Any]:
    found: list[Any] = []

    async def asking() -> None:
        found.extend(await ask())

    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep, 1000) if not cb.current().answers[1:] else None
        group.start_soon(asking)
    return found


ASKING = [
    ask,
    ask_in_a_thread,
    ask_and_swallow,
    ask_and_turn_it_into_an_error,
    ask_in_a_child_task,
]


@pytest.mark.parametrize("asks", ASKING)
async def test_an_answer_begins_the_function_anew_which_then_gets_it(
    opens: Opens, asks: Any
) -> None:
    @cb.workflow
    def flow(w: cb.Builder) -> Any:
        return w.add(asks, id="ask")

    async with opens(concurrency=1) as engine:
        handle = await engine.start(flow)
        await until_waiting(handle)
        waiting = (await handle.snapshot()).tasks["ask"]
        assert (waiting.state, waiting.reason) == ("waiting", "go on?")
        assert engine.tree.slots.in_use <= 1
        with pytest.raises(cb.UsageError, match="must be boolean"):
            await handle.answer("ask", "perhaps")
        await handle.answer("ask", True)
        await until_waiting(handle, answers=1)
        await handle.answer("ask", 3)
        result = await handle.result()
    assert result.state == "succeeded", result.reason
    assert result.output == [True, 3, [True, 3]]
    assert result.tasks["ask"].attempts == 3
    assert list(result.tasks) == ["ask", "ask/page-1"]


async def test_an_answer_is_waited_for_while_no_engine_lives(opens: Opens, durable: bool) -> None:
    @cb.workflow
    def flow(w: cb.Builder) -> Any:
        return w.add(ask, id="ask")

    if not durable:
        return
    async with opens() as engine:
        handle = await engine.start(flow)
        await until_waiting(handle)
    async with opens() as engine:
        resumed = await engine.get(handle.id)
        await resumed.answer("ask", True)
        resumed = await engine.resume(handle.id)
        await until_waiting(resumed, answers=1)
        await resumed.answer("ask", 3)
        assert (await resumed.result()).output == [True, 3, [True, 3]]


async def test_waiting_is_no_attempt_that_failed(opens: Opens) -> None:
    """Neither counts it against retries, nor is what it created taken back."""

    @cb.workflow
    def flow(w: cb.Builder) -> Any:
        return w.add(cb.task(ask, retry=cb.Retry(times=0)), id="ask")

    async with opens() as engine:
        handle = await engine.start(flow)
        await until_waiting(handle)
        snapshot = await handle.snapshot()
        assert "ask/page-1" in snapshot.tasks
        await handle.cancel()
        assert (await handle.result()).state == "cancelled"


async def test_a_cancelled_attempt_does_not_wait(opens: Opens) -> None:
    async def late() -> None:
        try:
            await anyio.sleep(1000)
        finally:
            await cb.current().wait()

    @cb.workflow
    def flow(w: cb.Builder) -> Any:
        w.add(cb.task(late, timeout=5))

    async with opens() as engine:
        result = await engine.run(flow)
    assert result.tasks["late"].error is not None
    assert result.tasks["late"].error.kind == "timeout"


# --- doing it again


async def work() -> int:
    me = cb.current()
    return me.generation


async def check(generation: int, enough: int) -> int:
    if generation < enough:
        await cb.current().again("work")
    return generation


def check_in_a_thread(generation: int, enough: int) -> int:
    if generation < enough:
        cb.current_sync().again("work")
    return generation


@pytest.mark.parametrize("checks", [check, check_in_a_thread])
async def test_a_task_and_all_behind_it_are_done_again(opens: Opens, checks: Any) -> None:
    @cb.workflow
    def flow(w: cb.Builder) -> Any:
        return w.add(checks, w.add(work), 3, id="check")

    async with opens() as engine:
        handle = await engine.start(flow)
        result = await handle.result()
        begun = [e.task async for _, e in handle.events() if isinstance(e, AttemptStarted)]
    assert result.output == 3
    assert begun == ["work", "check"] * 3


async def test_rounds_are_bounded_by_a_promise(opens: Opens) -> None:
    @cb.workflow
    def flow(w: cb.Builder) -> Any:
        w.promise("at most 2 rounds of work")
        return w.add(check, w.add(work), 9, id="check")

    async with opens() as engine:
        result = await engine.run(flow)
    assert result.state == "promise_broken"
    assert "at most 2 rounds of work" in str(result.reason)
