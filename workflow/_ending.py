"""When a run is over, and what it came to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from . import events as ev
from ._deciding import Deciding
from ._errors import CallboardError
from ._run import Run, Task
from ._states import CANCELLED, FAILED, NOT_READY, SUCCEEDED, UPSTREAM_FAILED, RunState

OutputOf: TypeAlias = Callable[[Run], Any]
"""Computes the output of a run that has succeeded; an error of ours lets the run fail instead."""


def end_if_over(d: Deciding, output_of: OutputOf | None) -> None:
    """End a run whose tasks have all come to their end, unless more may come."""
    run = d.run
    if run.unsettled or run.ended or (run.open_holes and not d.closing):
        return
    state, reason, output = _final_state(run), _final_reason(run), None
    if state is RunState.SUCCEEDED:
        reason = None
        if output_of is not None:
            try:
                output = output_of(run)
            except CallboardError as error:
                state, reason = RunState.FAILED, f"the run's output could not be made: {error}"
    d.emit(ev.RunEnded(at=d.now, state=state, reason=reason, output=output))


def _final_state(run: Run) -> RunState:
    if run.stopping is not None:
        return run.stopping
    counts = run.counts
    failed = counts[FAILED] + counts[UPSTREAM_FAILED]
    if failed and not (run.spec.on_failure == "allow_partial" and _enough_succeeded(run)):
        return RunState.FAILED
    if counts[NOT_READY]:
        return RunState.NOT_READY
    if counts[CANCELLED]:
        return RunState.CANCELLED
    return RunState.SUCCEEDED


def _enough_succeeded(run: Run) -> bool:
    critical = [task for task in run.tasks.values() if task.spec.options.critical]
    if critical:
        return all(task.state is SUCCEEDED for task in critical)
    return run.counts[SUCCEEDED] > 0


def _final_reason(run: Run) -> str | None:
    if run.reason is not None:
        return run.reason
    for state in (FAILED, NOT_READY, CANCELLED):
        if run.counts[state]:
            first = min((task for task in run.tasks.values() if task.state is state), key=ended)
            how = "was not ready" if state is NOT_READY else str(state)
            why = "" if first.reason is None else f": {first.reason}"
            return f"task {first.id!r} {how}{why}"
    return None


def ended(task: Task) -> tuple[float, str]:
    """Sort tasks by when they ended, and by name among equals."""
    return (task.ended_at or 0.0, task.id)
