"""The oracle against what a reader of the rules works out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from .oracle import (
    AddEdge,
    Close,
    Create,
    Give,
    Move,
    Oracle,
    Promise,
    Scenario,
    Start,
    State,
    Succeed,
    hole_ids,
)
from .oracle_final import canonical
from .oracle_open import may_edges
from .oracle_parts import owners


class Play:
    """A scenario with short words for what is said in it."""

    def __init__(self, flow: str | None = None, **more: Any) -> None:
        self.oracle = Oracle()
        self.begun, state = self.oracle.begin(Scenario(flow=flow, **more))
        self.state = state

    @property
    def now(self) -> State:
        assert self.state is not None, "the scenario was refused"
        return self.state

    def say(self, move: Move) -> str:
        verdict, self.state = self.oracle.apply(self.now, move)
        return verdict

    def ok(self, *moves: Move) -> Play:
        for move in moves:
            assert self.say(move) == "ok", move
        return self

    def start(self, *names: str) -> Play:
        return self.ok(*map(Start, names))

    def create(self, creator: str, labels: str, **more: Any) -> str:
        """Create tasks one after the other and say how the last went."""
        return [self.say(Create(creator, label, **more)) for label in labels.split()][-1]

    def end(self, *names: str) -> Play:
        for name in names:
            self.ok(*([Start(name)] if name in self.ready() else []), Succeed(name))
        return self

    def ready(self) -> set[str]:
        return set(self.oracle.startable(self.now))

    def finals(self, limit: int = 3) -> int:
        return len(self.oracle.finals(self.now, limit))

    def labels(self) -> list[str]:
        """Return the labels of all later tasks of each final graph with at most three of them."""
        return sorted(
            " ".join(
                sorted(
                    label
                    for tasks, _ in final.later
                    for (label, _, _), number in tasks
                    for _ in range(number)
                )
            )
            for final in self.oracle.finals(self.now, 3)
        )


def a_map(**more: Any) -> Play:
    return Play("A -> M* -> B", **more).start("A")


def test_zero_of_a_map_still_runs_what_follows() -> None:
    play = a_map()
    assert play.labels() == ["", "M", "M M", "M M M"]
    assert play.end("A").ready() == {"B"}
    assert play.labels() == [""]


def test_nothing_follows_while_another_may_come() -> None:
    play = a_map()
    assert play.create("A", "M M") == "ok"
    assert not play.ready()
    play.end("A")
    assert play.ready() == {"A/M-1", "A/M-2"}
    assert play.end("A/M-1").ready() == {"A/M-2"}
    assert play.end("A/M-2").ready() == {"B"}


def test_a_choice_is_taken_by_its_first_task() -> None:
    play = Play("A -> (M | N) -> B").start("A")
    assert play.labels() == ["M", "N"]
    assert play.create("A", "M") == "ok"
    assert play.labels() == [""]
    assert play.create("A", "N") == "broken"


def test_a_choice_is_owed() -> None:
    assert Play("A -> (M | N) -> B").start("A").say(Succeed("A")) == "broken"
    assert Play("A -> (M? | N) -> B").start("A").say(Succeed("A")) == "ok"


def test_what_a_name_stands_for() -> None:
    play = Play("A -> X -> B where X = (N -> M) | (J -> K)").start("A")
    assert play.labels() == ["J K", "M N"]
    assert play.create("A", "J") == "ok"
    assert [task.id for task in play.now.tasks] == ["A", "B", "A/J-1", "A/K-1"]


def test_no_single_guard_is_exceeded_and_still_there_is_no_way() -> None:
    play = Play("A -> M* -> (N -> P)? -> B", guards=("at least 1 P", "at most 5 tasks")).start("A")
    assert play.labels() == ["M N P", "N P"]
    assert play.create("A", "M") == "ok"
    assert play.create("A", "M") == "broken"


def test_the_other_order_of_the_same_creations() -> None:
    play = Play("A -> M* -> (N -> P)? -> B", guards=("at least 1 P", "at most 5 tasks")).start("A")
    assert play.create("A", "N M") == "ok"
    assert play.create("A", "M") == "broken"
    assert play.end("A").ready() == {"A/M-1"}


def test_each_check_decides_on_the_next_round() -> None:
    play = Play("A -> loop(N -> K) -> B").start("A")
    assert play.say(Succeed("A")) == "broken"
    assert play.create("A", "N") == "ok"
    play.end("A", "A/N-1").start("A/K-1")
    assert play.create("A/K-1", "N") == "ok"
    assert not play.ready()
    play.end("A/K-1", "A/K-1/N-1", "A/K-1/K-1")
    assert play.ready() == {"B"}


def test_a_part_passes_to_the_task_in_front_of_it() -> None:
    play = Play("A -> (N -> M*)* -> B").start("A")
    assert play.create("A", "N N") == "ok"
    play.end("A").start("A/N-1", "A/N-2")
    assert play.create("A/N-1", "M") == "ok"
    assert play.end("A/N-1").ready() == {"A/N-1/M-1"}
    assert play.create("A/N-2", "N") == "broken"
    assert play.end("A/N-1/M-1", "A/N-2").ready() == {"B"}


def test_a_part_does_not_pass_to_who_cannot_speak_or_has_ended() -> None:
    play = Play("A -> (N -> M+)* -> B", mute=frozenset("N")).start("A")
    assert play.create("A", "N") == "ok"
    assert play.say(Succeed("A")) == "broken"


def test_giving_a_part_early() -> None:
    play = Play("A -> (N -> M+)* -> B").start("A")
    assert play.create("A", "N N") == "ok"
    assert play.say(Give("A", "N/A/N-1/M", "A/N-2")) == "ok"
    assert play.say(Give("A", "N/A/N-2/M", "B")) == "refused"
    assert play.create("A", "M") == "ok"
    assert play.create("A", "M", into="N/A/N-1/M") == "broken"


def test_two_parts_are_not_given_crosswise() -> None:
    play = Play(
        tasks=(("A", ()), ("B", ("A",))),
        holes=(("h", "M*", ("A",), ("#k",), None), ("k", "N*", (), ("B",), None)),
    ).start("A")
    assert play.create("A", "M N") == "ok"
    assert play.say(Give("A", "h", "A/N-1")) == "refused"
    assert play.say(Give("A", "k", "A/M-1")) == "ok"


def test_a_placement_must_be_unambiguous_or_addressed() -> None:
    play = Play("A -> (N -> M*)* -> B").start("A")
    assert play.create("A", "N N") == "ok"
    assert play.create("A", "M") == "refused"
    assert play.create("A", "M", into="N/A/N-2") == "ok"
    assert play.create("A", "M", into="N/+") == "ok"
    assert [task.id for task in play.now.tasks][-2:] == ["A/M-2", "A/N-3"]
    assert play.create("A", "M", into="N/A/N-9") == "refused"


def test_the_places_that_begin_the_fewest_instances_are_taken() -> None:
    play = Play(tasks=(("A", ()),), holes=(("h", "M -> M*", ("A",), (), None),)).start("A")
    assert play.create("A", "M M") == "ok"
    play.end("A")
    assert play.ready() == {"A/M-1"}
    assert play.end("A/M-1").ready() == {"A/M-2"}


def test_closing() -> None:
    play = a_map()
    assert play.create("A", "M") == "ok"
    play.ok(Close("A", "M"))
    assert play.create("A", "M") == "broken"
    assert Play("A -> M+ -> B").start("A").say(Close("A", "M")) == "broken"


def test_parts_side_by_side_are_two_holes() -> None:
    scenario = Scenario(flow="A -> (M* & N* & M?) -> B")
    assert hole_ids(scenario) == ("M", "N", "M-2")
    assert hole_ids(Scenario(flow="A -> ... -> (K -> N)+ -> B")) == ("any", "K")


@pytest.mark.parametrize(
    ("shape", "verdict"),
    [
        ("((M?)+ -> N?)", "ok"),
        ("(M?){2,3}", "ok"),
        ("M+", "broken"),
        ("(M* | N)", "ok"),
        ("(M+ -> N?)", "broken"),
        ("loop(M)", "broken"),
        ("loop(M)*", "ok"),
        ("loop(M?)", "ok"),
        ("(M & N*)?", "ok"),
        ("...", "ok"),
    ],
)
def test_what_can_be_completed_by_nothing(shape: str, verdict: str) -> None:
    assert Play(f"A -> {shape} -> B").start("A").say(Succeed("A")) == verdict


def test_a_limit_reached_closes_the_part() -> None:
    play = Play("A -> M{1,2} -> B").start("A")
    assert play.create("A", "M M") == "ok"
    assert play.create("A", "M") == "broken"


def test_no_more_said_early() -> None:
    play = Play(
        tasks=(("A", ()), ("C", ()), ("B", ())),
        holes=(("h", "M*", ("C",), ("B",), "A"),),
        closed=True,
    )
    play.start("A", "C")
    assert play.create("A", "M") == "ok"
    play.end("C", "A/M-1")
    assert not play.ready()
    assert play.say(Promise("no new M", "A")) == "ok"
    assert play.ready() == {"B"}


def test_a_last_alternative_becomes_certain() -> None:
    play = Play("A -> (M | N) -> B").start("A")
    assert play.say(Promise("no new N", "A")) == "ok"
    assert [task.id for task in play.now.tasks] == ["A", "B", "A/M-1"]
    assert play.say(Promise("no new tasks")) == "ok"


def test_guards_are_absolute() -> None:
    play = a_map()
    assert play.create("A", "M") == "ok"
    assert play.say(Promise("at least 1 M")) == "ok"
    assert play.say(Promise("at most 2 M")) == "ok"
    assert play.say(Promise("at most 2 M")) == "ok"
    assert play.labels() == ["", "M"]
    assert play.create("A", "M M") == "broken"


def test_an_untrue_promise_is_refused() -> None:
    play = a_map()
    assert play.create("A", "M M") == "ok"
    assert play.say(Promise("at most 1 M")) == "refused"
    assert play.say(Promise("at least 1 N")) == "refused"
    assert play.say(Promise("exactly 3 M")) == "ok"
    assert play.say(Promise("no new tasks")) == "refused"
    assert play.labels() == ["M"]


def test_an_obligation_outlives_nobody() -> None:
    play = a_map(guards=("at least 2 M",))
    assert play.create("A", "M") == "ok"
    assert play.say(Close("A", "M")) == "broken"
    assert play.say(Succeed("A")) == "broken"


def test_a_scope_covers_grandchildren() -> None:
    play = Play("A -> (N -> M*)* -> B", guards=("at most 1 M by A",)).start("A")
    assert play.create("A", "N") == "ok"
    play.end("A").start("A/N-1")
    assert play.create("A/N-1", "M M") == "broken"


def test_a_scope_must_exist_and_own_a_place() -> None:
    play = Play("A -> M* -> C -> N* -> B").start("A")
    assert play.say(Promise("at most 1 M by X")) == "refused"
    assert play.say(Promise("at least 1 M by C")) == "refused"
    assert play.say(Promise("at least 1 N by C")) == "ok"
    play.end("A").start("C")
    assert play.say(Succeed("C")) == "broken"


def test_a_promise_by_somebody_who_has_to_be_given_the_part() -> None:
    play = Play("A -> (N -> M*)* -> B").start("A")
    assert play.create("A", "N") == "ok"
    assert play.say(Give("A", "N/A/N-1/M", "A/N-1")) == "ok"
    assert play.say(Promise("at least 1 M by A/N-1")) == "ok"
    assert play.create("A", "N") == "ok"
    assert play.say(Promise("exactly 2 N")) == "ok"
    play.end("A").start("A/N-1", "A/N-2")
    assert play.create("A/N-2", "M") == "ok"
    assert play.say(Succeed("A/N-1")) == "broken"


def test_only_these_tasks() -> None:
    play = Play("A -> (M | N)* -> B", guards=("only tasks M, X*",)).start("A")
    assert play.labels() == ["", "M", "M M", "M M M"]
    assert play.create("A", "N") == "broken"


def test_an_open_run() -> None:
    play = Play(tasks=(("A", ()), ("B", ("A",)))).start("A")
    assert play.create("A", "X", before=("B",)) == "ok"
    assert play.ready() == {"A/X-1"}
    assert play.create("A", "Y", before=("A",)) == "refused"
    assert play.create("A", "Y", after=("B",), before=("A/X-1",)) == "refused"
    assert play.say(AddEdge("A", "A/X-1", "B")) == "ok"
    assert play.say(Promise("no edges into B")) == "ok"
    assert play.create("A", "Y", before=("B",)) == "broken"
    assert play.say(Promise("closed")) == "ok"
    assert play.create("A", "Y") == "broken"


def test_fillings_are_not_judged_by_edge_guards() -> None:
    play = Play("A -> M* -> B", guards=("no new edges", "no edges into B")).start("A")
    assert play.create("A", "M") == "ok"


def test_sealed() -> None:
    assert Play("A -> M* -> B", sealed=True).ready() == {"A"}
    assert Play("A -> M* -> B", sealed=True).start("A").create("A", "M") == "broken"
    assert Play("A -> M+ -> B", sealed=True).begun == "refused"
    play = Play(tasks=(("A", ()),), guards=("sealed",)).start("A")
    assert play.create("A", "M") == "broken"


def test_closed_leaves_the_declared_holes() -> None:
    play = Play(
        tasks=(("A", ()), ("B", ("A",))), holes=(("h", "M*", ("A",), ("B",), None),), closed=True
    ).start("A")
    assert play.create("A", "M") == "ok"
    assert play.create("A", "N") == "broken"


def test_dots_are_inherited_and_may_have_order_inside() -> None:
    play = Play("A -> ... -> B").start("A")
    assert play.create("A", "X Y") == "ok"
    assert play.create("A", "W", after=("A/X-1",), before=("A/Y-1",)) == "ok"
    assert play.end("A").ready() == {"A/X-1"}
    play.start("A/X-1")
    assert play.create("A/X-1", "V") == "ok"
    assert play.create("A/X-1", "V", before=("A",)) == "broken"
    play.end("A/X-1", "A/W-1", "A/Y-1")
    assert not play.ready() - {"A/X-1/V-1"}
    assert play.end("A/X-1/V-1").ready() == {"B"}


@pytest.mark.parametrize(
    "flow",
    [
        "M* -> B",
        "A -> (M & N) -> K* -> B",
        "(A & C) -> M* -> B",
        "A -> M** -> B",
        "A -> (M*)* -> B",
        "A -> ...* -> B",
        "A -> M{3,2} -> B",
        "A -> -> B",
    ],
)
def test_what_is_no_definition(flow: str) -> None:
    assert Play(flow).begun == "refused"


def test_an_owner_that_cannot_speak() -> None:
    assert Play("A -> C -> M* -> B", mute=frozenset("C")).begun == "refused"


def test_promises_of_a_registration_that_cannot_hold_together() -> None:
    for guards in (("at least 1 M", "at most 2 tasks"), ("at most 2 tasks", "at least 1 M")):
        assert Play("A -> M* -> B", guards=guards).begun == "refused"


def test_places_with_names() -> None:
    shape = "(x=M* & y=M*)"
    assert Play(f"A -> {shape} -> B".replace("x=", "")).begun == "refused"
    play = Play(tasks=(("A", ()),), holes=(("h", shape, ("A",), (), None),)).start("A")
    assert play.create("A", "M") == "refused"
    assert play.create("A", "M", into="h/x") == "ok"
    assert play.create("A", "M", into="h/y/+") == "ok"
    assert play.create("A", "M", into="h/y/A/M-1") == "refused"
    assert play.create("A", "M", into="h/x/A/M-1") == "broken"


@pytest.mark.parametrize("shape", ["(M* & M*)", "M* -> M*", "(N -> M | N -> K)"])
def test_places_that_nobody_could_tell_apart(shape: str) -> None:
    assert Play(f"A -> {shape} -> B").begun == "refused"


def test_in_python_the_owner_creates_each_task() -> None:
    play = Play(tasks=(("A", ()),), holes=(("h", "(N -> M)*", ("A",), (), None),), closed=True)
    assert play.start("A").create("A", "N") == "ok"
    assert [task.id for task in play.now.tasks] == ["A", "A/N-1"]
    play.end("A").start("A/N-1")
    assert play.say(Succeed("A/N-1")) == "broken"
    assert play.create("A/N-1", "M") == "ok"
    play.end("A/N-1", "A/N-1/M-1")


def test_rounds_stand_one_after_the_other() -> None:
    assert Play("A -> loop(M){0,2} -> B").finals() == 3
    assert Play("A -> loop(M | N){0,2} -> B").finals() == 1 + 2 + 4
    assert Play("A -> (M | N){0,2} -> B").finals() == 1 + 2 + 3


def test_the_nearest_task_owns_a_hole() -> None:
    play = Play("A -> (M & K*) -> N* -> B").start("A")
    assert [owners(leaf) for _, leaf in play.now.leaves()] == [("A",), ("M",)]


def test_a_taken_choice_is_the_task_in_front() -> None:
    play = Play("A -> (M | N) -> K* -> B").start("A")
    assert play.create("A", "N") == "ok"
    play.end("A").start("A/N-1")
    assert play.create("A/N-1", "K") == "ok"


def test_a_map_in_front_is_not_one_task() -> None:
    play = Play("A -> M* -> K* -> B").start("A")
    assert play.create("A", "M") == "ok"
    assert play.end("A").labels() == [""]


def test_an_owner_need_not_be_in_front() -> None:
    play = Play(tasks=(("A", ()), ("C", ()), ("B", ())), holes=(("h", "M*", ("A",), ("B",), "C"),))
    assert play.ready() == {"A", "C"}
    play.end("A")
    assert play.ready() == {"C"}
    play.start("C")
    assert play.say(Promise("sealed by C")) == "ok"
    assert play.ready() == {"B"}


def test_an_owner_behind_its_own_hole() -> None:
    assert (
        Play(tasks=(("A", ()), ("B", ())), holes=(("h", "M*", ("A",), ("B",), "B"),)).begun
        == "refused"
    )


def test_what_may_still_be_said_in_an_open_run() -> None:
    play = Play(tasks=(("A", ()), ("B", ("A",)), ("C", ())), guards=("no edges into C",))
    assert may_edges(play.oracle, play.now) == {("C", "B"), ("C", "A")}
    assert play.oracle.may_labels(play.now) == set("ABCZ")
    play.start("A")
    assert may_edges(play.oracle, play.now) == {("C", "B")}
    play.ok(Promise("no new edges"), Promise("only tasks B, X*"))
    assert may_edges(play.oracle, play.now) == set()
    assert play.oracle.may_labels(play.now) == {"B"}


def test_equal_graphs_have_one_form() -> None:
    one = canonical("A", {1: "M", 2: "N", 3: "M"}, [("A", 1), ("A", 2), ("A", 3), (1, 2)])
    same = canonical("A", {8: "N", 7: "M", 9: "M"}, [("A", 7), ("A", 8), ("A", 9), (9, 8)])
    other = canonical("A", {1: "M", 2: "N", 3: "M"}, [("A", 1), ("A", 2), ("A", 3), (2, 1)])
    kept = canonical("AM", {2: "N", 3: "M"}, [("A", "M"), ("A", 2), ("A", 3), ("M", 2)])
    assert one == same != other
    assert one != kept
