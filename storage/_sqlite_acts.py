"""What the SQLite store writes besides transitions: engines, owners, pools, commands.

Each is one transaction and runs in the writer's thread.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Final

from ..workflow import RunState
from . import _sqlite_query as queries
from ._protocol import EngineInfo, PoolLease
from ._refusals import check_removable, owned, unknown_run

ANSWER_KEPT_SECONDS: Final = 3600.0
"""How long the answer to a command is kept: its sender waits for it a few seconds."""

REMOVED_MAX: Final = 100
"""How many answered commands are removed together with something else that is written."""


@contextmanager
def transaction(connection: sqlite3.Connection) -> Generator[None]:
    """Be the only writer; commit at the end, or leave everything as it was."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def register(
    connection: sqlite3.Connection, namespace: str, engine: EngineInfo, is_alive: queries.IsAlive
) -> None:
    """Write down a living engine, and forget the dead ones that nothing refers to."""
    with transaction(connection):
        for (other,) in connection.execute(
            "SELECT id FROM engines WHERE namespace = ? "
            "AND NOT EXISTS "
            "(SELECT 1 FROM runs WHERE namespace = engines.namespace AND owner = id)",
            (namespace,),
        ).fetchall():
            if not is_alive(other):
                _forget(connection, namespace, other)
        connection.execute(
            "INSERT OR REPLACE INTO engines (namespace, id, host, pid, started_at) "
            "VALUES (?, ?, ?, ?, ?)",
            (namespace, engine.id, engine.host, engine.pid, engine.started_at),
        )
        _remove_answered(connection, namespace, time.time())


def unregister(connection: sqlite3.Connection, namespace: str, engine: str) -> None:
    """Give up all that an engine holds."""
    with transaction(connection):
        connection.execute(
            "UPDATE runs SET owner = NULL WHERE namespace = ? AND owner = ?", (namespace, engine)
        )
        _forget(connection, namespace, engine)


def _forget(connection: sqlite3.Connection, namespace: str, engine: str) -> None:
    connection.execute(
        "DELETE FROM pool_leases WHERE namespace = ? AND engine = ?", (namespace, engine)
    )
    connection.execute("DELETE FROM engines WHERE namespace = ? AND id = ?", (namespace, engine))


def take(
    connection: sqlite3.Connection, namespace: str, run: str, engine: str, is_alive: queries.IsAlive
) -> str | None:
    """Make the engine the owner of a run nobody alive owns; return the dead owner."""
    with transaction(connection):
        row = connection.execute(
            "SELECT owner FROM runs WHERE namespace = ? AND run = ?", (namespace, run)
        ).fetchone()
        if row is None:
            raise unknown_run(run)
        owner: str | None = row[0]
        if owner == engine:
            return None
        if owner is not None and is_alive(owner):
            raise owned(run, owner, queries.engine(connection, namespace, owner))
        connection.execute(
            "UPDATE runs SET owner = ? WHERE namespace = ? AND run = ?", (engine, namespace, run)
        )
        return owner


_DROP_WORKFLOW: Final = """
DELETE FROM workflows WHERE namespace = ?1 AND hash = ?2
AND NOT EXISTS (SELECT 1 FROM refs WHERE namespace = ?1 AND hash = ?2)
"""
_DROP_BLOB: Final = _DROP_WORKFLOW.replace("workflows", "blobs")


def remove(connection: sqlite3.Connection, namespace: str, run: str) -> None:
    """Remove a run that has ended; what refers to its row goes with it, and what it alone used."""
    with transaction(connection):
        row = connection.execute(
            "SELECT state FROM runs WHERE namespace = ? AND run = ?", (namespace, run)
        ).fetchone()
        check_removable(run, None if row is None else RunState(row[0]))
        connection.execute("DELETE FROM logs WHERE namespace = ? AND run = ?", (namespace, run))
        apart = connection.execute(
            "SELECT namespace, hash FROM refs WHERE namespace = ? AND run = ?", (namespace, run)
        ).fetchall()
        connection.execute("DELETE FROM runs WHERE namespace = ? AND run = ?", (namespace, run))
        for statement in (_DROP_WORKFLOW, _DROP_BLOB):
            connection.executemany(statement, apart)


def lease_pool(
    connection: sqlite3.Connection,
    namespace: str,
    lease: PoolLease,
    limit: int,
    is_alive: queries.IsAlive,
) -> bool:
    """Take a slot of a pool if there is one; those that dead engines hold are free."""
    with transaction(connection):
        held = queries.pool_leases(connection, namespace, lease.pool)
        if lease.fence in {each.fence for each in held}:
            return True
        alive = {name: is_alive(name) for name in {each.engine for each in held}}
        for each in held:
            if not alive[each.engine]:
                connection.execute(
                    "DELETE FROM pool_leases WHERE namespace = ? AND fence = ?",
                    (namespace, each.fence),
                )
        if sum(alive[each.engine] for each in held) >= limit:
            return False
        connection.execute(
            "INSERT INTO pool_leases (namespace, fence, pool, run, task, engine) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (namespace, lease.fence, lease.pool, lease.run, lease.task, lease.engine),
        )
        return True


def end_pool_leases(connection: sqlite3.Connection, namespace: str, fences: Sequence[str]) -> None:
    """End leases on pools."""
    with transaction(connection):
        connection.executemany(
            "DELETE FROM pool_leases WHERE namespace = ? AND fence = ?",
            [(namespace, fence) for fence in fences],
        )


def post(
    connection: sqlite3.Connection, namespace: str, run: str, command: str, by: str | None
) -> int:
    """Leave a command for a run."""
    with transaction(connection):
        cursor = connection.execute(
            "INSERT INTO inbox (namespace, run, command, posted_by) "
            "SELECT namespace, run, ?, ? FROM runs WHERE namespace = ? AND run = ?",
            (command, by, namespace, run),
        )
        if cursor.rowcount != 1 or cursor.lastrowid is None:
            raise unknown_run(run)
        return cursor.lastrowid


def reply(connection: sqlite3.Connection, namespace: str, number: int, answer: str) -> None:
    """Answer a command; the first answer stays."""
    now = time.time()
    with transaction(connection):
        connection.execute(
            "UPDATE inbox SET answer = ?, answered_at = ? "
            "WHERE namespace = ? AND id = ? AND answer IS NULL",
            (answer, now, namespace, number),
        )
        _remove_answered(connection, namespace, now)


def _remove_answered(connection: sqlite3.Connection, namespace: str, now: float) -> None:
    """Remove some of the commands whose senders have long had their answers, or never come back."""
    connection.execute(
        "DELETE FROM inbox WHERE id IN (SELECT id FROM inbox "
        "WHERE namespace = ? AND answer IS NOT NULL AND answered_at < ? LIMIT ?)",
        (namespace, now - ANSWER_KEPT_SECONDS, REMOVED_MAX),
    )
