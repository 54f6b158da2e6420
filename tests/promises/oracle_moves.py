"""What each move does, rule by rule: guards, holes, and what is broken or refused.

Part of the oracle: it shares nothing with the package and must not import it.
"""

from __future__ import annotations

import attrs

from .oracle_parts import (
    Address,
    Choice,
    Many,
    Node,
    Place,
    Vertex,
    Wild,
    addresses,
    edit,
    labels_of,
    leaves,
    owners,
)
from .oracle_search import Search, transitive
from .oracle_shapes import Count, Guard, Only, is_guard, read_guard
from .oracle_state import Close, Create, Edge, Give, State, Task, dotted, under


class Refused(Exception):
    """The command is answered with an error; nothing changes."""


class Broken(Exception):
    """The run ends here."""


class Moves(Search):
    """What is said, judged and followed up."""

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

        return state.with_holes(tuple(edit(node, (), inherit) for node in state.holes))

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

    def with_edges(self, state: State, by: str, edges: set[Edge]) -> State:
        """Add edges that a command names."""
        order = self.order(state)
        new = {(u, v) for u, v in edges if u not in order[v]}
        self.edges_allowed(state, by, new)
        state = state.with_edges(state.edges | new)
        if self.is_deadlocked(state):
            raise Refused("an owner would wait for its own part")
        return state

    def edges_allowed(self, state: State, by: str, edges: set[Edge]) -> None:
        """Judge new edges: first whether they can be, then whether they may."""
        order = self.order(state)
        pairs: list[Edge] = []
        for u, v in edges:
            one, other = state.task(u), state.task(v)
            if one is None or other is None or other.state != "pending":
                raise Refused("an edge from or to what is not, or into what has started")
            if u == v or v in order[u] or any(v == a or v in order[a] for a, b in edges if b == u):
                raise Refused("a cycle")
            pairs.append((one.label, other.label))
        if not all(self.edge_may_be(state, state.guards, pair, by) for pair in pairs):
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
        """Tell whether there is a part of this address, filled or closed as it may be."""
        known = {dotted(each) for name, node in state.trees() for each in addresses(node, (name,))}
        return text.split("/+", 1)[0] in known

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

        touched = {address[0] for address in new}
        holes = (
            edit(node, (name,), change) if name in touched else node for name, node in state.trees()
        )
        return state.with_holes(tuple(holes))

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
            ways = {each: Choice((each,), leaf.owner) for each in leaf.options}
            taken = {each for each in ways if self.is_alive(state, address, ways[each])}
            if not taken:
                return self.close(leaf)  # be it one or several ways to take nothing
            alive = tuple(
                option
                for option in leaf.options
                if option in taken
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


def _with(state: State, task: Task) -> State:
    return state.with_tasks((*state.tasks, task))


def _in_hole(state: State, at: int, new: Node) -> State:
    return state.with_holes((*state.holes[:at], new, *state.holes[at + 1 :]))


def _is_on_the_way(address: Address, into: str) -> bool:
    return any(dotted(address[: length + 1]) == into for length in range(len(address)))
