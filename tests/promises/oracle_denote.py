"""Which final graphs a picture denotes: read from its JSON alone.

Part of the oracle: it shares nothing with the package and must not import it.  Every dashed node is
replaced by each graph that its expression stands for; what exceeds or misses a promise is left out.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from itertools import product
from typing import Any

from .oracle_final import Final, canonical
from .oracle_search import transitive
from .oracle_shapes import (
    Alt,
    Count,
    Dots,
    Lab,
    Only,
    Row,
    Shape,
    Times,
    matches,
    read_guard,
    read_shape,
)

# Labels by number, and which stand in order.
Poset = tuple[tuple[str, ...], frozenset[tuple[int, int]]]
Node = Mapping[str, Any]
Nodes = Mapping[str, Node]
Guards = list[Count | Only]
# Labels of tasks, each with its creators.
Counted = list[tuple[str, frozenset[str]]]
EMPTY: Poset = ((), frozenset())


def denoted(picture: Mapping[str, Any], limit: int) -> frozenset[Final]:
    """Return all final graphs of a picture without dots, with at most so many further tasks."""
    nodes = {node["id"]: node for node in picture["nodes"]}
    holes = [node for node in nodes.values() if node["kind"] == "hole"]
    tasks = {name: node["label"] for name, node in nodes.items() if node["kind"] == "task"}
    names = {name: node.get("name", node["label"]) for name, node in nodes.items()}
    order = transitive((edge["from"], edge["to"]) for edge in picture["edges"])
    guards = [guard for promise in picture["promises"] for guard in guards_of(promise)]
    found: set[Final] = set()
    choices = [list(posets(read_shape(hole["shape"], left=True), limit)) for hole in holes]
    for parts in product(*choices):
        if sum(len(labels) for labels, _ in parts) > limit:
            continue
        if allowed(nodes, holes, parts, guards, names):
            found.add(joined(tasks, holes, parts, order))
    return frozenset(found)


def joined(
    tasks: Mapping[str, str],
    holes: list[Node],
    parts: Iterable[Poset],
    order: frozenset[tuple[str, str]],
) -> Final:
    """Put a graph into the place of each dashed node."""
    stands: dict[str, list[Hashable]] = {name: [name] for name in tasks}
    later: dict[Hashable, str] = {}
    inner: set[tuple[Hashable, Hashable]] = set()
    for hole, (labels, pairs) in zip(holes, parts, strict=True):
        new = [(hole["id"], number) for number in range(len(labels))]
        later.update(zip(new, labels, strict=True))
        stands[hole["id"]] = list(new)
        inner |= {(new[a], new[b]) for a, b in pairs}
    whole = inner | {(a, b) for u, v in order for a in stands.get(u, ()) for b in stands.get(v, ())}
    return canonical(tasks, later, _closed(whole))


def _closed(pairs: set[tuple[Hashable, Hashable]]) -> set[tuple[Hashable, Hashable]]:
    """Add what follows."""
    found = set(pairs)
    while more := {(a, d) for a, b in found for c, d in found if b == c} - found:
        found |= more
    return found


def guards_of(promise: Mapping[str, Any]) -> Iterator[Count | Only]:
    """Read a promise; what is meant by "no new" its count says."""
    for guard in read_guard(promise["text"].replace('"', "")):
        if isinstance(guard, Count):
            high = promise["at_most"] if guard.high == -1 else guard.high
            yield Count(guard.glob, guard.low, high, guard.scope)
        elif isinstance(guard, Only):
            yield guard


def allowed(
    nodes: Nodes,
    holes: list[Node],
    parts: Iterable[Poset],
    guards: Guards,
    names: Mapping[str, str],
) -> bool:
    """Return whether some way of creating these tasks keeps all promises."""
    fixed: Counted = [
        (names[node["id"]], chain(nodes, node.get("created_by")))
        for node in nodes.values()
        if node["kind"] == "task"
    ]
    free: list[tuple[str, list[frozenset[str]]]] = []
    for hole, (labels, _) in zip(holes, parts, strict=True):
        scopes = possible_scopes(nodes, hole)
        free += [(label, scopes) for label in labels]
    scoped = {guard.scope for guard in guards if guard.scope}
    ways = product(*[scopes if scoped else scopes[:1] for _, scopes in free])
    return any(
        keeps(fixed, [(label, scope) for (label, _), scope in zip(free, way, strict=True)], guards)
        for way in ways
    )


def possible_scopes(nodes: Nodes, hole: Node) -> list[frozenset[str]]:
    """Return the chains of creators that what comes into a hole may have."""
    owner = hole["owner"]
    own = chain(nodes, owner)
    found = [own]
    for node in nodes.values():
        if (
            node["kind"] == "task"
            and node.get("speaks")
            and node["state"] in (None, "pending", "ready", "running")
            and owner in chain(nodes, node["id"]) - {node["id"]}
        ):
            found.append(chain(nodes, node["id"]))  # noqa: PERF401 - three conditions are a loop
    return found


def chain(nodes: Nodes, name: str | None) -> frozenset[str]:
    """Return a task and all its creators."""
    found: set[str] = set()
    while name is not None:
        found.add(name)
        name = nodes[name].get("created_by") if name in nodes else None
    return frozenset(found)


def keeps(fixed: Counted, new: Counted, guards: Guards) -> bool:
    """Return whether these tasks keep all promises."""
    for guard in guards:
        if isinstance(guard, Only):
            if any(
                (guard.scope is None or guard.scope in scope)
                and not any(matches(glob, label) for glob in guard.globs)
                for label, scope in new
            ):
                return False
            continue
        count = sum(
            matches(guard.glob, label) and (guard.scope is None or guard.scope in scope)
            for label, scope in [*fixed, *new]
        )
        if count < guard.low or (guard.high is not None and count > guard.high):
            return False
    return True


def posets(shape: Shape, limit: int) -> set[Poset]:
    """Return every graph of an expression, as labels and order, with at most so many tasks."""
    match shape:
        case Lab(name=name):
            return {((name,), frozenset())} if limit else set()
        case Row(items=items, beside=beside):
            found = {EMPTY}
            for item in items:
                found = _added(found, posets(item, limit), limit, beside=beside)
            return found
        case Alt(options=options):
            return {each for option in options for each in posets(option, limit)}
        case Times(body=body, low=low, high=high, beside=beside):
            one = posets(body, limit)
            layer, found, number = {EMPTY}, set[Poset](), 0
            while True:
                if number >= low:
                    found |= layer
                if number == high or number > limit + low:
                    return found
                layer = _added(layer, one, limit, beside=beside)
                number += 1
        case Dots():
            raise ValueError("dots have too many graphs")


def _added(some: set[Poset], more: set[Poset], limit: int, *, beside: bool) -> set[Poset]:
    found: set[Poset] = set()
    for (a, order), (b, other) in product(some, more):
        if len(a) + len(b) > limit:
            continue
        pairs = set(order) | {(u + len(a), v + len(a)) for u, v in other}
        if not beside:
            pairs |= {(u, v + len(a)) for u in range(len(a)) for v in range(len(b))}
        found.add(_sorted(a + b, frozenset(pairs)))
    return found


def _sorted(labels: tuple[str, ...], pairs: frozenset[tuple[int, int]]) -> Poset:
    """Bring the tasks into an order that equal graphs mostly share."""
    numbers = sorted(
        range(len(labels)),
        key=lambda n: (
            sum(b == n for _, b in pairs),
            labels[n],
            sum(a == n for a, _ in pairs),
            n,
        ),
    )
    at = {old: new for new, old in enumerate(numbers)}
    return tuple(labels[n] for n in numbers), frozenset((at[a], at[b]) for a, b in pairs)
