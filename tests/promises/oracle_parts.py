"""Parts: shapes that are being filled. All is values; nothing changes in place.

Part of the oracle: it shares nothing with the package and must not import it.

A *leaf* is a part in which something is still to be decided: a place without its task, a choice
that nobody has taken, a map or loop that may begin another instance, dots. Each leaf has an owner
of its own. A choice that was taken is its branch; a closed leaf has no owner.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from itertools import product

import attrs

from .oracle_shapes import Alt, Dots, Lab, Row, Shape, Times, first_name, places

Address = tuple[str, ...]
LATER = "?"  # how the id of a task begins that a search has thought up
DOTS_COST = 1_000  # a named place goes before dots


@attrs.frozen(cache_hash=True)
class Place:
    """A name, with its task once there is one."""

    name: str
    key: str
    owner: str | None
    task: str | None = None


@attrs.frozen(cache_hash=True)
class Group:
    """Parts side by side or one after the other. Nothing is to be decided about itself."""

    items: tuple[Node, ...]
    beside: bool = False


@attrs.frozen(cache_hash=True)
class Choice:
    """A choice that nobody has taken."""

    options: tuple[Shape, ...]
    owner: str


@attrs.frozen(cache_hash=True)
class Many:
    """A map or a loop: its instances or rounds, each with the id of the task that began it."""

    shape: Times
    owner: str | None
    parts: tuple[tuple[str, Node], ...] = ()


@attrs.frozen(cache_hash=True)
class Wild:
    """Dots: their tasks, and the order among these that commands have asked for."""

    key: str
    owners: tuple[str, ...]
    tasks: tuple[str, ...] = ()
    order: frozenset[tuple[str, str]] = frozenset()


Node = Place | Group | Choice | Many | Wild
GONE = Wild("gone", ())

# A way to fill a part: what it costs, the path to the place, and the part afterwards.
Filling = tuple[int, Address, Node]
# A task, or an open leaf by its address.
Vertex = str | Address
Poset = tuple[list[Vertex], frozenset[tuple[int, int]]]
# What a search creates at once: each with its label and the one who creates it.
Births = tuple[tuple[str, str], ...]


def is_open(node: Node) -> bool:
    """Tell whether a leaf still has somebody to decide about it."""
    return isinstance(node, Choice) or bool(node.owners if isinstance(node, Wild) else owned(node))


def owned(node: Node) -> str | None:
    """Return a leaf's owner, where it can have but one."""
    return None if isinstance(node, Group | Wild) else node.owner


def owners(leaf: Node) -> tuple[str, ...]:
    """Return all who own a leaf."""
    one = owned(leaf)
    return leaf.owners if isinstance(leaf, Wild) else (one,) if one else ()


def step(node: Node) -> Address:
    """Return what a part adds to the address of what it stands in."""
    match node:
        case Place(key=key):
            return (key,)
        case Many(shape=shape):
            return (shape.key,)
        case Wild(key=key):
            return (key,)
        case _:
            return ()


@functools.lru_cache(maxsize=50_000)
def leaves(node: Node, address: Address) -> tuple[tuple[Address, Node], ...]:
    """Return the open leaves of a part, in the order of the text."""
    found: list[tuple[Address, Node]] = []
    match node:
        case Group(items=items):
            for item in items:
                found += leaves(item, address + step(item))
            return tuple(found)
        case Many(parts=parts):
            for key, part in parts:
                found += leaves(part, (*address, key, *step(part)))
        case _:
            pass
    if is_open(node):
        last = (first_name(Alt(node.options)),) if isinstance(node, Choice) else ()
        found.append((address + last, node))
    return tuple(found)


@functools.lru_cache(maxsize=50_000)
def same(node: Node) -> Node:
    """Return the one part that stands for all equal ones: what is the same is compared quickly."""
    return node


def addresses(node: Node, address: Address) -> Iterator[Address]:
    """Go through the addresses of a part and of all that is in it."""
    yield address
    match node:
        case Group(items=items):
            for item in items:
                yield from addresses(item, address + step(item))
        case Many(parts=parts):
            for key, part in parts:
                yield (*address, key)
                yield from addresses(part, (*address, key, *step(part)))
        case Choice(options=options):
            yield (*address, first_name(Alt(options)))
        case _:
            pass


def edit(
    node: Node,
    address: Address,
    change: Callable[[Address, Node], Node],
    only: Address | None = None,
) -> Node:
    """Rebuild a part with its open leaves changed, or `only` the one at an address."""

    def inner(part: Node, here: Address) -> Node:
        is_on_the_way = only is None or here == only[: len(here)]
        return edit(part, here, change, only) if is_on_the_way else part

    if not leaves(node, address):
        return node
    match node:
        case Group(items=items):
            inside = tuple(inner(each, address + step(each)) for each in items)
            is_new = any(new is not old for new, old in zip(inside, items, strict=True))
            return Group(inside, node.beside) if is_new else node
        case Many(parts=parts):
            begun = tuple((key, inner(part, (*address, key, *step(part)))) for key, part in parts)
            if any(new is not old for (_, new), (_, old) in zip(begun, parts, strict=True)):
                node = many(node, begun)
        case Choice(options=options):
            address = (*address, first_name(Alt(options)))
        case _:
            pass
    return change(address, node) if is_open(node) else node


@functools.lru_cache(maxsize=50_000)
def swap(node: Node, address: Address, new: Node) -> Node:
    """Put another leaf in the place of one."""
    return same(edit(node, (), lambda here, leaf: new if here == address else leaf, address))


def many(node: Many, parts: tuple[tuple[str, Node], ...]) -> Many:
    """Give a map its instances. Those that a search has thought up are named by their number.

    The order of these means nothing in a map, so that it is made the same.
    """
    known = tuple(each for each in parts if not each[0].startswith(LATER))
    later = [part for key, part in parts if key.startswith(LATER)]
    if node.shape.beside:
        later.sort(key=hash)
    named = tuple((f"{LATER}{number}", part) for number, part in enumerate(later))
    return Many(node.shape, node.owner, known + named)


@functools.lru_cache(maxsize=50_000)
def labels_of(leaf: Node, anything: tuple[str, ...]) -> tuple[str, ...]:
    """Return the labels that a leaf could take."""
    match leaf:
        case Place(name=name):
            return (name,)
        case Choice(options=options):
            inside: Shape = Alt(options)
        case Many(shape=shape):
            inside = shape
        case _:
            return anything
    found = [place for place, _ in places(inside)]
    names = {each.name for each in found if isinstance(each, Lab)}
    names |= set(anything) if any(isinstance(each, Dots) for each in found) else set()
    return tuple(sorted(names))


def way_into(address: Address, leaf: Node) -> str:
    """Return the address under which a task is put into a leaf itself."""
    if isinstance(leaf, Many):
        return "/".join((*address, "+"))
    return "/".join(address[:-1] if isinstance(leaf, Choice) else address)


class Parts:
    """The rules about parts."""

    def __init__(self) -> None:
        self.posets: dict[tuple[Node, Address | None], Poset] = {}

    def nothing_needed(self, shape: Shape) -> bool:
        """Tell whether a shape is complete with no task at all."""
        match shape:
            case Lab():
                return False
            case Row(items=items):
                return all(self.nothing_needed(each) for each in items)
            case Alt(options=options):
                return any(self.nothing_needed(each) for each in options)
            case Times(body=body, low=low):
                return low == 0 or self.nothing_needed(body)
            case Dots():
                return True

    def owes(self, leaf: Node) -> bool:
        """Tell whether a leaf must not close as it is; what stands in it are other leaves."""
        match leaf:
            case Place(task=task):
                return task is None
            case Choice(options=options):
                return not self.nothing_needed(Alt(options))
            case Many(shape=shape, parts=parts):
                return not (len(parts) >= shape.low or self.nothing_needed(shape.body))
            case _:
                return False

    def sprout(self, shape: Shape, owner: str) -> Node:
        """Make a part of a shape."""
        match shape:
            case Lab(name=name, key=key):
                return Place(name, key, owner)
            case Row(items=items, beside=beside):
                return Group(tuple(self.sprout(each, owner) for each in items), beside)
            case Alt(options=options):
                return Choice(options, owner)
            case Times():
                return Many(shape, owner)
            case Dots(key=key):
                return Wild(key, (owner,))

    def fillings(self, node: Node, who: str, label: str, ref: str) -> Iterator[Filling]:
        """Go through all ways in which `who` may put a task with this label into a part."""
        match node:
            case Place(name=name, key=key, owner=owner):
                if owner == who and name == label:
                    yield 0, (), Place(name, key, None, ref)
            case Group(items=items):
                for at, item in enumerate(items):
                    for cost, path, new in self.fillings(item, who, label, ref):
                        inside = (*items[:at], new, *items[at + 1 :])
                        yield cost, step(new) + path, Group(inside, node.beside)
            case Choice(options=options, owner=owner):
                for option in options if owner == who else ():
                    yield from self.fillings(self.sprout(option, who), who, label, ref)
            case Many():
                yield from self.fill_begun(node, who, label, ref)
                yield from self.begin_one(node, who, label, ref)
            case Wild(owners=several, tasks=tasks):
                if who in several:
                    yield DOTS_COST, (), attrs.evolve(node, tasks=(*tasks, ref))

    def fill_begun(self, node: Many, who: str, label: str, ref: str) -> Iterator[Filling]:
        """Fill an instance or a round that there is."""
        for at, (key, part) in enumerate(node.parts):
            for cost, path, new in self.fillings(part, who, label, ref):
                parts = (*node.parts[:at], (key, new), *node.parts[at + 1 :])
                yield cost, (key, *step(new), *path), many(node, parts)

    def begin_one(self, node: Many, who: str, label: str, ref: str) -> Iterator[Filling]:
        """Begin an instance of a map, or the next round of a loop."""
        if node.owner == who:
            for cost, path, new in self.fillings(
                self.sprout(node.shape.body, who), who, label, ref
            ):
                grown = many(node, (*node.parts, (ref, new)))
                if len(grown.parts) == node.shape.high:
                    grown = Many(node.shape, None, grown.parts)
                yield cost + 1, ("+", *step(new), *path), grown

    def close(self, leaf: Node, who: str | None = None) -> Node:
        """Close a leaf; with `who`, only for this owner of dots."""
        match leaf:
            case Many(shape=shape, parts=parts):
                return Many(shape, None, parts)
            case Wild(owners=several):
                left = tuple(each for each in several if who is not None and each != who)
                return attrs.evolve(leaf, owners=left)
            case _:
                return GONE

    def hand_over(self, leaf: Node, who: str, to: str) -> Node:
        """Let somebody else own a leaf."""
        if isinstance(leaf, Wild):
            left = tuple(each for each in leaf.owners if each not in (who, to))
            return attrs.evolve(leaf, owners=(*left, to))
        return leaf if isinstance(leaf, Group) else attrs.evolve(leaf, owner=to)

    def heirs(
        self, node: Node, front: str | None, address: Address
    ) -> Iterator[tuple[Address, str | None]]:
        """Go through the open leaves, each with the one task directly in front, if it is one."""
        match node:
            case Group(items=items):
                for item in items:
                    yield from self.heirs(item, front, address + step(item))
                    front = front if node.beside else self.end(item, front)
                return
            case Many(parts=parts, shape=shape):
                for key, part in parts:
                    yield from self.heirs(part, front, (*address, key, *step(part)))
                    front = front if shape.beside else self.round_end(part, front)
            case Choice(options=options):
                address = (*address, first_name(Alt(options)))
            case _:
                pass
        if is_open(node):
            yield address, front

    def round_end(self, part: Node, front: str | None) -> str | None:
        """Return the one task in front of the next round of a loop."""
        return self.end(part, front)

    def end(self, node: Node, front: str | None) -> str | None:
        """Return the one task in which a part ends, if it is one; an empty group is not there."""
        match node:
            case Place(task=task):
                return task
            case Group(items=items, beside=beside) if not beside or len(items) < 2:
                for item in items:
                    front = self.end(item, front)
                return front
            case _:
                return None

    def poset(self, node: Node, address: Address | None = None) -> Poset:
        """Return the tasks of a part and which are in front of which, by number.

        With an address, the open leaves stand among the tasks, by their addresses.
        """
        key = (node, address)
        if key not in self.posets:
            self.posets[key] = self.new_poset(node, address)
        return self.posets[key]

    def new_poset(self, node: Node, address: Address | None) -> Poset:
        """Work out an order; see `poset`."""

        def inner(part: Node, *path: str) -> Poset:
            return self.poset(part, None if address is None else (*address, *path, *step(part)))

        mark: list[Vertex] = []
        if address is not None and is_open(node):
            named = (first_name(Alt(node.options)),) if isinstance(node, Choice) else ()
            mark = [(*address, *named)]
        match node:
            case Place(task=task):
                return ([task] if task else mark), frozenset()
            case Group(items=items, beside=beside):
                return joined([inner(each) for each in items], beside=beside)
            case Many(parts=parts, shape=shape):
                rounds = [inner(part, key) for key, part in parts]
                return joined([*rounds, (mark, frozenset())], beside=shape.beside)
            case Wild(tasks=tasks, order=order):
                at = {ref: number for number, ref in enumerate(tasks)}
                return [*tasks, *mark], frozenset((at[u], at[v]) for u, v in order)
            case Choice():
                return mark, frozenset()


def joined(parts: list[Poset], *, beside: bool) -> Poset:
    """Put parts side by side or one after the other."""
    vertices: list[Vertex] = []
    pairs: set[tuple[int, int]] = set()
    for inside, order in parts:
        far = len(vertices)
        if not beside:
            pairs |= set(product(range(far), range(far, far + len(inside))))
        pairs |= {(far + u, far + v) for u, v in order}
        vertices += inside
    return vertices, frozenset(pairs)
