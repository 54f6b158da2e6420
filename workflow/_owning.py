"""What becomes of the holes of a task that comes to its end, and of what a failed attempt made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from . import events as ev
from ._complete import is_below
from ._deciding import Deciding
from ._evolve_growth import can_speak, guard_of
from ._graph import Vertex
from ._guard_text import Rounds
from ._keeping import Broken, check_growth, look_at_all, shape_text
from ._passing_on import pass_on_to
from ._run import Hole, Part, Run, Task
from ._shapes import Loop
from ._states import PENDING, READY, SETTLED
from .events import Growing


def pass_parts(d: Deciding, owner: Task) -> None:
    """Pass on or close what a task still owns that has done its work.

    Each part passes to the one task directly in front of it, if the owner or what it created has
    created that and it can still speak; else it closes, if nothing must come into it.

    Raises:
        Broken: something must still come, and there is nobody to create it.
    """
    growth = d.run.growth
    owned = [each for each in owner.binds or () if isinstance(each, Part)]
    for part in owned:
        if not part.closed and not part.lapsed:
            _pass(d, owner, part)
    if growth.guards.owed:
        look_at_all(d.run)
    growth.ending = owner
    try:
        check_growth(d, owner)
    finally:
        d.run.growth.ending = None


def _pass(d: Deciding, owner: Task, part: Part) -> None:
    heir = _in_front(part.tail if isinstance(part.shape, Loop) else part.starts)
    if (
        heir is not None
        and heir.state not in SETTLED
        and can_speak(heir)
        and is_below(d.run, heir, owner)
    ):
        d.emit(ev.HoleGiven(at=d.now, hole=part.address, to=heir.id, by=owner.id))
    elif len(part.owners) > 1:
        d.emit(ev.HoleLeft(at=d.now, hole=part.address, by=owner.id))
    elif part.residual.nullable:
        reason = f"its owner {owner.id!r} has ended"
        d.emit(ev.HoleClosed(at=d.now, hole=part.address, reason=reason, by=owner.id))
    else:
        raise Broken(
            shape_text(part.hole),
            f"task {owner.id!r} has ended, and {part.residual} must still come into "
            f"{part.address!r}",
        )


def _in_front(vertices: Sequence[Vertex]) -> Task | None:
    """Return the one task that this is, if it is one."""
    if len(vertices) != 1:
        return None
    vertex = vertices[0]
    if isinstance(vertex, Hole):
        return _in_front(vertex.before)
    if isinstance(vertex, Part):
        return vertex.filled if vertex.filled is not None else _in_front(vertex.ends)
    return vertex if isinstance(vertex, Task) else None


# --- attempts that failed -------------------------------------------------------------------------


def undo_attempt(d: Deciding, task: Task) -> None:
    """Take back what an unsuccessful attempt has made, where nothing stands on it yet."""
    log = d.run.growth.log
    if not log:
        return
    records = _undoable(d.run, task)
    if records:
        undone = [log[number] for number in records]
        d.emit(ev.GrowthUndone(at=d.now, task=task.id, records=tuple(sorted(records))))
        back = [each.task for each in undone if isinstance(each, ev.TaskWithdrawn)]
        pass_on_to(d, [d.run.tasks[name] for name in back if name in d.run.tasks])
        look_at_all(d.run)
        check_growth(d, task)


_COUNTS: Final = object()
"""Stands for the counts of tasks, which whatever is created or promised counts on."""


def _undoable(run: Run, task: Task) -> list[int]:
    used: set[object] = set()
    found: list[int] = []
    for number in reversed(run.growth.log):
        if number <= task.since:
            break  # what is older uses nothing that this attempt has made
        event = run.growth.log[number]
        mine = event.by == task.id
        if mine and number not in used and _nothing_stands_on(run, event, used):
            found.append(number)
        else:
            used.update(_uses(run, event))
    return found


def _nothing_stands_on(run: Run, event: Growing, used: set[object]) -> bool:
    match event:
        case ev.TaskAdded(new=new):
            return new.id not in used and _not_begun(run.tasks[new.id])
        case ev.EdgeAdded(target=target):
            return _not_begun(run.tasks[target])
        case ev.HoleOpened(hole=name, before=before):
            hole = run.holes[name]
            return hole.id not in used and all(
                _not_begun(run.tasks[each]) for each in before if each in run.tasks
            )
        case ev.HoleGiven(to=to):
            return _not_begun(run.tasks[to])
        case ev.HoleClosed(hole=address) | ev.HoleNarrowed(hole=address):
            return all(map(_not_begun, _directly_behind(run.growth.parts[address])))
        case ev.TaskWithdrawn(task=name):
            # Since then somebody may have counted on its not being there.
            behind = _directly_behind(run.tasks[name]) if name in run.tasks else ()
            return _COUNTS not in used and all(map(_not_begun, behind))
        case ev.HoleLeft() | ev.HoleLapsed() | ev.PromiseMade() | ev.Styled():
            return True


def _not_begun(task: Task) -> bool:
    return task.first_at is None and (task.withdrawn > 0 or task.state in (PENDING, READY))


def _directly_behind(vertex: Vertex) -> Iterable[Task]:
    seen: set[Vertex] = set()
    stack = [vertex]
    while stack:
        for follower in stack.pop().after:
            if follower not in seen:
                seen.add(follower)
                if isinstance(follower, Task) and not follower.withdrawn:
                    yield follower
                else:
                    stack.append(follower)


def _uses(run: Run, event: Growing) -> Iterable[object]:
    """Give what an event that stays needs to be there: ids of vertices, and numbers of events."""
    yield event.by
    if isinstance(event, (ev.TaskAdded, ev.PromiseMade)):
        yield _COUNTS
    match event:
        case ev.TaskAdded(new=new, before=before, part=address):
            yield from new.needs
            yield from before
            place = run.tasks[new.id].part
            if address is not None and place is not None:
                yield from _needs_of(place)
        case ev.EdgeAdded(source=source, target=target):
            yield from (source, target)
        case ev.HoleOpened(after=after, before=before, owner=owner):
            yield from (*after, *before, owner)
        case ev.HoleGiven(hole=address, to=to):
            yield from (to, *_needs_of(run.growth.parts[address]))
        case (
            ev.HoleClosed(hole=address)
            | ev.HoleNarrowed(hole=address)
            | ev.HoleLeft(hole=address)
            | ev.HoleLapsed(hole=address)
        ):
            yield from _needs_of(run.growth.parts[address])
        case ev.TaskWithdrawn(task=name):
            yield name
        case ev.Styled(target=target):
            yield from (target,) if isinstance(target, str) else target
        case ev.PromiseMade(text=text):
            spec = guard_of(text)
            yield from (spec.by, spec.task if isinstance(spec, Rounds) else None)


def _needs_of(part: Part) -> Iterable[object]:
    hole: Hole = part.hole
    yield from (hole.id, part.made)
