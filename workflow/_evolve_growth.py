"""What the events mean that change the graph, and how the graph is built anew without some of them.

The graph is the definition and, in order, what the log of the run holds.  A restart takes from the
log what the tasks in its scope have made, an attempt that failed takes back what nothing stands on;
then the graph is built again from what is left: there is no undo code for each kind of change.
Tasks that stay keep their state.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection
from typing import Any, Final

from . import events as ev
from ._definition import TaskSpec, speaks
from ._errors import UsageError
from ._growth import Growth, Promise
from ._guard_text import (
    ANY,
    Closed,
    EdgeGuard,
    GuardSpec,
    Looks,
    OnlyEdges,
    OnlyTasks,
    Rounds,
    Sealed,
    TaskGuard,
    parse_promise,
)
from ._guards import NOBODY, Chain, Guard
from ._parts import (
    close,
    fill,
    give_to,
    lapse,
    link,
    narrow,
    open_hole,
    put_in_front,
    take_from,
    take_out,
)
from ._run import Part, Run, Task, is_joint
from ._shape_text import parse_shape
from ._shapes import Alt, Empty, Lab, Loop, Map, Par, Seq, Wild
from .events import Growing

CEILING: Final = "at most {} tasks (the ceiling that every run has: max_tasks)"

shape_of = functools.lru_cache(maxsize=1024)(parse_shape)


@functools.lru_cache(maxsize=1024)
def guard_of(text: str) -> GuardSpec:
    """Return the guard that a text says.

    Raises:
        UsageError: it is none.
    """
    spec = parse_promise(text)
    if isinstance(spec, (Lab, Seq, Par, Alt, Map, Loop, Wild, Empty)):
        raise UsageError(
            f"the shape {text!r} can be promised only while a workflow is registered; "
            "at run time open a hole with it"
        )
    return spec


def found_growth(run: Run, spec_tasks: int) -> None:
    """Put into a new run what its definition says of growing."""
    spec, growth = run.spec, run.growth
    growth.flow = growth.closed = spec.flow
    growth.templates = {each.name: each for each in spec.templates}
    ceiling = growth.guards.guard(ANY, None)
    ceiling.count = spec_tasks
    ceiling.hi = max(spec.max_tasks, spec_tasks)
    ceiling.high_text = CEILING.format(spec.max_tasks)
    for hole in spec.holes:
        open_hole(
            run,
            hole.id,
            shape_of(hole.shape),
            after=[run.vertex(name) for name in hole.after],
            before=[run.vertex(name) for name in hole.before],
            owner=None if hole.owner is None else run.task(hole.owner),
        )
    for text in spec.promises:
        promise(run, guard_of(text), text, None)


def grow(run: Run, event: Growing, number: int) -> list[Task]:
    """Change the graph as an event says; return the tasks whose readiness may have changed."""
    run.growth.log[number] = event
    run.growth.now = number
    return _GROW[type(event)](run, event)


def chain_of(run: Run, creator: str | None) -> Chain:
    """Return the creators of what this task creates: itself, its own creator, and so on."""
    if creator is None or not run.growth.guards.scoped:
        return NOBODY
    chain: list[str] = []
    while creator is not None:
        chain.append(creator)
        task = run.tasks.get(creator)
        creator = None if task is None else task.created_by
    return chain


# --- one event each -------------------------------------------------------------------------------


def _task_added(run: Run, event: ev.TaskAdded) -> list[Task]:
    spec, growth = event.new, run.growth
    task = growth.reborn.pop(spec.id, None)
    if task is None:
        task = Task(spec.id, 0, [], [], spec=spec, seq=run.next_seq, created_by=event.by)
        run.counts[task.state] += 1
        run.unsettled += 1
        run.changed[spec.id] = task
    run.next_seq = max(run.next_seq, task.seq) + 1
    run.tasks[spec.id] = task
    later = [run.vertex(name) for name in event.before if name in run.tasks or name[0] == "#"]
    part = None if event.part is None else growth.parts[event.part]
    if part is None:
        earlier = [run.vertex(name) for name in spec.needs if name in run.tasks or name[0] == "#"]
        task.rank = run.rank_between(earlier, later)
        for each in earlier:
            link(run, each, task)
    else:
        part.hole.tasks.append(spec.id)
        fill(run, part, event.path, task)
        for name in spec.needs:
            if name in run.tasks:
                link(run, run.tasks[name], task)
        dots = task.part
        if dots is not None and dots.is_wild and can_speak(task):
            give_to(run, dots, task)
    touched = [task]
    moved = [each for each in later if put_in_front(run, task, each)]
    touched.extend(each for each in moved if isinstance(each, Task))
    growth.guards.count(spec.name, chain_of(run, event.by))
    if event.by is not None:
        _note_number(run.tasks.get(event.by), spec)
        if event.certain:
            counts = growth.certain.setdefault(event.by, {})
            counts[spec.name] = counts.get(spec.name, 0) + 1
            growth.by_itself[spec.id] = None
    return touched


def _note_number(creator: Task | None, spec: TaskSpec) -> None:
    """Note the number of a creation that has no key of its own, for the next one of its label."""
    if creator is None or not spec.id.startswith(f"{creator.id}/{spec.name}-"):
        return
    number = spec.id[len(creator.id) + len(spec.name) + 2 :]
    if number.isdecimal():
        if creator.named is None:
            creator.named = {}
        creator.named[spec.name] = max(int(number), creator.named.get(spec.name, 0))


def can_speak(task: Task) -> bool:
    """Return whether whoever does this task can change the graph."""
    return speaks(task.spec)


def _edge_added(run: Run, event: ev.EdgeAdded) -> list[Task]:
    if event.source in run.tasks and event.target in run.tasks:
        target = run.tasks[event.target]
        if link(run, run.tasks[event.source], target):
            return [target]
    return []


def _hole_opened(run: Run, event: ev.HoleOpened) -> list[Task]:
    names = run.tasks
    before = [run.vertex(name) for name in event.before if name in names or name[0] == "#"]
    open_hole(
        run,
        event.hole,
        shape_of(event.shape),
        after=[run.vertex(name) for name in event.after if name in names or name[0] == "#"],
        before=before,
        owner=None if event.owner is None else run.tasks.get(event.owner),
    )
    return [each for each in before if isinstance(each, Task)]


def _hole_given(run: Run, event: ev.HoleGiven) -> list[Task]:
    part = _part(run, event.hole)
    give_to(run, part, run.tasks[event.to])
    if part.is_wild and event.by in run.tasks and event.by != event.to:
        take_from(run, part, run.tasks[event.by])
    return []


def _hole_left(run: Run, event: ev.HoleLeft) -> list[Task]:
    take_from(run, _part(run, event.hole), run.tasks[event.by])
    return []


def _hole_closed(run: Run, event: ev.HoleClosed) -> list[Task]:
    close(run, _part(run, event.hole))
    return []


def _hole_narrowed(run: Run, event: ev.HoleNarrowed) -> list[Task]:
    narrow(run, _part(run, event.hole), parse_shape(event.shape, narrowed=True))
    return []


def _hole_lapsed(run: Run, event: ev.HoleLapsed) -> list[Task]:
    lapse(run, _part(run, event.hole))
    return []


def _task_withdrawn(run: Run, event: ev.TaskWithdrawn) -> list[Task]:
    task = run.tasks.get(event.task)
    if task is None:
        return []  # a restart of what had created it took it away, and leaves this for nothing
    task.withdrawn = run.growth.now
    run.growth.guards.discount(task.spec.name, chain_of(run, task.created_by))
    take_out(run, task)
    for part in run.holes_of(task):
        take_from(run, part, task)
    return []


def _promise_made(run: Run, event: ev.PromiseMade) -> list[Task]:
    promise(run, guard_of(event.text), event.text, event.by)
    return []


def _styled(run: Run, event: ev.Styled) -> list[Task]:
    del run, event  # only pictures look at it, in the log
    return []


def _part(run: Run, address: str) -> Part:
    return run.growth.parts[address]


_GROW: dict[type[Any], Callable[[Run, Any], list[Task]]] = {
    ev.TaskAdded: _task_added,
    ev.EdgeAdded: _edge_added,
    ev.HoleOpened: _hole_opened,
    ev.HoleGiven: _hole_given,
    ev.HoleLeft: _hole_left,
    ev.HoleClosed: _hole_closed,
    ev.HoleNarrowed: _hole_narrowed,
    ev.HoleLapsed: _hole_lapsed,
    ev.TaskWithdrawn: _task_withdrawn,
    ev.PromiseMade: _promise_made,
    ev.Styled: _styled,
}


# --- promises -------------------------------------------------------------------------------------


def promise(run: Run, spec: GuardSpec, text: str, by: str | None) -> None:
    """Let a promise hold."""
    growth = run.growth
    guards = growth.guards
    growth.promises.append(Promise(text, spec, by, len(growth.promises)))
    if spec.by is not None:
        guards.scoped = True
    match spec:
        case TaskGuard():
            _limit_tasks(run, spec, text)
        case OnlyTasks():
            guards.only_tasks.append((spec, text))
        case EdgeGuard():
            guards.no_edges.append((spec, text))
        case OnlyEdges():
            guards.only_edges.append((spec, text))
        case Sealed(by=scope):
            _limit_tasks(run, TaskGuard(ANY, no_new=True, by=scope), text)
            guards.no_edges.append((EdgeGuard(by=scope), text))
            growth.sealed |= scope is None
        case Closed(by=scope):
            if scope is None:
                growth.closed = True
            else:
                growth.closed_by.add(scope)
        case Looks():
            guards.no_looks.append((spec, text))
        case Rounds(task=name, hi=hi):
            growth.rounds_max[name] = min(hi, growth.rounds_max.get(name, hi))


def _limit_tasks(run: Run, spec: TaskGuard, text: str) -> None:
    guard = _counted(run, spec.pattern, spec.by)
    hi = guard.count if spec.no_new else spec.hi
    if hi is not None and (guard.hi is None or hi < guard.hi):
        guard.hi, guard.high_text = hi, text
    guard.no_new |= spec.no_new
    if spec.lo is not None and spec.lo > guard.lo:
        guard.lo, guard.low_text = spec.lo, text
        run.growth.guards.lower = True


def _counted(run: Run, pattern: str, by: str | None) -> Guard:
    guards = run.growth.guards
    if (pattern, by) in guards.tasks:
        return guards.tasks[pattern, by]
    guard = guards.guard(pattern, by)
    for task in run.tasks.values():
        if (
            not task.withdrawn
            and guard in guards.matching(task.spec.name)
            and guard.counts(chain_of(run, task.created_by))
        ):
            guard.count += 1
    return guard


# --- building anew --------------------------------------------------------------------------------


def rebuild(run: Run, dropped: Collection[int], define: Callable[[Run], object]) -> list[Task]:
    """Build the graph again without what some events have made; states stay as they are.

    Args:
        run: The run.
        dropped: The numbers of these events.
        define: Puts into a run without a graph what its definition says.

    Returns:
        The tasks that are not in it any more.
    """
    old = run.growth
    reborn = run.tasks
    for task in reborn.values():
        task.before, task.after = [], []
        task.binds = task.bound = task.part = None
        task.withdrawn = 0
    run.growth = Growth(rounds=old.rounds, reborn=reborn)
    run.tasks = {}
    for spec in run.spec.tasks:
        task = run.tasks[spec.id] = reborn.pop(spec.id)
        task.rank = task.seq
    run.holes, run.open_holes, run.next_seq = {}, 0, len(run.tasks)
    define(run)
    for number, event in old.log.items():
        if number not in dropped:
            grow(run, event, number)
    run.growth.reborn = {}
    _count_anew(run)
    return list(reborn.values())


def _count_anew(run: Run) -> None:
    """Count again what everything waits for."""
    for vertex in sorted(run.vertices(), key=lambda each: each.rank):
        vertex.open = sum(not earlier.released for earlier in vertex.before)
        if is_joint(vertex):
            vertex.open += isinstance(vertex, Part) and not vertex.closed
            vertex.released = not vertex.open
