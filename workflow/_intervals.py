"""Whole numbers within intervals under linear constraints: is there a way to choose them?

Exact, and small: bounds are propagated to a fixed point, then a variable is split in half.  What
would need more than :data:`SPLITS_MAX` splits is given up, and whoever asked refuses the question.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

import attrs

SPLITS_MAX: Final = 256
ROUNDS_MAX: Final = 64
"""How often bounds are propagated; splitting goes on from wherever that has come to."""

Sums: TypeAlias = Mapping[int, int]
"""A factor for each variable, by its number."""


class TooEntangled(Exception):
    """The question would take too long to answer exactly."""


@attrs.define(eq=False)
class System:
    """Variables with intervals, and sums of them with intervals.

    Attributes:
        lows: The lower end of each variable.
        highs: The upper end of each variable.
        rows: ``low <= sum of factor * variable <= high`` for each row.
    """

    lows: list[int] = attrs.field(factory=list[int])
    highs: list[int] = attrs.field(factory=list[int])
    rows: list[tuple[Sums, int, int]] = attrs.field(factory=list[tuple[Sums, int, int]])

    def variable(self, low: int, high: int) -> int:
        """Add a variable and return its number."""
        self.lows.append(low)
        self.highs.append(high)
        return len(self.lows) - 1

    def require(self, sums: Sums, low: int, high: int) -> None:
        """Add a row."""
        kept = {number: factor for number, factor in sums.items() if factor}
        self.rows.append((kept, low, high))

    def solve(self) -> list[int] | None:
        """Return a value for each variable, rather low ones; None if there are none.

        Raises:
            TooEntangled: it would take too many splits to tell.
        """
        if any(low > high for low, high in zip(self.lows, self.highs, strict=True)):
            return None
        stack = [(list(self.lows), list(self.highs))]
        splits = 0
        while stack:
            lows, highs = stack.pop()
            if not self._propagate(lows, highs):
                continue
            if self._holds(lows):
                return lows
            split = _widest(lows, highs)
            splits += 1
            if splits > SPLITS_MAX:
                raise TooEntangled
            middle = (lows[split] + highs[split]) // 2
            upper, lower = list(lows), list(highs)
            upper[split], lower[split] = middle + 1, middle
            stack += [(upper, highs), (lows, lower)]
        return None

    def _holds(self, values: Sequence[int]) -> bool:
        return all(
            low <= sum(factor * values[number] for number, factor in sums.items()) <= high
            for sums, low, high in self.rows
        )

    def _propagate(self, lows: list[int], highs: list[int]) -> bool:
        bounds = lows, highs
        for _ in range(ROUNDS_MAX):
            changed = False
            for sums, low, high in self.rows:
                least = most = 0
                for number, factor in sums.items():
                    one, other = factor * lows[number], factor * highs[number]
                    least += min(one, other)
                    most += max(one, other)
                if least > high or most < low:
                    return False
                for number, factor in sums.items():
                    changed |= _tighten(bounds, number, factor, low - most, high - least)
                    if lows[number] > highs[number]:
                        return False
            if not changed:
                break
        return True


def _tighten(
    bounds: tuple[list[int], list[int]], number: int, factor: int, short: int, spare: int
) -> bool:
    """Narrow one variable: what it must add to its least, and may take up of what is left."""
    lows, highs = bounds
    low, high = lows[number], highs[number]
    if factor > 0:
        lows[number] = max(low, high + -(-short // factor))
        highs[number] = min(high, low + spare // factor)
    else:
        lows[number] = max(low, high - spare // -factor)
        highs[number] = min(high, low - -(-short // -factor))
    return lows[number] != low or highs[number] != high


def _widest(lows: Sequence[int], highs: Sequence[int]) -> int:
    return max(range(len(lows)), key=lambda number: highs[number] - lows[number])
