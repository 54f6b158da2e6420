"""Records in SQLite: what is remembered beside runs.  Each function is one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import attrs

from ._codec import decode_value, json_of
from ._protocol import Record
from ._refusals import check_version
from ._sqlite_acts import transaction

_RECORD = "SELECT kind, id, parent, version, body, changed_at FROM records"
_COUNT = "SELECT count(*) FROM records"
_PUT = """
INSERT INTO records (namespace, kind, id, parent, version, body, changed_at)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (namespace, kind, id) DO UPDATE SET parent = excluded.parent,
    version = excluded.version, body = excluded.body, changed_at = excluded.changed_at
"""
_DROP = "DELETE FROM records WHERE namespace = ? AND kind = ? AND id = ?"


def record(connection: sqlite3.Connection, namespace: str, kind: str, id: str) -> Record | None:
    """Return a record, or None."""
    row = connection.execute(
        f"{_RECORD} WHERE namespace = ? AND kind = ? AND id = ?", (namespace, kind, id)
    ).fetchone()
    return None if row is None else _record(row)


def records(
    connection: sqlite3.Connection,
    namespace: str,
    kind: str,
    *,
    parent: str | None,
    limit: int,
    offset: int,
) -> list[Record]:
    """Return the records of a kind in the order of their ids, or those of one parent."""
    where, values = _meant(namespace, kind, parent)
    rows = connection.execute(
        f"{_RECORD} WHERE {where} ORDER BY id LIMIT ? OFFSET ?", (*values, limit, offset)
    )
    return [_record(row) for row in rows]


def count(connection: sqlite3.Connection, namespace: str, kind: str, parent: str | None) -> int:
    """Return how many records of a kind there are, or how many of one parent."""
    where, values = _meant(namespace, kind, parent)
    (found,) = connection.execute(f"{_COUNT} WHERE {where}", values).fetchone()
    return int(found)


def put(connection: sqlite3.Connection, namespace: str, record: Record, version: int) -> Record:
    """Write a record if it still has this version."""
    text = json_of(record.body, f"the {record.kind} {record.id!r}")
    with transaction(connection):
        _check(connection, namespace, record.kind, record.id, version=version)
        values = (record.kind, record.id, record.parent, version + 1, text, record.changed_at)
        connection.execute(_PUT, (namespace, *values))
    return attrs.evolve(record, version=version + 1, body=decode_value(text))


def drop(
    connection: sqlite3.Connection, namespace: str, kind: str, id: str, *, version: int
) -> None:
    """Remove a record if it still has this version."""
    with transaction(connection):
        _check(connection, namespace, kind, id, version=version)
        connection.execute(_DROP, (namespace, kind, id))


def _check(
    connection: sqlite3.Connection, namespace: str, kind: str, id: str, *, version: int
) -> None:
    row = connection.execute(
        "SELECT version FROM records WHERE namespace = ? AND kind = ? AND id = ?",
        (namespace, kind, id),
    ).fetchone()
    check_version(kind, id, version, 0 if row is None else row[0])


def _meant(namespace: str, kind: str, parent: str | None) -> tuple[str, list[str]]:
    if parent is None:
        return "namespace = ? AND kind = ?", [namespace, kind]
    return "namespace = ? AND kind = ? AND parent = ?", [namespace, kind, parent]


def _record(row: Sequence[Any]) -> Record:
    return Record(
        kind=row[0],
        id=row[1],
        parent=row[2],
        version=row[3],
        body=decode_value(row[4]),
        changed_at=row[5],
    )
