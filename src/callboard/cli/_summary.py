"""The one line at the end of a run: what came of it, why, and where to look."""

from __future__ import annotations

from collections.abc import Iterator

from ..workflow import Run, Task, TaskState
from ..workflow.events import PromiseViolated
from . import _text as text
from ._progress import short


def summary(run: Run, store: str, *, durable: bool) -> str:
    """Return the line."""
    facts = "; ".join([*_facts(run), _next_step(run, store, durable=durable)])
    return f"run {run.id} of {run.spec.name} {_state(run)}: {facts}"


def _state(run: Run) -> str:
    if not run.ended:
        return "was interrupted"
    took = "" if run.ended_at is None else f" in {text.duration(run.ended_at - run.created_at)}"
    return f"{str(run.state).replace('_', ' ')}{took}"


def _facts(run: Run) -> Iterator[str]:
    yield f"{run.counts[TaskState.SUCCEEDED]:,} of {text.count(len(run.tasks), 'task')} succeeded"
    steps = sum(
        task.spec.kind == "step" and task.state is TaskState.SUCCEEDED and task.settled_by is None
        for task in run.tasks.values()
    )
    if steps:
        them = "it" if steps == 1 else "them"
        yield f"{steps:,} of them had no kind: nothing was done for {them}"
    failed = _first_failed(run)
    if run.broken is not None:
        yield _broken(run, run.broken)
    elif failed is not None:
        yield f"{failed.spec.name} failed: {text.one_line(short(_message(failed)))}"
    elif run.reason:
        yield text.one_line(short(run.reason))


def _broken(run: Run, broken: PromiseViolated) -> str:
    task = None if broken.task is None else run.tasks.get(broken.task)
    if task is None:
        return f"the promise {broken.text!r} was broken: {text.one_line(broken.message)}"
    name = task.spec.name if task.spec.name == task.id else f"{task.spec.name} ({task.id})"
    return (
        f"the promise {broken.text!r} was broken by attempt {broken.attempt} of {name}: "
        f"{text.one_line(broken.message)}"
    )


def _first_failed(run: Run) -> Task | None:
    failed = (task for task in run.tasks.values() if task.state is TaskState.FAILED)
    return min(failed, key=lambda task: task.ended_at or 0.0, default=None)


def _message(task: Task) -> str:
    return task.error.message if task.error is not None else str(task.reason)


def _next_step(run: Run, store: str, *, durable: bool) -> str:
    if not durable:
        return "it was kept in memory alone"
    if not run.ended:
        return f"carry on with {text.command('resume', run.id, store=store)}"
    failed = _first_failed(run)
    if failed is not None:
        return f"see {text.command('logs', run.id, failed.id, store=store)}"
    return f"see {text.command('show', run.id, store=store)}"
