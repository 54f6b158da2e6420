"""Why a task is not running, and what a run waits for: for programs, and in a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import attrs

from .._frozen import frozen
from ._graph import Vertex
from ._results import iso
from ._run import Hole, Part, Run, Task
from ._states import CANCELLED, FAILED, RUNNING, SETTLED, SUCCEEDED, TaskState

_NAMED_MAX = 5
"""How many names a sentence lists before it counts the rest."""


@frozen(kw_only=True)
class Reason:
    """Why a task, or the run, stands where it stands.

    Attributes:
        task: The task, or None for the run itself.
        state: Its state.
        code: What it comes from: running, settled, predecessors, paused, stopping, restarting,
            ready, retry, or for what it waits: input, sleep, probe, child, lost, tasks, holes.
        reason: The same in a sentence.
        blockers: Ids of the tasks (and of holes, behind a ``#``) that it waits for.
    """

    task: str | None
    state: str
    code: str
    reason: str
    blockers: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {**attrs.asdict(self), "blockers": list(self.blockers)}


def why(run: Run, task_id: str | None = None) -> list[Reason]:
    """Tell why a task is not running; or the same of the run and all that has not succeeded.

    Raises:
        Refused: there is no such task.
    """
    if task_id is not None:
        return [_of_task(run, run.task(task_id))]
    told = [task for task in run.tasks.values() if task.state not in (RUNNING, SUCCEEDED)]
    return [_of_run(run), *(_of_task(run, task) for task in told)]


# --- a task ---------------------------------------------------------------------------------------


def _of_task(run: Run, task: Task) -> Reason:
    code, words, blockers = _explain(run, task)
    return Reason(
        task=task.id,
        state=str(task.state),
        code=code,
        reason=f"task {task.id!r} {words}",
        blockers=tuple(each.id for each in blockers),
    )


def _explain(run: Run, task: Task) -> tuple[str, str, Sequence[Vertex]]:
    match task.state:
        case TaskState.PENDING:
            before = _standing_in_front(task)
            return "predecessors", f"waits for {_names(before)}", before
        case TaskState.READY:
            return _ready(run, task)
        case TaskState.RUNNING:
            return _running(run, task)
        case TaskState.WAITING:
            return _waiting(task)
        case TaskState.RETRY_WAIT:
            error = "" if task.error is None else f" after: {task.error.message}"
            return "retry", f"is tried again at {iso(task.retry_at)}{error}", []
        case _:
            return "settled", _settled(task), _unfinished_causes(task)


def _ready(run: Run, task: Task) -> tuple[str, str, Sequence[Vertex]]:
    if task.id in run.held:
        live = [each for each in run.active.values() if each.id in run.held]
        return "restarting", f"begins anew when {_names(live)} has stopped", live
    if run.paused:
        return "paused", "is ready, but the run is paused", []
    again = "" if task.reason is None else f" (the attempt before: {task.reason})"
    return "ready", f"is ready since {iso(task.ready_at)} and has not been started yet{again}", []


def _running(run: Run, task: Task) -> tuple[str, str, Sequence[Vertex]]:
    by = "" if task.worker is None else f" on {task.worker}"
    words = f"is running since {iso(task.started_at)}{by}, attempt {task.attempt}"
    if run.stopping is not None:
        return "stopping", f"{words}; it is being stopped: {run.reason}", []
    if task.id in run.held:
        return "restarting", f"{words}; it is being stopped to begin anew", []
    return "running", words, []


def _waiting(task: Task) -> tuple[str, str, Sequence[Vertex]]:
    wait = task.wait
    if wait is None:
        return "waiting", "waits", []
    message = "" if wait.message is None else f": {wait.message}"
    until = "" if wait.until is None else f", at most until {iso(wait.until)}"
    since = f"since {iso(task.started_at)}{until}{message}"
    match wait.kind:
        case "sleep":
            return "sleep", f"sleeps until {iso(wait.until)}", []
        case "input":
            return "input", f"waits for an answer {since}", []
        case "child":
            return "child", f"waits for run {wait.child!r} {since}", []
        case "lost":
            return "lost", f"waits for somebody to decide{message}", []
        case kind:
            return kind, f"waits for its {kind} {since}", []


def _settled(task: Task) -> str:
    words = f"is {task.state} since {iso(task.ended_at)}"
    if task.state is FAILED and task.error is not None:
        return f"{words} ({task.error.kind}): {task.error.message}"
    return words if task.reason is None else f"{words}: {task.reason}"


def _unfinished_causes(task: Task) -> list[Vertex]:
    """Return what is directly in front of a task that was given up, and did not let it go."""
    if task.released or task.first_at is not None or task.state in (FAILED, CANCELLED):
        return []
    return _standing_in_front(task)


def _standing_in_front(task: Task) -> list[Vertex]:
    """Return what has not let a task go: what was withdrawn stands only for what is before it."""
    found: dict[Vertex, None] = {}
    for earlier in task.before:
        if isinstance(earlier, Task) and earlier.withdrawn:
            found |= dict.fromkeys(_standing_in_front(earlier))
        elif not earlier.released:
            found[earlier] = None
    return list(found)


# --- the run --------------------------------------------------------------------------------------


def _of_run(run: Run) -> Reason:
    code, words, blockers = _explain_run(run)
    return Reason(
        task=None,
        state=str(run.state),
        code=code,
        reason=f"run {run.id!r} {words}",
        blockers=tuple(each.id for each in blockers),
    )


def _explain_run(run: Run) -> tuple[str, str, Sequence[Vertex]]:
    active = list(run.active.values())
    if run.ended:
        because = "" if run.reason is None else f": {run.reason}"
        return "settled", f"has ended {run.state}{because}", []
    if run.stopping is not None or run.draining:
        how = "to stop" if run.stopping is not None else "to end"
        return "stopping", f"waits for {_names(active)} {how}: {run.reason}", active
    if run.paused:
        going_on = f"; {_names(active)} may still end" if active else ""
        return "paused", f"is paused, nothing more starts{going_on}", active
    unsettled = [task for task in run.tasks.values() if task.state not in SETTLED]
    holes = [hole for hole in run.holes.values() if not hole.closed]
    if not unsettled:
        return "holes", f"waits for {_names(holes)}", holes
    standing = active or [task for task in unsettled if not task.open] or holes
    return "tasks", f"waits for {_names(standing)}; {_count(unsettled)} not settled", standing


def _count(tasks: Sequence[Task]) -> str:
    return "1 task is" if len(tasks) == 1 else f"{len(tasks)} tasks are"


def _names(vertices: Iterable[Vertex]) -> str:
    names = [_name(vertex) for vertex in vertices]
    if len(names) > _NAMED_MAX:
        names[_NAMED_MAX - 1 :] = [f"{len(names) - _NAMED_MAX + 1} more"]
    if not names:
        return "nothing"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _name(vertex: Vertex) -> str:
    if isinstance(vertex, Task):
        return f"{vertex.id!r} ({vertex.state})"
    if isinstance(vertex, Hole):
        return f"the hole {vertex.id!r} ({_expected(_open_parts(vertex))})"
    if isinstance(vertex, Part):
        return f"the place {vertex.id!r} ({_expected(_open_parts(vertex))})"
    return repr(vertex.id)


def _expected(parts: Sequence[Part]) -> str:
    """Say what may still come into the open parts of a hole, and from whom."""
    if not parts:
        return "nothing more comes, what has come is not done"
    told = [_expected_in(part) for part in parts[:_NAMED_MAX]]
    more = len(parts) - _NAMED_MAX
    return "; ".join([*told, *([f"{more} more"] if more > 0 else [])])


def _expected_in(part: Part) -> str:
    how = "may" if part.residual.nullable else "must"
    owners = part.owners
    if part.lapsed:
        return f"{part.residual} never came: its owner did not succeed"
    by = _names(owners) if owners else "a person"
    return f"{part.residual} {how} still come from {by}"


def _open_parts(joint: Vertex) -> list[Part]:
    """Return the parts at or in front of a joint, in its hole, into which something may come."""
    found: list[Part] = []
    stack, seen = [joint], {joint}
    while stack:
        vertex = stack.pop()
        if isinstance(vertex, Part) and not vertex.closed:
            found.append(vertex)
        stack.extend(each for each in vertex.before if isinstance(each, Part) and each not in seen)
        seen.update(vertex.before)
    return found[::-1]
