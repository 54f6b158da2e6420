"""One run as it stands: its tasks, its holes, and who is next.

This is data and questions about it.  It changes only through
:func:`~callboard.workflow._evolve.evolve`, apart from two conveniences of whoever keeps the run:
the queue of ready tasks, which is taken from, and the list of what changed since it was last asked.
"""

from __future__ import annotations

import heapq
import math
from typing import Any, Final, TypeAlias

import attrs

from ._definition import Failure, TaskSpec, WorkflowSpec
from ._errors import Refused
from ._graph import Vertex
from ._states import ENDED, PENDING, READY, RunState, TaskState
from .events import Wait


@attrs.define(eq=False, weakref_slot=False)
class Task(Vertex):
    """A task of a run, in its present generation.

    Attributes:
        seq: The number of its creation: the order among equals.
        attempt: The number of the latest attempt of this generation.
        failures: Attempts that failed and count against ``retry.times``.
        losses: Attempts that were lost with their engine or worker.
        fence: The token of the lease that somebody holds on it.
        ready_at: When it became ready, or when its run was last unpaused, if that was later.
        first_at: When its first attempt of this generation began.
        started_at: When its latest attempt began.
        settled_by: Who settled it by hand.
        queued: Whether it has an entry in :attr:`Run.ready`.
    """

    spec: TaskSpec = attrs.field(kw_only=True)
    seq: int = attrs.field(kw_only=True)
    state: TaskState = PENDING
    generation: int = 1
    attempt: int = 0
    failures: int = 0
    losses: int = 0
    fence: str | None = None
    worker: str | None = None
    reason: str | None = None
    output: Any = None
    error: Failure | None = None
    wait: Wait | None = None
    answers: tuple[Any, ...] = ()
    ready_at: float | None = None
    first_at: float | None = None
    started_at: float | None = None
    ended_at: float | None = None
    retry_at: float | None = None
    created_by: str | None = None
    settled_by: str | None = None
    queued: bool = False


@attrs.define(eq=False)
class Hole(Vertex):
    """A place where tasks may still come; until it is closed, it stops what is behind it."""

    shape: str = attrs.field(kw_only=True)
    owner: str | None = None
    closed: bool = False
    tasks: list[str] = attrs.field(factory=list[str])


ReadyEntry: TypeAlias = tuple[float, int, Task]

TAKES_NO_SLOT: Final = frozenset({"step", "external", "input", "sleep", "wait", "workflow"})
"""Kinds that begin with a wait, or that others do: they stand in nobody's way and go first."""


@attrs.define(eq=False, repr=False)
class Run:
    """One execution of a workflow.

    Attributes:
        stopping: What the run will have ended as when all that runs has stopped; nothing starts any
            more.
        draining: What runs may end by itself; nothing starts any more.
        opened_at: When it was created or last reopened: the run's timeout counts from here.
        version: How many events were folded into it.
        counts: How many tasks are in each state.
        unsettled: Tasks that have not come to an end.
        open_holes: Holes that are not closed.
        active: Tasks that are running or waiting, by id.
        ready: The queue behind :meth:`pop_ready`.
        restarting: Tasks asked to be restarted whose scope has not stopped yet, with who asked.
        held: Tasks that must not start because they are about to be restarted.
        changed: Tasks that changed since :meth:`take_changed` was called.
        order: Ids of tasks by their first start.
    """

    id: str
    spec: WorkflowSpec
    inputs: Any = None
    parent_run: str | None = None
    parent_task: str | None = None
    topic: str | None = None
    state: RunState = RunState.RUNNING
    paused: bool = False
    stopping: RunState | None = None
    draining: bool = False
    reason: str | None = None
    output: Any = None
    created_at: float = 0.0
    opened_at: float = 0.0
    ended_at: float | None = None
    version: int = 0
    tasks: dict[str, Task] = attrs.field(factory=dict[str, Task])
    holes: dict[str, Hole] = attrs.field(factory=dict[str, Hole])
    counts: dict[TaskState, int] = attrs.field(factory=lambda: dict.fromkeys(TaskState, 0))
    unsettled: int = 0
    open_holes: int = 0
    active: dict[str, Task] = attrs.field(factory=dict[str, Task])
    ready: list[ReadyEntry] = attrs.field(factory=list[ReadyEntry])
    restarting: dict[str, str | None] = attrs.field(factory=dict[str, "str | None"])
    held: set[str] = attrs.field(factory=set[str])
    changed: dict[str, Task] = attrs.field(factory=dict[str, Task])
    order: list[str] = attrs.field(factory=list[str])

    def __repr__(self) -> str:
        """Say which run it is: all of it may be a million tasks."""
        return f"<Run {self.id} of {self.spec.name}: {self.state}, {len(self.tasks)} tasks>"

    @property
    def ended(self) -> bool:
        """Whether nothing follows by itself any more."""
        return self.state in ENDED

    def task(self, name: str) -> Task:
        """Return the task with this id.

        Raises:
            Refused: there is none.
        """
        found = self.tasks.get(name)
        if found is None:
            raise Refused(f"run {self.id!r} has no task {name!r}")
        return found

    def vertex(self, name: str) -> Task | Hole:
        """Return the task with this id, or the hole whose id stands behind a ``#``.

        Raises:
            Refused: there is none.
        """
        found = self.holes.get(name[1:]) if name.startswith("#") else None
        return self.task(name) if found is None else found

    def scope_of(self, name: str) -> list[Task]:
        """Return what a restart of this task does anew, in creation order.

        That is the least set that holds the task and, with each task, all behind it and behind the
        holes it owns.
        """
        owned: dict[str | None, list[Hole]] = {}
        for hole in self.holes.values():
            owned.setdefault(hole.owner, []).append(hole)
        scope: set[Vertex] = set()
        stack: list[Vertex] = [self.tasks[name]]
        while stack:
            vertex = stack.pop()
            if vertex not in scope:
                scope.add(vertex)
                stack.extend(vertex.after)
                stack.extend(owned.get(vertex.id, ()))
        return sorted((each for each in scope if isinstance(each, Task)), key=_seq)

    def take_changed(self) -> list[Task]:
        """Return the tasks that changed since the last call."""
        changed = list(self.changed.values())
        self.changed.clear()
        return changed

    def peek_ready(self) -> Task | None:
        """Return the task that may start next, by priority and creation, and leave it in its place.

        There is none while the run is paused, being stopped or draining.
        """
        if self.paused or self.draining or self.stopping is not None:
            return None
        ready = self.ready
        while ready:
            task = ready[0][2]
            if task.state is READY and task.id not in self.held:
                return task
            heapq.heappop(ready)
            task.queued = False
        return None

    def pop_ready(self) -> Task | None:
        """Return the task that may start next, by priority and creation, and forget its place.

        Whoever takes it must begin, skip or fail it, or give it back with :meth:`push_ready`.
        """
        task = self.peek_ready()
        if task is not None:
            heapq.heappop(self.ready)
            task.queued = False
        return task

    def push_ready(self, task: Task) -> None:
        """Put a ready task (back) in its place; one that has its place keeps it."""
        if not task.queued:
            task.queued = True
            spec = task.spec
            rank = -math.inf if spec.kind in TAKES_NO_SLOT else -spec.options.priority
            heapq.heappush(self.ready, (rank, task.seq, task))


def _seq(task: Task) -> int:
    return task.seq
