"""What a server tells, as values: the shapes of its OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, TypeAlias, TypeVar

import attrs

from .._frozen import frozen
from ..workflow import PromiseBroken, RunCancelled, RunFailed, RunState, TaskState

Json: TypeAlias = Any
"""None, booleans, numbers, text, lists, and dictionaries with text keys."""

_T = TypeVar("_T")


@frozen(kw_only=True)
class Page(Generic[_T]):
    """A part of a list.

    Attributes:
        total: How long all of it is.
    """

    items: Sequence[_T]
    total: int
    limit: int
    offset: int

    @property
    def next_offset(self) -> int | None:
        """Where the next page begins; None if this is the last one."""
        behind = self.offset + len(self.items)
        return behind if self.items and behind < self.total else None


# --- runs -----------------------------------------------------------------------------------------


@frozen(kw_only=True)
class RunItem:
    """A run as lists show it.

    Attributes:
        owner: The engine that supervises it.
        version: Another one after each change.
    """

    run: str
    workflow: str
    state: RunState
    paused: bool
    reason: str | None
    topic: str | None
    job: str | None
    parent: str | None
    created_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    owner: str | None
    version: int

    @property
    def ended(self) -> bool:
        """Whether nothing of it will run any more."""
        return self.ended_at is not None


@frozen(kw_only=True)
class Progress:
    """How far a run is, in whole percent of the tasks that are known."""

    percent: int
    done: int
    known: int
    may_grow: bool


@frozen(kw_only=True)
class Error:
    """Why a task failed."""

    kind: str
    message: str
    detail: Json = None


@frozen(kw_only=True)
class TaskOutcome:
    """What a task of a run has come to."""

    name: str
    label: str
    state: TaskState
    reason: str | None
    generation: int
    attempts: int
    needs: tuple[str, ...]
    created_by: str | None
    output: Json
    error: Error | None
    started_at: datetime | None
    ended_at: datetime | None


@frozen(kw_only=True)
class HoleView:
    """A place where tasks may still come, or could have."""

    id: str
    shape: str
    owner: str | None
    tasks: tuple[str, ...]
    open: bool
    state: str


@frozen(kw_only=True)
class PromiseView:
    """A promise, and whether it holds."""

    text: str
    by: str | None
    state: str


@frozen(kw_only=True)
class RunView:
    """What a run has come to, by now or in the end.

    Attributes:
        tasks: All tasks by id; none if they were not asked for.
        order: Ids of tasks in the order of their first start.
        version: Another one after each change: what is said with it as ``expected`` is refused if
            there was one.
    """

    run: str
    workflow: str
    state: RunState
    paused: bool
    reason: str | None
    topic: str | None
    job: str | None
    parent: str | None
    started_at: datetime | None
    ended_at: datetime | None
    inputs: Json
    output: Json
    version: int
    progress: Progress
    tasks: dict[str, TaskOutcome] = attrs.field(factory=dict[str, TaskOutcome])
    order: tuple[str, ...] = ()
    holes: tuple[HoleView, ...] = ()
    promises: tuple[PromiseView, ...] = ()

    @property
    def ended(self) -> bool:
        """Whether nothing of it will run any more."""
        return self.ended_at is not None

    def raise_for_state(self) -> RunView:
        """Return itself if the run succeeded.

        Raises:
            RunFailed, RunCancelled, PromiseBroken: how it ended instead.
        """
        if self.state is RunState.SUCCEEDED:
            return self
        words = f"run {self.run!r} of {self.workflow!r} is {self.state}"
        text = f"{words}: {self.reason}" if self.reason else words
        if self.state is RunState.CANCELLED:
            raise RunCancelled(text, run_id=self.run, result=self)
        if self.state is RunState.PROMISE_BROKEN:
            raise PromiseBroken(text, run_id=self.run, result=self)
        raise RunFailed(text, run_id=self.run, result=self)


# --- tasks ----------------------------------------------------------------------------------------


@frozen(kw_only=True)
class WaitView:
    """What a task waits for."""

    kind: str
    message: str | None
    schema: Json
    until: datetime | None


@frozen(kw_only=True)
class TaskItem:
    """A task as lists show it."""

    id: str
    label: str
    kind: str
    state: TaskState
    reason: str | None
    generation: int
    attempts: int
    worker: str | None
    created_by: str | None
    started_at: datetime | None
    ended_at: datetime | None
    wait: WaitView | None


@frozen(kw_only=True)
class TaskView(TaskOutcome):
    """All about a task.

    Attributes:
        data: What its progress has told of its data, over its inputs.
    """

    id: str
    kind: str
    worker: str | None
    wait: WaitView | None
    inputs: Json
    data: Json


@frozen(kw_only=True)
class Reason:
    """Why a task, or the run itself, does not go on."""

    task: str | None
    code: str
    reason: str


# --- events and logs ------------------------------------------------------------------------------


@frozen(kw_only=True)
class Event:
    """What was decided.

    Attributes:
        number: Its number in the run, from 1.
        fields: All that it tells.
    """

    number: int
    kind: str
    fields: Mapping[str, Json]


@frozen(kw_only=True)
class Line:
    """A line that a task wrote; ``stream`` is stdout, stderr, log or progress."""

    number: int
    task: str
    generation: int
    attempt: int
    at: datetime
    stream: str
    text: str
    data: Json = None


# --- definitions and the board --------------------------------------------------------------------


@frozen(kw_only=True)
class WorkflowItem:
    """A workflow that the server knows.

    Attributes:
        inputs: The JSON Schema of its inputs.
        source: ``file`` or ``uploaded``.
        definition: Its text, if that was asked for.
    """

    name: str
    version: int | None
    hash: str | None
    description: str | None
    inputs: Json
    tasks: int | None
    source: str
    deprecated: bool = False
    definition: str | None = None


@frozen(kw_only=True)
class Offer:
    """A task on the board."""

    run: str
    task: str
    label: str
    kind: str
    workflow: str
    topic: str | None
    job: str | None
    pool: str | None
    priority: int
    owner: str | None


@frozen(kw_only=True)
class Upstream:
    """An earlier task as a later one sees it."""

    label: str
    output: Json


@frozen(kw_only=True)
class Place:
    """What a task may fill, and what may come there."""

    id: str
    shape: str


@frozen(kw_only=True)
class Steps:
    """The times, in seconds, between being told, terminated and killed."""

    grace: float = 10.0
    term: float = 5.0


@frozen(kw_only=True)
class Doing:
    """How a task is done that the server leaves to its workers."""

    kind: str
    config: dict[str, Json]
    env: dict[str, str] | None = None
    folder: str | None = None
    cwd: str | None = None
    stop: Steps = Steps()
    secrets: tuple[str, ...] = ()


@frozen(kw_only=True)
class LeaseRecord:
    """A claimed task, and all that is needed to do it.

    Attributes:
        key: The same for all attempts of a generation: an idempotency key for the outside world.
        lease: Seconds that the claim lives without a word.
        earlier: All tasks that have succeeded before it.
        do: How it is done, where the server leaves that to the worker.
    """

    fence: str
    run: str
    task: str
    label: str
    kind: str
    workflow: str
    topic: str | None
    job: str | None
    generation: int
    attempt: int
    key: str
    worker: str
    lease: float
    inputs: Json
    needs: dict[str, Upstream]
    holes: tuple[Place, ...]
    answers: tuple[Json, ...]
    run_inputs: Json
    earlier: dict[str, Upstream]
    do: Doing | None = None
