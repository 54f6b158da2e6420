"""The runs-after order: vertices that only gain edges, kept free of cycles as they come.

The incremental check follows Pearce and Kelly, "A dynamic topological sort algorithm for directed acyclic
graphs" (ACM JEA 11, 2006): every vertex has a rank, every edge goes up in rank, and an edge that would go down
reorders only the vertices between its ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs


class CycleError(ValueError):
    """An edge would close a cycle; ``cycle`` names it whole, first vertex again at the end."""

    def __init__(self, cycle: Sequence[str]) -> None:
        self.cycle = tuple(cycle)
        super().__init__(" → ".join(self.cycle))


@attrs.define(eq=False)
class Vertex:
    """Something in the order.

    Attributes:
        rank: Its place in the order; every edge goes from a lower to a higher one.
        before: What it runs after.
        after: What runs after it.
    """

    id: str
    rank: int
    before: list[Vertex] = attrs.field(factory=list["Vertex"])
    after: list[Vertex] = attrs.field(factory=list["Vertex"])


def add_edge(source: Vertex, target: Vertex) -> bool:
    """Add an edge; return False if it was there.

    Raises:
        CycleError: the edge would close a cycle; nothing changed.
    """
    if _linked(source, target):
        return False
    if source is target:
        raise CycleError([source.id, source.id])
    if source.rank >= target.rank:
        _reorder(source, target)
    source.after.append(target)
    target.before.append(source)
    return True


def _linked(source: Vertex, target: Vertex) -> bool:
    if len(source.after) < len(target.before):
        return target in source.after
    return source in target.before


def _reorder(source: Vertex, target: Vertex) -> None:
    ahead = _reach_forward(target, source)
    behind = _reach_backward(source, target.rank)
    behind.sort(key=_rank)
    ahead.sort(key=_rank)
    moved = behind + ahead
    for vertex, rank in zip(moved, sorted(map(_rank, moved)), strict=True):
        vertex.rank = rank


def _rank(vertex: Vertex) -> int:
    return vertex.rank


def _reach_forward(start: Vertex, goal: Vertex) -> list[Vertex]:
    came_from: dict[Vertex, Vertex] = {}
    seen = {start}
    stack = [start]
    while stack:
        vertex = stack.pop()
        for follower in vertex.after:
            if follower is goal:
                came_from[follower] = vertex
                raise CycleError(_path_back(goal, start, came_from))
            if follower not in seen and follower.rank < goal.rank:
                seen.add(follower)
                came_from[follower] = vertex
                stack.append(follower)
    return list(seen)


def _path_back(goal: Vertex, start: Vertex, came_from: dict[Vertex, Vertex]) -> list[str]:
    path = [goal]
    while path[-1] is not start:
        path.append(came_from[path[-1]])
    path.append(goal)
    return [vertex.id for vertex in reversed(path)]


def _reach_backward(start: Vertex, lowest: int) -> list[Vertex]:
    seen = {start}
    stack = [start]
    while stack:
        for earlier in stack.pop().before:
            if earlier not in seen and earlier.rank > lowest:
                seen.add(earlier)
                stack.append(earlier)
    return list(seen)


def descendants(starts: Iterable[Vertex]) -> list[Vertex]:
    """Return everything behind these vertices, without them unless one is behind another, in no special order."""
    seen: set[Vertex] = set()
    stack = [follower for start in starts for follower in start.after]
    while stack:
        vertex = stack.pop()
        if vertex not in seen:
            seen.add(vertex)
            stack.extend(vertex.after)
    return list(seen)


def ancestors(starts: Iterable[Vertex]) -> list[Vertex]:
    """Return everything in front of these vertices, in no special order."""
    seen: set[Vertex] = set()
    stack = [earlier for start in starts for earlier in start.before]
    while stack:
        vertex = stack.pop()
        if vertex not in seen:
            seen.add(vertex)
            stack.extend(vertex.before)
    return list(seen)


def rank_all(vertices: Sequence[Vertex]) -> None:
    """Give every vertex its rank from scratch, in O(vertices + edges); for a graph that was built in one go.

    Raises:
        CycleError: there is a cycle, which is named whole.
    """
    unranked = {vertex: len(vertex.before) for vertex in vertices}
    queue = [vertex for vertex, count in unranked.items() if count == 0]
    rank = 0
    for vertex in queue:
        vertex.rank = rank
        rank += 1
        for follower in vertex.after:
            unranked[follower] -= 1
            if unranked[follower] == 0:
                queue.append(follower)
    if rank < len(vertices):
        raise CycleError(_find_cycle([v for v, count in unranked.items() if count > 0]))


def _find_cycle(leftover: Sequence[Vertex]) -> list[str]:
    inside = set(leftover)
    vertex = leftover[0]
    trail: dict[Vertex, int] = {}
    path: list[Vertex] = []
    while vertex not in trail:
        trail[vertex] = len(path)
        path.append(vertex)
        # Everything left over has a predecessor that is left over too: walking back must run into itself.
        vertex = next(earlier for earlier in vertex.before if earlier in inside)
    cycle = path[trail[vertex] :]
    cycle.append(vertex)
    return [each.id for each in reversed(cycle)]
