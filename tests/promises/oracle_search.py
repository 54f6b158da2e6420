"""Exhaustive search: can the run still finish, and with which graphs.

Part of the oracle: it shares nothing with the package and must not import it.

Why searching creations alone is enough. Whoever owns a part may fill it before ending, and whatever
the next owner could create in it, the owner could create too, with a smaller chain of creators: so
starts, ends and closings add nothing to what can come, and giving matters only where a guard asks
for creations "by T". `oracle_naive` searches every single move instead; a test compares them.
"""

from __future__ import annotations

import functools
from collections.abc import Hashable, Iterable, Iterator
from itertools import product

import attrs

from .oracle_final import Final, canonical
from .oracle_parts import (
    DOTS_COST,
    LATER,
    Address,
    Births,
    Filling,
    Many,
    Node,
    Parts,
    Place,
    Vertex,
    edit,
    labels_of,
    leaves,
    owners,
    same,
    swap,
)
from .oracle_shapes import Closed, Count, Edges, Guard, Only, matches
from .oracle_state import Edge, Plan, State

FURTHER_MAX = 6  # how many tasks a search adds where a guard says "at least … by T"


@attrs.frozen(cache_hash=True)
class Look:
    """A moment as a search sees it: what is left of the holes, and how far the guards are.

    `kin` is the moment itself, bare of these, where a guard asks who created whom.
    """

    plan: Plan
    holes: tuple[Node, ...]
    guards: tuple[Guard, ...]
    tally: tuple[int, ...]  # the count of each `Count`, 0 for other guards
    speakers: tuple[str, ...]  # who has the wildcard of an open run
    kin: State | None

    # `attrs.evolve` would do, but takes much longer.

    def with_hole(self, at: int, node: Node) -> Look:
        """Have another hole in the place of one."""
        holes = (*self.holes[:at], node, *self.holes[at + 1 :])
        return Look(self.plan, holes, self.guards, self.tally, self.speakers, self.kin)

    def with_tally(self, tally: tuple[int, ...]) -> Look:
        """Have counted more."""
        return Look(self.plan, self.holes, self.guards, tally, self.speakers, self.kin)


def transitive(pairs: Iterable[Edge]) -> frozenset[Edge]:
    """Add what follows from an order."""
    return _transitive(frozenset(pairs))


@functools.lru_cache(maxsize=10_000)
def _transitive(pairs: frozenset[Edge]) -> frozenset[Edge]:
    closed = set(pairs)
    for middle in {v for _, v in pairs}:
        fronts = [u for u, v in closed if v == middle]
        closed |= set(product(fronts, [v for u, v in closed if u == middle]))
    return frozenset(closed)


class Search(Parts):
    """Look for what may still come."""

    def __init__(self) -> None:
        super().__init__()
        self.orders: dict[Hashable, dict[Vertex, frozenset[Vertex]]] = {}
        self.looks: dict[State, Look] = {}
        self.finishes: dict[tuple[Look, int], bool] = {}
        self.all_ways: dict[Hashable, list[tuple[Births, Node]]] = {}

    # What a moment is.

    def look(self, state: State) -> Look:
        """Look at a moment."""
        if state not in self.looks:
            self.looks[state] = self.new_look(state)
        return self.looks[state]

    def new_look(self, state: State) -> Look:
        """Work out what there is to see; see `look`."""
        return Look(
            plan=state.plan,
            holes=state.holes,
            guards=state.guards,
            tally=tuple(self.count(state, guard) for guard in state.guards),
            speakers=tuple(each.id for each in state.tasks if self.has_wildcard(state, each.id)),
            kin=attrs.evolve(state, holes=(), guards=())
            if any(guard.scope for guard in state.guards)
            else None,
        )

    def count(self, state: State, guard: Guard) -> int:
        """Count the tasks that a guard is about."""
        if not isinstance(guard, Count):
            return 0
        return sum(
            matches(guard.glob, task.label)
            and (guard.scope is None or guard.scope in state.chain(task.id))
            for task in state.tasks
        )

    def in_scope(self, state: State | None, guard: Guard, creator: str) -> bool:
        """Tell whether what this task does falls under a guard."""
        return guard.scope is None or (
            state is not None and guard.scope in state.chain(creator) | {creator}
        )

    def has_wildcard(self, state: State, name: str) -> bool:
        """Tell whether a task may create outside the holes."""
        task = state.task(name)
        return (
            task is not None
            and state.speaks(task)
            and not any(
                isinstance(guard, Closed) and self.in_scope(state, guard, name)
                for guard in state.guards
            )
        )

    def order(self, state: State) -> dict[Vertex, frozenset[Vertex]]:
        """Return, for each task and open leaf, the tasks and open leaves in front of it."""
        key = (state.plan, tuple(task.id for task in state.tasks), state.holes, state.edges)
        if key not in self.orders:
            self.orders[key] = self.new_order(state)
        return self.orders[key]

    def new_order(self, state: State) -> dict[Vertex, frozenset[Vertex]]:
        """Work out an order; see `order`."""
        fronts: dict[Vertex, set[Vertex]] = {task.id: set() for task in state.tasks}
        for name, node in state.trees():
            entry, way_out = f"#{name}<", f"#{name}>"
            vertices, pairs = self.poset(node, (name,))
            fronts |= {entry: set(), way_out: {entry, *vertices}}
            for v in vertices:
                fronts.setdefault(v, set()).add(entry)
            for a, b in pairs:
                fronts[vertices[b]].add(vertices[a])
        for u, v in state.edges:
            fronts[f"{v}<" if v[0] == "#" else v].add(f"{u}>" if u[0] == "#" else u)
        done: dict[Vertex, frozenset[Vertex]] = {}

        def closed(v: Vertex) -> frozenset[Vertex]:
            if v not in done:
                far = [done.get(u) or closed(u) for u in fronts[v]]
                done[v] = frozenset(fronts[v]).union(*far)
            return done[v]

        marks = {f"#{name}{side}" for name in state.plan.holes for side in "<>"}
        return {v: closed(v) - marks for v in fronts if v not in marks}

    # Whether the run can finish.

    def can_finish(self, look: Look, further: int = FURTHER_MAX) -> bool:
        """Tell whether some further creations lead to where nothing is owed."""
        key = (look, further)
        if key not in self.finishes:
            self.finishes[key] = self.finishing(look, further)
        return self.finishes[key]

    def finishing(self, look: Look, further: int) -> bool:
        """Search: every finish needs what is owed first, so try each way to create that."""
        if self.exceeded(look):
            return False
        unmet = self.unmet(look)
        owed = next(
            (
                (at, address, leaf)
                for at, node in enumerate(look.holes)
                for address, leaf in leaves(node, ())
                if self.owes(leaf)
            ),
            None,
        )
        if look.kin is not None and any(guard.scope for guard in unmet):
            if not further or any(self.is_hopeless(look, look.kin, guard) for guard in unmet):
                return False
            steps = [*self.towards(look, unmet), *self.given(look, look.kin)]
            steps.sort(key=self.missing)
            return any(self.can_finish(each, further - 1) for each in steps)
        if owed is not None:
            ways = self.filled(look, *owed, anything=())
        elif unmet:
            ways = self.creations(look, (unmet[0].glob,), only=unmet[0].glob)
        else:
            return True
        return any(self.can_finish(step, further) for _, step in ways)

    def exceeded(self, look: Look) -> bool:
        """Tell whether there are more tasks than a guard allows."""
        return any(
            isinstance(guard, Count) and guard.high is not None and number > guard.high
            for guard, number in zip(look.guards, look.tally, strict=True)
        )

    def unmet(self, look: Look) -> list[Count]:
        """Return the guards that ask for more tasks than there are."""
        return [
            guard
            for guard, number in zip(look.guards, look.tally, strict=True)
            if isinstance(guard, Count) and number < guard.low
        ]

    def missing(self, look: Look) -> int:
        """Count the tasks that guards ask for and that are not there."""
        return sum(guard.low - look.tally[look.guards.index(guard)] for guard in self.unmet(look))

    def at_rest(self, look: Look) -> bool:
        """Tell whether nothing is owed and no guard asks for more."""
        return (
            not self.exceeded(look)
            and not self.unmet(look)
            and not any(self.owes(leaf) for node in look.holes for _, leaf in leaves(node, ()))
        )

    # What one step leads to.

    def growth(self, look: Look) -> Iterator[tuple[Births, Look]]:
        """Go through all that one creation can lead to, and one giving where it matters."""
        yield from self.creations(look, anything=())
        if look.kin is not None:
            yield from (((), step) for step in self.given(look, look.kin))

    def creations(
        self, look: Look, anything: tuple[str, ...], only: str | None = None
    ) -> Iterator[tuple[Births, Look]]:
        """Go through all that one creation can lead to, with all that it creates.

        `anything` are the labels that dots are tried with, `only` limits all to one label.
        """
        for at, node in enumerate(look.holes):
            for address, leaf in leaves(node, ()):
                yield from self.filled(look, at, address, leaf, anything=anything, only=only)
        for who, label in product(look.speakers, anything):
            yield from self.born(look, ((label, who),))

    def filled(
        self,
        look: Look,
        at: int,
        address: Address,
        leaf: Node,
        *,
        anything: tuple[str, ...],
        only: str | None = None,
    ) -> Iterator[tuple[Births, Look]]:
        """Go through all that one creation in a leaf can lead to."""
        node = look.holes[at]
        wanted = labels_of(leaf, anything) if only is None else (only,)
        for births, new in self.ways(leaf, wanted, anything, auto=look.plan.auto):
            yield from self.born(look.with_hole(at, swap(node, address, new)), births)

    def born(self, look: Look, births: Births) -> Iterator[tuple[Births, Look]]:
        """Count tasks that are created, unless a guard does not let them be."""
        if all(self.may_be(look.kin, look.guards, label, by) for label, by in births):
            tally = tuple(
                number
                if not isinstance(guard, Count)
                else number
                + sum(
                    matches(guard.glob, label) and self.in_scope(look.kin, guard, by)
                    for label, by in births
                )
                for guard, number in zip(look.guards, look.tally, strict=True)
            )
            yield births, look.with_tally(tally)

    def may_be(self, state: State | None, guards: tuple[Guard, ...], label: str, by: str) -> bool:
        """Tell whether "only tasks …" allows a creation."""
        return all(
            any(matches(glob, label) for glob in guard.globs)
            for guard in guards
            if isinstance(guard, Only) and self.in_scope(state, guard, by)
        )

    def ways(
        self, leaf: Node, labels: tuple[str, ...], anything: tuple[str, ...], *, auto: bool
    ) -> list[tuple[Births, Node]]:
        """Return all ways to fill a leaf by one creation, with the creations this brings along."""
        key = (leaf, labels, anything, auto)
        if key not in self.all_ways:
            found: set[tuple[Births, Node]] = set()
            for who, label in product(owners(leaf), labels):
                for cost, _, new in self.grown(leaf, who, label):
                    if cost >= DOTS_COST and label not in anything:
                        continue
                    more, whole = self.certain(new) if auto else ((), new)
                    found.add((((label, who), *more), whole))
            self.all_ways[key] = [(births, same(new)) for births, new in found]
        return self.all_ways[key]

    def grown(self, leaf: Node, who: str, label: str) -> Iterator[Filling]:
        """Go through a leaf's own fillings; what stands in it are leaves of their own."""
        if isinstance(leaf, Many):
            return self.begin_one(leaf, who, label, LATER + label)
        return self.fillings(leaf, who, label, LATER + label)

    def certain(self, node: Node) -> tuple[Births, Node]:
        """Create what has become certain."""
        births: list[tuple[str, str]] = []

        def make(_: Address, leaf: Node) -> Node:
            if not isinstance(leaf, Place) or leaf.owner is None:
                return leaf
            births.append((leaf.name, leaf.owner))
            return Place(leaf.name, leaf.key, None, LATER + leaf.name)

        new = edit(node, (), make)
        return tuple(births), new

    # Where a guard says "at least … by T", it matters who creates what.

    def towards(self, look: Look, unmet: list[Count]) -> Iterator[Look]:
        """Go through the creations that are owed or could help to what the guards ask for."""
        wanted = tuple(sorted({guard.glob for guard in unmet}))
        for at, node in enumerate(look.holes):
            for address, leaf in leaves(node, ()):
                if self.owes(leaf) or set(wanted) & set(labels_of(leaf, wanted)):
                    for _, step in self.filled(look, at, address, leaf, anything=wanted):
                        yield step
        for who, label in product(look.speakers, wanted):
            if any(label == each.glob and self.in_scope(look.kin, each, who) for each in unmet):
                yield from (step for _, step in self.born(look, ((label, who),)))

    def given(self, look: Look, kin: State) -> Iterator[Look]:
        """Go through the givings of one leaf to somebody whose creations a guard asks for."""
        asked = [guard for guard in self.unmet(look) if guard.scope]
        for at, node in enumerate(look.holes if asked else ()):
            for address, leaf in leaves(node, ()):
                useful = [each for each in asked if each.glob in labels_of(leaf, (each.glob,))]
                for who, to in self.heirs_of(look, kin, at, address, leaf):
                    if any(self.in_scope(kin, guard, to) for guard in useful):
                        given = swap(node, address, self.hand_over(leaf, who, to))
                        yield look.with_hole(at, given)

    def heirs_of(
        self, look: Look, kin: State, at: int, address: Address, leaf: Node
    ) -> Iterator[tuple[str, str]]:
        """Go through those who can be given a leaf, each with who gives it."""
        for who, task in product(owners(leaf), kin.tasks):
            lives = who in kin.chain(task.id) and kin.speaks(task)
            if lives and not self.is_behind(look, kin, at, address, task.id):
                yield who, task.id

    def is_hopeless(self, look: Look, kin: State, guard: Count) -> bool:
        """Tell at once that what a guard asks for cannot come: nobody could, or nobody may."""
        missing = guard.low - look.tally[look.guards.index(guard)]
        if any(
            isinstance(other, Count)
            and other.high is not None
            and other.scope in (None, guard.scope)
            and matches(other.glob, guard.glob)
            and number + missing > other.high
            for other, number in zip(look.guards, look.tally, strict=True)
        ):
            return True
        able = set(look.speakers)
        for at, node in enumerate(look.holes):
            for address, leaf in leaves(node, ()):
                if guard.glob in labels_of(leaf, (guard.glob,)):
                    able |= {*owners(leaf)}
                    able |= {to for _, to in self.heirs_of(look, kin, at, address, leaf)}
        return not any(self.in_scope(kin, guard, each) for each in able)

    def is_behind(self, look: Look, kin: State, at: int, address: Address, id: str) -> bool:
        """Tell whether a task waits for a leaf to close."""
        vertices, pairs = self.poset(look.holes[at], ())
        if id in vertices:
            return (vertices.index(address), vertices.index(id)) in pairs
        reached = {f"#{look.plan.holes[at]}"}
        homes = {
            ref: f"#{look.plan.holes[there]}"
            for there, node in enumerate(look.holes)
            for ref in self.poset(node)[0]
        }
        for _ in kin.tasks + look.holes:
            reached |= {v for u, v in kin.edges if u in reached}
        return homes.get(id, id) in reached

    def may_labels(self, state: State) -> frozenset[str]:
        """Return the labels, of those that are mentioned and one more, that may still be created.

        What may come later may also come next: its owner has the part already.
        """
        look = self.look(state)
        looks = [look]
        if look.kin is not None:
            looks += self.given(look, look.kin)
        return frozenset(
            label
            for each in looks
            for births, step in self.creations(each, state.plan.labels)
            if self.can_finish(step)
            for label, _ in births
        )

    # With which graphs it can finish.

    def searched(self, state: State, limit: int, since: State | None) -> frozenset[Final]:
        """Return all final graphs of a closed run without dots: at most so many further tasks.

        Seen from an earlier moment (`since`), all that has been created after it is but a label.
        """
        now = [task.id for task in (since or state).tasks]
        above = self.tops(state)
        found: set[Final] = set()
        seen: set[Look] = set()
        edge = [(0, self.look(state))]
        while edge:
            further, look = edge.pop()
            if look in seen or self.exceeded(look) or further > limit:
                continue
            seen.add(look)
            if self.at_rest(look):
                found.add(self.final(look, state, now, above))
            if further < limit:
                edge += [(further + len(births), step) for births, step in self.growth(look)]
        return frozenset(found)

    def edge_may_be(
        self, state: State | None, guards: tuple[Guard, ...], pair: tuple[str, str], by: str
    ) -> bool:
        """Tell whether the edge guards allow a command to name an edge between these labels."""
        return all(
            any(matches(a, pair[0]) and matches(b, pair[1]) for a, b in guard.pairs)
            is not guard.forbid
            for guard in guards
            if isinstance(guard, Edges) and self.in_scope(state, guard, by)
        )

    def tops(self, state: State) -> set[tuple[str, str]]:
        """Return the order among the tasks outside the holes, and the holes as `#id`."""
        return set(transitive(state.edges))

    def final(self, look: Look, state: State, now: list[str], above: set[Edge]) -> Final:
        """Return the graph of a run that ends here."""
        order: set[tuple[Hashable, Hashable]] = set()
        inside: dict[str, list[Hashable]] = {}
        later: dict[Hashable, str] = {
            task.id: task.label for task in state.tasks if task.id not in now
        }
        for name, node in zip(look.plan.holes, look.holes, strict=True):
            refs, pairs = self.poset(node)
            mine: list[Hashable] = []
            for number, ref in enumerate(refs):
                is_later = str(ref).startswith(LATER)
                mine.append((name, number) if is_later else ref)
                if is_later:
                    later[name, number] = str(ref).removeprefix(LATER)
            order |= {(mine[a], mine[b]) for a, b in pairs}
            inside[f"#{name}"] = mine
        for u, v in above:
            order |= set(product(inside.get(u, [u]), inside.get(v, [v])))
        return canonical(now, later, order)
