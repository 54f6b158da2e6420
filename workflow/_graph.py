"""The runs-after order: vertices that only gain edges, kept free of cycles as they come.

The incremental check follows Pearce and Kelly, "A dynamic topological sort algorithm for directed
acyclic graphs" (ACM JEA 11, 2006): every vertex has a rank, every edge goes up in rank, and an edge
that would go down reorders only the vertices between its ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs


class CycleError(ValueError):
    """An edge would close a cycle; ``cycle`` names it whole, first vertex again at the end."""

    def __init__(self, cycle: Sequence[str]) -> None:
        self.cycle = tuple(cycle)
        super().__init__(" → ".join(self.cycle))


@attrs.define(eq=False, weakref_slot=False)
class Vertex:
    """Something in the order.

    Attributes:
        rank: Its place in the order; every edge goes from a lower to a higher one.
        before: What it runs after.
        after: What runs after it.
        open: How many vertices in front of it have not let it go yet.
        released: Whether it has let its successors go.
    """

    id: str
    rank: int
    before: list[Vertex] = attrs.field(factory=list["Vertex"], repr=False)
    after: list[Vertex] = attrs.field(factory=list["Vertex"], repr=False)
    open: int = 0
    released: bool = False


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
                raise CycleError(_cycle_through(vertex, goal, came_from))
            if follower not in seen and follower.rank < goal.rank:
                seen.add(follower)
                came_from[follower] = vertex
                stack.append(follower)
    return list(seen)


def _cycle_through(vertex: Vertex, goal: Vertex, came_from: dict[Vertex, Vertex]) -> list[str]:
    path = [goal, vertex]
    while vertex in came_from:
        vertex = came_from[vertex]
        path.append(vertex)
    path.append(goal)
    return [each.id for each in reversed(path)]


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
    """Return everything behind these vertices, in no special order."""
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


def path(starts: Iterable[Vertex], goals: set[Vertex]) -> list[Vertex]:
    """Return a way from one of these vertices to a goal, both included; empty if there is none."""
    came_from: dict[Vertex, Vertex | None] = dict.fromkeys(starts)
    stack = list(came_from)
    while stack:
        vertex = stack.pop()
        if vertex in goals:
            return _way_to(vertex, came_from)
        for follower in vertex.after:
            if follower not in came_from:
                came_from[follower] = vertex
                stack.append(follower)
    return []


def _way_to(goal: Vertex, came_from: dict[Vertex, Vertex | None]) -> list[Vertex]:
    way: list[Vertex] = []
    vertex: Vertex | None = goal
    while vertex is not None:
        way.append(vertex)
        vertex = came_from[vertex]
    return way[::-1]


def rank_all(vertices: Sequence[Vertex]) -> None:
    """Rank the vertices of a graph that was built in one go, in O(vertices + edges).

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
        # Everything left over has a predecessor that is left over too: walking back must run into
        # itself.
        vertex = next(earlier for earlier in vertex.before if earlier in inside)
    cycle = path[trail[vertex] :]
    cycle.append(vertex)
    return [each.id for each in reversed(cycle)]
