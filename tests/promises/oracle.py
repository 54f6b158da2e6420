"""The oracle: the rules of Promises, told a second time and as naively as can be.

It shares nothing with the package and must not import it. A scenario begins, moves are applied,
and for each the oracle says `ok`, `refused` or `broken`; at each moment it lists, by search, all
graphs with which the run can end.
"""

from __future__ import annotations

from typing import Literal

import attrs

from .oracle_final import Final
from .oracle_parts import (
    Address,
    Choice,
    Many,
    Node,
    Place,
    Vertex,
    Wild,
    edit,
    labels_of,
    leaves,
    owners,
)
from .oracle_search import Look, Search, transitive
from .oracle_shapes import (
    Closed,
    Count,
    Guard,
    Misread,
    Only,
    Shape,
    confused,
    is_guard,
    read_guard,
)
from .oracle_state import (
    FRESH,
    AddEdge,
    Close,
    Create,
    Declared,
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
    dotted,
    hole_ids,
    labels,
    under,
)
from .oracle_walk import walked

__all__ = [
    "AddEdge",
    "Blind",
    "Close",
    "Create",
    "Give",
    "Move",
    "Oracle",
    "Promise",
    "Scenario",
    "Start",
    "State",
    "Succeed",
    "hole_ids",
]

Verdict = Literal["ok", "refused", "broken"]
Answer = tuple[Verdict, State]


class Refused(Exception):
    """The command is answered with an error; nothing changes."""


class Broken(Exception):
    """The run ends here."""


class Oracle(Search):
    """The rules."""

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

    def nearest(self, state: State, above: frozenset[tuple[str, str]], hole: str) -> str:
        """Return the task in front of a hole that has no other task of these behind it."""
        front = {u for u, v in above if v == hole and state.task(u)}
        near = [u for u in front if not any((u, v) in above for v in front)]
        if len(near) != 1:
            raise Unfit(f"{hole} has not one owner but {near}")
        return near[0]

    # Moves.

    def apply(self, state: State, move: Move) -> Answer:
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

    def running(self, state: State, id: str) -> Task:
        """Return a task that can give commands now."""
        task = state.task(id)
        if task is None or task.state != "running" or not state.speaks(task):
            raise Refused(f"{id} cannot say anything")
        return task

    def judged(self, state: State) -> State:
        """Judge what has come about, and draw the consequences."""
        state = self.with_certain(state)
        if not self.can_finish(self.look(state)):
            raise Broken("no way to finish is left")
        return self.settled(state)

    def startable(self, state: State) -> frozenset[str]:
        """Return the pending tasks with nothing unfinished in front of them."""
        order = self.order(state)
        return frozenset(
            task.id
            for task in state.tasks
            if task.state == "pending" and not any(self.blocks(state, u) for u in order[task.id])
        )

    def blocks(self, state: State, vertex: Vertex) -> bool:
        """Tell whether what is behind a task or an open leaf has to wait."""
        task = state.task(vertex) if isinstance(vertex, str) else None
        return task is None or task.state != "done"

    # Creating.

    def created(self, state: State, move: Create) -> State:
        """Place a creation (rules 10, 11)."""
        self.running(state, move.creator)
        if any(state.task(each) is None for each in (*move.after, *move.before)):
            raise Refused("unknown id")
        new = self.new_id(state, move.creator, move.label)
        task = Task(new, move.label, move.creator)
        fitting = [
            (cost, placed)
            for cost, address, placed in self.candidates(state, move, task)
            if move.into is None or _is_on_the_way(address, move.into)
            if self.fits(placed, task, move)
        ]
        if fitting:
            grown = self.dots_filled(self.chosen(fitting), task, move)
        elif move.into is not None and not self.is_address(state, move.into):
            raise Refused("unknown address")
        elif move.into is not None or not self.has_wildcard(state, move.creator):
            raise Broken("no place takes it")
        else:
            edges = {(u, new) for u in move.after} | {(new, v) for v in move.before}
            grown = self.with_edges(_with(state, task), move.creator, edges)
        if not self.may_be(grown, grown.guards, task.label, move.creator):
            raise Broken("it is not among the only tasks")
        return grown

    def chosen(self, fitting: list[tuple[int, State]]) -> State:
        """Choose the place that costs least, which must be one (rule 10)."""
        least = min(cost for cost, _ in fitting)
        best = [placed for cost, placed in fitting if cost == least]
        if len(best) > 1:
            raise Refused("it could go to several places")
        return best[0]

    def candidates(
        self, state: State, move: Create, task: Task
    ) -> list[tuple[int, Address, State]]:
        """Return all places that take a creation, with what it costs to take them."""
        return [
            (cost, (name, *path), _in_hole(_with(state, task), at, new))
            for at, name in enumerate(state.plan.holes)
            for cost, path, new in self.fillings(state.holes[at], move.creator, task.label, task.id)
        ]

    def new_id(self, state: State, creator: str, label: str) -> str:
        """Number a creation among its creator's creations of the same label."""
        number = sum(each.creator == creator and each.label == label for each in state.tasks)
        return f"{creator}/{label}-{number + 1}"

    def fits(self, placed: State, task: Task, move: Create) -> bool:
        """Tell whether a place is in the order already that `after` and `before` ask for."""
        order = self.order(placed)
        near = {
            each
            for node in placed.holes
            for _, leaf in leaves(node, ())
            if isinstance(leaf, Wild) and task.id in leaf.tasks
            for each in leaf.tasks
        }
        return all(u in order[task.id] or u in near for u in move.after) and all(
            task.id in order[v] or v in near for v in move.before
        )

    def dots_filled(self, state: State, task: Task, move: Create) -> State:
        """In dots, make the edges that were asked for, and let who can speak own them too."""
        order = self.order(state)
        edges = {(u, task.id) for u in move.after if u not in order[task.id]}
        edges |= {(task.id, v) for v in move.before if task.id not in order[v]}
        self.edges_allowed(state, move.creator, edges)

        def inherit(_: Address, leaf: Node) -> Node:
            if not isinstance(leaf, Wild) or task.id not in leaf.tasks:
                return leaf
            heirs = (*leaf.owners, task.id) if state.speaks(task) else leaf.owners
            return attrs.evolve(leaf, owners=heirs, order=transitive(leaf.order | edges))

        return attrs.evolve(state, holes=tuple(edit(node, (), inherit) for node in state.holes))

    def tied_up(self, state: State, by: str, u: str, v: str) -> State:
        """Add an edge: anywhere by a wildcard, within dots by who owns these."""
        if state.task(u) is None or state.task(v) is None:
            raise Refused("unknown id")
        if u in self.order(state)[v]:
            return state
        self.edges_allowed(state, by, {(u, v)})
        for address, leaf in state.leaves():
            if isinstance(leaf, Wild) and by in leaf.owners and {u, v} <= set(leaf.tasks):
                order = transitive(leaf.order | {(u, v)})
                return self.changed(state, {address: attrs.evolve(leaf, order=order)})
        if not self.has_wildcard(state, by):
            raise Broken("no edge may be added")
        return self.with_edges(state, by, {(u, v)})

    def with_edges(self, state: State, by: str, edges: set[tuple[str, str]]) -> State:
        """Add edges that a command names."""
        order = self.order(state)
        new = {(u, v) for u, v in edges if u not in order[v]}
        self.edges_allowed(state, by, new)
        state = attrs.evolve(state, edges=state.edges | new)
        if self.is_deadlocked(state):
            raise Refused("an owner would wait for its own part")
        return state

    def edges_allowed(self, state: State, by: str, edges: set[tuple[str, str]]) -> None:
        """Judge new edges."""
        order = self.order(state)
        for u, v in edges:
            one, other = state.task(u), state.task(v)
            if one is None or other is None or other.state != "pending":
                raise Refused("an edge from or to what is not, or into what has started")
            if u == v or v in order[u] or any(v == a or v in order[a] for a, b in edges if b == u):
                raise Refused("a cycle")
            if not self.edge_may_be(state, state.guards, (one.label, other.label), by):
                raise Broken("no such edge")

    def is_deadlocked(self, state: State) -> bool:
        """Tell whether a part waits for an owner that waits for the part (rule 14)."""
        order = self.order(state)
        holders: dict[Vertex, tuple[str, ...]] = {
            address: owners(leaf) for address, leaf in state.leaves()
        }
        for start, several in holders.items():
            edge, seen = list[Vertex](several), set[Vertex]()
            while edge:
                v = edge.pop()
                if v == start:
                    return True
                if v not in seen:
                    seen.add(v)
                    edge += [*order[v], *holders.get(v, ())]
        return False

    # Deciding about parts.

    def is_address(self, state: State, text: str) -> bool:
        """Tell whether a part of this address has ever been there."""
        return text.split("/+", 1)[0] in {dotted(each) for each in self.addresses(state)}

    def addresses(self, state: State) -> list[Address]:
        """Return the addresses of all open leaves and of all that stands around them."""
        return [
            address[: length + 1]
            for address in [*((name,) for name in state.plan.holes), *dict(state.leaves())]
            for length in range(len(address))
        ]

    def closed(self, state: State, move: Close) -> State:
        """Close what the owner has at and below an address."""
        self.running(state, move.owner)
        mine = self.owned_under(state, move.owner, move.address)
        if any(self.owes(leaf) for _, leaf in mine):
            raise Broken("something is owed there")
        return self.changed(
            state, {address: self.close(leaf, move.owner) for address, leaf in mine}
        )

    def owned_under(self, state: State, who: str, address: str) -> list[tuple[Address, Node]]:
        """Return the leaves that somebody owns at and below an address, at least one."""
        mine = [
            (at, leaf) for at, leaf in state.leaves() if who in owners(leaf) and under(at, address)
        ]
        if not mine:
            raise Refused(f"{who} owns nothing at {address}")
        return mine

    def changed(self, state: State, new: dict[Address, Node]) -> State:
        """Put other leaves in the place of some; what stands in these stays."""

        def change(address: Address, leaf: Node) -> Node:
            other = new.get(address, leaf)
            if isinstance(other, Many) and isinstance(leaf, Many):
                return attrs.evolve(other, parts=leaf.parts)
            return other

        holes = tuple(edit(node, (name,), change) for name, node in state.trees())
        return attrs.evolve(state, holes=holes)

    def handed(self, state: State, move: Give) -> State:
        """Give what the owner has at and below an address (rules 12, 14)."""
        self.running(state, move.owner)
        mine = self.owned_under(state, move.owner, move.address)
        if not self.may_inherit(state, move.owner, move.to):
            raise Refused(f"{move.to} may not have it")
        state = self.changed(
            state, {at: self.hand_over(leaf, move.owner, move.to) for at, leaf in mine}
        )
        if self.is_deadlocked(state):
            raise Refused("the new owner would wait for its own part")
        return state

    def may_inherit(self, state: State, who: str, to: str | None) -> bool:
        """Tell whether a part may pass from one task to another."""
        task = state.task(to)
        return task is not None and state.speaks(task) and who in state.chain(to)

    def succeeded(self, state: State, id: str) -> State:
        """End a task: each part it owns passes on, or closes, or is broken (rule 12)."""
        task = state.task(id)
        if task is None or task.state != "running":
            raise Refused(f"{id} is not running")
        state = state.with_task(id, "done")
        new: dict[Address, Node] = {}
        for hole, node in state.trees():
            fronts = dict(self.heirs(node, self.front(state, hole), (hole,)))
            for address, leaf in leaves(node, (hole,)):
                if id in owners(leaf):
                    new[address] = self.left(state, leaf, id, fronts[address])
        return self.changed(state, new)

    def left(self, state: State, leaf: Node, name: str, front: str | None) -> Node:
        """Return what becomes of a leaf whose owner has ended."""
        if front is not None and self.may_inherit(state, name, front):
            return self.hand_over(leaf, name, front)
        if self.owes(leaf):
            raise Broken("something is owed")
        return self.close(leaf, name)

    def front(self, state: State, hole: str) -> str | None:
        """Return the one task directly in front of a hole, if it is one."""
        above = transitive(state.edges)
        near = [u for u, v in above if v == f"#{hole}"]
        near = [u for u in near if not any((u, v) in above for v in near)]
        if len(near) != 1 or near[0][0] != "#":
            return near[0] if len(near) == 1 else None
        before = near[0][1:]
        node = state.holes[state.plan.holes.index(before)]
        return self.end(node, self.front(state, before))

    # What follows by itself.

    def with_certain(self, state: State) -> State:
        """In a `flow`, create the tasks of the places that have become certain (rule 16)."""
        if not state.plan.auto:
            return state
        for address, leaf in state.leaves():
            if isinstance(leaf, Place) and leaf.owner is not None:
                task = Task(self.new_id(state, leaf.owner, leaf.name), leaf.name, leaf.owner)
                if not self.may_be(state, state.guards, task.label, leaf.owner):
                    raise Broken("it is not among the only tasks")
                place = attrs.evolve(leaf, owner=None, task=task.id)
                return self.with_certain(self.changed(_with(state, task), {address: place}))
        return state

    def settled(self, state: State) -> State:
        """Close what can no longer be filled (rule 15), as long as something changes."""
        look = self.look(state)
        if not any(isinstance(guard, Count | Only) for guard in look.guards):
            return state
        for address, leaf in state.leaves():
            new = self.shrunk(state, address, leaf)
            if new != leaf:
                return self.settled(self.with_certain(self.changed(state, {address: new})))
        return state

    def shrunk(self, state: State, address: Address, leaf: Node) -> Node:
        """Take from a leaf what can no longer come about."""
        if isinstance(leaf, Choice):
            alive = tuple(
                option
                for option in leaf.options
                if self.is_alive(state, address, attrs.evolve(leaf, options=(option,)))
                or (
                    self.nothing_needed(option)
                    and self.finishes_with(state, address, self.close(leaf))
                )
            )
            if len(alive) == 1:
                return self.sprout(alive[0], leaf.owner)
            return attrs.evolve(leaf, options=alive)
        if isinstance(leaf, Many | Wild) and not self.is_alive(state, address, leaf):
            return self.close(leaf)
        return leaf

    def is_alive(self, state: State, address: Address, leaf: Node) -> bool:
        """Tell whether some task can still come into a leaf."""
        at = state.plan.holes.index(address[0])
        fitting = [
            glob.replace("*", "x")
            for guard in state.guards
            if isinstance(guard, Only)
            for glob in guard.globs
        ]
        anything = (*state.plan.labels, *fitting)
        ways = self.filled(self.look(state), at, address[1:], leaf, anything=anything)
        return any(self.can_finish(step) for _, step in ways)

    def finishes_with(self, state: State, address: Address, leaf: Node) -> bool:
        """Tell whether the run can finish with another leaf in this place."""
        return self.can_finish(self.look(self.changed(state, {address: leaf})))

    # Promises.

    def said(self, state: State, text: str, by: str | None) -> State:
        """Take a promise, or refuse it."""
        if by is not None:
            self.running(state, by)
        if not is_guard(text):
            raise Refused("a shape is promised while registering only")
        try:
            return self.judged(self.promised(state, text))
        except Broken as broken:
            raise Refused(str(broken)) from broken

    def promised(self, state: State, text: str) -> State:
        """Add a guard; "no …" means the present count (rules 3, 5)."""
        for guard in read_guard(text):
            if guard.scope is not None and state.task(guard.scope) is None:
                raise Refused(f"there is no {guard.scope}")
            new: Guard = guard
            if isinstance(guard, Count):
                present = self.count(state, guard)
                if guard.scope and present < guard.low and not self.could_take(state, guard):
                    raise Refused(f"{guard.scope} owns no place for it")
                if guard.high == -1:
                    new = attrs.evolve(guard, high=present)
            if new not in state.guards:
                state = attrs.evolve(state, guards=(*state.guards, new))
        return state

    def could_take(self, state: State, guard: Count) -> bool:
        """Tell whether the task of a scope owns a place for what it promises."""
        who = guard.scope or ""
        return self.has_wildcard(state, who) or any(
            who in owners(leaf) and guard.glob in labels_of(leaf, (guard.glob,))
            for node in state.holes
            for _, leaf in leaves(node, ())
        )

    # What may come.

    def finals(self, state: State, limit: int) -> frozenset[Final]:
        """Return all final graphs of a closed run with at most so many further tasks.

        Dots are filled with the label `Z` only: it stands for any.
        """
        return walked(self, state, limit) if has_dots(state) else super().finals(state, limit)


def has_dots(state: State) -> bool:
    """Tell whether there are dots that may still be filled: then all is much slower."""
    return any(FRESH in labels_of(leaf, (FRESH,)) for _, leaf in state.leaves())


class Blind(Oracle):
    """The rules, but nobody looks ahead: what leads nowhere is found out by going there."""

    def can_finish(self, look: Look, further: int = 0) -> bool:
        """Tell only whether a guard is exceeded now."""
        del further
        return not self.exceeded(look)

    def settled(self, state: State) -> State:
        """Close nothing early."""
        return state

    def finals(self, state: State, limit: int) -> frozenset[Final]:
        """Return all final graphs by trying every move."""
        return walked(self, state, limit)


def _with(state: State, task: Task) -> State:
    return attrs.evolve(state, tasks=(*state.tasks, task))


def _in_hole(state: State, at: int, new: Node) -> State:
    return attrs.evolve(state, holes=(*state.holes[:at], new, *state.holes[at + 1 :]))


def _is_on_the_way(address: Address, into: str) -> bool:
    return any(dotted(address[: length + 1]) == into for length in range(len(address)))
