"""Where a creation goes: the one place of its creator that takes the label.

Of the places that agree with what was said (``into``, ``after``, ``before``) those count that begin
the fewest new instances; one must remain.  A declared hole goes before a ``...``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import attrs

from . import commands as c
from ._ambiguity import occurrences
from ._errors import Refused
from ._graph import Vertex
from ._growth import ANYBODY
from ._run import Hole, Part, Run, Task
from ._shapes import Loop

SHOWN_MAX: Final = 5
NEW_INSTANCE: Final = "+"


@attrs.frozen(eq=False)
class Place:
    """A place in a part: the path leads down its expression to one label."""

    part: Part
    path: tuple[int, ...]
    cost: int
    named: str
    wild: bool = False

    @property
    def address(self) -> str:
        """How it can be told from others."""
        if not self.path:
            return self.part.address
        if not self.cost:
            return f"{self.part.inside}/{self.named}"
        begun = f"{self.part.address}/{NEW_INSTANCE}"
        return f"{begun}/{self.named}" if self.path[1:] else begun


def find_place(run: Run, creator: Task | None, command: c.AddTask) -> Place | None:
    """Return where a creation goes; None if no place of its creator takes it.

    Raises:
        Refused: more than one place would take it.
    """
    owner = ANYBODY if creator is None else creator.id
    growth = run.growth
    listed = growth.places.get((owner, command.name))
    found = _agreeing(run, listed, command, command.name) if listed else []
    if not found and (wilds := growth.wilds.get(owner)):
        found = _agreeing(run, wilds, command, None)
    if len(found) > 1:
        fewest = min(place.cost for place in found)
        found = [place for place in found if place.cost == fewest]
    if len(found) > 1:
        raise Refused(_ambiguous(run, command, found), kind="ambiguous")
    return found[0] if found else None


def _ambiguous(run: Run, command: c.AddTask, found: Sequence[Place]) -> str:
    addresses = [place.address for place in found[:SHOWN_MAX]]
    more = [f"{len(found) - SHOWN_MAX} more"] if len(found) > SHOWN_MAX else []
    return (
        f"a task {command.name!r} of run {run.id!r} fits more than one place: say into which with "
        f"into=, one of {', '.join([*addresses, *more])}, or after what it comes"
    )


def _agreeing(
    run: Run, parts: Iterable[Part], command: c.AddTask, label: str | None
) -> list[Place]:
    if not command.after and not command.before and command.into is None:
        return [
            Place(part, each.path, each.cost, each.place or label or "any", label is None)
            for part in parts
            for each in occurrences(part.residual, label)
        ]
    named = [run.vertex(name) for name in command.after]
    near = next((each for each in named if isinstance(each, Task) and each.part), None)
    if near is not None and near.part is not None:
        wanted, hole = _parts_from(near), near.part.hole
        parts = [part for part in parts if part in wanted or part.hole is not hole]
    found: list[Place] = []
    for part in parts:
        if command.into is not None and not _may_be_in(part, command.into):
            continue
        if not _agrees(run, part, named, command.before):
            continue
        for each in occurrences(part.residual, label):
            called = each.place or label or "any"
            place = Place(part, each.path, each.cost, called, label is None)
            if command.into is None or _is_in(place, command.into):
                found.append(place)
    return found


def _parts_from(task: Task) -> set[Part]:
    """Return the parts of the same hole that stand behind a task in it."""
    found: set[Part] = set()
    seen: set[Vertex] = {task}
    stack: list[Vertex] = [task]
    while stack:
        for follower in stack.pop().after:
            if follower not in seen and not isinstance(follower, Hole):
                seen.add(follower)
                stack.append(follower)
                if isinstance(follower, Part):
                    found.add(follower)
    return found


def _may_be_in(part: Part, into: str) -> bool:
    into = into.removesuffix(f"/{NEW_INSTANCE}")
    return (
        into in (part.hole.name, part.address, part.inside)
        or part.address.startswith(f"{into}/")
        or into.startswith(f"{part.inside}/")
    )


def _is_in(place: Place, into: str) -> bool:
    part = place.part
    if into.endswith(f"/{NEW_INSTANCE}"):
        within = into.removesuffix(f"/{NEW_INSTANCE}")
        return place.cost > 0 and within in (part.address, part.inside)
    if into in (part.address, part.inside, part.hole.name, place.address):
        return True
    if part.address.startswith(f"{into}/"):
        return True
    return bool(place.path) and into == f"{part.inside}/{place.named}"


def _agrees(run: Run, part: Part, after: Sequence[Vertex], before: Sequence[str]) -> bool:
    """Return whether the hole's own order says what was said."""
    starts = part.tail if isinstance(part.shape, Loop) else part.starts
    if not all(_stands_before(each, starts, part) for each in after):
        return False
    return all(_stands_in_front(part, run.vertex(name)) for name in before)


def _stands_in_front(part: Part, vertex: Task | Hole) -> bool:
    """Return whether what comes into a part may be in front of something."""
    if part.is_wild and isinstance(vertex, Task) and vertex.part is part:
        return True
    return _stands_before(part, (vertex,), part)


def _stands_before(vertex: Vertex, ends: Sequence[Vertex], part: Part) -> bool:
    """Return whether something is one of these, or in front of one."""
    if part.is_wild and isinstance(vertex, Task) and vertex.part is part:
        return True
    stack = list(ends)
    seen = set(stack)
    while stack:
        each = stack.pop()
        if each is vertex:
            return True
        for earlier in each.before:
            if earlier not in seen and earlier.rank >= vertex.rank:
                seen.add(earlier)
                stack.append(earlier)
    return False
