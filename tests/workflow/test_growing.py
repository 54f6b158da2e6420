"""Changing a graph while it runs: what is done, what is refused, and what ends the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from callboard.workflow import (
    Refused,
    Retry,
    StaleFence,
    TaskOptions,
    TaskSpec,
    commands as c,
)

if TYPE_CHECKING:
    from .conftest import Play

NEW = TaskSpec(id="", name="", kind="function")
CHAIN = {"a": "", "b": "a", "c": "b"}


def new(name: str, key: str | None = None, after: str = "", before: str = "") -> c.AddTask:
    names = tuple(after.split()), tuple(before.split())
    return c.AddTask(name=name, new=NEW, key=key, after=names[0], before=names[1])


# --- who may create what ---


def test_in_an_open_run_every_living_task_that_can_speak_creates_anything(
    play: type[Play],
) -> None:
    p = play(CHAIN)
    p.begin("a")
    assert p.add("a", "M", before=("c",)) == "a/M-1"
    assert p.add("a", "N", after=("b",)) == "a/N-1"
    p.ok("a", "a/M-1", "b")
    p.begin("a/N-1")
    assert p.add("a/N-1", "K", before=("c",)) == "a/N-1/K-1"
    p.ok("a/N-1")
    assert p.next() == "a/N-1/K-1"
    p.ok("a/N-1/K-1", "c")
    p.ended("succeeded")


def test_without_a_place_or_an_edge_a_creation_may_start_at_once(play: type[Play]) -> None:
    p = play(CHAIN)
    p.begin("a")
    p.add("a", "M")
    p.is_(**{"a/M-1": "ready"})


@pytest.mark.parametrize("kind", ["shell", "http", "step", "external", "input"])
def test_what_only_reports_creates_nothing(play: type[Play], kind: str) -> None:
    p = play({"a": ""}, kinds={"a": kind})
    p.begin("a")
    assert "only reports" in p.refused("refused", "a", new("M"))


def test_a_creation_of_an_ended_or_replaced_attempt_has_no_effect(play: type[Play]) -> None:
    p = play(CHAIN)
    p.begin("a")
    fence = p.fence("a")
    p.lose("a")
    p.begin("a")
    for task, stale in (("a", fence), ("b", "made up")):
        with pytest.raises(StaleFence, match="has no effect"):
            p.say(c.Grow(task=task, fence=stale, commands=(new("M"),)))
    p.ok("a")
    with pytest.raises(StaleFence):
        p.say(c.Grow(task="a", fence=fence, commands=(new("M"),)))


def test_an_ended_run_and_one_that_is_being_stopped_do_not_grow(play: type[Play]) -> None:
    p = play({"a": "", "b": ""})
    p.begin("a")
    p.say(c.Cancel())
    assert "being stopped" in p.refused("refused", "a", new("M"))
    p.stopped("a")
    assert "has ended cancelled" in p.refused("refused", None, new("M"))


@pytest.mark.parametrize("text", ["closed", "no new tasks", "sealed", "only tasks X"])
def test_a_run_that_is_closed_to_a_creation_is_ended_by_it(play: type[Play], text: str) -> None:
    p = play(CHAIN, promises=(text,))
    p.begin("a")
    violated = p.breaks("a", new("M"))
    assert (violated.text, violated.task, violated.attempt) == (text, "a", 1)
    p.is_(b="cancelled", c="cancelled")
    assert p.stopping() == {"a"}
    p.stopped("a")
    p.ended("promise_broken")
    error = p.run.tasks["a"].error
    assert error is not None
    assert error.kind == "promise_broken"
    assert error.detail == {"promise": text, "task": "a", "attempt": 1}


@pytest.mark.parametrize("text", ["closed", "no new tasks", "sealed"])
def test_what_a_person_may_not_do_is_refused_and_ends_nothing(play: type[Play], text: str) -> None:
    p = play(CHAIN, promises=(text,))
    p.refused("promise_broken", None, new("M"))
    p.ok("a", "b", "c")
    p.ended("succeeded")


def test_closed_leaves_declared_holes_open_and_sealed_does_not(play: type[Play]) -> None:
    p = play.flow("A -> M* -> B")
    p.begin("A")
    p.add("A", "M")
    p.say(c.Promise(text="closed"))
    p.add("A", "M")
    p.say(c.Promise(text="sealed"))
    assert p.breaks("A", c.AddTask(name="M")).text == "sealed"


def test_in_a_flow_nothing_is_created_but_what_it_says(play: type[Play]) -> None:
    for command in (
        c.AddTask(name="X"),
        c.AddTask(name="B"),
        c.OpenHole(shape="X*"),
        c.AddEdge(source="A", target="C"),
    ):
        p = play.flow("A -> M* -> B -> C")
        p.begin("A")
        p.breaks("A", command)


# --- ids and keys ---


def test_ids_are_keys_below_their_creator_or_labels_with_numbers(play: type[Play]) -> None:
    p = play(CHAIN)
    p.begin("a")
    made = [p.add("a", "M"), p.add("a", "N"), p.add("a", "M"), p.add("a", "M", key="x")]
    assert made == ["a/M-1", "a/N-1", "a/M-2", "a/x"]
    p.begin("a/x")
    assert p.add("a/x", "M") == "a/x/M-1"
    assert p.add(None, "M", key="mine") == "mine"
    assert p.run.tasks["a/x/M-1"].created_by == "a/x"
    assert p.run.tasks["mine"].created_by is None


def test_a_key_makes_a_creation_the_same_task(play: type[Play]) -> None:
    p = play(CHAIN)
    p.begin("a")
    p.add("a", "M", key="x")
    assert p.grow("a", new("M", "x")) == []
    assert "another key" in p.refused("exists", "a", new("N", "x"))


def test_a_key_that_is_used_for_another_place_is_refused(play: type[Play]) -> None:
    p = play.flow("A -> (one=M* & two=M*) -> B")
    p.begin("A")
    p.add("A", "M", key="x", into="one")
    assert p.grow("A", c.AddTask(name="M", key="x", into="one")) == []
    p.refused("exists", "A", c.AddTask(name="M", key="x", into="two"))


def test_a_name_alone_takes_what_is_known_of_it(play: type[Play]) -> None:
    p = play({"a": "", "b": ""}, kinds={"b": "shell"}, templates=(TaskSpec(id="", name="K"),))
    p.begin("a")
    kinds = [p.run.tasks[p.add("a", label, new=None)].spec.kind for label in "bKX"]
    assert kinds == ["shell", "step", "step"]


# --- edges ---


def test_nothing_is_put_in_front_of_what_has_begun(play: type[Play]) -> None:
    p = play({"a": "", "b": "", "c": ""})
    p.begin("a", "b")
    p.ok("c")
    for name in ("a", "b", "c"):
        assert "in front of" in p.refused("started", "a", new("M", before=name))
        if name != "a":
            p.refused("started", "a", c.AddEdge(source="a", target=name))


def test_a_cycle_is_refused_and_named_whole(play: type[Play]) -> None:
    p = play({"x": "", **CHAIN})
    p.begin("x")
    assert "c → a → b → c" in p.refused("cycle", "x", c.AddEdge(source="c", target="a"))
    assert "M → a → b → c → M" in p.refused("cycle", "x", new("M", after="c", before="a"))
    assert "a → a" in p.refused("cycle", "x", c.AddEdge(source="a", target="a"))


def test_an_edge_that_is_there_is_nothing_new(play: type[Play]) -> None:
    p = play(CHAIN, promises=("no new edges",))
    assert p.say(c.AddEdge(source="a", target="b")) == []


def test_a_ready_task_waits_for_what_is_put_in_front_of_it(play: type[Play]) -> None:
    p = play({"a": "", "b": ""})
    p.begin("a")
    p.add("a", "M", before=("b",))
    p.is_(b="pending")
    p.ok("a/M-1")
    p.is_(b="ready")


def test_what_is_put_behind_a_failure_is_given_up(play: type[Play]) -> None:
    p = play({"a": "", "b": "", "c": ""})
    p.fail("b")
    p.begin("a")
    p.add("a", "M", after=("b",))
    p.grow("a", c.AddEdge(source="b", target="c"))
    p.is_(c="upstream_failed", **{"a/M-1": "upstream_failed"})


@pytest.mark.parametrize(
    "command",
    [
        new("M", after="nobody"),
        new("M", before="nobody"),
        c.AddEdge(source="a", target="nobody"),
        c.OpenHole(shape="M*", after=("nobody",)),
        c.OpenHole(shape="M*", owner="nobody"),
        c.GiveHole(hole="nothing", to="nobody"),
        c.CloseHole(hole="nothing"),
        c.Style(target="nobody"),
        c.Again(task="nobody"),
        c.AddTask(name="M", new=NEW, into="nothing"),
    ],
)
def test_what_is_not_known_is_refused(play: type[Play], command: c.Creation) -> None:
    p = play(CHAIN)
    p.begin("a")
    before = p.facts()
    with pytest.raises(Refused, match=r"nobody|nothing"):
        p.grow("a", command)
    assert p.facts() == before


# --- batches ---


def test_a_batch_is_done_as_one(play: type[Play]) -> None:
    p = play({"a": ""})
    p.begin("a")
    p.grow(
        "a",
        c.OpenHole(shape="M*", hole="h"),
        new("M"),
        new("M", "x"),
        new("B", "B", after="#h"),
        c.CloseHole(hole="h"),
        c.Promise(text="no new tasks"),
    )
    assert list(p.run.tasks) == ["a", "a/M-1", "a/x", "a/B"]
    p.is_(**{"a/B": "pending"})
    p.ok("a/M-1", "a/x")
    p.is_(**{"a/B": "ready"})


def test_of_a_batch_that_is_refused_in_the_middle_nothing_is_left(play: type[Play]) -> None:
    p = play(CHAIN)
    p.begin("a")
    p.add("a", "M")
    p.refused(
        "cycle",
        "a",
        new("M"),
        c.OpenHole(shape="M*", hole="h", before=("c",)),
        c.Promise(text="at most 9 M"),
        c.Again(task="a"),
        c.AddEdge(source="c", target="b"),
    )
    assert p.add("a", "M") == "a/M-2"


def test_of_a_batch_that_breaks_a_promise_nothing_is_left(play: type[Play]) -> None:
    p = play(CHAIN, promises=("at most 2 M",))
    p.begin("a")
    p.breaks("a", new("M"), c.OpenHole(shape="K*"), new("M"), new("M"))
    p.ok("a")  # what the task says of itself afterwards makes nothing good again
    p.is_(a="failed")
    p.ended("promise_broken")


# --- the ceiling that every run has ---


def test_what_grows_for_ever_is_stopped_by_a_ceiling_that_names_itself(play: type[Play]) -> None:
    p = play({"a": ""}, max_tasks=4)
    p.begin("a")
    for _ in range(3):
        p.add("a", "M")
    violated = p.breaks("a", new("M"))
    assert violated.text == "at most 4 tasks (the ceiling that every run has: max_tasks)"
    assert len(p.run.tasks) == 4


def test_a_definition_larger_than_the_ceiling_runs_and_does_not_grow(play: type[Play]) -> None:
    p = play(CHAIN, max_tasks=1)
    p.begin("a")
    assert "max_tasks" in p.breaks("a", new("M")).text


# --- broken or refused ---


def test_a_creation_that_leaves_no_way_to_finish_breaks_the_promise(play: type[Play]) -> None:
    p = play.flow("A -> M* -> (N -> P)? -> B", promises=("at least 1 P", "at most 5 tasks"))
    p.begin("A")
    p.add("A", "M")
    violated = p.breaks("A", c.AddTask(name="M"))
    assert violated.text == "at least 1 P"
    assert violated.message == (
        "task 'A' has no place for a 'M': 'at least 1 P' and 'at most 5 tasks' leave no room for it"
    )


def test_the_promise_that_is_named_is_the_one_that_leaves_no_place(play: type[Play]) -> None:
    p = play.flow("A -> M* -> B", promises=("at most 2 M",))
    p.begin("A")
    p.grow("A", c.AddTask(name="M"), c.AddTask(name="M"))
    assert p.open_parts() == {}
    assert p.breaks("A", c.AddTask(name="M")).text == "at most 2 M"
    p = play.flow("A -> M* -> B")
    p.begin("A")
    assert p.breaks("A", c.AddTask(name="N")).text == "closed"


def test_a_run_is_told_with_whom_a_promise_broke_and_stops_all(play: type[Play]) -> None:
    p = play({"a": "", "b": "", "c": "a"}, promises=("no new M",))
    p.begin("a", "b")
    p.breaks("a", new("M"))
    assert p.stopping() == {"a", "b"}
    assert "task 'a' broke the promise 'no new M'" in str(p.run.reason)
    p.stopped("b")
    p.stopped("a")
    p.is_(a="failed", b="cancelled", c="cancelled")
    p.ended("promise_broken")


@pytest.mark.parametrize("target", ["b", ("a", "b")])
def test_nothing_looks_different_where_that_was_promised(
    play: type[Play], target: str | tuple[str, str]
) -> None:
    look = c.Style(target=target, color="red")
    p = play(CHAIN)
    p.begin("a")
    p.grow("a", look, c.Promise(text="no new looks"))
    p.grow("a", c.Promise(text="no new looks"), c.AddTask(name="M", new=NEW))
    assert p.refused("promise_broken", None, look).endswith(" was to look different")
    said = p.breaks("a", c.AddTask(name="M", new=NEW), look)
    assert said.text == "no new looks"
    assert said.message == f"{target if target == 'b' else 'a → b'} was to look different"


def test_a_promise_about_looks_holds_for_what_a_task_has_created(play: type[Play]) -> None:
    p = play({"a": "", "b": ""}, promises=("no new looks by a",))
    p.begin("a", "b")
    p.grow("a", c.AddTask(name="M", key="m", new=NEW))
    p.begin("a/m")
    p.grow("b", c.Style(target="a/m", label="mine"))
    p.say(c.Style(target="a/m", label="a person's"))
    assert p.breaks("a/m", c.Style(target="b", color="red")).text == "no new looks by a"


def test_looks_are_undone_with_the_promise_that_follows_them(play: type[Play]) -> None:
    """The next attempt may say the same again."""
    p = play({"a": ""}, options={"a": TaskOptions(retry=Retry(times=1, jitter=False))})
    for _ in range(2):
        p.begin("a")
        p.grow("a", c.Style(target="a", color="red"), c.Promise(text="no new looks"))
        p.fail("a")
        p.due("retry", "a", at=p.now + 1000)
    p.ended("failed")


def test_looks_change_nothing_else(play: type[Play]) -> None:
    p = play(CHAIN, promises=("sealed",))
    p.begin("a")
    p.grow("a", c.Style(target="b", color="red"), c.Style(target=("a", "b"), label="then"))
    p.ok("a", "b", "c")
    p.ended("succeeded")
