"""The oracle: the rules of promises, told a second time and as naively as can be.

It shares nothing with the package and must not import it; why there are two tellings stands in
docs/design/0007-graphs-that-grow.md. One epoch: nobody fails, nothing is
retried or restarted.

    oracle = Oracle()
    verdict, state = oracle.begin(Scenario(flow="A -> M* -> B"))     # ok | refused (state is None)
    verdict, state = oracle.apply(state, Start("A"))                 # ok | refused | broken
    verdict, state = oracle.apply(state, Create("A", "M"))           # the state changes if ok
    oracle.startable(state)        # the pending tasks that are ready
    oracle.finals(state, limit)    # closed runs: every final graph with <= limit further tasks
    oracle.may_labels(state)       # the labels that may still be created
    may_edges(oracle, state)       # open runs (oracle_open): the edges that may still be named

`oracle_final.canonical` gives equal graphs one form. Read in this order: `oracle_shapes` (text),
`oracle_parts` (shapes being filled), `oracle_state` (scenarios, moments, moves), `oracle_search`
(what may come), `oracle_moves` (the rules), `oracle_walk` (the same by trying every move),
`oracle_scenarios` (random ones), `oracle_bugs` (planted ones).

An address is the id of a hole, then keys joined by `/`: the id of the task that began an instance
of a map or a round of a loop (`+` begins one), the name of a place or part (its `word=`, else its
label, `any` for dots, `-2` where that is taken among its neighbours). In an edge a hole is `#id`.

Where the text leaves room, the oracle reads it so:

1. "Names that always exist" stand in no map, loop or choice: neither the M of `M+` nor the first
   round of a loop is one. A flow is taken apart at every `->` and `&` outside of these; what is
   left is a hole. Its id is its first label, `any` for dots, with `-2`, `-3` where taken.
2. The nearest task in front of a hole (rule 9) is in front of it with no other such task between;
   if there are several, the owner must be named, which a scenario's flow cannot: it is refused.
3. `?` is an option and no map where a map directly inside a map is refused: `(M?)+` and `(M+)?`
   are fine. A round of a loop counts as an instance when the fewest are begun (rule 10).
4. A label with two places at the same depth of maps and loops, in what one owner gets from a flow
   or in one `hole`, is refused unless each of the places is named, in two options of a choice too.
5. A named place goes before dots, dots go before the wildcard of an open run.
6. Every undecided thing has an owner of its own: a place without its task, a choice not taken, the
   right to begin an instance, dots. `close` and `give` mean all that who says it owns at the
   address and below; where that is nothing they are refused. Closing what is owed is broken.
7. "The task directly in front" (rule 12) is what the shape puts there: a place, also that of a
   choice taken. A map, a loop, dots or two sides of `&` are not one task, whatever is in them, nor
   is a part that closed empty. In front of a hole it is the nearest that its edges name.
8. Dots belong to all who inherit them. One who ends or closes gives up a share, which passes on
   like any part. Their owners may put their tasks in order: by `after`, `before` and `edge`,
   judged by the edge guards. Any other edge needs the wildcard of an open run, else it is broken.
9. A last alternative in a flow becomes a task created by the owner of the choice, even if that has
   not started. What becomes certain is created after what the command creates, in text order.
10. Ids of creations are `creator/label-n`, n counting the creator's creations of that label.
11. A command that is refused for one reason and broken for another is refused. An unknown address
    is refused; one that does not take the label is broken, as is a creation whose `after` or
    `before` fit no place. An edge that the order has already is accepted and judged by no guard.
12. "At least 1 M by T" needs no place of T's if it is true already.
13. A giving that leaves no way to finish is broken; one that closes a cycle (rule 14) is refused.
    "Not in front" in rule 2 goes by the order of rule 14: through owners to their parts.
14. With "at least … by T" search is bounded: six further tasks or givings, and a part is given
    only to tasks that exist. Elsewhere whether a run can finish is exact.
"""

from __future__ import annotations

from typing import Literal

from .oracle_final import Final
from .oracle_moves import Broken, Moves, Refused
from .oracle_parts import Node, labels_of
from .oracle_search import Look, transitive
from .oracle_shapes import Closed, Misread, Shape, confused
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

    def __init__(self) -> None:
        super().__init__()
        self.answers: dict[tuple[State, Move], tuple[Verdict, State]] = {}
        self.graphs: dict[tuple[State, int, State | None], frozenset[Final]] = {}

    def begin(self, scenario: Scenario) -> tuple[Verdict, State | None]:
        """Register a scenario; all its promises are judged together, after its shape."""
        try:
            found = declared(scenario)
            state = self.registered(scenario, found)
            more = ("closed",) * scenario.closed + ("sealed",) * scenario.sealed
            for text in scenario.guards + more:
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
        state = bare.with_holes(tuple(holes))
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

    def apply(self, state: State, move: Move) -> tuple[Verdict, State]:
        """Say what a move does."""
        key = (state, move)
        if key not in self.answers:
            self.answers[key] = self.answer(state, move)
        return self.answers[key]

    def answer(self, state: State, move: Move) -> tuple[Verdict, State]:
        """Work out what a move does; see `apply`."""
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
            case Start(task=name):
                if name not in self.startable(state):
                    raise Refused("it is not ready")
                return state.with_task(name, "running")
            case Succeed(task=name):
                return self.judged(self.succeeded(state, name))
            case Promise(text=text, by=by):
                return self.said(state, text, by)
            case AddEdge(by=by, u=u, v=v):
                self.running(state, by)
                return self.judged(self.tied_up(state, by, u, v))

    def finals(self, state: State, limit: int, since: State | None = None) -> frozenset[Final]:
        """Return all final graphs of a closed run with at most so many further tasks.

        Seen from an earlier moment (`since`), all that has been created after it is but a label.
        Dots are filled with the label `Z` only: it stands for any.
        """
        key = (state, limit, since)
        if key not in self.graphs:
            self.graphs[key] = self.new_finals(state, limit, since)
        return self.graphs[key]

    def new_finals(self, state: State, limit: int, since: State | None) -> frozenset[Final]:
        """Work out the final graphs; see `finals`."""
        if has_dots(state):
            return walked(self, state, limit, since)
        return self.searched(state, limit, since)


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

    def new_finals(self, state: State, limit: int, since: State | None) -> frozenset[Final]:
        """Return all final graphs by trying every move."""
        return walked(self, state, limit, since)
