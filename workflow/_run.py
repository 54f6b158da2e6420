"""One run's state, and :func:`evolve`, the only place where it changes.

A run is the fold of its events: :func:`evolve` applied to each of them in order gives the same run again,
whoever does it and whenever.  Readiness is kept in counters: each settlement costs O(successors), a hole in
front of a task counts as one.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import Any, TypeAlias

import attrs

from . import _events as ev
from ._definition import Failure, TaskSpec, WorkflowSpec
from ._errors import InternalError, Refused
from ._events import Event, Wait
from ._graph import Vertex, add_edge, descendants, rank_all
from ._states import (
    ENDED,
    SETTLED,
    TASK_MOVES,
    RunState,
    TaskState,
    check_task_move,
)

_DONE = frozenset({TaskState.SUCCEEDED, TaskState.SKIPPED})


@attrs.define(eq=False)
class Task(Vertex):
    """A task of a run, in its present generation.

    Attributes:
        seq: The number of its creation: the order among equals.
        open: How many vertices in front of it have not let it go yet.
        released: Whether it has let its successors go.
        attempt: The number of the latest attempt of this generation.
        failures: Attempts that failed and count against ``retry.times``.
        losses: Attempts that were lost with their engine or worker.
    """

    spec: TaskSpec = attrs.field(kw_only=True)
    seq: int = attrs.field(kw_only=True)
    state: TaskState = TaskState.PENDING
    open: int = 0
    released: bool = False
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


@attrs.define(eq=False)
class Hole(Vertex):
    """A place where tasks may still come; open it counts as one more thing in front of what follows."""

    shape: str = attrs.field(kw_only=True)
    owner: str | None = None
    closed: bool = False
    open: int = 1
    released: bool = False
    tasks: list[str] = attrs.field(factory=list[str])


ReadyEntry: TypeAlias = tuple[int, int, str]


@attrs.define(eq=False)
class Run:
    """One execution of a workflow.

    Attributes:
        version: How many events were folded into it.
        unsettled: Tasks that have not come to an end.
        active: Tasks that are running or waiting, by id.
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

    @property
    def ended(self) -> bool:
        """Whether nothing follows by itself any more."""
        return self.state in ENDED

    def vertex(self, name: str) -> Task | Hole:
        """Return the task with this id, or the hole whose id stands behind a ``#``."""
        found = self.holes.get(name[1:]) if name.startswith("#") else self.tasks.get(name)
        if found is None:
            raise Refused(f"run {self.id!r} has no task {name!r}")
        return found

    def take_changed(self) -> list[Task]:
        """Return the tasks that changed since the last call."""
        changed = list(self.changed.values())
        self.changed.clear()
        return changed

    def peek_ready(self) -> Task | None:
        """Return the ready task that is next by priority and creation, and leave it in its place."""
        ready = self.ready
        while ready:
            task = self.tasks[ready[0][2]]
            if task.state is TaskState.READY and task.id not in self.held:
                return task
            heapq.heappop(ready)
        return None

    def pop_ready(self) -> Task | None:
        """Return the ready task that is next by priority and creation, and forget its place.

        Whoever takes it must begin, skip or fail it, or give it back with :meth:`push_ready`.
        """
        task = self.peek_ready()
        if task is not None:
            heapq.heappop(self.ready)
        return task

    def push_ready(self, task: Task) -> None:
        """Put a ready task (back) in its place."""
        heapq.heappush(self.ready, (-task.spec.options.priority, task.seq, task.id))


def new_run(event: ev.RunCreated) -> Run:
    """Return the run that its first event describes.

    Raises:
        Refused: the definition names a task twice or needs one that it does not have.
        CycleError: it has a cycle.
    """
    run = Run(
        event.run,
        event.spec,
        event.inputs,
        event.parent_run,
        event.parent_task,
        event.topic,
        created_at=event.at,
        version=1,
    )
    tasks = run.tasks
    for seq, spec in enumerate(event.spec.tasks):
        if spec.id in tasks:
            raise Refused(f"workflow {event.spec.name!r} has two tasks with the id {spec.id!r}")
        tasks[spec.id] = Task(spec.id, seq, spec=spec, seq=seq)
    ordered = True
    for task in tasks.values():
        for need in task.spec.needs:
            earlier = run.vertex(need)
            if task in earlier.after:
                continue
            ordered = ordered and earlier.rank < task.rank
            earlier.after.append(task)
            task.before.append(earlier)
        task.open = len(task.before)
    if not ordered:
        rank_all(list(tasks.values()))
    run.unsettled = run.counts[TaskState.PENDING] = len(tasks)
    run.changed = dict(tasks)
    for task in tasks.values():
        if task.open == 0:
            _make_ready(run, task, event.at)
    return run


def fold(events: Iterable[Event]) -> Run:
    """Return the run that these events made, from its first to the last one given."""
    stream = iter(events)
    first = next(stream, None)
    if not isinstance(first, ev.RunCreated):
        raise InternalError(f"a run's first event must be run_created, not {first!r}")
    run = new_run(first)
    for event in stream:
        evolve(run, event)
    return run


def evolve(run: Run, event: Event) -> None:
    """Change the run as the event says."""
    run.version += 1
    _EVOLVE[type(event)](run, event)


def _move(run: Run, task: Task, state: TaskState) -> None:
    old = task.state
    if state not in TASK_MOVES[old]:
        check_task_move(task.id, old, state)
    _set_state(run, task, old, state)


def _set_state(run: Run, task: Task, old: TaskState, state: TaskState) -> None:
    task.state = state
    counts = run.counts
    counts[old] -= 1
    counts[state] += 1
    run.changed[task.id] = task


def _make_ready(run: Run, task: Task, at: float) -> None:
    _move(run, task, TaskState.READY)
    task.ready_at = at
    heapq.heappush(run.ready, (-task.spec.options.priority, task.seq, task.id))


def _release(run: Run, vertex: Task | Hole, at: float) -> None:
    """Let the successors of a finished vertex go; through holes this may go on."""
    stack: list[Task | Hole] = [vertex]
    while stack:
        done = stack.pop()
        done.released = True
        for follower in done.after:
            if isinstance(follower, Task):
                follower.open -= 1
                if follower.open == 0 and follower.state is TaskState.PENDING:
                    _make_ready(run, follower, at)
            elif isinstance(follower, Hole):
                follower.open -= 1
                if follower.open == 0:
                    stack.append(follower)


def _leave(run: Run, task: Task) -> None:
    """Forget what belongs to a lease or a wait that is over."""
    run.active.pop(task.id, None)
    task.fence = None
    task.worker = None
    task.wait = None


def _attempt_started(run: Run, event: ev.AttemptStarted) -> None:
    task = run.tasks[event.task]
    _move(run, task, TaskState.RUNNING)
    task.attempt = event.attempt
    task.fence = event.fence
    task.worker = event.worker
    task.reason = None
    _note_start(run, task, event.at)
    run.active[task.id] = task


def _note_start(run: Run, task: Task, at: float) -> None:
    task.started_at = at
    if task.first_at is None:
        task.first_at = at
        run.order.append(task.id)


def _task_waiting(run: Run, event: ev.TaskWaiting) -> None:
    task = run.tasks[event.task]
    if task.state is TaskState.READY:
        _note_start(run, task, event.at)
    _move(run, task, TaskState.WAITING)
    task.attempt = event.attempt
    task.fence = event.fence
    task.worker = None
    task.wait = event.wait
    task.reason = event.wait.message
    run.active[task.id] = task


def _task_released(run: Run, event: ev.TaskReleased) -> None:
    task = run.tasks[event.task]
    _leave(run, task)
    task.losses += event.lost
    _make_ready(run, task, event.at)
    task.reason = event.reason


def _task_answered(run: Run, event: ev.TaskAnswered) -> None:
    task = run.tasks[event.task]
    task.answers = (*task.answers, event.value)


def _retry_scheduled(run: Run, event: ev.RetryScheduled) -> None:
    task = run.tasks[event.task]
    _move(run, task, TaskState.RETRY_WAIT)
    _leave(run, task)
    task.failures += 1
    task.error = event.error
    task.retry_at = event.retry_at


def _retry_due(run: Run, event: ev.RetryDue) -> None:
    task = run.tasks[event.task]
    task.retry_at = None
    _make_ready(run, task, event.at)


def _task_settled(run: Run, event: ev.TaskSettled) -> None:
    task = run.tasks[event.task]
    state = event.state
    if event.by is None:
        _move(run, task, state)
        run.unsettled -= 1
    else:
        if task.state not in SETTLED:
            run.unsettled -= 1
        _set_state(run, task, task.state, state)
    if task.fence is not None or task.wait is not None:
        _leave(run, task)
    task.retry_at = None
    task.output = event.output
    task.error = event.error
    task.reason = event.reason
    task.ended_at = event.at
    if state in _DONE and not task.released:
        _release(run, task, event.at)


def _tasks_settled(run: Run, event: ev.TasksSettled) -> None:
    for name in event.tasks:
        task = run.tasks[name]
        _move(run, task, event.state)
        _leave(run, task)
        task.retry_at = None
        task.reason = event.reason
        task.ended_at = event.at
    run.unsettled -= len(event.tasks)


def _restart_requested(run: Run, event: ev.RestartRequested) -> None:
    run.restarting[event.task] = event.by
    run.held.update(scope_of_restart(run, event.task))


def scope_of_restart(run: Run, task: str) -> list[str]:
    """Return the ids of a task and of all behind it, in creation order."""
    start = run.tasks[task]
    behind = (vertex for vertex in descendants([start]) if isinstance(vertex, Task))
    return [each.id for each in sorted({start, *behind}, key=lambda each: each.seq)]


def _tasks_restarted(run: Run, event: ev.TasksRestarted) -> None:
    run.restarting.pop(event.task, None)
    run.held.difference_update(event.tasks)
    for pending in run.restarting:
        run.held.update(scope_of_restart(run, pending))
    scope = [run.tasks[name] for name in event.tasks]
    begun_anew = set(event.tasks)
    run.order = [name for name in run.order if name not in begun_anew]
    for task in scope:
        _new_generation(run, task)
    _reset_holes(run, scope)
    for task in scope:
        task.open = sum(not _released(vertex) for vertex in task.before)
        if task.open == 0:
            _make_ready(run, task, event.at)
    if run.ended or run.stopping is not None or run.draining:
        run.state = RunState.RUNNING
        run.stopping = run.reason = run.ended_at = None
        run.draining = False


def _released(vertex: Vertex) -> bool:
    return isinstance(vertex, (Task, Hole)) and vertex.released


def _new_generation(run: Run, task: Task) -> None:
    if task.state in SETTLED:
        run.unsettled += 1
    _set_state(run, task, task.state, TaskState.PENDING)
    _leave(run, task)
    task.generation += 1
    task.attempt = task.failures = task.losses = 0
    task.released = False
    task.answers = ()
    task.output = task.error = task.reason = None
    task.ready_at = task.first_at = task.started_at = task.ended_at = task.retry_at = None


def _reset_holes(run: Run, scope: list[Task]) -> None:
    behind = (vertex for vertex in descendants(scope) if isinstance(vertex, Hole))
    for hole in sorted(behind, key=lambda each: each.rank):
        hole.released = False
        hole.open = sum(not _released(vertex) for vertex in hole.before) + (not hole.closed)


def _hole_opened(run: Run, event: ev.HoleOpened) -> None:
    rank = max((vertex.rank for vertex in (*run.tasks.values(), *run.holes.values())), default=0) + 1
    hole = Hole(f"#{event.hole}", rank, shape=event.shape, owner=event.owner)
    run.holes[event.hole] = hole
    run.open_holes += 1
    for name in event.after:
        earlier = run.vertex(name)
        add_edge(earlier, hole)
        hole.open += not earlier.released
    for name in event.before:
        follower = run.vertex(name)
        add_edge(hole, follower)
        follower.open += 1
        if isinstance(follower, Task) and follower.state is TaskState.READY:
            _move(run, follower, TaskState.PENDING)
            follower.ready_at = None


def _hole_closed(run: Run, event: ev.HoleClosed) -> None:
    hole = run.holes[event.hole]
    hole.closed = True
    hole.open -= 1
    run.open_holes -= 1
    if hole.open == 0:
        _release(run, hole, event.at)


def _run_paused(run: Run, event: ev.RunPaused) -> None:
    del event
    run.paused = True


def _run_unpaused(run: Run, event: ev.RunUnpaused) -> None:
    del event
    run.paused = False


def _run_stopping(run: Run, event: ev.RunStopping) -> None:
    run.stopping = event.state
    run.reason = event.reason
    run.restarting.clear()
    run.held.clear()


def _run_draining(run: Run, event: ev.RunDraining) -> None:
    run.draining = True
    run.reason = event.reason


def _run_ended(run: Run, event: ev.RunEnded) -> None:
    run.state = event.state
    run.reason = event.reason
    run.output = event.output
    run.ended_at = event.at
    run.stopping = None
    run.draining = False
    run.ready.clear()


def _run_created(run: Run, event: ev.RunCreated) -> None:
    raise InternalError(f"run {run.id!r} was created twice ({event.at})")


_EVOLVE: dict[type[Any], Any] = {
    ev.RunCreated: _run_created,
    ev.RunPaused: _run_paused,
    ev.RunUnpaused: _run_unpaused,
    ev.RunStopping: _run_stopping,
    ev.RunDraining: _run_draining,
    ev.RunEnded: _run_ended,
    ev.AttemptStarted: _attempt_started,
    ev.TaskWaiting: _task_waiting,
    ev.TaskReleased: _task_released,
    ev.TaskAnswered: _task_answered,
    ev.RetryScheduled: _retry_scheduled,
    ev.RetryDue: _retry_due,
    ev.TaskSettled: _task_settled,
    ev.TasksSettled: _tasks_settled,
    ev.RestartRequested: _restart_requested,
    ev.TasksRestarted: _tasks_restarted,
    ev.HoleOpened: _hole_opened,
    ev.HoleClosed: _hole_closed,
}
