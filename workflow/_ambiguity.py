"""Where a label fits into a shape, and which shapes leave that open.

A creation goes by itself into the place that takes its label and begins the fewest new instances
of maps and loops; that number is the place's *cost* while nothing has been created yet. A shape in
which two places of one label can never be told apart so is refused when it is declared, unless the
places have names to address them by. Of two alternatives the first task decides, so there a label
may not stand in both, at whatever cost.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain, count
from typing import TypeAlias

import attrs

from .._frozen import frozen
from ._promise_tokens import SHOWN_MAX, shortened
from ._shapes import Alt, Empty, Lab, Loop, Map, Par, Seq, Shape, Wild, children

Path: TypeAlias = tuple[int, ...]

_SHAPES_REMEMBERED = 1_024
_NUMBERS = {2: "two", 3: "three"}


@frozen
class Occurrence:
    """One place in a shape.

    Attributes:
        path: How to come to it from the whole: the index of a child at each level.
        cost: How many maps and loops are around it: what a first creation there begins.
        place: Its name, if it has one.
    """

    path: Path
    cost: int
    place: str | None


def occurrences(shape: Shape, label: str | None) -> tuple[Occurrence, ...]:
    """Return the places that are for a label, or with None those for anything, in their order."""
    return places(shape).get(label, ())


@lru_cache(_SHAPES_REMEMBERED)
def places(shape: Shape) -> Mapping[str | None, tuple[Occurrence, ...]]:
    """Return all places of a shape by their label, those for anything under None."""
    found: defaultdict[str | None, list[Occurrence]] = defaultdict(list)
    rest: list[tuple[Shape, Path, int]] = [(shape, (), 0)]
    while rest:
        part, path, cost = rest.pop()
        match part:
            case Lab(label, place):
                found[label].append(Occurrence(path, cost, place))
            case Wild(place):
                found[None].append(Occurrence(path, cost, place))
            case _:
                cost += isinstance(part, Map | Loop)
                inner = [(each, (*path, at), cost) for at, each in enumerate(children(part))]
                rest.extend(reversed(inner))
    return {label: tuple(every) for label, every in found.items()}


def ambiguities(shape: Shape) -> list[str]:
    """Say what keeps a shape from being filled without more names; nothing if it is fine."""
    found = places(shape)
    names = Counter(each.place for each in chain(*found.values()) if each.place is not None)
    repeated = [
        f'place "{name}" stands more than once in "{shortened(str(shape))}": '
        "give each place a name of its own"
        for name, times in names.items()
        if times > 1
    ]
    unclear = ((label, _clashing(shape, every)) for label, every in found.items())
    return repeated + [_advice(shape, label, paths, names) for label, paths in unclear if paths]


def _clashing(shape: Shape, every: Iterable[Occurrence]) -> list[Path]:
    """Return the places without a name that a creation cannot tell from another one."""
    unnamed = [each for each in every if each.place is None]
    if len(unnamed) < 2:  # noqa: PLR2004  two are needed to clash
        return []
    costs = Counter(each.cost for each in unnamed)
    taken: defaultdict[Path, set[int]] = defaultdict(set)
    for choice, side in chain.from_iterable(_choices(shape, each.path) for each in unnamed):
        taken[choice].add(side)
    return [
        each.path
        for each in unnamed
        if costs[each.cost] > 1
        or any(len(taken[choice]) > 1 for choice, _ in _choices(shape, each.path))
    ]


def _choices(shape: Shape, path: Path) -> Iterator[tuple[Path, int]]:
    """Name the choices on the way to a place, each with the alternative that leads there."""
    for level, side in enumerate(path):
        if isinstance(shape, Alt):
            yield path[:level], side
        shape = children(shape)[side]


def _advice(shape: Shape, label: str | None, paths: Sequence[Path], taken: Container[str]) -> str:
    what = "any label" if label is None else f'label "{label}"'
    number = _NUMBERS.get(len(paths), str(len(paths)))
    words = chain(("first", "second", "third"), (f"place-{number}" for number in count(4)))
    free = (word for word in words if word not in taken)
    named = _named(shape, dict(zip(paths, free, strict=False)))
    if max(len(str(shape)), len(str(named))) > SHOWN_MAX:
        shape, named = _nearer(shape, paths), _nearer(named, paths)
    return (
        f'{what} fits {number} places of "{shortened(str(shape))}": '
        f'name them, as in "{shortened(str(named))}"'
    )


def _named(shape: Shape, names: Mapping[Path, str], path: Path = ()) -> Shape:
    """Give names to the places at some paths."""
    match shape:
        case Lab() | Wild():
            return attrs.evolve(shape, place=names.get(path, shape.place))
        case Seq(items) | Par(items) | Alt(items):
            inner = tuple(_named(each, names, (*path, at)) for at, each in enumerate(items))
            return attrs.evolve(shape, items=inner)
        case Map(item) | Loop(item):
            return attrs.evolve(shape, item=_named(item, names, (*path, 0)))
        case Empty():
            return shape


def _nearer(shape: Shape, paths: Sequence[Path]) -> Shape:
    """Leave out of a shape what is around some places, and what stands beside them."""
    while len(sides := sorted({path[0] for path in paths})) == 1:
        shape, paths = children(shape)[sides[0]], [path[1:] for path in paths]
    match shape:
        case Seq(items) | Par(items) | Alt(items):
            return attrs.evolve(shape, items=tuple(items[side] for side in sides))
        case _:
            return shape
