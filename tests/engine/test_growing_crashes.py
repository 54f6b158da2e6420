"""Attempts that are followed by others: what the first one created is neither lost nor twice."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio
import pytest

import callboard as cb
from callboard import testing
from callboard.storage import Store
from callboard.workflow import Event
from callboard.workflow.events import AttemptStarted

Opens = Callable[..., AbstractAsyncContextManager[cb.Engine]]
NewStore = Callable[[], Store]


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.CRITICAL, "callboard"):
        yield


@pytest.fixture
def done() -> Counter[str]:
    """Count how often each page was made."""
    DONE.clear()
    return DONE


DONE: Counter[str] = Counter()


async def page(number: int) -> int:
    DONE[f"page {number}"] += 1
    return number * 10


async def total(numbers: list[int]) -> int:
    DONE["total"] += 1
    return sum(numbers)


async def nothing() -> None: ...


async def slow() -> None:
    await anyio.sleep(5)


RETRY = cb.Retry(times=3, backoff="fixed", delay=1, jitter=False)


# --- attempts that fail


async def grow_and_fail_twice() -> str:
    """Say everything there is to say; the second half of it only in later attempts."""
    me = cb.current()
    hole = await me.hole("page*")
    await me.add(page, 1)
    await me.add(page, 2)
    if me.attempt == 1:
        await anyio.sleep(1)  # the pages are done by now, and stay
        raise RuntimeError("once")
    async with me.batch():
        await me.add(page, 3)
        await me.add(total, hole, key="all")
    if me.attempt == 2:
        raise RuntimeError("twice, and nothing of the batch has begun")
    await me.close(hole)
    return hole.id


async def test_a_retried_attempt_that_creates_the_same_creates_nothing_twice(
    opens: Opens, done: Counter[str]
) -> None:
    @cb.workflow
    def flow(w: cb.Builder) -> Any:
        return w.add(cb.task(grow_and_fail_twice, retry=RETRY), id="A")

    async with opens() as engine:
        result = await engine.run(flow)
    assert result.state == "succeeded", result.reason
    assert result.output == "A:page"
    assert list(result.tasks) == ["A", "A/page-1", "A/page-2", "A/page-3", "A/all"]
    assert result.tasks["A/all"].output == 60
    assert [hole.id for hole in result.holes if "/" not in hole.id] == ["A:page"]
    assert done == {"page 1": 1, "page 2": 1, "page 3": 1, "total": 1}


async def test_what_a_failed_attempt_alone_created_is_withdrawn(opens: Opens) -> None:
    async def grow() -> None:
        me = cb.current()
        begun = await me.add(slow, key="begun")
        if me.attempt == 1:
            await me.add(nothing, key="unwanted", after=begun)
            await anyio.sleep(1)
            raise RuntimeError("once")

    @cb.workflow
    def flow(w: cb.Builder) -> Any:
        return w.add(cb.task(grow, retry=RETRY), id="A")

    async with opens() as engine:
        result = await engine.run(flow)
    assert result.state == "succeeded"
    assert list(result.tasks) == ["A", "A/begun"]
    assert result.tasks["A/begun"].attempts == 1


async def test_a_hole_is_given_once_however_often_that_is_said(opens: Opens) -> None:
    async def child() -> None:
        await anyio.sleep(3)
        await cb.current().add(page, 7)

    async def grow() -> None:
        me = cb.current()
        hole = await me.hole("page+")
        heir = await me.add(child)
        await me.give(hole, heir)
        if me.attempt == 1:
            await anyio.sleep(1)
            raise RuntimeError("once")

    @cb.workflow
    def flow(w: cb.Builder) -> Any:
        w.add(cb.task(grow, retry=RETRY), id="A")

    async with opens() as engine:
        result = await engine.run(flow)
    assert result.state == "succeeded", result.reason
    assert result.tasks["A/child-1/page-1"].output == 70


async def test_a_key_names_one_task_for_ever(opens: Opens) -> None:
    async def grow() -> None:
        me = cb.current()
        first = await me.add(page, 1, key="it")
        assert (await me.add(page, 2, key="it")).id == first.id
        with pytest.raises(cb.Refused, match="give the new one another key") as refused:
            await me.add(nothing, key="it")
        assert refused.value.kind == "exists"
        await me.add(page, 3, key="page-1")
        assert (await me.add(page, 4)).id == "A/page-2"

    @cb.workflow
    def flow(w: cb.Builder) -> Any:
        w.add(grow, id="A")

    async with opens() as engine:
        result = await engine.run(flow)
    assert result.state == "succeeded", result.reason
    assert [result.tasks[f"A/{key}"].output for key in ("it", "page-1", "page-2")] == [10, 30, 40]


# --- engines that die, and stores that fail


async def spread() -> int:
    me = cb.current()
    hole = await me.hole("page*")
    for number in range(3):
        await me.add(page, number)
    await anyio.sleep(2)
    async with me.batch():
        await me.add(total, hole, key="all")
        await me.add(nothing, after="A/all")
    await me.promise("no new tasks")
    await anyio.sleep(2)
    return 1


def spread_in_a_thread() -> int:
    me = cb.current_sync()
    hole = me.hole("page*")
    for number in range(3):
        me.add(page, number)
    with me.batch():
        me.add(total, hole, key="all")
        me.add(nothing, after="A/all")
    me.promise("no new tasks")
    return 1


def spreading(grow: Any) -> cb.Workflow:
    @cb.workflow
    def flow(w: cb.Builder) -> Any:
        w.add(grow, id="A")

    return flow


ALL = ["A", "A/page-1", "A/page-2", "A/page-3", "A/all", "A/nothing-1"]


def check_whole(result: cb.RunResult) -> None:
    assert result.state == "succeeded", result.reason
    assert list(result.tasks) == ALL
    assert result.tasks["A/all"].output == 30
    assert [hole.id for hole in result.holes if "/" not in hole.id] == ["A:page"]


@pytest.mark.parametrize("after", [1, 3])
async def test_creations_survive_their_engine(
    opens: Opens, durable: bool, done: Counter[str], after: float
) -> None:
    if not durable:
        return
    async with opens(grace=0) as engine:
        handle = await engine.start(spreading(spread))
        await anyio.sleep(after)
    async with opens() as engine:
        check_whole(await (await engine.resume(handle.id)).result())
    assert max(done.values()) == 1


@pytest.mark.parametrize("crashes", [["A"], ["A/page-2"], ["A", "A", "A/all"]])
async def test_creations_survive_a_crash_of_their_runs_actor(
    opens: Opens, crashes: list[str]
) -> None:
    left = list(crashes)
    async with opens() as engine:
        published = engine.tree.published

        def crashing(run: Any, events: list[Event]) -> None:
            published(run, events)
            for event in events:
                if isinstance(event, AttemptStarted) and event.task in left:
                    left.remove(event.task)
                    raise RuntimeError(f"a bug met {event.task}")

        engine.tree.published = crashing  # type: ignore[method-assign]
        result = await engine.run(spreading(spread))
    check_whole(result)
    assert left == []


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("grow", [spread, spread_in_a_thread])
async def test_one_failing_call_of_the_store_never_doubles_or_loses_a_creation(
    opens: Opens, new_store: NewStore, when: Any, grow: Any
) -> None:
    number = 0
    while True:
        number += 1
        faulty = testing.FaultyStore(new_store(), fail_on=number, when=when)
        async with opens(faulty) as engine:
            with anyio.fail_after(300):
                try:
                    handle = await engine.start(spreading(grow), run_id=f"run-{number}")
                    result = await handle.result()
                except cb.StoreError:
                    result = None
            untouched = not faulty.has_failed
            faulty.heal()
            if result is not None:
                check_whole(result)
        if untouched:
            break
    assert 5 < number < 100


# --- functions of what was created


async def test_functions_are_found_again_by_their_names(opens: Opens, durable: bool) -> None:
    async def grow() -> None:
        await cb.current().add(page, 4, after="hold", key="late")

    @cb.workflow
    def flow(w: cb.Builder) -> Any:
        w.add(cb.task(anyio.sleep, name="hold"), 60, id="hold")
        w.add(grow)

    if not durable:
        return
    async with opens(grace=0) as engine:
        handle = await engine.start(flow)
        await anyio.sleep(1)
    async with opens() as engine:
        result = await (await engine.resume(handle.id)).result()
    assert result.tasks["grow/late"].output == 40


async def test_a_local_function_that_was_created_is_named_and_can_be_given(
    opens: Opens, durable: bool
) -> None:
    async def local() -> int:
        return 5

    @cb.workflow
    def flow(w: cb.Builder) -> Any:
        w.add(cb.task(anyio.sleep, name="hold"), 60, id="hold")
        w.add(grow_local)

    LOCAL[:] = [local]
    if not durable:
        return
    async with opens(grace=0) as engine:
        handle = await engine.start(flow)
        await anyio.sleep(1)
    async with opens() as engine:
        resumed = await engine.resume(handle.id)
        await anyio.sleep(100)
        (why,) = [each for each in await resumed.why() if each.task == "grow_local/it"]
        assert "local" in why.reason
        assert "Engine(tasks=[…])" in why.reason
    async with opens(tasks=[local]) as engine:
        result = await (await engine.resume(handle.id)).result()
    assert result.tasks["grow_local/it"].output == 5


LOCAL: list[Callable[..., Any]] = []


async def grow_local() -> None:
    await cb.current().add(LOCAL[0], after="hold", key="it")


async def test_a_function_that_comes_along_again_is_used_by_what_waits_for_it(
    opens: Opens, durable: bool
) -> None:
    """A resumed creator says again what it creates: then its earlier creation can begin, too."""

    async def local() -> int:
        return 6

    LOCAL[:] = [local]

    @cb.workflow
    def flow(w: cb.Builder) -> Any:
        w.add(create_then_sleep, id="A")

    if not durable:
        return
    async with opens(grace=0, concurrency=1) as engine:
        handle = await engine.start(flow)
        await anyio.sleep(1)
    async with opens(concurrency=1) as engine:
        result = await (await engine.resume(handle.id)).result()
    assert result.tasks["A/it"].output == 6


async def create_then_sleep() -> None:
    if cb.current().attempt > 1:
        await anyio.sleep(1)
    await cb.current().add(LOCAL[0], key="it")
    await anyio.sleep(10)


async def test_another_function_of_the_same_name_is_refused(opens: Opens) -> None:
    def make(number: int) -> Callable[[], int]:
        def local() -> int:
            return number

        return local

    async def grow() -> None:
        me = cb.current()
        await me.add(make(1))
        with pytest.raises(cb.UsageError, match="two functions are called"):
            await me.add(make(2))
        assert (await me.add(page, 1)).id == "grow/page-1"

    @cb.workflow
    def flow(w: cb.Builder) -> Any:
        w.add(grow)

    async with opens() as engine:
        result = await engine.run(flow)
    assert result.state == "succeeded", result.reason
    assert result.tasks["grow/local-1"].output == 1


# --- attempts that are over


async def test_what_is_said_after_the_end_of_the_attempt_has_no_effect(opens: Opens) -> None:
    kept: list[cb.Current] = []

    async def grow() -> None:
        kept.append(cb.current())

    @cb.workflow
    def flow(w: cb.Builder) -> Any:
        w.add(grow)
        w.add(cb.task(anyio.sleep, name="hold"), 60)

    async with opens() as engine:
        handle = await engine.start(flow)
        await anyio.sleep(1)
        with pytest.raises(cb.StaleFence):
            await kept[0].add(page, 1)
        result = await handle.result()
        with pytest.raises(cb.StaleFence):
            await kept[0].add(page, 1)
    assert len(result.tasks) == 2
    with pytest.raises(cb.StaleFence):
        await kept[0].add(page, 1)
