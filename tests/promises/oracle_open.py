"""What may still be added to an open run, by trying.

Part of the oracle: it shares nothing with the package and must not import it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations, product

from .oracle import Oracle
from .oracle_state import FRESH, AddEdge, Create, Edge, Move, Start, State, Succeed


def may_edges(oracle: Oracle, state: State, further: int = 1) -> frozenset[Edge]:
    """Return the edges between tasks that exist now, and bring order, that may still be named.

    Every run from here with at most so many further tasks is gone through.
    """
    return _reached(oracle, state, further, through=False)


def may_orders(oracle: Oracle, state: State, further: int = 1) -> frozenset[Edge]:
    """Return the pairs of tasks that exist now and may come into an order: by an edge or a task."""
    return _reached(oracle, state, further, through=True)


def _reached(oracle: Oracle, state: State, further: int, *, through: bool) -> frozenset[Edge]:
    order = oracle.order(state)
    ids = [task.id for task in state.tasks]
    open_pairs = {(u, v) for u, v in permutations(ids, 2) if u not in order[v]}
    found: set[Edge] = set()
    for here in _runs(oracle, state, further):
        if found == open_pairs:
            break
        speakers = [task.id for task in here.tasks if here.speaks_now(task.id)]
        for (u, v), by in product(sorted(open_pairs - found), speakers):
            moves: list[Move] = [AddEdge(by, u, v)]
            if through:
                moves.append(Create(by, FRESH, after=(u,), before=(v,)))
            if any(_adds(oracle, here, move, (u, v)) for move in moves):
                found.add((u, v))
    return frozenset(found)


def _adds(oracle: Oracle, state: State, move: Move, edge: Edge) -> bool:
    verdict, after = oracle.apply(state, move)
    return verdict == "ok" and edge[0] in oracle.order(after)[edge[1]]


def _runs(oracle: Oracle, state: State, further: int) -> Iterator[State]:
    """Go through all moments that starts, ends and a few creations lead to."""
    most = len(state.tasks) + further
    seen, edge = {state}, [state]
    while edge:
        here = edge.pop()
        yield here
        for move in _steps(oracle, here):
            verdict, there = oracle.apply(here, move)
            if verdict == "ok" and there not in seen and len(there.tasks) <= most:
                seen.add(there)
                edge.append(there)


def _steps(oracle: Oracle, state: State) -> Iterator[Move]:
    for task in state.tasks:
        if task.state != "done":
            yield Start(task.id) if task.state == "pending" else Succeed(task.id)
        if not state.speaks_now(task.id):
            continue
        yield Create(task.id, FRESH)
        for (hole, node), label in product(state.trees(), state.plan.labels):
            for _, path, _ in oracle.fillings(node, task.id, label, ""):
                yield Create(task.id, label, "/".join((hole, *path)))
