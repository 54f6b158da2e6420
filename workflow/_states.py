"""The states of tasks and runs, and the one table of moves between them.

Rule: no other file assigns a task's or a run's state except through :func:`check_task_move`; a move that is
not in the table raises.  The picture in the docs is drawn from this table.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final

from ._errors import InternalError


class TaskState(enum.StrEnum):
    """Where a task stands."""

    PENDING = "pending"
    READY = "ready"
    RUNNING = "running"
    WAITING = "waiting"
    RETRY_WAIT = "retry_wait"
    SUCCEEDED = "succeeded"
    NOT_READY = "not_ready"
    FAILED = "failed"
    SKIPPED = "skipped"
    UPSTREAM_FAILED = "upstream_failed"
    CANCELLED = "cancelled"


class RunState(enum.StrEnum):
    """Where a run stands; being paused is a flag beside it."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    NOT_READY = "not_ready"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    PROMISE_BROKEN = "promise_broken"


_T = TaskState

SETTLED: Final = frozenset(
    {_T.SUCCEEDED, _T.NOT_READY, _T.FAILED, _T.SKIPPED, _T.UPSTREAM_FAILED, _T.CANCELLED}
)
"""States after which nothing follows by itself."""

ENDED: Final = frozenset(set(RunState) - {RunState.PENDING, RunState.RUNNING})
"""Run states after which nothing follows by itself."""

TASK_MOVES: Final[Mapping[TaskState, frozenset[TaskState]]] = {
    _T.PENDING: frozenset({_T.READY, _T.SKIPPED, _T.UPSTREAM_FAILED, _T.CANCELLED}),
    _T.READY: frozenset(
        {_T.PENDING, _T.RUNNING, _T.WAITING, _T.SKIPPED, _T.UPSTREAM_FAILED, _T.CANCELLED, _T.FAILED}
    ),
    _T.RUNNING: frozenset(
        {_T.SUCCEEDED, _T.NOT_READY, _T.FAILED, _T.RETRY_WAIT, _T.WAITING, _T.CANCELLED, _T.READY}
    ),
    _T.WAITING: frozenset(
        {_T.READY, _T.SUCCEEDED, _T.NOT_READY, _T.FAILED, _T.RETRY_WAIT, _T.CANCELLED}
    ),
    _T.RETRY_WAIT: frozenset({_T.READY, _T.FAILED, _T.SUCCEEDED, _T.CANCELLED}),
    # A settled task leaves its state only through a new generation (which begins at pending) or by hand.
    **{state: frozenset[TaskState]() for state in SETTLED},
}
"""Which state may follow which within one generation; every other move raises."""

BY_HAND: Final = frozenset({_T.SUCCEEDED, _T.NOT_READY, _T.FAILED, _T.SKIPPED, _T.CANCELLED})
"""The states that a person may settle a task to, from any state but running."""


class IllegalTransition(InternalError):
    """A task was about to make a move that the table does not have."""


def check_task_move(task: str, old: TaskState, new: TaskState) -> None:
    """Raise :class:`IllegalTransition` unless the table lets a task go from ``old`` to ``new``."""
    if new not in TASK_MOVES[old]:
        raise IllegalTransition(f"task {task!r} cannot go from {old} to {new}")
