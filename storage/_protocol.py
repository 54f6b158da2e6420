"""What the engine asks of a store: whole transitions in, runs out.

A store decides nothing.  It writes what it is given in one transaction or not at all, checks that
the writer owns the run and saw its latest version, and gives back what was written.  Users may
bring their own; ``callboard.testing.StoreConformance`` tells whether it is right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeAlias

import attrs

from .._frozen import frozen
from ..workflow import Event, RunState, TaskState
from ..workflow._texts import storable

Json: TypeAlias = Any
"""A JSON value, in Python's words: what stores can write and read back."""

FOUND_MAX = 11
"""How many ids of runs a store finds at once: ten to name, and one that tells of more."""


@frozen(kw_only=True)
class EngineInfo:
    """An engine as other engines on the same store see it."""

    id: str
    host: str
    pid: int
    started_at: float


@attrs.define(kw_only=True)
class RunRow:
    """A run as lists show it; always written together with the events that led to it.

    What a run was created with never changes: ``workflow``, ``topic``, ``job``, its parent and
    ``created_at``.
    """

    run: str
    workflow: str
    state: RunState
    paused: bool = False
    reason: str | None = None
    topic: str | None = None
    job: str | None = None
    parent_run: str | None = None
    parent_task: str | None = None
    created_at: float
    started_at: float | None = None
    ended_at: float | None = None
    owner: str | None = None
    version: int = 0


@attrs.define(kw_only=True)
class TaskRow:
    """A task as it stands now; written when the task changed.

    Attributes:
        worker: Who holds the lease on it; of a ready task that cannot begin, the engine that says
            so.
        reason: Why it is as it is.
    """

    run: str
    task: str
    label: str
    kind: str
    state: TaskState
    generation: int
    attempt: int
    fence: str | None = None
    worker: str | None = None
    pool: str | None = None
    priority: int = 0
    reason: str | None = None
    changed_at: float


@frozen(kw_only=True)
class LogLine:
    """A line that a task wrote.

    ``stream`` is stdout, stderr, log or progress (``data`` holds its figures).
    """

    run: str
    task: str
    generation: int
    attempt: int
    at: float
    stream: str
    text: str = attrs.field(converter=storable)
    data: Json = None
    number: int = 0


@frozen(kw_only=True)
class Receipt:
    """What was answered to one command of a worker elsewhere: said again, it gets this once more.

    Attributes:
        fence: The lease under which it was said.
        seq: The number that the worker gave to what it said.
        part: Which of the commands under that number it was, from 0.
    """

    fence: str
    seq: int
    part: int
    answer: Json


@attrs.define(kw_only=True)
class Transition:
    """Everything one run wants to have written at once.

    Attributes:
        version: How many events the run had before this; 0 creates the run.
        engine: Who writes; it must own the run (creating a run owns it). None: nobody may own it.
        events: Numbered ``version + 1`` and on.
        pool_leases_released: Leases (fences) on pools that end with this.
        lines: Log lines whose writers wait until they are stored.
        receipts: What is answered to workers elsewhere when this is stored.
        release: Give up the ownership together with this (the run ended or was put down).
        only_version: Nothing in ``row`` differs from the row written before but its version: a
            store need not write the rest again.
    """

    run: str
    version: int
    engine: str | None
    events: Sequence[Event]
    row: RunRow
    tasks: Sequence[TaskRow] = ()
    pool_leases_released: Sequence[str] = ()
    lines: Sequence[LogLine] = ()
    receipts: Sequence[Receipt] = ()
    release: bool = False
    only_version: bool = False


@frozen(kw_only=True)
class StoredRun:
    """All that is known of a run: folding ``events`` gives its state."""

    row: RunRow
    events: Sequence[Event]


@frozen(kw_only=True)
class Posted:
    """A command that somebody left for a run which another engine owns."""

    id: int
    run: str
    command: Json
    by: str | None = None


@frozen(kw_only=True)
class PoolLease:
    """A slot of a pool, held by one attempt."""

    pool: str
    run: str
    task: str
    fence: str
    engine: str


@frozen(kw_only=True)
class RunQuery:
    """Which runs to list, newest first.

    Attributes:
        search: A part of the run's id or of its workflow's name; the case of the letters a to z
            does not matter.
        before: Only those created before this.
        offset: How many of the first to leave out.
    """

    states: frozenset[RunState] | None = None
    workflow: str | None = None
    topic: str | None = None
    job: str | None = None
    search: str | None = None
    limit: int = 100
    offset: int = 0
    before: float | None = None


@frozen(kw_only=True)
class Record:
    """Something that is remembered beside runs: a definition, a topic, a token.

    Attributes:
        kind: What it is.
        id: Which of its kind it is.
        parent: What it belongs to, for lists.
        version: How often it was written; 0 as long as it is not.
        body: What it says.
        changed_at: When it was written last.
    """

    kind: str
    id: str
    parent: str | None = None
    version: int = 0
    body: Json = None
    changed_at: float


class Store(Protocol):
    """Where runs are remembered.

    Every method may raise :class:`~callboard.StoreError`, whose text says what to do.
    """

    @property
    def durable(self) -> bool:
        """Whether what was committed survives the end of this process."""
        ...

    def opened(self, engine: EngineInfo | None = None) -> AbstractAsyncContextManager[None]:
        """Open the store until the block is left, with an engine that counts as alive for as long.

        Leaving the block gives up every run and pool slot that the engine still holds.  Without an
        engine the store is open to look and to post commands: nothing is registered.
        """
        ...

    async def commit(
        self, transitions: Sequence[Transition], lines: Sequence[LogLine] = ()
    ) -> None:
        """Write all of it in one transaction, or raise and have written nothing.

        What is handed in belongs to the store from now on: the caller does not change it any more.
        Transitions of one run stand in order and build on each other.  Log lines ride along; what
        they carry as ``number`` is replaced by the next free one.

        Raises:
            Conflict: a run has another version or owner than its transition expects; ``run`` names
            it.
        """
        ...

    async def load(self, run: str) -> StoredRun | None:
        """Return everything about one run, or None."""
        ...

    async def find(self, beginning: str) -> Sequence[str]:
        """Return up to eleven runs' ids that begin like this, the exact one alone if it is one."""
        ...

    async def runs(self, query: RunQuery) -> Sequence[RunRow]:
        """Return runs, newest first."""
        ...

    async def run_counts(self, query: RunQuery) -> Mapping[RunState, int]:
        """Return how many runs are in each state, of all that the query means.

        ``limit`` and ``offset`` do not matter.  States in which there is none may be left out.
        """
        ...

    async def task_counts(self, query: RunQuery) -> Mapping[TaskState, int]:
        """Return how many tasks are in each state, over all runs that the query means.

        ``limit`` and ``offset`` do not matter.  States in which there is none may be left out.
        """
        ...

    async def job_counts(self, query: RunQuery) -> Mapping[str, Mapping[RunState, int]]:
        """Return how many runs of each job are in each state, of all runs that the query means.

        ``limit`` and ``offset`` do not matter; runs without a job are left out.
        """
        ...

    async def remove(self, run: str) -> None:
        """Remove a run that has ended, with its events, tasks, log lines and commands.

        Raises:
            Refused: it has not ended.
            UnknownRun: there is no such run.
        """
        ...

    async def tasks(self, run: str) -> Sequence[TaskRow]:
        """Return the current rows of a run's tasks in creation order."""
        ...

    async def running_tasks(self) -> Sequence[TaskRow]:
        """Return the rows of all tasks of all runs that are running now: who holds the slots."""
        ...

    async def events(
        self, run: str, after: int = 0, limit: int = 1000
    ) -> Sequence[tuple[int, Event]]:
        """Return a run's events with their numbers, from the one behind ``after``."""
        ...

    async def logs(
        self, run: str, task: str | None = None, after: int = 0, limit: int = 1000
    ) -> Sequence[LogLine]:
        """Return log lines in order, from the one behind number ``after``."""
        ...

    async def receipts(self, fence: str, seq: int) -> Sequence[Receipt]:
        """Return what was answered to the commands under one number, in their order."""
        ...

    async def take(self, run: str, engine: str) -> str | None:
        """Make the engine the owner of a run nobody alive owns; return the dead owner's id, if any.

        Raises:
            RunOwned: a living engine owns it.
            UnknownRun: there is no such run.
        """
        ...

    async def owner(self, run: str) -> tuple[EngineInfo, bool] | None:
        """Return the engine that a run belongs to and whether it is alive."""
        ...

    async def unowned(self) -> Sequence[str]:
        """Return the unfinished runs that no living engine owns, oldest first."""
        ...

    async def lease_pool(self, lease: PoolLease, limit: int) -> bool:
        """Take a slot of a pool if fewer than ``limit`` living leases hold one.

        They are counted in the transaction that takes it.
        """
        ...

    async def pool_leases(self, pool: str) -> Sequence[PoolLease]:
        """Return who holds the slots of a pool."""
        ...

    async def end_pool_leases(self, fences: Sequence[str]) -> None:
        """End leases on pools by themselves: of a run that cannot be committed any more."""
        ...

    async def post(self, run: str, command: Json, by: str | None = None) -> int:
        """Leave a command for the engine that owns a run; return its number."""
        ...

    async def inbox(self, engine: str) -> Sequence[Posted]:
        """Return the unanswered commands left for runs that this engine owns, oldest first."""
        ...

    async def reply(self, post: int, answer: Json) -> None:
        """Answer a command that was left for a run; the first answer stays."""
        ...

    async def answer(self, post: int) -> Json | None:
        """Return the answer to a command, None while there is none."""
        ...

    async def record(self, kind: str, id: str) -> Record | None:
        """Return a record, or None."""
        ...

    async def records(
        self, kind: str, *, parent: str | None = None, limit: int = 100, offset: int = 0
    ) -> Sequence[Record]:
        """Return the records of a kind in the order of their ids, or those of one parent."""
        ...

    async def count_records(self, kind: str, parent: str | None = None) -> int:
        """Return how many records of a kind there are, or how many of one parent."""
        ...

    async def put(self, record: Record, version: int) -> Record:
        """Write a record if it still has this version, and return it with its new one.

        Version 0 means that it must not exist.  What ``record`` says as its own version does not
        matter.

        Raises:
            VersionConflict: it has another version: somebody else wrote or dropped it.
        """
        ...

    async def drop(self, kind: str, id: str, version: int) -> None:
        """Remove a record if it still has this version.

        Raises:
            VersionConflict: it has another version, or does not exist.
        """
        ...

    async def wait_changed(self, seen: int) -> int:
        """Return another number than ``seen`` once somebody else wrote after that one was given.

        Each caller keeps its own last number and begins with 0, which returns at once: no change is
        ever lost between two calls, however many wait.  A store may also wake for nothing.
        """
        ...


class Conflict(Exception):
    """A transition met another version or another owner than it expected."""

    def __init__(self, run: str, message: str) -> None:
        super().__init__(message)
        self.run = run
