"""The text of guards, and which text is one."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable

import attrs
import pytest
from hypothesis import example, given, strategies as st

from callboard.workflow import UsageError
from callboard.workflow._guard_text import (
    Closed,
    EdgeGuard,
    GuardSpec,
    Looks,
    OnlyEdges,
    OnlyTasks,
    Rounds,
    Sealed,
    TaskGuard,
    matches,
    parse_promise,
)
from callboard.workflow._shape_text import ShapeError
from callboard.workflow._shapes import Lab, Seq, Shape


def exactly(number: int, label: str, by: str | None) -> TaskGuard:
    return TaskGuard(label, lo=number, hi=number, by=by)


numbers = st.integers(0, 999_999_999)
scopes = st.none() | st.text(min_size=1, max_size=6)
globs = st.text(min_size=1, max_size=6) | st.sampled_from(
    [
        "*",
        "B*",
        "*-x",
        "tasks",
        "edges",
        "looks",
        "rounds",
        "by",
        "no",
        "Review *",
        'a"b',
        "\\",
        "page-?",
    ]
)
labels = globs.filter(lambda name: "*" not in name)
guards: st.SearchStrategy[GuardSpec] = st.one_of(
    st.builds(TaskGuard, globs, no_new=st.just(True), by=scopes),
    st.builds(TaskGuard, globs, hi=numbers, by=scopes),
    st.builds(TaskGuard, labels, lo=numbers, by=scopes),
    st.builds(exactly, numbers, labels, scopes),
    st.builds(OnlyTasks, st.lists(globs, min_size=1, max_size=3).map(tuple), scopes),
    st.builds(EdgeGuard, source=globs, by=scopes),
    st.builds(EdgeGuard, target=globs, by=scopes),
    st.builds(
        OnlyEdges, st.lists(st.tuples(globs, globs), min_size=1, max_size=3).map(tuple), scopes
    ),
    st.builds(Rounds, st.text(min_size=1, max_size=6), numbers, scopes),
    st.builds(Sealed, scopes),
    st.builds(Closed, scopes),
    st.builds(Looks, scopes),
)


def read(text: str) -> GuardSpec | Shape | ShapeError:
    try:
        return parse_promise(text)
    except ShapeError as refused:
        return refused


@given(guards)
def test_what_is_written_is_read_as_the_same_guard(guard: GuardSpec) -> None:
    assert parse_promise(str(guard)) == guard
    assert hash(parse_promise(str(guard))) == hash(guard)


@pytest.mark.parametrize(
    ("text", "guard"),
    [
        ("no new tasks", TaskGuard("*", no_new=True)),
        ("no new M", TaskGuard("M", no_new=True)),
        ('no new "tasks"', TaskGuard("tasks", no_new=True)),
        ("no new edges", EdgeGuard()),
        ("no new looks", Looks()),
        ('no new "looks"', TaskGuard("looks", no_new=True)),
        ("at most 2 looks", TaskGuard("looks", hi=2)),
        ("no edges from A", EdgeGuard(source="A")),
        ("no edges into B*", EdgeGuard(target="B*")),
        ("only tasks A, B*", OnlyTasks(("A", "B*"))),
        ("only edges A -> *, * -> B", OnlyEdges((("A", "*"), ("*", "B")))),
        ("only edges A->*,*->B", OnlyEdges((("A", "*"), ("*", "B")))),
        ("at most 5 M", TaskGuard("M", hi=5)),
        ("at most 5 tasks", TaskGuard("*", hi=5)),
        ("at most 0 *", TaskGuard("*", hi=0)),
        ("at most 5 5", TaskGuard("5", hi=5)),
        ("at most 5 rounds of T", Rounds("T", 5)),
        ("at most 5 rounds", TaskGuard("rounds", hi=5)),
        ("at least 1 M", TaskGuard("M", lo=1)),
        ("exactly 1 M", TaskGuard("M", lo=1, hi=1)),
        ('exactly 1 "Review Credit"', TaskGuard("Review Credit", lo=1, hi=1)),
        ('only tasks "Review *"', OnlyTasks(("Review *",))),
        ("sealed", Sealed()),
        ("closed", Closed()),
    ],
)
def test_a_guard_is_read_with_and_without_a_scope(text: str, guard: GuardSpec) -> None:
    assert parse_promise(f"  {text} ") == guard
    assert parse_promise(f"{text} by T") == attrs.evolve(guard, by="T")
    assert parse_promise(f'{text} by "A/fetch-1"') == attrs.evolve(guard, by="A/fetch-1")


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("nothing -> A", Seq((Lab("nothing"), Lab("A")))),
        ('"no" -> A', Seq((Lab("no"), Lab("A")))),
        ("no-op", Lab("no-op")),
        ("No", Lab("No")),
        ("at=M", Lab("M", "at")),
        ("at = M", Lab("M", "at")),
        ("A -> closed", Seq((Lab("A"), Lab("closed")))),
    ],
)
def test_every_other_text_is_a_shape(text: str, shape: Shape) -> None:
    assert parse_promise(text) == shape
    assert parse_promise(str(shape)) == shape


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("no", 3, 'found the end, expected "new" or "edges"; put a task named "no" in quotes'),
        ("no -> A", 4, 'put a task named "no" in quotes'),
        ("no news M", 4, 'found "news", expected "new" or "edges"; did you mean "new"?'),
        ("no new", 7, 'found the end, expected "tasks", "edges", "looks" or a label'),
        ("no edges form A", 10, 'did you mean "from"?'),
        ("no edges from", 14, "expected a label, or a glob such as M*"),
        ("only task A", 6, 'did you mean "tasks"?'),
        ("only tasks A,", 14, "found the end, expected a label"),
        ("only edges A", 13, 'found the end, expected "->"; name both ends'),
        ("at mots 5 M", 4, 'expected "most" or "least"; did you mean "most"?'),
        ("at most five M", 9, 'found "five", expected a number; write digits'),
        ("at most 5", 10, 'found the end, expected "tasks", "rounds of" or a label'),
        ("at most 5 rounds of", 20, "found the end, expected the id of a task"),
        ("at most 5 Review Credit", 18, 'expected "by" or the end; say each promise by itself'),
        ("exactly 1234567890 M", 9, "more than 9 digits"),
        ("at least 1 M*", 12, 'found "M*", expected one label'),
        ('exactly 1 "M *"', 11, 'found "M *", expected one label'),
        ("at least 1 tasks", 12, "put the label in quotes"),
        ("sealed by", 10, "found the end, expected the id of a task"),
        ("sealed by A B", 13, 'expected "by" or the end'),
        ("no new tasks, no new edges", 13, "say each promise by itself"),
        ("no new page-?", 12, "put a name with signs in quotes"),
        ('no new "M', 8, "add the closing quote"),
    ],
)
def test_a_refused_guard_says_what_to_do(text: str, column: int, words: str) -> None:
    with pytest.raises(ShapeError) as refused:
        parse_promise(text)
    assert refused.value.column == column
    assert str(refused.value).startswith(f"promise '{text}', column {column}: ")
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("text", "word"),
    [("exacly 1 M", "exactly"), ("Only tasks A", "only"), ("seald by T", "sealed")],
)
def test_a_guard_with_a_slip_in_its_first_word_is_told_so(text: str, word: str) -> None:
    with pytest.raises(ShapeError, match=f'did you mean "{word}"'):
        parse_promise(text)


def test_a_shape_that_is_refused_is_not_taken_for_a_guard() -> None:
    with pytest.raises(ShapeError) as refused:
        parse_promise("alt -> -> B")
    assert "did you mean" not in str(refused.value)


@given(
    st.lists(
        st.sampled_from(
            ["no", "new", "only", "tasks", "edges", "at", "most", "least", "exactly", "5", "by",
             "rounds", "of", "sealed", "closed", "from", "into", "A", "B*", "->", ",", '"', "?"]
        )
    ).map(" ".join)
)  # fmt: skip
def test_any_words_are_a_promise_or_refused_at_a_place_in_them(text: str) -> None:
    match read(text):
        case ShapeError() as refused:
            assert 1 <= refused.column <= len(text) + 1
        case promise:
            assert parse_promise(str(promise)) == promise


@pytest.mark.parametrize(
    "made",
    [
        lambda: TaskGuard("M"),
        lambda: TaskGuard("M", lo=1, hi=2),
        lambda: TaskGuard("M", hi=1, no_new=True),
        lambda: TaskGuard("M*", lo=1),
        lambda: EdgeGuard("A", "B"),
    ],
)
def test_a_guard_that_no_text_says_cannot_be_made(made: Callable[[], GuardSpec]) -> None:
    with pytest.raises(UsageError):
        made()


few = st.text("ab*", max_size=8)


@example("ab*ba", "aba")  # the ends may not overlap,
@example("*b*b", "ab")  # and nothing in between may reach into the end
@given(few, st.text("ab", max_size=8))
def test_a_star_stands_for_any_characters(pattern: str, label: str) -> None:
    assert matches(pattern, label) == fnmatch.fnmatchcase(label, pattern)


def test_every_other_sign_of_a_glob_is_itself() -> None:
    assert matches("Why?", "Why?")
    assert not matches("Why?", "Whys")
    assert matches("page[1]*", "page[1] of 2")
    assert not matches("page[1]*", "page1")


def test_a_glob_of_many_stars_is_matched_without_trying_all_ways() -> None:
    assert not matches("*a" * 2_000 + "b", "a" * 60_000)
