"""Functions that change the graph of their run: on the loop by awaiting, in threads by blocking."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio
import pytest

import callboard as cb
from callboard._tasks import reference
from callboard.workflow import TaskSpec, WorkflowSpec

Opens = Callable[..., AbstractAsyncContextManager[cb.Engine]]


async def page(number: int) -> int:
    return number * 10


async def total(numbers: list[int]) -> int:
    return sum(numbers)


async def nothing() -> None: ...


async def one_shot(opens: Opens, build: Callable[..., Any], *args: Any) -> cb.RunResult:
    async with opens() as engine:
        return await engine.run(cb.workflow(build), *args)


def output(result: cb.RunResult) -> Any:
    assert result.state == "succeeded", result.reason
    return result.output


# --- creating tasks


async def spread(count: int) -> int:
    me = cb.current()
    for number in range(count):
        ref = await me.add(page, number)
        assert ref.id == f"{me.task}/page-{number + 1}"
    return count


def spread_in_thread(count: int) -> int:
    me = cb.current_sync()
    for number in range(count):
        ref = me.add(page, number)
        assert ref.id == f"{me.task}/page-{number + 1}"
    return count


@pytest.mark.parametrize("spreads", [spread, spread_in_thread])
@pytest.mark.parametrize("count", [0, 1, 2, 20])
async def test_a_map_of_any_size_is_gathered_in_the_order_of_its_creation(
    opens: Opens, spreads: Any, count: int
) -> None:
    def build(w: cb.Builder) -> Any:
        first = w.add(spreads, count, id="A")
        pages = w.hole("page*", after=first)
        return w.add(total, pages)

    result = await one_shot(opens, build)
    assert output(result) == sum(number * 10 for number in range(count))
    assert result.tasks["total"].needs == ("#page",)
    created = [task for task in result.tasks.values() if task.created_by == "A"]
    assert [task.id for task in created] == [f"A/page-{n + 1}" for n in range(count)]
    (hole,) = [hole for hole in result.holes if hole.id == "page"]
    assert not hole.open
    assert hole.tasks == tuple(task.id for task in created)


async def test_a_creation_outside_of_holes_has_the_edges_that_were_said(opens: Opens) -> None:
    async def grow() -> None:
        me = cb.current()
        first = await me.add(page, 1, key="first")
        second = await me.add(total, [first, await me.add(page, 2)])
        await me.add(nothing, after=[second, "other"], before="end", key="late")

    def build(w: cb.Builder) -> Any:
        start = w.add(grow)
        w.add(nothing, id="other")
        w.add(nothing, id="end", after=start)

    result = await one_shot(opens, build)
    assert result.state == "succeeded"
    tasks = result.tasks
    assert tasks["grow/total-1"].output == 30
    assert tasks["grow/total-1"].needs == ("grow/first", "grow/page-1")
    assert set(tasks["grow/late"].needs) == {"grow/total-1", "other"}
    assert "grow/late" in tasks["end"].needs
    assert result.order[-1] == "end"


async def test_references_stand_inside_dicts_and_tuples_too(opens: Opens) -> None:
    async def add_up(parts: dict[str, list[int]], *more: int) -> int:
        return sum(parts["some"]) + sum(more)

    async def grow() -> None:
        me = cb.current()
        refs = [await me.add(page, number) for number in range(3)]
        await me.add(add_up, {"some": [refs[0], refs[1], 5]}, refs[2], key="sum")

    def build(w: cb.Builder) -> Any:
        w.add(grow)

    result = await one_shot(opens, build)
    assert result.tasks["grow/sum"].output == 0 + 10 + 5 + 20
    assert set(result.tasks["grow/sum"].needs) == {f"grow/page-{n}" for n in (1, 2, 3)}


async def test_data_that_looks_like_a_reference_stays_data(opens: Opens) -> None:
    tricky = {"$task": "grow", "$refs": {"$hole": "x"}, "${{ inputs }}": ["${{ 1 + 1 }}"]}

    async def same(value: Any) -> Any:
        return value

    async def grow() -> None:
        await cb.current().add(same, tricky)

    def build(w: cb.Builder) -> Any:
        w.add(grow)

    result = await one_shot(opens, build)
    assert result.tasks["grow/same-1"].output == tricky


async def choose(good: bool) -> None:
    me = cb.current()
    for label in ("N", "M") if good else ("J", "K"):
        await me.add(cb.task(nothing, name=label))


async def test_the_first_task_of_a_choice_takes_it(opens: Opens) -> None:
    def build(w: cb.Builder, good: bool) -> Any:
        start = w.add(choose, good, id="A")
        w.hole("(N -> M) | (J -> K)", after=start, before=w.add(nothing, id="B"))

    good, bad = [await one_shot(opens, build, value) for value in (True, False)]
    assert [good.tasks[name].label for name in good.order] == ["choose", "N", "M", "nothing"]
    assert [bad.tasks[name].label for name in bad.order] == ["choose", "J", "K", "nothing"]


async def inner() -> None:
    await cb.current().add(page, 1, key="mine")


async def test_ids_of_grandchildren_name_all_their_creators(opens: Opens) -> None:
    async def outer() -> None:
        await cb.current().add(inner, key="x")

    def build(w: cb.Builder) -> Any:
        w.add(outer)

    result = await one_shot(opens, build)
    assert list(result.tasks) == ["outer", "outer/x", "outer/x/mine"]


# --- what is refused


def refusable(me: Any) -> list[Callable[[], Any]]:
    return [
        lambda: me.edge("end", "begun"),
        lambda: me.edge("late", "grow"),
        lambda: me.edge("end", "late"),
        lambda: me.hole("M* -> M*"),
        lambda: me.hole("M -> "),
        lambda: me.close("nowhere"),
        lambda: me.give("nowhere", "end"),
        lambda: me.promise("at most 1 nothing"),
        lambda: me.add(page, 1, after="nobody"),
    ]


REFUSALS = [
    *("started", "started", "cycle", "ambiguous", "invalid", "unknown", "refused"),
    *("promise_refused", "unknown"),
]


async def try_all() -> list[str]:
    me, kinds = cb.current(), list[str]()
    for say in refusable(me):
        with pytest.raises(cb.Refused) as refused:
            await say()
        kinds.append(refused.value.kind)
    assert (await me.add(page, 1)).id == "grow/page-1"
    return kinds


def try_all_in_thread() -> list[str]:
    me, kinds = cb.current_sync(), list[str]()
    for say in refusable(me):
        with pytest.raises(cb.Refused) as refused:
            say()
        kinds.append(refused.value.kind)
    assert me.add(page, 1).id == "grow/page-1"
    return kinds


@pytest.mark.parametrize("grow", [try_all, try_all_in_thread])
async def test_refusals_are_raised_in_the_task_and_change_nothing(opens: Opens, grow: Any) -> None:
    def build(w: cb.Builder) -> Any:
        begun = w.add(nothing, id="begun")
        kinds = w.add(grow, id="grow", after=begun)
        late = w.add(nothing, id="late", after=kinds)
        w.add(nothing, id="end", after=late)
        return kinds

    result = await one_shot(opens, build)
    assert output(result) == REFUSALS
    assert list(result.tasks) == ["begun", "grow", "late", "end", "grow/page-1"]
    assert result.holes == ()


async def break_it(swallows: bool) -> str:
    try:
        await cb.current().add(page, 1)
    except cb.PromiseBroken as broken:
        if not swallows or broken.promise != "no new page":
            raise
    return "fine"


def break_it_in_thread(swallows: bool) -> str:
    try:
        cb.current_sync().add(page, 1)
    except cb.PromiseBroken as broken:
        if not swallows or broken.promise != "no new page":
            raise
    return "fine"


@pytest.mark.parametrize("swallows", [False, True])
@pytest.mark.parametrize("grow", [break_it, break_it_in_thread])
async def test_a_broken_promise_is_raised_in_the_task_and_ends_the_run(
    opens: Opens, grow: Any, swallows: bool
) -> None:
    def build(w: cb.Builder) -> Any:
        w.add(cb.task(anyio.sleep, name="long"), 1000)
        w.add(grow, swallows, id="grow")
        w.promise("no new page")

    result = await one_shot(opens, build)
    assert result.state == "promise_broken"
    assert result.tasks["grow"].state == "failed"
    error = result.tasks["grow"].error
    assert error is not None
    assert error.kind == "promise_broken"
    assert error.detail == {"promise": "no new page", "task": "grow", "attempt": 1}
    assert result.tasks["long"].state == "cancelled"
    assert len(result.tasks) == 2
    with pytest.raises(cb.PromiseBroken):
        result.raise_for_state()


async def test_a_probe_has_no_words(opens: Opens) -> None:
    """What only looks whether something is there must not be able to break the run."""
    async with opens() as engine:
        spec = WorkflowSpec(
            name="probing",
            tasks=(TaskSpec(id="w", name="w", kind="wait", config={"probe": reference(probe)}),),
        )
        result = await engine.run(spec)
    assert result.tasks["w"].output == "it only probes"


async def probe() -> str:
    for say in (cb.current().add(page, 1), cb.current().wait()):
        with pytest.raises(cb.UsageError, match="only probes"):
            await say
    return "it only probes"


async def test_words_for_threads_do_not_block_the_loop(opens: Opens) -> None:
    async def grow() -> None:
        me = cb.current_sync()
        me.log("plain words are for everybody")
        with pytest.raises(cb.UsageError, match=r"say callboard\.current\(\) and await"):
            me.add(page, 1)

    def build(w: cb.Builder) -> Any:
        w.add(grow)

    assert (await one_shot(opens, build)).state == "succeeded"


async def test_threads_that_a_function_starts_can_speak_for_it(opens: Opens) -> None:
    async def grow() -> None:
        def helper() -> str:
            return cb.current_sync().add(page, 4).id

        assert await anyio.to_thread.run_sync(helper) == "grow/page-1"

    def grow_in_threads() -> None:
        me = cb.current_sync()

        def add(number: int) -> cb.TaskRef:
            return me.add(page, number, key=f"p{number}")

        with ThreadPoolExecutor(2) as pool:
            refs = list(pool.map(add, range(4)))
        assert [ref.id for ref in refs] == [f"pool/p{n}" for n in range(4)]

    def build(w: cb.Builder) -> Any:
        w.add(grow)
        w.add(grow_in_threads, id="pool")

    result = await one_shot(opens, build)
    assert output(result) is None
    assert len(result.tasks) == 7


@pytest.mark.parametrize("bad", ["id", "positional"])
async def test_what_a_creation_cannot_take_is_said_with_the_way_out(opens: Opens, bad: str) -> None:
    async def grow() -> None:
        me: Any = cb.current()
        with pytest.raises(cb.UsageError, match="say key= instead" if bad == "id" else "by name"):
            await (me.add(page, 1, id="x") if bad == "id" else me.add("page", 1))

    def build(w: cb.Builder) -> Any:
        w.add(grow)

    assert (await one_shot(opens, build)).state == "succeeded"


# --- taking back


async def think_again(how: str) -> list[str]:
    me = cb.current()
    refs = [await me.add(page, number) for number in (1, 2, 3)]
    async with me.batch():
        await me.withdraw(refs[0])
        await me.withdraw(refs[1].id)
    more = await me.add(page, 4)
    if how == "close":
        await me.close("page")
    try:
        await me.withdraw("A")
    except cb.Refused as refused:
        return [more.id, str(refused)]
    return []


def think_again_in_thread(how: str) -> list[str]:
    me = cb.current_sync()
    refs = [me.add(page, number) for number in (1, 2, 3)]
    with me.batch():
        me.withdraw(refs[0])
        me.withdraw(refs[1].id)
    more = me.add(page, 4)
    if how == "close":
        me.close("page")
    try:
        me.withdraw("A")
    except cb.Refused as refused:
        return [more.id, str(refused)]
    return []


@pytest.mark.parametrize("how", ["close", "end"])
@pytest.mark.parametrize("thinks", [think_again, think_again_in_thread])
async def test_what_was_not_needed_after_all_is_taken_back(
    opens: Opens, thinks: Any, how: str
) -> None:
    """With one task at a time nothing that was created can have begun."""

    def build(w: cb.Builder) -> Any:
        pages = w.hole("page*", after=w.add(thinks, how, id="A"))
        w.promise("closed")
        return w.add(total, pages)

    async with opens() as engine:
        result = await engine.run(cb.workflow(concurrency=1)(build))
    assert output(result) == 70
    assert result.tasks["A"].output[0] == "A/page-4"
    assert "'A' of run" in result.tasks["A"].output[1]
    states = [result.tasks[f"A/page-{n}"].state for n in (1, 2, 3, 4)]
    assert states == ["skipped", "skipped", "succeeded", "succeeded"]
    assert result.tasks["A/page-1"].reason == "withdrawn by 'A'"
    (hole,) = result.holes
    assert hole.tasks == ("A/page-3", "A/page-4")
