"""Runs, tasks and leases as JSON: the shapes that the OpenAPI document promises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import msgspec

from .._binder import Binder
from ..storage import LogLine, RunRow
from ..supervisor import Claim
from ..workflow import (
    SETTLED,
    Event,
    Run,
    RunResult,
    Task,
    TaskResult,
    TaskState,
    events as ev,
)
from ..workflow._complete import speaks_freely
from ..workflow._graph import Vertex
from ..workflow._results import iso, plain

_TIMES = ("at", "retry_at")


def run_item(row: RunRow) -> dict[str, Any]:
    """Return a run as lists show it."""
    return {
        "run": row.run,
        "workflow": row.workflow,
        "state": str(row.state),
        "paused": row.paused,
        "reason": row.reason,
        "topic": row.topic,
        "job": row.job,
        "parent": row.parent_run,
        "created_at": iso(row.created_at),
        "started_at": iso(row.started_at),
        "ended_at": iso(row.ended_at),
        "owner": row.owner,
        "version": row.version,
    }


def item_of(run: Run, owner: str | None = None) -> dict[str, Any]:
    """Return a run in memory as lists show it."""
    return {
        "run": run.id,
        "workflow": run.spec.name,
        "state": str(run.state),
        "paused": run.paused,
        "reason": run.reason,
        "topic": run.topic,
        "job": run.job,
        "parent": run.parent_run,
        "created_at": iso(run.created_at),
        "started_at": iso(run.created_at),
        "ended_at": iso(run.ended_at),
        "owner": owner,
        "version": run.version,
    }


def run_view(run: Run, *, brief: bool) -> dict[str, Any]:
    """Return a run; brief: without its tasks and all that grows with them."""
    more = {
        "version": run.version,
        "topic": run.topic,
        "job": run.job,
        "parent": run.parent_run,
        "progress": progress(run),
    }
    if not brief:
        return {**RunResult.of(run).to_json(), **more}
    return {
        "run": run.id,
        "workflow": run.spec.name,
        "state": str(run.state),
        "paused": run.paused,
        "reason": run.reason,
        "started_at": iso(run.created_at),
        "ended_at": iso(run.ended_at),
        "inputs": {} if run.inputs is None else plain(run.inputs),
        "output": plain(run.output),
        **more,
    }


def progress(run: Run) -> dict[str, Any]:
    """Return how far a run is, in whole percent of the tasks that are known."""
    known = len(run.tasks)
    done = sum(number for state, number in run.counts.items() if state in SETTLED)
    grows = not run.ended and (
        bool(run.open_holes)
        or (not run.growth.closed and any(speaks_freely(run, t) for t in run.tasks.values()))
    )
    percent = 100 if run.ended and done == known else 100 * done // max(known, 1)
    return {"percent": percent, "done": done, "known": known, "may_grow": grows}


# --- tasks ----------------------------------------------------------------------------------------


def task_item(task: Task) -> dict[str, Any]:
    """Return a task as lists show it."""
    return {
        "id": task.id,
        "label": task.spec.name,
        "kind": task.spec.kind,
        "state": str(task.state),
        "reason": task.reason,
        "generation": task.generation,
        "attempts": task.attempt,
        "worker": task.worker,
        "created_by": task.created_by,
        "started_at": iso(task.first_at),
        "ended_at": iso(task.ended_at),
        "wait": wait_view(task),
    }


def task_view(run: Run, task: Task, told: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return all about a task.

    Args:
        run: Its run.
        task: The task.
        told: What its progress has told of its data, which lies over its inputs.
    """
    inputs = bound_inputs(run, task)
    original: Mapping[str, Any] = (
        cast("Mapping[str, Any]", inputs) if isinstance(inputs, Mapping) else {}
    )
    return {
        **TaskResult.of(task).to_json(),
        "id": task.id,
        "kind": task.spec.kind,
        "worker": task.worker,
        "wait": wait_view(task),
        "inputs": inputs,
        "data": {**original, **(told or {})},
    }


_SHOWING: Final = Binder(lambda _: "***")
"""Binds inputs for people to look at: no secret is shown."""


def bound_inputs(run: Run, task: Task) -> Any:
    """Return a task's inputs as it is given them; as they are written while that is not known."""
    given = task.spec.inputs
    if given is None:
        return None
    try:
        return plain(_SHOWING.inputs(run, task))
    except Exception:  # noqa: BLE001 - a task in front has no output yet, or an expression fails
        return plain(given)


def told_by(line: LogLine) -> Mapping[str, Any]:
    """Return what a line tells of its task's data, if it is progress that tells of it."""
    held: Any = line.data
    said: Any = cast("dict[str, Any]", held).get("data") if isinstance(held, dict) else None
    if line.stream == "progress" and isinstance(said, Mapping):
        return cast("Mapping[str, Any]", said)
    return {}


def wait_view(task: Task) -> dict[str, Any] | None:
    """Return what a task waits for."""
    wait = task.wait
    if wait is None:
        return None
    return {
        "kind": wait.kind,
        "message": wait.message,
        "schema": plain(wait.schema),
        "until": iso(wait.until),
        "run": wait.child,
    }


# --- events and logs ------------------------------------------------------------------------------


def event_view(number: int, event: Event) -> dict[str, Any]:
    """Return an event: its number, its kind, and its fields."""
    fields: dict[str, Any] = msgspec.to_builtins(_named(event))
    for name in _TIMES:
        if fields.get(name) is not None:
            fields[name] = iso(fields[name])
    return {"number": number, "kind": event.kind, **fields}


def _named(event: Event) -> Any:
    """Return an event; of the workflow of a new run, which may be large, its name is enough."""
    if not isinstance(event, ev.RunCreated):
        return event
    return {
        "at": event.at,
        "run": event.run,
        "workflow": event.spec.name,
        "inputs": event.inputs,
        "parent_run": event.parent_run,
        "parent_task": event.parent_task,
        "topic": event.topic,
        "job": event.job,
    }


def line_view(line: LogLine) -> dict[str, Any]:
    """Return a line that a task wrote."""
    return {
        "number": line.number,
        "task": line.task,
        "generation": line.generation,
        "attempt": line.attempt,
        "at": iso(line.at),
        "stream": line.stream,
        "text": line.text,
        "data": line.data,
    }


# --- the board ------------------------------------------------------------------------------------


def lease_view(claim: Claim, *, does: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return all that a worker needs to do a task.

    Args:
        claim: What it holds.
        does: How the task is done, where the engine leaves that to the worker.
    """
    lease, run = claim.lease, claim.actor.run
    task = run.tasks.get(lease.task)  # Perhaps it has just been taken out of the graph.
    return {
        "fence": lease.fence,
        "run": lease.run,
        "task": lease.task,
        "label": lease.spec.name,
        "kind": lease.spec.kind,
        "workflow": run.spec.name,
        "topic": run.topic,
        "job": run.job,
        "generation": lease.generation,
        "attempt": lease.attempt,
        "key": lease.key,
        "worker": claim.worker,
        "lease": claim.seconds,
        "inputs": plain(lease.inputs),
        "needs": {
            name: {"label": each.label, "output": plain(each.output)}
            for name, each in lease.needs().items()
        },
        "holes": [{"id": address, "shape": shape} for address, shape in lease.holes()],
        "answers": [plain(each) for each in lease.answers],
        "run_inputs": {} if run.inputs is None else plain(run.inputs),
        "earlier": {
            each.id: {"label": each.spec.name, "output": plain(each.output)}
            for each in (() if task is None else _earlier(task))
        },
        "do": None if does is None else dict(does),
    }


def _earlier(task: Task) -> Sequence[Task]:
    """Return the tasks that have succeeded before a task, in the order of their creation."""
    stack: list[Vertex] = [task]
    seen: set[Vertex] = set()
    while stack:
        for each in stack.pop().before:
            if each not in seen:
                seen.add(each)
                stack.append(each)
    done = (each for each in seen if isinstance(each, Task) and each.state is TaskState.SUCCEEDED)
    return sorted(done, key=lambda each: each.seq)
