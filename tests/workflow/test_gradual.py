"""The gradient: a promise that is true of where a run ends changes nothing about getting there.

A script is run without a promise; then with each promise that is true of the graph that it has come
to, and with several of them at once.  The graph must be the same: the same labels, creators and
order, whatever the ids, and whether an edge was said or came with a hole.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any, TypeAlias

import attrs
import pytest

from callboard.workflow import (
    HoleSpec,
    Refused,
    Run,
    Task,
    TaskSpec,
    WorkflowSpec,
    apply,
    commands as c,
    events as ev,
    start,
)
from callboard.workflow._flow import between
from callboard.workflow._graph import ancestors
from callboard.workflow._shape_text import parse_shape

RUNS = 60
LABELS = "MNK"
NEW = TaskSpec(id="", name="", kind="function")

Script: TypeAlias = Mapping[str, list[c.Creation]]
"""What each task says in its attempt, by its id."""
Final: TypeAlias = set[tuple[str, str, str | None, frozenset[str]]]
"""Id, label, creator and predecessors of every task."""


def a_spec(**more: Any) -> WorkflowSpec:
    tasks = [
        TaskSpec(id=name, name=name, kind="function", needs=needs)
        for name, needs in (("A", ()), ("B", ("A",)), ("C", ()))
    ]
    return WorkflowSpec(name="w", tasks=tuple(tasks), **more)


def a_script(draw: random.Random) -> Script:
    """Let A and C, and what they create, create something between themselves and what follows."""
    script: dict[str, list[c.Creation]] = {}
    waiting = [("A", 0), ("C", 0)]
    in_front = {"A"}
    total = count()
    while waiting:
        name, depth = waiting.pop(0)
        said = script[name] = []
        made: list[str] = []
        for _ in range(draw.choice((0, 1, 2, 3)) if depth < 2 else 0):
            if next(total) >= 7:
                break
            key = f"k{len(made)}"
            # Only what is in front of B itself can be sure that B has not begun.
            before = ("B",) if name in in_front and draw.random() < 0.7 else ()
            after = (draw.choice(made),) if made and draw.random() < 0.4 else ()
            said.append(
                c.AddTask(
                    name=draw.choice(LABELS),
                    new=NEW,
                    key=key,
                    after=(name, *after) if draw.random() < 0.5 else after,
                    before=before,
                )
            )
            made.append(f"{name}/{key}")
            if before:
                in_front.add(made[-1])
            waiting.append((made[-1], depth + 1))
    return script


def play(spec: WorkflowSpec, script: Script, draw: random.Random) -> Run:
    """Run a script; what is ready begins in any order, and what one says comes piece by piece."""
    run, _, _ = start(ev.RunCreated(at=0.0, run="r", spec=spec))
    fences = count()
    begun: dict[str, Iterator[c.Creation]] = {}
    while not run.ended:
        ready = sorted(task.id for task in run.tasks.values() if task.state == "ready")
        name = draw.choice(sorted(begun) + ready)
        if name in ready:
            apply(run, c.Begin(task=name, fence=f"{name} {next(fences)}"), 0.0)
            begun[name] = iter(script.get(name, ()))
            continue
        fence = run.tasks[name].fence
        assert fence is not None
        said = next(begun[name], None)
        if said is None:
            del begun[name]
            apply(run, c.Succeed(task=name, fence=fence), 0.0)
        else:
            apply(run, c.Grow(commands=(said,), task=name, fence=fence), 0.0)
        assert run.broken is None, run.broken
    assert run.state == "succeeded", run.reason
    return run


def final(run: Run) -> Final:
    """Return the graph without ranks, holes and the number of ways that something is said."""
    return {
        (
            task.id,
            task.spec.name,
            task.created_by,
            frozenset(each.id for each in ancestors([task]) if isinstance(each, Task)),
        )
        for task in run.tasks.values()
    }


def true_promises(run: Run) -> list[str]:
    """Return promises that are true of the graph in which a run has ended."""
    tasks = list(run.tasks.values())
    texts: list[str] = []
    for label in LABELS:
        number = sum(task.spec.name == label for task in tasks)
        texts += [f"at most {number} {label}", f"exactly {number} {label}"]
        texts += [f"at least {least} {label}" for least in range(number + 1)]
        texts.append(f"at most {number + 1} {label}*")
        for by in "AC":
            below = sum(task.spec.name == label and by in _creators(run, task) for task in tasks)
            texts += [f"at most {below} {label} by {by}", f"exactly {below} {label} by {by}"]
        if not number:
            texts += [f"no new {label}", f"no new {label} by C"]
    created = sorted({task.spec.name for task in tasks if task.created_by})
    texts += [f"at most {len(tasks)} tasks", f"at most {len(tasks) + 2} tasks", "no edges into C"]
    texts.append(f"only tasks {', '.join(created) or 'none'}")
    texts.append("at most 0 rounds of A")
    if not created:
        texts += ["sealed", "closed", "no new tasks", "no new edges"]
    return texts


def _creators(run: Run, task: Task) -> set[str]:
    found: set[str] = set()
    while task.created_by is not None:
        found.add(task.created_by)
        task = run.tasks[task.created_by]
    return found


@pytest.mark.parametrize("seed", range(RUNS))
def test_what_is_true_of_the_end_changes_nothing_on_the_way(seed: int) -> None:
    draw = random.Random(seed)
    script = a_script(draw)
    run = play(a_spec(), script, draw)
    expected, promises = final(run), true_promises(run)
    for text in promises:
        assert final(play(a_spec(promises=(text,)), script, draw)) == expected, text
    for _ in range(3):
        texts = draw.sample(promises, k=min(4, len(promises)))
        assert final(play(a_spec(promises=tuple(texts)), script, draw)) == expected, texts
    assert final(play(a_spec(promises=tuple(promises)), script, draw)) == expected


@pytest.mark.parametrize("seed", range(RUNS // 3))
def test_what_becomes_true_on_the_way_may_be_said_then(seed: int) -> None:
    """The last creation of a label is followed by the promise that it was the last one."""
    draw = random.Random(seed)
    script = a_script(draw)
    expected = final(play(a_spec(), script, random.Random(seed)))
    for name, said in script.items():
        later = dict(script)
        numbers = range(len(said) + 1)
        for number in numbers:
            labels = {each.name for each in said[number:] if isinstance(each, c.AddTask)}
            below = {
                each.name
                for other, more in script.items()
                if other.startswith(f"{name}/")
                for each in more
                if isinstance(each, c.AddTask)
            }
            for label in set(LABELS) - labels - below:
                promise = c.Promise(text=f'no new {label} by "{name}"')
                later[name] = [*said[:number], promise, *said[number:]]
                assert final(play(a_spec(), later, random.Random(seed))) == expected


# --- shapes ---


def between_a_and_b(labels: str, way: str) -> Script:
    """Let A create tasks side by side, or one after another, between itself and B."""
    said: list[c.Creation] = []
    last = "A"
    for number, label in enumerate(labels):
        after = (last,) if way == "chain" else ("A",)
        said.append(c.AddTask(name=label, new=NEW, key=f"k{number}", after=after, before=("B",)))
        last = f"A/k{number}"
    return {"A": said}


def promised(text: str) -> WorkflowSpec:
    spec = a_spec()
    found = between(parse_shape(text), {task.name: task for task in spec.tasks})
    assert found.errors == ()
    holes: tuple[HoleSpec, ...] = found.holes
    return attrs.evolve(spec, holes=holes)


SIDES = {
    "": ["A -> M* -> B", "A -> (M | N?) -> B", "A -> ... -> B", "A -> (M* & N*) -> B"],
    "M": ["A -> M* -> B", "A -> M? -> B", "A -> (M | N) -> B", "A -> M+ -> B", "A -> ... -> B"],
    "MM": ["A -> M* -> B", "A -> M{2,2} -> B", "A -> (M | N)* -> B", "A -> M{1,3} -> B"],
    "MNM": ["A -> (M* & N*) -> B", "A -> (M | N)* -> B", "A -> (M{2,} & N?) -> B"],
    "MMMMM": ["A -> M* -> B", "A -> M+ -> B", "A -> M{5,} -> B", "A -> ... -> B"],
}
CHAINS = {
    "MN": ["A -> (M -> N)* -> B", "A -> (M -> N | K) -> B", "A -> ... -> B", "A -> M* -> N* -> B"],
    "MMM": ["A -> loop(M) -> B", "A -> loop(M){3,3} -> B", "A -> loop(M | N){1,} -> B"],
    "MNMN": ["A -> loop(M -> N) -> B", "A -> loop(M -> N?) -> B", "A -> ... -> B"],
    "MNK": ["A -> M? -> N? -> K? -> B", "A -> (M -> N -> K)? -> B", "A -> loop(M | N | K) -> B"],
}
CASES = [
    (labels, way, text)
    for way, cases in (("sides", SIDES), ("chain", CHAINS))
    for labels, texts in cases.items()
    for text in texts
]


@pytest.mark.parametrize(("labels", "way", "text"), CASES)
def test_a_shape_that_is_true_of_the_end_changes_nothing_on_the_way(
    labels: str, way: str, text: str
) -> None:
    script, draw = between_a_and_b(labels, way), random.Random(0)
    run = play(a_spec(), script, draw)
    expected, promises = final(run), true_promises(run)
    for _ in range(3):
        assert final(play(promised(text), script, draw)) == expected
    for extra in promises:
        spec = attrs.evolve(promised(text), promises=(extra,))
        assert final(play(spec, script, draw)) == expected, extra
    spec = attrs.evolve(promised(text), promises=("closed", *promises))
    assert final(play(spec, script, draw)) == expected


# What stands in dots has no order but what is said.
ORDERED = [case for case in CASES if case[1] == "sides" or "..." not in case[2]]


@pytest.mark.parametrize(("labels", "way", "text"), ORDERED)
def test_in_a_closed_run_the_edges_need_not_be_said(labels: str, way: str, text: str) -> None:
    script = between_a_and_b(labels, way)
    expected = final(play(a_spec(), script, random.Random(0)))
    bare: Script = {
        name: [
            c.AddTask(name=each.name, new=each.new, key=each.key, into=each.into)
            for each in said
            if isinstance(each, c.AddTask)
        ]
        for name, said in script.items()
    }
    spec = attrs.evolve(promised(text), promises=("closed",))
    assert final(play(spec, bare, random.Random(1))) == expected


def test_what_is_not_true_of_the_end_does_change_it() -> None:
    """The tests above would notice: a promise that is untrue ends the run, or is refused."""
    script = between_a_and_b("MM", "sides")
    for text in ("at most 1 M", "no new M", "sealed", "only tasks N", "exactly 1 M by A"):
        with pytest.raises(AssertionError, match="PromiseViolated"):
            play(a_spec(promises=(text,)), script, random.Random(0))
    for text in ("at least 3 M", "exactly 3 M"):
        with pytest.raises(AssertionError, match=r"PromiseViolated|promise_broken"):
            play(a_spec(promises=(text,)), script, random.Random(0))
    with pytest.raises(Refused):
        play(a_spec(promises=("at most 2 tasks",)), script, random.Random(0))
