"""What stands apart, for it is large or shared, goes with the last run that refers to it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

import callboard as cb
from callboard.storage import SqliteStore

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
