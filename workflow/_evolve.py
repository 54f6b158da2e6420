"""The only place where a run changes: what each event means.

A run is the fold of its events: :func:`evolve` applied to each of them in order gives the same run
again, whoever does it and whenever.  Readiness is kept in counters: each settlement costs
O(successors), and a hole in front of a task counts as one.  Nothing is decided here; an event that
does not fit is a bug and raises.
"""

from __future__ import annotations

import heapq
import typing
from collections.abc import Collection, Iterable
from typing import Any

from . import events as ev
from ._errors import InternalError, Refused
from ._evolve_growth import found_growth, grow, rebuild
from ._graph import Vertex, rank_all
from ._run import Run, Task
from ._states import (
    CUT_OFF,
    PENDING,
    READY,
    RETRY_WAIT,
    RUNNING,
    SETTLED,
    SKIPPED,
    SUCCEEDED,
    TASK_MOVES,
    WAITING,
    IllegalTransition,
    RunState,
    TaskState,
)
from .events import Event, Growing

LETS_GO = frozenset({SUCCEEDED, SKIPPED})
"""What a task is settled as when its successors may go on."""


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
        event.job,
        created_at=event.at,
        opened_at=event.at,
        version=1,
    )
    tasks = run.tasks
    for seq, spec in enumerate(event.spec.tasks):
        tasks[spec.id] = Task(spec.id, seq, [], [], spec=spec, seq=seq)
    if len(tasks) < len(event.spec.tasks):
        raise Refused(_twice(event))
    run.unsettled = run.counts[PENDING] = run.next_seq = len(tasks)
    run.changed = dict(tasks)
    _define(run)
    for task in tasks.values():
        if not task.open:
            _make_ready(run, task, event.at)
    return run


def _define(run: Run) -> None:
    """Put the graph of the definition into a run."""
    _link(run)
    found_growth(run, len(run.tasks))


def _twice(event: ev.RunCreated) -> str:
    names = [spec.id for spec in event.spec.tasks]
    again = next(name for position, name in enumerate(names) if name in names[:position])
    return f"workflow {event.spec.name!r} has two tasks with the id {again!r}"


def _link(run: Run) -> None:
    tasks = run.tasks
    ordered = True
    for task in tasks.values():
        before = task.before
        rank = task.rank
        for need in task.spec.needs:
            earlier = tasks.get(need) or run.task(need)
            after = earlier.after
            # Tasks come one after another: a need that is named twice finds this task at the end.
            if after and after[-1] is task:
                continue
            after.append(task)
            before.append(earlier)
            if earlier.rank >= rank:
                ordered = False
        task.open = len(before)
    if not ordered:
        rank_all(list(tasks.values()))


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


# --- one task -------------------------------------------------------------------------------------


def _move(run: Run, task: Task, state: TaskState, *, freely: bool = False) -> None:
    old = task.state
    if not freely and state not in TASK_MOVES[old]:
        raise IllegalTransition(task.id, old, state)
    counts = run.counts
    counts[old] -= 1
    counts[state] += 1
    task.state = state
    run.changed[task.id] = task


def _make_ready(run: Run, task: Task, at: float) -> None:
    _move(run, task, READY)
    task.ready_at = at
    run.push_ready(task)


def _unready(run: Run, task: Task) -> None:
    _move(run, task, PENDING)
    if task.ready_at is not None:
        run.growth.was_ready[task.id] = task.ready_at
    task.ready_at = None


def _release(run: Run, vertex: Vertex, at: float) -> None:
    """Let go what is behind a finished vertex; through closed holes this goes on."""
    letting_go = [vertex]
    for each in letting_go:
        each.released = True
        for follower in each.after:
            follower.open -= 1
            if not follower.open:
                if not isinstance(follower, Task) or follower.withdrawn:
                    letting_go.append(follower)
                elif follower.state is PENDING:
                    _make_ready(run, follower, at)


def _withhold(run: Run, vertex: Vertex) -> None:
    """Undo :func:`_release` as far as nothing has begun since."""
    holding = [vertex]
    for each in holding:
        each.released = False
        for follower in each.after:
            follower.open += 1
            if isinstance(follower, Task) and not follower.withdrawn:
                if follower.state is READY:
                    _unready(run, follower)
            elif follower.released:
                holding.append(follower)


def _leave(run: Run, task: Task) -> None:
    """Forget what belongs to a lease or a wait that is over."""
    run.active.pop(task.id, None)
    task.fence = None
    task.worker = None
    task.lease = None
    task.wait = None


def _note_start(run: Run, task: Task, at: float) -> None:
    task.started_at = at
    if task.first_at is None:
        task.first_at = at
        run.order.append(task.id)


def _attempt_started(run: Run, event: ev.AttemptStarted) -> None:
    task = run.tasks[event.task]
    _move(run, task, RUNNING)
    task.attempt = event.attempt
    task.fence = event.fence
    task.worker = event.worker
    task.lease = event.lease
    task.reason = None
    if task.named is not None:
        task.named = None
    if task.again:
        task.again = ()
    task.since = run.version
    _note_start(run, task, event.at)
    run.active[event.task] = task


def _task_waiting(run: Run, event: ev.TaskWaiting) -> None:
    task = run.tasks[event.task]
    if task.state is READY:
        _note_start(run, task, event.at)
    _move(run, task, WAITING)
    task.attempt = event.attempt
    task.fence = event.fence
    task.worker = None
    task.lease = None
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
    run.changed[task.id] = task


def _retry_scheduled(run: Run, event: ev.RetryScheduled) -> None:
    task = run.tasks[event.task]
    _move(run, task, RETRY_WAIT)
    _leave(run, task)
    task.failures += 1
    task.error = event.error
    task.reason = event.error.message
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
        _set_by_hand(run, task, event)
    if task.fence is not None or task.wait is not None:
        _leave(run, task)
    task.retry_at = None
    task.output = event.output
    task.error = event.error
    task.reason = event.reason
    task.ended_at = event.at
    task.settled_by = event.by
    if state in LETS_GO:
        if not task.released and not (task.withdrawn and task.open):
            _release(run, task, event.at)
    elif task.released:
        _withhold(run, task)


def _set_by_hand(run: Run, task: Task, event: ev.TaskSettled) -> None:
    run.unsettled -= task.state not in SETTLED
    _move(run, task, event.state, freely=True)
    if run.ended and run.state not in CUT_OFF:
        _reopen(run, event.at)


def _tasks_settled(run: Run, event: ev.TasksSettled) -> None:
    for name in event.tasks:
        task = run.tasks[name]
        _move(run, task, event.state)
        _leave(run, task)
        task.retry_at = None
        task.reason = event.reason
        task.ended_at = event.at
    run.unsettled -= len(event.tasks)


# --- restarts -------------------------------------------------------------------------------------


def _restart_requested(run: Run, event: ev.RestartRequested) -> None:
    run.restarting[event.task] = event.by
    if event.again:
        run.agains.add(event.task)
    _hold(run)


def _hold(run: Run) -> None:
    run.held = {task.id for name in run.restarting for task in run.scope_of(name)}


def _forget_restarts(run: Run) -> None:
    run.restarting.clear()
    run.agains.clear()
    run.held.clear()


def _tasks_restarted(run: Run, event: ev.TasksRestarted) -> None:
    if run.restarting.pop(event.task, "") != "":
        _hold(run)
    run.agains.discard(event.task)
    if event.again:
        rounds = run.growth.rounds
        rounds[event.task] = rounds.get(event.task, 0) + 1
    anew = set(event.tasks)
    run.order = [name for name in run.order if name not in anew]
    scope = [run.tasks[name] for name in event.tasks]
    for task in scope:
        _new_generation(run, task)
    if run.growth.log or run.holes:
        _build_without(run, _made_by(run, anew), event.at, "archived")
    else:
        for task in scope:
            task.open = sum(not earlier.released for earlier in task.before)
        for task in scope:
            if not task.open:
                _make_ready(run, task, event.at)
    if run.ended:
        _reopen(run, event.at)


def _made_by(run: Run, tasks: Collection[str]) -> set[int]:
    """Return the numbers of what these tasks have made, and of what became of their holes."""
    holes = {hole.name for hole in run.holes.values() if hole.owner in tasks}
    return {
        number
        for number, event in run.growth.log.items()
        if event.by in tasks
        or (isinstance(event, _ABOUT_HOLES) and run.growth.parts[event.hole].hole.name in holes)
    }


_ABOUT_HOLES = (ev.HoleClosed, ev.HoleGiven, ev.HoleLapsed, ev.HoleNarrowed, ev.HoleLeft)


def _new_generation(run: Run, task: Task) -> None:
    run.unsettled += task.state in SETTLED
    _move(run, task, PENDING, freely=True)
    _leave(run, task)
    task.generation += 1
    task.attempt = task.failures = task.losses = 0
    task.released = False
    task.answers = task.again = ()
    task.named = None
    task.output = task.error = task.reason = task.settled_by = None
    task.ready_at = task.first_at = task.started_at = task.ended_at = task.retry_at = None


# --- growth ---------------------------------------------------------------------------------------


def _grown(run: Run, event: Growing) -> None:
    for task in grow(run, event, run.version):
        _adjust(run, task, event.at)
    if not isinstance(event, _CAN_LET_GO):
        return
    address = event.part if isinstance(event, ev.TaskAdded) else event.hole
    if address is not None:
        part = run.growth.parts.get(address)
        for joint in () if part is None else (part, part.hole):
            if not joint.open and not joint.released:
                _release(run, joint, event.at)
        hole = run.holes.get(address)
        if hole is not None and not hole.open and not hole.released:
            _release(run, hole, event.at)
    if run.restarting:
        _hold(run)


_CAN_LET_GO = (ev.TaskAdded, ev.HoleOpened, ev.HoleClosed, ev.HoleNarrowed)


def _adjust(run: Run, task: Task, at: float) -> None:
    """Make a task that has not begun ready or pending, as what is in front of it says."""
    if task.state is PENDING and not task.open:
        _make_ready(run, task, at)
    elif task.state is READY and task.open:
        _unready(run, task)


def _growth_undone(run: Run, event: ev.GrowthUndone) -> None:
    _build_without(run, event.records, event.at, "withdrawn: the attempt that created it failed")


def _build_without(run: Run, dropped: Collection[int], at: float, why: str) -> None:
    for number in dropped:
        event = run.growth.log[number]
        if isinstance(event, ev.TaskWithdrawn):
            task = run.tasks.get(event.task)
            if task is not None and task.withdrawn == number:
                _unsettle(run, task)
    lost = rebuild(run, dropped, _define)
    for gone in lost:
        forget(run, gone)
        gone.reason = why
        run.changed[gone.id] = gone
    _unqueue(run, lost)
    for task in run.tasks.values():
        _adjust(run, task, at)
    if run.restarting:
        _hold(run)


def _unsettle(run: Run, task: Task) -> None:
    """Let a task that was settled without having begun stand where it stood before."""
    run.unsettled += 1
    _move(run, task, PENDING if task.ready_at is None else READY, freely=True)
    task.released = False
    task.reason = task.ended_at = None
    if task.state is READY:
        run.push_ready(task)


def forget(run: Run, task: Task) -> None:
    """Take out of all counts a task that is not in the graph any more."""
    _leave(run, task)
    run.unsettled -= task.state not in SETTLED
    run.counts[task.state] -= 1
    task.state = SKIPPED
    run.changed.pop(task.id, None)
    run.restarting.pop(task.id, None)
    if task.first_at is not None:
        run.order.remove(task.id)


def _unqueue(run: Run, lost: Collection[Task]) -> None:
    """Take tasks that are not in the graph any more out of the line of those that may start."""
    if any(task.queued for task in lost):
        run.ready = [entry for entry in run.ready if entry[2].id in run.tasks]
        heapq.heapify(run.ready)


def roll_back(run: Run, version: int, settled: Iterable[str], at: float) -> None:
    """Take back what happened since a version, which is told nowhere.

    Args:
        run: The run.
        version: The last event that stays.
        settled: Tasks that had not begun, and came to their end since; other than that only the
            graph may have changed.
        at: The time now.
    """
    was_ready = run.growth.was_ready
    for name in settled:
        _unsettle(run, run.tasks[name])
    lost = rebuild(run, range(version + 1, run.version + 1), _define)
    for gone in lost:
        forget(run, gone)
    _unqueue(run, lost)
    for task in run.tasks.values():
        _adjust(run, task, was_ready.get(task.id, at))
    run.version = version


def _again_asked(run: Run, event: ev.AgainAsked) -> None:
    task = run.tasks[event.task]
    task.again = (*task.again, event.target)


def _promise_violated(run: Run, event: ev.PromiseViolated) -> None:
    run.broken = event


# --- the run --------------------------------------------------------------------------------------


def _run_paused(run: Run, _event: ev.RunPaused) -> None:
    run.paused = True


def _run_unpaused(run: Run, event: ev.RunUnpaused) -> None:
    run.paused = False
    for task in run.tasks.values():
        timeout = task.spec.options.timeout
        # While the run was paused nobody could start it: that time does not count as waiting in
        # line.
        if timeout is not None and timeout.queued is not None and task.state is READY:
            task.ready_at = event.at
            run.changed[task.id] = task


def _run_stopping(run: Run, event: ev.RunStopping) -> None:
    run.stopping = event.state
    run.reason = event.reason
    _forget_restarts(run)


def _run_draining(run: Run, event: ev.RunDraining) -> None:
    run.draining = True
    run.reason = event.reason
    _forget_restarts(run)


def _run_ended(run: Run, event: ev.RunEnded) -> None:
    run.state = event.state
    run.reason = event.reason
    run.output = event.output
    run.ended_at = event.at
    run.stopping = None
    run.draining = run.paused = False
    for _, _, task in run.ready:
        task.queued = False
    run.ready.clear()


def _reopen(run: Run, at: float) -> None:
    run.state = RunState.RUNNING
    run.reason = run.output = run.ended_at = run.broken = None
    run.opened_at = at


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
    ev.GrowthUndone: _growth_undone,
    ev.AgainAsked: _again_asked,
    ev.PromiseViolated: _promise_violated,
    **dict.fromkeys(typing.get_args(Growing), _grown),
}
