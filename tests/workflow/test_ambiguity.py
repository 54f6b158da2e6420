"""Which shapes leave open where a label goes, against a comparison of all pairs of places."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, strategies as st

from callboard.workflow._ambiguity import Occurrence, ambiguities, occurrences, places
from callboard.workflow._shape_text import parse_shape
from callboard.workflow._shapes import (
    Alt,
    Lab,
    Loop,
    Map,
    Shape,
    Wild,
    alt,
    children,
    par,
    rounds,
    seq,
    times,
)

leaves = st.builds(Lab, st.sampled_from("MN"), st.none() | st.sampled_from(["p", "q", "r"]))


def larger(item: st.SearchStrategy[Shape]) -> st.SearchStrategy[Shape]:
    items = st.lists(item, min_size=2, max_size=3)
    counted = item.map(lambda each: times(each, 0, None)) | item.map(
        lambda each: rounds(each, 1, 3)
    )
    return items.map(seq) | items.map(par) | items.map(alt) | counted


shapes = st.recursive(leaves | st.builds(Wild), larger, max_leaves=7)


def leaf(shape: Shape, path: tuple[int, ...]) -> tuple[Shape, int]:
    """Go to a place, counting the maps and loops on the way."""
    cost = 0
    for side in path:
        cost += isinstance(shape, Map | Loop)
        shape = children(shape)[side]
    return shape, cost


def fork(shape: Shape, one: tuple[int, ...], other: tuple[int, ...]) -> Shape:
    """Return the least part that holds two places."""
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        shape = children(shape)[a]
    return shape


def clash(shape: Shape, one: Occurrence, other: Occurrence) -> bool:
    if one.place is not None or other.place is not None:
        return False
    return one.cost == other.cost or isinstance(fork(shape, one.path, other.path), Alt)


@given(shapes)
def test_a_shape_is_ambiguous_if_two_of_its_places_are(shape: Shape) -> None:
    found = places(shape)
    names = [each.place for every in found.values() for each in every if each.place is not None]
    said = ambiguities(shape)
    for label, every in found.items():
        what = "any label fits" if label is None else f'label "{label}" fits'
        unclear = any(clash(shape, one, other) for one, other in combinations(every, 2))
        assert unclear == any(message.startswith(what) for message in said)
    for name in set(names):
        repeated = any(message.startswith(f'place "{name}" stands') for message in said)
        assert repeated == (names.count(name) > 1)


@given(shapes)
def test_a_place_is_found_where_its_path_leads(shape: Shape) -> None:
    for label, every in places(shape).items():
        assert every == occurrences(shape, label)
        for each in every:
            expected = Wild(each.place) if label is None else Lab(label, each.place)
            assert leaf(shape, each.path) == (expected, each.cost)
    assert shape.labels == places(shape).keys() - {None}
    assert occurrences(shape, "other") == ()


@pytest.mark.parametrize(
    "text",
    [
        "M",
        "M -> M*",
        "M & M* & (N -> M*)*",
        "loop(M -> loop(M))",
        "M?|N",
        "(N -> M) | (J -> K)",
        "first=M* & second=M*",
        "(first=N -> M) | (second=N -> K)",
        "A -> ... -> B",
        "first=... -> M -> second=...",
        "M & ...",
        "()",
    ],
)
def test_a_shape_whose_places_can_be_told_apart_is_fine(text: str) -> None:
    assert ambiguities(parse_shape(text)) == []


@pytest.mark.parametrize(
    ("text", "what", "named"),
    [
        ("M* & M*", 'label "M" fits two', "first=M* & second=M*"),
        ("M* -> M*", 'label "M" fits two', "first=M* -> second=M*"),
        ("M -> M", 'label "M" fits two', "first=M -> second=M"),
        ("M & M? & M", 'label "M" fits two', "first=M & M? & second=M"),
        ("M & M & M", 'label "M" fits three', "first=M & second=M & third=M"),
        ("M & M & M & M", 'label "M" fits 4', "first=M & second=M & third=M & place-4=M"),
        ("N -> M | N -> K", 'label "N" fits two', "first=N -> M | second=N -> K"),
        ("N -> M | J -> M*", 'label "M" fits two', "N -> first=M | J -> second=M*"),
        ("(A -> M)* & (B -> M)*", 'label "M" fits two', "(A -> first=M)* & (B -> second=M)*"),
        ("loop(M) -> M{2,5}", 'label "M" fits two', "loop(first=M) -> second=M{2,5}"),
        ("first=M & M & M", 'label "M" fits two', "first=M & second=M & third=M"),
        ("... -> M -> ...", "any label fits two", "first=... -> M -> second=..."),
    ],
)
def test_the_message_shows_the_places_and_how_to_name_them(
    text: str, what: str, named: str
) -> None:
    expected = f'{what} places of "{text}": name them, as in "{named}"'
    assert ambiguities(parse_shape(text)) == [expected]
    assert ambiguities(parse_shape(named)) == []


def test_each_ambiguous_label_is_named() -> None:
    said = ambiguities(parse_shape("(M -> N) & (N -> M) & K"))
    assert [message.split(" fits ")[0] for message in said] == ['label "M"', 'label "N"']


def test_a_name_is_given_to_one_place_only() -> None:
    shape = parse_shape("X & X* where X = first=M -> second=N")
    assert [message.split(":")[0] for message in ambiguities(shape)] == [
        'place "first" stands more than once in "first=M -> second=N & (first=M -> second=N)*"',
        'place "second" stands more than once in "first=M -> second=N & (first=M -> second=N)*"',
    ]


def test_of_a_long_shape_only_the_places_are_shown() -> None:
    others = " -> ".join(f"task{number}" for number in range(50))
    text = f"{others} -> ({others.replace('task', 'other')} & (A -> M)* & M+ & N)"
    (message,) = ambiguities(parse_shape(text))
    assert message.startswith('label "M" fits two places of "(A -> M)* & M+": ')
    assert message.endswith('name them, as in "(A -> first=M)* & second=M+"')


def test_a_shape_of_many_places_is_judged_at_once() -> None:
    (message,) = ambiguities(parse_shape("&".join("M" * 10_000)))
    assert message.startswith('label "M" fits 10000 places')
    assert len(message) < 300
