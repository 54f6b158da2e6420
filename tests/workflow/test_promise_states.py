"""How promises stand: settled, holding, owed, broken."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from callboard.workflow import TaskSpec, commands as c
from callboard.workflow._promise_states import state_of

if TYPE_CHECKING:
    from .conftest import Play

NEW = TaskSpec(id="", name="", kind="function")


def states(p: Play) -> dict[str, str]:
    return {promise.text: state_of(p.run, promise) for promise in p.run.growth.promises}


def state(p: Play) -> str:
    (found,) = states(p).values()
    return found


@pytest.mark.parametrize(
    "text",
    [
        *("at most 2 M", "no new M", "no new tasks", "no new edges", "sealed", "closed"),
        *("only tasks M", "only edges a -> *", "no edges into b", "at most 1 rounds of a"),
        *("at most 1 M by a", "closed by a", "at most 9 tasks"),
        *("no new looks", "no new looks by a"),
    ],
)
def test_what_somebody_could_still_break_is_holding_until_nobody_can(
    play: type[Play], text: str
) -> None:
    p = play({"a": "", "b": "a"}, kinds={"b": "shell"}, promises=(text,))
    assert state(p) == "holding"
    p.ok("a")
    assert state(p) == "settled"
    p.ok("b")
    assert state(p) == "settled"


@pytest.mark.parametrize("text", ["at least 1 M", "exactly 1 M"])
def test_what_has_not_come_is_owed(play: type[Play], text: str) -> None:
    p = play({"a": "", "b": "a"}, promises=(text,))
    assert state(p) == "owed"
    p.begin("a")
    p.add("a", "M")
    assert state(p) == ("settled" if text.startswith("at") else "holding")
    p.ok("a", "a/M-1", "b")
    assert state(p) == "settled"


def test_what_a_failure_left_owed_stays_owed(play: type[Play]) -> None:
    p = play.flow("A -> M+ -> B", promises=("at least 1 M",))
    p.fail("A")
    p.ended("failed")
    assert state(p) == "owed"


def test_the_one_that_was_broken_is_and_no_other(play: type[Play]) -> None:
    p = play({"a": ""}, promises=("at most 9 tasks", "no new M"))
    p.begin("a")
    p.breaks("a", c.AddTask(name="M", new=NEW))
    assert states(p) == {"at most 9 tasks": "holding", "no new M": "broken"}
    p.stopped("a")
    assert states(p) == {"at most 9 tasks": "settled", "no new M": "broken"}
    p.say(c.Restart(task="a"))
    assert states(p) == {"at most 9 tasks": "holding", "no new M": "holding"}


def test_an_upper_end_is_settled_when_no_place_for_the_label_is_left(play: type[Play]) -> None:
    p = play.flow("A -> (M* & N*) -> B", promises=("at most 2 M", "at most 2 N"))
    p.begin("A")
    assert set(states(p).values()) == {"holding"}
    p.grow("A", c.CloseHole(hole="M"))
    assert states(p) == {"at most 2 M": "settled", "at most 2 N": "holding"}
    p.grow("A", *[c.AddTask(name="N") for _ in range(2)])
    assert states(p) == {"at most 2 M": "settled", "at most 2 N": "settled"}


def test_a_lower_end_that_is_reached_is_settled_for_good(play: type[Play]) -> None:
    p = play.flow("A -> M* -> B", promises=("at least 2 M",))
    p.begin("A")
    for expected in ("owed", "owed", "settled", "settled"):
        assert state(p) == expected
        p.add("A", "M")
