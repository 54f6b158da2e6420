"""The incremental order against a plain depth-first search."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from callboard.workflow._graph import (
    GAP,
    CycleError,
    Vertex,
    add_bond,
    add_edge,
    ancestors,
    descendants,
    drop_bond,
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


# --- bonds, and ranks that are shared ---

steps = st.lists(
    st.tuples(st.sampled_from(["edge", "bond", "drop"]), st.integers(0, 7), st.integers(0, 7)),
    max_size=40,
)


@given(st.lists(st.integers(0, 7), min_size=8, max_size=8), steps)
def test_edges_and_bonds_are_refused_exactly_if_they_close_a_cycle_whatever_ranks_are_shared(
    ranks: list[int], wanted: list[tuple[str, int, int]]
) -> None:
    vertices = [Vertex(str(number), ranks[number]) for number in range(8)]
    edges: set[tuple[int, int]] = set()
    bonds: set[tuple[int, int]] = set()

    def rerank() -> None:
        rank_all(vertices, GAP)

    for what, a, b in wanted:
        followers = {n: {y for x, y in edges | bonds if x == n} for n in range(8)}
        if what == "drop":
            drop_bond(vertices[a], vertices[b])
            bonds.discard((a, b))
        elif a == b or a in reachable(followers, b):
            before = [vertex.rank for vertex in vertices]
            with pytest.raises(CycleError) as refused:
                (add_edge if what == "edge" else add_bond)(vertices[a], vertices[b], rerank)
            assert is_cycle(refused.value.cycle, {**followers, a: followers[a] | {b}})
            assert [vertex.rank for vertex in vertices] == before
        elif what == "edge":
            assert add_edge(vertices[a], vertices[b], rerank) == ((a, b) not in edges)
            edges.add((a, b))
        else:
            add_bond(vertices[a], vertices[b], rerank)
            bonds.add((a, b))
        assert all(vertices[x].rank < vertices[y].rank for x, y in edges | bonds)
    for number, vertex in enumerate(vertices):
        assert {int(each.id) for each in vertex.after} == {y for x, y in edges if x == number}
        assert {int(each.id) for each in vertex.binds or ()} == {y for x, y in bonds if x == number}
        for other in vertices:
            followers = {n: {y for x, y in edges | bonds if x == n} for n in range(8)}
            is_behind = int(other.id) in reachable(followers, number) | {number}
            assert bool(path([vertex], {other})) == is_behind


def test_nothing_waits_along_a_bond() -> None:
    a, b, x = (Vertex(name, rank) for rank, name in enumerate("abx"))
    add_bond(a, b)
    add_edge(b, x)
    assert descendants([a]) == []
    assert ancestors([x]) == [b]
    assert path([a], {x}) == [a, b, x]
    with pytest.raises(CycleError, match="x → a → b → x"):
        add_edge(x, a)


def test_a_relation_that_is_gone_closes_no_cycle() -> None:
    a, b = Vertex("a", 0), Vertex("b", 1)
    add_bond(a, b)
    drop_bond(a, b)
    drop_bond(a, b)
    add_edge(b, a)
    assert a.rank > b.rank
