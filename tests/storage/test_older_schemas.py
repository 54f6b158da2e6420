"""A file that an older version wrote is brought up to date, and everything in it is still there."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from callboard.storage import EngineInfo, Record, RunQuery, SqliteStore, _sqlite_open
from callboard.storage._sqlite_open import APPLICATION_ID, migrations
from callboard.workflow import RunState, StoreError, TaskState

ENGINE = EngineInfo(id="e", host="h", pid=1, started_at=0.0)
CREATED = '{"at":1.0,"run":"r","inputs":null,"parent_run":null,"parent_task":null,"topic":"t"}'


def written_by(version: int, path: Path) -> None:
    """Make a file as it was when this many migrations were known, with one run in it."""
    connection = sqlite3.connect(path)
    for number, script in enumerate(migrations()[:version], 1):
        connection.executescript(script)
        connection.execute("INSERT INTO schema_version VALUES (?, 0)", (number,))
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(
        "INSERT INTO runs (namespace, run, workflow, state, paused, topic, created_at, version) "
        "VALUES ('default', 'r', 'w', 'succeeded', 0, 't', 1.0, 1)"
    )
    connection.execute(
        "INSERT INTO tasks VALUES ('default', 'r', 'a', 'A', 'step', 'succeeded', 1, 0, NULL, "
        "NULL, NULL, 0, NULL, 1.0)"
    )
    connection.execute("INSERT INTO workflows VALUES ('default', 'x', '{\"name\":\"w\"}')")
    connection.execute("INSERT INTO workflows VALUES ('default', 'left', '{\"name\":\"w\"}')")
    connection.execute(
        "INSERT INTO events VALUES ('default', 'r', 1, 'run_created', ?, '{\"spec\":\"x\"}')",
        (CREATED,),
    )
    connection.commit()
    connection.close()


@pytest.mark.parametrize("version", [1, 2, 3, 4])
async def test_a_file_of_an_older_schema_is_carried_on(version: int, tmp_path: Path) -> None:
    written_by(version, tmp_path / "old.db")
    store = SqliteStore(tmp_path / "old.db")
    async with store.opened(ENGINE):
        stored = await store.load("r")
        assert stored is not None
        assert stored.row.topic == "t"
        assert stored.row.job is None
        (created,) = stored.events
        assert created.kind == "run_created"
        assert await store.run_counts(RunQuery(topic="t")) == {RunState.SUCCEEDED: 1}
        assert await store.task_counts(RunQuery()) == {TaskState.SUCCEEDED: 1}
        assert (await store.put(Record(kind="k", id="i", changed_at=1.0), 0)).version == 1
        await store.remove("r")
    with closing(sqlite3.connect(tmp_path / "old.db")) as connection:
        assert connection.execute("SELECT count(*) FROM workflows").fetchone() == (0,)


async def test_a_migration_that_fails_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ones before it, too, which alone would have been right."""
    written_by(2, tmp_path / "old.db")
    wrong = (*migrations(), "CREATE TABLE late (x) STRICT;")
    monkeypatch.setattr(_sqlite_open, "migrations", lambda: wrong)
    store = SqliteStore(tmp_path / "old.db")
    with pytest.raises(StoreError):
        async with store.opened(ENGINE):
            pass
    with closing(sqlite3.connect(tmp_path / "old.db")) as connection:
        assert connection.execute("SELECT max(version) FROM schema_version").fetchone() == (2,)
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        assert not tables & {"records", "refs", "late"}
    monkeypatch.undo()
    async with store.opened(ENGINE):
        assert await store.load("r") is not None


async def test_topics_and_jobs_are_looked_up_in_an_index(tmp_path: Path) -> None:
    """And so are records of a parent: none of it reads a whole table."""
    store = SqliteStore(tmp_path / "s.db")
    async with store.opened(ENGINE):
        pass
    connection = sqlite3.connect(tmp_path / "s.db")
    for statement, index in (
        ("SELECT state FROM runs WHERE namespace = ? AND topic = ?", "runs_by_topic"),
        ("SELECT state FROM runs WHERE namespace = ? AND job = ?", "runs_by_job"),
        (
            "SELECT body FROM records WHERE namespace = ? AND kind = 'k' AND parent = ?",
            "records_by_parent",
        ),
    ):
        plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}", ("default", "x")).fetchall()
        assert index in str(plan)
    connection.close()
