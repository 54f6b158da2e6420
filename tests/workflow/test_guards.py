"""Guards: intervals on what the finished run has, said in any order, never widened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from hypothesis import assume, given, settings, strategies as st

from callboard.workflow import (
    PromiseRefused,
    Refused,
    Retry,
    Run,
    TaskOptions,
    TaskSpec,
    WorkflowSpec,
    apply,
    commands as c,
    events as ev,
    start,
)
from callboard.workflow._flow import compile_flow
from callboard.workflow._shape_text import parse_shape

if TYPE_CHECKING:
    from .conftest import Play

NEW = TaskSpec(id="", name="", kind="function")
CHAIN = {"a": "", "b": "a", "c": "b"}


def new(name: str, **more: Any) -> c.AddTask:
    return c.AddTask(name=name, new=NEW, **more)


def say(text: str) -> c.Promise:
    return c.Promise(text=text)


# --- intervals on numbers of tasks ---


def test_counts_are_absolute_whatever_state_the_tasks_are_in(play: type[Play]) -> None:
    p = play(CHAIN, promises=("at most 3 M",))
    p.begin("a")
    for _ in range(3):
        p.add("a", "M")
    p.ok("a/M-1")
    p.fail("a/M-2")
    assert p.breaks("a", new("M")).text == "at most 3 M"


def test_what_exists_counts_from_the_start(play: type[Play]) -> None:
    p = play({"M": "", "b": ""}, promises=("at most 1 M",))
    p.begin("M")
    p.breaks("M", new("M"))


def test_at_least_is_satisfied_by_what_exists(play: type[Play]) -> None:
    p = play({"M": "", "b": ""}, promises=("at least 1 M", "no new tasks"))
    p.ok("M", "b")
    p.ended("succeeded")


def test_no_new_fixes_the_upper_end_at_the_present_count(play: type[Play]) -> None:
    p = play(CHAIN)
    p.begin("a")
    p.add("a", "M")
    for _ in range(2):
        p.grow("a", say("no new M"))
    assert p.run.growth.guards.tasks["M", None].hi == 1
    assert p.breaks("a", new("M")).text == "no new M"


def test_saying_a_thing_twice_is_harmless_and_nothing_is_widened(play: type[Play]) -> None:
    p = play(CHAIN)
    p.begin("a")
    for text in ("at most 2 M", "at most 2 M", "at most 5 M", "at least 0 M", "at least 1 M"):
        p.grow("a", say(text))
    guard = p.run.growth.guards.tasks["M", None]
    assert (guard.lo, guard.hi) == (1, 2)
    p.refused("promise_refused", "a", say("at least 3 M"))
    p.refused("promise_refused", "a", say("at most 0 M"))
    p.grow("a", new("M"), new("M"))
    assert p.breaks("a", new("M")).text == "at most 2 M"


def test_an_obligation_that_nobody_can_meet_any_more_is_broken_there_and_then(
    play: type[Play],
) -> None:
    p = play({"a": ""}, promises=("at least 1 M",))
    p.ok("a")
    p.is_(a="failed")
    p.ended("promise_broken")
    assert p.broken().text == "at least 1 M"
    p = play({"a": "", "b": "a"}, promises=("at least 1 M",))
    p.ok("a")
    p.begin("b")
    p.add("b", "M")
    p.ok("b", "b/M-1")
    p.ended("succeeded")


def test_a_failure_is_no_broken_obligation(play: type[Play]) -> None:
    p = play({"a": ""}, promises=("at least 1 M",))
    p.fail("a")
    p.ended("failed")
    assert p.run.broken is None


@pytest.mark.parametrize(
    ("text", "label", "breaks"),
    [
        ("no new M*", "Mx", True),
        ("no new M*", "N", False),
        ("at most 0 *x", "Mx", True),
        ("at most 1 tasks", "N", True),
        ("only tasks M, N*", "Nx", False),
        ("only tasks M, N*", "K", True),
        ("no new tasks", "M", True),
    ],
)
def test_patterns_match_labels(play: type[Play], text: str, label: str, breaks: bool) -> None:
    p = play({"a": ""}, promises=(text,))
    p.begin("a")
    if breaks:
        assert p.breaks("a", new(label)).text == text
    else:
        p.add("a", label)


def test_two_promises_on_labels_hold_together(play: type[Play]) -> None:
    p = play(CHAIN, promises=("only tasks M, N", "only tasks N, K"))
    p.begin("a")
    p.add("a", "N")
    p.breaks("a", new("M"))


# --- by T ---


def test_by_a_task_counts_its_creations_and_theirs_earlier_ones_included(play: type[Play]) -> None:
    p = play({"a": "", "b": ""})
    p.begin("a", "b")
    p.add("a", "M", key="x")
    p.begin("a/x")
    p.add("a/x", "M")
    p.add("b", "M")
    p.say(say("at most 3 M by a"))
    guard = p.run.growth.guards.tasks["M", "a"]
    assert guard.count == 2
    p.add("a/x", "M", key="y")
    p.add("b", "M")
    p.begin("a/x/y")
    assert p.breaks("a/x/y", new("M")).text == "at most 3 M by a"


def test_what_a_person_creates_is_by_nobody(play: type[Play]) -> None:
    p = play(CHAIN, promises=("no new M by a",))
    p.add(None, "M")
    p.begin("a")
    p.breaks("a", new("M"))


@pytest.mark.parametrize(
    "text",
    ["no new M by z", "closed by z", "sealed by z", "only tasks M by z", "at least 1 M by z"],
)
def test_the_task_of_a_scope_must_exist(play: type[Play], text: str) -> None:
    p = play(CHAIN)
    p.begin("a")
    assert "no task 'z'" in p.refused("unknown", "a", say(text))
    with pytest.raises(Refused, match="'z'"):
        play(CHAIN, promises=(text,))


@pytest.mark.parametrize("text", ["at least 1 M by b", "exactly 2 M by b"])
def test_whoever_must_create_needs_a_place_for_it(play: type[Play], text: str) -> None:
    p = play({"a": "", "b": ""}, kinds={"b": "shell"})
    p.begin("a")
    p.refused("promise_refused", "a", say(text))
    p = play.flow("A -> b -> M* -> B", owners="A")
    p.begin("A")
    p.refused("promise_refused", "A", say(text))
    p = play.flow("A -> b -> M* -> B")
    p.begin("A")
    p.grow("A", say(text))
    p.ok("A")
    p.begin("b")
    p.grow("b", c.AddTask(name="M"), c.AddTask(name="M"))
    p.ok("b", "b/M-1", "b/M-2", "B")
    p.ended("succeeded")


def test_the_same_is_asked_of_a_definition(play: type[Play]) -> None:
    with pytest.raises(PromiseRefused):
        play.flow("A -> b -> M* -> B", owners="A", promises=("at least 1 M by b",))
    with pytest.raises(PromiseRefused):
        play({"a": "", "b": ""}, kinds={"b": "shell"}, promises=("at least 1 M by b",))


def test_sealed_and_closed_by_a_task_bind_only_what_is_below_it(play: type[Play]) -> None:
    for text in ("sealed by a", "closed by a", "no new tasks by a"):
        p = play({"a": "", "b": ""}, promises=(text,))
        p.begin("a", "b")
        p.add("b", "M")
        p.breaks("a", new("M"))


def test_no_new_edges_by_a_task_bind_only_what_is_below_it(play: type[Play]) -> None:
    p = play({"a": "", "b": "", "c": "", "d": ""}, promises=("no new edges by a",))
    p.begin("a", "b")
    p.grow("b", c.AddEdge(source="c", target="d"))
    p.add("a", "M")
    assert p.breaks("a", new("M", after=("b",))).text == "no new edges by a"


# --- edges ---


@pytest.mark.parametrize(
    ("text", "commands", "breaks"),
    [
        ("no new edges", [c.AddEdge(source="x", target="y")], True),
        ("no new edges", [new("M", before=("y",))], True),
        ("no new edges", [new("M")], False),
        ("no new edges", [c.OpenHole(shape="M*", before=("y",))], True),
        ("no edges from x", [new("M", after=("x",))], True),
        ("no edges from x", [new("M", after=("y",))], False),
        ("no edges into y", [new("M", before=("y",))], True),
        ("no edges into y", [new("M", before=("x",))], False),
        ("only edges x -> *, * -> y", [new("M", after=("x",), before=("y",))], False),
        ("only edges x -> *, * -> y", [new("M", after=("y",))], True),
        ("sealed", [c.AddEdge(source="x", target="y")], True),
        ("no new tasks", [c.AddEdge(source="x", target="y")], False),
    ],
)
def test_edge_guards_judge_the_edges_that_are_named(
    play: type[Play], text: str, commands: list[c.Creation], breaks: bool
) -> None:
    p = play({"a": "", "x": "", "y": ""}, promises=(text,))
    p.begin("a")
    if breaks:
        assert p.breaks("a", *commands).text == text
    else:
        p.grow("a", *commands)


def test_edge_guards_never_judge_the_filling_of_a_place_and_task_guards_do(
    play: type[Play],
) -> None:
    p = play.flow(
        "A -> (N -> M)* -> B", promises=("no new edges", "no edges into B", "at most 1 N")
    )
    p.begin("A")
    p.grow("A", c.AddTask(name="N", after=("A",), before=("B",)))
    assert p.breaks("A", c.AddTask(name="N")).text == "at most 1 N"


# --- order and generations ---


def test_the_promises_of_a_definition_are_judged_together_after_its_shape(
    play: type[Play],
) -> None:
    p = play.flow("A -> (M | N) -> B", promises=("no new M", "at least 1 N"))
    assert set(p.run.tasks) == {"A", "B", "A/N-1"}
    for texts in (("no new M", "at least 1 M"), ("at least 1 M", "no new M")):
        with pytest.raises(PromiseRefused):
            play.flow("A -> (M | N) -> B", promises=texts)


@pytest.mark.parametrize(
    "texts",
    [
        ("at most 1 M", "at least 2 M"),
        ("sealed", "at least 1 M"),
        ("only tasks N", "exactly 1 M"),
        ("at most 3 tasks", "at least 1 M"),
    ],
)
def test_a_set_that_cannot_hold_together_is_refused_in_both_orders(
    play: type[Play], texts: tuple[str, str]
) -> None:
    for first, second in (texts, texts[::-1]):
        p = play(CHAIN)
        p.begin("a")
        p.grow("a", say(first))
        p.refused("promise_refused", "a", say(second))
        with pytest.raises(PromiseRefused):
            play(CHAIN, promises=(first, second))


def test_a_promise_that_is_untrue_already_is_refused(play: type[Play]) -> None:
    p = play({"M": "", "N": ""})
    p.begin("M")
    for text in ("at most 0 M", "exactly 0 M", "at most 1 tasks"):
        assert "untrue" in p.refused("promise_refused", "M", say(text))
        with pytest.raises(PromiseRefused, match="untrue"):
            play({"M": "", "N": ""}, promises=(text,))


@pytest.mark.parametrize("text", ["at most M", "A -> M* -> B", "no news", "at least 1 M*", ""])
def test_what_is_no_guard_is_refused(play: type[Play], text: str) -> None:
    p = play(CHAIN)
    p.begin("a")
    p.refused("invalid", "a", say(text))


def test_a_promise_goes_with_the_generation_of_the_task_that_made_it(play: type[Play]) -> None:
    p = play({"a": "", "b": ""})
    p.begin("a", "b")
    p.grow("a", say("no new M"))
    p.grow("b", say("at most 1 M"))
    p.ok("a")
    p.say(c.Restart(task="a"))
    assert [(each.text, each.by) for each in p.run.growth.promises] == [("at most 1 M", "b")]
    p.add("b", "M")
    p.breaks("b", new("M"))


def test_a_promise_of_a_definition_or_a_person_outlasts_all_restarts(play: type[Play]) -> None:
    p = play(CHAIN, promises=("at most 1 M",))
    p.say(say("no new N"))
    p.ok("a", "b", "c")
    p.say(c.Restart(task="a"))
    p.begin("a")
    p.add("a", "M")
    for label in "NM":
        fresh = play(CHAIN)
        fresh.events = list(p.events)
        fresh.recover()
        fresh.breaks("a", new(label))


def test_a_promise_outlasts_the_end_of_whoever_made_it(play: type[Play]) -> None:
    p = play(CHAIN)
    p.begin("a")
    p.grow("a", say("no new M"))
    p.ok("a")
    p.begin("b")
    p.breaks("b", new("M"))


# --- the algebra, on small random runs ---

TEXTS = [
    *("closed", "no new edges", "no edges into B", "only edges A -> *"),
    *("only tasks M, N", "only tasks N*", "only tasks M by A", "at most 4 tasks", "at most 6 *"),
    *(f"{how} {number} {label}" for how in ("at most", "at least", "exactly")
      for number in range(3) for label in "MN"),
    *("at most 1 M by A", "at least 1 M by A", "exactly 1 N by A", "at most 0 tasks by B"),
    *("closed by A", "at most 2 rounds of A", "at most 1 rounds of A"),
]  # fmt: skip
NOW = [
    *("no new M", "no new N", "no new tasks", "no new N by A", "no new tasks by B"),
    *("sealed", "sealed by A", "sealed by B"),
]
"""What counts tasks when it is said: not the same later, where certain names become tasks."""
FLOWS = [
    *("A -> M* -> B", "A -> (N -> M)* -> B", "A -> (N -> M | M -> N?) -> B"),
    *("A -> (M? & N*) -> B", "A -> loop(N -> M?){0,2} -> B", "A -> M* -> B -> M*"),
    *("A -> ... -> B", "A -> (M -> N)? -> B", "A -> (M{1,2} | N+) -> B"),
]


def open_run(spec: WorkflowSpec) -> Run:
    run, _, _ = start(ev.RunCreated(at=0.0, run="r", spec=spec))
    apply(run, c.Begin(task="A", fence="f"), 0.0)
    return run


def spec_of(text: str, *, flow: bool, promises: tuple[str, ...] = ()) -> WorkflowSpec:
    shape = parse_shape(text)
    names = sorted(shape.labels | {"A", "B"})
    described = {name: TaskSpec(id=name, name=name, kind="function") for name in names}
    found = compile_flow(shape, described)
    return WorkflowSpec(
        name="w",
        tasks=found.tasks,
        holes=found.holes,
        templates=found.templates,
        flow=flow,
        promises=promises,
    )


def hold(run: Run, text: str) -> bool:
    """Make a promise; return whether it was accepted."""
    try:
        apply(run, c.Grow(commands=(say(text),)), 0.0)
    except Refused:
        return False
    return True


def held(run: Run) -> dict[str, Any]:
    """Return all that promises have come to, without the order in which they were said."""
    growth = run.growth
    return {
        "guards": {
            key: (guard.lo, guard.hi, guard.count)
            for key, guard in growth.guards.tasks.items()
            if guard.lo or guard.hi is not None
        },
        "only": {spec for spec, _ in (*growth.guards.only_tasks, *growth.guards.only_edges)},
        "edges": {spec for spec, _ in growth.guards.no_edges},
        "flags": (growth.closed, growth.sealed, set(growth.closed_by), dict(growth.rounds_max)),
        "texts": {each.text for each in growth.promises},
        "places": {part.address: str(part.residual) for part in growth.open},
        "tasks": set(run.tasks),
    }


def is_narrower(now: dict[str, Any], before: dict[str, Any]) -> bool:
    return all(
        key in now["guards"]
        and now["guards"][key][0] >= lo
        and (hi is None or (now["guards"][key][1] is not None and now["guards"][key][1] <= hi))
        for key, (lo, hi, _) in before["guards"].items()
    ) and all(before[key] <= now[key] for key in ("only", "edges", "texts"))


Drawn: TypeAlias = tuple[str, bool, list[str], list[str], list[str]]


@st.composite
def sets_of_promises(draw: st.DrawFn) -> Drawn:
    """Draw a shape, whether it is all, what is created first, and promises in two orders."""
    text, flow = draw(st.sampled_from(FLOWS)), draw(st.booleans())
    texts = st.sampled_from(TEXTS if flow else TEXTS + NOW)
    promises = draw(st.lists(texts, min_size=1, max_size=4))
    created = draw(st.lists(st.sampled_from("MN"), max_size=2))
    return text, flow, created, promises, draw(st.permutations(promises))


def grown(spec: WorkflowSpec, created: list[str]) -> Run:
    run = open_run(spec)
    for label in created:
        try:
            apply(run, c.Grow(commands=(new(label),), task="A", fence="f"), 0.0)
        except Refused:
            continue
        if run.broken is not None:
            return open_run(spec)
    return run


def test_dots_are_what_is_left_of_a_repeated_pair() -> None:
    """What is left is written down, and read again whenever the graph is built."""
    text, promises = "A -> (N* & ...){1,2} -> B", ("at most 1 N by A", "at least 1 N")
    run = open_run(spec_of(text, flow=True, promises=promises))
    apply(run, c.Grow(commands=(new("N", into="N/+"),), task="A", fence="f"), 0.0)
    assert {part.address: str(part.residual) for part in run.growth.open} == {
        "N": "...?",
        "N/A/N-1/any": "...",
    }
    apply(run, c.Grow(commands=(new("X"),), task="A", fence="f"), 0.0)
    assert run.broken is None


def is_later(run: Run, spec: WorkflowSpec, created: list[str]) -> bool:
    """Whether a promise has made a name certain: then it is a task, and the next promise is later.

    What exists counts for no promise about what is new, so that they are not said of one moment.
    """
    return set(run.tasks) != set(grown(spec, created).tasks)


def test_a_promise_after_a_name_became_certain_does_not_count_it() -> None:
    """Said together, or in the other order, the two leave no way: nothing was certain before."""
    text, only, no_m = "A -> (N -> M | M -> N?) -> B", "only tasks M by A", "only tasks N*"
    run = open_run(spec_of(text, flow=True))
    assert hold(run, only)
    assert "M" in {task.spec.name for task in run.tasks.values()}
    assert hold(run, no_m)
    assert not hold(open_run(spec_of(text, flow=True)), no_m)
    for together in ((only, no_m), (no_m, only)):
        with pytest.raises(PromiseRefused):
            open_run(spec_of(text, flow=True, promises=together))


@settings(max_examples=250, deadline=None)
@given(sets_of_promises())
def test_promises_commute_are_idempotent_and_only_narrow(drawn: Drawn) -> None:
    text, flow, created, promises, permuted = drawn
    spec = spec_of(text, flow=flow)
    one, other = grown(spec, created), grown(spec, created)
    answers: list[bool] = []
    for promise in promises:
        before = held(one)
        answers.append(hold(one, promise))
        if answers[-1]:
            assert is_narrower(held(one), before)
            after = held(one)
            assert hold(one, promise)
            assert held(one) == after
        else:
            assert held(one) == before
    again = [hold(other, promise) for promise in permuted]
    assume(not is_later(one, spec, created) and not is_later(other, spec, created))
    assert all(answers) == all(again)
    if all(answers):
        assert held(one) == held(other)


@settings(max_examples=150, deadline=None)
@given(sets_of_promises())
def test_a_definition_is_refused_if_its_promises_would_be_one_by_one(drawn: Drawn) -> None:
    text, flow, _, promises, permuted = drawn
    run = open_run(spec_of(text, flow=flow))
    answers = [hold(run, promise) for promise in promises]
    assume(not is_later(run, spec_of(text, flow=flow), []))
    accepted = all(answers)
    for texts in (promises, permuted):
        try:
            whole = open_run(spec_of(text, flow=flow, promises=tuple(texts)))
        except PromiseRefused:
            assert not accepted
        else:
            assert accepted
            assert held(whole) == held(run)


def test_a_retried_attempt_says_its_promises_anew(play: type[Play]) -> None:
    p = play(CHAIN, options={"a": TaskOptions(retry=Retry(times=1, jitter=False))})
    p.begin("a")
    p.grow("a", new("M"), say("no new M"))
    p.fail("a")
    assert p.run.growth.promises == []
    p.due("retry", "a", at=9.0)
    p.begin("a")
    p.grow("a", new("M"), new("M"), say("no new M"))
    assert p.run.growth.guards.tasks["M", None].hi == 2
