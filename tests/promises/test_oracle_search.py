"""The oracle against a slower search, against itself at other moments, and against planted bugs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import islice, permutations, product
from random import Random

import attrs
import pytest

from .oracle import Blind, Create, Move, Oracle, Promise, State, TooManyError, has_dots
from .oracle_bugs import BUGS, differs, is_small, walk
from .oracle_open import may_edges, may_orders
from .oracle_parts import Many, labels_of, owners, way_into
from .oracle_scenarios import guard, scenarios

SEED = 2


def moments(number: int, *, moves: int = 15) -> Iterator[tuple[State, Move, str, State]]:
    """Go through random runs: each moment, a move, what is said about it, and the next moment."""
    for count, scenario in enumerate(islice(scenarios(SEED), number)):
        run = walk(scenario, count)
        state = run.begin
        for at in range(moves):
            if state is None or state.is_over:
                break
            before, move = state, run.move(at, state)
            verdict, state = run.after[at]
            yield before, move, verdict, state


@pytest.mark.parametrize("name", BUGS)
def test_every_planted_bug_is_found(name: str) -> None:
    assert any(
        differs(BUGS[name](), scenario, number)
        for number, scenario in enumerate(islice(scenarios(SEED), 1500))
    )


def test_nothing_is_found_where_there_is_no_bug() -> None:
    for number, scenario in enumerate(islice(scenarios(SEED), 200)):
        assert not differs(Oracle(), scenario, number)


def test_looking_ahead_finds_what_walking_finds() -> None:
    oracle, blind, seen = Oracle(), Blind(), 0
    for _, _, _, state in moments(100):
        if is_small(state) and len(state.tasks) < 6 and len([*state.leaves()]) < 3:
            with suppress(TooManyError):
                assert blind.finals(state, 1) == oracle.finals(state, 1), state
                seen += 1
    assert seen > 200


def test_what_is_broken_leads_nowhere() -> None:
    blind, seen = Blind(), 0
    for state, move, verdict, _ in moments(400):
        if verdict == "broken" and is_small(state) and len(state.tasks) < 7:
            after_all, there = blind.apply(state, move)
            if after_all == "ok":
                with suppress(TooManyError):
                    assert not blind.finals(there, 1), (state, move)
                    seen += 1
    assert seen


def test_what_closes_early_could_not_be_filled() -> None:
    blind, seen = Blind(), 0
    for state, move, verdict, there in moments(900):
        if verdict == "ok" and is_small(state):
            _, plain = blind.apply(state, move)
            for creation in closed_ways(blind, plain, there):
                _, after_all = blind.apply(plain, creation)
                with suppress(TooManyError):
                    assert not blind.finals(after_all, 1), (plain, creation)
                    seen += 1
        if seen > 10:
            break
    assert seen > 3


def closed_ways(blind: Blind, plain: State, there: State) -> Iterator[Create]:
    """Go through the creations that would be ok, had the oracle not closed a part early."""
    left = {address for address, _ in there.leaves()}
    for address, leaf in plain.leaves() if len([*plain.leaves()]) < 3 else ():
        for who, label in product(owners(leaf), labels_of(leaf, ())):
            creation = Create(who, label, way_into(address, leaf))
            is_closed = isinstance(leaf, Many) and address not in left and len(plain.tasks) < 5
            if is_closed and blind.apply(plain, creation)[0] == "ok":
                yield creation


def test_what_is_ok_leads_somewhere() -> None:
    oracle = Oracle()
    for state, move, verdict, there in moments(150):
        if verdict == "ok" and is_small(there):
            assert any(oracle.finals(there, limit) for limit in (0, 2, 4, 6, 9)), (state, move)


def test_what_may_come_only_shrinks() -> None:
    oracle = Oracle()
    for state, move, _, there in moments(150):
        if is_small(state):
            new = len(there.tasks) - len(state.tasks)
            assert oracle.finals(there, 2, since=state) <= oracle.finals(state, 2 + new), move


def test_may_labels_are_those_of_the_final_graphs() -> None:
    oracle = Oracle()
    for _, _, _, state in moments(150):
        if is_small(state):
            may = oracle.may_labels(state)
            assert shown(oracle, state, 3) <= may
            assert may <= shown(oracle, state, 3) or may == shown(oracle, state, 8), state


def shown(oracle: Oracle, state: State, limit: int) -> set[str]:
    """Return the labels of the later tasks of all final graphs."""
    return {
        label
        for final in oracle.finals(state, limit)
        for tasks, _ in final.later
        for (label, _, _), _ in tasks
    }


def test_the_order_of_promises_does_not_matter_and_twice_is_harmless() -> None:
    oracle = Oracle()
    for scenario in islice(scenarios(SEED), 200):
        texts = scenario.guards
        verdicts = {
            oracle.begin(attrs.evolve(scenario, guards=(*some, *texts[:1])))[0]
            for some in permutations(texts)
        }
        assert len(verdicts) == 1


def test_promises_that_are_accepted_commute() -> None:
    oracle, seen = Oracle(), 0
    for number, (_, _, _, state) in enumerate(moments(200)):
        rng = Random(number)
        one, other = (Promise(guard(rng, "A B M N K")) for _ in range(2))
        (first, a), (second, b) = oracle.apply(state, one), oracle.apply(state, other)
        if first == second == "ok" and is_small(state):
            (first, ab), (second, ba) = oracle.apply(a, other), oracle.apply(b, one)
            assert first == second
            assert oracle.apply(a, one) == ("ok", a)
            if first == "ok":
                both = oracle.finals(ab, 2, since=state)
                assert both == oracle.finals(ba, 2, since=state)
                assert both <= oracle.finals(a, 2 + len(ab.tasks) - len(a.tasks), since=state)
                assert len(oracle.startable(ab)) == len(oracle.startable(ba))
                seen += 1
    assert seen > 100


def test_may_edges_are_those_of_rule_2() -> None:
    oracle, seen = Oracle(), 0
    for _, _, _, state in moments(150, moves=8):
        if not state.plan.auto and not has_dots(state) and len(state.tasks) < 5:
            assert may_edges(oracle, state, 0) == rule_2(oracle, state), state
            seen += 1
    assert seen > 100


def test_a_further_task_brings_no_further_edge() -> None:
    oracle = Oracle()
    for _, _, _, state in moments(60, moves=6):
        if not state.plan.auto and not has_dots(state) and len(state.tasks) < 4:
            assert may_edges(oracle, state, 1) == may_edges(oracle, state, 0)
            assert may_edges(oracle, state, 1) <= may_orders(oracle, state, 1)


def rule_2(oracle: Oracle, state: State) -> set[tuple[str, str]]:
    """Tell the may-edges in the words of the rule; "in front" goes through owners (rule 14)."""
    order = oracle.order(state)
    return {
        (u.id, v.id)
        for u, v in permutations(state.tasks, 2)
        for w in state.tasks
        if v.state == "pending" and w != v and v.id not in order[w.id]
        if not {(u.id, v.id), (v.id, u.id)} & {(a, b) for b in order for a in order[b]}
        if oracle.has_wildcard(state, w.id)
        if oracle.edge_may_be(state, state.guards, (u.label, v.label), w.id)
        if not oracle.is_deadlocked(state.with_edge((u.id, v.id)))
    }


def test_a_scenario_is_told_by_its_seed() -> None:
    assert list(islice(scenarios(5), 20)) == list(islice(scenarios(5), 20))
    assert list(islice(scenarios(5), 20)) != list(islice(scenarios(6), 20))


def test_moves_reach_deep_moments() -> None:
    created = [
        sum(task.creator is not None for task in there.tasks)
        for _, move, _, there in moments(200, moves=30)
        if isinstance(move, Create)
    ]
    assert sum(number > 4 for number in created) > 100
