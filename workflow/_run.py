"""One run as it stands: its tasks, its holes, and who is next.

This is data and questions about it.  It changes only through
:func:`~callboard.workflow._evolve.evolve`, apart from two conveniences of whoever keeps the run:
the queue of ready tasks, which is taken from, and the list of what changed since it was last asked.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Collection, Sequence
from typing import Any, Final, TypeAlias

import attrs

from ._definition import Failure, TaskSpec, WorkflowSpec
from ._errors import Refused
from ._graph import GAP, Vertex, rank_all
from ._growth import Growth
from ._shapes import Loop, Map, Shape, Wild
from ._states import ENDED, PENDING, READY, RunState, TaskState
from .events import PromiseViolated, Wait


@attrs.define(eq=False, weakref_slot=False)
class Task(Vertex):
    """A task of a run, in its present generation.

    Attributes:
        seq: The number of its creation: the order among equals.
        attempt: The number of the latest attempt of this generation.
        failures: Attempts that failed and count against ``retry.times``.
        losses: Attempts that were lost with their engine or worker.
        fence: The token of the lease that somebody holds on it.
        lease: Seconds that it lives without a word, if somebody elsewhere holds it.
        ready_at: When it became ready, or when its run was last unpaused, if that was later.
        first_at: When its first attempt of this generation began.
        started_at: When its latest attempt began.
        settled_by: Who settled it by hand.
        queued: Whether it has an entry in :attr:`Run.ready`.
        created_by: The task that created it; None for what was registered.
        part: Where in a hole it was created, if it was.
        withdrawn: The number of the event with which it was withdrawn; 0 if it was not.  Then it is
            a joint: it lets go what is behind it as soon as what is in front of it has let go.
        named: How many tasks of each label the present attempt has created without a key.
        since: The number of the event with which the present attempt began.
        again: Tasks that are to be done anew when the present attempt succeeds.
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
    lease: float | None = None
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
    part: Part | None = None
    withdrawn: int = 0
    named: dict[str, int] | None = None
    again: tuple[str, ...] = ()
    since: int = 0


@attrs.define(eq=False, weakref_slot=False)
class Hole(Vertex):
    """A region of the graph where tasks may still come, and the joint at its end.

    Attributes:
        shape: What was promised to come into it.
        owner: Who had it when it was opened.
        open_parts: Its parts into which tasks may still come.
        abandoned: Whether an owner ended without success: nothing comes any more, and what is
            behind it does not go on.
        tasks: What was created in it.
    """

    shape: Shape = attrs.field(kw_only=True)
    owner: str | None = None
    open_parts: int = 0
    abandoned: bool = False
    tasks: list[str] = attrs.field(factory=list[str])

    @property
    def name(self) -> str:
        """Its id without the sign that tells it from a task."""
        return self.id[1:]

    @property
    def closed(self) -> bool:
        """Whether nothing comes into it any more."""
        return not self.open_parts


@attrs.define(eq=False, weakref_slot=False)
class Part(Vertex):
    """A place in a hole, and the joint that what follows it waits for.

    Sub-expressions become parts as they are reached: the next step of an instance of a map, the
    sides of a ``&``.  Its id is its address behind a ``#``.

    Attributes:
        shape: What may still come, without what has come already.
        inside: The address of the instance or hole that it stands in.
        starts: What everything that comes into it runs after.
        closed: Whether nothing comes into it directly any more.
        lapsed: Whether its owner ended without success while it was open.
        begun: How many instances or rounds were begun.
        tail: For a loop, the end of its latest round.
        filled: The task that stands in it, if it was a place for one.
        ends: What stands in it, if it was a choice that was taken.
        tasks: What was created in it.
        made: The number of the event that brought it about; 0 is the definition.
    """

    hole: Hole = attrs.field(kw_only=True)
    shape: Shape = attrs.field(kw_only=True)
    inside: str = attrs.field(kw_only=True)
    starts: tuple[Vertex, ...] = ()
    closed: bool = False
    lapsed: bool = False
    begun: int = 0
    tail: tuple[Vertex, ...] = ()
    filled: Task | None = None
    ends: tuple[Vertex, ...] = ()
    tasks: list[str] = attrs.field(factory=list[str])
    made: int = 0

    @property
    def address(self) -> str:
        """How it is named from outside."""
        return self.id[1:]

    @property
    def residual(self) -> Shape:
        """What may still come into it."""
        shape = self.shape
        if isinstance(shape, (Map, Loop)) and self.begun and (shape.lo or shape.hi is not None):
            hi = None if shape.hi is None else shape.hi - self.begun
            return type(shape)(shape.item, max(0, shape.lo - self.begun), hi)
        return shape

    @property
    def owners(self) -> list[Task]:
        """Who may fill it: one task, or for a ``...`` all that stand in it and can speak."""
        return [each for each in self.bound or () if isinstance(each, Task)]

    @property
    def is_wild(self) -> bool:
        """Whether anything may come into it."""
        return isinstance(self.shape, Wild)


def is_joint(vertex: Vertex) -> bool:
    """Return whether nothing is done at a vertex: it lets go as soon as it may."""
    return not isinstance(vertex, Task) or vertex.withdrawn > 0


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
        open_holes: Holes that are not closed, apart from abandoned ones.
        growth: What there is to know only about graphs that grow.
        next_seq: The number of the next creation.
        broken: How a promise was broken, if one was.
        active: Tasks that are running or waiting, by id.
        ready: The queue behind :meth:`pop_ready`.
        elsewhere: Pools and labels whose tasks are left to others.
        restarting: Tasks asked to be restarted whose scope has not stopped yet, with who asked.
        agains: Those of them that a task asked for by ``again``.
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
    job: str | None = None
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
    elsewhere: Collection[str] = ()
    restarting: dict[str, str | None] = attrs.field(factory=dict[str, "str | None"])
    agains: set[str] = attrs.field(factory=set[str])
    held: set[str] = attrs.field(factory=set[str])
    changed: dict[str, Task] = attrs.field(factory=dict[str, Task])
    order: list[str] = attrs.field(factory=list[str])
    growth: Growth = attrs.field(factory=Growth)
    next_seq: int = 0
    broken: PromiseViolated | None = None

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
            raise Refused(f"run {self.id!r} has no task {name!r}", kind="unknown")
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

        That is the least set that holds the task and, with each task, all behind it, all it has
        created, and all behind the holes it owns or owned.  What was withdrawn stays so.
        """
        below = self._below()
        scope: set[Vertex] = set()
        stack: list[Vertex] = [self.tasks[name]]
        while stack:
            vertex = stack.pop()
            if vertex not in scope:
                scope.add(vertex)
                stack.extend(vertex.after)
                stack.extend(vertex.binds or ())
                stack.extend(below.get(vertex.id, ()))
        anew = (each for each in scope if isinstance(each, Task) and not each.withdrawn)
        return sorted(anew, key=_seq)

    def _below(self) -> dict[str, list[Vertex]]:
        """Return what tasks have created, and the holes that they had when these were opened."""
        below: dict[str, list[Vertex]] = {}
        for hole in self.holes.values():
            if hole.owner is not None:
                below.setdefault(hole.owner, []).append(hole)
        if self.growth.log:
            for task in self.tasks.values():
                if task.created_by is not None:
                    below.setdefault(task.created_by, []).append(task)
        return below

    def holes_of(self, task: Task) -> list[Part]:
        """Return the places that a task may fill now."""
        return [
            part
            for part in task.binds or ()
            if isinstance(part, Part) and not part.closed and not part.lapsed
        ]

    # --- ranks

    def vertices(self) -> list[Vertex]:
        """Return everything that stands in the runs-after order."""
        return [*self.tasks.values(), *self.holes.values(), *self.growth.parts.values()]

    def rerank(self) -> None:
        """Make room between all ranks."""
        self.growth.roomy = True
        rank_all(self.vertices(), GAP)

    def rank_between(
        self, earlier: Sequence[Vertex], later: Sequence[Vertex], *, joint: bool = False
    ) -> int:
        """Return a rank above those of some vertices and below those of others.

        Args:
            earlier: What the new vertex will run after.
            later: What will run after it.
            joint: Whether others will go between it and what is in front of it.
        """
        if not self.growth.roomy:
            self.rerank()
        low = max([each.rank for each in earlier]) if earlier else -GAP
        high = min([each.rank for each in later]) if later else low + 2 * GAP
        if low + 1 >= high > low:
            self.rerank()
            return self.rank_between(earlier, later, joint=joint)
        # Out of order so far, adding the edges will tell whether it can be.
        return low + (max(1, high - low >> 10) if joint else 1)

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
            heapq.heappush(self.ready, (self._rank(task.spec), task.seq, task))

    def leave_to_others(self, names: Collection[str]) -> None:
        """Let tasks of these pools and with these labels go first: they take no slot here."""
        self.elsewhere = names
        self.ready = [(self._rank(task.spec), seq, task) for _, seq, task in self.ready]
        heapq.heapify(self.ready)

    def _rank(self, spec: TaskSpec) -> float:
        names = self.elsewhere
        if spec.kind in TAKES_NO_SLOT or (
            names and (spec.options.pool in names or spec.name in names)
        ):
            return -math.inf
        return -spec.options.priority


def _seq(task: Task) -> int:
    return task.seq
