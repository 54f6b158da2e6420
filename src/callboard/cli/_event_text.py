"""Events as a person reads them, and as JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from ..workflow import Event, events as ev
from . import _text as text

NAMES_MAX = 5
"""How many names of tasks a line holds."""

_TIMES = ("at", "retry_at")


def describe(event: Event, name_of: Callable[[str], str]) -> str:
    """Tell an event in one line.

    Args:
        event: What happened.
        name_of: Gives a task's name for its id.
    """
    if isinstance(event, (ev.HoleOpened, ev.HoleClosed)):
        return _hole(event)
    task = getattr(event, "task", None)
    if task is None:
        return _run_event(event, name_of)
    return f"{name_of(task)}: {_task_event(event)}"


def _by(who: str | None) -> str:
    return f" by {who}" if who else ""


def _because(reason: str | None) -> str:
    return f": {reason}" if reason else ""


def _hole(event: ev.HoleOpened | ev.HoleClosed) -> str:
    if isinstance(event, ev.HoleOpened):
        return f"hole {event.hole} opened for {event.shape}"
    return f"hole {event.hole} closed{_because(event.reason)}"


def _run_event(event: Event, name_of: Callable[[str], str]) -> str:
    match event:
        case ev.RunCreated(spec=spec):
            return f"run created from {spec.name} with {text.count(len(spec.tasks), 'task')}"
        case ev.RunPaused(by=by):
            return f"run paused{_by(by)}"
        case ev.RunUnpaused(by=by):
            return f"run unpaused{_by(by)}"
        case ev.RunStopping(state=state, reason=reason, by=by):
            return f"run is being stopped and will be {state}{_by(by)}: {reason}"
        case ev.RunDraining(reason=reason):
            return f"run starts nothing more: {reason}"
        case ev.RunEnded(state=state, reason=reason):
            return f"run ended {state}{_because(reason)}"
        case ev.TasksSettled(tasks=tasks, state=state, reason=reason):
            more = f" and {len(tasks) - NAMES_MAX:,} more" if len(tasks) > NAMES_MAX else ""
            names = ", ".join(map(name_of, tasks[:NAMES_MAX]))
            return f"{names}{more}: {state}: {reason}"
        case _:
            return event.kind


def _task_event(event: Event) -> str:
    match event:
        case ev.AttemptStarted(attempt=attempt, worker=worker):
            return f"attempt {attempt} started{_by(worker)}"
        case ev.TaskWaiting(wait=wait):
            until = f" until {text.local(wait.until)}" if wait.until is not None else ""
            return f"waits for its {wait.kind}{until}{_because(wait.message)}"
        case ev.TaskReleased(reason=reason):
            return f"ready again: {reason}"
        case ev.TaskAnswered(value=value, by=by):
            return f"answered{_by(by)}: {text.dumps(value, indent=None)}"
        case ev.RetryScheduled(error=error, retry_at=retry_at):
            return f"failed ({error.kind}), again at {text.clock(retry_at)}: {error.message}"
        case ev.RetryDue():
            return "is tried again"
        case ev.TaskSettled(state=state, error=error, reason=reason):
            return f"{state}{_because(error.message if error is not None else reason)}"
        case ev.RestartRequested(by=by):
            return f"restart asked for{_by(by)}; what runs of it is stopped first"
        case ev.TasksRestarted(tasks=tasks, by=by):
            return f"done anew{_by(by)}, {text.count(len(tasks), 'task')} in all"
        case _:
            return event.kind


def event_json(number: int, event: Event) -> dict[str, Any]:
    """Return an event as JSON: its number, its kind, and its fields."""
    fields: dict[str, Any] = msgspec.to_builtins(event)
    for name in _TIMES:
        if fields.get(name) is not None:
            fields[name] = text.iso(fields[name])
    return {"number": number, "kind": event.kind, **fields}
