"""The solver of linear constraints against trying out everything."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings, strategies as st

from callboard.workflow._intervals import System, TooEntangled

BOUNDS = st.tuples(st.integers(-3, 6), st.integers(-1, 6)).map(lambda b: (b[0], b[0] + b[1]))


@st.composite
def systems(draw: st.DrawFn) -> System:
    """Draw up to four variables in small intervals, and up to four rows."""
    system = System()
    count = draw(st.integers(1, 4))
    for _ in range(count):
        system.variable(*draw(BOUNDS))
    for _ in range(draw(st.integers(0, 4))):
        factors = draw(st.lists(st.integers(-3, 3), min_size=count, max_size=count))
        low = draw(st.integers(-20, 20))
        system.require(dict(enumerate(factors)), low, low + draw(st.integers(-1, 25)))
    return system


def holds(system: System, values: tuple[int, ...]) -> bool:
    return all(
        low <= sum(factor * values[number] for number, factor in sums.items()) <= high
        for sums, low, high in system.rows
    )


def solutions(system: System) -> set[tuple[int, ...]]:
    ranges = [range(low, high + 1) for low, high in zip(system.lows, system.highs, strict=True)]
    return {values for values in product(*ranges) if holds(system, values)}


@settings(max_examples=500, deadline=None)
@given(systems())
def test_a_way_is_found_exactly_if_there_is_one(system: System) -> None:
    bounds = list(system.lows), list(system.highs)
    found = system.solve()
    every = solutions(system)
    if found is None:
        assert every == set()
    else:
        assert tuple(found) in every
    assert (system.lows, system.highs) == bounds


def test_without_rows_the_least_values_are_given() -> None:
    system = System()
    assert [system.variable(2, 5), system.variable(-1, 1 << 40)] == [0, 1]
    assert system.solve() == [2, -1]


def test_an_empty_interval_has_no_value() -> None:
    system = System()
    system.variable(1, 0)
    system.require({0: 1}, -9, 9)
    assert system.solve() is None


def test_a_row_of_nothing_is_true_or_not() -> None:
    for low, high, answer in ((0, 0, [1]), (1, 2, None), (-5, 5, [1]), (-5, -1, None)):
        system = System()
        system.require({system.variable(1, 1): 0}, low, high)
        assert system.solve() == answer


def test_large_numbers_cost_no_more_than_small_ones() -> None:
    many = 1 << 40
    system = System()
    x, y, z = (system.variable(0, many) for _ in range(3))
    system.require({x: 1, y: -2}, 0, 0)
    system.require({z: 1, x: -3}, 0, many)
    system.require({x: 1, y: 1, z: 1}, 1_000_000, 1_000_000_000)
    found = system.solve()
    assert found is not None
    assert found[0] == 2 * found[1]
    assert found[2] >= 3 * found[0]
    assert 1_000_000 <= sum(found) <= 1_000_000_000


def test_parity_is_seen() -> None:
    system = System()
    x, y = system.variable(0, 50), system.variable(0, 50)
    system.require({x: 2, y: -2}, 1, 1)
    assert system.solve() is None


def test_what_would_take_too_long_is_given_up_and_not_guessed() -> None:
    """A knapsack of many even weights and an odd sum: no bound ever rules it out."""
    system = System()
    numbers = [system.variable(0, 1 << 20) for _ in range(12)]
    system.require({number: 2 * (3 + number) for number in numbers}, 1_000_001, 1_000_001)
    with pytest.raises(TooEntangled):
        system.solve()
