"""A scenario, what it declares, the moments of a run, and what may be said to it.

Part of the oracle: it shares nothing with the package and must not import it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from itertools import pairwise

import attrs

from .oracle_parts import Address, Node, leaves, same
from .oracle_shapes import (
    Guard,
    Lab,
    Reader,
    Row,
    Shape,
    first_label,
    is_guard,
    keyed,
    places,
    read_shape,
    unused,
)

FRESH = "Z"  # a label that no scenario mentions
Edge = tuple[str, str]  # a hole stands in an edge as `#id`


# Its id, shape, what is in front, what behind, and its owner where it is not the nearest task.
Hole = tuple[str, str, tuple[str, ...], tuple[str, ...], str | None]


@attrs.frozen
class Scenario:
    """A small workflow: a `flow`, or tasks and holes as Python code declares them."""

    flow: str | None = None
    tasks: tuple[tuple[str, tuple[str, ...]], ...] = ()
    holes: tuple[Hole, ...] = ()
    guards: tuple[str, ...] = ()
    closed: bool = False
    sealed: bool = False
    mute: frozenset[str] = frozenset()  # ids, or labels, of the tasks that cannot speak


@attrs.frozen(cache_hash=True)
class Task:
    """A task: `state` is pending, running or done."""

    id: str
    label: str
    creator: str | None = None
    state: str = "pending"


@attrs.frozen(eq=False)
class Plan:
    """What stays as it is while a scenario runs."""

    holes: tuple[str, ...]
    auto: bool  # names that have become certain become tasks at once
    mute: frozenset[str]
    labels: tuple[str, ...]  # all that are mentioned anywhere


@attrs.frozen(cache_hash=True)
class State:
    """A moment of a run."""

    plan: Plan
    tasks: tuple[Task, ...]
    holes: tuple[Node, ...]
    edges: frozenset[Edge]
    guards: tuple[Guard, ...] = ()

    def task(self, id: str | None) -> Task | None:
        """Return a task, if there is one of this id."""
        for each in self.tasks:  # quicker than a generator, and this is asked millions of times
            if each.id == id:
                return each
        return None

    def speaks(self, task: Task) -> bool:
        """Tell whether a task is living and can speak the protocol."""
        mute = self.plan.mute
        return task.state != "done" and task.id not in mute and task.label not in mute

    def speaks_now(self, id: str) -> bool:
        """Tell whether a task is running and can speak."""
        task = self.task(id)
        return task is not None and task.state == "running" and self.speaks(task)

    def chain(self, id: str | None) -> frozenset[str]:
        """Return a task's creator, the creator's creator, and so on."""
        task = self.task(id)
        if task is None or task.creator is None:
            return frozenset()
        return self.chain(task.creator) | {task.creator}

    @property
    def is_over(self) -> bool:
        """Tell whether every task is done."""
        return all(task.state == "done" for task in self.tasks)

    def trees(self) -> Iterator[tuple[str, Node]]:
        """Go through the holes with their ids."""
        return zip(self.plan.holes, self.holes, strict=True)

    def leaves(self) -> list[tuple[Address, Node]]:
        """Return the open leaves of all holes."""
        return [each for name, node in self.trees() for each in leaves(node, (name,))]

    def with_edge(self, edge: Edge) -> State:
        """Put a task in front of another."""
        return self.with_edges(self.edges | {edge})

    def with_task(self, id: str, state: str) -> State:
        """Let a task have another state."""
        return self.with_tasks(
            tuple(
                Task(id, each.label, each.creator, state) if each.id == id else each
                for each in self.tasks
            )
        )

    # `attrs.evolve` would do, but takes much longer.

    def with_tasks(self, tasks: tuple[Task, ...]) -> State:
        """Have other tasks."""
        return State(self.plan, tasks, self.holes, self.edges, self.guards)

    def with_holes(self, holes: tuple[Node, ...]) -> State:
        """Have other holes."""
        return State(self.plan, self.tasks, tuple(map(same, holes)), self.edges, self.guards)

    def with_edges(self, edges: frozenset[Edge]) -> State:
        """Have other edges."""
        return State(self.plan, self.tasks, self.holes, edges, self.guards)


@attrs.frozen
class Create:
    """A running task creates another."""

    creator: str
    label: str
    into: str | None = None
    after: tuple[str, ...] = ()
    before: tuple[str, ...] = ()


@attrs.frozen
class Close:
    """An owner says that nothing more comes into a part."""

    owner: str
    address: str


@attrs.frozen
class Give:
    """An owner gives a part to another task."""

    owner: str
    address: str
    to: str


@attrs.frozen
class Start:
    """A ready task starts."""

    task: str


@attrs.frozen
class Succeed:
    """A running task succeeds."""

    task: str


@attrs.frozen
class Promise:
    """A guard is said, by a task or from outside."""

    text: str
    by: str | None = None


@attrs.frozen
class AddEdge:
    """A running task of an open run puts one task in front of another."""

    by: str
    u: str
    v: str


Move = Create | Close | Give | Start | Succeed | Promise | AddEdge


class Unfit(ValueError):
    """The definition is refused."""


@attrs.define
class Declared:
    """What a scenario declares, before any rule is applied."""

    tasks: list[str] = attrs.Factory(list[str])
    edges: set[Edge] = attrs.Factory(set[Edge])
    holes: dict[str, Shape] = attrs.Factory(dict[str, Shape])
    owners: dict[str, str | None] = attrs.Factory(dict[str, str | None])


@functools.lru_cache(maxsize=2_000)
def declared(scenario: Scenario) -> Declared:
    """Read the tasks, holes and edges of a scenario. Nobody changes them afterwards."""
    found = Declared()
    for name, needs in scenario.tasks:
        found.tasks.append(name)
        found.edges |= {(need, name) for need in needs}
    for name, text, after, before, owner in scenario.holes:
        found.holes[name] = read_shape(text)
        found.owners[name] = owner
        found.edges |= {(each, f"#{name}") for each in after}
        found.edges |= {(f"#{name}", each) for each in before}
    if scenario.flow is not None:
        _unfold(Reader(scenario.flow).shape(), found)
    if len(set(found.tasks)) < len(found.tasks):
        raise Unfit("a name that always exists stands twice")
    known = {*found.tasks, *(f"#{name}" for name in found.holes)}
    if any(not known.issuperset(edge) for edge in found.edges):
        raise Unfit("an edge from or to what is not there")
    return found


def _unfold(shape: Shape, found: Declared) -> tuple[list[str], list[str]]:
    """Make tasks of the names that always exist and holes of the rest; return both ends."""
    if isinstance(shape, Lab):
        found.tasks.append(shape.name)
        return [shape.name], [shape.name]
    if isinstance(shape, Row):
        ends = [_unfold(each, found) for each in shape.items if each != Row(())]
        if shape.beside:
            return [v for first, _ in ends for v in first], [v for _, last in ends for v in last]
        for (_, last), (first, _) in pairwise(ends):
            found.edges |= {(u, v) for u in last for v in first}
        return (ends[0][0], ends[-1][1]) if ends else ([], [])
    shape = keyed(shape, set())
    name = unused(first_label(shape), set(found.holes))
    found.holes[name] = shape
    return [f"#{name}"], [f"#{name}"]


def hole_ids(scenario: Scenario) -> tuple[str, ...]:
    """Return the ids of a scenario's holes, in the order of the text."""
    return tuple(declared(scenario).holes)


def labels(scenario: Scenario, found: Declared) -> tuple[str, ...]:
    """Return every label that a scenario mentions, in its guards too."""
    names = set(found.tasks) | {FRESH}
    for shape in found.holes.values():
        names |= {place.name for place, _ in places(shape) if isinstance(place, Lab)}
    for text in scenario.guards:
        if is_guard(text):
            names |= set(re.findall(r"(?<!\[)\b[A-Z]\w*", text))
    return tuple(sorted(names))


def dotted(address: Iterable[str]) -> str:
    """Write an address as text."""
    return "/".join(address)


def under(address: Address, target: str) -> bool:
    """Tell whether a part is the one that an address names, or stands in it."""
    text = dotted(address)
    return text == target or text.startswith(f"{target}/")
