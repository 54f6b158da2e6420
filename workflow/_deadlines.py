"""What follows when a time has come, and which times are to be waited for.

A timer only says that it may be time: whether it still matters is seen from the run, so timers are
never cancelled, and one too many does no harm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import attrs

from .._frozen import frozen
from . import commands as c, events as ev
from ._deciding import Deciding
from ._definition import Failure
from ._failing import attempt_failed, stop_attempts, stop_run, task_failed
from ._run import Run, Task
from ._states import READY, RETRY_WAIT, RUNNING, SETTLED, SUCCEEDED, WAITING, RunState
from .commands import Effect, SetTimer, StopAttempt

_DONE_BY_WAITING: Final = frozenset({"input", "sleep", "wait", "workflow"})
"""Kinds whose attempt is the wait; others give up their attempt when they begin to wait."""


@frozen
class Limit:
    """A time limit of a task that has passed; after a ``final`` one no retry follows."""

    message: str
    final: bool = False


def overdue(d: Deciding, task: Task) -> Limit | None:
    """Return the time limit that a running or waiting task has passed."""
    timeout = task.spec.options.timeout
    if timeout is not None and d.over(task.first_at, timeout.total):
        return Limit(f"the total timeout of {timeout.total:g} s elapsed", final=True)
    if timeout is not None and _in_attempt(task) and d.over(task.started_at, timeout.attempt):
        return Limit(f"the attempt's timeout of {timeout.attempt:g} s elapsed")
    wait = task.wait
    if wait is not None and wait.kind != "sleep" and d.over(wait.until, 0.0):
        return Limit(f"nothing came of what it waited for: {wait.message or wait.kind}")
    return None


def _in_attempt(task: Task) -> bool:
    wait = task.wait
    return wait is None or (task.spec.kind in _DONE_BY_WAITING and wait.kind != "lost")


# --- what is to be waited for ---------------------------------------------------------------------


def start_timers(d: Deciding, task: Task, *, first: bool) -> None:
    """Set the timers of an attempt that has just begun."""
    timeout = task.spec.options.timeout
    if timeout is None:
        return
    if timeout.attempt is not None:
        d.effects.append(SetTimer(what="attempt", at=d.now + timeout.attempt, task=task.id))
    if timeout.total is not None and first:
        d.effects.append(SetTimer(what="total", at=d.now + timeout.total, task=task.id))


def wait_timer(task: Task) -> list[SetTimer]:
    """Return the timer of a task that waits at most until some time."""
    if task.wait is None or task.wait.until is None:
        return []
    return [SetTimer(what="sleep", at=task.wait.until, task=task.id)]


def run_timer(run: Run) -> list[SetTimer]:
    """Return the timer of a run that may take only so long."""
    if run.spec.timeout is None or run.ended:
        return []
    return [SetTimer(what="run", at=run.opened_at + run.spec.timeout)]


def queued_timers(run: Run, tasks: Iterable[Task]) -> list[SetTimer]:
    """Return the timers for tasks that have just become ready and may not stay so for long."""
    if run.paused:
        return []
    return [
        timer
        for task in tasks
        if task.state is READY and task.spec.options.timeout is not None
        for timer in _queued_timer(task)
    ]


def _queued_timer(task: Task) -> Iterable[SetTimer]:
    timeout = task.spec.options.timeout
    if timeout is not None and timeout.queued is not None and task.ready_at is not None:
        yield SetTimer(what="queued", at=task.ready_at + timeout.queued, task=task.id)


def resume(run: Run, now: float) -> list[Effect]:
    """Return what a run that is taken up needs: its timers (none in the past), and its stops."""
    effects: list[Effect] = [*run_timer(run), *queued_timers(run, run.tasks.values())]
    for task in run.tasks.values():
        # A task that has not begun has no timer of its own yet; most have none at all.
        if task.first_at is not None and task.state not in SETTLED:
            effects.extend(_timers(task))
    effects = [
        attrs.evolve(each, at=max(each.at, now)) for each in effects if isinstance(each, SetTimer)
    ]
    for task in run.active.values():
        if task.fence is not None and (run.stopping is not None or task.id in run.held):
            reason = run.reason or "it was being stopped before"
            effects.append(StopAttempt(task=task.id, fence=task.fence, reason=reason))
    return effects


def _timers(task: Task) -> Iterable[SetTimer]:
    timeout = task.spec.options.timeout
    if timeout is not None and timeout.total is not None and task.first_at is not None:
        yield SetTimer(what="total", at=task.first_at + timeout.total, task=task.id)
    if task.state is RETRY_WAIT and task.retry_at is not None:
        yield SetTimer(what="retry", at=task.retry_at, task=task.id)
    elif task.state is RUNNING or task.state is WAITING:
        limit = timeout.attempt if timeout is not None and _in_attempt(task) else None
        if limit is not None and task.started_at is not None:
            yield SetTimer(what="attempt", at=task.started_at + limit, task=task.id)
        yield from wait_timer(task)


# --- when it has come -----------------------------------------------------------------------------


def due(d: Deciding, command: c.Due) -> None:
    """A time has come."""
    run = d.run
    if run.ended:
        return
    if command.what == "run":
        _run_due(d)
        return
    task = run.tasks.get(command.task or "")
    # What is about to be restarted begins anew anyway, its old deadlines with it.
    if task is not None and task.state not in SETTLED and task.id not in run.held:
        _DUE[command.what](d, task)


def _run_due(d: Deciding) -> None:
    limit = d.run.spec.timeout
    if d.run.stopping is None and d.over(d.run.opened_at, limit):
        stop_run(d, RunState.TIMED_OUT, f"the run's timeout of {limit:g} s elapsed", None)


def _limit_due(d: Deciding, task: Task) -> None:
    if task.state is RUNNING or task.state is WAITING:
        limit = overdue(d, task)
        if limit is not None:
            _enforce(d, task, limit)


def _enforce(d: Deciding, task: Task, limit: Limit) -> None:
    if task.fence is not None:
        stop_attempts(d, [task], limit.message)
        return
    failure = Failure(kind="timeout", message=limit.message)
    (task_failed if limit.final else attempt_failed)(d, task, failure)


def _total_due(d: Deciding, task: Task) -> None:
    if task.state is not READY and task.state is not RETRY_WAIT:
        _limit_due(d, task)
        return
    timeout = task.spec.options.timeout
    if timeout is not None and d.over(task.first_at, timeout.total):
        after = "" if task.error is None else f"; before that: {task.error.message}"
        message = f"the total timeout of {timeout.total:g} s elapsed{after}"
        task_failed(d, task, Failure(kind="timeout", message=message))


def _queued_due(d: Deciding, task: Task) -> None:
    timeout = task.spec.options.timeout
    if timeout is None or task.state is not READY or d.run.paused:
        return
    if d.over(task.ready_at, timeout.queued):
        message = f"it was ready for {timeout.queued:g} s without being started"
        task_failed(d, task, Failure(kind="timeout", message=message))


def _retry_due(d: Deciding, task: Task) -> None:
    if task.state is RETRY_WAIT and d.over(task.retry_at, 0.0):
        d.emit(ev.RetryDue(at=d.now, task=task.id))


def _sleep_due(d: Deciding, task: Task) -> None:
    wait = task.wait
    if wait is None or wait.kind != "sleep":
        _limit_due(d, task)
    elif d.over(wait.until, 0.0):
        if task.spec.kind == "sleep":
            d.settle(task, SUCCEEDED)
        else:
            d.emit(ev.TaskReleased(at=d.now, task=task.id, reason="it has waited long enough"))


_DUE: Final[dict[str, Callable[[Deciding, Task], None]]] = {
    "attempt": _limit_due,
    "total": _total_due,
    "queued": _queued_due,
    "retry": _retry_due,
    "sleep": _sleep_due,
}
