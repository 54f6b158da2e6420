"""The incremental order against a plain depth-first search."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from callboard.workflow._graph import (
    CycleError,
    Vertex,
    add_edge,
    ancestors,
    descendants,
    path,
    rank_all,
)

edges = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=40)


def reachable(followers: dict[int, set[int]], start: int) -> set[int]:
    """Return what a plain search finds behind a vertex."""
    found: set[int] = set()
    stack = [start]
    while stack:
        for follower in followers[stack.pop()] - found:
            found.add(follower)
            stack.append(follower)
    return found


def is_cycle(cycle: tuple[str, ...], followers: dict[int, set[int]]) -> bool:
    steps = pairwise(map(int, cycle))
    return cycle[0] == cycle[-1] and all(b in followers[a] for a, b in steps)


@given(st.permutations(range(8)), edges)
def test_an_edge_is_refused_exactly_if_it_closes_a_cycle_which_is_named(
    ranks: list[int], wanted: list[tuple[int, int]]
) -> None:
    vertices = [Vertex(str(number), ranks[number]) for number in range(8)]
    followers: dict[int, set[int]] = {number: set() for number in range(8)}
    for a, b in wanted:
        closes = a == b or a in reachable(followers, b)
        before = [vertex.rank for vertex in vertices]
        if closes:
            with pytest.raises(CycleError) as refused:
                add_edge(vertices[a], vertices[b])
            assert is_cycle(refused.value.cycle, {**followers, a: followers[a] | {b}})
            assert refused.value.cycle[:2] == (str(a), str(b))
            assert [vertex.rank for vertex in vertices] == before
        else:
            assert add_edge(vertices[a], vertices[b]) == (b not in followers[a])
            followers[a].add(b)
    for number, vertex in enumerate(vertices):
        behind = {str(each) for each in reachable(followers, number)}
        assert {each.id for each in descendants([vertex])} == behind
        assert all(vertex.rank < each.rank for each in vertex.after)
        assert all(vertex in each.before for each in vertex.after)
        assert all(vertex in ancestors([each]) for each in descendants([vertex]))
    assert sorted(vertex.rank for vertex in vertices) == list(range(8))


@given(edges)
def test_ranking_all_at_once_finds_an_order_or_a_whole_cycle(wanted: list[tuple[int, int]]) -> None:
    vertices = [Vertex(str(number), 0) for number in range(8)]
    followers: dict[int, set[int]] = {number: set() for number in range(8)}
    for a, b in wanted:
        if b not in followers[a]:
            followers[a].add(b)
            vertices[a].after.append(vertices[b])
            vertices[b].before.append(vertices[a])
    if any(number in reachable(followers, number) for number in range(8)):
        with pytest.raises(CycleError) as refused:
            rank_all(vertices)
        assert is_cycle(refused.value.cycle, followers)
    else:
        rank_all(vertices)
        assert all(vertex.rank < each.rank for vertex in vertices for each in vertex.after)


def test_a_way_is_given_whole_or_not_at_all() -> None:
    a, b, d, x = (Vertex(name, rank) for rank, name in enumerate("abdx"))
    add_edge(a, b)
    add_edge(b, d)
    assert path([a, x], {d}) == [a, b, d]
    assert path([a], {a}) == [a]
    assert path([a], {x}) == []


def test_a_cycle_names_its_vertices_in_order() -> None:
    with pytest.raises(CycleError, match="a → a"):
        add_edge(a := Vertex("a", 0), a)
