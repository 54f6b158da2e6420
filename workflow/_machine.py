"""What follows from a command: ``apply(run, command, now) -> (events, effects)``.

Theory of operation.  A command is checked against the run's state; what it leads to is *emitted*: folded into
the run by :func:`~callboard.workflow._run.evolve` and returned as events, which the caller commits before
anything becomes visible.  Effects are what the caller has to do after the commit.  A command that does not fit
raises :class:`Refused` and changes nothing.

The run's failure policy lives here, in :func:`_after_failure`; when a run is over, in :func:`_end_if_over`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import attrs

from . import _commands as c
from . import _events as ev
from ._commands import Command, Effect, SetTimer, StopAttempt
from ._definition import Failure
from ._errors import Refused, StaleFence
from ._events import Event, Wait
from ._graph import CycleError, Vertex, ancestors, descendants
from ._retry import next_delay
from ._run import Hole, Run, Task, evolve, scope_of_restart
from ._states import BY_HAND, SETTLED, RunState, TaskState

LOSSES_MAX: Final = 5
"""How often a lost attempt is followed by another before the task fails."""

_UNSETTLED_IDLE: Final = frozenset({TaskState.PENDING, TaskState.READY, TaskState.RETRY_WAIT})
_LIVE: Final = frozenset({TaskState.RUNNING, TaskState.WAITING})


@attrs.define(eq=False)
class _Deciding:
    """One call of :func:`apply`: what it has emitted so far."""

    run: Run
    now: float
    draw: Callable[[], float]
    stops: dict[str, str]
    events: list[Event] = attrs.field(factory=list[Event])
    effects: list[Effect] = attrs.field(factory=list[Effect])

    def emit(self, event: Event) -> None:
        evolve(self.run, event)
        self.events.append(event)


def apply(
    run: Run,
    command: Command,
    now: float,
    *,
    draw: Callable[[], float] = lambda: 1.0,
    stops: dict[str, str] | None = None,
) -> tuple[list[Event], list[Effect]]:
    """Change a run as a command asks, and return what happened and what is to be done about it.

    Args:
        now: Wall time in seconds.
        draw: Gives random numbers from 0 to 1, for the jitter of retries.
        stops: Why attempts are being stopped, by fence; kept by the caller between calls.

    Raises:
        Refused: the command does not fit the run's state; nothing changed.
        StaleFence: it came from an attempt that is not the current one; nothing changed.
    """
    deciding = _Deciding(run, now, draw, {} if stops is None else stops)
    _DECIDE[type(command)](deciding, command)
    if run.unsettled == 0 and not run.ended:
        _end_if_over(deciding)
    return deciding.events, deciding.effects


def resume(run: Run, now: float) -> list[Effect]:
    """Return the timers that a run needs when somebody takes it up."""
    effects: list[Effect] = []
    if run.spec.timeout is not None and not run.ended:
        effects.append(SetTimer(what="run", at=run.created_at + run.spec.timeout))
    for task in run.tasks.values():
        if task.state in SETTLED:
            continue
        timeout = task.spec.options.timeout
        if timeout is not None and timeout.total is not None and task.first_at is not None:
            effects.append(SetTimer(what="total", at=task.first_at + timeout.total, task=task.id))
        if task.state is TaskState.RETRY_WAIT and task.retry_at is not None:
            effects.append(SetTimer(what="retry", at=task.retry_at, task=task.id))
        elif task.state is TaskState.READY:
            effects.extend(_queued_timer(task))
        elif task.wait is not None and task.wait.until is not None:
            effects.append(SetTimer(what="sleep", at=task.wait.until, task=task.id))
    del now
    return effects


def _queued_timer(task: Task) -> Iterable[SetTimer]:
    timeout = task.spec.options.timeout
    if timeout is not None and timeout.queued is not None and task.ready_at is not None:
        yield SetTimer(what="queued", at=task.ready_at + timeout.queued, task=task.id)


def queued_timers(run: Run, tasks: Iterable[Task]) -> list[SetTimer]:
    """Return the timers for tasks that have just become ready and may not stay so for long."""
    del run
    return [timer for t in tasks if t.state is TaskState.READY for timer in _queued_timer(t)]


# --- attempts -------------------------------------------------------------------------------------------------


def _ready_task(d: _Deciding, name: str) -> Task:
    task = d.run.tasks.get(name)
    if task is None:
        raise Refused(f"run {d.run.id!r} has no task {name!r}")
    if task.state is not TaskState.READY or d.run.stopping is not None or d.run.draining:
        raise Refused(f"task {name!r} of run {d.run.id!r} is {task.state}, it cannot be started")
    return task


def _leased_task(d: _Deciding, name: str, fence: str) -> Task:
    task = d.run.tasks.get(name)
    if task is None or task.fence != fence:
        raise StaleFence(
            f"task {name!r} of run {d.run.id!r}: this attempt has ended or was replaced, "
            "what it said has no effect"
        )
    return task


def _begin(d: _Deciding, command: c.Begin) -> None:
    run = d.run
    task = _ready_task(d, command.task)
    first = task.first_at is None
    d.emit(
        ev.AttemptStarted(
            at=d.now,
            task=command.task,
            attempt=task.attempt + 1,
            fence=command.fence,
            worker=command.worker,
        )
    )
    timeout = task.spec.options.timeout
    if timeout is None:
        return
    if timeout.attempt is not None:
        d.effects.append(SetTimer(what="attempt", at=d.now + timeout.attempt, task=task.id))
    if timeout.total is not None and first:
        d.effects.append(SetTimer(what="total", at=d.now + timeout.total, task=task.id))
    del run


def _begin_wait(d: _Deciding, command: c.BeginWait) -> None:
    task = _ready_task(d, command.task)
    first = task.first_at is None
    d.emit(
        ev.TaskWaiting(
            at=d.now,
            task=task.id,
            wait=command.wait,
            attempt=task.attempt + 1,
            fence=command.fence,
        )
    )
    _wait_timers(d, task, command.wait, first)


def _wait_timers(d: _Deciding, task: Task, wait: Wait, first: bool) -> None:
    timeout = task.spec.options.timeout
    if wait.until is not None:
        d.effects.append(SetTimer(what="sleep", at=wait.until, task=task.id))
    if timeout is not None and timeout.total is not None and first:
        d.effects.append(SetTimer(what="total", at=d.now + timeout.total, task=task.id))


def _succeed(d: _Deciding, command: c.Succeed) -> None:
    task = _leased_task(d, command.task, command.fence)
    d.stops.pop(command.fence, None)
    d.emit(
        ev.TaskSettled(
            at=d.now, task=task.id, state=TaskState.SUCCEEDED, output=command.output
        )
    )
    if d.run.restarting:
        _restart_if_stopped(d)


def _succeed_step(d: _Deciding, command: c.SucceedStep) -> None:
    task = _ready_task(d, command.task)
    d.emit(
        ev.TaskWaiting(
            at=d.now, task=task.id, wait=Wait(kind="step"), attempt=task.attempt + 1
        )
    )
    d.emit(
        ev.TaskSettled(
            at=d.now,
            task=task.id,
            state=TaskState.SUCCEEDED,
            output=command.output,
            reason=command.reason,
        )
    )


def _not_ready(d: _Deciding, command: c.NotReady) -> None:
    task = _leased_task(d, command.task, command.fence)
    d.stops.pop(command.fence, None)
    d.emit(
        ev.TaskSettled(
            at=d.now, task=task.id, state=TaskState.NOT_READY, reason=command.message
        )
    )
    _skip_below(d, [task], f"{task.id!r} was not ready")
    _restart_if_stopped(d)


def _skip_below(d: _Deciding, tasks: list[Task], reason: str) -> None:
    _settle_below(d, tasks, TaskState.SKIPPED, reason)


def _settle_below(d: _Deciding, tasks: list[Task], state: TaskState, reason: str) -> None:
    below = [
        vertex
        for vertex in descendants(tasks)
        if isinstance(vertex, Task) and vertex.state in _UNSETTLED_IDLE
    ]
    _settle_all(d, below, state, reason)


def _settle_all(d: _Deciding, tasks: Iterable[Task], state: TaskState, reason: str) -> None:
    names = tuple(task.id for task in sorted(tasks, key=lambda each: each.seq))
    if names:
        d.emit(ev.TasksSettled(at=d.now, tasks=names, state=state, reason=reason))


def _fail(d: _Deciding, command: c.Fail) -> None:
    if command.fence is None:
        task = _ready_task(d, command.task)
        _settle_failed(d, task, command.failure)
        return
    task = _leased_task(d, command.task, command.fence)
    why = d.stops.pop(command.fence, None)
    if why is None:
        _attempt_failed(d, task, command.failure)
    else:
        _attempt_stopped(d, task, why, command.failure.message)


def _attempt_failed(d: _Deciding, task: Task, failure: Failure) -> None:
    delay = None
    if not d.run.draining and d.run.stopping is None:
        elapsed = d.now - (d.now if task.first_at is None else task.first_at)
        delay = next_delay(
            task.spec.options.retry, failure, task.failures + 1, elapsed, d.draw()
        )
    if delay is None:
        _settle_failed(d, task, failure)
        return
    at = d.now + delay
    d.emit(ev.RetryScheduled(at=d.now, task=task.id, error=failure, retry_at=at))
    d.effects.append(SetTimer(what="retry", at=at, task=task.id))
    _restart_if_stopped(d)


def _settle_failed(d: _Deciding, task: Task, failure: Failure) -> None:
    d.emit(
        ev.TaskSettled(
            at=d.now,
            task=task.id,
            state=TaskState.FAILED,
            error=failure,
            reason=failure.message,
        )
    )
    _after_failure(d, task)
    _restart_if_stopped(d)


def _after_failure(d: _Deciding, task: Task) -> None:
    run = d.run
    if run.stopping is not None:
        return
    match run.spec.on_failure:
        case "stop":
            _stop_run(d, RunState.FAILED, f"task {task.id!r} failed", None)
        case "drain":
            if not run.draining:
                d.emit(ev.RunDraining(at=d.now, reason=f"task {task.id!r} failed"))
            idle = [t for t in run.tasks.values() if t.state in _UNSETTLED_IDLE]
            _settle_all(d, idle, TaskState.CANCELLED, f"task {task.id!r} failed")
            _stop_attempts(
                d,
                [t for t in run.active.values() if t.state is TaskState.WAITING],
                f"task {task.id!r} failed",
            )
        case "skip_downstream" | "allow_partial":
            _settle_below(d, [task], TaskState.UPSTREAM_FAILED, f"task {task.id!r} failed")


def _suspend(d: _Deciding, command: c.Suspend) -> None:
    task = _leased_task(d, command.task, command.fence)
    why = d.stops.pop(command.fence, None)
    if why is not None:
        _attempt_stopped(d, task, why, None)
        return
    d.emit(
        ev.TaskWaiting(at=d.now, task=task.id, wait=command.wait, attempt=task.attempt)
    )
    _wait_timers(d, task, command.wait, first=False)
    _restart_if_stopped(d)


# --- stopping -------------------------------------------------------------------------------------------------

_TIMEOUT: Final = "timeout: "
_FAILED_RUN: Final = "stopped: "
_RESTART: Final = "restart"


def _stop_attempts(d: _Deciding, tasks: Iterable[Task], why: str) -> None:
    """Stop what works on these tasks; what waits with nothing alive behind it is settled at once."""
    idle: list[Task] = []
    for task in list(tasks):
        if task.fence is None:
            idle.append(task)
        elif task.fence not in d.stops:
            d.stops[task.fence] = why
            d.effects.append(StopAttempt(task=task.id, fence=task.fence, reason=why))
    _settle_all(d, idle, TaskState.CANCELLED, why)


def _stopped(d: _Deciding, command: c.Stopped) -> None:
    task = _leased_task(d, command.task, command.fence)
    why = d.stops.pop(command.fence, None)
    if why is None:
        d.emit(ev.TaskReleased(at=d.now, task=task.id, reason="interrupted"))
        _restart_if_stopped(d)
    else:
        _attempt_stopped(d, task, why, command.note)


def _attempt_stopped(d: _Deciding, task: Task, why: str, note: str | None) -> None:
    if why.startswith(_TIMEOUT) and d.run.stopping is None:
        message = why.removeprefix(_TIMEOUT) + (f" ({note})" if note else "")
        failure = Failure(kind="timeout", message=message)
        if "total" in why:
            _settle_failed(d, task, failure)
        else:
            _attempt_failed(d, task, failure)
        return
    reason = why.removeprefix(_TIMEOUT).removeprefix(_FAILED_RUN)
    if note:
        reason = f"{reason} ({note})"
    d.emit(
        ev.TaskSettled(
            at=d.now,
            task=task.id,
            state=TaskState.CANCELLED,
            reason=reason,
            error=Failure(kind="cancelled", message=reason),
        )
    )
    if why != _RESTART:
        _settle_below(d, [task], TaskState.CANCELLED, reason)
    _restart_if_stopped(d)


def _stop_run(d: _Deciding, state: RunState, reason: str, by: str | None) -> None:
    run = d.run
    d.emit(ev.RunStopping(at=d.now, state=state, reason=reason, by=by))
    idle = [task for task in run.tasks.values() if task.state in _UNSETTLED_IDLE]
    _settle_all(d, idle, TaskState.CANCELLED, reason)
    for task in run.active.values():
        if task.fence is not None and task.fence in d.stops:
            d.stops[task.fence] = reason
    _stop_attempts(d, run.active.values(), reason)


def _cancel(d: _Deciding, command: c.Cancel) -> None:
    _refuse_ended(d, "cancelled")
    if d.run.stopping is None:
        _stop_run(d, command.state, command.reason, command.by)


def _refuse_ended(d: _Deciding, done: str) -> None:
    if d.run.ended:
        raise Refused(f"run {d.run.id!r} cannot be {done}: it has ended {d.run.state}")


def _lose(d: _Deciding, command: c.Lose) -> None:
    task = _leased_task(d, command.task, command.fence)
    why = d.stops.pop(command.fence, None)
    if d.run.stopping is not None or why is not None:
        _attempt_stopped(d, task, why or d.run.reason or "cancelled", None)
        return
    lost = task.spec.options.lost
    if lost == "ask":
        wait = Wait(
            kind="lost",
            message=f"{command.reason}: answer true to run it again, false to let it fail",
            schema={"type": "boolean"},
        )
        d.emit(ev.TaskWaiting(at=d.now, task=task.id, wait=wait, attempt=task.attempt))
    elif lost == "retry" and task.losses < LOSSES_MAX:
        d.emit(ev.TaskReleased(at=d.now, task=task.id, reason=command.reason, lost=True))
    else:
        message = command.reason
        if lost == "retry":
            message = f"{message}, for the {task.losses + 1}th time"
        _settle_failed(d, task, Failure(kind="lost", message=message))
    _restart_if_stopped(d)


# --- deadlines ------------------------------------------------------------------------------------------------


def _due(d: _Deciding, command: c.Due) -> None:
    run = d.run
    if run.ended:
        return
    if command.what == "run":
        _run_due(d)
        return
    task = run.tasks.get(command.task or "")
    if task is not None and task.state not in SETTLED:
        _TASK_DUE[command.what](d, task)


def _run_due(d: _Deciding) -> None:
    limit = d.run.spec.timeout
    if limit is not None and d.run.stopping is None and _over(d, d.run.created_at, limit):
        reason = f"the run's timeout of {limit:g} s elapsed"
        _stop_run(d, RunState.TIMED_OUT, reason, None)


def _over(d: _Deciding, since: float | None, limit: float | None) -> bool:
    # Timers are set from floats and fire at floats: a nanosecond early is on time.
    return since is not None and limit is not None and d.now >= since + limit - 1e-6


def _attempt_due(d: _Deciding, task: Task) -> None:
    timeout = task.spec.options.timeout
    if (
        timeout is not None
        and task.state is TaskState.RUNNING
        and _over(d, task.started_at, timeout.attempt)
    ):
        _stop_attempts(d, [task], f"{_TIMEOUT}the attempt's timeout of {timeout.attempt:g} s elapsed")


def _total_due(d: _Deciding, task: Task) -> None:
    timeout = task.spec.options.timeout
    if timeout is None or not _over(d, task.first_at, timeout.total):
        return
    why = f"the total timeout of {timeout.total:g} s elapsed"
    if task.fence is not None:
        _stop_attempts(d, [task], _TIMEOUT + why)
    else:
        _give_up(d, task, why)


def _give_up(d: _Deciding, task: Task, why: str) -> None:
    if task.state is TaskState.PENDING:
        return
    _settle_failed(d, task, Failure(kind="timeout", message=why))


def _queued_due(d: _Deciding, task: Task) -> None:
    timeout = task.spec.options.timeout
    if (
        timeout is not None
        and task.state is TaskState.READY
        and _over(d, task.ready_at, timeout.queued)
    ):
        _give_up(d, task, f"it was ready for {timeout.queued:g} s without being started")


def _retry_due(d: _Deciding, task: Task) -> None:
    if task.state is TaskState.RETRY_WAIT and _over(d, task.retry_at, 0.0):
        d.emit(ev.RetryDue(at=d.now, task=task.id))
        d.effects.extend(_queued_timer(task))


def _sleep_due(d: _Deciding, task: Task) -> None:
    wait = task.wait
    if wait is None or wait.until is None or not _over(d, wait.until, 0.0):
        return
    if wait.kind == "sleep":
        d.emit(ev.TaskSettled(at=d.now, task=task.id, state=TaskState.SUCCEEDED))
    else:
        message = f"nothing came of what it waited for: {wait.message or wait.kind}"
        _give_up(d, task, message)


_TASK_DUE: Final[dict[str, Callable[[_Deciding, Task], None]]] = {
    "attempt": _attempt_due,
    "total": _total_due,
    "queued": _queued_due,
    "retry": _retry_due,
    "sleep": _sleep_due,
}

# --- what people say ------------------------------------------------------------------------------------------


def _skip(d: _Deciding, command: c.Skip) -> None:
    task = _ready_task(d, command.task)
    d.emit(
        ev.TaskSettled(
            at=d.now, task=task.id, state=TaskState.SKIPPED, reason=command.reason
        )
    )


def _pause(d: _Deciding, command: c.Pause) -> None:
    _refuse_ended(d, "paused")
    if not d.run.paused:
        d.emit(ev.RunPaused(at=d.now, by=command.by))


def _unpause(d: _Deciding, command: c.Unpause) -> None:
    _refuse_ended(d, "unpaused")
    if d.run.paused:
        d.emit(ev.RunUnpaused(at=d.now, by=command.by))


def _known_task(d: _Deciding, name: str) -> Task:
    task = d.run.tasks.get(name)
    if task is None:
        raise Refused(f"run {d.run.id!r} has no task {name!r}")
    return task


def _restart(d: _Deciding, command: c.Restart) -> None:
    task = _known_task(d, command.task)
    if d.run.stopping is not None or d.run.draining:
        raise Refused(f"run {d.run.id!r} is being stopped; restart task {task.id!r} when it has ended")
    blocked = [v for v in ancestors([task]) if isinstance(v, Task) and _never_lets_go(v)]
    if blocked:
        first = min(blocked, key=lambda each: each.seq)
        raise Refused(
            f"task {task.id!r} of run {d.run.id!r} runs after {first.id!r}, which is {first.state}: "
            f"restart {first.id!r} instead"
        )
    d.emit(ev.RestartRequested(at=d.now, task=task.id, by=command.by))
    _stop_attempts(d, (d.run.tasks[n] for n in _live_in_scope(d.run, task.id)), _RESTART)
    _restart_if_stopped(d)


def _never_lets_go(task: Task) -> bool:
    return task.state in SETTLED and not task.released


def _live_in_scope(run: Run, task: str) -> list[str]:
    if not run.active:
        return []
    return [name for name in scope_of_restart(run, task) if run.tasks[name].state in _LIVE]


def _restart_if_stopped(d: _Deciding) -> None:
    """Begin the new generations that only waited for attempts to stop."""
    run = d.run
    for name, by in list(run.restarting.items()):
        if _live_in_scope(run, name):
            continue
        scope = tuple(scope_of_restart(run, name))
        d.emit(ev.TasksRestarted(at=d.now, task=name, tasks=scope, by=by))
        _settle_behind_failures(d, [run.tasks[each] for each in scope])


def _settle_behind_failures(d: _Deciding, scope: list[Task]) -> None:
    """Settle what was begun anew but stands behind something outside that never lets it go."""
    outside = {v for task in scope for v in task.before if isinstance(v, Task) and _never_lets_go(v)}
    for task in sorted(outside, key=lambda each: each.seq):
        if task.state in (TaskState.NOT_READY, TaskState.SKIPPED):
            _skip_below(d, [task], f"{task.id!r} was not ready")
        else:
            _settle_below(d, [task], TaskState.UPSTREAM_FAILED, f"task {task.id!r} is {task.state}")


def _settle(d: _Deciding, command: c.Settle) -> None:
    task = _known_task(d, command.task)
    if command.state not in BY_HAND:
        known = ", ".join(sorted(BY_HAND))
        raise Refused(f"a task cannot be settled as {command.state}; it can be {known}")
    if task.fence is not None:
        raise Refused(f"task {task.id!r} of run {d.run.id!r} is {task.state}: cancel or restart it first")
    if d.run.ended and task.state not in SETTLED:
        raise Refused(f"run {d.run.id!r} has ended")
    ended = d.run.ended
    error = None
    if command.state is TaskState.FAILED:
        error = Failure(kind="error", message=f"settled by hand by {command.by or 'somebody'}")
    d.emit(
        ev.TaskSettled(
            at=d.now,
            task=task.id,
            state=command.state,
            output=command.output,
            error=error,
            reason="settled by hand",
            by=command.by or "somebody",
        )
    )
    if task.released:
        _take_up_below(d, task)
    elif not ended:
        state = TaskState.SKIPPED if command.state is TaskState.NOT_READY else TaskState.UPSTREAM_FAILED
        _settle_below(d, [task], state, f"task {task.id!r} was settled as {command.state}")


def _take_up_below(d: _Deciding, task: Task) -> None:
    """Begin anew what had been settled only because this task had not let it go."""
    given_up = (TaskState.UPSTREAM_FAILED, TaskState.SKIPPED, TaskState.CANCELLED)
    below = [
        vertex
        for vertex in descendants([task])
        if isinstance(vertex, Task) and vertex.state in given_up and vertex.first_at is None
        and not vertex.released
    ]
    if below:
        names = tuple(each.id for each in sorted(below, key=lambda each: each.seq))
        d.emit(ev.TasksRestarted(at=d.now, task=task.id, tasks=names))
        _settle_behind_failures(d, below)


def _answer(d: _Deciding, command: c.Answer) -> None:
    task = _known_task(d, command.task)
    wait = task.wait
    if task.state is not TaskState.WAITING or wait is None or wait.kind not in ("input", "lost"):
        answered = " (it was answered already)" if task.answers else ""
        raise Refused(
            f"task {task.id!r} of run {d.run.id!r} is {task.state}, it waits for no answer{answered}"
        )
    if wait.kind == "lost":
        _answer_lost(d, task, command)
        return
    d.emit(ev.TaskAnswered(at=d.now, task=task.id, value=command.value, by=command.by))
    if task.spec.kind == "input":
        d.emit(
            ev.TaskSettled(
                at=d.now, task=task.id, state=TaskState.SUCCEEDED, output=command.value
            )
        )
    else:
        d.emit(ev.TaskReleased(at=d.now, task=task.id, reason="answered"))


def _answer_lost(d: _Deciding, task: Task, command: c.Answer) -> None:
    if not isinstance(command.value, bool):
        raise Refused(f"task {task.id!r} was lost: answer true to run it again, false to let it fail")
    if command.value:
        d.emit(ev.TaskReleased(at=d.now, task=task.id, reason="lost", lost=True))
    else:
        _settle_failed(d, task, Failure(kind="lost", message="lost, and not to be run again"))


# --- holes ----------------------------------------------------------------------------------------------------


def _open_hole(d: _Deciding, command: c.OpenHole) -> None:
    run = d.run
    _refuse_ended(d, "changed")
    if command.hole in run.holes:
        raise Refused(f"run {run.id!r} has a hole {command.hole!r} already")
    earlier = [run.vertex(name) for name in command.after]
    followers = [run.vertex(name) for name in command.before]
    for follower in followers:
        if isinstance(follower, Task) and follower.state not in (TaskState.PENDING, TaskState.READY):
            raise Refused(f"nothing can be put in front of task {follower.id!r}: it is {follower.state}")
    _refuse_cycle(command, earlier, followers)
    d.emit(
        ev.HoleOpened(
            at=d.now,
            hole=command.hole,
            shape=command.shape,
            owner=command.owner,
            after=command.after,
            before=command.before,
        )
    )


def _refuse_cycle(
    command: c.OpenHole, earlier: list[Task | Hole], followers: list[Task | Hole]
) -> None:
    behind: set[Vertex] = set(descendants(followers)) | set(followers)
    for vertex in earlier:
        if vertex in behind:
            cycle = CycleError([f"#{command.hole}", vertex.id, f"#{command.hole}"])
            raise Refused(f"hole {command.hole!r} would close a cycle: {cycle}")


def _close_hole(d: _Deciding, command: c.CloseHole) -> None:
    hole = d.run.holes.get(command.hole)
    if hole is None:
        raise Refused(f"run {d.run.id!r} has no hole {command.hole!r}")
    if not hole.closed:
        d.emit(ev.HoleClosed(at=d.now, hole=command.hole))


# --- the end --------------------------------------------------------------------------------------------------


def _end_if_over(d: _Deciding) -> None:
    run = d.run
    if run.restarting or (run.open_holes and run.stopping is None):
        return
    d.emit(ev.RunEnded(at=d.now, state=_final_state(run), reason=_final_reason(run)))


def _final_state(run: Run) -> RunState:
    if run.stopping is not None:
        return run.stopping
    counts = run.counts
    failed = counts[TaskState.FAILED] + counts[TaskState.UPSTREAM_FAILED]
    if failed and not (run.spec.on_failure == "allow_partial" and _enough_succeeded(run)):
        return RunState.FAILED
    if counts[TaskState.NOT_READY]:
        return RunState.NOT_READY
    if counts[TaskState.CANCELLED]:
        return RunState.CANCELLED
    return RunState.SUCCEEDED


def _enough_succeeded(run: Run) -> bool:
    critical = [task for task in run.tasks.values() if task.spec.options.critical]
    if critical:
        return all(task.state is TaskState.SUCCEEDED for task in critical)
    return run.counts[TaskState.SUCCEEDED] > 0


def _final_reason(run: Run) -> str | None:
    if run.reason is not None:
        return run.reason
    for state in (TaskState.FAILED, TaskState.NOT_READY, TaskState.CANCELLED):
        if run.counts[state]:
            first = next(task for task in run.tasks.values() if task.state is state)
            return f"task {first.id!r} {'was not ready' if state is TaskState.NOT_READY else state}"
    return None


_DECIDE: Final[dict[type[Any], Callable[[_Deciding, Any], None]]] = {
    c.Begin: _begin,
    c.BeginWait: _begin_wait,
    c.Succeed: _succeed,
    c.SucceedStep: _succeed_step,
    c.NotReady: _not_ready,
    c.Fail: _fail,
    c.Suspend: _suspend,
    c.Stopped: _stopped,
    c.Lose: _lose,
    c.Skip: _skip,
    c.Due: _due,
    c.Pause: _pause,
    c.Unpause: _unpause,
    c.Cancel: _cancel,
    c.Restart: _restart,
    c.Settle: _settle,
    c.Answer: _answer,
    c.OpenHole: _open_hole,
    c.CloseHole: _close_hole,
}
