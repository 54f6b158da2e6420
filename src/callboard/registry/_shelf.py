"""Records of one kind: found, added, changed by whoever saw the latest version, listed by page."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Generic, TypeAlias, TypeVar

from .._frozen import frozen
from ..storage import Record, Store
from ..workflow import UnknownRecord, UsageError, VersionConflict, check_name

_T = TypeVar("_T")

Body: TypeAlias = dict[str, Any]

Wall: TypeAlias = Callable[[], float]
"""Gives the wall time."""

PAGE: Final = 50
"""Items of a page, if nobody says how many."""

MANY: Final = 1000
"""Records that are read at once where all of them are wanted."""


@frozen(kw_only=True)
class Page(Generic[_T]):
    """A part of a list.

    Attributes:
        total: How many there are in all.
    """

    items: Sequence[_T]
    total: int
    limit: int
    offset: int


def check_page(limit: int, offset: int) -> None:
    """Refuse a page that cannot be.

    Raises:
        UsageError: there is no such page.
    """
    if limit < 0 or offset < 0:
        raise UsageError(f"limit={limit} and offset={offset} must be whole numbers from 0 on")


class Shelf:
    """The records of one kind.

    Args:
        store: Where they are.
        wall: Gives the time of a change.
        kind: What the store calls them.
        what: What people call one of them; the kind, if not given.
    """

    def __init__(self, store: Store, wall: Wall, kind: str, what: str | None = None) -> None:
        self.store = store
        self.kind = kind
        self.what = what or kind
        self._wall = wall

    async def find(self, id: str) -> Record | None:
        """Return a record, or None."""
        return await self.store.record(self.kind, id)

    async def get(self, id: str) -> Record:
        """Return a record.

        Raises:
            UnknownRecord: there is none.
        """
        found = await self.find(id)
        if found is None:
            raise UnknownRecord(f"there is no {self.what} {id!r} in this store")
        return found

    async def add(self, id: str | None, body: Body, parent: str | None = None) -> Record:
        """Write a new record; its id is made up if none is given.

        Raises:
            VersionConflict: there is one with this id.
        """
        name = secrets.token_hex(8) if id is None else check_name(f"the id of a {self.what}", id)
        return await self.put(self.record(name, body, parent), 0)

    async def change(
        self, id: str, version: int | None, edit: Callable[[Body], Mapping[str, Any]]
    ) -> Record:
        """Replace what a record says.

        Args:
            id: The record.
            version: The one that the caller saw; None changes whatever version there is.
            edit: Makes the new body of the present one; called again if somebody else was faster.

        Raises:
            UnknownRecord: there is none.
            VersionConflict: somebody else changed it.
        """
        while True:
            found = await self.get(id)
            if version is not None and version != found.version:
                raise VersionConflict(self.what, id, version, found.version)
            body = dict(edit(dict(found.body)))
            if body == found.body:
                return found
            try:
                return await self.put(self.record(id, body, found.parent), found.version)
            except VersionConflict:
                if version is not None:
                    raise

    async def put(self, record: Record, version: int) -> Record:
        """Write a record if it still has this version.

        Raises:
            VersionConflict: it has another one.
        """
        try:
            return await self.store.put(record, version)
        except VersionConflict as error:
            raise self.conflict(record.id, version, error.found) from None

    async def drop(self, id: str, version: int) -> None:
        """Remove a record if it still has this version.

        Raises:
            VersionConflict: it has another one.
        """
        try:
            await self.store.drop(self.kind, id, version)
        except VersionConflict as error:
            raise self.conflict(id, version, error.found) from None

    def conflict(self, id: str, expected: int, found: int) -> VersionConflict:
        """Return the error in the words of people."""
        return VersionConflict(self.what, id, expected, found)

    def record(self, id: str, body: Body, parent: str | None = None) -> Record:
        """Return a record that is not written yet."""
        return Record(kind=self.kind, id=id, parent=parent, body=body, changed_at=self._wall())

    async def page(self, limit: int, offset: int, parent: str | None = None) -> Page[Record]:
        """Return a part of the records, in the order of their ids."""
        check_page(limit, offset)
        return Page(
            items=await self.store.records(self.kind, parent=parent, limit=limit, offset=offset),
            total=await self.store.count_records(self.kind, parent),
            limit=limit,
            offset=offset,
        )

    async def every(self, parent: str | None = None) -> list[Record]:
        """Return all records, or all of a parent."""
        found: list[Record] = []
        while True:
            more = await self.store.records(self.kind, parent=parent, limit=MANY, offset=len(found))
            found += more
            if len(more) < MANY:
                return found
