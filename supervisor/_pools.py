"""Pools: slots shared by all runs on one store, counted in the transaction that grants them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import anyio
import attrs

from ..storage import PoolLease, Store
from ._messages import PoolGranted


@attrs.define(eq=False)
class _Wish:
    lease: PoolLease
    limit: int
    tell: Callable[[PoolGranted], object]


class Pools:
    """Asks the store for slots of pools, in the order of the wishes; :meth:`serve` must run for that."""

    def __init__(self, store: Store, limits: dict[str, int]) -> None:
        self._store = store
        self._limits = limits
        self._wishes: dict[str, deque[_Wish]] = {}
        self._wake = anyio.Event()

    def want(
        self, lease: PoolLease, limit: int | None, tell: Callable[[PoolGranted], object]
    ) -> None:
        """Get in line for a slot; ``tell`` hears of it when it is granted."""
        known = self._limits.get(lease.pool)
        allowed = min(each for each in (limit, known, 1_000_000_000) if each is not None)
        self._wishes.setdefault(lease.pool, deque()).append(_Wish(lease, allowed, tell))
        self._wake.set()

    def look(self) -> None:
        """Try again what was not granted: somebody else may have returned a slot."""
        if any(self._wishes.values()):
            self._wake.set()

    def drop(self, run: str) -> None:
        """Forget the wishes of a run that is no longer ours."""
        for wishes in self._wishes.values():
            for wish in [each for each in wishes if each.lease.run == run]:
                wishes.remove(wish)

    async def serve(self) -> None:
        """Grant slots, for ever."""
        while True:
            await self._wake.wait()
            self._wake = anyio.Event()
            for wishes in list(self._wishes.values()):
                await self._grant(wishes)

    async def _grant(self, wishes: deque[_Wish]) -> None:
        while wishes:
            wish = wishes[0]
            if not await self._store.lease_pool(wish.lease, wish.limit):
                return
            if wishes and wishes[0] is wish:
                wishes.popleft()
            # A run that was dropped meanwhile hears of it all the same: whoever holds a lease returns it.
            wish.tell(PoolGranted(wish.lease.task, wish.lease.fence))
