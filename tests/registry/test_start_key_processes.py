"""Several processes use the same keys at once: each key has exactly one run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

import callboard as cb
from callboard.storage import RunQuery, RunRow
from callboard.workflow import RunState

HERE = Path(__file__).parent
KEYS = 25


def start(url: str, backend: str, on_existing: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(HERE / "starter.py"), url, backend, str(KEYS), on_existing],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def say(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def hear(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line or process.stderr is None, process.communicate()[1]
    return line


def rows_of(url: str) -> list[RunRow]:
    async def look() -> list[RunRow]:
        async with cb.Engine(url, recover="none") as engine:
            return await engine.runs(RunQuery(limit=1000))

    return anyio.run(look)


@pytest.mark.parametrize("on_existing", ["existing", "fail", "replace"])
def test_a_key_has_one_run_in_all_processes(on_existing: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/keys.db"
    backends = ("asyncio", "trio", "asyncio")
    processes = [start(url, backend, on_existing) for backend in backends]
    try:
        for each in processes:
            assert hear(each) == "ready\n"
        for each in processes:
            say(each)
        answers: list[list[tuple[str, bool]]] = [json.loads(hear(each)) for each in processes]
        rows = rows_of(url)
    finally:
        for each in processes:
            if each.poll() is None and each.stdin is not None and not each.stdin.closed:
                say(each)
            each.communicate(timeout=30)
    assert [each.returncode for each in processes] == [0, 0, 0]
    alive = {row.run for row in rows if row.state is RunState.RUNNING}
    made = [run for answer in answers for run, created in answer if created]
    assert len(made) == len(set(made)) == len(rows)
    assert len(alive) == KEYS
    if on_existing != "replace":
        assert len(rows) == KEYS
        for number in range(KEYS):
            assert len({answer[number][0] for answer in answers}) == 1
