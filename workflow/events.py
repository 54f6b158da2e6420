"""What the engine decided, in order: a run is the fold of its events.

Each class has a stable ``kind``: renaming a class must not break a stored row.  All times are wall
time in seconds since the epoch.  Events are data: :func:`callboard.workflow.evolve` gives them
their meaning.
"""

from __future__ import annotations

from typing import Any, ClassVar, TypeAlias

import attrs

from ._definition import Failure, WorkflowSpec
from ._message import message
from ._states import RunState, TaskState


@attrs.frozen(kw_only=True)
class Wait:
    """What a waiting task waits for.

    Attributes:
        kind: ``input`` (a person), ``sleep`` (a time), ``probe`` (a condition), ``child`` (a run),
            ``lost`` (a person decides about a lost attempt).
        message: What the person is asked.
        schema: JSON Schema of the answer.
        until: Wall time at which it is over.
        child: Id of the run that is waited for.
    """

    kind: str
    message: str | None = None
    schema: Any = None
    until: float | None = None
    child: str | None = None


@message
class RunCreated:
    """A run exists, with the workflow that it will follow from now on."""

    kind: ClassVar[str] = "run_created"
    at: float
    run: str
    spec: WorkflowSpec
    inputs: Any = None
    parent_run: str | None = None
    parent_task: str | None = None
    topic: str | None = None


@message
class RunPaused:
    """Nothing more starts until the run is unpaused."""

    kind: ClassVar[str] = "run_paused"
    at: float
    by: str | None = None


@message
class RunUnpaused:
    """Tasks may start again."""

    kind: ClassVar[str] = "run_unpaused"
    at: float
    by: str | None = None


@message
class RunStopping:
    """Nothing more starts, what runs is being stopped, and the run will end in ``state``."""

    kind: ClassVar[str] = "run_stopping"
    at: float
    state: RunState
    reason: str
    by: str | None = None


@message
class RunDraining:
    """Nothing more starts, what runs may end by itself."""

    kind: ClassVar[str] = "run_draining"
    at: float
    reason: str


@message
class RunEnded:
    """The run is over; only a restart or a settlement by hand reopens it."""

    kind: ClassVar[str] = "run_ended"
    at: float
    state: RunState
    reason: str | None = None
    output: Any = None


@message
class AttemptStarted:
    """Somebody holds the lease on a task and works on it."""

    kind: ClassVar[str] = "attempt_started"
    at: float
    task: str
    attempt: int
    fence: str
    worker: str | None = None


@message
class TaskWaiting:
    """A task waits without a slot; ``attempt`` counts it if it began with that wait."""

    kind: ClassVar[str] = "task_waiting"
    at: float
    task: str
    wait: Wait
    attempt: int
    fence: str | None = None


@message
class TaskReleased:
    """A running or waiting task is ready again: interrupted, lost, released, or answered."""

    kind: ClassVar[str] = "task_released"
    at: float
    task: str
    reason: str
    lost: bool = False


@message
class TaskAnswered:
    """A person told a waiting task what it waited for."""

    kind: ClassVar[str] = "task_answered"
    at: float
    task: str
    value: Any
    by: str | None = None


@message
class RetryScheduled:
    """An attempt failed and another follows at ``retry_at``."""

    kind: ClassVar[str] = "retry_scheduled"
    at: float
    task: str
    error: Failure
    retry_at: float


@message
class RetryDue:
    """The wait before a retry is over."""

    kind: ClassVar[str] = "retry_due"
    at: float
    task: str


@message
class TaskSettled:
    """A task came to its end in this generation; ``by`` names who settled it by hand."""

    kind: ClassVar[str] = "task_settled"
    at: float
    task: str
    state: TaskState
    output: Any = None
    error: Failure | None = None
    reason: str | None = None
    by: str | None = None


@message
class TasksSettled:
    """Tasks that never ran came to their end together, for one reason."""

    kind: ClassVar[str] = "tasks_settled"
    at: float
    tasks: tuple[str, ...]
    state: TaskState
    reason: str


@message
class RestartRequested:
    """A task and all behind it will be done anew as soon as what runs of them has stopped."""

    kind: ClassVar[str] = "restart_requested"
    at: float
    task: str
    by: str | None = None


@message
class TasksRestarted:
    """These tasks begin a new generation; an ended run is open again."""

    kind: ClassVar[str] = "tasks_restarted"
    at: float
    task: str
    tasks: tuple[str, ...]
    by: str | None = None


@message
class HoleOpened:
    """There is a place in the graph where tasks may come; what follows waits for its close."""

    kind: ClassVar[str] = "hole_opened"
    at: float
    hole: str
    shape: str
    owner: str | None
    after: tuple[str, ...]
    before: tuple[str, ...]


@message
class HoleClosed:
    """No more tasks come into this hole."""

    kind: ClassVar[str] = "hole_closed"
    at: float
    hole: str
    reason: str | None = None


Event: TypeAlias = (
    RunCreated
    | RunPaused
    | RunUnpaused
    | RunStopping
    | RunDraining
    | RunEnded
    | AttemptStarted
    | TaskWaiting
    | TaskReleased
    | TaskAnswered
    | RetryScheduled
    | RetryDue
    | TaskSettled
    | TasksSettled
    | RestartRequested
    | TasksRestarted
    | HoleOpened
    | HoleClosed
)

EVENTS: dict[str, type[Event]] = {
    cls.kind: cls
    for cls in (
        RunCreated,
        RunPaused,
        RunUnpaused,
        RunStopping,
        RunDraining,
        RunEnded,
        AttemptStarted,
        TaskWaiting,
        TaskReleased,
        TaskAnswered,
        RetryScheduled,
        RetryDue,
        TaskSettled,
        TasksSettled,
        RestartRequested,
        TasksRestarted,
        HoleOpened,
        HoleClosed,
    )
}
"""The classes by their stored name."""
