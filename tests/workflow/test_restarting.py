"""Doing tasks anew, in every state of their run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from callboard.workflow import (
    Refused,
    Retry,
    StopAttempt,
    TaskOptions,
    TaskState,
    Timeouts,
    Wait,
    commands as c,
    events as ev,
)

if TYPE_CHECKING:
    from .conftest import Play

CHAIN = {"a": "", "b": "a", "c": "b"}
DIAMOND = {"a": "", "b": "a", "c": "a", "d": "b c"}


def timed(**limits: float) -> TaskOptions:
    return TaskOptions(timeout=Timeouts(**limits), retry=Retry(times=1, delay=1, jitter=False))


def generations(p: Play) -> dict[str, int]:
    return {name: task.generation for name, task in p.run.tasks.items()}


def test_restarting_does_the_task_and_all_behind_it_anew(play: type[Play]) -> None:
    p = play({**DIAMOND, "x": ""})
    p.ok("a", "b", "c", output=1)
    p.say(c.Restart(task="b", by="me"))
    p.is_(a="succeeded", b="ready", c="succeeded", d="pending", x="ready")
    assert generations(p) == {"a": 1, "b": 2, "c": 1, "d": 2, "x": 1}
    assert p.run.tasks["b"].output is None
    assert p.run.order == ["a", "c"]
    p.ok("b", "d", "x")
    p.ended("succeeded")


def test_what_runs_in_the_scope_is_stopped_before_anything_begins_anew(play: type[Play]) -> None:
    p = play(DIAMOND)
    p.ok("a", "b")
    p.begin("c")
    p.say(c.Restart(task="a"))
    assert p.stopping() == {"c"}
    p.is_(a="succeeded", c="running", d="pending")
    assert generations(p)["a"] == 1
    p.stopped("c")
    p.is_(a="ready", b="pending", c="pending", d="pending")
    assert set(generations(p).values()) == {2}
    assert not any(isinstance(event, ev.TasksSettled) for event in p.events)
    p.ok("a", "b", "c", "d")
    p.ended("succeeded")


@pytest.mark.parametrize("how", ["ok", "fail", "not_ready", "lose", "suspend"])
def test_however_a_held_attempt_ends_it_begins_anew_and_no_policy_applies(
    play: type[Play], how: str
) -> None:
    p = play(DIAMOND, on_failure="stop", options={"c": TaskOptions(lost="ask")})
    p.ok("a")
    p.begin("c")
    p.say(c.Restart(task="a"))
    if how == "suspend":
        p.say(c.Suspend(task="c", fence=p.fence("c"), wait=Wait(kind="input")))
    else:
        getattr(p, how)("c")
    assert (p.run.stopping, p.run.restarting, p.run.held) == (None, {}, set())
    p.is_(a="ready", b="pending", c="pending", d="pending")


def test_held_tasks_do_not_start_fail_or_get_settled(play: type[Play]) -> None:
    p = play({"a": "", "b": "a", "c": "a", "x": ""}, options={"c": timed(queued=1, total=1)})
    p.ok("a")
    p.begin("b")
    p.say(c.Restart(task="a"))
    assert p.next() == "x"
    with pytest.raises(Refused, match="about to be restarted"):
        p.begin("c")
    with pytest.raises(Refused, match="about to be restarted"):
        p.say(c.Settle(task="c", state=TaskState.FAILED))
    p.due("queued", "c", at=9.0)
    p.is_(c="ready")
    p.stopped("b")
    assert p.next() == "a"


def test_waits_in_the_scope_end_at_once(play: type[Play]) -> None:
    p = play({"a": "", "b": "a"}, kinds={"b": "input"})
    p.ok("a")
    p.say(c.BeginWait(task="b", wait=Wait(kind="input")))
    p.say(c.Restart(task="a"))
    p.is_(a="ready", b="pending")


def test_a_timeout_that_is_being_acted_on_gives_way_to_the_restart(play: type[Play]) -> None:
    p = play(CHAIN, options={"a": timed(attempt=5)}, on_failure="stop")
    p.begin("a")
    p.due("attempt", "a", at=5.0)
    p.say(c.Restart(task="a"))
    p.stopped("a")
    p.is_(a="ready")
    assert p.run.tasks["a"].generation == 2


def test_a_restart_that_waits_survives_the_engine(play: type[Play]) -> None:
    p = play(DIAMOND, options={"c": TaskOptions(lost="ask")})
    p.ok("a")
    p.begin("c")
    p.say(c.Restart(task="a"))
    effects = p.recover()
    assert [e.task for e in effects if isinstance(e, StopAttempt)] == ["c"]
    p.lose("c")
    p.is_(a="ready", c="pending")


@pytest.mark.parametrize("end", ["cancel", "stop", "drain"])
def test_a_run_that_stops_meanwhile_forgets_the_restart(play: type[Play], end: str) -> None:
    policy = "skip_downstream" if end == "cancel" else end
    p = play({**DIAMOND, "x": ""}, on_failure=policy)
    p.ok("a")
    p.begin("c", "x")
    p.say(c.Restart(task="a"))
    if end == "cancel":
        p.say(c.Cancel())
        p.stopped("x")
    else:
        p.fail("x")
    p.is_(a="succeeded", b="cancelled", c="running", d="cancelled")
    assert p.run.held == set()
    p.stopped("c")
    p.is_(a="succeeded", c="cancelled")
    p.ended("cancelled" if end == "cancel" else "failed")
    assert set(generations(p).values()) == {1}


def test_two_restarts_begin_each_when_its_own_scope_has_stopped(play: type[Play]) -> None:
    p = play({"a": "", "b": "a", "x": "", "y": "x"})
    p.ok("a", "x")
    p.begin("b", "y")
    p.say(c.Restart(task="a"))
    p.say(c.Restart(task="x"))
    p.stopped("y")
    p.is_(x="ready", y="pending", a="succeeded", b="running")
    assert p.run.held == {"a", "b"}
    p.stopped("b")
    p.is_(a="ready")


def test_restarting_an_ended_run_reopens_it(play: type[Play]) -> None:
    p = play(CHAIN)
    p.ok("a")
    p.fail("b")
    p.ended("failed")
    p.now = 7.0
    p.say(c.Restart(task="b"))
    assert (p.run.state, p.run.reason, p.run.ended_at) == ("running", None, None)
    p.is_(a="succeeded", b="ready", c="pending")
    assert p.next() == "b"
    p.ok("b", "c")
    p.ended("succeeded")


def test_ready_tasks_left_over_at_the_end_can_start_after_a_restart(play: type[Play]) -> None:
    p = play({"a": "", "b": ""})
    p.say(c.Cancel())
    p.ended("cancelled")
    p.say(c.Restart(task="a"))
    p.say(c.Restart(task="b"))
    assert [t.id for t in iter(p.run.pop_ready, None)] == ["a", "b"]


def test_a_cancelled_run_goes_on_where_it_is_restarted(play: type[Play]) -> None:
    p = play({"a": "", "b": "a", "x": ""})
    p.begin("a")
    p.say(c.Cancel())
    p.stopped("a")
    p.ended("cancelled")
    with pytest.raises(Refused, match="restart 'a' instead"):
        p.say(c.Restart(task="b"))
    p.say(c.Restart(task="a"))
    p.is_(a="ready", b="pending", x="cancelled")
    p.ok("a", "b")
    p.ended("cancelled")
    p.say(c.Restart(task="x"))
    p.ok("x")
    p.ended("succeeded")


def test_what_is_begun_anew_behind_something_that_failed_is_given_up_again(
    play: type[Play],
) -> None:
    p = play({"a": "", "b": "", "c": "a b", "d": "c"})
    p.ok("a")
    p.fail("b")
    p.say(c.Restart(task="a"))
    p.is_(a="ready", c="upstream_failed", d="upstream_failed")
    p.say(c.Restart(task="b"))
    p.ok("a", "b", "c", "d")
    p.ended("succeeded")


def test_a_run_that_is_being_stopped_refuses_restarts(play: type[Play]) -> None:
    p = play(CHAIN)
    p.begin("a")
    p.say(c.Cancel())
    with pytest.raises(Refused, match="when the run has ended"):
        p.say(c.Restart(task="a"))


def test_a_pending_task_can_be_restarted_and_a_pause_outlasts_it(play: type[Play]) -> None:
    p = play(CHAIN)
    p.say(c.Pause())
    p.say(c.Restart(task="b"))
    p.is_(a="ready", b="pending")
    assert p.run.paused
    assert p.next() is None
