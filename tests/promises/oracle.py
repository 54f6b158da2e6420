"""The oracle: the rules of Promises, told a second time and as naively as can be.

It shares nothing with the package and must not import it. A scenario begins, moves are applied,
and for each the oracle says `ok`, `refused` or `broken`; at each moment it lists, by search, all
graphs with which the run can end.
"""

from __future__ import annotations

from typing import Literal

import attrs

from .oracle_final import Final
from .oracle_moves import Broken, Moves, Refused
from .oracle_parts import Node, labels_of
from .oracle_search import Look, transitive
from .oracle_shapes import Closed, Misread, Shape, confused, is_guard
from .oracle_state import (
    FRESH,
    AddEdge,
    Close,
    Create,
    Declared,
    Edge,
    Give,
    Move,
    Plan,
    Promise,
    Scenario,
    Start,
    State,
    Succeed,
    Task,
    Unfit,
    declared,
    hole_ids,
    labels,
)
from .oracle_walk import TooManyError, walked

__all__ = [
    "AddEdge",
    "Blind",
    "Close",
    "Create",
    "Final",
    "Give",
    "Move",
    "Oracle",
    "Promise",
    "Scenario",
    "Start",
    "State",
    "Succeed",
    "TooManyError",
    "has_dots",
    "hole_ids",
]

Verdict = Literal["ok", "refused", "broken"]


class Oracle(Moves):
    """The rules.

    Attributes:
        walk_max: How many moments a search may go through that tries every move (`TooManyError`).
    """

    walk_max = 100_000

    # Beginning.

    def begin(self, scenario: Scenario) -> tuple[Verdict, State | None]:
        """Register a scenario; all its promises are judged together, after its shape."""
        try:
            found = declared(scenario)
            state = self.registered(scenario, found)
            texts = [text for text in scenario.guards if is_guard(text)]
            texts += ["closed"] * scenario.closed + ["sealed"] * scenario.sealed
            for text in texts:
                state = self.promised(state, text)
            return "ok", self.judged(state)
        except (Unfit, Misread, Refused, Broken):
            return "refused", None

    def registered(self, scenario: Scenario, found: Declared) -> State:
        """Make the tasks and holes of a scenario."""
        plan = Plan(
            holes=tuple(found.holes),
            auto=scenario.flow is not None,
            mute=scenario.mute,
            labels=labels(scenario, found),
        )
        bare = State(
            plan=plan,
            tasks=tuple(Task(name, name) for name in found.tasks),
            holes=(),
            edges=frozenset(found.edges),
            guards=(Closed(),) if plan.auto else (),
        )
        above = transitive(found.edges)
        owned: dict[str, list[Shape]] = {}
        holes: list[Node] = []
        for name, shape in found.holes.items():
            owner = found.owners.get(name) or self.nearest(bare, above, f"#{name}")
            task = bare.task(owner)
            if task is None or not bare.speaks(task):
                raise Unfit(f"{name}: {owner} cannot own it")
            holes.append(self.sprout(shape, task.id))
            owned.setdefault(task.id if plan.auto else name, []).append(shape)
        if any(map(confused, owned.values())):
            raise Unfit("a label has several places")
        state = attrs.evolve(bare, holes=tuple(holes))
        if any(u == v for u, v in above) or self.is_deadlocked(state):
            raise Unfit("a cycle")
        return state

    def nearest(self, state: State, above: frozenset[Edge], hole: str) -> str:
        """Return the task in front of a hole that has no other task of these behind it."""
        front = {u for u, v in above if v == hole and state.task(u)}
        near = [u for u in front if not any((u, v) in above for v in front)]
        if len(near) != 1:
            raise Unfit(f"{hole} has not one owner but {near}")
        return near[0]

    # Moves.

    def apply(self, state: State, move: Move) -> tuple[Verdict, State]:
        """Say what a move does."""
        try:
            return "ok", self.moved(state, move)
        except (Refused, Misread):
            return "refused", state
        except Broken:
            return "broken", state

    def moved(self, state: State, move: Move) -> State:
        """Apply a move, or raise."""
        match move:
            case Create():
                return self.judged(self.created(state, move))
            case Close():
                return self.judged(self.closed(state, move))
            case Give():
                return self.judged(self.handed(state, move))
            case Start(task=id):
                if id not in self.startable(state):
                    raise Refused("it is not ready")
                return state.with_task(id, "running")
            case Succeed(task=id):
                return self.judged(self.succeeded(state, id))
            case Promise(text=text, by=by):
                return self.said(state, text, by)
            case AddEdge(by=by, u=u, v=v):
                self.running(state, by)
                return self.judged(self.tied_up(state, by, u, v))

    # What may come.

    def finals(self, state: State, limit: int, since: State | None = None) -> frozenset[Final]:
        """Return all final graphs of a closed run with at most so many further tasks.

        Seen from an earlier moment (`since`), all that has been created after it is but a label.
        Dots are filled with the label `Z` only: it stands for any.
        """
        if has_dots(state):
            return walked(self, state, limit, since)
        return super().finals(state, limit, since)


def has_dots(state: State) -> bool:
    """Tell whether there are dots that may still be filled: then all is much slower."""
    return any(FRESH in labels_of(leaf, (FRESH,)) for _, leaf in state.leaves())


class Blind(Oracle):
    """The rules, but nobody looks ahead: what leads nowhere is found out by going there."""

    walk_max = 1_000

    def can_finish(self, look: Look, further: int = 0) -> bool:
        """Tell only whether a guard is exceeded now."""
        del further
        return not self.exceeded(look)

    def settled(self, state: State) -> State:
        """Close nothing early."""
        return state

    def finals(self, state: State, limit: int, since: State | None = None) -> frozenset[Final]:
        """Return all final graphs by trying every move."""
        return walked(self, state, limit, since)
