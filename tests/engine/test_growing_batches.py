"""Batches: all of it or nothing, with references that are there before it is done."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio
import pytest

import callboard as cb
from callboard.workflow.events import TaskAdded

Opens = Callable[..., AbstractAsyncContextManager[cb.Engine]]


async def page(number: int) -> int:
    return number * 10


async def total(numbers: list[int]) -> int:
    return sum(numbers)


async def nothing() -> None: ...


def alone(grow: Callable[..., Any]) -> cb.Workflow:
    """Return a workflow of one task, `grow`."""

    @cb.workflow
    def build(w: cb.Builder) -> Any:
        return w.add(grow, id="grow")

    return build


async def one_run(opens: Opens, grow: Callable[..., Any]) -> cb.RunResult:
    async with opens() as engine:
        return await engine.run(alone(grow))


async def in_one() -> list[str]:
    me = cb.current()
    async with me.batch():
        hole = await me.hole("page*")
        refs = [await me.add(page, number) for number in range(3)]
        sums = await me.add(total, [*refs])
        later = await me.add(total, hole, key="later")
        await me.close(hole)
        await me.edge(sums, later)
    return [hole.id, *(ref.id for ref in (*refs, sums, later))]


def in_one_from_a_thread() -> list[str]:
    me = cb.current_sync()
    with me.batch():
        hole = me.hole("page*")
        refs = [me.add(page, number) for number in range(3)]
        sums = me.add(total, [*refs])
        later = me.add(total, hole, key="later")
        me.close(hole)
        me.edge(sums, later)
    return [hole.id, *(ref.id for ref in (*refs, sums, later))]


@pytest.mark.parametrize("grow", [in_one, in_one_from_a_thread])
async def test_references_are_given_at_once_and_are_right(opens: Opens, grow: Any) -> None:
    async with opens() as engine:
        handle = await engine.start(alone(grow))
        result = await handle.result()
        times = {event.at async for _, event in handle.events() if isinstance(event, TaskAdded)}
    assert result.state == "succeeded", result.reason
    assert result.output == [
        "grow:page",
        *(f"grow/page-{n}" for n in (1, 2, 3)),
        "grow/total-1",
        "grow/later",
    ]
    assert result.tasks["grow/total-1"].output == 30
    assert result.tasks["grow/later"].output == 30
    assert "grow/total-1" in result.tasks["grow/later"].needs
    assert len(times) == 1


async def batch_of(me: cb.Current, *, fails: bool = False) -> None:
    async with me.batch():
        await me.add(page, 2)
        await me.hole("page*")
        if fails:
            raise ValueError("oh")
        await me.add(page, 3, after="nobody")


def batch_in_a_thread(me: cb.CurrentSync, *, fails: bool = False) -> None:
    with me.batch():
        me.add(page, 2)
        me.hole("page*")
        if fails:
            raise ValueError("oh")
        me.add(page, 3, after="nobody")


async def refused() -> list[str]:
    me = cb.current()
    await me.add(page, 1)
    with pytest.raises(cb.Refused, match="no task 'nobody'"):
        await batch_of(me)
    after = await me.add(page, 4)
    return [after.id, (await me.hole("page*")).id]


def refused_in_a_thread() -> list[str]:
    me = cb.current_sync()
    me.add(page, 1)
    with pytest.raises(cb.Refused, match="no task 'nobody'"):
        batch_in_a_thread(me)
    after = me.add(page, 4)
    return [after.id, me.hole("page*").id]


@pytest.mark.parametrize("grow", [refused, refused_in_a_thread])
async def test_of_a_refused_batch_nothing_is_kept_and_its_ids_are_free(
    opens: Opens, grow: Any
) -> None:
    result = await one_run(opens, grow)
    assert result.output == ["grow/page-2", "grow:page"]
    assert [result.tasks[f"grow/page-{n}"].output for n in (1, 2)] == [10, 40]
    assert len(result.tasks) == 3


async def left() -> str:
    me = cb.current()
    with pytest.raises(ValueError, match="oh"):
        await batch_of(me, fails=True)
    return (await me.add(page, 2)).id


def left_in_a_thread() -> str:
    me = cb.current_sync()
    with pytest.raises(ValueError, match="oh"):
        batch_in_a_thread(me, fails=True)
    return me.add(page, 2).id


@pytest.mark.parametrize("grow", [left, left_in_a_thread])
async def test_a_batch_that_is_left_by_an_exception_is_nothing(opens: Opens, grow: Any) -> None:
    result = await one_run(opens, grow)
    assert result.output == "grow/page-1"
    assert result.tasks["grow/page-1"].output == 20


async def test_nothing_of_a_batch_that_breaks_a_promise_is_kept(opens: Opens) -> None:
    async def grow() -> None:
        me = cb.current()
        await me.promise("at most 2 page")
        async with me.batch():
            for number in range(3):
                await me.add(page, number)

    result = await one_run(opens, grow)
    assert result.state == "promise_broken"
    assert list(result.tasks) == ["grow"]


async def test_a_batch_holds_no_other_and_no_wait(opens: Opens) -> None:
    async def grow() -> None:
        me = cb.current()
        async with me.batch():
            with pytest.raises(cb.UsageError, match="cannot hold another batch"):
                await batch_of(me)
            with pytest.raises(cb.UsageError, match="leave the batch before it"):
                await me.wait()
            await me.add(page, 1)

    assert len((await one_run(opens, grow)).tasks) == 2


async def test_what_others_of_the_function_say_meanwhile_is_not_of_the_batch(opens: Opens) -> None:
    """A batch is what is said in its block, and in what is begun inside of it."""

    async def grow() -> None:
        me = cb.current()
        opened, closed = anyio.Event(), anyio.Event()

        async def beside() -> None:
            await opened.wait()
            await me.add(nothing, key="beside")
            assert "grow/beside" in (await alive())
            closed.set()

        async def alive() -> set[str]:
            await me.add(nothing, key="probe", after="grow/beside")
            return {"grow/beside"}

        async with anyio.create_task_group() as group:
            group.start_soon(beside)
            async with me.batch():
                opened.set()
                await closed.wait()
                await me.add(nothing, key="inside")

    result = await one_run(opens, grow)
    assert list(result.tasks) == ["grow", "grow/beside", "grow/probe", "grow/inside"]


async def test_an_empty_batch_says_nothing(opens: Opens) -> None:
    async def grow() -> None:
        async with cb.current().batch():
            pass

    assert (await one_run(opens, grow)).state == "succeeded"
