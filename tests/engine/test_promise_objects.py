"""Promises as objects: they say what their texts say, with names quoted where that is needed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from hypothesis import given, strategies as st

import callboard as cb
from callboard import promises
from callboard.workflow._guard_text import parse_promise

Opens = Callable[..., AbstractAsyncContextManager[cb.Engine]]

Scope = cb.TaskRef | str | None


def edges_from(name: str, by: Scope) -> promises.Promise:
    return promises.no_edges(from_=name, by=by)


def edges_into(name: str, by: Scope) -> promises.Promise:
    return promises.no_edges(into=name, by=by)


def only_labels(some: list[str], by: Scope) -> promises.Promise:
    return promises.only_tasks(*some, by=by)


def only_pairs(some: list[tuple[str, str]], by: Scope) -> promises.Promise:
    return promises.only_edges(*some, by=by)


numbers = st.integers(0, 999_999_999)
names = st.text(min_size=1, max_size=8) | st.sampled_from(
    ["a/M-1", "Review Credit", "tasks", "by", "rounds", "looks", "no", 'say "so"', "\\", "page*"]
)
labels = names.filter(lambda name: "*" not in name)
scopes = st.none() | names | st.builds(cb.TaskRef, names)
made = st.one_of(
    *(
        st.builds(make, by=scopes)
        for make in (
            promises.no_new_tasks,
            promises.no_new_edges,
            promises.no_new_looks,
            promises.sealed,
            promises.closed,
        )
    ),
    st.builds(promises.no_new, names, by=scopes),
    st.builds(promises.at_most, numbers, st.none() | names, by=scopes),
    st.builds(promises.at_least, numbers, labels, by=scopes),
    st.builds(promises.exactly, numbers, labels, by=scopes),
    st.builds(promises.at_most_rounds, numbers, names | st.builds(cb.TaskRef, names), by=scopes),
    st.builds(edges_from, names, scopes),
    st.builds(edges_into, names, scopes),
    st.builds(only_labels, st.lists(names, min_size=1), scopes),
    st.builds(only_pairs, st.lists(st.tuples(names, names), min_size=1), scopes),
)


@given(made)
def test_the_text_of_a_promise_is_read_as_that_promise(promise: promises.Promise) -> None:
    assert parse_promise(str(promise)) == promise


@pytest.mark.parametrize(
    ("promise", "text"),
    [
        (promises.no_new("M"), "no new M"),
        (promises.no_new("tasks"), 'no new "tasks"'),
        (promises.no_new_tasks(by="a/M-1"), 'no new tasks by "a/M-1"'),
        (promises.no_new_edges(), "no new edges"),
        (promises.no_new_looks(by=cb.TaskRef("A")), "no new looks by A"),
        (promises.at_most(5, "M", by="A"), "at most 5 M by A"),
        (promises.at_most(5), "at most 5 tasks"),
        (promises.at_least(1, "Review Credit"), 'at least 1 "Review Credit"'),
        (promises.exactly(1, "M"), "exactly 1 M"),
        (promises.only_tasks("A", "B*"), "only tasks A, B*"),
        (promises.only_edges(("A", "*"), ("*", "B")), "only edges A -> *, * -> B"),
        (promises.no_edges(from_="A"), "no edges from A"),
        (promises.no_edges(into="B", by="A"), "no edges into B by A"),
        (promises.at_most_rounds(5, "T"), "at most 5 rounds of T"),
        (promises.sealed(by="A"), "sealed by A"),
        (promises.closed(), "closed"),
    ],
)
def test_each_has_a_text(promise: promises.Promise, text: str) -> None:
    assert str(promise) == text


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: promises.at_most(-1, "M"), "which is no arrow"),
        (lambda: promises.at_most(10**9, "M"), "more than 9 digits"),
        (lambda: promises.no_new(""), "names nothing"),
        (lambda: promises.sealed(by=""), "names nothing"),
        (lambda: promises.no_edges(from_=""), "names nothing"),
        (promises.no_edges, "takes from_= or into="),
        (lambda: promises.no_edges(from_="A", into="B"), "takes from_= or into="),
        (lambda: promises.at_least(1, "M*"), "name the label in full"),
        (promises.only_tasks, "say no_new_tasks"),
        (promises.only_edges, "say no_new_edges"),
    ],
)
def test_what_has_no_text_is_refused(make: Callable[[], Any], words: str) -> None:
    with pytest.raises(cb.UsageError, match=words):
        make()


async def page(number: int) -> int:
    return number


async def spread() -> None:
    me = cb.current()
    ref = await me.add(page, 1)
    await me.promise(cb.promises.at_most(1, "page", by=me.task))
    await me.promise(cb.promises.no_new("extra page", by=ref))


def spread_in_thread() -> None:
    me = cb.current_sync()
    ref = me.add(page, 1)
    me.promise(cb.promises.at_most(1, "page", by=me.task))
    me.promise(cb.promises.no_new("extra page", by=ref))


@pytest.mark.parametrize("spreads", [spread, spread_in_thread])
async def test_they_are_said_wherever_texts_are(opens: Opens, spreads: Any) -> None:
    @cb.workflow
    def flow(w: cb.Builder) -> None:
        first = w.add(spreads, id="A")
        w.promise(promises.at_most_rounds(3, first))
        w.promise(promises.only_tasks("page", "extra *"))

    async with opens() as engine:
        run = await engine.start(flow)
        assert await run.promise(promises.at_most(9))
        result = await run.result()
    assert result.state == "succeeded", result.reason
    assert {each.text for each in result.promises} == {
        "at most 3 rounds of A",
        'only tasks page, "extra *"',
        "at most 9 tasks",
        "at most 1 page by A",
        'no new "extra page" by "A/page-1"',
    }
