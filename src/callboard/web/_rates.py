"""How often one client may ask: a bucket of tokens for each."""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Final

import anyio

from ._problems import Problem

CLIENTS_MAX: Final = 10_000
"""How many clients are remembered; who asked longest ago is forgotten first."""


class Rates:
    """Counts requests.

    Args:
        rate: How many a second; twice as many may come at once.  None: as many as there are.
    """

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def check(self, client: str) -> None:
        """Count a request.

        Raises:
            Problem: it is one too many; it says when to come again.
        """
        rate = self._rate
        if rate is None:
            return
        now, most = anyio.current_time(), max(1.0, 2 * rate)
        left, at = self._left.pop(client, (most, now))
        left = min(most, left + (now - at) * rate)
        if left < 1:
            self._left[client] = (left, now)
            wait = math.ceil((1 - left) / rate)
            raise Problem(
                429,
                f"more than {rate:g} requests a second; come again in {wait} s",
                kind="rate",
                headers={"retry-after": str(wait)},
            )
        self._left[client] = (left - 1, now)
        if len(self._left) > CLIENTS_MAX:
            self._left.popitem(last=False)
