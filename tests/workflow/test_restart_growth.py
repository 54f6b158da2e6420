"""Restarts of tasks that have created others: what belongs to the generation that ended goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from callboard.workflow import TaskSpec, commands as c

if TYPE_CHECKING:
    from .conftest import Play

NEW = TaskSpec(id="", name="", kind="function")


def new(name: str, **more: Any) -> c.AddTask:
    return c.AddTask(name=name, new=NEW, **more)


def generations(p: Play) -> dict[str, int]:
    return {name: task.generation for name, task in p.run.tasks.items()}


def test_what_a_task_has_created_goes_with_its_generation(play: type[Play]) -> None:
    p = play({"a": "", "b": "a", "x": ""})
    p.begin("a")
    p.grow("a", new("M", before=("b",)), new("N", key="y"))
    p.ok("a", "a/M-1", "a/y", "b")
    p.say(c.Restart(task="a"))
    assert generations(p) == {"a": 2, "b": 2, "x": 1}
    p.is_(a="ready", b="pending")
    p.begin("a")
    assert p.add("a", "M", before=("b",)) == "a/M-1"
    p.ok("a", "a/M-1", "b", "x")
    p.ended("succeeded")


def test_what_runs_of_it_is_stopped_first(play: type[Play]) -> None:
    p = play({"a": "", "x": ""})
    p.begin("a")
    p.add("a", "M")
    p.begin("a/M-1", "x")
    p.ok("a")
    p.say(c.Restart(task="a"))
    assert p.stopping() == {"a/M-1"}
    assert "a/M-1" in p.run.tasks
    p.stopped("a/M-1")
    assert list(p.run.tasks) == ["a", "x"]


def test_it_covers_all_behind_what_was_created_and_all_that_that_created(play: type[Play]) -> None:
    p = play({"a": "", "b": "", "c": "b", "x": ""})
    p.begin("a")
    p.add("a", "M", key="m", before=("b",))
    p.ok("a")
    p.begin("a/m")
    p.add("a/m", "K")
    p.ok("a/m", "a/m/K-1", "b", "c", "x")
    p.ended("succeeded")
    p.say(c.Restart(task="a"))
    assert generations(p) == {"a": 2, "b": 2, "c": 2, "x": 1}
    assert p.run.state == "running"


def test_it_covers_what_stands_behind_holes_that_the_task_owned(play: type[Play]) -> None:
    p = play.flow("z -> (A -> M* -> B -> C & X)", kinds={"z": "shell"})
    p.ok("z")
    p.begin("A")
    p.add("A", "M")
    p.ok("A", "A/M-1", "B", "C", "X")
    p.say(c.Restart(task="A"))
    assert generations(p) == {"z": 1, "A": 2, "B": 2, "C": 2, "X": 1}
    assert p.open_parts() == {"M": "M*"}
    p.is_(B="pending")
    p.ok("A", "B", "C")
    p.ended("succeeded")


def test_a_hole_is_as_it_was_when_the_generation_began(play: type[Play]) -> None:
    p = play.flow("A -> (w? & (N -> M | J)) -> B", promises=("at most 9 tasks",))
    p.begin("A")
    p.grow("A", c.AddTask(name="w", key="w"), c.AddTask(name="J"))
    p.ok("A", "A/w", "A/J-1", "B")
    p.say(c.Restart(task="A"))
    assert p.open_parts() == {"w": "w?", "N": "N -> M | J"}
    assert p.owners() == {"w": "A", "N": "A"}
    p.begin("A")
    p.grow("A", c.AddTask(name="N"))
    p.ok("A", "A/N-1", "A/M-1", "B")
    p.ended("succeeded")


def test_archived_tasks_are_not_counted(play: type[Play]) -> None:
    p = play({"a": "", "x": ""}, promises=("at most 2 M", "at most 1 M by a"))
    p.begin("a")
    p.add("a", "M")
    p.ok("a", "a/M-1")
    p.say(c.Restart(task="a"))
    guards = p.run.growth.guards.tasks
    assert (guards["M", None].count, guards["M", "a"].count) == (0, 0)
    p.begin("a")
    p.add("a", "M")
    p.breaks("a", new("M"))


def test_what_a_task_promised_goes_with_its_generation_and_other_promises_stay(
    play: type[Play],
) -> None:
    p = play({"a": "", "b": ""}, promises=("at most 5 tasks",))
    p.begin("a", "b")
    p.grow("a", c.Promise(text="sealed"))
    p.ok("a")
    p.say(c.Restart(task="a"))
    assert [each.text for each in p.run.growth.promises] == ["at most 5 tasks"]
    assert not p.run.growth.sealed
    p.add("b", "M")


def test_a_created_task_that_is_restarted_stays(play: type[Play]) -> None:
    p = play({"a": "", "b": ""})
    p.begin("a")
    p.add("a", "M", key="m", before=("b",))
    p.ok("a")
    p.begin("a/m")
    p.add("a/m", "K")
    p.ok("a/m", "a/m/K-1", "b")
    p.say(c.Restart(task="a/m"))
    assert generations(p) == {"a": 1, "b": 2, "a/m": 2}
    p.begin("a/m")
    p.ok("a/m", "b")
    p.ended("succeeded")


def test_edges_and_holes_of_a_task_go_with_its_generation(play: type[Play]) -> None:
    p = play({"a": "", "b": "", "c": ""})
    p.begin("a")
    p.grow("a", c.AddEdge(source="b", target="c"), c.OpenHole(shape="M*", hole="h"))
    p.ok("a")
    p.say(c.Restart(task="a"))
    assert p.run.holes == {}
    assert p.run.tasks["c"].before == []
    p.is_(a="ready", c="ready")


def test_what_others_put_into_the_hole_of_a_task_goes_too(play: type[Play]) -> None:
    p = play.flow("A -> (fetch -> page*)* -> B")
    p.begin("A")
    p.grow("A", c.AddTask(name="fetch", key="f"))
    p.ok("A")
    p.begin("A/f")
    p.add("A/f", "page")
    p.ok("A/f", "A/f/page-1", "B")
    p.say(c.Restart(task="A/f"))
    assert list(p.run.tasks) == ["A", "B", "A/f"]
    assert p.owners() == {"fetch/A/f/page": "A/f"}
    p.is_(B="pending")
    p.ok("A/f", "B")
    p.ended("succeeded")


def test_a_failed_owner_may_be_restarted_with_its_hole(play: type[Play]) -> None:
    p = play.flow("A -> M+ -> B")
    p.fail("A")
    p.ended("failed")
    p.say(c.Restart(task="A"))
    assert p.owners() == {"M": "A"}
    p.begin("A")
    p.add("A", "M")
    p.ok("A", "A/M-1", "B")
    p.ended("succeeded")


def test_a_task_that_broke_a_promise_may_be_restarted(play: type[Play]) -> None:
    p = play({"a": "", "b": "a"}, promises=("at most 1 M",))
    p.begin("a")
    p.grow("a", new("M"))
    p.breaks("a", new("M"))
    p.stopped("a")
    p.ended("promise_broken")
    p.say(c.Restart(task="a"))
    assert p.run.broken is None
    p.begin("a")
    p.add("a", "M")
    p.ok("a", "a/M-1", "b")
    p.ended("succeeded")


def test_a_restart_of_what_somebody_else_created_with_what_it_owned(play: type[Play]) -> None:
    """An instance that is restarted in a loop: later rounds are its creations, and go."""
    p = play.flow("A -> loop(work -> check) -> B")
    p.begin("A")
    p.grow("A", c.AddTask(name="work", key="w1"))
    p.ok("A", "A/w1")
    p.begin("A/check-1")
    p.grow("A/check-1", c.AddTask(name="work", key="w2"))
    p.ok("A/check-1", "A/check-1/w2", "A/check-1/check-1", "B")
    p.say(c.Restart(task="A/check-1"))
    assert generations(p) == {"A": 1, "B": 2, "A/w1": 1, "A/check-1": 2}
    assert p.owners() == {"work": "A/check-1"}
    p.ok("A/check-1", "B")
    p.ended("succeeded")


def test_what_comes_by_itself_comes_again(play: type[Play]) -> None:
    p = play.flow("A -> (N -> M)* -> B")
    p.begin("A")
    p.grow("A", c.AddTask(name="N", key="n"))
    p.ok("A", "A/n")
    p.begin("A/M-1")
    p.say(c.Restart(task="A/n"))
    p.stopped("A/M-1")
    assert generations(p) == {"A": 1, "B": 2, "A/n": 2, "A/M-1": 2}
    p.ok("A/n", "A/M-1", "B")
    p.ended("succeeded")
