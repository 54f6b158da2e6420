"""Retries, losses, waits and timeouts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from callboard.workflow import (
    Failure,
    Refused,
    Retry,
    SetTimer,
    TaskOptions,
    Timeouts,
    Wait,
    commands as c,
    queued_timers,
)

if TYPE_CHECKING:
    from .conftest import Play

CHAIN = {"a": "", "b": "a", "c": "b"}


def retrying(**policy: Any) -> TaskOptions:
    options: dict[str, Any] = {"jitter": False, "delay": 10.0, **policy}
    return TaskOptions(retry=Retry(**options))


def test_a_failed_attempt_is_followed_by_another_when_its_time_has_come(play: type[Play]) -> None:
    p = play(CHAIN, options={"a": retrying(times=1)})
    p.fail("a")
    p.is_(a="retry_wait", b="pending")
    assert p.timers() == {("retry", "a"): 10.0}
    p.due("retry", "a", at=9.0)
    p.is_(a="retry_wait")
    p.due("retry", "a", at=10.0)
    p.is_(a="ready")
    p.due("retry", "a")
    p.fail("a")
    p.is_(a="failed", b="upstream_failed")
    p.ended("failed")


def test_an_attempt_that_succeeds_after_retries_keeps_no_error(play: type[Play]) -> None:
    p = play({"a": ""}, options={"a": retrying(times=2)})
    p.fail("a")
    assert p.run.tasks["a"].error == Failure(kind="error", message="bad")
    p.due("retry", "a", at=10.0)
    p.ok("a")
    assert p.run.tasks["a"].error is None


def test_what_a_cancel_stops_is_not_retried(play: type[Play]) -> None:
    p = play(CHAIN, options={"a": retrying(times=5)})
    p.fail("a")
    p.say(c.Cancel())
    p.is_(a="cancelled")
    p.ended("cancelled")


def test_a_lost_attempt_is_repeated_five_times_then_fails(play: type[Play]) -> None:
    p = play({"a": ""}, options={"a": TaskOptions(retry=Retry(times=0))})
    for losses in range(5):
        p.begin("a")
        p.lose("a")
        p.is_(a="ready")
        assert p.run.tasks["a"].losses == losses + 1
    p.begin("a")
    p.lose("a")
    p.ended("failed")
    error = p.run.tasks["a"].error
    assert error == Failure(kind="lost", message="the engine is gone, 6 times in all")


def test_a_lost_attempt_may_be_a_failure(play: type[Play]) -> None:
    p = play(CHAIN, options={"a": TaskOptions(lost="fail", retry=Retry(times=3))})
    p.begin("a")
    p.lose("a")
    p.is_(a="failed", b="upstream_failed")


@pytest.mark.parametrize(("value", "state"), [(True, "ready"), (False, "failed")])
def test_a_person_may_be_asked_about_a_lost_attempt(
    play: type[Play], value: bool, state: str
) -> None:
    p = play(CHAIN, options={"a": TaskOptions(lost="ask")})
    p.begin("a")
    p.lose("a")
    p.is_(a="waiting")
    with pytest.raises(Refused, match="true to run it again"):
        p.say(c.Answer(task="a", value="yes"))
    p.say(c.Answer(task="a", value=value))
    p.is_(a=state)


def test_an_input_task_succeeds_with_its_answer(play: type[Play]) -> None:
    p = play(CHAIN, kinds={"a": "input"})
    p.say(c.BeginWait(task="a", wait=Wait(kind="input", message="well?")))
    p.is_(a="waiting")
    assert p.run.tasks["a"].reason == "well?"
    p.run.take_changed()
    p.say(c.Answer(task="a", value={"ok": 1}, by="me"))
    p.is_(a="succeeded", b="ready")
    assert p.run.tasks["a"].output == {"ok": 1}
    with pytest.raises(Refused, match="waits for no answer"):
        p.say(c.Answer(task="a", value=2))


def test_a_suspended_task_starts_again_with_its_answers_in_order(play: type[Play]) -> None:
    p = play(CHAIN, kinds={"a": "python"})
    for value in (1, 2):
        p.begin("a")
        p.say(c.Suspend(task="a", fence=p.fence("a"), wait=Wait(kind="input", message="?")))
        assert p.run.tasks["a"].fence is None
        p.say(c.Answer(task="a", value=value))
        p.is_(a="ready")
    p.begin("a")
    assert p.run.tasks["a"].answers == (1, 2)
    assert p.run.tasks["a"].attempt == 3
    assert p.run.order == ["a"]


def test_a_sleep_is_over_when_its_time_has_come(play: type[Play]) -> None:
    p = play(CHAIN, kinds={"a": "sleep"})
    p.say(c.BeginWait(task="a", wait=Wait(kind="sleep", until=30.0)))
    assert p.timers() == {("sleep", "a"): 30.0}
    p.due("sleep", "a", at=29.0)
    p.is_(a="waiting")
    p.due("sleep", "a", at=30.0)
    p.is_(a="succeeded", b="ready")


def test_a_task_that_only_paused_to_sleep_goes_on_afterwards(play: type[Play]) -> None:
    p = play(CHAIN, kinds={"a": "python"})
    p.begin("a")
    p.say(c.Suspend(task="a", fence=p.fence("a"), wait=Wait(kind="sleep", until=5.0)))
    p.due("sleep", "a", at=5.0)
    p.is_(a="ready")


def test_a_wait_for_a_condition_that_takes_too_long_stops_its_probe_and_fails(
    play: type[Play],
) -> None:
    p = play(CHAIN, kinds={"a": "wait"})
    p.say(c.BeginWait(task="a", wait=Wait(kind="probe", until=60.0), fence="f"))
    p.due("sleep", "a", at=60.0)
    p.is_(a="waiting")
    assert p.stopping() == {"a"}
    p.stopped("a")
    p.is_(a="failed", b="upstream_failed")
    error = p.run.tasks["a"].error
    assert error is not None
    assert error.kind == "timeout"


def timed(**limits: float) -> TaskOptions:
    return TaskOptions(timeout=Timeouts(**limits), retry=Retry(times=1, delay=1, jitter=False))


def test_an_attempt_that_takes_too_long_is_stopped_and_counts_as_failed(play: type[Play]) -> None:
    p = play(CHAIN, options={"a": timed(attempt=5)})
    p.begin("a")
    assert p.timers() == {("attempt", "a"): 5.0}
    p.due("attempt", "a", at=4.9)
    assert p.stopping() == set()
    p.due("attempt", "a", at=5.0)
    p.due("attempt", "a")
    assert p.stopping() == {"a"}
    p.is_(a="running")
    p.stopped("a", note="its thread could not be stopped")
    p.is_(a="retry_wait")
    error = p.run.tasks["a"].error
    assert error is not None
    assert error.kind == "timeout"
    assert error.message == (
        "the attempt's timeout of 5 s elapsed (its thread could not be stopped)"
    )
    p.due("retry", "a", at=6.0)
    p.begin("a")
    p.due("attempt", "a", at=10.5)  # the first attempt's timer again
    assert p.stopping() == set()


def test_an_attempt_that_succeeds_while_it_is_being_stopped_has_succeeded(play: type[Play]) -> None:
    p = play(CHAIN, options={"a": timed(attempt=5)})
    p.begin("a")
    p.due("attempt", "a", at=5.0)
    p.ok("a")
    p.is_(a="succeeded", b="ready")
    assert p.stops == {}


def test_a_wait_that_is_the_whole_attempt_is_timed_like_one(play: type[Play]) -> None:
    p = play(CHAIN, options={"a": timed(attempt=5)}, kinds={"a": "input"})
    p.say(c.BeginWait(task="a", wait=Wait(kind="input")))
    assert p.timers() == {("attempt", "a"): 5.0}
    p.due("attempt", "a", at=5.0)
    p.is_(a="retry_wait")


def test_an_attempt_given_up_for_a_wait_is_not_timed_any_more(play: type[Play]) -> None:
    p = play(CHAIN, options={"a": timed(attempt=5)}, kinds={"a": "python"})
    p.begin("a")
    p.say(c.Suspend(task="a", fence=p.fence("a"), wait=Wait(kind="input")))
    p.due("attempt", "a", at=50.0)
    p.is_(a="waiting")


@pytest.mark.parametrize("where", ["running", "waiting", "retry_wait", "ready"])
def test_the_total_timeout_ends_a_task_wherever_it_stands(play: type[Play], where: str) -> None:
    p = play(CHAIN, options={"a": timed(total=20)}, kinds={"a": "python"})
    p.begin("a")
    assert p.timers() == {("total", "a"): 20.0}
    if where == "waiting":
        p.say(c.Suspend(task="a", fence=p.fence("a"), wait=Wait(kind="input")))
    elif where == "retry_wait":
        p.fail("a")
    elif where == "ready":
        p.stopped("a")
    p.is_(a=where)
    p.due("total", "a", at=19.0)
    p.is_(a=where)
    p.due("total", "a", at=20.0)
    if where == "running":
        p.stopped("a")
    p.is_(a="failed", b="upstream_failed")
    error = p.run.tasks["a"].error
    assert error is not None
    assert error.kind == "timeout"
    assert "total" in error.message


def test_a_task_may_be_ready_only_so_long_and_a_pause_does_not_count(play: type[Play]) -> None:
    p = play({"a": "", "b": "a"}, options={"b": timed(queued=5)})
    p.ok("a")
    assert queued_timers(p.run, p.run.take_changed()) == [SetTimer(what="queued", at=5, task="b")]
    p.now = 3.0
    p.say(c.Pause())
    p.due("queued", "b", at=6.0)
    p.is_(b="ready")
    p.say(c.Unpause())
    assert queued_timers(p.run, p.run.take_changed()) == [SetTimer(what="queued", at=11, task="b")]
    p.due("queued", "b", at=10.0)
    p.is_(b="ready")
    p.due("queued", "b", at=11.0)
    p.is_(b="failed")


def test_a_run_that_takes_too_long_is_stopped_and_ends_timed_out(play: type[Play]) -> None:
    p = play(CHAIN, timeout=60.0)
    assert p.timers() == {("run", None): 60.0}
    p.begin("a")
    p.due("run", at=59.0)
    assert p.run.stopping is None
    p.due("run", at=60.0)
    assert p.stopping() == {"a"}
    p.stopped("a")
    p.ended("timed_out")
    assert p.run.reason == "the run's timeout of 60 s elapsed"


def test_a_run_that_timed_out_has_its_full_time_again_when_it_is_reopened(play: type[Play]) -> None:
    p = play(CHAIN, timeout=60.0)
    p.due("run", at=60.0)
    p.ended("timed_out")
    p.now = 100.0
    p.effects.clear()
    p.say(c.Restart(task="a"))
    assert p.timers() == {("run", None): 160.0}
    p.due("run", at=101.0)
    p.ok("a", "b", "c")
    p.ended("succeeded")


def test_whoever_takes_up_a_run_gets_all_its_timers_none_in_the_past(play: type[Play]) -> None:
    options = {
        "a": timed(attempt=5, total=50),
        "b": timed(total=50),
        "q": timed(queued=5),
    }
    p = play(dict.fromkeys("absq", ""), options=options, kinds={"s": "sleep"}, timeout=99.0)
    p.begin("a")
    p.fail("b")
    p.say(c.BeginWait(task="s", wait=Wait(kind="sleep", until=30.0)))
    p.now = 3.0
    timers = {(e.what, e.task): e.at for e in p.recover() if isinstance(e, SetTimer)}
    assert timers == {
        ("run", None): 99.0,
        ("queued", "q"): 5.0,
        ("total", "a"): 50.0,
        ("attempt", "a"): 5.0,
        ("total", "b"): 50.0,
        ("retry", "b"): 3.0,
        ("sleep", "s"): 30.0,
    }
