"""What follows from each command: the moves, the failure policies, stops, restarts, deadlines, holes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs
import pytest

from callboard.workflow import (
    Command,
    CycleError,
    Event,
    Failure,
    IllegalTransition,
    Refused,
    Retry,
    Run,
    RunState,
    SetTimer,
    StaleFence,
    StopAttempt,
    TaskOptions,
    TaskSpec,
    TaskState,
    Timeouts,
    Wait,
    WorkflowSpec,
    apply,
    commands as c,
    events as ev,
    evolve,
    fold,
    new_run,
    queued_timers,
    resume,
    start,
)


def facts(thing: Run) -> dict[str, Any]:
    """Return all that a run is, apart from the queue of whoever starts its tasks."""
    told: dict[str, Any] = {
        field.name: getattr(thing, field.name)
        for field in attrs.fields(Run)
        if field.name not in ("ready", "changed", "tasks", "holes", "active")
    }
    told["active"] = list(thing.active)
    for vertex in (*thing.tasks.values(), *thing.holes.values()):
        own = {f.name: getattr(vertex, f.name) for f in attrs.fields(type(vertex))}
        own["before"] = [each.id for each in vertex.before]
        own["after"] = [each.id for each in vertex.after]
        own.pop("queued", None)
        told[vertex.id] = own
    return told


class Play:
    """A run, its clock, and short words for what is said to it."""

    def __init__(
        self,
        needs: Mapping[str, str],
        *,
        options: Mapping[str, TaskOptions] | None = None,
        kinds: Mapping[str, str] | None = None,
        **spec: Any,
    ) -> None:
        options, kinds = options or {}, kinds or {}
        tasks = tuple(
            TaskSpec(
                id=name,
                name=name,
                kind=kinds.get(name, "function"),
                needs=tuple(before.split()),
                options=options.get(name, TaskOptions()),
            )
            for name, before in needs.items()
        )
        created = ev.RunCreated(at=0.0, run="r", spec=WorkflowSpec(name="w", tasks=tasks, **spec))
        self.run, self.events, self.effects = start(created)
        self.now = 0.0
        self.stops: dict[str, str] = {}
        self.fences = 0

    def say(self, command: Command) -> list[Event]:
        events, effects = apply(self.run, command, self.now, stops=self.stops)
        self.events += events
        self.effects += effects
        assert facts(fold(self.events)) == facts(self.run)
        return events

    def begin(self, *names: str) -> None:
        for name in names:
            self.fences += 1
            self.say(c.Begin(task=name, fence=f"{name}.{self.fences}"))

    def fence(self, name: str) -> str:
        fence = self.run.tasks[name].fence
        assert fence is not None
        return fence

    def ok(self, *names: str, output: Any = None) -> None:
        for name in names:
            if self.run.tasks[name].fence is None:
                self.begin(name)
            self.say(c.Succeed(task=name, fence=self.fence(name), output=output))

    def fail(self, name: str, kind: str = "error", **more: Any) -> None:
        if self.run.tasks[name].fence is None:
            self.begin(name)
        failure = Failure(kind=kind, message="bad", **more)
        self.say(c.Fail(task=name, fence=self.fence(name), failure=failure))

    def not_ready(self, name: str) -> None:
        if self.run.tasks[name].fence is None:
            self.begin(name)
        self.say(c.NotReady(task=name, fence=self.fence(name), message="later"))

    def stopped(self, name: str, note: str | None = None) -> None:
        self.say(c.Stopped(task=name, fence=self.fence(name), note=note))

    def lose(self, name: str) -> None:
        self.say(c.Lose(task=name, fence=self.fence(name), reason="the engine is gone"))

    def due(self, what: c.Deadline, task: str | None = None, *, at: float | None = None) -> None:
        self.now = self.now if at is None else at
        self.say(c.Due(what=what, task=task))

    def recover(self) -> list[c.Effect]:
        """Be another engine that takes up the run: what was not stored is forgotten."""
        self.run = fold(self.events)
        self.stops = {}
        return resume(self.run, self.now)

    @property
    def states(self) -> dict[str, str]:
        return {name: str(task.state) for name, task in self.run.tasks.items()}

    def is_(self, **states: str) -> None:
        assert self.states == {**self.states, **states}

    def ended(self, state: str) -> None:
        assert (self.run.state, self.run.unsettled) == (state, 0)
        assert isinstance(self.events[-1], ev.RunEnded)

    def stopping(self) -> set[str]:
        """Return the tasks whose attempts were to be stopped since this was last asked."""
        told = {each.task for each in self.effects if isinstance(each, StopAttempt)}
        self.effects.clear()
        return told

    def timers(self) -> dict[tuple[str, str | None], float]:
        return {(e.what, e.task): e.at for e in self.effects if isinstance(e, SetTimer)}

    def next(self) -> str | None:
        task = self.run.peek_ready()
        return None if task is None else task.id


CHAIN = {"a": "", "b": "a", "c": "b"}
DIAMOND = {"a": "", "b": "a", "c": "a", "d": "b c"}


def retrying(**policy: Any) -> TaskOptions:
    return TaskOptions(retry=Retry(**{"jitter": False, "delay": 10.0, **policy}))


# --- moves ----------------------------------------------------------------------------------------


def test_a_task_is_ready_when_all_before_it_have_succeeded() -> None:
    p = Play(DIAMOND)
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


def test_ready_tasks_come_by_priority_then_by_creation() -> None:
    urgent = TaskOptions(priority=5)
    p = Play({"a": "", "b": "", "c": "", "d": ""}, options={"c": urgent})
    taken: list[str] = []
    while (task := p.run.pop_ready()) is not None:
        taken.append(task.id)
    assert taken == ["c", "a", "b", "d"]


def test_a_task_given_back_has_its_old_place_and_only_one() -> None:
    p = Play({"a": "", "b": ""})
    task = p.run.pop_ready()
    assert task is not None and task.id == "a"
    p.run.push_ready(task)
    p.run.push_ready(task)
    assert [t.id for t in iter(p.run.pop_ready, None)] == ["a", "b"]


def test_a_task_claimed_by_name_and_released_is_offered_once() -> None:
    p = Play({"a": "", "b": ""})
    p.begin("b")  # not taken from the queue
    p.stopped("b")
    assert [t.id for t in iter(p.run.pop_ready, None)] == ["a", "b"]


def test_an_empty_run_succeeds_at_once() -> None:
    p = Play({})
    p.ended("succeeded")
    assert [type(event) for event in p.events] == [ev.RunCreated, ev.RunEnded]


def test_only_the_holder_of_the_lease_is_heard() -> None:
    p = Play({"a": ""})
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
        before = facts(p.run)
        with pytest.raises(StaleFence):
            p.say(command)
        assert facts(p.run) == before


@pytest.mark.parametrize("name", ["b", "nobody"])
def test_what_is_not_ready_or_not_there_cannot_be_started(name: str) -> None:
    p = Play(CHAIN)
    with pytest.raises(Refused, match=name):
        p.say(c.Begin(task=name, fence="f"))
    p.begin("a")
    with pytest.raises(Refused, match="running"):
        p.say(c.Begin(task="a", fence="f"))


def test_an_event_that_the_table_does_not_know_raises() -> None:
    p = Play(CHAIN)
    with pytest.raises(IllegalTransition, match="'b' cannot go from pending to running"):
        evolve(p.run, ev.AttemptStarted(at=0, task="b", attempt=1, fence="f"))


def test_a_run_is_created_once() -> None:
    p = Play(CHAIN)
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
    needs: dict[str, str], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        Play(needs)


def test_a_task_defined_twice_is_named() -> None:
    spec = WorkflowSpec(name="w", tasks=(TaskSpec(id="x", name="x"), TaskSpec(id="x", name="y")))
    with pytest.raises(Refused, match="'w' has two tasks with the id 'x'"):
        new_run(ev.RunCreated(at=0.0, run="r", spec=spec))


def test_needs_may_be_repeated_and_stand_in_any_order() -> None:
    p = Play({"c": "b a b", "b": "a", "a": ""})
    assert [each.id for each in p.run.tasks["c"].before] == ["b", "a"]
    p.ok("a", "b", "c")
    p.ended("succeeded")


def test_a_step_that_nobody_does_counts_as_done() -> None:
    p = Play({"a": "", "b": "a"})
    p.say(c.SucceedStep(task="a", reason="nobody does it"))
    p.is_(a="succeeded", b="ready")
    assert p.run.order == ["a"]


def test_a_false_condition_skips_the_task_and_lets_the_others_go_on() -> None:
    p = Play(CHAIN)
    p.say(c.Skip(task="a", reason="when: x is false"))
    p.is_(a="skipped", b="ready")
    p.ok("b", "c")
    p.ended("succeeded")


def test_not_ready_is_no_failure_skips_what_is_behind_and_ends_the_run_not_ready() -> None:
    p = Play({"a": "", "b": "a", "c": "b", "x": ""})
    p.not_ready("a")
    p.is_(a="not_ready", b="skipped", c="skipped", x="ready")
    p.ok("x")
    p.ended("not_ready")
    assert p.run.reason == "task 'a' was not ready: later"


def test_a_task_that_cannot_be_started_fails_without_an_attempt() -> None:
    p = Play(CHAIN)
    p.say(c.Fail(task="a", failure=Failure(kind="config", message="no such function")))
    p.is_(a="failed", b="upstream_failed", c="upstream_failed")
    p.ended("failed")
    assert p.run.tasks["a"].attempt == 0


# --- failure policies -----------------------------------------------------------------------------

FORK = {"a": "", "below": "a", "far": "below", "x": "", "y": "x", "z": ""}


def test_stop_kills_what_runs_and_cancels_the_rest() -> None:
    p = Play(FORK, on_failure="stop")
    p.begin("x", "z")
    p.fail("a")
    assert p.stopping() == {"x", "z"}
    p.is_(a="failed", below="cancelled", far="cancelled", y="cancelled", x="running")
    p.stopped("x")
    assert not p.run.ended
    p.ok("z")  # it was done before it could be stopped
    p.is_(x="cancelled", z="succeeded")
    p.ended("failed")


def test_drain_starts_nothing_more_and_lets_running_ones_end() -> None:
    p = Play(FORK, on_failure="drain")
    p.begin("x")
    p.fail("a")
    assert p.stopping() == set()
    p.is_(below="cancelled", y="cancelled", z="cancelled", x="running")
    assert p.next() is None
    p.ok("x")
    p.ended("failed")


def test_drain_does_not_retry_release_or_wait_any_more() -> None:
    many = {name: retrying(times=3) for name in "abcde"}
    p = Play(dict.fromkeys("abcdefgh", ""), options=many, on_failure="drain")
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


def test_skip_downstream_gives_up_only_what_is_behind() -> None:
    p = Play(FORK)
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
    critical: str, failing: str, state: str
) -> None:
    options = {critical: TaskOptions(critical=True)} if critical else {}
    p = Play(FORK, options=options, on_failure="allow_partial")
    p.fail(failing)
    p.ok("x", "y", "z")
    p.ended(state)
    assert (p.run.reason is None) == (state == "succeeded")


def test_allow_partial_fails_if_nothing_succeeded() -> None:
    p = Play(CHAIN, on_failure="allow_partial")
    p.fail("a")
    p.ended("failed")


def test_not_ready_loses_against_failed() -> None:
    p = Play({"a": "", "b": ""})
    p.not_ready("a")
    p.fail("b")
    p.ended("failed")


def test_a_task_behind_two_ends_takes_the_first() -> None:
    p = Play({"a": "", "b": "", "c": "a b"})
    p.not_ready("a")
    p.is_(c="skipped")
    p.fail("b")
    p.is_(c="skipped")


# --- pause and cancel -----------------------------------------------------------------------------


def test_a_paused_run_starts_nothing_and_records_what_ends() -> None:
    p = Play({"a": "", "b": "a", "x": ""})
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


def test_cancel_stops_what_runs_and_nothing_starts_any_more() -> None:
    p = Play({"a": "", "b": "a", "i": "", "x": ""}, kinds={"i": "input"})
    p.begin("a")
    p.say(c.BeginWait(task="i", wait=Wait(kind="input")))
    p.say(c.Cancel(by="me", reason="enough"))
    assert p.stopping() == {"a"}
    p.is_(a="running", b="cancelled", i="cancelled", x="cancelled")
    assert p.next() is None and not p.run.ended
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
def test_a_cancelled_run_ends_however_its_last_attempt_does(how: str) -> None:
    lasting = TaskOptions(retry=Retry(times=9), lost="retry")
    p = Play(CHAIN, options={"a": lasting})
    p.begin("a")
    p.say(c.Cancel())
    if how == "suspend":
        p.say(c.Suspend(task="a", fence=p.fence("a"), wait=Wait(kind="input")))
    else:
        getattr(p, how)("a")
    p.ended("cancelled")
    p.is_(a={"ok": "succeeded", "not_ready": "not_ready"}.get(how, "cancelled"), b="cancelled")


def test_a_run_being_cancelled_goes_on_being_cancelled_by_the_next_engine() -> None:
    p = Play(CHAIN)
    p.begin("a")
    p.say(c.Cancel())
    effects = p.recover()
    assert [e.task for e in effects if isinstance(e, StopAttempt)] == ["a"]
    p.lose("a")
    p.ended("cancelled")


def test_an_interrupted_attempt_is_ready_again_and_counts_nowhere() -> None:
    p = Play(CHAIN, options={"a": TaskOptions(retry=Retry(times=1))})
    p.begin("a")
    p.stopped("a")
    p.is_(a="ready")
    task = p.run.tasks["a"]
    assert (task.failures, task.losses, task.attempt, task.reason) == (0, 0, 1, "interrupted")
    p.ok("a")
    assert task.attempt == 2


# --- retries --------------------------------------------------------------------------------------


def test_a_failed_attempt_is_followed_by_another_when_its_time_has_come() -> None:
    p = Play(CHAIN, options={"a": retrying(times=1)})
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


def test_an_attempt_that_succeeds_after_retries_keeps_no_error() -> None:
    p = Play({"a": ""}, options={"a": retrying(times=2)})
    p.fail("a")
    assert p.run.tasks["a"].error == Failure(kind="error", message="bad")
    p.due("retry", "a", at=10.0)
    p.ok("a")
    assert p.run.tasks["a"].error is None


def test_what_a_cancel_stops_is_not_retried() -> None:
    p = Play(CHAIN, options={"a": retrying(times=5)})
    p.fail("a")
    p.say(c.Cancel())
    p.is_(a="cancelled")
    p.ended("cancelled")


# --- losses ---------------------------------------------------------------------------------------


def test_a_lost_attempt_is_repeated_five_times_then_fails() -> None:
    p = Play({"a": ""}, options={"a": TaskOptions(retry=Retry(times=0))})
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


def test_a_lost_attempt_may_be_a_failure() -> None:
    p = Play(CHAIN, options={"a": TaskOptions(lost="fail", retry=Retry(times=3))})
    p.begin("a")
    p.lose("a")
    p.is_(a="failed", b="upstream_failed")


@pytest.mark.parametrize(("value", "state"), [(True, "ready"), (False, "failed")])
def test_a_person_may_be_asked_about_a_lost_attempt(value: bool, state: str) -> None:  # noqa: FBT001
    p = Play(CHAIN, options={"a": TaskOptions(lost="ask")})
    p.begin("a")
    p.lose("a")
    p.is_(a="waiting")
    with pytest.raises(Refused, match="true to run it again"):
        p.say(c.Answer(task="a", value="yes"))
    p.say(c.Answer(task="a", value=value))
    p.is_(a=state)


# --- waits and answers ----------------------------------------------------------------------------


def test_an_input_task_succeeds_with_its_answer() -> None:
    p = Play(CHAIN, kinds={"a": "input"})
    p.say(c.BeginWait(task="a", wait=Wait(kind="input", message="well?")))
    p.is_(a="waiting")
    assert p.run.tasks["a"].reason == "well?"
    p.run.take_changed()
    p.say(c.Answer(task="a", value={"ok": 1}, by="me"))
    p.is_(a="succeeded", b="ready")
    assert p.run.tasks["a"].output == {"ok": 1}
    with pytest.raises(Refused, match="waits for no answer"):
        p.say(c.Answer(task="a", value=2))


def test_a_suspended_task_starts_again_with_its_answers_in_order() -> None:
    p = Play(CHAIN, kinds={"a": "python"})
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


def test_a_sleep_is_over_when_its_time_has_come() -> None:
    p = Play(CHAIN, kinds={"a": "sleep"})
    p.say(c.BeginWait(task="a", wait=Wait(kind="sleep", until=30.0)))
    assert p.timers() == {("sleep", "a"): 30.0}
    p.due("sleep", "a", at=29.0)
    p.is_(a="waiting")
    p.due("sleep", "a", at=30.0)
    p.is_(a="succeeded", b="ready")


def test_a_task_that_only_paused_to_sleep_goes_on_afterwards() -> None:
    p = Play(CHAIN, kinds={"a": "python"})
    p.begin("a")
    p.say(c.Suspend(task="a", fence=p.fence("a"), wait=Wait(kind="sleep", until=5.0)))
    p.due("sleep", "a", at=5.0)
    p.is_(a="ready")


def test_a_wait_for_a_condition_that_takes_too_long_stops_its_probe_and_fails() -> None:
    p = Play(CHAIN, kinds={"a": "wait"})
    p.say(c.BeginWait(task="a", wait=Wait(kind="probe", until=60.0), fence="f"))
    p.due("sleep", "a", at=60.0)
    p.is_(a="waiting")
    assert p.stopping() == {"a"}
    p.stopped("a")
    p.is_(a="failed", b="upstream_failed")
    error = p.run.tasks["a"].error
    assert error is not None and error.kind == "timeout"


# --- timeouts -------------------------------------------------------------------------------------


def timed(**limits: float) -> TaskOptions:
    return TaskOptions(timeout=Timeouts(**limits), retry=Retry(times=1, delay=1, jitter=False))


def test_an_attempt_that_takes_too_long_is_stopped_and_counts_as_failed() -> None:
    p = Play(CHAIN, options={"a": timed(attempt=5)})
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
    assert error is not None and error.kind == "timeout"
    assert error.message == (
        "the attempt's timeout of 5 s elapsed (its thread could not be stopped)"
    )
    p.due("retry", "a", at=6.0)
    p.begin("a")
    p.due("attempt", "a", at=10.5)  # the first attempt's timer again
    assert p.stopping() == set()


def test_an_attempt_that_succeeds_while_it_is_being_stopped_has_succeeded() -> None:
    p = Play(CHAIN, options={"a": timed(attempt=5)})
    p.begin("a")
    p.due("attempt", "a", at=5.0)
    p.ok("a")
    p.is_(a="succeeded", b="ready")
    assert p.stops == {}


def test_a_wait_that_is_the_whole_attempt_is_timed_like_one() -> None:
    p = Play(CHAIN, options={"a": timed(attempt=5)}, kinds={"a": "input"})
    p.say(c.BeginWait(task="a", wait=Wait(kind="input")))
    assert p.timers() == {("attempt", "a"): 5.0}
    p.due("attempt", "a", at=5.0)
    p.is_(a="retry_wait")


def test_an_attempt_given_up_for_a_wait_is_not_timed_any_more() -> None:
    p = Play(CHAIN, options={"a": timed(attempt=5)}, kinds={"a": "python"})
    p.begin("a")
    p.say(c.Suspend(task="a", fence=p.fence("a"), wait=Wait(kind="input")))
    p.due("attempt", "a", at=50.0)
    p.is_(a="waiting")


@pytest.mark.parametrize("where", ["running", "waiting", "retry_wait", "ready"])
def test_the_total_timeout_ends_a_task_wherever_it_stands(where: str) -> None:
    p = Play(CHAIN, options={"a": timed(total=20)}, kinds={"a": "python"})
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
    assert error is not None and error.kind == "timeout" and "total" in error.message


def test_a_task_may_be_ready_only_so_long_and_a_pause_does_not_count() -> None:
    p = Play({"a": "", "b": "a"}, options={"b": timed(queued=5)})
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


def test_a_run_that_takes_too_long_is_stopped_and_ends_timed_out() -> None:
    p = Play(CHAIN, timeout=60.0)
    assert p.timers() == {("run", None): 60.0}
    p.begin("a")
    p.due("run", at=59.0)
    assert p.run.stopping is None
    p.due("run", at=60.0)
    assert p.stopping() == {"a"}
    p.stopped("a")
    p.ended("timed_out")
    assert p.run.reason == "the run's timeout of 60 s elapsed"


def test_a_run_that_timed_out_has_its_full_time_again_when_it_is_reopened() -> None:
    p = Play(CHAIN, timeout=60.0)
    p.due("run", at=60.0)
    p.ended("timed_out")
    p.now = 100.0
    p.effects.clear()
    p.say(c.Restart(task="a"))
    assert p.timers() == {("run", None): 160.0}
    p.due("run", at=101.0)
    p.ok("a", "b", "c")
    p.ended("succeeded")


def test_whoever_takes_up_a_run_gets_all_its_timers_none_in_the_past() -> None:
    options = {
        "a": timed(attempt=5, total=50),
        "b": timed(total=50),
        "q": timed(queued=5),
    }
    p = Play(dict.fromkeys("absq", ""), options=options, kinds={"s": "sleep"}, timeout=99.0)
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


# --- restarts -------------------------------------------------------------------------------------


def generations(p: Play) -> dict[str, int]:
    return {name: task.generation for name, task in p.run.tasks.items()}


def test_restarting_does_the_task_and_all_behind_it_anew() -> None:
    p = Play({**DIAMOND, "x": ""})
    p.ok("a", "b", "c", output=1)
    p.say(c.Restart(task="b", by="me"))
    p.is_(a="succeeded", b="ready", c="succeeded", d="pending", x="ready")
    assert generations(p) == {"a": 1, "b": 2, "c": 1, "d": 2, "x": 1}
    assert p.run.tasks["b"].output is None
    assert p.run.order == ["a", "c"]
    p.ok("b", "d", "x")
    p.ended("succeeded")


def test_what_runs_in_the_scope_is_stopped_before_anything_begins_anew() -> None:
    p = Play(DIAMOND)
    p.ok("a", "b")
    p.begin("c")
    p.say(c.Restart(task="a"))
    assert p.stopping() == {"c"}
    p.is_(a="succeeded", c="running", d="pending")
    assert generations(p)["a"] == 1
    p.stopped("c")
    p.is_(a="ready", b="pending", c="pending", d="pending")
    assert set(generations(p).values()) == {2}
    p.ok("a", "b", "c", "d")
    p.ended("succeeded")


@pytest.mark.parametrize("how", ["ok", "fail", "not_ready", "lose", "suspend"])
def test_however_a_held_attempt_ends_it_begins_anew_and_no_policy_applies(how: str) -> None:
    p = Play(DIAMOND, on_failure="stop", options={"c": TaskOptions(lost="ask")})
    p.ok("a")
    p.begin("c")
    p.say(c.Restart(task="a"))
    if how == "suspend":
        p.say(c.Suspend(task="c", fence=p.fence("c"), wait=Wait(kind="input")))
    else:
        getattr(p, how)("c")
    assert (p.run.stopping, p.run.restarting, p.run.held) == (None, {}, set())
    p.is_(a="ready", b="pending", c="pending", d="pending")


def test_held_tasks_do_not_start_fail_or_get_settled() -> None:
    p = Play({"a": "", "b": "a", "c": "a", "x": ""}, options={"c": timed(queued=1, total=1)})
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


def test_waits_in_the_scope_end_at_once() -> None:
    p = Play({"a": "", "b": "a"}, kinds={"b": "input"})
    p.ok("a")
    p.say(c.BeginWait(task="b", wait=Wait(kind="input")))
    p.say(c.Restart(task="a"))
    p.is_(a="ready", b="pending")


def test_a_timeout_that_is_being_acted_on_gives_way_to_the_restart() -> None:
    p = Play(CHAIN, options={"a": timed(attempt=5)}, on_failure="stop")
    p.begin("a")
    p.due("attempt", "a", at=5.0)
    p.say(c.Restart(task="a"))
    p.stopped("a")
    p.is_(a="ready")
    assert p.run.tasks["a"].generation == 2


def test_a_restart_that_waits_survives_the_engine() -> None:
    p = Play(DIAMOND, options={"c": TaskOptions(lost="ask")})
    p.ok("a")
    p.begin("c")
    p.say(c.Restart(task="a"))
    effects = p.recover()
    assert [e.task for e in effects if isinstance(e, StopAttempt)] == ["c"]
    p.lose("c")
    p.is_(a="ready", c="pending")


@pytest.mark.parametrize("end", ["cancel", "stop", "drain"])
def test_a_run_that_stops_meanwhile_forgets_the_restart(end: str) -> None:
    policy = "skip_downstream" if end == "cancel" else end
    p = Play({**DIAMOND, "x": ""}, on_failure=policy)
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


def test_two_restarts_begin_each_when_its_own_scope_has_stopped() -> None:
    p = Play({"a": "", "b": "a", "x": "", "y": "x"})
    p.ok("a", "x")
    p.begin("b", "y")
    p.say(c.Restart(task="a"))
    p.say(c.Restart(task="x"))
    p.stopped("y")
    p.is_(x="ready", y="pending", a="succeeded", b="running")
    assert p.run.held == {"a", "b"}
    p.stopped("b")
    p.is_(a="ready")


def test_restarting_an_ended_run_reopens_it() -> None:
    p = Play(CHAIN)
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


def test_ready_tasks_left_over_at_the_end_can_start_after_a_restart() -> None:
    p = Play({"a": "", "b": ""})
    p.say(c.Cancel())
    p.ended("cancelled")
    p.say(c.Restart(task="a"))
    p.say(c.Restart(task="b"))
    assert [t.id for t in iter(p.run.pop_ready, None)] == ["a", "b"]


def test_a_cancelled_run_goes_on_where_it_is_restarted() -> None:
    p = Play({"a": "", "b": "a", "x": ""})
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


def test_what_is_begun_anew_behind_something_that_failed_is_given_up_again() -> None:
    p = Play({"a": "", "b": "", "c": "a b", "d": "c"})
    p.ok("a")
    p.fail("b")
    p.say(c.Restart(task="a"))
    p.is_(a="ready", c="upstream_failed", d="upstream_failed")
    p.say(c.Restart(task="b"))
    p.ok("a", "b", "c", "d")
    p.ended("succeeded")


def test_a_run_that_is_being_stopped_refuses_restarts() -> None:
    p = Play(CHAIN)
    p.begin("a")
    p.say(c.Cancel())
    with pytest.raises(Refused, match="when the run has ended"):
        p.say(c.Restart(task="a"))


def test_a_pending_task_can_be_restarted_and_a_pause_outlasts_it() -> None:
    p = Play(CHAIN)
    p.say(c.Pause())
    p.say(c.Restart(task="b"))
    p.is_(a="ready", b="pending")
    assert p.run.paused and p.next() is None


# --- by hand --------------------------------------------------------------------------------------


def hand(task: str, state: str, **more: Any) -> c.Settle:
    return c.Settle(task=task, state=TaskState(state), by="me", **more)


@pytest.mark.parametrize("state", ["succeeded", "skipped"])
def test_settling_a_task_that_has_not_run_lets_the_others_go_on(state: str) -> None:
    p = Play(CHAIN)
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
def test_settling_a_task_badly_gives_up_what_is_behind(state: str, below: str, run: str) -> None:
    p = Play(CHAIN)
    p.say(hand("a", state))
    p.is_(a=state, b=below, c=below)
    p.ended(run)


def test_settling_a_task_as_failed_follows_the_policy() -> None:
    p = Play({"a": "", "b": "a", "x": ""}, on_failure="stop")
    p.say(hand("a", "failed"))
    p.is_(x="cancelled")
    p.ended("failed")


def test_settling_a_failed_task_as_succeeded_takes_up_what_was_given_up() -> None:
    p = Play({"a": "", "b": "a", "c": "b", "x": "", "d": "c x"})
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


def test_settling_the_last_bad_task_of_an_ended_run_changes_the_runs_end() -> None:
    p = Play(CHAIN)
    p.ok("a", "b")
    p.fail("c")
    p.ended("failed")
    p.say(hand("c", "succeeded"))
    p.ended("succeeded")
    p.say(hand("c", "failed"))
    p.ended("failed")


def test_settling_a_succeeded_task_as_failed_takes_back_what_has_not_begun() -> None:
    p = Play({"a": "", "b": "a", "c": "b", "d": "a"})
    p.ok("a")
    p.begin("b")
    p.say(hand("a", "failed"))
    p.is_(b="running", c="pending", d="upstream_failed")
    p.ok("b", "c")
    p.ended("failed")


def test_a_failure_does_not_reach_behind_what_was_settled_by_hand() -> None:
    p = Play(CHAIN)
    p.say(hand("b", "succeeded"))
    p.is_(a="ready", b="succeeded", c="ready")
    p.fail("a")
    p.is_(c="ready")
    p.say(c.Restart(task="c"))
    p.ok("c")
    p.ended("failed")


def test_a_person_who_settled_a_task_is_not_overruled_from_above() -> None:
    p = Play(CHAIN)
    p.fail("a")
    p.say(hand("b", "cancelled"))
    p.say(hand("a", "succeeded"))
    p.is_(a="succeeded", b="cancelled", c="upstream_failed")


def test_in_a_cancelled_run_settling_changes_only_the_task() -> None:
    p = Play(CHAIN)
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
def test_settling_is_refused(task: str, state: str, words: str) -> None:
    p = Play(CHAIN)
    p.begin("a")
    with pytest.raises(Refused, match=words):
        p.say(hand(task, state))


@pytest.mark.parametrize("where", ["waiting", "retry_wait", "ready", "pending"])
def test_a_task_can_be_settled_wherever_nobody_works_on_it(where: str) -> None:
    p = Play({"p": "", "a": "p", "b": "a"}, options={"a": retrying(times=1)})
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


# --- holes ----------------------------------------------------------------------------------------


def hole(name: str, after: str = "", before: str = "", owner: str | None = None) -> c.OpenHole:
    return c.OpenHole(
        hole=name,
        shape="...",
        owner=owner,
        after=tuple(after.split()),
        before=tuple(before.split()),
    )


def test_a_hole_in_front_of_a_ready_task_makes_it_wait_until_it_closes() -> None:
    p = Play({"a": "", "b": ""})
    p.say(hole("h", before="b"))
    p.is_(b="pending")
    p.ok("a")
    assert p.next() is None and not p.run.ended
    p.say(c.CloseHole(hole="h"))
    assert p.say(c.CloseHole(hole="h")) == []
    assert [t.id for t in iter(p.run.pop_ready, None)] == ["b"]
    p.ok("b")
    p.ended("succeeded")


def test_a_closed_hole_lets_go_when_all_before_it_have() -> None:
    p = Play({"a": "", "b": ""})
    p.say(hole("h", after="a", before="b"))
    p.say(c.CloseHole(hole="h"))
    p.is_(b="pending")
    p.ok("a")
    p.is_(b="ready")


def test_holes_stand_behind_holes() -> None:
    p = Play({"a": "", "b": ""})
    p.say(hole("h1", after="a"))
    p.say(hole("h2", after="#h1", before="b"))
    p.say(c.CloseHole(hole="h2"))
    p.ok("a")
    p.is_(b="pending")
    p.say(c.CloseHole(hole="h1"))
    p.is_(b="ready")


def test_a_run_does_not_end_while_a_hole_is_open_unless_it_is_stopped() -> None:
    p = Play({"a": ""})
    p.say(hole("h", after="a"))
    p.ok("a")
    assert not p.run.ended
    p.say(c.Cancel())
    p.ended("cancelled")
    p = Play({"a": ""})
    p.say(hole("h"))
    p.ok("a")
    p.say(c.CloseHole(hole="h"))
    p.ended("succeeded")


def test_a_draining_run_ends_although_a_hole_is_open() -> None:
    p = Play({"a": ""}, on_failure="drain")
    p.say(hole("h"))
    p.fail("a")
    p.ended("failed")


def test_a_failure_reaches_through_holes() -> None:
    p = Play({"a": "", "b": "", "c": "b"})
    p.say(hole("h1", after="a"))
    p.say(hole("h2", after="#h1", before="b"))
    p.fail("a")
    p.is_(b="upstream_failed", c="upstream_failed")


def test_a_hole_behind_something_that_failed_gives_up_what_it_is_put_before() -> None:
    p = Play({"a": "", "b": "", "x": ""})
    p.fail("a")
    p.say(hole("h", after="a", before="b"))
    p.is_(b="upstream_failed")


def test_nothing_is_put_in_front_of_what_has_begun() -> None:
    p = Play({"a": "", "b": "a"})
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
def test_a_hole_that_cannot_be_is_refused_and_nothing_changes(bad: Command, words: str) -> None:
    p = Play(CHAIN)
    p.say(hole("g"))
    before = facts(p.run)
    with pytest.raises(Refused, match=words):
        p.say(bad)
    assert facts(p.run) == before


def test_a_restart_waits_at_holes_again_and_opens_those_its_tasks_had_closed() -> None:
    p = Play({"a": "", "b": "", "c": "b"})
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
    p.is_(b="pending")
    p.say(c.CloseHole(hole="own"))
    p.ok("b", "c")
    p.ended("succeeded")


def test_a_restart_covers_what_is_behind_the_holes_of_its_tasks() -> None:
    p = Play({"a": "", "b": ""})
    p.say(hole("h", before="b", owner="a"))
    p.say(c.CloseHole(hole="h"))
    p.ok("a", "b")
    p.say(c.Restart(task="a"))
    p.is_(a="ready", b="pending")


def test_a_hole_opened_behind_a_waiting_restart_holds_what_is_behind_it() -> None:
    p = Play({"a": "", "b": "a", "x": ""})
    p.ok("a")
    p.begin("b")
    p.say(c.Restart(task="a"))
    p.say(hole("h", after="a", before="x"))
    p.say(c.CloseHole(hole="h"))
    assert "x" in p.run.held and p.next() is None
    p.stopped("b")
    p.is_(a="ready", x="pending")


# --- the rest -------------------------------------------------------------------------------------


def test_the_output_of_a_run_is_made_when_it_has_succeeded() -> None:
    p = Play({"a": ""})
    p.begin("a")
    said = c.Succeed(task="a", fence=p.fence("a"), output=4)
    events, _ = apply(p.run, said, 1.0, output_of=lambda run: run.tasks["a"].output * 2)
    assert events[-1] == ev.RunEnded(at=1.0, state=RunState.SUCCEEDED, output=8)
    assert p.run.output == 8


def test_a_run_whose_output_cannot_be_made_fails() -> None:
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


def test_what_changed_is_told_once() -> None:
    p = Play(CHAIN, kinds={"b": "python"})
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
    assert run.order[0] == "hub" and run.order[-1] == "join"
