"""Records in memory: what is remembered beside runs.

Unlike runs, they are kept apart from what was given: nobody writes many of them.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from itertools import islice

import attrs

from ._protocol import Record
from ._refusals import check_version


class Records:
    """Records by kind and id, in the order of their ids."""

    def __init__(self) -> None:
        self._by_kind: dict[str, dict[str, Record]] = {}
        self._ids: dict[str, list[str]] = {}

    def get(self, kind: str, id: str) -> Record | None:
        """Return a record, or None."""
        return self._by_kind.get(kind, {}).get(id)

    def listed(self, kind: str, parent: str | None, limit: int, offset: int) -> list[Record]:
        """Return the records of a kind, or those of one parent."""
        return list(islice(self._meant(kind, parent), offset, offset + limit))

    def count(self, kind: str, parent: str | None) -> int:
        """Return how many records of a kind there are, or how many of one parent."""
        if parent is None:
            return len(self._ids.get(kind, ()))
        return sum(1 for _ in self._meant(kind, parent))

    def _meant(self, kind: str, parent: str | None) -> Iterator[Record]:
        found = self._by_kind.get(kind, {})
        every = (found[each] for each in self._ids.get(kind, ()))
        return (each for each in every if parent is None or each.parent == parent)

    def put(self, record: Record, version: int) -> Record:
        """Write a record if it still has this version."""
        from ._codec import decode_value, json_of

        body = decode_value(json_of(record.body, f"the {record.kind} {record.id!r}"))
        self._check(record.kind, record.id, version)
        if not version:
            insort(self._ids.setdefault(record.kind, []), record.id)
        written = attrs.evolve(record, version=version + 1, body=body)
        self._by_kind.setdefault(record.kind, {})[record.id] = written
        return written

    def drop(self, kind: str, id: str, version: int) -> None:
        """Remove a record if it still has this version."""
        self._check(kind, id, version)
        if version:
            del self._by_kind[kind][id]
            ids = self._ids[kind]
            del ids[bisect_left(ids, id)]

    def _check(self, kind: str, id: str, version: int) -> None:
        found = self.get(kind, id)
        check_version(kind, id, version, found.version if found else 0)
