"""Turns a run's state into the rows that lists and other engines see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..storage import RunRow, TaskRow, Transition
from ..workflow import Event, Run, Task


def run_row(run: Run, owner: str | None) -> RunRow:
    """Return the row of a run as it stands."""
    return RunRow(
        run=run.id,
        workflow=run.spec.name,
        state=run.state,
        paused=run.paused,
        reason=run.reason,
        topic=run.topic,
        job=run.job,
        parent_run=run.parent_run,
        parent_task=run.parent_task,
        created_at=run.created_at,
        started_at=run.created_at,
        ended_at=run.ended_at,
        owner=owner,
        version=run.version,
    )


def _is_same(row: RunRow, before: RunRow) -> bool:
    """Whether nothing but the version differs, of what changes while a run is live."""
    return (
        row.state is before.state
        and row.paused == before.paused
        and row.reason == before.reason
        and row.ended_at == before.ended_at
        and row.owner == before.owner
    )


def task_row(run: str, task: Task, at: float) -> TaskRow:
    """Return the row of a task as it stands."""
    options = task.spec.options
    return TaskRow(
        run=run,
        task=task.id,
        label=task.spec.name,
        kind=task.spec.kind,
        state=task.state,
        generation=task.generation,
        attempt=task.attempt,
        fence=task.fence,
        worker=task.worker,
        pool=options.pool,
        priority=options.priority,
        reason=task.reason,
        changed_at=at,
    )


def transition(
    run: Run,
    events: Sequence[Event],
    engine: str | None,
    at: float,
    *,
    release: bool = False,
    pools: Sequence[str] = (),
    rows: bool = True,
    before: RunRow | None = None,
    blocked: Mapping[str, str] | None = None,
) -> Transition:
    """Return everything that the events just folded into a run have to write.

    Args:
        before: The row as it was written before.
        blocked: Why ready tasks cannot begin now.
    """
    changed = run.take_changed()
    row = run_row(run, None if release else engine)
    tasks = [task_row(run.id, task, at) for task in changed] if rows else []
    if blocked:
        for each in tasks:
            if each.task in blocked:
                # By the worker it is known whose reason it is: another engine may lack nothing.
                each.reason, each.worker = blocked[each.task], engine
    return Transition(
        run=run.id,
        version=run.version - len(events),
        engine=engine,
        events=events,
        row=row,
        only_version=before is not None and _is_same(row, before),
        tasks=tasks,
        pool_leases_released=pools,
        release=release,
    )
