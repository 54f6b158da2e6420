"""The moves of tasks, what runs come to, pauses and cancels."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import pytest

from callboard.workflow import (
    CycleError,
    Failure,
    IllegalTransition,
    Refused,
    Retry,
    Run,
    RunState,
    StaleFence,
    StopAttempt,
    TaskOptions,
    TaskSpec,
    Wait,
    WorkflowSpec,
    apply,
    commands as c,
    events as ev,
    evolve,
    fold,
    new_run,
    start,
)

if TYPE_CHECKING:
    from .conftest import Play

CHAIN = {"a": "", "b": "a", "c": "b"}
DIAMOND = {"a": "", "b": "a", "c": "a", "d": "b c"}


def test_a_task_is_ready_when_all_before_it_have_succeeded(play: type[Play]) -> None:
    p = play(DIAMOND)
    p.is_(a="ready", b="pending", d="pending")
    p.ok("a")
    p.is_(b="ready", c="ready", d="pending")
    p.ok("b")
    p.is_(d="pending")
    p.ok("c", "d", output=7)
    p.ended("succeeded")
    assert p.run.tasks["d"].output == 7
    assert p.run.order == ["a", "b", "c", "d"]
    assert p.run.reason is None


def test_ready_tasks_come_by_priority_then_by_creation(play: type[Play]) -> None:
    urgent = TaskOptions(priority=5)
    p = play({"a": "", "b": "", "c": "", "d": ""}, options={"c": urgent})
    taken: list[str] = []
    while (task := p.run.pop_ready()) is not None:
        taken.append(task.id)
    assert taken == ["c", "a", "b", "d"]


def test_a_task_given_back_has_its_old_place_and_only_one(play: type[Play]) -> None:
    p = play({"a": "", "b": ""})
    task = p.run.pop_ready()
    assert task is not None
    assert task.id == "a"
    p.run.push_ready(task)
    p.run.push_ready(task)
    assert [t.id for t in iter(p.run.pop_ready, None)] == ["a", "b"]


def test_a_task_claimed_by_name_and_released_is_offered_once(play: type[Play]) -> None:
    p = play({"a": "", "b": ""})
    p.begin("b")  # not taken from the queue
    p.stopped("b")
    assert [t.id for t in iter(p.run.pop_ready, None)] == ["a", "b"]


def test_an_empty_run_succeeds_at_once(play: type[Play]) -> None:
    p = play({})
    p.ended("succeeded")
    assert [type(event) for event in p.events] == [ev.RunCreated, ev.RunEnded]


def test_only_the_holder_of_the_lease_is_heard(play: type[Play]) -> None:
    p = play({"a": ""})
    p.begin("a")
    for command in (
        c.Succeed(task="a", fence="old"),
        c.Fail(task="a", fence="old", failure=Failure(kind="error", message="x")),
        c.NotReady(task="a", fence="old"),
        c.Suspend(task="a", fence="old", wait=Wait(kind="input")),
        c.Stopped(task="a", fence="old"),
        c.Lose(task="a", fence="old", reason="gone"),
        c.Succeed(task="unknown", fence="old"),
    ):
        before = p.facts()
        with pytest.raises(StaleFence):
            p.say(command)
        assert p.facts() == before


@pytest.mark.parametrize("name", ["b", "nobody"])
def test_what_is_not_ready_or_not_there_cannot_be_started(play: type[Play], name: str) -> None:
    p = play(CHAIN)
    with pytest.raises(Refused, match=name):
        p.say(c.Begin(task=name, fence="f"))
    p.begin("a")
    with pytest.raises(Refused, match="running"):
        p.say(c.Begin(task="a", fence="f"))


def test_an_event_that_the_table_does_not_know_raises(play: type[Play]) -> None:
    p = play(CHAIN)
    with pytest.raises(IllegalTransition, match="'b' cannot go from pending to running"):
        evolve(p.run, ev.AttemptStarted(at=0, task="b", attempt=1, fence="f"))


def test_a_run_is_created_once(play: type[Play]) -> None:
    p = play(CHAIN)
    with pytest.raises(Exception, match="twice"):
        evolve(p.run, p.events[0])


@pytest.mark.parametrize(
    ("needs", "error", "words"),
    [
        ({"a": "b", "b": "a"}, CycleError, "a → b → a|b → a → b"),
        ({"a": "a"}, CycleError, "a → a"),
        ({"a": "x"}, Refused, "no task 'x'"),
    ],
)
def test_a_definition_that_cannot_be_is_refused(
    play: type[Play], needs: dict[str, str], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        play(needs)


def test_a_task_defined_twice_is_named() -> None:
    spec = WorkflowSpec(name="w", tasks=(TaskSpec(id="x", name="x"), TaskSpec(id="x", name="y")))
    with pytest.raises(Refused, match="'w' has two tasks with the id 'x'"):
        new_run(ev.RunCreated(at=0.0, run="r", spec=spec))


def test_needs_may_be_repeated_and_stand_in_any_order(play: type[Play]) -> None:
    p = play({"c": "b a b", "b": "a", "a": ""})
    assert [each.id for each in p.run.tasks["c"].before] == ["b", "a"]
    p.ok("a", "b", "c")
    p.ended("succeeded")


def test_a_step_that_nobody_does_counts_as_done(play: type[Play]) -> None:
    p = play({"a": "", "b": "a"})
    p.say(c.SucceedStep(task="a", reason="nobody does it"))
    p.is_(a="succeeded", b="ready")
    assert p.run.order == ["a"]


def test_a_false_condition_skips_the_task_and_lets_the_others_go_on(play: type[Play]) -> None:
    p = play(CHAIN)
    p.say(c.Skip(task="a", reason="when: x is false"))
    p.is_(a="skipped", b="ready")
    p.ok("b", "c")
    p.ended("succeeded")


def test_not_ready_is_no_failure_skips_what_is_behind_and_ends_the_run_not_ready(
    play: type[Play],
) -> None:
    p = play({"a": "", "b": "a", "c": "b", "x": ""})
    p.not_ready("a")
    p.is_(a="not_ready", b="skipped", c="skipped", x="ready")
    p.ok("x")
    p.ended("not_ready")
    assert p.run.reason == "task 'a' was not ready: later"


def test_a_task_that_cannot_be_started_fails_without_an_attempt(play: type[Play]) -> None:
    p = play(CHAIN)
    p.say(c.Fail(task="a", failure=Failure(kind="config", message="no such function")))
    p.is_(a="failed", b="upstream_failed", c="upstream_failed")
    p.ended("failed")
    assert p.run.tasks["a"].attempt == 0


FORK = {"a": "", "below": "a", "far": "below", "x": "", "y": "x", "z": ""}


def test_stop_kills_what_runs_and_cancels_the_rest(play: type[Play]) -> None:
    p = play(FORK, on_failure="stop")
    p.begin("x", "z")
    p.fail("a")
    assert p.stopping() == {"x", "z"}
    p.is_(a="failed", below="cancelled", far="cancelled", y="cancelled", x="running")
    p.stopped("x")
    assert not p.run.ended
    p.ok("z")  # it was done before it could be stopped
    p.is_(x="cancelled", z="succeeded")
    p.ended("failed")


def test_drain_starts_nothing_more_and_lets_running_ones_end(play: type[Play]) -> None:
    p = play(FORK, on_failure="drain")
    p.begin("x")
    p.fail("a")
    assert p.stopping() == set()
    p.is_(below="cancelled", y="cancelled", z="cancelled", x="running")
    assert p.next() is None
    p.ok("x")
    p.ended("failed")


def test_drain_does_not_retry_release_or_wait_any_more(play: type[Play]) -> None:
    many = dict.fromkeys("abcde", TaskOptions(retry=Retry(times=3)))
    p = play(dict.fromkeys("abcdefgh", ""), options=many, on_failure="drain")
    p.begin(*"abcdeg")
    p.say(c.BeginWait(task="f", wait=Wait(kind="input")))
    p.say(c.BeginWait(task="h", wait=Wait(kind="child", child="r2"), fence="h"))
    p.fail("g")
    p.is_(f="cancelled", h="waiting")
    assert p.stopping() == {"h"}
    p.fail("a")
    p.stopped("b")
    p.lose("c")
    p.say(c.Suspend(task="d", fence=p.fence("d"), wait=Wait(kind="input")))
    p.stopped("h")
    p.is_(a="failed", b="cancelled", c="failed", d="cancelled", h="cancelled", e="running")
    p.ok("e")
    p.ended("failed")


def test_skip_downstream_gives_up_only_what_is_behind(play: type[Play]) -> None:
    p = play(FORK)
    p.fail("a")
    p.is_(below="upstream_failed", far="upstream_failed", x="ready", y="pending")
    p.ok("x", "y", "z")
    p.ended("failed")
    assert p.run.reason == "task 'a' failed: bad"


@pytest.mark.parametrize(
    ("critical", "failing", "state"),
    [("", "a", "succeeded"), ("x", "a", "succeeded"), ("a", "a", "failed"), ("far", "a", "failed")],
)
def test_allow_partial_succeeds_if_the_critical_tasks_did(
    play: type[Play], critical: str, failing: str, state: str
) -> None:
    options = {critical: TaskOptions(critical=True)} if critical else {}
    p = play(FORK, options=options, on_failure="allow_partial")
    p.fail(failing)
    p.ok("x", "y", "z")
    p.ended(state)
    assert (p.run.reason is None) == (state == "succeeded")


def test_allow_partial_fails_if_nothing_succeeded(play: type[Play]) -> None:
    p = play(CHAIN, on_failure="allow_partial")
    p.fail("a")
    p.ended("failed")


def test_not_ready_loses_against_failed(play: type[Play]) -> None:
    p = play({"a": "", "b": ""})
    p.not_ready("a")
    p.fail("b")
    p.ended("failed")


def test_a_task_behind_two_ends_takes_the_first(play: type[Play]) -> None:
    p = play({"a": "", "b": "", "c": "a b"})
    p.not_ready("a")
    p.is_(c="skipped")
    p.fail("b")
    p.is_(c="skipped")


def test_a_paused_run_starts_nothing_and_records_what_ends(play: type[Play]) -> None:
    p = play({"a": "", "b": "a", "x": ""})
    p.begin("a")
    p.say(c.Pause(by="me"))
    assert p.say(c.Pause()) == []
    p.ok("a")
    p.is_(b="ready")
    assert p.next() is None
    with pytest.raises(Refused, match="paused"):
        p.begin("x")
    with pytest.raises(Refused, match="paused"):
        p.say(c.BeginWait(task="x", wait=Wait(kind="input")))
    p.say(c.Unpause())
    assert p.say(c.Unpause()) == []
    assert [t.id for t in iter(p.run.pop_ready, None)] == ["b", "x"]


def test_cancel_stops_what_runs_and_nothing_starts_any_more(play: type[Play]) -> None:
    p = play({"a": "", "b": "a", "i": "", "x": ""}, kinds={"i": "input"})
    p.begin("a")
    p.say(c.BeginWait(task="i", wait=Wait(kind="input")))
    p.say(c.Cancel(by="me", reason="enough"))
    assert p.stopping() == {"a"}
    p.is_(a="running", b="cancelled", i="cancelled", x="cancelled")
    assert p.next() is None
    assert not p.run.ended
    assert p.say(c.Cancel()) == []
    with pytest.raises(Refused):
        p.begin("x")
    p.stopped("a", note="its thread could not be stopped")
    p.ended("cancelled")
    assert p.run.reason == "enough"
    assert p.run.tasks["a"].reason == "enough (its thread could not be stopped)"
    for command in (c.Cancel(), c.Pause(), c.Unpause(), c.OpenHole(hole="h", shape="...")):
        with pytest.raises(Refused, match="ended"):
            p.say(command)


@pytest.mark.parametrize("how", ["ok", "fail", "lose", "not_ready", "stopped", "suspend"])
def test_a_cancelled_run_ends_however_its_last_attempt_does(play: type[Play], how: str) -> None:
    lasting = TaskOptions(retry=Retry(times=9), lost="retry")
    p = play(CHAIN, options={"a": lasting})
    p.begin("a")
    p.say(c.Cancel())
    if how == "suspend":
        p.say(c.Suspend(task="a", fence=p.fence("a"), wait=Wait(kind="input")))
    else:
        getattr(p, how)("a")
    p.ended("cancelled")
    p.is_(a={"ok": "succeeded", "not_ready": "not_ready"}.get(how, "cancelled"), b="cancelled")


def test_a_run_being_cancelled_goes_on_being_cancelled_by_the_next_engine(play: type[Play]) -> None:
    p = play(CHAIN)
    p.begin("a")
    p.say(c.Cancel())
    effects = p.recover()
    assert [e.task for e in effects if isinstance(e, StopAttempt)] == ["a"]
    p.lose("a")
    p.ended("cancelled")


def test_an_interrupted_attempt_is_ready_again_and_counts_nowhere(play: type[Play]) -> None:
    p = play(CHAIN, options={"a": TaskOptions(retry=Retry(times=1))})
    p.begin("a")
    p.stopped("a")
    p.is_(a="ready")
    task = p.run.tasks["a"]
    assert (task.failures, task.losses, task.attempt, task.reason) == (0, 0, 1, "interrupted")
    p.ok("a")
    assert task.attempt == 2


def test_the_output_of_a_run_is_made_when_it_has_succeeded(play: type[Play]) -> None:
    p = play({"a": ""})
    p.begin("a")
    said = c.Succeed(task="a", fence=p.fence("a"), output=4)
    events, _ = apply(p.run, said, 1.0, output_of=lambda run: run.tasks["a"].output * 2)
    assert events[-1] == ev.RunEnded(at=1.0, state=RunState.SUCCEEDED, output=8)
    assert p.run.output == 8


def test_a_run_whose_output_cannot_be_made_fails(
    facts: Callable[[Run], dict[str, Any]],
) -> None:
    def broken(run: Run) -> None:
        raise Refused(f"no such field in {run.id}")

    run, events, _ = start(
        ev.RunCreated(at=0.0, run="r", spec=WorkflowSpec(name="w")), output_of=broken
    )
    assert run.state is RunState.FAILED
    assert run.reason == "the run's output could not be made: no such field in r"
    assert facts(fold(events)) == facts(run)


def ids(tasks: Iterable[Any]) -> list[str]:
    return sorted(task.id for task in tasks)


def test_what_changed_is_told_once(play: type[Play]) -> None:
    p = play(CHAIN, kinds={"b": "python"})
    assert ids(p.run.take_changed()) == ["a", "b", "c"]
    assert p.run.take_changed() == []
    p.begin("a")
    assert ids(p.run.take_changed()) == ["a"]
    p.ok("a")
    assert ids(p.run.take_changed()) == ["a", "b"]


def test_a_hub_and_a_join_of_100000_tasks_cost_the_same_for_each() -> None:
    """It would take minutes if a task cost as much as it has neighbours."""
    count = 100_000
    specs = [TaskSpec(id="hub", name="hub")]
    specs += [TaskSpec(id=f"t{i}", name="t", needs=("hub",)) for i in range(count)]
    specs.append(TaskSpec(id="join", name="join", needs=tuple(f"t{i}" for i in range(count))))
    run = new_run(ev.RunCreated(at=0.0, run="r", spec=WorkflowSpec(name="w", tasks=tuple(specs))))
    while (task := run.pop_ready()) is not None:
        apply(run, c.Begin(task=task.id, fence="f"), 0.0)
        apply(run, c.Succeed(task=task.id, fence="f"), 0.0)
    assert run.state is RunState.SUCCEEDED
    assert run.order[0] == "hub"
    assert run.order[-1] == "join"
