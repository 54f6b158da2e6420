"""Owners: groups of workers, and whose a label is.

They stand in one record: a label belongs to at most one of them, which is true at every moment only
if all of them change together.  There are few of them, and they change seldom.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeAlias

from .._frozen import frozen
from ..storage import Store
from ..workflow import Refused, UnknownRecord, UsageError, VersionConflict, check_id, check_name
from ._shelf import PAGE, Page, Shelf, Wall, check_page

_Table: TypeAlias = dict[str, dict[str, Any]]
_ALL = "all"


@frozen(kw_only=True)
class Owner:
    """A group of workers.

    Attributes:
        id: What workers and tokens name it by.
        version: How often it was changed.
        title: What people call it.
        labels: The labels of tasks that are for its workers alone.
        deprecated: Whether it is not used any more: it has no labels then.
        changed_at: When it was changed last.
    """

    id: str
    version: int
    title: str
    labels: tuple[str, ...] = ()
    deprecated: bool = False
    changed_at: float


class Owners:
    """The owners of a store."""

    def __init__(self, store: Store, wall: Wall) -> None:
        self._shelf = Shelf(store, wall, "owners")
        self._wall = wall

    async def create(
        self, id: str | None = None, *, title: str | None = None, labels: Collection[str] = ()
    ) -> Owner:
        """Make an owner; its id is made up if not given.

        Raises:
            Refused: a label belongs to another owner.
            VersionConflict: there is one with this id.
        """
        name = secrets.token_hex(8) if id is None else check_id("the id of an owner", id)
        wanted = _checked(labels)

        def edit(table: _Table) -> None:
            if name in table:
                raise VersionConflict("owner", name, 0, table[name]["version"])
            _refuse_taken(table, name, wanted)
            table[name] = self._row(title, wanted, 1)

        return _owner(name, (await self._change(edit))[name])

    async def get(self, id: str) -> Owner:
        """Return an owner.

        Raises:
            UnknownRecord: there is none with this id.
        """
        return _owner(id, _row_of(await self._table(), id))

    async def list(self, *, limit: int = PAGE, offset: int = 0) -> Page[Owner]:
        """Return owners in the order of their ids."""
        check_page(limit, offset)
        every = sorted((await self._table()).items())
        return Page(
            items=[_owner(name, row) for name, row in every[offset : offset + limit]],
            total=len(every),
            limit=limit,
            offset=offset,
        )

    async def change(
        self, id: str, version: int, *, title: str | None = None, labels: Collection[str] = ()
    ) -> Owner:
        """Replace an owner's title and labels by these.

        Raises:
            Refused: a label belongs to another owner, or this one is deprecated.
            UnknownRecord: there is none with this id.
            VersionConflict: it has another version.
        """
        wanted = _checked(labels)

        def edit(table: _Table) -> None:
            row = _row_of(table, id)
            if row["version"] != version:
                raise VersionConflict("owner", id, version, row["version"])
            if row["deprecated"] and wanted:
                raise Refused(f"owner {id!r} is deprecated: it gets no labels; make another one")
            _refuse_taken(table, id, wanted)
            table[id] = {
                **self._row(title, wanted, version + 1),
                "deprecated": row["deprecated"],
            }

        return _owner(id, (await self._change(edit))[id])

    async def deprecate(self, id: str, version: int | None = None) -> Owner:
        """Take an owner out of use: its labels are free for others.

        Raises:
            UnknownRecord: there is none with this id.
            VersionConflict: it has another version than the one that is given.
        """

        def edit(table: _Table) -> None:
            row = _row_of(table, id)
            if version not in (None, row["version"]):
                raise VersionConflict("owner", id, version or 0, row["version"])
            if not row["deprecated"]:
                new = self._row(row["title"], (), row["version"] + 1)
                table[id] = {**new, "deprecated": True}

        return _owner(id, (await self._change(edit))[id])

    async def by_label(self) -> Mapping[str, str]:
        """Return whose each label is; a label that is not in it is anybody's."""
        table = await self._table()
        return {label: name for name, row in table.items() for label in row["labels"]}

    async def _table(self) -> _Table:
        found = await self._shelf.find(_ALL)
        return {} if found is None else found.body

    async def _change(self, edit: Callable[[_Table], None]) -> _Table:
        while True:
            found = await self._shelf.find(_ALL)
            # Of each row a copy: what came from a store in memory may be what the store holds.
            before: _Table = {} if found is None else found.body
            table = {name: dict(row) for name, row in before.items()}
            edit(table)
            if table == before:
                return table
            try:
                await self._shelf.put(
                    self._shelf.record(_ALL, table), 0 if found is None else found.version
                )
            except VersionConflict:
                continue
            return table

    def _row(self, title: str | None, labels: Collection[str], version: int) -> dict[str, Any]:
        return {
            "title": title,
            "labels": list(labels),
            "deprecated": False,
            "version": version,
            "changed_at": self._wall(),
        }


def _checked(labels: Collection[str]) -> list[str]:
    if isinstance(labels, str):
        raise UsageError(f"labels must be a list of texts, not the text {labels!r}")
    return list(dict.fromkeys(check_name("a label", each) for each in labels))


def _row_of(table: _Table, id: str) -> dict[str, Any]:
    if id not in table:
        raise UnknownRecord(f"there is no owner {id!r} in this store")
    return table[id]


def _refuse_taken(table: _Table, id: str, labels: Collection[str]) -> None:
    taken = [
        f"label {label!r} belongs to owner {other!r}"
        for label in labels
        for other, row in table.items()
        if other != id and label in row["labels"]
    ]
    if taken:
        raise Refused(f"{'; '.join(taken)}: a label has one owner; take it from that one first")


def _owner(id: str, row: Mapping[str, Any]) -> Owner:
    return Owner(
        id=id,
        version=row["version"],
        title=row["title"] or id,
        labels=tuple(row["labels"]),
        deprecated=row["deprecated"],
        changed_at=row["changed_at"],
    )
