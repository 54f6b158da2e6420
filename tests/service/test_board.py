"""Worker processes empty a board: each task exactly once, killed workers or not."""

from __future__ import annotations

import functools
from pathlib import Path

import anyio
import pytest

from .trials import trial


@pytest.mark.long
def test_sixteen_workers_do_each_task_once(tmp_path: Path) -> None:
    figures = anyio.run(functools.partial(trial, tmp_path, 500, 16))
    assert figures.kills == 0


@pytest.mark.long
def test_killed_workers_lose_no_task(tmp_path: Path) -> None:
    figures = anyio.run(functools.partial(trial, tmp_path, 200, 4, kills=5, lease=2.0))
    assert figures.kills == 5
