"""What follows for the tasks behind one that does not let them go."""

from __future__ import annotations

from collections.abc import Iterable

from ._deciding import Deciding
from ._graph import Vertex
from ._run import Part, Task, is_joint
from ._states import (
    CANCELLED,
    PENDING,
    SETTLED,
    SKIPPED,
    SUCCEEDED,
    UPSTREAM_FAILED,
    TaskState,
)


def blocks(vertex: Vertex) -> bool:
    """Return whether this is a task that will never let its successors go, as things stand."""
    return not is_joint(vertex) and _is_settled(vertex) and not vertex.released


def _is_settled(vertex: Vertex) -> bool:
    return isinstance(vertex, Task) and vertex.state in SETTLED


def blockers(tasks: Iterable[Vertex]) -> list[Task]:
    """Return what blocks these tasks or holes, directly in front of them or across holes."""
    found: set[Task] = set()
    seen: set[Vertex] = set()
    stack: list[Vertex] = [earlier for task in tasks for earlier in task.before]
    while stack:
        vertex = stack.pop()
        if vertex in seen or vertex.released:
            continue
        seen.add(vertex)
        if not isinstance(vertex, Task) or vertex.withdrawn:
            stack.extend(vertex.before)
            if isinstance(vertex, Part) and vertex.lapsed:
                stack.extend(vertex.owners)
        elif vertex.state in SETTLED:
            found.add(vertex)
    return sorted(found, key=lambda each: each.seq)


def pass_on(d: Deciding, task: Task) -> None:
    """Settle what has not begun and can never begin because of how this task ended."""
    state, reason = _fate(task)
    d.settle_all(_doomed(task), state, reason)


def pass_on_to(d: Deciding, tasks: Iterable[Vertex]) -> None:
    """Settle those of these tasks, and of what is behind them, that something in front blocks."""
    run = d.run
    if len(run.tasks) - run.unsettled > run.counts[SUCCEEDED]:  # else all let their successors go
        for blocker in blockers(tasks):
            pass_on(d, blocker)


def _fate(task: Task) -> tuple[TaskState, str]:
    match task.state:
        case TaskState.NOT_READY:
            return SKIPPED, f"task {task.id!r} was not ready"
        case TaskState.SKIPPED:
            return SKIPPED, task.reason or f"task {task.id!r} was skipped"
        case TaskState.CANCELLED:
            return CANCELLED, f"task {task.id!r} was cancelled"
        case TaskState.UPSTREAM_FAILED:
            return UPSTREAM_FAILED, task.reason or f"task {task.id!r} could not run"
        case _:
            return UPSTREAM_FAILED, f"task {task.id!r} failed"


def _doomed(task: Task) -> list[Task]:
    # What has begun, or was settled for a reason of its own, decides by itself what follows behind
    # it.
    doomed: set[Task] = set()
    seen: set[Vertex] = set()
    stack: list[Vertex] = [*task.after, *(task.binds or ())]
    while stack:
        vertex = stack.pop()
        if vertex in seen or vertex.released:
            continue
        seen.add(vertex)
        if isinstance(vertex, Task) and not vertex.withdrawn:
            if vertex.state is not PENDING:
                continue
            doomed.add(vertex)
        stack.extend(vertex.after)
    return list(doomed)
