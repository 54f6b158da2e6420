"""Bugs planted into the oracle on purpose: what compares two tellings of the rules must find them.

Part of the oracle: it shares nothing with the package and must not import it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from random import Random

import attrs

from .oracle import Oracle, has_dots
from .oracle_final import Final
from .oracle_moves import Broken, Refused
from .oracle_parts import Address, Births, Choice, Filling, Group, Many, Node, Vertex
from .oracle_scenarios import random_move
from .oracle_search import Look, transitive
from .oracle_shapes import Alt, Closed, Count, Guard, Row, Shape, Times
from .oracle_state import Close, Create, Edge, Give, Move, Scenario, State

BUGS: dict[str, type[Oracle]] = {}


def bug(cls: type[Oracle]) -> type[Oracle]:
    """List a bug under the sentence that its docstring is."""
    BUGS[(cls.__doc__ or "").rstrip(".")] = cls
    return cls


class Walk:
    """A random run of a scenario, told without a bug and worked out as far as it is asked for."""

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self.oracle, self.rng = Oracle(), Random(seed)
        self.verdict, self.begin = self.oracle.begin(scenario)
        self.moves: list[Move] = []
        self.after: list[tuple[str, State]] = []
        self.graphs: dict[int, frozenset[Final]] = {}

    def finals(self, number: int, state: State) -> frozenset[Final]:
        """Return the graphs that a moment leads to."""
        if number not in self.graphs:
            self.graphs[number] = self.oracle.finals(state, 2)
        return self.graphs[number]

    def move(self, number: int, state: State) -> Move:
        """Return the move that is made at a moment."""
        if number == len(self.moves):
            self.moves.append(random_move(self.oracle, state, self.rng))
            self.after.append(self.oracle.apply(state, self.moves[-1]))
        return self.moves[number]


@functools.lru_cache(maxsize=1_000)
def walk(scenario: Scenario, seed: int) -> Walk:
    """Return a walk, which is the same for all bugs and all tests."""
    return Walk(scenario, seed)


def differs(bugged: Oracle, scenario: Scenario, seed: int, *, moves: int = 30) -> bool:
    """Tell whether a random run of a scenario shows that the rules were told differently."""
    known = walk(scenario, seed)
    state, (other_verdict, other) = known.begin, bugged.begin(scenario)
    if state is None or other is None:
        return known.verdict != other_verdict
    for number in range(moves):
        if state.is_over:
            break
        if known.oracle.startable(state) != bugged.startable(other):
            return True
        quick = number % 3 == 0 and is_small(state) and is_small(other)
        if quick and known.finals(number, state) != bugged.finals(other, 2):
            return True
        move = known.move(number, state)
        verdict, state = known.after[number]
        other_verdict, other = bugged.apply(other, move)
        if verdict != other_verdict or len(state.tasks) != len(other.tasks):
            return True
    return False


def is_small(state: State) -> bool:
    """Tell whether all final graphs can be gone through quickly: in a closed run without dots."""
    return Closed() in state.guards and not has_dots(state)


# What parts need.


@bug
class LowsForgotten(Oracle):
    """A map or loop can be completed by nothing, whatever it needs at least."""

    def nothing_needed(self, shape: Shape) -> bool:
        return isinstance(shape, Times) or super().nothing_needed(shape)

    def owes(self, leaf: Node) -> bool:
        return not isinstance(leaf, Many) and super().owes(leaf)


@bug
class EmptyBodiesForgotten(Oracle):
    """`((M?)+ -> N?)` cannot be completed by nothing."""

    def nothing_needed(self, shape: Shape) -> bool:
        return shape.low == 0 if isinstance(shape, Times) else super().nothing_needed(shape)

    def owes(self, leaf: Node) -> bool:
        if isinstance(leaf, Many):
            return len(leaf.parts) < leaf.shape.low
        return super().owes(leaf)


@bug
class ChoicesNeedAll(Oracle):
    """A choice can be completed by nothing only if each option can."""

    def nothing_needed(self, shape: Shape) -> bool:
        if isinstance(shape, Alt):
            return all(self.nothing_needed(each) for each in shape.options)
        return super().nothing_needed(shape)


# What parts take.


@bug
class OneTooMany(Oracle):
    """A map takes one more than it may."""

    def sprout(self, shape: Shape, owner: str) -> Node:
        if isinstance(shape, Times) and shape.high is not None:
            shape = attrs.evolve(shape, high=shape.high + 1)
        return super().sprout(shape, owner)


@bug
class ChoicesStayOpen(Oracle):
    """A choice is taken by its last creation, not by its first."""

    def fillings(self, node: Node, who: str, label: str, ref: str) -> Iterator[Filling]:
        if not isinstance(node, Choice) or len(node.options) < 2:
            yield from super().fillings(node, who, label, ref)
            return
        for option in node.options:
            rest = tuple(each for each in node.options if each != option)
            alone = attrs.evolve(node, options=(option,))
            for cost, path, new in super().fillings(alone, who, label, ref):
                yield cost, path, Group((new, Choice((*rest, Row(())), who)), beside=True)


@bug
class FirstPlaceTaken(Oracle):
    """Of several places the first is taken."""

    def chosen(self, fitting: list[tuple[int, State]]) -> State:
        return min(fitting, key=lambda each: each[0])[1]


@bug
class FewestNotCounted(Oracle):
    """Places that begin more instances are as good as those that begin fewer."""

    def chosen(self, fitting: list[tuple[int, State]]) -> State:
        return super().chosen([(0, placed) for _, placed in fitting])


@bug
class DotsAsGood(Oracle):
    """Dots are as good as a place that names the label."""

    def chosen(self, fitting: list[tuple[int, State]]) -> State:
        return super().chosen([(cost % 1000, placed) for cost, placed in fitting])


@bug
class NothingIsCertain(Oracle):
    """A name that has become certain waits for its owner."""

    def with_certain(self, state: State) -> State:
        return state

    def certain(self, node: Node) -> tuple[Births, Node]:
        return (), node


@bug
class DotsNotInherited(Oracle):
    """What is created in dots does not own them too."""

    def dots_filled(self, state: State, task: object, move: Create) -> State:
        del task, move
        return state


# The order.


@bug
class NobodyWaits(Oracle):
    """B does not wait for the hole."""

    def blocks(self, state: State, vertex: Vertex) -> bool:
        return isinstance(vertex, str) and super().blocks(state, vertex)


@bug
class RoundsSideBySide(Oracle):
    """The rounds of a loop stand side by side."""

    def sprout(self, shape: Shape, owner: str) -> Node:
        if isinstance(shape, Times):
            shape = attrs.evolve(shape, beside=True)
        return super().sprout(shape, owner)


@bug
class SiblingsInOrder(Oracle):
    """The instances of a map stand one after the other."""

    def sprout(self, shape: Shape, owner: str) -> Node:
        if isinstance(shape, Times):
            shape = attrs.evolve(shape, beside=False)
        return super().sprout(shape, owner)


@bug
class OrderLostThroughHoles(Oracle):
    """What is in front of a hole is not in front of what is behind it."""

    def tops(self, state: State) -> set[Edge]:
        order = transitive(state.edges)
        return {(u, v) for u, v in order if "#" in (u[0], v[0]) or (u, v) in state.edges}


# Owners.


@bug
class FarthestOwner(Oracle):
    """A hole belongs to the first task of all in front of it."""

    def nearest(self, state: State, above: frozenset[Edge], hole: str) -> str:
        super().nearest(state, above, hole)
        front = [u for u, v in above if v == hole and state.task(u)]
        return min(front, key=lambda u: sum(v == u for _, v in above))


@bug
class NothingPasses(Oracle):
    """What an owner leaves closes, and passes to nobody."""

    def left(self, state: State, leaf: Node, name: str, front: str | None) -> Node:
        del front
        return super().left(state, leaf, name, None)


@bug
class NothingIsOwed(Oracle):
    """An owner may end whatever its parts need."""

    def left(self, state: State, leaf: Node, name: str, front: str | None) -> Node:
        try:
            return super().left(state, leaf, name, front)
        except Broken:
            return self.close(leaf, name)


@bug
class PassesToTheEnded(Oracle):
    """A part passes to who cannot speak or has ended."""

    def may_inherit(self, state: State, who: str, to: str | None) -> bool:
        return state.task(to) is not None and who in state.chain(to)


@bug
class PassesToStrangers(Oracle):
    """A part passes to a task that its owner has not created."""

    def may_inherit(self, state: State, who: str, to: str | None) -> bool:
        task = state.task(to)
        return task is not None and task.id != who and state.speaks(task)


@bug
class OnlyChildrenInherit(Oracle):
    """A part passes to what its owner has created, but not to what that has created."""

    def may_inherit(self, state: State, who: str, to: str | None) -> bool:
        task = state.task(to)
        return task is not None and task.creator == who and state.speaks(task)


@bug
class LoopsEndWithTheirOwner(Oracle):
    """A loop does not pass to the last task of its last round."""

    def round_end(self, part: Node, front: str | None) -> str | None:
        del part
        return front


@bug
class GivenCrosswise(Oracle):
    """An owner may wait for what waits for its own part."""

    def is_deadlocked(self, state: State) -> bool:
        del state
        return False


@bug
class GivingIsLending(Oracle):
    """Who has given a part away keeps it."""

    def handed(self, state: State, move: Give) -> State:
        super().handed(state, move)
        return state


@bug
class ClosingIsNoted(Oracle):
    """A part that its owner closes stays open."""

    def closed(self, state: State, move: Close) -> State:
        super().closed(state, move)
        return state


# Guards.


@bug
class ScopeIsOneTask(Oracle):
    """A scope covers what its task creates, but not what that creates."""

    def in_scope(self, state: State | None, guard: Guard, creator: str) -> bool:
        del state
        return guard.scope in (None, creator)

    def count(self, state: State, guard: Guard) -> int:
        near = [each for each in state.tasks if guard.scope in (None, each.creator)]
        bare = attrs.evolve(guard, scope=None)
        return super().count(attrs.evolve(state, tasks=tuple(near)), bare)


@bug
class ScopeForgotten(Oracle):
    """A scope is not looked at."""

    def in_scope(self, state: State | None, guard: Guard, creator: str) -> bool:
        del state, guard, creator
        return True

    def count(self, state: State, guard: Guard) -> int:
        return super().count(state, attrs.evolve(guard, scope=None))


@bug
class CountedSinceSaid(Oracle):
    """A guard counts only what is created after it was said."""

    def promised(self, state: State, text: str) -> State:
        known, state = state.guards, super().promised(state, text)
        return attrs.evolve(
            state,
            guards=tuple(
                attrs.evolve(
                    guard,
                    low=guard.low and guard.low + self.count(state, guard),
                    high=guard.high and guard.high + self.count(state, guard),
                )
                if isinstance(guard, Count) and guard not in known and "no new" not in text
                else guard
                for guard in state.guards
            ),
        )


@bug
class NoNewMeansNone(Oracle):
    """What `no new M` means is no M at all."""

    def promised(self, state: State, text: str) -> State:
        if "no new edges" not in text:
            text = text.replace("no new", "at most 0")
        return super().promised(state, text)


@bug
class ExactlyIsAtMost(Oracle):
    """What `exactly 2 M` means is `at most 2 M`."""

    def promised(self, state: State, text: str) -> State:
        return super().promised(state, text.replace("exactly", "at most"))


@bug
class NothingIsAskedFor(Oracle):
    """By `at least 1 M` nobody is obliged."""

    def unmet(self, look: Look) -> list[Count]:
        del look
        return []


@bug
class GuardsOneByOne(Oracle):
    """Each guard can be kept on its own, and that is taken for enough."""

    def can_finish(self, look: Look, further: int = 6) -> bool:
        return all(
            super(GuardsOneByOne, self).can_finish(
                attrs.evolve(look, guards=(guard,), tally=(number,)), further
            )
            for guard, number in zip(look.guards, look.tally, strict=True)
        )


@bug
class NoLookAhead(Oracle):
    """Only a guard that is exceeded counts, not that no way to finish is left."""

    def can_finish(self, look: Look, further: int = 6) -> bool:
        del further
        return not self.exceeded(look)


@bug
class NothingClosesEarly(Oracle):
    """A part stays open until its owner ends, even if nothing can come into it."""

    def settled(self, state: State) -> State:
        return state


@bug
class DeadOptionsStay(Oracle):
    """A last alternative does not become certain."""

    def shrunk(self, state: State, address: Address, leaf: Node) -> Node:
        return leaf if isinstance(leaf, Choice) else super().shrunk(state, address, leaf)


@bug
class OnlyTheFirst(Oracle):
    """By `only tasks M, N` M alone is allowed."""

    def promised(self, state: State, text: str) -> State:
        return super().promised(
            state, text.split(",", maxsplit=1)[0] if text.startswith("only tasks") else text
        )


@bug
class FillingsJudged(Oracle):
    """Edge guards judge what a hole brings."""

    def created(self, state: State, move: Create) -> State:
        grown = super().created(state, move)
        new = grown.tasks[-1]
        for each in grown.tasks:
            for u, v in ((each, new), (new, each)):
                pair = u.label, v.label
                if u.id in self.order(grown)[v.id] and not self.edge_may_be(
                    grown, grown.guards, pair, move.creator
                ):
                    raise Broken("no such edge")
        return grown


@bug
class EdgeGuardsForgotten(Oracle):
    """Edge guards are not looked at."""

    def edge_may_be(
        self, state: State | None, guards: tuple[Guard, ...], pair: tuple[str, str], by: str
    ) -> bool:
        del state, guards, pair, by
        return True


@bug
class EdgesIntoWhatHasStarted(Oracle):
    """An edge may lead into a task that has started."""

    def edges_allowed(self, state: State, by: str, edges: set[Edge]) -> None:
        calm = attrs.evolve(
            state, tasks=tuple(attrs.evolve(each, state="pending") for each in state.tasks)
        )
        super().edges_allowed(calm, by, edges)


@bug
class SealedIsClosed(Oracle):
    """In a sealed run declared holes may still be filled."""

    def promised(self, state: State, text: str) -> State:
        return super().promised(state, text.replace("sealed", "closed"))


@bug
class NeverClosed(Oracle):
    """In a closed run every task may still create outside the holes."""

    def has_wildcard(self, state: State, name: str) -> bool:
        task = state.task(name)
        return task is not None and state.speaks(task)


@bug
class AlwaysClosed(Oracle):
    """Nobody may ever create outside the holes."""

    def has_wildcard(self, state: State, name: str) -> bool:
        del state, name
        return False


@bug
class UntrueIsTaken(Oracle):
    """A promise that is already untrue is not refused, but breaks the run."""

    def said(self, state: State, text: str, by: str | None) -> State:
        try:
            return super().said(state, text, by)
        except Refused as refused:
            raise Broken(str(refused)) from refused
