"""What is asked of the store with every request, kept for a moment."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Final, Generic, TypeVar

import anyio

_K = TypeVar("_K", bound=Hashable)
_T = TypeVar("_T")

KEPT_SECONDS: Final = 1.0
"""How long a change may take until it is seen here: of a token that is removed, for one."""

KEPT_MAX: Final = 10_000


class Kept(Generic[_K, _T]):
    """Answers of a function, each kept for a moment.

    Args:
        ask: Gives the answer.
    """

    def __init__(self, ask: Callable[[_K], Awaitable[_T]]) -> None:
        self._ask = ask
        self._known: OrderedDict[_K, tuple[float, _T]] = OrderedDict()

    async def get(self, key: _K) -> _T:
        """Return the answer, at most a moment old."""
        now = anyio.current_time()
        known = self._known.get(key)
        if known is not None and now - known[0] < KEPT_SECONDS:
            return known[1]
        found = await self._ask(key)
        if found is None:
            # Nothing is kept of what is not there: anybody may ask for anything.
            self._known.pop(key, None)
            return found
        self._known[key] = (now, found)
        self._known.move_to_end(key)
        while len(self._known) > KEPT_MAX:
            self._known.popitem(last=False)
        return found

    def last(self, key: _K) -> _T | None:
        """Return the last answer, however old it is, if it is kept still."""
        known = self._known.get(key)
        return None if known is None else known[1]


def kept_one(ask: Callable[[], Awaitable[Any]]) -> Callable[[], Awaitable[Any]]:
    """Return a function that keeps the one answer of another for a moment."""
    kept: Kept[None, Any] = Kept(lambda _: ask())
    return lambda: kept.get(None)
