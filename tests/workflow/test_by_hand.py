"""Settling tasks by hand, and what follows for those behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from callboard.workflow import (
    Refused,
    Retry,
    RunState,
    TaskOptions,
    TaskState,
    Wait,
    commands as c,
)

if TYPE_CHECKING:
    from .conftest import Play

CHAIN = {"a": "", "b": "a", "c": "b"}


def retrying(**policy: Any) -> TaskOptions:
    options: dict[str, Any] = {"jitter": False, "delay": 10.0, **policy}
    return TaskOptions(retry=Retry(**options))


def hand(task: str, state: str, **more: Any) -> c.Settle:
    return c.Settle(task=task, state=TaskState(state), by="me", **more)


@pytest.mark.parametrize("state", ["succeeded", "skipped"])
def test_settling_a_task_that_has_not_run_lets_the_others_go_on(
    play: type[Play], state: str
) -> None:
    p = play(CHAIN)
    p.say(hand("a", state, output=3 if state == "succeeded" else None))
    p.is_(a=state, b="ready")
    assert p.run.tasks["a"].settled_by == "me"
    p.ok("b", "c")
    p.ended("succeeded")


@pytest.mark.parametrize(
    ("state", "below", "run"),
    [
        ("failed", "upstream_failed", "failed"),
        ("not_ready", "skipped", "not_ready"),
        ("cancelled", "cancelled", "cancelled"),
    ],
)
def test_settling_a_task_badly_gives_up_what_is_behind(
    play: type[Play], state: str, below: str, run: str
) -> None:
    p = play(CHAIN)
    p.say(hand("a", state))
    p.is_(a=state, b=below, c=below)
    p.ended(run)


def test_settling_a_task_as_failed_follows_the_policy(play: type[Play]) -> None:
    p = play({"a": "", "b": "a", "x": ""}, on_failure="stop")
    p.say(hand("a", "failed"))
    p.is_(x="cancelled")
    p.ended("failed")


def test_settling_a_failed_task_as_succeeded_takes_up_what_was_given_up(play: type[Play]) -> None:
    p = play({"a": "", "b": "a", "c": "b", "x": "", "d": "c x"})
    p.fail("a")
    p.fail("x")
    p.ended("failed")
    p.say(hand("a", "succeeded", output=5))
    p.is_(a="succeeded", b="ready", c="pending", d="upstream_failed")
    assert p.run.state is RunState.RUNNING
    p.ok("b", "c")
    p.ended("failed")
    p.say(hand("x", "skipped"))
    p.ok("d")
    p.ended("succeeded")


def test_settling_the_last_bad_task_of_an_ended_run_changes_the_runs_end(play: type[Play]) -> None:
    p = play(CHAIN)
    p.ok("a", "b")
    p.fail("c")
    p.ended("failed")
    p.say(hand("c", "succeeded"))
    p.ended("succeeded")
    p.say(hand("c", "failed"))
    p.ended("failed")


def test_settling_a_succeeded_task_as_failed_takes_back_what_has_not_begun(
    play: type[Play],
) -> None:
    p = play({"a": "", "b": "a", "c": "b", "d": "a"})
    p.ok("a")
    p.begin("b")
    p.say(hand("a", "failed"))
    p.is_(b="running", c="pending", d="upstream_failed")
    p.ok("b", "c")
    p.ended("failed")


def test_a_failure_does_not_reach_behind_what_was_settled_by_hand(play: type[Play]) -> None:
    p = play(CHAIN)
    p.say(hand("b", "succeeded"))
    p.is_(a="ready", b="succeeded", c="ready")
    p.fail("a")
    p.is_(c="ready")
    p.say(c.Restart(task="c"))
    p.ok("c")
    p.ended("failed")


def test_a_person_who_settled_a_task_is_not_overruled_from_above(play: type[Play]) -> None:
    p = play(CHAIN)
    p.fail("a")
    p.say(hand("b", "cancelled"))
    p.say(hand("a", "succeeded"))
    p.is_(a="succeeded", b="cancelled", c="upstream_failed")


def test_in_a_cancelled_run_settling_changes_only_the_task(play: type[Play]) -> None:
    p = play(CHAIN)
    p.say(c.Cancel())
    p.say(hand("a", "succeeded"))
    p.is_(a="succeeded", b="cancelled")
    assert p.run.state is RunState.CANCELLED
    p.say(c.Restart(task="b"))
    p.ok("b", "c")
    p.ended("succeeded")


@pytest.mark.parametrize(
    ("task", "state", "words"),
    [("a", "failed", "somebody works on it"), ("b", "running", "cannot be settled as running")],
)
def test_settling_is_refused(play: type[Play], task: str, state: str, words: str) -> None:
    p = play(CHAIN)
    p.begin("a")
    with pytest.raises(Refused, match=words):
        p.say(hand(task, state))


@pytest.mark.parametrize("where", ["waiting", "retry_wait", "ready", "pending"])
def test_a_task_can_be_settled_wherever_nobody_works_on_it(play: type[Play], where: str) -> None:
    p = play({"p": "", "a": "p", "b": "a"}, options={"a": retrying(times=1)})
    if where != "pending":
        p.ok("p")
    if where == "waiting":
        p.say(c.BeginWait(task="a", wait=Wait(kind="input")))
    elif where == "retry_wait":
        p.fail("a")
    p.is_(a=where)
    p.say(hand("a", "succeeded"))
    p.is_(a="succeeded", b="ready")
    assert p.run.active == {}
