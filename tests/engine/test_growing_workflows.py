"""Holes, promises and looks of workflows in Python, said while they are registered."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

import callboard as cb
from callboard.workflow import HoleSpec, StyleSpec, WorkflowSpec
from callboard.workflow.events import RunCreated

Opens = Callable[..., AbstractAsyncContextManager[cb.Engine]]


async def page(number: int) -> int:
    return number * 10


async def total(numbers: list[int]) -> int:
    return sum(numbers)


async def nothing() -> None: ...


async def spread(count: int) -> None:
    me = cb.current()
    for number in range(count):
        await me.add(page, number)


def built(build: Callable[[cb.Builder], Any]) -> WorkflowSpec:
    return cb.workflow(build).build()[0]


# --- holes


def test_a_hole_stands_between_what_was_said_and_belongs_to_the_task_in_front() -> None:
    def build(w: cb.Builder) -> None:
        first = w.add(nothing, id="A")
        end = w.add(nothing, id="B")
        pages = w.hole("page*", after=first, before=end)
        assert isinstance(pages, cb.HoleRef)
        assert pages.id == "page"

    spec = built(build)
    assert spec.holes == (
        HoleSpec(id="page", shape="page*", owner="A", after=("A",), before=("B",)),
    )
    assert spec.tasks[1].needs == ()


def test_ids_of_holes_are_unique_and_orders_may_be_said_in_any_order() -> None:
    def build(w: cb.Builder) -> None:
        first, end = w.add(nothing, id="A"), w.add(nothing, id="B")
        one, two = w.hole("page*", after="A"), w.hole("page+", owner=first)
        w.edge(one, two)
        w.edge(two, end)
        third = w.hole("(x | y)", owner="A")
        w.edge(third, one)
        w.edge("A", "#x")
        assert [one.id, two.id, third.id] == ["page", "page-2", "x"]

    one, two, third = built(build).holes
    assert (one.after, one.before) == (("A",), ())
    assert (two.after, two.before) == (("#page",), ("B",))
    assert (third.after, third.before) == (("A",), ("#page",))


@pytest.mark.parametrize("across", [False, True])
def test_the_owner_is_the_nearest_task_across_holes_between(across: bool) -> None:
    def build(w: cb.Builder) -> None:
        far = w.add(nothing, id="far")
        near = w.add(nothing, id="near", after=far)
        front: Any = [far, near]
        if across:
            front = w.hole("page*", after=front)
        w.hole("item*", after=front)

    assert {hole.owner for hole in built(build).holes} == {"near"}


def test_who_fills_a_hole_must_be_clear_and_all_that_are_not_are_named() -> None:
    def build(w: cb.Builder) -> None:
        one, two = w.add(nothing), w.add(nothing)
        w.hole("page*", after=[one, two])
        w.hole("item*", before=one)
        w.hole("fine*", after=[one, two], owner=two)

    with pytest.raises(cb.DefinitionError) as wrong:
        built(build)
    first, second = wrong.value.errors
    assert "hole 'page' has several tasks in front of it, 'nothing', 'nothing-2'" in first
    assert "hole 'item' has no task in front of it: say who fills it with owner=" in second


def test_a_hole_may_be_given_or_closed_at_once() -> None:
    def build(w: cb.Builder) -> None:
        one, two = w.add(nothing), w.add(nothing)
        pages = w.hole("page*", after=[one, two])
        w.give(pages, two)
        w.close(w.hole("item*", before=one))
        with pytest.raises(cb.UsageError, match=r"cannot be closed: a task must .* it is page\+"):
            w.close(w.hole("page+", owner=one))

    pages, items, _ = built(build).holes
    assert pages.owner == "nothing-2"
    assert (items.shape, items.owner) == ("()", None)


WRONG: list[tuple[Callable[[cb.Builder], Any], str]] = [
    (lambda w: w.hole("page* -> page*"), "page"),
    (lambda w: w.hole("page* -> "), "column"),
    (lambda w: w.hole("page*", after="nobody"), "has no task 'nobody'; add it first"),
    (lambda w: w.hole("page*", before="#gone"), "has no hole 'gone'; add it first"),
    (lambda w: w.hole("page*", owner="nobody"), "has no task 'nobody'; add it first"),
    (lambda w: w.give("gone", "nobody"), "has no hole 'gone', it has: none"),
    (lambda w: w.close("gone"), "has no hole 'gone'"),
    (lambda w: w.edge("nobody", "else"), "has no task 'nobody'"),
    (lambda w: w.style("nobody"), "has no task 'nobody'"),
    (lambda w: w.style(w.add(nothing), color="reddish"), "'reddish' is no colour of a picture"),
    (lambda w: w.add(nothing, into="page"), "holes are filled while the run goes on"),
    (lambda w: w.add(nothing, id="a", key="b"), "by id= or by key=, not by both"),
    (lambda w: w.promise("at most many page"), "column"),
    (lambda w: w.promise("A -> page* -> B"), '"A" always exists .* there is no such task'),
    (lambda _: cb.HoleRef("gone"), "has no hole 'gone'"),
    (lambda w: w.edge(hole := w.hole("page*", owner=w.add(nothing)), hole), "itself"),
]


@pytest.mark.parametrize(("build", "words"), WRONG)
def test_what_cannot_be_is_said_where_it_was_written(
    build: Callable[[cb.Builder], Any], words: str
) -> None:
    with pytest.raises(cb.UsageError, match=words):
        built(build)


@pytest.mark.parametrize("count", [0, 3])
async def test_the_list_of_what_came_is_an_argument_or_the_output(opens: Opens, count: int) -> None:
    @cb.workflow
    def flow(w: cb.Builder) -> Any:
        pages = w.hole("page*", after=w.add(spread, count, id="A"))
        sums = w.add(total, pages)
        return {"pages": pages, "sum": sums}

    async with opens() as engine:
        result = await engine.run(flow)
    numbers = [number * 10 for number in range(count)]
    assert result.output == {"pages": numbers, "sum": sum(numbers)}


async def test_nothing_behind_a_closed_hole_is_lost(opens: Opens) -> None:
    @cb.workflow
    def flow(w: cb.Builder) -> Any:
        first = w.add(nothing, id="A")
        pages = w.hole("page*", after=first, before=w.add(nothing, id="B"))
        w.close(pages)
        return pages

    async with opens() as engine:
        result = await engine.run(flow)
    assert result.output == []
    assert result.order == ("A", "B")


async def test_a_cycle_through_a_hole_is_named(opens: Opens) -> None:
    @cb.workflow
    def flow(w: cb.Builder) -> None:
        first = w.add(nothing, id="A")
        w.hole("page*", after=first, before=first, owner=w.add(nothing, id="B"))

    async with opens() as engine:
        with pytest.raises(cb.DefinitionError, match="A"):
            await engine.start(flow)


# --- promises and looks


async def test_a_shape_that_is_promised_puts_holes_between_tasks(opens: Opens) -> None:
    @cb.workflow
    def flow(w: cb.Builder) -> None:
        w.add(spread, 2, id="A")
        w.add(nothing, id="B")
        w.promise("A -> X -> B where X = page*")
        w.promise("no new nothing")

    spec, _ = flow.build()
    assert spec.holes == (
        HoleSpec(id="page", shape="page*", owner="A", after=("A",), before=("B",)),
    )
    assert spec.promises == ("no new nothing",)
    async with opens() as engine:
        result = await engine.run(flow)
    assert result.state == "succeeded", result.reason
    assert result.order == ("A", "A/page-1", "A/page-2", "B")


def test_a_shape_names_tasks_by_label_or_where_several_have_it_by_id() -> None:
    def build(w: cb.Builder) -> None:
        w.add(nothing, id="A")
        w.add(nothing, id="B")
        w.add(spread, 1, id="C")
        w.promise("A -> spread -> page* -> B")

    spec = built(build)
    (hole,) = spec.holes
    assert (hole.owner, hole.after, hole.before) == ("C", ("C",), ("B",))
    assert {task.id: task.needs for task in spec.tasks} == {"A": (), "B": (), "C": ("A",)}


async def test_promises_that_cannot_hold_are_refused_when_the_run_is_started(
    opens: Opens,
) -> None:
    @cb.workflow
    def flow(w: cb.Builder) -> None:
        w.add(nothing)
        w.promise("sealed")
        w.promise("at least 2 nothing")

    async with opens() as engine:
        with pytest.raises(cb.DefinitionError, match="at least 2 nothing"):
            await engine.start(flow)


async def test_looks_are_kept_with_the_definition(opens: Opens) -> None:
    @cb.workflow
    def flow(w: cb.Builder) -> None:
        one = w.add(nothing)
        two = w.add(nothing, after=one)
        w.style(one, label="First", color="red")
        w.style((one, two), color="blue", label="then")
        w.style(w.hole("page*", after=one), label="Pages", color="gold")

    async with opens() as engine:
        handle = await engine.start(flow)
        await handle.result()
        events = [event async for _, event in handle.events()]
        first = await handle.picture(at=1, unfold=["page"])
        for number in (0, len(events) + 1):
            with pytest.raises(cb.UsageError, match=f"has no event {number}, only 1 to"):
                await handle.picture(at=number)
        last = await handle.picture(at=len(events))
        assert last.to_json() == (await handle.picture()).to_json()
        with pytest.raises(cb.UsageError, match="there is no open hole 'page'"):
            await handle.picture(unfold=["page"])
    assert [each.hole for each in first.unfolded] == ["#page"]
    looks = {node.id: (node.label, node.colour) for node in first.nodes}
    assert looks["nothing"] == ("First", "#ff0000")
    assert looks["#page"] == ("Pages", "#ffd700")
    (edge,) = [each for each in first.edges if (each.kind, each.target) == ("after", "nothing-2")]
    assert (edge.label, edge.colour) == ("then", "#0000ff")
    assert {node.id for node in last.nodes if node.colour} == {"nothing"}
    created = events[0]
    assert isinstance(created, RunCreated)
    assert created.spec.styles == (
        StyleSpec(target="nothing", label="First", color="red"),
        StyleSpec(target=("nothing", "nothing-2"), color="blue", label="then"),
        StyleSpec(target="#page", label="Pages", color="gold"),
    )


# --- promises of people, to runs that live or rest


@pytest.mark.parametrize("where", ["here", "nowhere"])
async def test_a_person_promises_to_a_run_wherever_it_is(
    opens: Opens, durable: bool, where: str
) -> None:
    @cb.workflow
    def flow(w: cb.Builder) -> None:
        ask = w.add(wait_then_spread, id="A")
        w.hole("page*", after=ask)

    if not durable and where != "here":
        return
    async with opens() as engine:
        handle = await engine.start(flow, run_id="it")
        result = None
        await until_waiting(handle)
        if where == "here":
            await check_promises(handle)
            await handle.answer("A", 3)
            result = await handle.result()
    if where == "nowhere":
        async with opens() as engine:
            handle = await engine.get("it")
            await check_promises(handle)
            await handle.answer("A", 3)
            result = await (await engine.resume("it")).result()
    assert result is not None
    assert result.state == "promise_broken"
    assert [promise.text for promise in result.promises] == ["at most 2 page"]


async def wait_then_spread() -> None:
    me = cb.current()
    await spread(await me.wait())


async def until_waiting(handle: cb.RunHandle) -> None:
    async for _, event in handle.events(follow=True):
        if event.kind == "task_waiting":
            return


async def check_promises(handle: cb.RunHandle) -> None:
    await handle.promise("at most 2 page")
    with pytest.raises(cb.PromiseRefused, match="cannot hold"):
        await handle.promise("at least 3 page")
    with pytest.raises(cb.Refused, match="only while a workflow is registered"):
        await handle.promise("A -> page -> B")
