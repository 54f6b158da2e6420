"""Pools: slots shared by all runs on one store, counted in the transaction that grants them."""

from __future__ import annotations

import logging
import math
from bisect import insort
from collections.abc import Callable, Sequence
from typing import Final

import anyio
import attrs

from ..storage import PoolLease, Store
from ._messages import PoolGranted

_RETRY_SECONDS: Final = 1.0
_NO_LIMIT: Final = 1_000_000_000

DEAD_SECONDS: Final = 5.0
"""How often who waits looks for slots of engines that died: nobody tells of that."""

_log = logging.getLogger("callboard")


@attrs.define(eq=False)
class _Wish:
    rank: tuple[float, int]
    lease: PoolLease
    limit: int
    tell: Callable[[PoolGranted], bool]
    cancelled: bool = False


class Pools:
    """Asks the store for slots of pools, by priority and age; :meth:`serve` must run for that.

    Args:
        store: Who grants them.
        limits: Limits of pools, beside those that workflows declare.
    """

    def __init__(self, store: Store, limits: dict[str, int]) -> None:
        self._store = store
        self._limits = limits
        self._wishes: dict[str, list[_Wish]] = {}
        self._age = 0
        self._wake = anyio.Event()
        self._asked: _Wish | None = None
        self._returned: list[str] = []

    def want(
        self,
        lease: PoolLease,
        limit: int | None,
        priority: int,
        tell: Callable[[PoolGranted], bool],
    ) -> None:
        """Get in line for a slot; ``tell`` hears of it, and returns whether somebody listened."""
        self._wish((-priority, self._next_age()), lease, self._allowed(lease.pool, limit), tell)

    def _wish(
        self,
        rank: tuple[float, int],
        lease: PoolLease,
        allowed: int,
        tell: Callable[[PoolGranted], bool],
    ) -> None:
        wish = _Wish(rank, lease, allowed, tell)
        insort(self._wishes.setdefault(lease.pool, []), wish, key=lambda each: each.rank)
        self._wake.set()

    def _next_age(self) -> int:
        self._age += 1
        return self._age

    def _allowed(self, pool: str, limit: int | None) -> int:
        known = self._limits.get(pool)
        return min(each for each in (limit, known, _NO_LIMIT) if each is not None)

    def take_back(self, lease: PoolLease, tell: Callable[[PoolGranted], bool]) -> None:
        """Get a slot again, free or not, for work that goes on though its engine died."""
        self._wish((-math.inf, self._next_age()), lease, _NO_LIMIT, tell)

    async def take(self, lease: PoolLease, limit: int | None) -> bool:
        """Take a slot if one is free now, without getting in line.

        Raises:
            StoreError: that cannot be known now.
        """
        try:
            return await self._store.lease_pool(lease, self._allowed(lease.pool, limit))
        except BaseException:
            # Perhaps it was granted all the same: giving back too much does no harm.
            self.give_back([lease.fence])
            raise

    def look(self) -> None:
        """Try again what was not granted: somebody else may have returned a slot."""
        if any(self._wishes.values()):
            self._wake.set()

    def cancel(self, fence: str) -> bool:
        """Take back a wish.

        Returns:
            Whether the store is being asked for it right now: then its answer is told all the same.
        """
        for wishes in self._wishes.values():
            wishes[:] = [each for each in wishes if each.lease.fence != fence]
        asked = self._asked
        if asked is None or asked.lease.fence != fence:
            return False
        asked.cancelled = True
        return True

    def drop(self, run: str) -> None:
        """Forget the wishes of a run that is no longer ours."""
        for wishes in self._wishes.values():
            wishes[:] = [each for each in wishes if each.lease.run != run]

    def give_back(self, fences: Sequence[str]) -> None:
        """Give leases back that ride on no commit, because nothing more is written of their run."""
        if fences:
            self._returned.extend(fences)
            self._wake.set()

    async def serve(self) -> None:
        """Grant slots, for ever."""
        while True:
            looks = self._store.durable and any(self._wishes.values())
            with anyio.move_on_after(DEAD_SECONDS if looks else None):
                await self._wake.wait()
            self._wake = anyio.Event()
            try:
                await self._end_returned()
                for wishes in list(self._wishes.values()):
                    await self._grant(wishes)
            except Exception as error:  # noqa: BLE001 - a user's store may raise anything
                _log.warning("slots of pools cannot be had now: %s", error)
                await anyio.sleep(_RETRY_SECONDS)
                self._wake.set()

    async def _end_returned(self) -> None:
        if self._returned:
            fences, self._returned = self._returned, []
            try:
                await self._store.end_pool_leases(fences)
            except BaseException:
                self._returned += fences
                raise

    async def _grant(self, wishes: list[_Wish]) -> None:
        while wishes:
            wish = self._asked = wishes[0]
            try:
                granted = await self._store.lease_pool(wish.lease, wish.limit)
            except Exception:
                self._asked = None
                if wish.cancelled:
                    # Perhaps it was granted all the same: giving back too much does no harm.
                    self._tell(wish, granted=True)
                raise
            self._asked = None
            if granted or wish.cancelled:
                self._tell(wish, granted=granted)
            if wish in wishes:
                if not granted:
                    return
                wishes.remove(wish)

    def _tell(self, wish: _Wish, *, granted: bool) -> None:
        lease = wish.lease
        if not wish.tell(PoolGranted(lease.task, lease.fence, granted)) and granted:
            self.give_back([lease.fence])
