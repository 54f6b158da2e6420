"""What follows from a failure: another attempt, or the end of the task and the run's policy."""

from __future__ import annotations

from collections.abc import Iterable

from . import events as ev
from ._adding import add_certain
from ._deciding import Deciding
from ._definition import Failure
from ._errors import PromiseBroken
from ._intervals import TooEntangled
from ._keeping import Broken, Mark, too_entangled, violation
from ._owning import pass_parts, undo_attempt
from ._passing_on import pass_on
from ._retry import next_delay
from ._run import Task
from ._states import CANCELLED, FAILED, IDLE, WAITING, RunState
from .commands import SetTimer, StopAttempt


def attempt_failed(d: Deciding, task: Task, failure: Failure) -> None:
    """Let another attempt follow if the task's policy has one, else let the task fail."""
    delay = None
    retry = task.spec.options.retry
    if retry is not None and not d.closing:
        elapsed = 0.0 if task.first_at is None else d.now - task.first_at
        delay = next_delay(retry, failure, task.failures + 1, elapsed, d.draw())
    if delay is None:
        task_failed(d, task, failure)
        return
    if not take_back(d, task):
        task_failed(d, task, violation(d.run))
        return
    at = d.now + delay
    d.emit(ev.RetryScheduled(at=d.now, task=task.id, error=failure, retry_at=at))
    d.effects.append(SetTimer(what="retry", at=at, task=task.id))


def take_back(d: Deciding, task: Task) -> bool:
    """Undo what an attempt has made that is to be followed by another.

    Return whether the run can still be finished then; if not, the promise is broken by that.
    """
    try:
        undo_attempt(d, task)
        add_certain(d)
    except (Broken, TooEntangled) as error:
        break_run(d, task, error if isinstance(error, Broken) else too_entangled())
        return False
    return True


def end_well(d: Deciding, task: Task) -> bool:
    """Pass on what a task owns that has done its work; return whether no promise was broken."""
    mark = Mark.of(d, task)
    try:
        pass_parts(d, task)
        add_certain(d)
    except (Broken, TooEntangled) as error:
        mark.take_back(d)
        break_run(d, task, error if isinstance(error, Broken) else too_entangled())
        return False
    return True


def break_run(d: Deciding, task: Task, broken: Broken) -> None:
    """End the run because a task did what a promise rules out."""
    d.emit(
        ev.PromiseViolated(
            at=d.now,
            text=broken.text,
            message=str(broken),
            task=task.id,
            attempt=task.attempt,
            fence=task.fence,
        )
    )
    reason = f"task {task.id!r} broke the promise {broken.text!r}: {broken}"
    d.failure = PromiseBroken(reason, run_id=d.run.id, promise=broken.text)
    if d.run.stopping is None:
        stop_run(d, RunState.PROMISE_BROKEN, reason, task.id)


def task_failed(d: Deciding, task: Task, failure: Failure) -> None:
    """Let a task fail for good."""
    d.settle(task, FAILED, reason=failure.message, error=failure)
    follow_policy(d, task)


def follow_policy(d: Deciding, task: Task) -> None:
    """Do what the run wants done after a task has failed."""
    run = d.run
    if run.stopping is not None:
        return
    reason = f"task {task.id!r} failed"
    match run.spec.on_failure:
        case "stop":
            stop_run(d, RunState.FAILED, reason, None)
        case "drain":
            if not run.draining:
                _drain(d, reason)
        case "skip_downstream" | "allow_partial":
            pass_on(d, task)


def _drain(d: Deciding, reason: str) -> None:
    run = d.run
    d.emit(ev.RunDraining(at=d.now, reason=reason))
    _cancel_idle(d, reason)
    # A wait could take days, and what it waits for would only start it again.
    stop_attempts(d, [task for task in run.active.values() if task.state is WAITING], reason)


def stop_run(d: Deciding, state: RunState, reason: str, by: str | None) -> None:
    """Stop everything; when nothing runs any more the run will have ended in ``state``."""
    d.emit(ev.RunStopping(at=d.now, state=state, reason=reason, by=by))
    _cancel_idle(d, reason)
    stop_attempts(d, list(d.run.active.values()), reason)


def _cancel_idle(d: Deciding, reason: str) -> None:
    d.settle_all([task for task in d.run.tasks.values() if task.state in IDLE], CANCELLED, reason)


def stop_attempts(d: Deciding, tasks: Iterable[Task], reason: str) -> None:
    """Have stopped what works on these tasks; a wait that nobody works on is over at once."""
    unattended: list[Task] = []
    for task in tasks:
        if task.fence is None:
            unattended.append(task)
        elif task.fence not in d.stops:
            d.stops[task.fence] = reason
            d.effects.append(StopAttempt(task=task.id, fence=task.fence, reason=reason))
    d.settle_all(unattended, CANCELLED, reason)
