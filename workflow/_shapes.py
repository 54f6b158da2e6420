"""The expressions that say what may come into a hole: data, a normal form, and their text.

A shape is a tree of eight kinds of nodes; the grammar stands in `_shape_text`, which reads what
`str(shape)` writes. A shape knows nothing of tasks, owners or counts that are used up: it is what
was promised, not how far it has come.

Two spellings of one thing have one normal form, so equal promises are equal values. `normal` makes
it of any shape, and `seq`, `par`, `alt`, `times` and `rounds` keep it while building:

- a sequence in a sequence is one sequence, likewise `&` and `|`; one item alone needs neither;
- `()` stands in no sequence and beside nothing; in a choice it is last, and only if no other
  alternative can stay empty;
- what may come at most zero times is `()`, what comes exactly once is the thing itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import ClassVar, TypeAlias

import attrs

from ._promise_tokens import shape_name

# How tightly an expression binds, loosest first: each is put in parentheses where it stands
# directly in one that binds at least as tightly.
_CHOICE, _SIDES, _STEPS, _ITEM = range(4)


@attrs.frozen(cache_hash=True)
class Lab:
    """One task with this label; `place` is the name by which the place is addressed."""

    nullable: ClassVar[bool] = False
    has_wild: ClassVar[bool] = False
    depth: ClassVar[int] = 1

    label: str
    place: str | None = None

    @cached_property
    def labels(self) -> frozenset[str]:
        return frozenset((self.label,))

    def __str__(self) -> str:
        return _placed(self.place) + shape_name(self.label)


@attrs.frozen(cache_hash=True)
class Wild:
    """Anything at all, any number of times: `...`."""

    nullable: ClassVar[bool] = True
    has_wild: ClassVar[bool] = True
    depth: ClassVar[int] = 1
    labels: ClassVar[frozenset[str]] = frozenset()

    place: str | None = None

    def __str__(self) -> str:
        return _placed(self.place) + "..."


@attrs.frozen(cache_hash=True)
class Empty:
    """Nothing: `()`."""

    nullable: ClassVar[bool] = True
    has_wild: ClassVar[bool] = False
    depth: ClassVar[int] = 1
    labels: ClassVar[frozenset[str]] = frozenset()

    def __str__(self) -> str:
        return "()"


@attrs.frozen(cache_hash=True)
class _Several:
    """What a shape of several items knows of itself: computed when first asked, and kept."""

    items: tuple[Shape, ...]

    @cached_property
    def nullable(self) -> bool:
        """Whether it can be completed without any task."""
        return all(item.nullable for item in self.items)

    @cached_property
    def has_wild(self) -> bool:
        """Whether `...` is in it."""
        return any(item.has_wild for item in self.items)

    @cached_property
    def depth(self) -> int:
        """How many levels its tree has."""
        return 1 + max((item.depth for item in self.items), default=0)

    @cached_property
    def labels(self) -> frozenset[str]:
        """The labels that it names."""
        return frozenset[str]().union(*[item.labels for item in self.items])


@attrs.frozen(cache_hash=True)
class Seq(_Several):
    """One after another: `A -> B`."""

    def __str__(self) -> str:
        return " -> ".join(_inside(item, _STEPS) for item in self.items)


@attrs.frozen(cache_hash=True)
class Par(_Several):
    """Side by side, with no order between them: `A & B`."""

    def __str__(self) -> str:
        return " & ".join(_inside(item, _SIDES) for item in self.items)


@attrs.frozen(cache_hash=True)
class Alt(_Several):
    """Exactly one of these: `A | B`; with `Empty` as the last, `A?`."""

    @cached_property
    def nullable(self) -> bool:
        return any(item.nullable for item in self.items)

    def __str__(self) -> str:
        return " | ".join(_inside(item, _CHOICE) for item in self.items)


@attrs.frozen(cache_hash=True)
class _Counted:
    """What a shape of `lo` to `hi` times one item knows of itself; `hi` None is no limit."""

    item: Shape
    lo: int
    hi: int | None

    def __attrs_post_init__(self) -> None:
        assert self.lo >= 0
        assert self.hi is None or self.lo <= self.hi

    @cached_property
    def nullable(self) -> bool:
        # An instance may itself be empty: `(M?)+` asks for no task at all.
        return self.lo == 0 or self.item.nullable

    @property
    def has_wild(self) -> bool:
        return self.item.has_wild

    @cached_property
    def depth(self) -> int:
        return 1 + self.item.depth

    @property
    def labels(self) -> frozenset[str]:
        return self.item.labels


@attrs.frozen(cache_hash=True)
class Map(_Counted):
    """Instances side by side: `M*`, `M+`, `M{2,5}`."""

    def __str__(self) -> str:
        return _inside(self.item, _ITEM) + _times(self.lo, self.hi)


@attrs.frozen(cache_hash=True)
class Loop(_Counted):
    """Rounds one after another, each of fresh tasks: `loop(E){1,5}`."""

    def __str__(self) -> str:
        match self.lo, self.hi:
            case 1, None:
                bounds = ""
            case 0, 1:
                bounds = "?"
            case lo, hi:
                bounds = _times(lo, hi)
        return f"loop({self.item}){bounds}"


Shape: TypeAlias = Lab | Wild | Empty | Seq | Par | Alt | Map | Loop

EMPTY = Empty()


def seq(items: Iterable[Shape]) -> Shape:
    """Put shapes one after another."""
    flat = tuple(part for item in items for part in _parts(item, Seq))
    return _unwrapped(flat) or Seq(flat)


def par(items: Iterable[Shape]) -> Shape:
    """Put shapes side by side."""
    flat = tuple(part for item in items for part in _parts(item, Par))
    return _unwrapped(flat) or Par(flat)


def alt(items: Iterable[Shape]) -> Shape:
    """Make a choice of shapes."""
    parts = [part for item in items for part in (item.items if isinstance(item, Alt) else (item,))]
    flat: list[Shape] = [part for part in parts if not isinstance(part, Empty)]
    if len(flat) < len(parts) and not any(part.nullable for part in flat):
        flat.append(EMPTY)
    return _unwrapped(tuple(flat)) or Alt(tuple(flat))


def optional(item: Shape) -> Shape:
    """Make a shape that may also stay empty: a map of at most one."""
    return times(item, 0, 1)


def times(item: Shape, lo: int, hi: int | None) -> Shape:
    """Make a map of a shape."""
    if hi == 0 or isinstance(item, Empty):
        return EMPTY
    if (lo, hi) == (1, 1) or ((lo, hi) == (0, 1) and item.nullable):
        return item
    return Map(item, lo, hi)


def rounds(item: Shape, lo: int, hi: int | None) -> Shape:
    """Make a loop of a shape."""
    if hi == 0 or isinstance(item, Empty):
        return EMPTY
    return item if (lo, hi) == (1, 1) else Loop(item, lo, hi)


def normal(shape: Shape) -> Shape:
    """Return the normal form, which means the same."""
    match shape:
        case Seq(items):
            return seq(map(normal, items))
        case Par(items):
            return par(map(normal, items))
        case Alt(items):
            return alt(map(normal, items))
        case Map(item, lo, hi):
            return times(normal(item), lo, hi)
        case Loop(item, lo, hi):
            return rounds(normal(item), lo, hi)
        case Lab() | Wild() | Empty():
            return shape


def children(shape: Shape) -> tuple[Shape, ...]:
    """Return what a shape is directly made of, in the order that paths count."""
    match shape:
        case Seq(items) | Par(items) | Alt(items):
            return items
        case Map(item) | Loop(item):
            return (item,)
        case Lab() | Wild() | Empty():
            return ()


def _parts(item: Shape, kind: type[Seq | Par]) -> tuple[Shape, ...]:
    if isinstance(item, Empty):
        return ()
    return item.items if isinstance(item, kind) else (item,)


def _unwrapped(items: tuple[Shape, ...]) -> Shape | None:
    match items:
        case ():
            return EMPTY
        case (item,):
            return item
        case _:
            return None


def _tightness(shape: Shape) -> int:
    match shape:
        case Alt():
            return _CHOICE
        case Par():
            return _SIDES
        case Seq():
            return _STEPS
        case Map() | Loop():
            return _ITEM
        case Lab() | Wild() | Empty():
            return _ITEM + 1


def _inside(shape: Shape, around: int) -> str:
    return str(shape) if _tightness(shape) > around else f"({shape})"


def _times(lo: int, hi: int | None) -> str:
    match lo, hi:
        case 0, None:
            return "*"
        case 0, 1:
            return "?"
        case 1, None:
            return "+"
        case _, None:
            return f"{{{lo},}}"
        case _ if lo == hi:
            return f"{{{lo}}}"
        case _:
            return f"{{{lo},{hi}}}"


def _placed(place: str | None) -> str:
    return "" if place is None else f"{place}="
