"""Who owns what a hole still needs, and what becomes of it when that task ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from callboard.workflow import Retry, TaskOptions, TaskSpec, commands as c

if TYPE_CHECKING:
    from .conftest import Play

NEW = TaskSpec(id="", name="", kind="function")


def new(name: str, **more: Any) -> c.AddTask:
    return c.AddTask(name=name, **more)


# --- succeeding ---


def test_a_part_passes_to_the_task_in_front_of_it_that_its_owner_created(play: type[Play]) -> None:
    p = play.flow("A -> (fetch -> page*)* -> B")
    p.begin("A")
    p.grow("A", new("fetch", key="x"), new("fetch", key="y"))
    p.grow("A", new("page", into="fetch/A/x"))
    assert set(p.owners().values()) == {"A"}
    p.ok("A")
    assert p.owners() == {"fetch/A/x/page": "A/x", "fetch/A/y/page": "A/y"}
    p.begin("A/x")
    p.add("A/x", "page")
    p.ok("A/x", "A/y", "A/page-1", "A/x/page-1")
    p.is_(B="ready")
    assert p.run.tasks["A/x/page-1"].created_by == "A/x"


def test_in_a_loop_the_last_task_of_a_round_decides_on_the_next(play: type[Play]) -> None:
    p = play.flow("A -> loop(work -> check) -> B")
    p.begin("A")
    p.grow("A", new("work", key="w1"))
    p.ok("A", "A/w1")
    assert p.owners() == {"work": "A/check-1"}
    p.begin("A/check-1")
    p.grow("A/check-1", new("work", key="w2"))
    p.ok("A/check-1", "A/check-1/w2")
    assert p.owners() == {"work": "A/check-1/check-1"}
    p.ok("A/check-1/check-1", "B")
    p.ended("succeeded")


def test_what_nobody_inherits_closes_if_it_needs_nothing(play: type[Play]) -> None:
    p = play.flow("A -> (fetch -> page*)* -> B", kinds={"fetch": "shell"})
    p.begin("A")
    p.grow("A", new("fetch"))
    p.ok("A")
    assert p.open_parts() == {}
    p.ok("A/fetch-1")
    p.is_(B="ready")


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("M+", ""),
        ("M | N", ""),
        ("M{2,5}", "M"),
        ("(N -> M)*", "N"),
        ("loop(N)", ""),
        ("M+ & N*", "N"),
    ],
)
def test_what_nobody_can_bring_any_more_is_broken_there_and_then(
    play: type[Play], text: str, labels: str
) -> None:
    p = play({"a": "", "b": "a", "x": ""})
    p.begin("a", "x")
    p.grow("a", c.OpenHole(shape=text, hole="h", after=("a",), before=("b",)))
    if labels:
        # A kind that cannot speak: it inherits nothing.
        p.grow("a", *[new(label, new=TaskSpec(id="", name="", kind="shell")) for label in labels])
    p.ok("a")
    violated = p.broken()
    assert (violated.task, violated.attempt) == ("a", 1)
    assert violated.text.endswith(" in 'h'")
    assert "must still come" in violated.message
    p.is_(a="failed")
    assert "x" in p.stopping()
    p.stopped("x")
    p.ended("promise_broken")


def test_the_obligation_that_passes_on_is_the_heirs(play: type[Play]) -> None:
    p = play({"a": ""})
    p.begin("a")
    p.grow("a", c.OpenHole(shape="N -> M+", hole="h"), new("N", key="n", new=NEW))
    p.ok("a")
    p.is_(a="succeeded")
    p.ok("a/n")
    p.is_(**{"a/n": "failed"})
    p.ended("promise_broken")


def test_what_is_in_front_but_was_created_by_another_inherits_nothing(play: type[Play]) -> None:
    p = play.flow("A -> x -> M* -> B", owners="A")
    p.ok("A")
    assert p.open_parts() == {}


def test_an_owner_that_owes_a_count_breaks_it_when_it_ends(play: type[Play]) -> None:
    p = play.flow("A -> M* -> B", promises=("at least 2 M",))
    p.begin("A")
    p.add("A", "M")
    p.ok("A")
    assert p.broken().text == "at least 2 M"


# --- giving ---


def test_a_part_may_be_given_to_what_its_owner_created(play: type[Play]) -> None:
    p = play.flow("A -> (w? & M*) -> B")
    p.begin("A")
    p.grow("A", new("w", key="w"))
    p.grow("A", c.GiveHole(hole="M", to="A/w"))
    assert p.owners() == {"M": "A/w"}
    assert "belongs to 'A/w'" in p.refused("refused", "A", c.CloseHole(hole="M"))
    p.ok("A")
    p.begin("A/w")
    p.add("A/w", "M")
    p.is_(B="pending")
    p.grow("A/w", c.CloseHole(hole="M"))
    p.ok("A/w", "A/w/M-1")
    p.is_(B="ready")


def test_a_grandchild_may_be_given_a_part(play: type[Play]) -> None:
    p = play({"a": ""})
    p.begin("a")
    p.grow("a", c.OpenHole(shape="M*", hole="h"), new("w", key="w", new=NEW))
    p.begin("a/w")
    p.grow("a/w", new("v", key="v", new=NEW))
    p.grow("a", c.GiveHole(hole="h", to="a/w/v"))
    assert p.owners() == {"h": "a/w/v"}


@pytest.mark.parametrize("to", ["other", "a/mute", "a/done", "a"])
def test_a_part_is_given_to_nobody_else(play: type[Play], to: str) -> None:
    p = play({"a": "", "other": ""})
    p.begin("a")
    p.grow(
        "a",
        c.OpenHole(shape="M*", hole="h"),
        new("X", key="mute", new=TaskSpec(id="", name="", kind="shell")),
        new("X", key="done", new=NEW),
    )
    p.ok("a/done")
    p.refused("refused", "a", c.GiveHole(hole="h", to=to))


def test_what_is_closed_or_belongs_to_another_is_not_given(play: type[Play]) -> None:
    p = play({"a": "", "b": ""})
    p.begin("a", "b")
    p.grow("a", c.OpenHole(shape="M*", hole="h"))
    p.grow("b", new("X", key="x", new=NEW))
    assert "belongs to 'a'" in p.refused("refused", "b", c.GiveHole(hole="h", to="b/x"))
    p.grow("a", c.CloseHole(hole="h"), new("X", key="x", new=NEW))
    p.refused("closed", "a", c.GiveHole(hole="h", to="a/x"))


def test_a_count_by_somebody_may_be_met_with_what_is_given_to_it(play: type[Play]) -> None:
    p = play.flow("A -> (w? & M*) -> B")
    p.begin("A")
    p.grow("A", new("w", key="w"), c.GiveHole(hole="M", to="A/w"))
    p.grow("A", c.Promise(text='at least 1 M by "A/w"'))
    p.ok("A")
    p.ok("A/w")
    assert p.broken().text == 'at least 1 M by "A/w"'


# --- ending any other way ---


@pytest.mark.parametrize("how", ["fail", "not_ready", "cancel", "skip"])
def test_the_obligations_of_a_task_that_did_not_succeed_bind_no_more(
    play: type[Play], how: str
) -> None:
    p = play.flow("A -> M+ -> B -> C", promises=("at least 1 M",))
    match how:
        case "fail":
            p.fail("A")
            p.is_(A="failed", B="upstream_failed", C="upstream_failed")
        case "not_ready":
            p.not_ready("A")
            p.is_(A="not_ready", B="skipped", C="skipped")
        case "cancel":
            p.begin("A")
            p.say(c.Cancel())
            p.stopped("A")
            p.is_(A="cancelled", B="cancelled")
        case _:
            p.say(c.Skip(task="A", reason="when"))
            p.ok("B", "C")
            p.is_(A="skipped", B="succeeded")
    assert p.run.ended
    assert p.run.broken is None


@pytest.mark.parametrize("how", ["fail", "not_ready", "skip"])
@pytest.mark.parametrize("promise", ["at least 1 M", "exactly 1 M by A", "at least 2 M by A"])
def test_what_stays_owed_because_of_a_failure_is_nobody_elses_fault(
    play: type[Play], how: str, promise: str
) -> None:
    """A promise never hides an ordinary failure, whoever succeeds after it."""
    p = play.flow("X -> (A -> M* -> B & Y -> N* -> C)", promises=(promise,))
    p.ok("X")
    if how == "skip":
        p.say(c.Skip(task="A", reason="when"))
        p.ok("B")
    else:
        getattr(p, how)("A")
    p.begin("Y")
    p.add("Y", "N")
    p.ok("Y", "Y/N-1", "C")
    p.ended({"fail": "failed", "not_ready": "not_ready", "skip": "succeeded"}[how])
    assert p.run.broken is None


def test_a_failure_excuses_nobody_who_could_have_kept_the_promise(play: type[Play]) -> None:
    p = play.flow("X -> (A -> M* -> B & Y -> N* -> C)", promises=("at least 1 N",))
    p.ok("X")
    p.fail("A")
    p.ok("Y")
    assert p.broken().text == "at least 1 N"


def test_what_only_a_failed_task_could_create_is_not_promised_any_more(play: type[Play]) -> None:
    p = play.flow("X -> (A -> M* -> B & Y -> N* -> C)", promises=("at least 1 M",))
    p.ok("X")
    p.fail("A")
    p.begin("Y")
    p.refused("promise_refused", "Y", c.Promise(text="at least 2 M"))
    p.grow("Y", c.Promise(text="at least 1 N"))
    p.ok("Y")
    assert p.broken().text == "at least 1 N"


def test_in_an_open_run_a_failed_task_excuses_what_it_could_have_created(play: type[Play]) -> None:
    p = play({"a": "", "b": ""}, promises=("at least 1 M",))
    p.fail("a")
    p.ok("b")
    p.ended("failed")


def test_a_hole_of_a_failed_owner_counts_for_its_successors_like_the_owner(
    play: type[Play],
) -> None:
    """Also where it does not stand in front of the hole."""
    p = play({"a": "", "b": "", "c": ""})
    p.begin("a")
    p.grow("a", c.OpenHole(shape="M*", hole="h", before=("b",)), new("M", new=NEW))
    p.fail("a")
    p.is_(b="upstream_failed", c="ready", **{"a/M-1": "ready"})
    p.ok("a/M-1", "c")
    p.ended("failed")


def test_dots_with_several_owners_outlive_one_that_fails(play: type[Play]) -> None:
    p = play.flow("A -> ... -> B")
    p.begin("A")
    p.grow("A", new("X", key="x", new=NEW))
    p.ok("A")
    assert p.owners() == {"any": "A/x"}
    p.begin("A/x")
    p.add("A/x", "Y", new=NEW)
    p.fail("A/x")
    p.is_(B="upstream_failed")


# --- cycles through owners ---


def test_an_owner_cannot_stand_behind_its_own_hole(play: type[Play]) -> None:
    p = play({"a": "", "b": "a", "c": "b"})
    p.begin("a")
    behind = new("Y", key="y", after=("#h",), new=NEW)
    give = c.GiveHole(hole="h", to="a/y")
    text = p.refused("cycle", "a", c.OpenHole(shape="M*", hole="h"), behind, give)
    assert "a/y" in text
    assert "#h" in text
    p.refused("cycle", None, c.OpenHole(shape="M*", hole="h", before=("b",), owner="c"))


def test_two_holes_given_crosswise_are_refused(play: type[Play]) -> None:
    p = play({"a": "", "z": ""})
    p.begin("a")
    p.grow("a", c.OpenHole(shape="M*", hole="g"), c.OpenHole(shape="N*", hole="h"))
    p.grow(
        "a", new("X", key="x", after=("#g",), new=NEW), new("Y", key="y", after=("#h",), new=NEW)
    )
    p.grow("a", c.GiveHole(hole="h", to="a/x"))
    text = p.refused("cycle", "a", c.GiveHole(hole="g", to="a/y"))
    for name in ("a/x", "a/y", "#g", "#h"):
        assert name in text


def test_an_edge_may_not_put_an_owner_behind_its_hole(play: type[Play]) -> None:
    p = play({"a": "", "b": "", "c": ""})
    p.begin("a")
    p.say(c.OpenHole(shape="M*", hole="h", owner="b", before=("c",)))
    assert "#h" in p.refused("cycle", "a", c.AddEdge(source="c", target="b"))


def test_a_retry_keeps_the_place_of_its_task(play: type[Play]) -> None:
    options = {"A": TaskOptions(retry=Retry(times=1, jitter=False))}
    p = play.flow("A -> M+ -> B", options=options)
    p.fail("A")
    assert p.owners() == {"M": "A"}
    p.due("retry", "A", at=9.0)
    p.begin("A")
    p.add("A", "M")
    p.ok("A", "A/M-1", "B")
    p.ended("succeeded")
