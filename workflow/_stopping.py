"""Attempts that end because they were stopped: why is read from the run, not remembered.

A run that is being stopped, or a restart that waits for its scope, stops whatever works in it, also
after the engine has died and another one has taken the run up.  Only a timeout needs to be known to
have been acted on: that is what ``stops`` tells, and with the engine it is forgotten, for then the
attempt was lost anyway.
"""

from __future__ import annotations

from . import commands as c, events as ev
from ._deadlines import overdue
from ._deciding import Deciding
from ._definition import Failure
from ._failing import attempt_failed, stop_run, take_back, task_failed
from ._keeping import violation
from ._passing_on import pass_on
from ._run import Task
from ._states import CANCELLED

RESTARTING = "the task is about to be restarted"
"""Why attempts in the scope of a restart are stopped."""


def stopped(d: Deciding, command: c.Stopped) -> None:
    """An attempt ended because it was stopped, or because its engine leaves."""
    task = d.leased(command.task, command.fence)
    if ended_by_stop(d, task, command.note):
        return
    if d.closing:
        cancelled(d, task, d.run.reason or "interrupted", command.note)
    else:
        if not take_back(d, task):
            task_failed(d, task, violation(d.run))
            return
        d.emit(ev.TaskReleased(at=d.now, task=task.id, reason="interrupted"))


def ended_by_stop(d: Deciding, task: Task, note: str | None) -> bool:
    """Deal with the end of an attempt that was to be stopped; return False if it was not to be.

    Args:
        note: What else there is to say: what could not be stopped, or what the attempt said in the
            end.
    """
    run = d.run
    asked = d.stops.pop(task.fence or "", None)
    if run.broken is not None and run.broken.fence == task.fence:
        task_failed(d, task, violation(run))
    elif run.stopping is not None:
        cancelled(d, task, run.reason or "cancelled", note)
    elif task.id in run.held:
        cancelled(d, task, RESTARTING, note)
    elif asked is None:
        return False
    elif (limit := overdue(d, task)) is None:
        cancelled(d, task, asked, note)
    else:
        failure = Failure(kind="timeout", message=_with_note(limit.message, note))
        (task_failed if limit.final else attempt_failed)(d, task, failure)
    return True


def cancelled(d: Deciding, task: Task, reason: str, note: str | None) -> None:
    """Let a task that was worked on end as cancelled."""
    reason = _with_note(reason, note)
    d.settle(task, CANCELLED, reason=reason, error=Failure(kind="cancelled", message=reason))
    if task.id not in d.run.held:
        pass_on(d, task)


def _with_note(reason: str, note: str | None) -> str:
    return f"{reason} ({note})" if note else reason


def cancel(d: Deciding, command: c.Cancel) -> None:
    """Stop the whole run; saying it twice is harmless."""
    d.refuse_ended("cancelled")
    if d.run.stopping is None:
        stop_run(d, command.state, command.reason, command.by)
