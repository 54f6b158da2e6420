"""The states of tasks and runs, and the one table of moves between them.

Only ``_evolve`` assigns a state; a move that is not in the table raises.  The picture in the docs
is drawn from this table.
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


# Python 3.11 looks an enum's member up through a descriptor, which costs more than a function call:
# the kernel compares states several times a task, so it names them once.
PENDING: Final = TaskState.PENDING
READY: Final = TaskState.READY
RUNNING: Final = TaskState.RUNNING
WAITING: Final = TaskState.WAITING
RETRY_WAIT: Final = TaskState.RETRY_WAIT
SUCCEEDED: Final = TaskState.SUCCEEDED
NOT_READY: Final = TaskState.NOT_READY
FAILED: Final = TaskState.FAILED
SKIPPED: Final = TaskState.SKIPPED
UPSTREAM_FAILED: Final = TaskState.UPSTREAM_FAILED
CANCELLED: Final = TaskState.CANCELLED

SETTLED: Final = frozenset({SUCCEEDED, NOT_READY, FAILED, SKIPPED, UPSTREAM_FAILED, CANCELLED})
"""States after which nothing follows by itself."""

ENDED: Final = frozenset(set(RunState) - {RunState.PENDING, RunState.RUNNING})
"""Run states after which nothing follows by itself."""

CUT_OFF: Final = frozenset({RunState.CANCELLED, RunState.TIMED_OUT, RunState.PROMISE_BROKEN})
"""Run states that came from outside the tasks: settling a task by hand does not change them."""

IDLE: Final = frozenset({PENDING, READY, RETRY_WAIT})
"""States of unsettled tasks that nobody works on and nobody is asked about."""

TASK_MOVES: Final[Mapping[TaskState, frozenset[TaskState]]] = {
    PENDING: frozenset({READY, SKIPPED, UPSTREAM_FAILED, CANCELLED}),
    READY: frozenset({PENDING, RUNNING, WAITING, SKIPPED, UPSTREAM_FAILED, CANCELLED, FAILED}),
    RUNNING: frozenset({SUCCEEDED, NOT_READY, FAILED, RETRY_WAIT, WAITING, CANCELLED, READY}),
    WAITING: frozenset({READY, SUCCEEDED, NOT_READY, FAILED, RETRY_WAIT, CANCELLED}),
    RETRY_WAIT: frozenset({READY, FAILED, SUCCEEDED, CANCELLED}),
    # A settled task leaves its state only through a new generation (which begins at pending) or by
    # hand.
    **{state: frozenset[TaskState]() for state in SETTLED},
}
"""Which state may follow which within one generation; every other move raises."""

BY_HAND: Final = frozenset({SUCCEEDED, NOT_READY, FAILED, SKIPPED, CANCELLED})
"""The states that a person may settle a task to, from any state but running."""


class IllegalTransition(InternalError):
    """A task was about to make a move that the table does not have."""

    def __init__(self, task: str, old: TaskState, new: TaskState) -> None:
        super().__init__(f"task {task!r} cannot go from {old} to {new}")
        self.task = task
        self.old = old
        self.new = new
