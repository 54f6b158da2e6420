"""What the one who does a task says about it: that it begins, how it goes, how it ended."""

from __future__ import annotations

from typing import Final

from . import commands as c, events as ev
from ._deadlines import start_timers, wait_timer
from ._deciding import Deciding
from ._definition import Failure
from ._failing import attempt_failed, end_well, take_back, task_failed
from ._keeping import violation
from ._passing_on import pass_on
from ._restarting import stop_held
from ._run import Task
from ._states import NOT_READY, SKIPPED, SUCCEEDED, WAITING
from ._stopping import cancelled, ended_by_stop
from .events import Wait

LOSSES_MAX: Final = 5
"""How often a lost attempt is followed by another before the task fails."""


def begin(d: Deciding, command: c.Begin) -> None:
    """Somebody takes the lease on a ready task."""
    task = d.startable(command.task)
    first = task.first_at is None
    d.emit(
        ev.AttemptStarted(
            at=d.now,
            task=command.task,
            attempt=task.attempt + 1,
            fence=command.fence,
            worker=command.worker,
            lease=command.lease,
        )
    )
    if task.spec.options.timeout is not None:
        start_timers(d, task, first=first)


def begin_wait(d: Deciding, command: c.BeginWait) -> None:
    """A ready task begins with a wait."""
    task = d.startable(command.task)
    first = task.first_at is None
    _wait(d, task, command.wait, attempt=task.attempt + 1, fence=command.fence)
    start_timers(d, task, first=first)


def _wait(d: Deciding, task: Task, wait: Wait, *, attempt: int, fence: str | None = None) -> None:
    d.emit(ev.TaskWaiting(at=d.now, task=task.id, wait=wait, attempt=attempt, fence=fence))
    d.effects.extend(wait_timer(task))


def succeed(d: Deciding, command: c.Succeed) -> None:
    """An attempt did its work, even if it was to be stopped meanwhile."""
    task = d.leased(command.task, command.fence)
    if d.stops:
        d.stops.pop(command.fence, None)
    run = d.run
    if run.broken is not None and run.broken.fence == command.fence:
        task_failed(d, task, violation(run))
        return
    guards = run.growth.guards
    if (task.binds or (guards.lower and guards.owed)) and not end_well(d, task):
        d.stops.pop(command.fence, None)
        task_failed(d, task, violation(run))
        return
    d.emit(ev.TaskSettled(at=d.now, task=command.task, state=SUCCEEDED, output=command.output))
    if task.again and not d.closing:
        for target in task.again:
            d.emit(ev.RestartRequested(at=d.now, task=target, by=task.id, again=True))
        stop_held(d)


def succeed_step(d: Deciding, command: c.SucceedStep) -> None:
    """A ready task that nobody does counts as done."""
    task = d.startable(command.task)
    _wait(d, task, Wait(kind="step"), attempt=task.attempt + 1)
    d.emit(
        ev.TaskSettled(
            at=d.now,
            task=task.id,
            state=SUCCEEDED,
            output=command.output,
            reason=command.reason,
        )
    )


def not_ready(d: Deciding, command: c.NotReady) -> None:
    """An attempt found that the run may not go on past it."""
    task = d.leased(command.task, command.fence)
    d.stops.pop(command.fence, None)
    d.settle(task, NOT_READY, reason=command.message)
    pass_on(d, task)


def skip(d: Deciding, command: c.Skip) -> None:
    """A ready task's own condition is false: it counts as done."""
    d.settle(d.startable(command.task), SKIPPED, reason=command.reason)


def fail(d: Deciding, command: c.Fail) -> None:
    """An attempt failed, or none can be begun."""
    if command.fence is None:
        task_failed(d, d.startable(command.task), command.failure)
        return
    task = d.leased(command.task, command.fence)
    if not ended_by_stop(d, task, command.failure.message):
        attempt_failed(d, task, command.failure)


def suspend(d: Deciding, command: c.Suspend) -> None:
    """An attempt gives its slot back and waits."""
    task = d.leased(command.task, command.fence)
    if ended_by_stop(d, task, None):
        return
    if d.closing:
        cancelled(d, task, d.run.reason or "cancelled", None)
    else:
        _wait(d, task, command.wait, attempt=task.attempt)


def lose(d: Deciding, command: c.Lose) -> None:
    """Whoever held the lease is gone."""
    task = d.leased(command.task, command.fence)
    if ended_by_stop(d, task, command.reason):
        return
    # What only waited has done nothing that somebody would have to be asked about.
    lost = "retry" if task.state is WAITING else task.spec.options.lost
    if lost == "retry" and task.losses < LOSSES_MAX and not d.closing:
        if not take_back(d, task):
            task_failed(d, task, violation(d.run))
            return
        d.emit(ev.TaskReleased(at=d.now, task=task.id, reason=command.reason, lost=True))
    elif lost == "ask" and not d.closing:
        message = f"{command.reason}: answer true to run it again, false to let it fail"
        wait = Wait(kind="lost", message=message, schema={"type": "boolean"})
        _wait(d, task, wait, attempt=task.attempt)
    else:
        times = f", {task.losses + 1} times in all" if task.losses else ""
        task_failed(d, task, Failure(kind="lost", message=f"{command.reason}{times}"))
