"""What people decide about a run and its tasks: a pause, an outcome, an answer."""

from __future__ import annotations

from typing import Final

from . import commands as c, events as ev
from ._deadlines import run_timer
from ._deciding import Deciding
from ._definition import Failure
from ._errors import Refused
from ._failing import follow_policy, task_failed
from ._graph import Vertex
from ._passing_on import pass_on
from ._restarting import refuse_withdrawn, start_anew
from ._run import Task
from ._states import (
    BY_HAND,
    CANCELLED,
    CUT_OFF,
    FAILED,
    SKIPPED,
    SUCCEEDED,
    UPSTREAM_FAILED,
    WAITING,
)

_GIVEN_UP: Final = frozenset({UPSTREAM_FAILED, SKIPPED, CANCELLED})


def pause(d: Deciding, command: c.Pause) -> None:
    """Start nothing more; saying it twice is harmless."""
    d.refuse_ended("paused")
    if not d.run.paused:
        d.emit(ev.RunPaused(at=d.now, by=command.by))


def unpause(d: Deciding, command: c.Unpause) -> None:
    """Start tasks again; saying it twice is harmless."""
    d.refuse_ended("unpaused")
    if d.run.paused:
        d.emit(ev.RunUnpaused(at=d.now, by=command.by))


def settle(d: Deciding, command: c.Settle) -> None:
    """Set a task's outcome, and let follow for those behind it what follows from such an outcome.

    In a run that was or is being stopped as a whole only the task changes.
    """
    run = d.run
    task = run.task(command.task)
    _refuse_settling(d, task, command)
    ended = run.ended
    by = command.by or "somebody"
    failed = command.state is FAILED
    d.emit(
        ev.TaskSettled(
            at=d.now,
            task=task.id,
            state=command.state,
            output=command.output,
            error=Failure(kind="error", message=f"settled by hand by {by}") if failed else None,
            reason=f"settled by hand by {by}",
            by=by,
        )
    )
    if run.state in CUT_OFF or d.closing:
        return
    if task.released:
        _take_up_behind(d, task)
    elif failed:
        follow_policy(d, task)
    else:
        pass_on(d, task)
    if ended:
        d.effects.extend(run_timer(run))


def _refuse_settling(d: Deciding, task: Task, command: c.Settle) -> None:
    if command.state not in BY_HAND:
        known = ", ".join(sorted(BY_HAND))
        raise Refused(f"a task cannot be settled as {command.state}; it can be {known}")
    if task.fence is not None:
        raise Refused(
            f"task {task.id!r} of run {d.run.id!r} is {task.state}, somebody works on it: "
            "cancel the run or restart the task first"
        )
    refuse_withdrawn(d.run, task, "settled")
    if task.id in d.run.held:
        raise Refused(
            f"task {task.id!r} of run {d.run.id!r} is about to be restarted: settle it then"
        )


def _take_up_behind(d: Deciding, task: Task) -> None:
    """Begin anew what had been given up only because this task had not let it go."""
    given_up: list[Task] = []
    seen: set[Vertex] = set()
    stack: list[Vertex] = list(task.after)
    while stack:
        vertex = stack.pop()
        if vertex in seen:
            continue
        seen.add(vertex)
        if isinstance(vertex, Task) and not vertex.withdrawn:
            if not _was_given_up(vertex):
                continue
            given_up.append(vertex)
        stack.extend(vertex.after)
    if given_up:
        start_anew(d, task.id, given_up, None)


def _was_given_up(task: Task) -> bool:
    return (
        task.state in _GIVEN_UP
        and not task.released
        and task.first_at is None
        and task.settled_by is None
    )


def answer(d: Deciding, command: c.Answer) -> None:
    """Tell a waiting task what it waits for."""
    task = d.run.task(command.task)
    wait = task.wait
    if task.state is not WAITING or wait is None or wait.kind not in ("input", "lost"):
        answered = " (it was answered already)" if task.answers else ""
        raise Refused(
            f"task {task.id!r} of run {d.run.id!r} is {task.state}, "
            f"it waits for no answer{answered}"
        )
    if wait.kind == "lost":
        _answer_lost(d, task, command)
        return
    d.emit(ev.TaskAnswered(at=d.now, task=task.id, value=command.value, by=command.by))
    if task.spec.kind == "input":
        d.emit(ev.TaskSettled(at=d.now, task=task.id, state=SUCCEEDED, output=command.value))
    else:
        d.emit(ev.TaskReleased(at=d.now, task=task.id, reason="answered"))


def _answer_lost(d: Deciding, task: Task, command: c.Answer) -> None:
    if not isinstance(command.value, bool):
        raise Refused(
            f"task {task.id!r} was lost: answer true to run it again, false to let it fail"
        )
    if command.value:
        d.emit(ev.TaskReleased(at=d.now, task=task.id, reason="answered"))
    else:
        message = "its attempt was lost, and it is not to be run again"
        task_failed(d, task, Failure(kind="lost", message=message))
