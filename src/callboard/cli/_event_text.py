"""Events as a person reads them, and as JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from ..workflow import Event, events as ev
from ..workflow.events import Growing
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
    if isinstance(event, Growing):
        return _growth(event, name_of)
    task = getattr(event, "task", None)
    if task is None:
        return _run_event(event, name_of)
    return f"{name_of(task)}: {_task_event(event)}"


def _by(who: str | None) -> str:
    return f" by {who}" if who else ""


def _because(reason: str | None) -> str:
    return f": {reason}" if reason else ""


def _growth(event: Growing, name_of: Callable[[str], str]) -> str:
    """Tell what changed the graph, and who did it."""
    who = "" if event.by is None else name_of(event.by)
    by = _by(who)
    match event:
        case ev.TaskAdded(new=new, part=part):
            into = "" if part is None else f" into {part}"
            return f"{new.name}: added{into}{by} as {new.id}"
        case ev.EdgeAdded(source=source, target=target):
            return f"{name_of(target)}: runs after {name_of(source)} now{by and f', said{by}'}"
        case ev.HoleOpened(hole=hole, shape=shape, owner=owner):
            filled = "nobody" if owner is None else name_of(owner)
            return f"hole {hole} opened{by} for {shape}, filled by {filled}"
        case ev.HoleGiven(hole=hole, to=to):
            return f"hole {hole} given to {name_of(to)}{by}"
        case ev.HoleLeft(hole=hole):
            return f"hole {hole} left{by}, which has ended"
        case ev.HoleClosed(hole=hole, reason=reason):
            return f"hole {hole} closed{'' if reason else by}{_because(reason)}"
        case ev.HoleNarrowed(hole=hole, shape=shape):
            return f"hole {hole} narrowed to {shape}, all that can come without a broken promise"
        case ev.HoleLapsed(hole=hole):
            return f"hole {hole} given up: {who}, which was to fill it, did not succeed"
        case ev.TaskWithdrawn(task=task):
            return f"{name_of(task)}: withdrawn{by}"
        case ev.PromiseMade(text=said):
            return f"promised{by}: {said}"
        case ev.Styled(target=target, label=label, color=color):
            what = target if isinstance(target, str) else " → ".join(target)
            words = [repr(label) if label is not None else "", color or ""]
            return f"{what}: is drawn{by} as {', '.join(filter(None, words)) or 'before'}"


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
        case ev.PromiseViolated(text=said, message=message):
            return f"the promise {said!r} was broken: {message}"
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
            return _growth_event(event)


def _growth_event(event: Event) -> str:
    """Tell what follows for a task from what it did to the graph."""
    match event:
        case ev.AgainAsked(target=target):
            return f"when it succeeds, {target} and all behind it are done anew"
        case ev.GrowthUndone(records=records):
            return f"{text.count(len(records), 'change')} of its attempt taken back"
        case ev.PromiseViolated(text=said, message=message, attempt=attempt):
            return f"attempt {attempt} broke the promise {said!r}: {message}"
        case _:
            return event.kind


def event_json(number: int, event: Event) -> dict[str, Any]:
    """Return an event as JSON: its number, its kind, and its fields."""
    fields: dict[str, Any] = msgspec.to_builtins(event)
    for name in _TIMES:
        if fields.get(name) is not None:
            fields[name] = text.iso(fields[name])
    return {"number": number, "kind": event.kind, **fields}
