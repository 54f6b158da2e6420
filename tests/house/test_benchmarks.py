"""Each benchmark still runs, at a tiny size: nothing here looks at a clock."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def _import(name: str) -> Any:
    """Import a program with the folder in reach that it adds to the path itself."""
    sys.path.insert(0, str(BENCHMARKS.parent))
    path = sys.path.copy()
    try:
        return importlib.import_module(f"benchmarks.{name}")
    finally:
        sys.path[:] = path[1:]


run, bench_http, _http_server = map(_import, ("run", "bench_http", "_http_server"))
SAMPLES = [
    pytest.param(row, way, backend, id=f"{row.name}-{way}-{backend}")
    for row in run.ROWS.values()
    for way in row.ways
    for backend in row.backends
]


@asynccontextmanager
async def _server_here(way: str, folder: Path, runs: int, tasks: int) -> AsyncGenerator[int]:
    async with _http_server.serving(way, folder, runs, tasks) as url:
        yield int(url.rpartition(":")[2])


@pytest.mark.parametrize(("row", "way", "backend"), SAMPLES)
def test_every_way_of_every_row_does_its_work(
    row: Any, way: str, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A process for each costs more than all that they do; the next test starts one.
    monkeypatch.setattr(bench_http, "server", _server_here)
    assert run.sample(row, way, backend, row.tiny).value >= 0


@pytest.mark.parametrize("way", ["ours", bench_http.BARE])
def test_the_server_of_the_rows_over_http_is_a_process_of_its_own(way: str) -> None:
    row = run.ROWS["http-claim-16"]
    assert run.sample(row, way, "asyncio", row.tiny).value >= 0


def test_one_command_measures_in_turn_and_writes_the_table_between_its_marks(
    tmp_path: Path,
) -> None:
    page = tmp_path / "speed.md"
    old = "| 9: ask and reply | asyncio | old |\n| 9: ask and reply | trio | kept |\n"
    page.write_text(f"Before.\n\n{run.BEGIN}\n{old}{run.END}\n\nAfter.\n", encoding="utf-8")
    command = [sys.executable, str(BENCHMARKS / "run.py"), "--quick", "--only", "ask"]
    done = subprocess.run(
        [*command, "--backend", "asyncio", "--markdown", str(page)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert "ask 500 on asyncio" in done.stdout
    text = page.read_text(encoding="utf-8")
    assert text.startswith("Before.\n")
    assert text.endswith("After.\n")
    assert "| 500: ask and reply | asyncio |" in text
    assert "old" not in text
    assert "\n| 9: ask and reply | trio | kept |\n" in text


def test_a_goal_is_a_value_or_a_multiple_of_a_limit() -> None:
    rows = run.ROWS
    assert rows["dag"].goal.is_reached(rows["dag"], {"ours": 2.0, "graphlib + anyio task group": 2})
    assert not rows["many"].goal.is_reached(rows["many"], {"ours": 7_999.0})
    assert rows["successor"].goal.is_reached(rows["successor"], {"ours": 1.9})


def test_every_row_of_the_committed_table_is_measured_by_a_row_of_the_program() -> None:
    text = (BENCHMARKS.parent / "docs" / "speed.md").read_text(encoding="utf-8")
    table = text.split(run.BEGIN)[1].split(run.END)[0]
    for row in run.ROWS.values():
        assert f": {row.title} |" in table
