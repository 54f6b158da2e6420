"""Holes: barriers where tasks may still come."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from callboard.workflow import (
    Command,
    Refused,
    commands as c,
)

if TYPE_CHECKING:
    from .conftest import Play

CHAIN = {"a": "", "b": "a", "c": "b"}


def hole(name: str, after: str = "", before: str = "", owner: str | None = None) -> c.OpenHole:
    return c.OpenHole(
        hole=name,
        shape="...",
        owner=owner,
        after=tuple(after.split()),
        before=tuple(before.split()),
    )


def test_a_hole_in_front_of_a_ready_task_makes_it_wait_until_it_closes(play: type[Play]) -> None:
    p = play({"a": "", "b": ""})
    p.say(hole("h", before="b"))
    p.is_(b="pending")
    p.ok("a")
    assert p.next() is None
    assert not p.run.ended
    p.say(c.CloseHole(hole="h"))
    assert p.say(c.CloseHole(hole="h")) == []
    assert [t.id for t in iter(p.run.pop_ready, None)] == ["b"]
    p.ok("b")
    p.ended("succeeded")


def test_a_closed_hole_lets_go_when_all_before_it_have(play: type[Play]) -> None:
    p = play({"a": "", "b": ""})
    p.say(hole("h", after="a", before="b"))
    p.say(c.CloseHole(hole="h"))
    p.is_(b="pending")
    p.ok("a")
    p.is_(b="ready")


def test_holes_stand_behind_holes(play: type[Play]) -> None:
    p = play({"a": "", "b": ""})
    p.say(hole("h1", after="a"))
    p.say(hole("h2", after="#h1", before="b"))
    p.say(c.CloseHole(hole="h2"))
    p.ok("a")
    p.is_(b="pending")
    p.say(c.CloseHole(hole="h1"))
    p.is_(b="ready")


def test_a_run_does_not_end_while_a_hole_is_open_unless_it_is_stopped(play: type[Play]) -> None:
    p = play({"a": ""})
    p.say(hole("h", after="a"))
    p.ok("a")
    assert not p.run.ended
    p.say(c.Cancel())
    p.ended("cancelled")
    p = play({"a": ""})
    p.say(hole("h"))
    p.ok("a")
    p.say(c.CloseHole(hole="h"))
    p.ended("succeeded")


def test_a_draining_run_ends_although_a_hole_is_open(play: type[Play]) -> None:
    p = play({"a": ""}, on_failure="drain")
    p.say(hole("h"))
    p.fail("a")
    p.ended("failed")


def test_a_failure_reaches_through_holes(play: type[Play]) -> None:
    p = play({"a": "", "b": "", "c": "b"})
    p.say(hole("h1", after="a"))
    p.say(hole("h2", after="#h1", before="b"))
    p.fail("a")
    p.is_(b="upstream_failed", c="upstream_failed")


def test_a_hole_behind_something_that_failed_gives_up_what_it_is_put_before(
    play: type[Play],
) -> None:
    p = play({"a": "", "b": "", "x": ""})
    p.fail("a")
    p.say(hole("h", after="a", before="b"))
    p.is_(b="upstream_failed")


def test_nothing_is_put_in_front_of_what_has_begun(play: type[Play]) -> None:
    p = play({"a": "", "b": "a"})
    p.begin("a")
    with pytest.raises(Refused, match="in front of 'a'"):
        p.say(hole("h", before="a"))
    p.say(hole("h", after="", before="b"))
    p.say(c.CloseHole(hole="h"))
    with pytest.raises(Refused, match="in front of '#h'"):
        p.say(hole("g", before="#h"))


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (hole("h", after="c", before="a"), "#h → a → b → c → #h"),
        (hole("h", after="nobody"), "no task 'nobody'"),
        (hole("h", after="#nothing"), "no task '#nothing'"),
        (hole("g"), "has a hole 'g' already"),
        (hole("h", owner="nobody"), "no task 'nobody'"),
        (c.CloseHole(hole="h"), "no hole 'h'"),
    ],
)
def test_a_hole_that_cannot_be_is_refused_and_nothing_changes(
    play: type[Play], bad: Command, words: str
) -> None:
    p = play(CHAIN)
    p.say(hole("g"))
    before = p.facts()
    with pytest.raises(Refused, match=words):
        p.say(bad)
    assert p.facts() == before


def test_a_restart_waits_at_holes_again_and_opens_those_its_tasks_had_closed(
    play: type[Play],
) -> None:
    p = play({"a": "", "b": "", "c": "b"})
    p.say(hole("own", after="a", before="b", owner="a"))
    p.say(hole("other", after="a", before="b"))
    p.say(c.CloseHole(hole="own"))
    p.say(c.CloseHole(hole="other"))
    p.ok("a", "b", "c")
    p.ended("succeeded")
    p.say(c.Restart(task="a"))
    p.is_(a="ready", b="pending")
    assert p.run.open_holes == 1
    p.ok("a")
    p.is_(b="ready")  # what an owner leaves open, and needs nothing, closes with its success
    assert p.run.open_holes == 0
    p.ok("b", "c")
    p.ended("succeeded")


def test_a_restart_covers_what_is_behind_the_holes_of_its_tasks(play: type[Play]) -> None:
    p = play({"a": "", "b": ""})
    p.say(hole("h", before="b", owner="a"))
    p.say(c.CloseHole(hole="h"))
    p.ok("a", "b")
    p.say(c.Restart(task="a"))
    p.is_(a="ready", b="pending")


def test_a_hole_opened_behind_a_waiting_restart_holds_what_is_behind_it(play: type[Play]) -> None:
    p = play({"a": "", "b": "a", "x": ""})
    p.ok("a")
    p.begin("b")
    p.say(c.Restart(task="a"))
    p.say(hole("h", after="a", before="x"))
    p.say(c.CloseHole(hole="h"))
    assert "x" in p.run.held
    assert p.next() is None
    p.stopped("b")
    p.is_(a="ready", x="pending")
