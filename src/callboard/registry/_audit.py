"""The audit trail: who did what, newest first, as much of it as is worth keeping."""

from __future__ import annotations

import secrets
from typing import Any, Final

from .._frozen import frozen
from ..storage import Record, Store
from ..workflow import VersionConflict
from ._shelf import PAGE, Page, Shelf, Wall

NOTES_MAX: Final = 100_000
"""Notes that are kept; the oldest go first."""

BATCH: Final = 100
"""After how many notes the oldest are removed, and how many of them at most."""

_NEVER: Final = 10**17
"""Microseconds, some three thousand years from 1970 on: ids count down from there."""


@frozen(kw_only=True)
class Note:
    """What somebody did.

    Attributes:
        who: Whoever did it.
        action: What was done.
        target: To what.
        outcome: What came of it.
        detail: JSON, whatever else there is to say.
    """

    at: float
    who: str
    action: str
    target: str
    outcome: str
    detail: Any = None


class Audit:
    """The audit trail of a store.

    Args:
        store: Where it is.
        wall: Gives the time of a note.
        notes_max: Notes that are kept, and up to two batches more.
    """

    def __init__(self, store: Store, wall: Wall, notes_max: int = NOTES_MAX) -> None:
        self._shelf = Shelf(store, wall, "audit")
        self._wall = wall
        self._notes_max = notes_max
        self._written = 0
        self._last = _NEVER

    async def note(
        self, *, who: str, action: str, target: str, outcome: str, detail: Any = None
    ) -> None:
        """Keep that somebody did something."""
        at = self._wall()
        body = {
            "at": at,
            "who": who,
            "action": action,
            "target": target,
            "outcome": outcome,
            "detail": detail,
        }
        # Smaller ids for later notes, so that the newest come first in the order of ids.
        self._last = min(_NEVER - int(at * 1e6), self._last - 1)
        await self._shelf.add(f"{self._last:017d}-{secrets.token_hex(4)}", body)
        self._written += 1
        if self._written % BATCH == 0:
            await self._remove_oldest()

    async def _remove_oldest(self) -> None:
        """Remove twice as many as one process writes meanwhile: several may write."""
        store = self._shelf.store
        for _ in range(2):
            too_old = await store.records("audit", limit=BATCH, offset=self._notes_max)
            for each in too_old:
                try:
                    await self._shelf.drop(each.id, each.version)
                except VersionConflict:
                    continue  # Another process removes the same.

    async def list(self, *, limit: int = PAGE, offset: int = 0) -> Page[Note]:
        """Return notes, the newest first."""
        page = await self._shelf.page(limit, offset)
        return Page(
            items=[_note(each) for each in page.items],
            total=page.total,
            limit=limit,
            offset=offset,
        )


def _note(record: Record) -> Note:
    return Note(**record.body)
