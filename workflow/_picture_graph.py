"""Which vertices and edges of a run a picture has: the graph as it stands, joints looked through.

A part of a hole is two things at once: what may still come, which is drawn dashed, and the joint
that what follows waits for.  A joint is drawn only where looking through it would cost more edges
than it saves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import attrs

from ._graph import Vertex
from ._run import Hole, Part, Run, Task
from ._shapes import Loop


@attrs.frozen(eq=False)
class Opening:
    """What may still come into a part: it stands where its fillings would."""

    part: Part

    @property
    def id(self) -> str:
        """The id of the part."""
        return self.part.id


@attrs.frozen(eq=False)
class Drawn:
    """What is drawn: tasks, openings, the joints that are worth it, and edges by their ids."""

    tasks: Sequence[Task]
    openings: Sequence[Opening]
    joints: Sequence[str]
    edges: Sequence[tuple[str, str]]


def drawn(run: Run) -> Drawn:
    """Return what is drawn of a run."""
    openings = [Opening(part) for part in run.growth.parts.values() if not part.closed]
    before = {id(each.part): each for each in openings}
    needs: dict[str, list[str]] = {}
    for task in run.tasks.values():
        needs[task.id] = _ids(task.before)
    for each in openings:
        part = each.part
        needs[part.id] = _ids(part.tail if isinstance(part.shape, Loop) else part.starts)
    joints, through = _worth_drawing(run, before, needs)
    edges = [
        (source, target)
        for target, sources in [*needs.items(), *joints.items()]
        for source in dict.fromkeys(_expanded(sources, through))
    ]
    return Drawn(list(run.tasks.values()), openings, list(joints), edges)


def _name(joint: Part | Hole) -> str:
    # A part's joint is told apart from its opening, and from the hole that it may be all of.
    return f"{joint.id} " if isinstance(joint, Part) else joint.id


def _ids(vertices: Iterable[Vertex]) -> list[str]:
    return [_name(each) if isinstance(each, (Part, Hole)) else each.id for each in vertices]


def _into(part: Part, opening: Opening | None) -> list[str]:
    """Return what a joint waits for, without what only says that it comes after its start."""
    inside = [each for each in part.before if each not in part.starts or isinstance(each, Hole)]
    inside += [each for each in part.ends if each in part.starts]
    found = _ids(dict.fromkeys(inside))
    if opening is not None:
        found.append(opening.id)
    return found or _ids(part.starts)


def _worth_drawing(
    run: Run, openings: Mapping[int, Opening], needs: Mapping[str, Sequence[str]]
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Return the joints that are drawn, and those that are looked through, with their sources."""
    vertices: list[Part | Hole] = [*run.growth.parts.values(), *run.holes.values()]
    vertices.sort(key=lambda each: each.rank)
    sources = {
        _name(each): _into(each, openings.get(id(each)))
        if isinstance(each, Part)
        else _ids(each.before)
        for each in vertices
    }
    after = Counter(name for names in (*needs.values(), *sources.values()) for name in names)
    kept: dict[str, list[str]] = {}
    through: dict[str, list[str]] = {}
    for name, names in sources.items():
        found = _expanded(names, through)
        saves = len(found) * after[name] > len(found) + after[name]
        (kept if saves else through)[name] = found
    return kept, through


def _expanded(names: Iterable[str], through: Mapping[str, Sequence[str]]) -> list[str]:
    found: dict[str, None] = {}
    for name in names:
        found.update(dict.fromkeys(through.get(name, (name,))))
    return list(found)
