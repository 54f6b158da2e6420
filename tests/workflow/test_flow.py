"""Shapes that are whole workflows, or parts of them: tasks, holes, owners, and what is refused."""

from __future__ import annotations

import pytest

from callboard.workflow import (
    HoleSpec,
    TaskSpec,
    WorkflowSpec,
    apply,
    commands as c,
    events as ev,
    start,
)
from callboard.workflow._flow import EDGES_MAX, Flow, Owners, between, compile_flow
from callboard.workflow._shape_text import parse_shape


def specs(names: str, *, mute: str = "") -> dict[str, TaskSpec]:
    kinds = {name: "shell" if name in mute.split() else "python" for name in names.split()}
    return {n: TaskSpec(id=n.lower(), name=n, kind=kind) for n, kind in kinds.items()}


def flow(text: str, owners: Owners = None, *, mute: str = "") -> Flow:
    shape = parse_shape(text)
    return compile_flow(shape, specs(" ".join(sorted(shape.labels)), mute=mute), owners)


def needs(found: Flow) -> dict[str, tuple[str, ...]]:
    return {each.name: each.needs for each in found.tasks}


def holes(found: Flow) -> list[tuple[str, str | None, str, str]]:
    """Return each hole as id, owner, after and before."""
    return [(h.id, h.owner, " ".join(h.after), " ".join(h.before)) for h in found.holes]


def test_names_that_always_exist_are_tasks_at_once() -> None:
    found = flow("A -> (B & C -> D) -> E")
    assert found.errors == ()
    assert found.holes == ()
    assert found.templates == ()
    assert needs(found) == {"A": (), "B": ("a",), "C": ("a",), "D": ("c",), "E": ("b", "d")}


def test_a_hole_takes_the_edges_of_what_it_stands_between() -> None:
    found = flow("A -> M* -> B")
    assert found.errors == ()
    assert needs(found) == {"A": (), "B": ()}
    assert found.holes == (HoleSpec(id="M", shape="M*", owner="a", after=("a",), before=("b",)),)
    assert [each.name for each in found.templates] == ["M"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A -> (M* & N*) -> B", [("M", "a", "a", "b"), ("N", "a", "a", "b")]),
        ("A -> M* -> N* -> B", [("M", "a", "a", ""), ("N", "a", "#M", "b")]),
        (
            "A -> (M* & N*) -> (K* & L*) -> B",
            [
                *[("M", "a", "a", ""), ("N", "a", "a", "")],
                *[("K", "a", "#M #N", "b"), ("L", "a", "#M #N", "b")],
            ],
        ),
        ("A -> (N -> M | J -> K) -> B", [("N", "a", "a", "b")]),
        ("A -> M? -> B -> loop(K) -> C", [("M", "a", "a", "b"), ("K", "b", "b", "c")]),
        ("A -> ... -> B", [("any", "a", "a", "b")]),
        ("A -> one=M* -> two=M*", [("one", "a", "a", ""), ("two", "a", "#one", "")]),
        ("A -> M* -> B -> M*", [("M", "a", "a", "b"), ("M-2", "b", "b", "")]),
        ("A -> (B & M*) -> N*", [("M", "a", "a", ""), ("N", "b", "b #M", "")]),
        ("A -> (M* -> B & C)", [("M", "a", "a", "b")]),
        ("A -> M -> M*", [("M", "m", "m", "")]),
    ],
)
def test_each_largest_part_that_is_not_certain_is_a_hole(
    text: str, expected: list[tuple[str, str | None, str, str]]
) -> None:
    found = flow(text)
    assert found.errors == ()
    assert holes(found) == expected


def test_what_a_shape_stands_for_may_be_used_by_two_owners() -> None:
    found = flow("A -> X -> B -> X -> C where X = M*")
    assert found.errors == ()
    assert [each.owner for each in found.holes] == ["a", "b"]


def test_an_owner_is_said_for_all_holes_or_for_some() -> None:
    text = "A -> B -> M* -> C -> N*"
    assert [h.owner for h in flow(text).holes] == ["b", "c"]
    assert [h.owner for h in flow(text, "A").holes] == ["a", "a"]
    assert [h.owner for h in flow(text, {"M": "A"}).holes] == ["a", "c"]
    assert [h.owner for h in flow("(A & B) -> M*", "B").holes] == ["b"]


@pytest.mark.parametrize(
    ("text", "owners", "mute", "error"),
    [
        (
            "(A & B) -> M*",
            None,
            "",
            (
                'the hole "M" (M*) has several tasks directly in front of it: "A", "B"; say which '
                'of them creates what comes there, as in owner: {"M": "A"}'
            ),
        ),
        (
            "M* -> B & C",
            None,
            "",
            (
                'the hole "M" (M*) has no task in front of it that always exists; say which task '
                'creates what comes there, as in owner: {"M": "C"}'
            ),
        ),
        (
            "A -> M*",
            None,
            "A",
            (
                'the hole "M" (M*) would belong to "A", and a task of kind shell cannot create '
                "tasks (function, python, and external with grows: true can); let owner: name "
                "one that can"
            ),
        ),
        (
            "A -> M* -> B",
            "B",
            "",
            'the hole "M" (M*) cannot belong to "B", which runs after it',
        ),
        (
            "Aa -> M* -> B",
            "aaa",
            "",
            'owner: names "aaa", which is no task that always exists; did you mean "Aa"?',
        ),
        (
            "A -> B -> A",
            None,
            "",
            (
                '"A" stands at 2 places where it always exists, and it is one task; for rounds say '
                "loop(...), for several at once *, and give other tasks other names"
            ),
        ),
        (
            "A -> M* -> B -> M*",
            "A",
            "",
            'label "M" fits two places of "M* -> M*": name them, as in "first=M* -> second=M*"',
        ),
    ],
)
def test_what_no_workflow_can_be_made_of_is_said(
    text: str, owners: Owners, mute: str, error: str
) -> None:
    assert error in flow(text, owners, mute=mute).errors


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("A -> M | N -> B", "A -> (M | N) -> B"),
        ("A -> M* & N* -> B", "A -> (M* & N*) -> B"),
        ("A -> M | N | K -> B", "A -> (M | N | K) -> B"),
        ("A -> M | N", "A -> (M | N)"),
    ],
)
def test_parentheses_are_suggested_where_they_help(text: str, meant: str) -> None:
    assert flow(text).errors[-1].endswith(f'did you mean "{meant}"?')


def test_everything_that_is_wrong_is_said_at_once() -> None:
    found = flow("(A & B) -> M* -> C -> K* -> C", {"X": "D"}, mute="C")
    assert len(found.errors) == 4


def test_a_short_text_makes_no_millions_of_edges() -> None:
    side = " & ".join(f"x{number}" for number in range(400))
    other = " & ".join(f"y{number}" for number in range(400))
    [error] = flow(f"A -> ({side}) -> ({other})").errors
    assert f"makes more than {EDGES_MAX:,} edges" in error


# --- the kernel takes what is made ----------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "A -> (M* & N*) -> (K* & L*) -> B",
        "A -> one=M* -> (B & two=M?) -> loop(N -> K){1,3} -> C",
        "A -> (N -> M | J -> K) -> B -> ... -> C",
    ],
)
def test_the_kernel_starts_what_is_made(text: str) -> None:
    found = flow(text)
    spec = WorkflowSpec(
        name="w", tasks=found.tasks, holes=found.holes, templates=found.templates, flow=True
    )
    run, _, _ = start(ev.RunCreated(at=0.0, run="r", spec=spec))
    assert [task.id for task in iter(run.pop_ready, None)] == ["a"]
    apply(run, c.Begin(task="a", fence="f"), 1.0)
    assert run.holes_of(run.task("a"))


# --- shapes that are promised ---------------------------------------------------------------------


def promised(text: str, known: str, owners: Owners = None, taken: tuple[str, ...] = ()) -> Flow:
    return between(parse_shape(text), specs(known), owners, taken)


def test_a_promised_shape_puts_a_hole_between_tasks() -> None:
    found = promised("A -> X -> B where X = (N -> M) | (J -> K)", "A B")
    assert found.errors == ()
    assert holes(found) == [("N", "a", "a", "b")]
    assert needs(found) == {"A": (), "B": ()}


def test_a_promised_shape_adds_needs_and_takes_free_ids() -> None:
    found = promised("A -> B -> M* -> C", "A B C D", taken=("M",))
    assert needs(found) == {"A": (), "B": ("a",), "C": ()}
    assert [each.id for each in found.holes] == ["M-2"]


def test_a_promised_shape_may_belong_to_any_task() -> None:
    found = promised("A -> M* -> B", "A B C", {"M": "C"})
    assert (found.errors, found.holes[0].owner) == ((), "c")


def test_a_promised_shape_may_name_tasks_by_id() -> None:
    found = promised("a -> M* -> b", "A B")
    assert found.errors == ()
    assert holes(found) == [("M", "a", "a", "b")]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("A -> M*", "ends with"),
        ("M* -> A", "begins with"),
        ("A -> Bb -> M* -> C", 'did you mean "B"?'),
        ("A -> B", "leaves no place for tasks to come"),
        ("(A & B) -> M* -> C", "several tasks directly in front"),
    ],
)
def test_a_promised_shape_that_does_not_fit_is_refused(text: str, error: str) -> None:
    assert any(error in each for each in promised(text, "A B C").errors)
