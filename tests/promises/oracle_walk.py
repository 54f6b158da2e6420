"""A search that tries every single move: slow, and plain to see.

Part of the oracle: it shares nothing with the package and must not import it. `Oracle` looks ahead
by creations alone, which is quick; here a run just goes on until it ends or is stuck, and what
ends is collected. A test compares the two. Dots need this search: whether a task can come in front
of another in them depends on who can still be running when.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, combinations, permutations, product
from typing import TYPE_CHECKING

from .oracle_final import Final, canonical
from .oracle_parts import DOTS_COST, Wild, owners
from .oracle_state import FRESH, AddEdge, Close, Create, Give, Move, Start, State, Succeed

if TYPE_CHECKING:
    from .oracle import Oracle


class TooManyError(RuntimeError):
    """More moments than the search was allowed to go through."""


def walked(oracle: Oracle, state: State, limit: int, since: State | None) -> frozenset[Final]:
    """Return all graphs with which a run can end, with at most so many further tasks."""
    now = [task.id for task in (since or state).tasks]
    most = len(state.tasks) + limit
    found: set[Final] = set()
    seen, edge = {state}, [state]
    while edge:
        here = edge.pop()
        if all(task.state == "done" for task in here.tasks) and oracle.at_rest(oracle.look(here)):
            later = {task.id: task.label for task in here.tasks if task.id not in now}
            order = ((u, v) for v, front in oracle.order(here).items() for u in front)
            found.add(canonical(now, later, order))
        for move in all_moves(oracle, here, can_create=len(here.tasks) < most):
            verdict, there = oracle.apply(here, move)
            if verdict == "ok" and there not in seen and len(there.tasks) <= most:
                seen.add(there)
                edge.append(there)
        if len(seen) > oracle.walk_max:
            raise TooManyError
    return frozenset(found)


def all_moves(oracle: Oracle, state: State, *, can_create: bool) -> Iterator[Move]:
    """Go through everything that anybody can do, but for promises; dots take only `Z`."""
    for task in state.tasks:
        if task.state != "done":
            yield Start(task.id) if task.state == "pending" else Succeed(task.id)
    for address, leaf in state.leaves():
        for who in filter(state.speaks_now, owners(leaf)):
            yield Close(who, "/".join(address))
            heirs = (task.id for task in state.tasks if oracle.may_inherit(state, who, task.id))
            yield from (Give(who, "/".join(address), heir) for heir in heirs)
            if isinstance(leaf, Wild):
                yield from dot_moves(leaf, who, "/".join(address), can_create=can_create)
    speaking = [task.id for task in state.tasks if can_create and state.speaks_now(task.id)]
    for (place, node), who, label in product(state.trees(), speaking, state.plan.labels):
        for cost, path, _ in oracle.fillings(node, who, label, ""):
            if cost < DOTS_COST or label == FRESH:
                yield Create(who, label, "/".join((place, *path)))


def dot_moves(leaf: Wild, who: str, place: str, *, can_create: bool) -> Iterator[Move]:
    """Go through the moves that give dots an order."""
    yield from (
        AddEdge(who, u, v)
        for u, v in permutations(leaf.tasks, 2)
        if not {(u, v), (v, u)} & leaf.order
    )
    some = list(
        chain.from_iterable(combinations(leaf.tasks, n) for n in range(len(leaf.tasks) + 1))
    )
    for after, before in product(some, some) if can_create else ():
        if (after or before) and not set(after) & set(before):
            yield Create(who, FRESH, place, after, before)
