"""What the engine decided, in order: a run is the fold of its events.

Each class has a stable ``kind``: renaming a class must not break a stored row.  All times are wall
time in seconds since the epoch.  Events are data: :func:`callboard.workflow.evolve` gives them
their meaning.
"""

from __future__ import annotations

from typing import Any, ClassVar, TypeAlias

import attrs

from .._frozen import frozen
from ._definition import Failure, TaskSpec, WorkflowSpec
from ._message import message
from ._states import RunState, TaskState
from ._texts import storable


@frozen(kw_only=True)
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
    message: str | None = attrs.field(default=None, converter=storable)
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
    job: str | None = None


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
    """Somebody holds the lease on a task and works on it.

    ``lease`` is how many seconds it lives without a word from a worker elsewhere.
    """

    kind: ClassVar[str] = "attempt_started"
    at: float
    task: str
    attempt: int
    fence: str
    worker: str | None = None
    lease: float | None = None


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
    again: bool = False


@message
class TasksRestarted:
    """These tasks begin a new generation; an ended run is open again."""

    kind: ClassVar[str] = "tasks_restarted"
    at: float
    task: str
    tasks: tuple[str, ...]
    by: str | None = None
    again: bool = False


# --- growth: what changes the graph; a run keeps these, and restarts take some of them away -------


@message
class TaskAdded:
    """A task exists that was not in the definition.

    Attributes:
        new: The task; its ``needs`` are the edges that were named.
        by: Who created it: a task, or nobody for a person.
        before: What runs after it.
        part: The address of the place that it takes; a ``...`` of an open run has none.
        path: Where in what may still come there it stands.
        certain: Whether it came by itself, because its name had become certain.
    """

    kind: ClassVar[str] = "task_added"
    at: float
    new: TaskSpec
    by: str | None = None
    before: tuple[str, ...] = ()
    part: str | None = None
    path: tuple[int, ...] = ()
    certain: bool = False


@message
class EdgeAdded:
    """A task runs after another one that it did not run after before."""

    kind: ClassVar[str] = "edge_added"
    at: float
    source: str
    target: str
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
    by: str | None = None


@message
class HoleGiven:
    """A hole, or a part of it, has another owner; without one, nobody has it any more."""

    kind: ClassVar[str] = "hole_given"
    at: float
    hole: str
    to: str
    by: str | None = None


@message
class HoleLeft:
    """One of several owners of a ``...`` has come to its end."""

    kind: ClassVar[str] = "hole_left"
    at: float
    hole: str
    by: str


@message
class HoleClosed:
    """No more tasks come into this hole, or into this part of it."""

    kind: ClassVar[str] = "hole_closed"
    at: float
    hole: str
    reason: str | None = None
    by: str | None = None


@message
class HoleNarrowed:
    """Less may come into this part of a hole: what no way to the end leads through is gone."""

    kind: ClassVar[str] = "hole_narrowed"
    at: float
    hole: str
    shape: str
    reason: str | None = None
    by: str | None = None


@message
class HoleLapsed:
    """The owner of this part ended without success: nothing comes, and what waits for it ends."""

    kind: ClassVar[str] = "hole_lapsed"
    at: float
    hole: str
    by: str


@message
class TaskWithdrawn:
    """A task that had not begun is not needed any more; that it is settled as skipped follows."""

    kind: ClassVar[str] = "task_withdrawn"
    at: float
    task: str
    by: str | None = None


@message
class PromiseMade:
    """From now on this holds."""

    kind: ClassVar[str] = "promise_made"
    at: float
    text: str
    by: str | None = None


@message
class Styled:
    """Something looks different: a task by its id, or an edge as a pair of ids."""

    kind: ClassVar[str] = "styled"
    at: float
    target: str | tuple[str, str]
    label: str | None = None
    color: str | None = None
    by: str | None = None


# --- growth: what follows -------------------------------------------------------------------------


@message
class GrowthUndone:
    """What an unsuccessful attempt had made, and nothing stands on, is taken away again.

    Attributes:
        records: The numbers of the events that made it.
    """

    kind: ClassVar[str] = "growth_undone"
    at: float
    task: str
    records: tuple[int, ...]


@message
class AgainAsked:
    """When the attempt succeeds, ``target`` and all behind it will be done anew."""

    kind: ClassVar[str] = "again_asked"
    at: float
    task: str
    target: str


@message
class PromiseViolated:
    """An attempt did what a promise rules out; the run is being stopped for it.

    Attributes:
        text: The promise.
        message: What was done, in a sentence.
    """

    kind: ClassVar[str] = "promise_violated"
    at: float
    text: str
    message: str
    task: str | None = None
    attempt: int = 0
    fence: str | None = None


Growing: TypeAlias = (
    TaskAdded
    | EdgeAdded
    | HoleOpened
    | HoleGiven
    | HoleLeft
    | HoleClosed
    | HoleNarrowed
    | HoleLapsed
    | TaskWithdrawn
    | PromiseMade
    | Styled
)
"""What changes the graph."""

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
    | Growing
    | GrowthUndone
    | AgainAsked
    | PromiseViolated
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
        TaskAdded,
        EdgeAdded,
        HoleOpened,
        HoleGiven,
        HoleLeft,
        HoleClosed,
        HoleNarrowed,
        HoleLapsed,
        TaskWithdrawn,
        PromiseMade,
        Styled,
        GrowthUndone,
        AgainAsked,
        PromiseViolated,
    )
}
"""The classes by their stored name."""
