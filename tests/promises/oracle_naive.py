"""The rules with no search in them, and a search that tries every move: slow, and plain to see.

Part of the oracle: it shares nothing with the package and must not import it. `Oracle` looks ahead
by creations alone; here a run just goes on until it ends or is stuck, and what ends is collected.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, combinations, product

from .oracle import Oracle
from .oracle_final import Final, canonical
from .oracle_parts import DOTS_COST, Wild, owners
from .oracle_search import Look
from .oracle_state import FRESH, Close, Create, Give, Move, Start, State, Succeed


class Blind(Oracle):
    """The rules, but nobody looks ahead: what leads nowhere is found out by going there."""

    def can_finish(self, look: Look, further: int = 0) -> bool:
        """Tell only whether a guard is exceeded now."""
        del further
        return not self.exceeded(look)

    def settled(self, state: State) -> State:
        """Close nothing early."""
        return state


def all_moves(blind: Blind, state: State) -> Iterator[Move]:
    """Go through everything that anybody can do, but for promises."""
    for task in state.tasks:
        if task.state == "pending":
            yield Start(task.id)
        if task.state == "running":
            yield Succeed(task.id)
    for address, leaf in state.leaves():
        place = "/".join(address)
        for who in owners(leaf):
            yield Close(who, place)
            yield from (Give(who, place, task.id) for task in state.tasks)
    for place, node in state.trees():
        for who, label in product([task.id for task in state.tasks], state.plan.labels):
            for cost, path, _ in blind.fillings(node, who, label, ""):
                if cost < DOTS_COST or label == FRESH:
                    yield Create(who, label, "/".join((place, *path)))
    for address, leaf in state.leaves():
        if isinstance(leaf, Wild):
            for who, (after, before) in product(leaf.owners, sides(leaf.tasks)):
                yield Create(who, FRESH, "/".join(address), after, before)


def sides(tasks: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Go through the ways to name some of the tasks in `after` and others in `before`."""
    some = list(chain.from_iterable(combinations(tasks, n) for n in range(len(tasks) + 1)))
    return ((after, before) for after in some for before in some if after or before)


def all_finals(state: State, limit: int) -> frozenset[Final]:
    """Return all graphs with which a run can end, with at most so many further tasks."""
    blind = Blind()
    now = [task.id for task in state.tasks]
    found: set[Final] = set()
    seen = {state}
    edge = [state]
    while edge:
        here = edge.pop()
        if all(task.state == "done" for task in here.tasks) and blind.at_rest(blind.look(here)):
            later = {task.id: task.label for task in here.tasks if task.id not in now}
            order = ((u, v) for v, front in blind.order(here).items() for u in front)
            found.add(canonical(now, later, order))
        for move in all_moves(blind, here):
            verdict, there = blind.apply(here, move)
            if verdict == "ok" and there not in seen and len(there.tasks) <= len(now) + limit:
                seen.add(there)
                edge.append(there)
    return frozenset(found)
