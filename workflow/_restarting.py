"""Doing a task and all behind it anew: what runs of it stops, then a new generation begins."""

from __future__ import annotations

from . import commands as c, events as ev
from ._deadlines import run_timer
from ._deciding import Deciding, in_order
from ._errors import Refused
from ._failing import stop_attempts
from ._passing_on import blockers, pass_on_to
from ._run import Run, Task
from ._stopping import RESTARTING


def restart(d: Deciding, command: c.Restart) -> None:
    """Ask for a task and all behind it to be done anew."""
    run = d.run
    task = run.task(command.task)
    if d.closing:
        raise Refused(
            f"task {task.id!r} of run {run.id!r} cannot be restarted while the run is being "
            "stopped: restart it when the run has ended"
        )
    for first in blockers([task]):
        raise Refused(
            f"task {task.id!r} of run {run.id!r} runs after {first.id!r}, which is {first.state}: "
            f"restart {first.id!r} instead"
        )
    refuse_withdrawn(run, task, "restarted")
    d.emit(ev.RestartRequested(at=d.now, task=task.id, by=command.by))
    stop_held(d)


def refuse_withdrawn(run: Run, task: Task, done: str) -> None:
    """Refuse what cannot be done to a task that was withdrawn."""
    if task.withdrawn:
        by = task.created_by
        hint = "" if by is None else f"; restart {by!r}, which created it"
        raise Refused(
            f"task {task.id!r} of run {run.id!r} cannot be {done}: it was {task.reason}{hint}"
        )


def stop_held(d: Deciding) -> None:
    """Have stopped what runs in the scope of a restart."""
    stop_attempts(d, _held_and_live(d.run), RESTARTING)


def _held_and_live(run: Run) -> list[Task]:
    return [task for task in run.active.values() if task.id in run.held]


def begin_anew(d: Deciding) -> None:
    """Begin the new generations of restarts that wait for nothing any more."""
    run = d.run
    live = _held_and_live(run)
    if live and len(run.restarting) == 1:
        return
    for name, by in list(run.restarting.items()):
        scope = run.scope_of(name)
        if not any(task.id in run.active for task in scope):
            start_anew(d, name, scope, by)


def start_anew(d: Deciding, name: str, tasks: list[Task], by: str | None) -> None:
    """Begin a new generation of these tasks; an ended run is open again."""
    ended = d.run.ended
    again = name in d.run.agains
    d.emit(ev.TasksRestarted(at=d.now, task=name, tasks=in_order(tasks), by=by, again=again))
    pass_on_to(d, tasks)
    if ended:
        d.effects.extend(run_timer(d.run))
