"""The graph of a picture: tasks, what may still come, and the joints between them.

A part of a hole is two things at once: what may still come, which is drawn dashed, and the joint
that what follows waits for.  A joint is drawn only where looking through it would cost more edges
than it saves, which is known when equal nodes have been folded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import attrs

from ._graph import Vertex
from ._run import Hole, Part, Run
from ._shapes import Loop

Sources: TypeAlias = dict[str, list[str]]
"""What each vertex runs after directly, by its name."""


@attrs.frozen(eq=False)
class Graph:
    """All vertices of a run that a picture knows.

    Attributes:
        openings: Parts into which something may still come, or would have.
        joints: Names of joints, each behind those that it waits for.
        sources: What each vertex runs after directly.
    """

    openings: Sequence[Part]
    joints: Sequence[str]
    sources: Sources


def graph_of(run: Run) -> Graph:
    """Return the graph of a run, with every joint in it."""
    openings = [part for part in run.growth.parts.values() if not part.closed]
    sources: Sources = {task.id: _names(task.before) for task in run.tasks.values()}
    for part in openings:
        sources[part.id] = _names(part.tail if isinstance(part.shape, Loop) else part.starts)
    vertices: list[Part | Hole] = [*run.growth.parts.values(), *run.holes.values()]
    vertices.sort(key=lambda each: each.rank)
    for each in vertices:
        sources[_name(each)] = _into(each) if isinstance(each, Part) else _names(each.before)
    return Graph(openings, [_name(each) for each in vertices], sources)


def _name(vertex: Vertex) -> str:
    # The joint of a hole, that of the part which is all of it, and what may come into that are
    # three vertices.
    match vertex:
        case Part():
            return f"{vertex.id} ·"
        case Hole():
            return f"{vertex.id} ··"
        case _:
            return vertex.id


def _names(vertices: Iterable[Vertex]) -> list[str]:
    return list(dict.fromkeys(map(_name, vertices)))


def _into(part: Part) -> list[str]:
    """Return what a joint waits for, without what only says that it comes after its start."""
    if isinstance(part.shape, Loop) and part.begun:
        # Each round runs after the one before it, and what comes next after the last.
        return _names(part.tail) if part.closed else [part.id]
    inside = [each for each in part.before if each not in part.starts]
    inside += [each for each in part.ends if each in part.starts]
    found = _names(inside)
    if not part.closed:
        found.append(part.id)
    return found or _names(part.starts)


Words: TypeAlias = Mapping[tuple[str, str], str]
"""What is to be said of edges between folded vertices: ``each`` to its own, or ``some`` to some."""
_Ways: TypeAlias = dict[str, "str | None"]


def without_joints(
    sources: Sources, joints: Iterable[str], words: Words
) -> tuple[Sources, dict[tuple[str, str], str]]:
    """Look through joints, apart from those that save edges.

    Args:
        sources: What each vertex runs after directly.
        joints: Names of joints, each behind those that it waits for.
        words: What is to be said of edges.

    Returns:
        The same without joints, and what is to be said of its edges.
    """
    joints = list(joints)
    uses = Counter(name for names in sources.values() for name in names)
    ways: dict[str, _Ways] = {}
    kept: dict[str, _Ways] = {}
    for name in joints:
        found = _expanded(name, sources[name], words, ways)
        saves = len(found) * uses[name] > len(found) + uses[name]
        (kept if saves else ways)[name] = found
        if not saves:
            for each in found:
                uses[each] += uses[name] - 1
    gone = set(joints)
    rest = {
        name: _expanded(name, found, words, ways)
        for name, found in sources.items()
        if name not in gone
    }
    needed = {name for found in rest.values() for name in found}
    for name, found in reversed(kept.items()):
        if name in needed:
            rest[name] = found
            needed.update(found)
    said = {
        (source, name): word
        for name, found in rest.items()
        for source, word in found.items()
        if word is not None
    }
    return {name: list(found) for name, found in rest.items()}, said


def _expanded(target: str, names: Iterable[str], words: Words, ways: Mapping[str, _Ways]) -> _Ways:
    found: _Ways = {}
    for name in names:
        last = words.get((name, target))
        for source, first in ways[name].items() if name in ways else ((name, "each"),):
            word = _together(first, last)
            found[source] = None if found.get(source, word) is None else word
    return found


def _together(first: str | None, last: str | None) -> str | None:
    """Return what is to be said of two edges taken as one."""
    if "some" in (first, last):
        return "some"
    return "each" if first == last == "each" else None
