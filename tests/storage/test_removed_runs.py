"""What stands apart, for it is large or shared, goes with the last run that refers to it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import callboard as cb
from callboard.storage import SqliteStore, _sqlite_query as queries
from callboard.storage._sqlite_acts import remove
from callboard.storage._sqlite_open import open_writer

LARGE = "x" * 100_000


@cb.task
async def give(value: str) -> str:
    return value


@cb.workflow
def flow(w: cb.Builder, value: str) -> None:
    w.add(give, value)


def rows(path: Path, table: str) -> int:
    with closing(sqlite3.connect(path)) as connection:
        found: int = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    return found


@pytest.mark.parametrize("same", [True, False])
async def test_what_stands_apart_goes_with_the_last_run(tmp_path: Path, *, same: bool) -> None:
    path = tmp_path / "runs.db"
    async with cb.Engine(SqliteStore(path)) as engine:
        for run in "abc":
            await engine.run(flow, LARGE if same else run + LARGE, run_id=run)
        await engine.remove("a")
        for run in "bc":
            result = await (await engine.get(run)).result()
            assert result.tasks["give"].output == (LARGE if same else run + LARGE)
            await engine.remove(run)
        assert [rows(path, table) for table in ("runs", "events", "refs")] == [0, 0, 0]
        assert [rows(path, table) for table in ("blobs", "workflows")] == [0, 0]
        await engine.run(flow, LARGE, run_id="a")
        assert (await (await engine.get("a")).result()).tasks["give"].output == LARGE


async def test_a_run_that_is_removed_while_its_events_are_read_is_read_whole(
    tmp_path: Path,
) -> None:
    path = tmp_path / "runs.db"
    async with cb.Engine(SqliteStore(path)) as engine:
        await engine.run(flow, LARGE, run_id="a")
        known = [event.kind for event in await _events(engine)]
    removed: list[str] = []
    options: Any = {"factory": sqlite3.Connection, "create": False, "synchronous": "FULL"}
    with closing(open_writer(path, **options)) as writer, closing(sqlite3.connect(path)) as reader:
        reader.isolation_level = None

        def remove_it(statement: str) -> None:
            if "FROM workflows" in statement and not removed:
                removed.append("a")
                remove(writer, "default", "a")

        reader.set_trace_callback(remove_it)
        found = queries.events(reader, "default", "a", 0, 100)
    assert removed == ["a"]
    assert [event.kind for _, event in found] == known


async def _events(engine: cb.Engine) -> list[Any]:
    return [event for _, event in await engine.store.events("a", 0)]
