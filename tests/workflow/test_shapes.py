"""Shapes against the plain reading of what they allow: sets of bags of labels."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from typing import TypeAlias

import pytest
from hypothesis import given, strategies as st

from callboard.workflow._shape_text import parse_shape
from callboard.workflow._shapes import (
    EMPTY,
    Alt,
    Empty,
    Lab,
    Loop,
    Map,
    Par,
    Seq,
    Shape,
    Wild,
    children,
    normal,
)

Bags: TypeAlias = frozenset[tuple[str, ...]]

SIZE_MAX = 3
ANYTHING = "anything"
M, N = Lab("M"), Lab("N")


def bags(shape: Shape) -> Bags:
    """Return every bag of up to three labels that a shape allows."""
    match shape:
        case Lab(label):
            return frozenset({(label,)})
        case Empty():
            return frozenset({()})
        case Wild():
            return frozenset((ANYTHING,) * size for size in range(SIZE_MAX + 1))
        case Seq(items) | Par(items):
            return joined(map(bags, items))
        case Alt(items):
            return frozenset(bag for item in items for bag in bags(item))
        case Map(item, lo, hi) | Loop(item, lo, hi):
            # Further instances than these are empty, or make a bag too large to be looked at.
            most = lo + SIZE_MAX if hi is None else min(hi, lo + SIZE_MAX)
            return frozenset(
                bag for times in range(lo, most + 1) for bag in joined([bags(item)] * times)
            )


def joined(parts: Iterable[Bags]) -> Bags:
    whole: Bags = frozenset({()})
    for part in parts:
        pairs = product(whole, part)
        whole = frozenset(tuple(sorted(a + b)) for a, b in pairs if len(a + b) <= SIZE_MAX)
    return whole


def walk(shape: Shape) -> Iterable[Shape]:
    yield shape
    for child in children(shape):
        yield from walk(child)


def shapes(leaves: st.SearchStrategy[Shape]) -> st.SearchStrategy[Shape]:
    """Draw any shape, whether in normal form or not."""

    def counted(item: Shape, loops: bool, lo: int, more: int | None) -> Shape:
        hi = None if more is None else lo + more
        return Loop(item, lo, hi) if loops else Map(item, lo, hi)

    def larger(item: st.SearchStrategy[Shape]) -> st.SearchStrategy[Shape]:
        items = st.lists(item, min_size=1, max_size=3).map(tuple)
        several = items.map(Seq) | items.map(Par) | items.map(Alt)
        more = st.none() | st.integers(0, 2)
        return several | st.builds(counted, item, st.booleans(), st.integers(0, 2), more)

    return st.recursive(leaves, larger, max_leaves=6)


places = st.none() | st.from_regex(r"[a-z0-9](_|[-.]?[a-z0-9]){0,3}", fullmatch=True)
names = st.text(min_size=1, max_size=6) | st.sampled_from(
    [
        "Review Credit",
        "loop",
        "where",
        "no",
        "closed",
        'a"b',
        "\\",
        '\\"',
        "A->B",
        "*",
        "a.b-c",
        "1",
    ]
)
few = shapes(st.sampled_from([M, N, Lab("M", "first"), EMPTY, Wild()]))
any_shapes = shapes(st.builds(Lab, names, places) | st.builds(Wild, places) | st.just(EMPTY))


def has_refused_map(shape: Shape) -> bool:
    """Tell whether an instance of a map is itself only a map or `...`, which no text may say."""
    return any(isinstance(part, Map) and isinstance(part.item, Map | Wild) for part in walk(shape))


@given(any_shapes.map(normal).filter(lambda shape: not has_refused_map(shape)))
def test_what_is_written_is_read_as_the_same_shape(shape: Shape) -> None:
    assert parse_shape(str(shape)) == shape
    assert hash(parse_shape(str(shape))) == hash(shape)


@given(few)
def test_the_normal_form_means_the_same_and_is_its_own(shape: Shape) -> None:
    form = normal(shape)
    assert bags(form) == bags(shape)
    assert normal(form) == form
    for part in walk(form):
        match part:
            case Seq(items) | Par(items):
                assert len(items) > 1
                assert not any(isinstance(item, Empty | type(part)) for item in items)
            case Alt(items):
                assert len(items) > 1
                assert not any(isinstance(item, Empty) for item in items[:-1])
                assert not any(isinstance(item, Alt) for item in items)
            case Map(item, lo, hi) | Loop(item, lo, hi):
                assert item != EMPTY
                assert hi != 0
                assert (lo, hi) != (1, 1)
            case _:
                pass


@given(few)
def test_what_a_shape_knows_of_itself_is_what_it_allows(shape: Shape) -> None:
    parts = list(walk(shape))
    assert shape.nullable == (() in bags(shape))
    assert shape.labels == {part.label for part in parts if isinstance(part, Lab)}
    assert shape.has_wild == any(isinstance(part, Wild) for part in parts)
    assert shape.depth == 1 + max((child.depth for child in children(shape)), default=0)


@pytest.mark.parametrize(
    ("text", "nullable"),
    [
        ("M", False),
        ("M?", True),
        ("M*", True),
        ("M+", False),
        ("M{0,3}", True),
        ("(M?)+", True),
        ("(M?){2}", True),
        ("(M?)+ -> N?", True),
        ("(M?)+ -> N", False),
        ("loop(M)", False),
        ("loop(M)*", True),
        ("loop(M?){2,5}", True),
        ("M | N*", True),
        ("M? & N", False),
        ("...", True),
        ("()", True),
    ],
)
def test_a_shape_is_nullable_if_no_task_need_come(text: str, nullable: bool) -> None:
    assert parse_shape(text).nullable is nullable


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        (Seq((M, Par((M, N)), Alt((M, N)), Seq((M, N)))), "M -> (M & N) -> (M | N) -> (M -> N)"),
        (Par((Seq((M, N)), Alt((M, N)), N)), "M -> N & (M | N) & N"),
        (Alt((Seq((M, N)), Par((M, N)))), "M -> N | M & N"),
        (Map(M, 0, 1), "M?"),
        (Map(Alt((M, N)), 0, 1), "(M | N)?"),
        (Map(Map(M, 1, None), 0, 1), "(M+)?"),
        (Map(Loop(M, 1, None), 0, 1), "(loop(M))?"),
        (Seq((Map(M, 0, 1), N)), "M? -> N"),
        (Map(Map(M, 0, 1), 1, None), "(M?)+"),
        (Map(M, 0, None), "M*"),
        (Map(M, 2, 2), "M{2}"),
        (Map(M, 2, None), "M{2,}"),
        (Alt((M, EMPTY)), "M | ()"),
        (Map(Seq((M, N)), 2, 5), "(M -> N){2,5}"),
        (Map(Loop(M, 1, None), 0, None), "(loop(M))*"),
        (Loop(Seq((M, N)), 1, None), "loop(M -> N)"),
        (Loop(M, 0, None), "loop(M)*"),
        (Loop(M, 0, 1), "loop(M)?"),
        (Loop(Alt((M, N)), 1, 5), "loop(M | N){1,5}"),
        (Map(Lab("M", "first"), 0, None), "first=M*"),
        (Wild("rest"), "rest=..."),
        (Lab("Review Credit"), '"Review Credit"'),
        (Lab("closed"), '"closed"'),
        (Lab('a"b\\'), r'"a\"b\\"'),
        (Lab("page-1.2_x"), "page-1.2_x"),
        (Lab("page-"), '"page-"'),
        (EMPTY, "()"),
    ],
)
def test_a_shape_is_written_with_no_needless_sign(shape: Shape, text: str) -> None:
    assert str(shape) == text


@pytest.mark.parametrize(
    ("spelling", "plain"),
    [
        ("((M -> N)) -> (M)", "M -> N -> M"),
        ("() -> M -> ()", "M"),
        ("M & (N & ())", "M & N"),
        ("() | M | ()", "M | ()"),
        ("M{0,1}", "M?"),
        ("(M?)?", "M?"),
        ("M? | N? | ()", "M? | N?"),
        ("M* | ()", "M*"),
        ("M{1}", "M"),
        ("M{0}", "()"),
        ("M{0} -> N", "N"),
        ("()*", "()"),
        ("loop(M){1}", "M"),
        ("loop(())", "()"),
        ("(M{1})*", "M*"),
        ("() | ()", "()"),
    ],
)
def test_two_spellings_of_one_thing_are_one_shape(spelling: str, plain: str) -> None:
    assert parse_shape(spelling) == parse_shape(plain)
    assert str(parse_shape(spelling)) == plain
