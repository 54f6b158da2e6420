"""Random scenarios, played by the kernel and by the oracle at once."""

from __future__ import annotations

import json
from collections import Counter
from random import Random

import attrs

from callboard.workflow import picture

from .oracle import Create, Oracle, Promise, Scenario
from .oracle_denote import denoted
from .oracle_scenarios import random_move, scenarios
from .oracle_state import Move, State
from .twin import SKIPPED, Twin, Unlike, counted, facts_of, plain, precede

FURTHER = 4
"""So many further tasks at most, in the graphs that are compared."""

MOVES = 14


@attrs.define
class Search:
    """A search for a difference.

    Attributes:
        counts: What was tried.
        found: The differences, each as text.
    """

    seed: int
    counts: Counter[str] = attrs.field(factory=Counter[str])
    found: list[str] = attrs.field(factory=list[str])

    def verdicts(self, scenarios: int) -> None:
        """Compare verdicts and what came of them."""
        self._play(scenarios, pictures=False)

    def pictures(self, scenarios: int) -> None:
        """Compare what pictures of closed runs denote, too."""
        self._play(scenarios, pictures=True)

    def report(self) -> str:
        """Return the first differences, and how to see them again."""
        return "\n\n".join([f"seed {self.seed}: {dict(self.counts)}", *self.found[:3]])

    def _play(self, number: int, *, pictures: bool) -> None:
        oracle, drawn = Oracle(), scenarios(self.seed)
        for place in range(number):
            scenario = plain(next(drawn))
            if pictures:
                if "..." in str(scenario):
                    continue  # dots have endlessly many graphs
                scenario = attrs.evolve(scenario, closed=scenario.flow is None)
            self.counts["scenarios"] += 1
            history: list[Move] = []
            wrong = self._one(oracle, scenario, Random(self.seed * 7919 + place), history, pictures)
            if wrong is not None:
                self.found.append("\n".join([wrong, str(scenario), *counted(history)]))

    def _one(
        self,
        oracle: Oracle,
        scenario: Scenario,
        random: Random,
        history: list[Move],
        pictures: bool,
    ) -> str | None:
        _, state = oracle.begin(scenario)
        if state is None:
            return None
        try:
            twin = Twin(scenario, state)
        except Unlike:
            return None
        wrong = self._compare(oracle, twin, state, pictures)
        for _ in range(MOVES):
            if wrong is not None or twin.run.ended:
                return wrong
            move = random_move(oracle, state, random)
            if isinstance(move, Promise) and "[" in move.text:
                continue
            verdict, state_after = oracle.apply(state, move)
            said = twin.say(move)
            if said == SKIPPED:
                continue
            history.append(move)
            self.counts["moves"] += 1
            if said != verdict:
                if precede({said, verdict}, move) or _is_optional(scenario, move, said, verdict):
                    return None
                return f"the oracle says {verdict}, the kernel {said}: {twin.run.reason}"
            if verdict == "broken":
                return None
            state = state_after
            wrong = self._compare(oracle, twin, state, pictures)
        return wrong

    def _compare(self, oracle: Oracle, twin: Twin, state: State, pictures: bool) -> str | None:
        ours, theirs = twin.facts(), facts_of(oracle, state)
        if ours != theirs:
            return f"the oracle has {theirs}, the kernel {ours}"
        if not pictures:
            return None
        self.counts["moments"] += 1
        shown = json.loads(json.dumps(picture(twin.run).to_json()))
        denotes, reached = denoted(shown, FURTHER), oracle.finals(state, FURTHER)
        self.counts["graphs"] += len(reached)
        if denotes == reached:
            return None
        return f"only in the picture: {denotes - reached}; only reached: {reached - denotes}"


def _is_optional(scenario: Scenario, move: Move, said: str, verdict: str) -> bool:
    """Return whether the two count the cost of an optional part differently."""
    text = f"{scenario.flow} {scenario.holes}"
    return isinstance(move, Create) and "?" in text and {said, verdict} == {"ok", "refused"}
