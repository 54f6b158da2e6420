"""Where a creation goes, and what waits for what in a hole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest

from callboard.workflow import TaskSpec, commands as c
from callboard.workflow._graph import Vertex, path

if TYPE_CHECKING:
    from .conftest import Play

NEW = TaskSpec(id="", name="", kind="function")


def new(name: str, after: str = "", before: str = "", **more: Any) -> c.AddTask:
    names = tuple(after.split()), tuple(before.split())
    return c.AddTask(name=name, after=names[0], before=names[1], **more)


def opened(play: type[Play], text: str, needs: dict[str, str] | None = None) -> Play:
    """Return an open run with a hole between `a` and `b`, where names do not fill themselves."""
    p = play(needs or {"a": "", "b": ""})
    p.begin("a")
    p.grow("a", c.OpenHole(shape=text, hole="h", after=("a",), before=("b",)))
    return p


def goes_to(p: Play, label: str, **more: Any) -> str:
    """Create a task of `a` and return the address of the part that it came into."""
    part = p.run.tasks[p.add("a", label, **more)].part
    return "" if part is None else part.address


# --- addresses ---


def test_addresses_are_paths_of_instance_keys_and_never_numbers(play: type[Play]) -> None:
    p = opened(play, "(N -> (M -> K)*)* & J*")
    assert p.open_parts() == {"h/N": "(N -> (M -> K)*)*", "h/J": "J*"}
    p.grow("a", new("N", key="x"), new("N", key="y"))
    assert set(p.open_parts()) == {"h/N", "h/J", "h/N/a/x/M", "h/N/a/y/M"}
    p.grow("a", new("M", key="z", into="h/N/a/y/M"))
    assert p.open_parts()["h/N/a/y/M/a/z/K"] == "K"


def test_places_that_have_names_are_addressed_by_them(play: type[Play]) -> None:
    p = opened(play, "first=M* -> second=M*")
    assert set(p.open_parts()) == {"h/first", "h/second"}
    assert "h/first/+, h/second/+" in p.refused("ambiguous", "a", new("M"))
    assert goes_to(p, "M", into="h/second") == "h/second"
    assert goes_to(p, "M", into="h/first/+") == "h/first"


def test_each_side_and_each_step_is_a_part_of_its_own(play: type[Play]) -> None:
    p = opened(play, "M* -> N? -> (K* & L*)")
    assert set(p.open_parts()) == {"h/M", "h/N", "h/K", "h/L"}


# --- the fewest new instances ---


def test_a_creation_goes_where_it_begins_the_fewest_new_instances(play: type[Play]) -> None:
    p = opened(play, "(N -> M)*")
    assert goes_to(p, "N", key="x") == "h"
    assert goes_to(p, "M") == "h/a/x/M"
    assert goes_to(p, "M") == "h"


def test_a_first_creation_may_begin_an_instance_in_its_middle(play: type[Play]) -> None:
    p = opened(play, "(N -> M)*")
    assert goes_to(p, "M") == "h"
    assert p.open_parts() == {"h": "(N -> M)*", "h/a/M-1/N": "N"}
    assert goes_to(p, "N") == "h/a/M-1/N"


def test_of_two_places_that_are_as_near_none_is_chosen(play: type[Play]) -> None:
    p = opened(play, "(N -> M*)*")
    p.grow("a", new("N", key="x"), new("N", key="y"))
    text = p.refused("ambiguous", "a", new("M"))
    assert "h/a/x/M" in text
    assert "h/a/y/M" in text
    assert "into=" in text
    assert goes_to(p, "M", into="h/a/y/M") == "h/a/y/M"
    assert goes_to(p, "M", into="h/a/x") == "h/a/x/M"
    assert goes_to(p, "M", after=("a/x",)) == "h/a/x/M"


def test_a_plus_begins_a_new_instance(play: type[Play]) -> None:
    p = opened(play, "(N -> M)*")
    p.grow("a", new("N", key="x"))
    assert goes_to(p, "M", into="h/+") == "h"
    assert set(p.open_parts()) == {"h", "h/a/x/M", "h/a/M-1/N"}


def test_a_declared_hole_goes_before_a_wildcard(play: type[Play]) -> None:
    p = opened(play, "M*")
    assert goes_to(p, "M", new=NEW) == "h"
    assert goes_to(p, "N", new=NEW) == ""
    p = opened(play, "M* -> ...")
    assert goes_to(p, "M") == "h/M"
    assert goes_to(p, "N") == "h/any"


def test_a_hole_of_somebody_else_takes_nothing(play: type[Play]) -> None:
    p = opened(play, "M*", {"a": "", "b": "", "x": ""})
    p.begin("x")
    assert p.run.tasks[p.add("x", "M")].part is None


def test_who_owns_two_holes_for_a_label_says_which(play: type[Play]) -> None:
    p = opened(play, "M*")
    p.grow("a", c.OpenHole(shape="M*", hole="g", after=("a",)))
    assert "'h'" not in p.refused("ambiguous", "a", new("M"))
    assert goes_to(p, "M", into="g") == "g"
    assert goes_to(p, "M", before=("b",)) == "h"


def test_what_has_no_place_in_a_hole_breaks_the_promise_that_it_is(play: type[Play]) -> None:
    p = opened(play, "M*")
    p.breaks("a", new("K", into="h"))


def test_a_hole_that_is_full_takes_nothing_more(play: type[Play]) -> None:
    for text, labels, late in (
        ("M{1,2}", "MM", "M"),
        ("N -> M", "NM", "N"),
        ("M | N", "M", "N"),
        ("M?", "M", "M"),
    ):
        p = play.flow(f"A -> ({text}) -> B")
        p.begin("A")
        for label in labels:
            if not any(task.spec.name == label for task in p.run.tasks.values()) or text[1] == "{":
                p.grow("A", c.AddTask(name=label))
        broken = p.breaks("A", c.AddTask(name=late))
        full = [f"{hole.shape} in {hole.name!r}" for hole in p.run.holes.values()]
        assert [broken.text] == (full or ["closed"])
        assert "no place" in broken.message


@pytest.mark.parametrize("text", ["M* & M*", "M* -> M*", "(N -> M) | (N -> K)", "x=M & x=M"])
def test_a_shape_that_can_never_be_filled_is_refused(play: type[Play], text: str) -> None:
    p = play({"a": ""})
    p.begin("a")
    p.refused("ambiguous", "a", c.OpenHole(shape=text))


# --- after and before ---


def test_after_and_before_choose_a_place_and_make_no_edge(play: type[Play]) -> None:
    p = opened(play, "first=M* -> second=M*")
    assert goes_to(p, "M", key="x", into="h/first") == "h/first"
    assert goes_to(p, "M", key="y", after=("a/x",)) == "h/second"
    assert goes_to(p, "M", key="z", after=("a/x",), before=("b",)) == "h/second"
    y = p.run.tasks["a/y"]
    assert p.run.tasks["a/x"] not in y.before


def test_siblings_of_a_map_have_no_edges_but_by_a_wildcard(play: type[Play]) -> None:
    p = play.flow("A -> M* -> B")
    p.begin("A")
    p.grow("A", new("M", key="x"))
    p.breaks("A", new("M", after="A/x"))
    p = opened(play, "M*")
    p.grow("a", new("M", key="x"))
    assert p.run.tasks[p.add("a", "M", after=("a/x",))].part is None


def test_in_a_loop_a_round_comes_after_the_latest(play: type[Play]) -> None:
    p = opened(play, "loop(N -> M)")
    p.grow("a", new("N", key="n1"), new("M", key="m1"), new("N", key="n2"))
    tasks = p.run.tasks
    assert path([tasks["a/m1"]], {tasks["a/n2"]})
    p.grow("a", new("M", key="m2"))
    p.ok("a", "a/n1", "a/m1", "a/n2")
    p.is_(b="pending", **{"a/m2": "ready"})
    p.ok("a/m2", "b")
    p.ended("succeeded")


def test_anything_may_come_between_what_is_in_front_of_dots_and_what_is_behind(
    play: type[Play],
) -> None:
    p = play.flow("A -> ... -> B", kinds={"B": "shell"})
    p.begin("A")
    p.grow("A", new("X", key="x", new=NEW), new("Y", after="A/x", key="y", new=NEW))
    p.grow("A", c.AddTask(name="Z", key="z", new=NEW, before=("A/x", "B")))
    tasks = p.run.tasks
    for earlier, later in (("A/x", "A/y"), ("A/z", "A/x"), ("A", "A/z"), ("A/y", "B")):
        assert path([tasks[earlier]], {tasks[later]})
    assert not path([tasks["A/z"]], {tasks["A"]})
    p.ok("A", "A/z")
    p.begin("A/x")
    p.grow("A/x", new("W", key="w", new=NEW, after="A/z"))
    assert path([tasks["A/x/w"] if "A/x/w" in tasks else p.run.tasks["A/x/w"]], {tasks["B"]})
    p.is_(B="pending")
    p.ok("A/x", "A/y", "A/x/w")
    p.is_(B="ready")


def test_in_dots_only_tasks_of_them_are_named(play: type[Play]) -> None:
    p = play.flow("A -> (... & N*) -> B")
    p.begin("A")
    p.grow("A", new("N", key="n"))
    p.breaks("A", new("X", after="A/n", new=NEW))


def test_dots_are_inherited_by_each_task_in_them_that_can_speak(play: type[Play]) -> None:
    p = play.flow("A -> ... -> B")
    p.begin("A")
    p.grow("A", new("X", key="x", new=NEW), new("Y", key="y"))
    assert p.owners() == {"any": "A A/x"}
    p.ok("A", "A/x", "A/y")
    p.is_(B="ready")
    assert p.open_parts() == {}


# --- closing early ---


@pytest.mark.parametrize(
    ("text", "promises", "labels", "left"),
    [
        ("M*", ["at most 2 M"], "MM", {}),
        ("M*", ["exactly 2 M"], "MM", {}),
        ("M*", ["at most 4 tasks"], "MM", {}),
        ("M* & N*", ["at most 1 M"], "M", {"h/N": "N*"}),
        ("(N -> M)*", ["at most 1 M"], "N", {"h/a/N-1/M": "M"}),
        ("M | N", ["no new M"], "", {"h/N": "N"}),
        ("(M -> K) | N | J", ["no new K"], "", {"h": "N | J"}),
        ("(M -> K) | N?", ["no new N"], "", {"h": "M -> K | ()"}),
        ("(M | N)*", ["no new M"], "", {"h": "N*"}),
        ("M* -> N?", ["only tasks N"], "", {"h/N": "N?"}),
        ("... & M*", ["only tasks K"], "", {"h/any": "..."}),
        ("...", ["no new tasks"], "", {}),
        ("M* -> (N -> P)?", ["at least 1 P", "at most 4 tasks"], "", {"h/N": "(N -> P)?"}),
    ],
)
def test_a_part_in_which_nothing_can_come_closes_itself(
    play: type[Play], text: str, promises: list[str], labels: str, left: dict[str, str]
) -> None:
    p = opened(play, text)
    p.say(c.Promise(text="closed"))
    for promise in promises:
        p.grow("a", c.Promise(text=promise))
    p.grow("a", *map(new, labels))
    assert p.open_parts() == left


def test_a_last_alternative_is_certain_and_in_a_flow_a_task_at_once(play: type[Play]) -> None:
    p = play.flow("A -> (N -> M | J -> K) -> B")
    p.begin("A")
    p.grow("A", c.Promise(text="no new J"))
    assert list(p.run.tasks) == ["A", "B", "A/N-1", "A/M-1"]
    assert {task.created_by for task in p.run.tasks.values()} == {None, "A"}


def test_b_starts_as_soon_as_nothing_more_can_come_and_what_is_there_has_ended(
    play: type[Play],
) -> None:
    p = play.flow("x -> A -> M* -> B", kinds={"x": "shell"})
    p.ok("x")
    p.begin("A")
    p.grow("A", new("M", key="m"), c.Promise(text="no new M"))
    assert p.run.open_holes == 0
    p.ok("A", "A/m")
    p.is_(B="ready")


def test_a_count_need_not_be_small(play: type[Play]) -> None:
    """Ten thousand is as cheap as one: counts are never gone through."""
    p = opened(play, "(N -> M?)* & K{10000,}")
    p.grow("a", *[c.Promise(text=text) for text in ("closed", "exactly 10000 M", "no new J")])
    assert set(p.open_parts()) == {"h/N", "h/K"}
    p.refused("promise_refused", "a", c.Promise(text="at most 29999 tasks"))
    p.grow("a", c.Promise(text="at most 30002 tasks"))
    p.grow("a", new("N", key="x"))


# --- joints ---


def edges(p: Play) -> int:
    return sum(len(vertex.after) for vertex in p.run.vertices())


def test_a_join_has_no_edge_for_each_pair(play: type[Play]) -> None:
    p = opened(play, "M* -> N* -> K")
    before = edges(p)
    p.grow("a", *[new("M") for _ in range(30)], *[new("N") for _ in range(30)])
    assert edges(p) - before == 2 * 60
    assert len(p.run.tasks["b"].before) == 1


def test_an_empty_hole_counts_as_done(play: type[Play]) -> None:
    for text in ("M*", "M?", "(N -> M)*", "loop(N)*", "...", "M* & N*", "M* -> N*", "M | ()"):
        p = play.flow(f"A -> ({text}) -> B")
        p.ok("A")
        p.is_(B="ready")
        p.ok("B")
        p.ended("succeeded")


def test_two_sides_close_one_without_the_other(play: type[Play]) -> None:
    p = play.flow("A -> (M* -> x & N* -> y) -> B", owners="A")
    p.begin("A")
    p.grow("A", new("M", key="m"), c.CloseHole(hole="M"))
    assert p.owners() == {"N": "A"}
    p.grow("A", new("N", key="n"))
    assert set(p.open_parts()) == {"N"}


def test_what_follows_a_hole_waits_for_its_predecessors_even_if_it_is_closed(
    play: type[Play],
) -> None:
    p = play.flow("A -> x -> M* -> B", owners="A")
    p.begin("A")
    p.grow("A", c.CloseHole(hole="M"))
    p.ok("A")
    p.is_(B="pending")
    p.ok("x")
    p.is_(B="ready")


def test_a_failure_in_a_hole_reaches_what_is_behind_it(play: type[Play]) -> None:
    p = play.flow("A -> M* -> B")
    p.begin("A")
    p.grow("A", new("M", key="x"), new("M", key="y"))
    p.ok("A")
    p.fail("A/x")
    p.is_(B="upstream_failed", **{"A/y": "ready"})
    p.ok("A/y")
    p.ended("failed")


def test_names_that_have_become_certain_are_tasks_at_once(play: type[Play]) -> None:
    p = play.flow("A -> (N -> M & K)* -> B")
    p.begin("A")
    p.grow("A", new("N"))
    assert list(p.run.tasks) == ["A", "B", "A/N-1", "A/M-1", "A/K-1"]
    p.grow("A", new("N"))
    assert list(p.run.tasks)[5:] == ["A/N-2", "A/M-2", "A/K-2"]
    assert p.grow("A", new("M", key="M-1")) == []


def test_what_a_task_is_given_that_came_by_itself_is_refused_and_not_ignored(
    play: type[Play],
) -> None:
    p = play.flow("A -> (N -> M)? -> B")
    p.begin("A")
    p.grow("A", new("N"))
    assert p.grow("A", new("M", key="M-1"), new("M", key="M-1", new=NEW)) == []
    given = new("M", key="M-1", inputs={"x": 1})
    for more in (given, new("M", key="M-1", new=attrs.evolve(NEW, kind="python"))):
        why = p.refused("exists", "A", more)
        assert "'A/M-1' already: it came by itself" in why
        assert "say it in the definition" in why
    broken = p.breaks("A", new("M"))
    assert (
        "('A/M-1' came by itself, as all does in a flow that has become certain)" in broken.message
    )


def vertex(p: Play, name: str) -> Vertex:
    return p.run.vertex(name)


def test_a_hole_in_an_open_run_is_filled_by_its_owner_alone(play: type[Play]) -> None:
    p = opened(play, "N -> M")
    assert list(p.run.tasks) == ["a", "b"]
    p.grow("a", new("N"), new("M"))
    assert path([vertex(p, "a/N-1")], {vertex(p, "a/M-1")})
    assert path([vertex(p, "a/M-1")], {vertex(p, "b")})
