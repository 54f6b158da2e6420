"""A batch of transitions in one transaction: to rows on the loop, to the database in its thread."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from typing import Any

import attrs

from ..workflow import Event, RunState, StoreError, TaskState
from ._codec import SPEC_FIELD, encode, encode_value
from ._crash import CrashHook, CrashPoint
from ._protocol import LogLine, Receipt, RunRow, TaskRow, Transition
from ._refusals import Head, check_transitions, owner_after

_Row = tuple[Any, ...]

_CREATE_RUN = """
INSERT INTO runs (state, paused, reason, started_at, ended_at, owner, version, namespace, run,
    workflow, topic, job, parent_run, parent_task, created_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""
_UPDATE_RUN = """
UPDATE runs SET state = ?, paused = ?, reason = ?, started_at = ?, ended_at = ?, owner = ?,
    version = ?
WHERE namespace = ? AND run = ? AND version = ? AND owner IS ?
"""
_UPDATE_VERSION = """
UPDATE runs SET version = ? WHERE namespace = ? AND run = ? AND version = ? AND owner IS ?
"""
_PUT_EVENT = (
    "INSERT INTO events (namespace, run, number, kind, body, refs) VALUES (?, ?, ?, ?, ?, ?)"
)
_PUT_TASK = """
INSERT INTO tasks (namespace, run, task, label, kind, state, generation, attempt, fence, worker,
    pool, priority, reason, changed_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (namespace, run, task) DO UPDATE SET label = excluded.label, kind = excluded.kind,
    state = excluded.state, generation = excluded.generation, attempt = excluded.attempt,
    fence = excluded.fence, worker = excluded.worker, pool = excluded.pool,
    priority = excluded.priority, reason = excluded.reason, changed_at = excluded.changed_at
"""
_PUT_LINE = """
INSERT INTO logs (namespace, run, task, generation, attempt, at, stream, text, data)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_PUT_WORKFLOW = (
    "INSERT INTO workflows (namespace, hash, spec) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
)
_PUT_BLOB = "INSERT INTO blobs (namespace, hash, body) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
_PUT_REF = "INSERT INTO refs (namespace, hash, run) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
_PUT_RECEIPT = """
INSERT INTO receipts (namespace, fence, seq, part, run, answer) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING
"""
_END_LEASE = "DELETE FROM pool_leases WHERE namespace = ? AND fence = ?"


_TEXTS = {state: state.value for state in (*RunState, *TaskState)}


@attrs.define
class Batch:
    """What one transaction writes, by statement."""

    transitions: Sequence[Transition]
    created: list[_Row] = attrs.field(factory=list[_Row])
    updated: list[_Row] = attrs.field(factory=list[_Row])
    counted: list[_Row] = attrs.field(factory=list[_Row])
    workflows: dict[str, _Row] = attrs.field(factory=dict[str, _Row])
    blobs: dict[str, _Row] = attrs.field(factory=dict[str, _Row])
    refs: list[_Row] = attrs.field(factory=list[_Row])
    events: list[_Row] = attrs.field(factory=list[_Row])
    tasks: list[_Row] = attrs.field(factory=list[_Row])
    leases: list[_Row] = attrs.field(factory=list[_Row])
    lines: list[_Row] = attrs.field(factory=list[_Row])
    receipts: list[_Row] = attrs.field(factory=list[_Row])


def prepare(namespace: str, transitions: Sequence[Transition], lines: Sequence[LogLine]) -> Batch:
    """Return the rows of a batch.

    Raises:
        StoreError: an event holds what cannot be written as JSON.
    """
    batch = Batch(transitions)
    once = {run for run, count in Counter(each.run for each in transitions).items() if count == 1}
    for each in transitions:
        _add_run(batch, namespace, each, short=each.only_version and each.run in once)
        for number, event in enumerate(each.events, each.version + 1):
            _add_event(batch, namespace, each.run, number, event)
        batch.tasks += [_task(namespace, row) for row in each.tasks]
        batch.leases += [(namespace, fence) for fence in each.pool_leases_released]
        batch.lines += [_line(namespace, line) for line in each.lines]
        batch.receipts += [_receipt(namespace, each.run, receipt) for receipt in each.receipts]
    batch.lines += [_line(namespace, line) for line in lines]
    return batch


def _add_run(batch: Batch, namespace: str, transition: Transition, *, short: bool) -> None:
    version = transition.version + len(transition.events)
    if short and transition.version and not transition.release:
        # The indexes of runs stay as they are: half the pages of a step are not written.
        # Only for a run that stands once in the batch, for these are written before the others.
        batch.counted.append(
            (version, namespace, transition.run, transition.version, transition.engine)
        )
        return
    values = (
        *_changing(transition.row),
        owner_after(transition),
        version,
        namespace,
        transition.run,
    )
    if transition.version == 0:
        batch.created.append((*values, *_lasting(transition.row)))
    else:
        batch.updated.append((*values, transition.version, transition.engine))


def _changing(row: RunRow) -> _Row:
    return (
        _TEXTS[row.state],
        row.paused,
        row.reason,
        row.started_at,
        row.ended_at,
    )


def _lasting(row: RunRow) -> _Row:
    """Return what a run was created with: no index on it is touched by what comes later."""
    return (
        row.workflow,
        row.topic,
        row.job,
        row.parent_run,
        row.parent_task,
        row.created_at,
    )


def _add_event(batch: Batch, namespace: str, run: str, number: int, event: Event) -> None:
    try:
        encoded = encode(event)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise StoreError(
            f"event {number} ({event.kind}) of run {run!r} holds a value that is no JSON: {error}"
        ) from error
    batch.events.append((namespace, run, number, encoded.kind, encoded.body, encoded.refs))
    for field, digest, text in encoded.moved:
        rows = batch.workflows if field == SPEC_FIELD else batch.blobs
        rows[digest] = (namespace, digest, text)
        batch.refs.append((namespace, digest, run))


def _task(namespace: str, row: TaskRow) -> _Row:
    return (
        namespace,
        row.run,
        row.task,
        row.label,
        row.kind,
        _TEXTS[row.state],
        row.generation,
        row.attempt,
        row.fence,
        row.worker,
        row.pool,
        row.priority,
        row.reason,
        row.changed_at,
    )


def _line(namespace: str, line: LogLine) -> _Row:
    return (
        namespace,
        line.run,
        line.task,
        line.generation,
        line.attempt,
        line.at,
        line.stream,
        line.text if line.text.isascii() else line.text.encode(errors="replace").decode(),
        None if line.data is None else encode_value(line.data),
    )


def _receipt(namespace: str, run: str, receipt: Receipt) -> _Row:
    answer = encode_value(receipt.answer)
    return (namespace, receipt.fence, receipt.seq, receipt.part, run, answer)


def write(connection: sqlite3.Connection, namespace: str, batch: Batch, crash: CrashHook) -> None:
    """Write a batch, or raise and have written nothing.

    Raises:
        Conflict: a run has another version or owner than its transition expects.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        if not _swap_versions(connection, batch):
            connection.execute("ROLLBACK")
            connection.execute("BEGIN IMMEDIATE")
            _refuse(connection, namespace, batch.transitions)
            _swap_versions(connection, batch)
        for statement, rows in (
            (_PUT_WORKFLOW, list(batch.workflows.values())),
            (_PUT_BLOB, list(batch.blobs.values())),
            (_PUT_REF, batch.refs),
            (_PUT_EVENT, batch.events),
            (_PUT_TASK, batch.tasks),
            (_END_LEASE, batch.leases),
            (_PUT_LINE, batch.lines),
            (_PUT_RECEIPT, batch.receipts),
        ):
            if rows:
                connection.executemany(statement, rows)
        crash(CrashPoint.IN_TRANSACTION)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _swap_versions(connection: sqlite3.Connection, batch: Batch) -> bool:
    """Write the rows of the runs; return whether all had the expected version and owner."""
    for statement, rows in (
        (_CREATE_RUN, batch.created),
        (_UPDATE_VERSION, batch.counted),
        (_UPDATE_RUN, batch.updated),
    ):
        if rows and connection.executemany(statement, rows).rowcount != len(rows):
            return False
    return True


def _refuse(
    connection: sqlite3.Connection, namespace: str, transitions: Sequence[Transition]
) -> None:
    """Raise for the transition that does not fit, unless by now they all do."""

    def head(run: str) -> Head | None:
        found: Head | None = connection.execute(
            "SELECT version, owner FROM runs WHERE namespace = ? AND run = ?", (namespace, run)
        ).fetchone()
        return found

    check_transitions(transitions, head)
