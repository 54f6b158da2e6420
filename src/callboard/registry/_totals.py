"""Totals: what runs and tasks come to, counted when they are asked for and never stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

from .._frozen import frozen
from ..workflow import ENDED, SETTLED, RunState, TaskState

JobState: TypeAlias = Literal["draft", "open", "running", "completed", "failed", "cancelled"]
"""``draft``: nothing of it exists; ``open``: it has no runs yet; ``running``: some have not ended;
``completed``: all succeeded; ``failed``: all have ended, some of them badly; ``cancelled``: it was
cancelled, or all have ended and some were cancelled."""

_BAD_RUNS: Final = ENDED - {RunState.SUCCEEDED, RunState.CANCELLED}

_ERRORS: Final = frozenset(
    {TaskState.FAILED, TaskState.NOT_READY, TaskState.UPSTREAM_FAILED, TaskState.CANCELLED}
)
_DONE: Final = frozenset({TaskState.SUCCEEDED, TaskState.SKIPPED})


@frozen(kw_only=True)
class TaskTotals:
    """How many tasks are where, in four words.

    Attributes:
        completed: Done, or left out for good.
        pending: To be done, or being done.
        error: Came to an end without being done.
        pause: Waiting for a person, a time or something else.
    """

    completed: int = 0
    pending: int = 0
    error: int = 0
    pause: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.completed + self.pending + self.error + self.pause


def task_totals(counts: Mapping[TaskState, int]) -> TaskTotals:
    """Return in four words how many tasks are where."""
    completed = sum(counts.get(state, 0) for state in _DONE)
    error = sum(counts.get(state, 0) for state in _ERRORS)
    pause = counts.get(TaskState.WAITING, 0)
    pending = sum(counts.values()) - completed - error - pause
    return TaskTotals(completed=completed, pending=pending, error=error, pause=pause)


def job_state(runs: Mapping[RunState, int], *, cancelled: bool) -> JobState:
    """Return where a job stands that is no draft."""
    if cancelled:
        return "cancelled"
    here = {state for state, count in runs.items() if count}
    if not here:
        return "open"
    if here - ENDED:
        return "running"
    if here & _BAD_RUNS:
        return "failed"
    return "cancelled" if RunState.CANCELLED in here else "completed"


def percent(tasks: Mapping[TaskState, int], state: JobState) -> int:
    """Return how much of the known tasks has come to an end, in whole percent, rounded down."""
    total = sum(tasks.values())
    if not total:
        return 100 if state == "completed" else 0
    return 100 * sum(tasks.get(each, 0) for each in SETTLED) // total


def named(counts: Mapping[RunState, int] | Mapping[TaskState, int]) -> dict[str, int]:
    """Return counts by the names of states, without zeros, in the order of the states."""
    order = [*RunState, *TaskState]
    found = {str(state): count for state, count in counts.items() if count}
    return {str(each): found[str(each)] for each in dict.fromkeys(order) if str(each) in found}
