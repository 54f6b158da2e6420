"""Topics: what runs and jobs are about, and what those runs may be given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._frozen import frozen
from ..storage import Record, Store
from ..workflow import Refused, UsageError, check_id
from ._schemas import check_schema, misfits
from ._shelf import PAGE, Body, Page, Shelf, Wall


@frozen(kw_only=True)
class Topic:
    """What jobs and runs are about.

    Attributes:
        id: What runs name it by.
        version: How often it was changed.
        title: What people call it.
        description: What belongs to it.
        inputs: The JSON Schema that the inputs of its runs must fit; None: any do.
        deprecated: Whether it takes no new jobs and runs.
        changed_at: When it was changed last.
    """

    id: str
    version: int
    title: str
    description: str | None = None
    inputs: Mapping[str, Any] | None = None
    deprecated: bool = False
    changed_at: float

    def refuse_new(self) -> None:
        """Let nothing new into it if it is deprecated.

        Raises:
            Refused: it is.
        """
        if self.deprecated:
            raise Refused(
                f"topic {self.id!r} is deprecated: it takes no new jobs and runs; "
                "choose another topic"
            )

    def check_inputs(self, given: Any) -> None:
        """Refuse inputs that do not fit.

        Raises:
            UsageError: what does not fit, all of it.
        """
        problems = misfits(self.inputs, given, "the inputs")
        if problems:
            raise UsageError(f"topic {self.id!r} does not take this: {'; '.join(problems)}")


class Topics:
    """The topics of a store.

    A run may name a topic that nobody has made: then it is a word for lists and totals alone.
    """

    def __init__(self, store: Store, wall: Wall) -> None:
        self._shelf = Shelf(store, wall, "topic")

    async def create(
        self,
        id: str | None = None,
        *,
        title: str | None = None,
        description: str | None = None,
        inputs: Mapping[str, Any] | None = None,
    ) -> Topic:
        """Make a topic; its id is made up if not given.

        Raises:
            UsageError: ``id`` is none, or ``inputs`` is no usable JSON Schema.
            VersionConflict: there is one with this id.
        """
        if id is not None:
            check_id("the id of a topic", id)
        body = _checked({"title": title, "description": description, "inputs": inputs})
        return _topic(await self._shelf.add(id, {**body, "deprecated": False}))

    async def get(self, id: str) -> Topic:
        """Return a topic.

        Raises:
            UnknownRecord: there is none with this id.
        """
        return _topic(await self._shelf.get(id))

    async def find(self, id: str) -> Topic | None:
        """Return a topic, or None."""
        found = await self._shelf.find(id)
        return None if found is None else _topic(found)

    async def list(self, *, limit: int = PAGE, offset: int = 0) -> Page[Topic]:
        """Return topics in the order of their ids."""
        page = await self._shelf.page(limit, offset)
        return Page(
            items=[_topic(each) for each in page.items],
            total=page.total,
            limit=limit,
            offset=offset,
        )

    async def change(
        self,
        id: str,
        version: int,
        *,
        title: str | None = None,
        description: str | None = None,
        inputs: Mapping[str, Any] | None = None,
    ) -> Topic:
        """Replace a topic's title, description and schema by these.

        Raises:
            UnknownRecord: there is none with this id.
            UsageError: ``inputs`` is no usable JSON Schema.
            VersionConflict: it has another version.
        """
        new = _checked({"title": title, "description": description, "inputs": inputs})
        return _topic(await self._shelf.change(id, version, lambda body: {**body, **new}))

    async def deprecate(self, id: str, version: int | None = None) -> Topic:
        """Let no new jobs and runs into a topic; those that are in it go on.

        Raises:
            UnknownRecord: there is none with this id.
            VersionConflict: it has another version than the one that is given.
        """
        return _topic(
            await self._shelf.change(id, version, lambda body: {**body, "deprecated": True})
        )


def _checked(body: Body) -> Body:
    if body["inputs"] is not None:
        check_schema(body["inputs"], "the schema of a topic's inputs")
    return body


def _topic(record: Record) -> Topic:
    body = record.body
    return Topic(
        id=record.id,
        version=record.version,
        title=body["title"] or record.id,
        description=body["description"],
        inputs=body["inputs"],
        deprecated=body["deprecated"],
        changed_at=record.changed_at,
    )
