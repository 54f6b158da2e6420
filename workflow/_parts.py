"""How the parts of holes come to be, are filled, and close: the structure, no decisions.

A hole's shape is unfolded as far as it is certain: each step of a sequence is a part, each side of
a ``&`` is one, and a map, a loop, a choice or ``...`` is one part until something comes into it.
Each part is also the joint that what follows it waits for, so nothing ever needs an edge for each
pair of tasks.  What is told here is told by events: where a creation goes is given by the address
of a part and the path from its expression down to one label.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

import attrs

from ._errors import InternalError
from ._graph import Vertex, add_bond, add_edge, drop_bond
from ._growth import ANYBODY
from ._run import Hole, Part, Run, Task
from ._shapes import Alt, Empty, Lab, Loop, Map, Par, Seq, Shape, Wild

Path: TypeAlias = Sequence[int]


def link(run: Run, source: Vertex, target: Vertex) -> bool:
    """Add an edge and let the target wait for the source; return False if it was there."""
    if not add_edge(source, target, run.rerank):
        return False
    target.open += not source.released
    return True


def put_in_front(run: Run, vertex: Vertex, follower: Vertex) -> bool:
    """Let a task, or all of a hole into which nothing has come yet, wait for something."""
    if not link(run, vertex, follower):
        return False
    if isinstance(follower, Hole):
        for part in run.growth.inside.get(follower.name, ()):
            part.starts = part.tail = (*part.starts, vertex)
            link(run, vertex, part)
    return True


def parts_below(run: Run, address: str) -> list[Part]:
    """Return the parts at and below an address: of a hole, an instance in it, or a place."""
    growth = run.growth
    found: dict[Part, None] = {}
    queue = [address]
    for each in queue:
        there = growth.parts.get(each)
        for part in (*(() if there is None else (there,)), *growth.inside.get(each, ())):
            if part not in found:
                found[part] = None
                queue += [f"{part.address}/{task}" for task in part.tasks]
    return list(found)


def _tell(run: Run, part: Part, more: int) -> None:
    """Count an open part among those with the same expression, or do so no more."""
    kinds, shape = run.growth.kinds, part.residual
    count = kinds.get(shape, 0) + more
    if count:
        kinds[shape] = count
    else:
        del kinds[shape]


@attrs.frozen(eq=False)
class _Site:
    """Where an expression is unfolded.

    Attributes:
        hole: What it is in.
        end: What waits for it.
        inside: The address of the instance or hole that it stands in.
        owner: Who may fill it.
        task: What begins it, if something does.
    """

    hole: Hole
    end: Vertex
    inside: str
    owner: Task | None
    task: Task | None = None


def open_hole(
    run: Run,
    name: str,
    shape: Shape,
    *,
    after: Sequence[Vertex],
    before: Sequence[Vertex],
    owner: Task | None,
) -> Hole:
    """Put a hole into the graph."""
    hole = Hole(
        f"#{name}",
        run.rank_between(_behind(owner, after), before, joint=True),
        shape=shape,
        owner=None if owner is None else owner.id,
    )
    run.holes[name] = hole
    run.open_holes += 1
    hole.open_parts = 1  # until all of it stands
    for each in before:
        put_in_front(run, hole, each)
    site = _Site(hole, hole, name, owner)
    _join(run, _unfold(run, site, shape, tuple(after), root=True), hole)
    _one_closed(run, hole)
    return hole


def _unfold(
    run: Run,
    site: _Site,
    shape: Shape,
    starts: tuple[Vertex, ...],
    *,
    root: bool = False,
    path: Path | None = None,
) -> tuple[Vertex, ...]:
    """Make the parts of an expression, with the site's task in it if there is one.

    Args:
        run: The run.
        site: Where it stands.
        shape: The expression.
        starts: What it runs after.
        root: Whether it is all of the hole.
        path: Where the task stands in the expression.

    Returns:
        What is to be waited for.
    """
    task = site.task

    def inner(item: Shape, starts: tuple[Vertex, ...], number: int) -> tuple[Vertex, ...]:
        below = path[1:] if path and path[0] == number else None
        return _unfold(run, site, item, starts, path=below)

    match shape:
        case Empty():
            return starts
        case Seq(items):
            for number, item in enumerate(items):
                starts = inner(item, starts, number)
            return starts
        case Par(items):
            sides = [inner(item, starts, number) for number, item in enumerate(items)]
            return tuple(dict.fromkeys(each for side in sides for each in side))
        case Lab() if path is not None and task is not None:
            _stand(run, task, starts, site.end)
            return (task,)
        case Alt(items) if path and task is not None:
            return inner(items[path[0]], starts, path[0])
        case Lab() | Alt() | Map() | Loop() | Wild():
            part = _new_part(run, site, shape, starts, root=root)
            if path is not None and task is not None:
                fill(run, part, path, task)
            return (part,)


def _new_part(
    run: Run, site: _Site, shape: Shape, starts: tuple[Vertex, ...], *, root: bool
) -> Part:
    hole, inside, growth = site.hole, site.inside, run.growth
    address = inside if root else _address(run, inside, shape)
    rank = run.rank_between(_behind(site.owner, starts), (site.end,), joint=True)
    part = Part(f"#{address}", rank, hole=hole, shape=shape, inside=inside, starts=starts)
    part.open = 1
    part.made = growth.now
    part.tail = starts
    hole.open_parts += 1
    growth.parts[address] = part
    growth.inside.setdefault(inside, {})[part] = None
    growth.open[part] = None
    _tell(run, part, 1)
    growth.fresh.append(part)
    for start in starts:
        link(run, start, part)
    give_to(run, part, site.owner)
    return part


def _behind(owner: Task | None, starts: Sequence[Vertex]) -> Sequence[Vertex]:
    """Return what a part comes later than: its owner, too, or that would have to move later."""
    return starts if owner is None else (*starts, owner)


def _address(run: Run, inside: str, shape: Shape) -> str:
    base = f"{inside}/{segment(shape)}"
    address, number = base, 1
    while address in run.growth.parts:
        number += 1
        address = f"{base}-{number}"
    return address


def segment(shape: Shape) -> str:
    """Return what a place is called in an address: its name, or else its first label."""
    match shape:
        case Lab(label, place):
            return place or label
        case Wild(place):
            return place or "any"
        case Seq(items) | Par(items) | Alt(items):
            return segment(items[0]) if items else "nothing"
        case Map(item) | Loop(item):
            return segment(item)
        case Empty():
            return "nothing"


def _stand(run: Run, task: Task, starts: Sequence[Vertex], end: Vertex) -> None:
    """Put a new task between what is in front of it and what waits for it."""
    task.rank = run.rank_between(starts, (end,))
    for start in starts:
        link(run, start, task)


def _join(run: Run, ends: Iterable[Vertex], joint: Vertex) -> None:
    for end in ends:
        link(run, end, joint)


# --- filling --------------------------------------------------------------------------------------


def fill(run: Run, part: Part, path: Path, task: Task) -> None:
    """Let a task take a place in a part."""
    hole, shape = part.hole, part.shape
    task.part = part
    part.tasks.append(task.id)
    owner = next(iter(part.owners), None)

    def inner(item: Shape, starts: tuple[Vertex, ...], inside: str, below: Path) -> None:
        ends = _unfold(run, _Site(hole, part, inside, owner, task), item, starts, path=below)
        _join(run, ends, part)
        if isinstance(shape, Alt):
            part.ends = ends
        else:
            part.tail = ends

    match shape:
        case Lab():
            _stand(run, task, part.starts, part)
            part.filled = task
            _join(run, (task,), part)
            close(run, part)
        case Alt(items):
            _unlist(run, part)
            _retire(run, part)
            inner(items[path[0]], part.starts, part.inside, path[1:])
            close(run, part)
        case Map(item) | Loop(item):
            _begin(run, part, 1)
            starts = part.starts if isinstance(shape, Map) else part.tail
            inner(item, starts, f"{part.address}/{task.id}", path[1:])
            if shape.hi is not None and part.begun >= shape.hi:
                close(run, part)
        case Wild():
            _stand(run, task, part.starts, part)
            _join(run, (task,), part)
        case Seq() | Par() | Empty():
            raise InternalError(f"{part.id} cannot be filled: it is {shape}")


def _begin(run: Run, part: Part, more: int) -> None:
    """Count an instance or a round more, or less."""
    told = part in run.growth.open
    if told:
        _tell(run, part, -1)
    part.begun += more
    if told:
        _tell(run, part, 1)


def take_out(run: Run, task: Task) -> None:
    """Give back the place of a task that is not done after all; what is closed stays closed."""
    part = task.part
    if part is None:
        return
    part.hole.tasks.remove(task.id)
    if isinstance(part.shape, Map):
        _begin(run, part, -1)
    part.tasks.remove(task.id)


def _retire(run: Run, part: Part) -> None:
    """Leave a choice's address to what was chosen; the choice stays only as a joint."""
    growth = run.growth
    del growth.parts[part.address]
    name = f"{part.address}|"
    while name in growth.parts:
        name += "|"
    part.id = f"#{name}"
    growth.parts[name] = part


def narrow(run: Run, part: Part, shape: Shape) -> None:
    """Take away what cannot come into a part any more."""
    _unlist(run, part)
    _tell(run, part, -1)
    part.shape = shape
    _tell(run, part, 1)
    if isinstance(shape, (Seq, Par, Lab, Empty)):
        _retire(run, part)
        # A last alternative is certain: its steps are places now.
        owner = next(iter(part.owners), None)
        site = _Site(part.hole, part, part.inside, owner)
        part.ends = _unfold(run, site, shape, part.starts)
        _join(run, part.ends, part)
        close(run, part)
    else:
        _list(run, part)


def close(run: Run, part: Part) -> None:
    """Let nothing more come into a part; what stands in it already still has to end."""
    if part.closed:
        return
    _unlist(run, part)
    _shut(run, part)
    part.closed = True
    for owner in list(part.bound or ()):
        drop_bond(owner, part)
    part.open -= 1
    _one_closed(run, part.hole)


def _shut(run: Run, part: Part) -> None:
    if part in run.growth.open:
        del run.growth.open[part]
        _tell(run, part, -1)


def _one_closed(run: Run, hole: Hole) -> None:
    hole.open_parts -= 1
    if not hole.open_parts and not hole.abandoned:
        run.open_holes -= 1


def lapse(run: Run, part: Part) -> None:
    """Note that a part's owner ended without success: nothing comes, and nothing goes on."""
    _unlist(run, part)
    _shut(run, part)
    part.lapsed = True
    if not part.hole.abandoned:
        part.hole.abandoned = True
        run.open_holes -= 1


# --- owners ---------------------------------------------------------------------------------------


def give_to(run: Run, part: Part, owner: Task | None) -> None:
    """Make a task the owner of a part; for a ``...``, one owner more.

    Raises:
        CycleError: the owner stands behind the part; nothing changed.
    """
    if owner is not None:
        add_bond(owner, part, run.rerank)
    if not (part.is_wild and owner is not None):
        _unlist(run, part)
        for earlier in part.owners:
            if earlier is not owner:
                drop_bond(earlier, part)
    _list(run, part)


def take_from(run: Run, part: Part, owner: Task) -> None:
    """Let a task own a part no more."""
    _unlist(run, part)
    drop_bond(owner, part)
    _list(run, part)


def _keys(part: Part) -> list[tuple[str, str]]:
    owners = [each.id for each in part.owners] or [ANYBODY]
    return [(owner, label) for owner in owners for label in part.shape.labels]


def _list(run: Run, part: Part) -> None:
    growth = run.growth
    if part.closed or part.lapsed:
        return
    for key in _keys(part):
        growth.places.setdefault(key, {})[part] = None
    if part.shape.has_wild:
        for owner in part.owners:
            growth.wilds.setdefault(owner.id, {})[part] = None


def _unlist(run: Run, part: Part) -> None:
    growth = run.growth
    for key in _keys(part):
        listed = growth.places.get(key, {})
        listed.pop(part, None)
        if not listed:
            growth.places.pop(key, None)
    if part.shape.has_wild:
        for owner in part.owners:
            growth.wilds.get(owner.id, {}).pop(part, None)
