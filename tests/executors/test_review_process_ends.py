"""Process tasks whose spawner dies, and those that never listen."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import anyio
import pytest

import callboard as cb
from callboard.definitions import loads


def flow(folder: Path, **task: Any) -> cb.WorkflowSpec:
    return loads(json.dumps({"workflow": "w", "tasks": [{"name": "t", **task}]}), "w.json", folder)


async def until(path: Path) -> None:
    with anyio.fail_after(20):
        while not path.exists():  # noqa: ASYNC110, ASYNC240 - another process makes it
            await anyio.sleep(0.01)


@pytest.mark.parametrize("kind", ["shell", "python"])
async def test_an_attempt_whose_spawner_dies_is_lost(tmp_path: Path, kind: str) -> None:
    (tmp_path / "t.py").write_text(
        "import pathlib, time\npathlib.Path('began').touch()\ntime.sleep(60)\n"
    )
    said = {"shell": "touch began; sleep 60", "python": "t.py"}[kind]
    async with cb.Engine("memory:", board=False, grace=0.1) as engine:
        run = await engine.start(flow(tmp_path, **{kind: said}, lost="fail"))
        await until(tmp_path / "began")
        helper = engine._spawner.pid
        assert helper is not None
        os.kill(helper, signal.SIGKILL)
        with anyio.fail_after(20):
            task = (await run.result()).tasks["t"]
    assert task.error is not None
    assert task.error.kind == "lost"


async def test_a_python_task_that_reads_nothing_can_be_stopped(tmp_path: Path) -> None:
    (tmp_path / "t.py").write_text(
        "import pathlib, time\npathlib.Path('began').touch()\ntime.sleep(60)\n"
    )
    task = {
        "python": "t.py",
        "with": {"much": "x" * 1_000_000},
        "stop": {"grace": 0.1, "term": 0.1},
    }
    async with cb.Engine("memory:", board=False, grace=0.1) as engine:
        run = await engine.start(flow(tmp_path, **task))
        await until(tmp_path / "began")
        with anyio.fail_after(20):
            assert (await run.cancel_and_wait()).state == "cancelled"
