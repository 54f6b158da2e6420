"""The questions that the SQLite store answers; each runs in the reader's thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any

from ..workflow import Event, RunState, StoreError, TaskState
from ._codec import SPEC_FIELD, decode, decode_value
from ._protocol import (
    FOUND_MAX,
    EngineInfo,
    Json,
    LogLine,
    PoolLease,
    Posted,
    Receipt,
    RunQuery,
    RunRow,
    StoredRun,
    TaskRow,
)

_RUN = """
SELECT run, workflow, state, paused, reason, topic, job, parent_run, parent_task, created_at,
    started_at, ended_at, owner, version FROM runs
"""
_COUNT_RUNS = "SELECT state, count(*) FROM runs"
_COUNT_JOBS = "SELECT job, state, count(*) FROM runs"
_COUNT_TASKS = "SELECT tasks.state, count(*) FROM runs JOIN tasks USING (namespace, run)"
_TASK = """
SELECT run, task, label, kind, state, generation, attempt, fence, worker, pool, priority, reason,
    changed_at FROM tasks
"""
_WORKFLOW = "SELECT spec FROM workflows WHERE namespace = ? AND hash = ?"
_BLOB = "SELECT body FROM blobs WHERE namespace = ? AND hash = ?"
_ENGINE = "SELECT id, host, pid, started_at FROM engines WHERE namespace = ? AND id = ?"

IsAlive = Callable[[str], bool]


@contextmanager
def snapshot(connection: sqlite3.Connection) -> Generator[None]:
    """Let several statements see the same moment."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")


def load(connection: sqlite3.Connection, namespace: str, run: str) -> StoredRun | None:
    """Return everything about one run."""
    with snapshot(connection):
        row = connection.execute(
            f"{_RUN} WHERE namespace = ? AND run = ?", (namespace, run)
        ).fetchone()
        if row is None:
            return None
        numbered = _events(connection, namespace, run, 0, -1)
    return StoredRun(row=_run(row), events=[event for _, event in numbered])


def events(
    connection: sqlite3.Connection, namespace: str, run: str, after: int, limit: int
) -> list[tuple[int, Event]]:
    """Return the events behind a number; what stands apart is read as they were."""
    with snapshot(connection):
        return _events(connection, namespace, run, after, limit)
    raise AssertionError  # for type checkers, to whom a block might swallow an error


def _events(
    connection: sqlite3.Connection, namespace: str, run: str, after: int, limit: int
) -> list[tuple[int, Event]]:
    def fetch(field: str, digest: str) -> str:
        statement = _WORKFLOW if field == SPEC_FIELD else _BLOB
        found = connection.execute(statement, (namespace, digest)).fetchone()
        if found is None:
            raise StoreError(
                f"{field!r} of an event of run {run!r} is missing; restore the store from a copy"
            )
        return str(found[0])

    rows = connection.execute(
        "SELECT number, kind, body, refs FROM events "
        "WHERE namespace = ? AND run = ? AND number > ? ORDER BY number LIMIT ?",
        (namespace, run, after, limit),
    )
    return [
        (number, decode(kind, body, refs, fetch)) for number, kind, body, refs in rows.fetchall()
    ]


def find(connection: sqlite3.Connection, namespace: str, beginning: str) -> list[str]:
    """Return ids that begin like this."""
    rows = connection.execute(
        "SELECT run FROM runs WHERE namespace = ? AND run >= ? AND substr(run, 1, ?) = ? "
        "ORDER BY run LIMIT ?",
        (namespace, beginning, len(beginning), beginning, FOUND_MAX),
    )
    found = [run for (run,) in rows]
    return [beginning] if beginning in found else found


def runs(connection: sqlite3.Connection, namespace: str, query: RunQuery) -> list[RunRow]:
    """Return runs, newest first."""
    where, values = _meant(namespace, query)
    rows = connection.execute(
        f"{_RUN} WHERE {where} ORDER BY created_at DESC, rowid DESC LIMIT ? OFFSET ?",
        (*values, query.limit, query.offset),
    )
    return [_run(row) for row in rows]


def run_counts(
    connection: sqlite3.Connection, namespace: str, query: RunQuery
) -> dict[RunState, int]:
    """Return how many runs are in each state."""
    where, values = _meant(namespace, query)
    rows = connection.execute(f"{_COUNT_RUNS} WHERE {where} GROUP BY state", values)
    return {RunState(state): count for state, count in rows}


def task_counts(
    connection: sqlite3.Connection, namespace: str, query: RunQuery
) -> dict[TaskState, int]:
    """Return how many tasks are in each state."""
    where, values = _meant(namespace, query)
    rows = connection.execute(f"{_COUNT_TASKS} WHERE {where} GROUP BY tasks.state", values)
    return {TaskState(state): count for state, count in rows}


def job_counts(
    connection: sqlite3.Connection, namespace: str, query: RunQuery
) -> dict[str, dict[RunState, int]]:
    """Return how many runs of each job are in each state."""
    where, values = _meant(namespace, query)
    rows = connection.execute(
        f"{_COUNT_JOBS} WHERE {where} AND job IS NOT NULL GROUP BY job, state", values
    )
    found: dict[str, dict[RunState, int]] = {}
    for job, state, count in rows:
        found.setdefault(job, {})[RunState(state)] = count
    return found


def _meant(namespace: str, query: RunQuery) -> tuple[str, list[str | float]]:
    """Return the condition on runs that a query means, and its values."""
    where = ["namespace = ?"]
    values: list[str | float] = [namespace, *(query.states or ())]
    if query.states is not None:
        where.append(f"runs.state IN ({', '.join('?' * len(query.states))})")
    for condition, value in (
        ("workflow = ?", query.workflow),
        ("topic = ?", query.topic),
        ("job = ?", query.job),
        ("created_at < ?", query.before),
    ):
        if value is not None:
            where.append(condition)
            values.append(value)
    if query.search:
        where.append(r"(run LIKE ? ESCAPE '\' OR workflow LIKE ? ESCAPE '\')")
        values += [_part(query.search)] * 2
    return " AND ".join(where), values


def _part(text: str) -> str:
    """Return the pattern of all that has this text in it; nothing in it is a wildcard."""
    for special in "\\%_":
        text = text.replace(special, "\\" + special)
    return f"%{text}%"


def tasks(connection: sqlite3.Connection, namespace: str, run: str) -> list[TaskRow]:
    """Return a run's tasks in creation order."""
    rows = connection.execute(
        f"{_TASK} WHERE namespace = ? AND run = ? ORDER BY rowid", (namespace, run)
    )
    return [_task(row) for row in rows]


def running_tasks(connection: sqlite3.Connection, namespace: str) -> list[TaskRow]:
    """Return the tasks that run now."""
    rows = connection.execute(
        f"{_TASK} INDEXED BY tasks_running "
        "WHERE namespace = ? AND state = 'running' ORDER BY rowid",
        (namespace,),
    )
    return [_task(row) for row in rows]


def logs(
    connection: sqlite3.Connection,
    namespace: str,
    run: str,
    *,
    task: str | None,
    after: int,
    limit: int,
) -> list[LogLine]:
    """Return log lines behind a number."""
    rows = connection.execute(
        "SELECT number, run, task, generation, attempt, at, stream, text, data FROM logs "
        "WHERE namespace = ? AND run = ? AND number > ? AND (? IS NULL OR task = ?) "
        "ORDER BY number LIMIT ?",
        (namespace, run, after, task, task, limit),
    )
    return [_line(row) for row in rows]


def receipts(connection: sqlite3.Connection, namespace: str, fence: str, seq: int) -> list[Receipt]:
    """Return what was answered to the commands under one number of a lease."""
    rows = connection.execute(
        "SELECT part, answer FROM receipts "
        "WHERE namespace = ? AND fence = ? AND seq = ? ORDER BY part",
        (namespace, fence, seq),
    )
    return [
        Receipt(fence=fence, seq=seq, part=part, answer=decode_value(text)) for part, text in rows
    ]


def engine(connection: sqlite3.Connection, namespace: str, id: str) -> EngineInfo | None:
    """Return a registered engine."""
    row = connection.execute(_ENGINE, (namespace, id)).fetchone()
    return EngineInfo(id=row[0], host=row[1], pid=row[2], started_at=row[3]) if row else None


def owner(
    connection: sqlite3.Connection, namespace: str, run: str, is_alive: IsAlive
) -> tuple[EngineInfo, bool] | None:
    """Return the engine that a run belongs to and whether it is alive."""
    row = connection.execute(
        "SELECT owner FROM runs WHERE namespace = ? AND run = ?", (namespace, run)
    ).fetchone()
    found = engine(connection, namespace, row[0]) if row and row[0] is not None else None
    return (found, is_alive(found.id)) if found else None


def unowned(connection: sqlite3.Connection, namespace: str, is_alive: IsAlive) -> list[str]:
    """Return the unfinished runs that no living engine owns, oldest first."""
    rows = connection.execute(
        "SELECT run, owner FROM runs WHERE namespace = ? AND state IN ('pending', 'running') "
        "ORDER BY created_at, rowid",
        (namespace,),
    ).fetchall()
    alive = {owner: is_alive(owner) for owner in {owner for _, owner in rows} if owner is not None}
    return [run for run, owner in rows if not alive.get(owner, False)]


def pool_leases(connection: sqlite3.Connection, namespace: str, pool: str) -> list[PoolLease]:
    """Return the leases on a pool, those of dead engines too."""
    rows = connection.execute(
        "SELECT pool, run, task, fence, engine FROM pool_leases "
        "WHERE namespace = ? AND pool = ? ORDER BY rowid",
        (namespace, pool),
    )
    return [PoolLease(pool=p, run=r, task=t, fence=f, engine=e) for p, r, t, f, e in rows]


def inbox(connection: sqlite3.Connection, namespace: str, engine: str) -> list[Posted]:
    """Return the unanswered commands for runs of an engine."""
    rows = connection.execute(
        "SELECT id, inbox.run, command, posted_by FROM inbox JOIN runs USING (namespace, run) "
        "WHERE namespace = ? AND answer IS NULL AND owner = ? ORDER BY id",
        (namespace, engine),
    )
    return [Posted(id=i, run=run, command=decode_value(text), by=by) for i, run, text, by in rows]


def answer(connection: sqlite3.Connection, namespace: str, post: int) -> Json | None:
    """Return the answer to a command."""
    row = connection.execute(
        "SELECT answer FROM inbox WHERE namespace = ? AND id = ?", (namespace, post)
    ).fetchone()
    return decode_value(row[0]) if row and row[0] is not None else None


def _run(row: Sequence[Any]) -> RunRow:
    return RunRow(
        run=row[0],
        workflow=row[1],
        state=RunState(row[2]),
        paused=bool(row[3]),
        reason=row[4],
        topic=row[5],
        job=row[6],
        parent_run=row[7],
        parent_task=row[8],
        created_at=row[9],
        started_at=row[10],
        ended_at=row[11],
        owner=row[12],
        version=row[13],
    )


def _task(row: Sequence[Any]) -> TaskRow:
    return TaskRow(
        run=row[0],
        task=row[1],
        label=row[2],
        kind=row[3],
        state=TaskState(row[4]),
        generation=row[5],
        attempt=row[6],
        fence=row[7],
        worker=row[8],
        pool=row[9],
        priority=row[10],
        reason=row[11],
        changed_at=row[12],
    )


def _line(row: Sequence[Any]) -> LogLine:
    return LogLine(
        number=row[0],
        run=row[1],
        task=row[2],
        generation=row[3],
        attempt=row[4],
        at=row[5],
        stream=row[6],
        text=row[7],
        data=None if row[8] is None else decode_value(row[8]),
    )
