"""Attempts that fail: what they made is undone where nothing stands on it, and stays elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from callboard.workflow import HoleSpec, Retry, TaskOptions, TaskSpec, commands as c, events as ev

if TYPE_CHECKING:
    from .conftest import Play

NEW = TaskSpec(id="", name="", kind="function")
HOLES = (HoleSpec(id="h", shape="M*", owner="a", before=("b",)),)
RETRIED = TaskOptions(retry=Retry(times=2, jitter=False))


def new(name: str, **more: Any) -> c.AddTask:
    return c.AddTask(name=name, new=NEW, **more)


def retried(play: type[Play], text: str, **more: Any) -> Play:
    """Return a run of a shape whose A has begun its first attempt of three."""
    p = play.flow(text, options={"A": RETRIED}, **more)
    p.begin("A")
    return p


def open_run(play: type[Play], **more: Any) -> Play:
    p = play({"a": "", "b": "", "c": ""}, options={"a": RETRIED}, **more)
    p.begin("a")
    return p


def fail_and_begin(p: Play, name: str) -> None:
    p.fail(name)
    p.due("retry", name, at=p.now + 1000)
    p.begin(name)


def undone(p: Play) -> list[ev.GrowthUndone]:
    return [event for event in p.events if isinstance(event, ev.GrowthUndone)]


# --- what is undone ---


def test_what_an_attempt_made_and_nothing_stands_on_is_undone(play: type[Play]) -> None:
    p = open_run(play)
    p.grow(
        "a",
        new("M", key="x"),
        new("N", key="y", after=("a/x",), before=("b",)),
        c.AddEdge(source="b", target="c"),
        c.OpenHole(shape="K*", hole="h", before=("c",)),
        new("K", key="k"),
        c.Promise(text="at most 9 tasks"),
        c.Style(target="b", color="red"),
        c.CloseHole(hole="h"),
    )
    p.fail("a")
    assert len(undone(p)) == 1
    assert list(p.run.tasks) == ["a", "b", "c"]
    assert p.run.holes == {}
    assert p.run.growth.promises == []
    assert p.run.growth.log == {}
    p.is_(a="retry_wait", b="ready", c="ready")
    p.due("retry", "a", at=1000.0)
    p.ok("a", "b", "c")
    p.ended("succeeded")


def test_a_first_attempt_that_made_nothing_undoes_nothing(play: type[Play]) -> None:
    p = open_run(play)
    p.fail("a")
    assert undone(p) == []


@pytest.mark.parametrize("how", ["fail", "lose"])
def test_counters_go_back(play: type[Play], how: str) -> None:
    p = open_run(play, promises=("at most 2 M", "at most 1 M by a"))
    p.add("a", "M")
    guards = p.run.growth.guards.tasks
    assert (guards["M", None].count, guards["M", "a"].count) == (1, 1)
    getattr(p, how)("a")
    if how == "fail":
        p.due("retry", "a", at=1000.0)
    guards = p.run.growth.guards.tasks
    assert (guards["M", None].count, guards["M", "a"].count) == (0, 0)
    p.begin("a")
    assert p.add("a", "M") == "a/M-1"


def test_a_choice_with_nothing_left_in_it_is_open_again(play: type[Play]) -> None:
    p = retried(play, "A -> (N -> M | J -> K) -> B")
    p.grow("A", c.AddTask(name="N"))
    assert p.open_parts() == {}
    fail_and_begin(p, "A")
    assert p.open_parts() == {"N": "N -> M | J -> K"}
    p.grow("A", c.AddTask(name="J"))
    p.ok("A", "A/J-1", "A/K-1", "B")
    p.ended("succeeded")


def test_a_place_that_was_filled_or_closed_is_open_again(play: type[Play]) -> None:
    p = retried(play, "A -> (M{1,2} & N*) -> B")
    p.grow("A", c.AddTask(name="M"), c.AddTask(name="M"), c.CloseHole(hole="N"))
    assert p.open_parts() == {}
    fail_and_begin(p, "A")
    assert p.open_parts() == {"M": "M{1,2}", "N": "N*"}


def test_what_a_count_had_closed_is_open_again(play: type[Play]) -> None:
    p = retried(play, "A -> (M | N)* -> B", promises=("at most 1 M",))
    p.grow("A", c.AddTask(name="M"))
    assert p.open_parts() == {"M": "N*"}
    p.grow("A", c.Promise(text="no new N"))
    assert p.open_parts() == {}
    fail_and_begin(p, "A")
    assert p.open_parts() == {"M": "(M | N)*"}


def test_what_was_given_away_comes_back(play: type[Play]) -> None:
    p = retried(play, "A -> (w? & M*) -> B")
    p.grow("A", c.AddTask(name="w", key="w"), c.GiveHole(hole="M", to="A/w"))
    fail_and_begin(p, "A")
    assert p.owners() == {"w": "A", "M": "A"}
    assert "A/w" not in p.run.tasks


def test_an_undone_task_leaves_the_line_and_the_counts(play: type[Play]) -> None:
    p = open_run(play)
    p.add("a", "M")
    p.ok("b", "c")
    assert p.next() == "a/M-1"
    p.fail("a")
    assert p.next() is None
    assert p.run.unsettled == 1


def test_a_ready_task_that_was_held_up_is_ready_again(play: type[Play]) -> None:
    p = open_run(play)
    p.add("a", "M", before=("b",))
    p.is_(b="pending")
    p.fail("a")
    p.is_(b="ready")


def test_the_last_failure_undoes_nothing(play: type[Play]) -> None:
    """There is no further attempt whose way it could be in."""
    p = play({"a": "", "b": ""})
    p.begin("a")
    p.add("a", "M")
    p.fail("a")
    assert undone(p) == []
    p.is_(a="failed", **{"a/M-1": "ready"})
    p.ok("a/M-1", "b")
    p.ended("failed")


# --- what stays ---


@pytest.mark.parametrize("how", ["begin", "ok", "fail"])
def test_a_creation_that_has_started_stays_and_is_found_again(play: type[Play], how: str) -> None:
    p = open_run(play)
    p.grow("a", new("M", key="x"), new("N", key="y"))
    getattr(p, how)("a/x")
    fail_and_begin(p, "a")
    assert list(p.run.tasks) == ["a", "b", "c", "a/x"]
    assert p.grow("a", new("M", key="x")) == []
    p.refused("exists", "a", new("N", key="x"))
    p.grow("a", new("N", key="y"))


def test_a_creation_that_stays_is_found_by_its_number_too(play: type[Play]) -> None:
    p = open_run(play)
    p.grow("a", new("M"), new("M"), new("M"))
    p.begin("a/M-2")
    fail_and_begin(p, "a")
    assert list(p.run.tasks) == ["a", "b", "c", "a/M-2"]
    p.grow("a", new("M"), new("M"), new("M"), new("M"))
    assert set(p.run.tasks) == {"a", "b", "c", *(f"a/M-{number}" for number in (1, 2, 3, 4))}


def test_a_choice_that_something_started_on_stays_taken(play: type[Play]) -> None:
    p = play({"a": "", "b": ""}, options={"a": RETRIED})
    p.begin("a")
    p.grow("a", c.OpenHole(shape="N -> M | J -> K", hole="h", before=("b",)))
    p.grow("a", new("N", key="n"))
    p.begin("a/n")
    fail_and_begin(p, "a")
    assert p.open_parts() == {"h/M": "M"}
    assert p.grow("a", c.OpenHole(shape="N -> M | J -> K", hole="h", before=("b",))) == []
    assert p.grow("a", new("N", key="n")) == []
    p.grow("a", new("M", key="m"))
    p.ok("a", "a/n", "a/m", "b")
    p.ended("succeeded")


def test_a_hole_whose_successor_has_started_stays_closed(play: type[Play]) -> None:
    p = play({"a": "", "b": ""}, options={"a": RETRIED})
    p.say(c.OpenHole(shape="M*", hole="h", before=("b",), owner="a"))
    p.begin("a")
    p.grow("a", c.CloseHole(hole="h"))
    p.begin("b")
    fail_and_begin(p, "a")
    assert p.open_parts() == {}
    assert "it is closed" in p.refused("closed", "a", new("M", into="h"))
    p.ok("a", "b")
    p.ended("succeeded")


def test_a_hole_whose_successor_has_not_started_is_open_again(play: type[Play]) -> None:
    p = play({"a": "", "b": ""}, options={"a": RETRIED})
    p.say(c.OpenHole(shape="M*", hole="h", before=("b",), owner="a"))
    p.begin("a")
    p.grow("a", c.CloseHole(hole="h"))
    p.is_(b="ready")
    fail_and_begin(p, "a")
    assert p.open_parts() == {"h": "M*"}
    p.is_(b="pending")
    p.add("a", "M")


def test_what_others_have_built_on_stays(play: type[Play]) -> None:
    p = open_run(play)
    p.grow("a", new("M", key="x"), new("N", key="y"))
    p.begin("b")
    p.add("b", "K", after=("a/x",))
    p.fail("a")
    assert list(p.run.tasks) == ["a", "b", "c", "a/x", "b/K-1"]
    assert p.run.tasks["a/x"] in p.run.tasks["b/K-1"].before


def test_a_hole_that_others_stand_behind_stays(play: type[Play]) -> None:
    p = open_run(play)
    p.grow("a", c.OpenHole(shape="M*", hole="h"), new("M", key="m"))
    p.add(None, "K", key="k", after=("#h",))
    fail_and_begin(p, "a")
    assert list(p.run.tasks) == ["a", "b", "c", "k"]
    assert p.owners() == {"h": "a"}


def test_what_was_created_by_a_creation_that_began_stays(play: type[Play]) -> None:
    p = open_run(play)
    p.add("a", "M", key="x")
    p.begin("a/x")
    p.add("a/x", "N")
    p.fail("a")
    assert list(p.run.tasks) == ["a", "b", "c", "a/x", "a/x/N-1"]


def test_an_edge_into_what_has_begun_stays(play: type[Play]) -> None:
    p = open_run(play)
    p.ok("b")
    p.grow("a", c.AddEdge(source="b", target="c"))
    p.begin("c")
    p.fail("a")
    assert p.run.tasks["b"] in p.run.tasks["c"].before


def test_what_stays_counts(play: type[Play]) -> None:
    p = open_run(play, promises=("at most 2 M",))
    p.grow("a", new("M", key="x"), new("M", key="y"))
    p.begin("a/x")
    fail_and_begin(p, "a")
    p.add("a", "M", key="z")
    p.breaks("a", new("M", key="w"))


def test_only_the_latest_attempt_is_undone(play: type[Play]) -> None:
    """What a first attempt left behind, because something stood on it, is not the second one's."""
    p = open_run(play)
    p.add("a", "M", key="x")
    p.begin("a/x")
    fail_and_begin(p, "a")
    p.add("a", "M", key="y")
    p.ok("a/x")
    p.fail("a")
    assert list(p.run.tasks) == ["a", "b", "c", "a/x"]


def test_a_wait_is_no_end_of_an_attempt(play: type[Play]) -> None:
    p = open_run(play)
    p.add("a", "M", key="x")
    wait = ev.Wait(kind="input", message="well?")
    p.say(c.Suspend(task="a", fence=p.fence("a"), wait=wait))
    p.say(c.Answer(task="a", value=1))
    assert "a/x" in p.run.tasks
    p.begin("a")
    assert p.grow("a", new("M", key="x")) == []


def test_in_a_flow_a_closed_place_refuses_what_comes_too_late(play: type[Play]) -> None:
    p = play.flow("x -> A -> M* -> B", kinds={"x": "shell"}, options={"A": RETRIED}, owners="A")
    p.ok("x")
    p.begin("A")
    p.grow("A", c.AddTask(name="M", key="m"), c.CloseHole(hole="M"))
    fail_and_begin(p, "A")
    assert p.open_parts() == {"M": "M*"}  # B waits for A, too: it cannot have begun
    p = play({"a": "", "b": ""}, options={"a": RETRIED}, promises=("closed",), holes=HOLES)
    p.begin("a")
    p.grow("a", c.CloseHole(hole="h"))
    p.ok("b")
    fail_and_begin(p, "a")
    p.refused("closed", "a", new("M"))
    p.ok("a")
    p.ended("succeeded")


# --- what cannot be undone, and what is taken back as if it had never been ---


def test_who_is_named_by_a_promise_of_another_stays(play: type[Play]) -> None:
    """Else nobody could keep it any more: the retry would break a promise of somebody else."""
    p = open_run(play)
    p.begin("b")
    p.grow("a", new("x", key="x", after=("c",)), new("y", key="y", after=("c",)))
    p.grow("b", c.Promise(text='at least 1 M by "a/x"'))
    p.fail("a")
    assert list(p.run.tasks) == ["a", "b", "c", "a/x"]
    assert p.run.broken is None


def test_an_undoing_that_leaves_no_way_to_finish_breaks_the_promise(play: type[Play]) -> None:
    """What was undone stays so: the run is what its events say, however it ends."""
    p = play(
        {"a": "", "b": "a", "c": ""}, options={"a": RETRIED}, promises=("closed",), holes=HOLES
    )
    p.begin("a", "c")
    p.grow("a", new("M"))
    p.say(c.Promise(text="at least 1 M"))
    p.say(c.CloseHole(hole="h"))
    p.fail("a")
    assert p.broken().text == "at least 1 M"
    p.stopped("c")
    p.ended("promise_broken")


@pytest.mark.parametrize("later", [0.0, 7.0])
def test_what_a_refused_batch_had_led_to_is_taken_back(play: type[Play], later: float) -> None:
    """Tasks behind one that failed come to their end, others wait: none of it has happened."""
    p = open_run(play)
    p.fail("c")
    p.now += later
    unknown = c.AddEdge(source="a", target="nobody")
    for first in (
        c.AddEdge(source="c", target="b"),
        c.AddEdge(source="a", target="b"),
        new("M", after=("c",), before=("b",)),
    ):
        p.refused("unknown", "a", first, unknown)
        p.is_(b="ready")
        assert p.next() == "b"
    p.recover()
    p.ok("b")
