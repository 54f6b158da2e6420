"""The runs-after order: vertices that only gain edges, kept free of cycles as they come.

The incremental check follows Pearce and Kelly, "A dynamic topological sort algorithm for directed
acyclic graphs" (ACM JEA 11, 2006): every vertex has a rank, every edge goes up in rank, and an edge
that would go down reorders only the vertices between its ends.

Besides the edges there are *bonds*: an owner and the places that only it can close.  Nothing waits
along a bond, but a cycle through one could never be resolved: so bonds count in the order, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Final

import attrs

GAP: Final = 1 << 40
"""How far apart ranks are made when there is to be room between them."""


class CycleError(ValueError):
    """An edge would close a cycle; ``cycle`` names it whole, first vertex again at the end."""

    def __init__(self, cycle: Sequence[str]) -> None:
        self.cycle = tuple(cycle)
        super().__init__(" → ".join(self.cycle))


@attrs.define(eq=False, weakref_slot=False)
class Vertex:
    """Something in the order.

    Attributes:
        rank: Its place in the order; every edge and bond goes from a lower to a higher one, what
            is unrelated may have the same.
        before: What it runs after.
        after: What runs after it.
        open: How many vertices in front of it have not let it go yet.
        released: Whether it has let its successors go.
        binds: What only this one can let go, besides what is in front of that.
        bound: The other end of the same.
    """

    id: str
    rank: int
    before: list[Vertex] = attrs.field(factory=list["Vertex"], repr=False)
    after: list[Vertex] = attrs.field(factory=list["Vertex"], repr=False)
    open: int = 0
    released: bool = False
    binds: dict[Vertex, None] | None = attrs.field(default=None, repr=False)
    bound: dict[Vertex, None] | None = attrs.field(default=None, repr=False)


def add_edge(source: Vertex, target: Vertex, rerank: Callable[[], object] | None = None) -> bool:
    """Add an edge; return False if it was there.

    Args:
        rerank: Called to rank everything anew where ranks that are shared leave no room.

    Raises:
        CycleError: the edge would close a cycle; nothing changed.
    """
    if _linked(source, target):
        return False
    fits = _make_room(source, target)
    source.after.append(target)
    target.before.append(source)
    if not fits and rerank is not None:
        rerank()
    return True


def add_bond(source: Vertex, target: Vertex, rerank: Callable[[], object] | None = None) -> None:
    """Note that only ``source`` can let ``target`` go.

    Raises:
        CycleError: it would close a cycle; nothing changed.
    """
    fits = _make_room(source, target)
    if source.binds is None:
        source.binds = {}
    if target.bound is None:
        target.bound = {}
    source.binds[target] = target.bound[source] = None
    if not fits and rerank is not None:
        rerank()


def drop_bond(source: Vertex, target: Vertex) -> None:
    """Forget a bond; no order was ever wrong for having one relation less."""
    if source.binds is not None:
        source.binds.pop(target, None)
    if target.bound is not None:
        target.bound.pop(source, None)


def _make_room(source: Vertex, target: Vertex) -> bool:
    """Rank the source below the target; return False where everything must be ranked anew."""
    if source is target:
        raise CycleError([source.id, source.id])
    return source.rank < target.rank or _reorder(source, target)


def _linked(source: Vertex, target: Vertex) -> bool:
    if len(source.after) < len(target.before):
        return target in source.after
    return source in target.before


def _reorder(source: Vertex, target: Vertex) -> bool:
    ahead = _reach_forward(target, source)
    behind = _reach_backward(source, target.rank)
    behind.sort(key=_rank)
    ahead.sort(key=_rank)
    moved = behind + ahead
    ranks = sorted(map(_rank, moved))
    for vertex, rank in zip(moved, ranks, strict=True):
        vertex.rank = rank
    return all(one < other for one, other in pairwise(ranks))


def followers(vertex: Vertex) -> Iterable[Vertex]:
    """Return what must come later than this one: what waits for it, and what it binds."""
    return (*vertex.after, *vertex.binds) if vertex.binds else vertex.after


def _leaders(vertex: Vertex) -> Iterable[Vertex]:
    return (*vertex.before, *vertex.bound) if vertex.bound else vertex.before


def _rank(vertex: Vertex) -> int:
    return vertex.rank


def _reach_forward(start: Vertex, goal: Vertex) -> list[Vertex]:
    came_from: dict[Vertex, Vertex] = {}
    seen = {start}
    stack = [start]
    while stack:
        vertex = stack.pop()
        for follower in followers(vertex):
            if follower is goal:
                raise CycleError(_cycle_through(vertex, goal, came_from))
            if follower not in seen and follower.rank <= goal.rank:
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
        for earlier in _leaders(stack.pop()):
            if earlier not in seen and earlier.rank >= lowest:
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
    """Return a way from one of these vertices to a goal, both included; empty if there is none.

    It goes along edges and bonds.
    """
    came_from: dict[Vertex, Vertex | None] = dict.fromkeys(starts)
    stack = list(came_from)
    while stack:
        vertex = stack.pop()
        if vertex in goals:
            return _way_to(vertex, came_from)
        for follower in followers(vertex):
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


def rank_all(vertices: Sequence[Vertex], gap: int = 1) -> None:
    """Rank the vertices of a graph that was built in one go, in O(vertices + edges).

    Args:
        vertices: All of the graph.
        gap: How far apart the ranks are to be.

    Raises:
        CycleError: there is a cycle, which is named whole.
    """
    unranked = {vertex: len(vertex.before) + len(vertex.bound or ()) for vertex in vertices}
    queue = [vertex for vertex, count in unranked.items() if count == 0]
    ranked = 0
    for vertex in queue:
        vertex.rank = ranked * gap
        ranked += 1
        for follower in followers(vertex):
            unranked[follower] -= 1
            if unranked[follower] == 0:
                queue.append(follower)
    if ranked < len(vertices):
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
        vertex = next(earlier for earlier in _leaders(vertex) if earlier in inside)
    cycle = path[trail[vertex] :]
    cycle.append(vertex)
    return [each.id for each in reversed(cycle)]
