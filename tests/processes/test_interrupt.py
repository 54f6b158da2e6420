"""Ctrl-C in a program that waits for a run: the run stays resumable, on both backends."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import anyio
import pytest

from callboard.storage import RunQuery, open_store

PROGRAM = Path(__file__).parent / "interrupted.py"
PATIENCE_SECONDS = 30


def interrupt(folder: Path, way: str, after: str) -> list[str]:
    """Start the program, interrupt it once it has said this, and return all that it said."""
    said: list[str] = []
    with (folder / "errors").open("w") as errors:
        program = subprocess.Popen(
            [sys.executable, str(PROGRAM), f"sqlite:///{folder / 'app.db'}", way],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    patience = threading.Timer(PATIENCE_SECONDS, program.kill)
    patience.start()
    with program:
        assert program.stdout is not None
        for line in program.stdout:
            said.append(line.strip())
            if said[-1] == after and "inside" not in way:
                program.send_signal(signal.SIGINT)
    patience.cancel()
    assert "KeyboardInterrupt" in (folder / "errors").read_text()
    assert program.returncode in (1, 130, -signal.SIGINT)
    return said


WAYS = [
    f"{backend}-{how}" for backend in ("asyncio", "trio") for how in ("plain", "tidy", "inside")
]


@pytest.mark.parametrize("way", [*WAYS, "anyio"])
def test_ctrl_c_leaves_the_run_resumable(tmp_path: Path, way: str) -> None:
    assert interrupt(tmp_path, way, "begun") == ["begun", "stopped"]
    assert _found(tmp_path) == ({"r": "running"}, ["r"])


@pytest.mark.parametrize("way", ["asyncio-scope", "trio-scope"])
def test_a_call_that_was_cancelled_before_has_cancelled_its_run(tmp_path: Path, way: str) -> None:
    assert interrupt(tmp_path, way, "left") == ["begun", "stopped", "left"]
    assert _found(tmp_path) == ({"r": "cancelled"}, [])


def _found(folder: Path) -> tuple[dict[str, str], list[str]]:
    """Return the states of the runs, and those that may be resumed."""

    async def look() -> tuple[dict[str, str], list[str]]:
        async with (store := open_store(f"sqlite:///{folder / 'app.db'}")).opened():
            rows = await store.runs(RunQuery())
            return {row.run: str(row.state) for row in rows}, list(await store.unowned())

    return anyio.run(look)
