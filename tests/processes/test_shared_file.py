"""Two engines on one SQLite file while a third looks and acts: nothing is ever locked."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import anyio
import anyio.to_thread

import callboard as cb

HERE = Path(__file__).parent
RUNS = 200


def _start(url: str, name: str, backend: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(HERE / "many_runs.py"), url, name, str(RUNS), backend],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def _ended(*processes: subprocess.Popen[str]) -> Generator[None]:
    """Leave no process behind, however a test ends."""
    try:
        yield
    finally:
        for each in processes:
            each.kill()
            each.communicate()


async def _meddle(url: str, until: anyio.Event) -> dict[str, int]:
    """Pause, unpause, show and cancel others' runs until told to stop; count what was done."""
    done: dict[str, int] = dict.fromkeys(("pause", "unpause", "show", "cancel", "refused"), 0)
    source = random.Random(1)
    async with cb.Engine(url, recover="none") as engine:
        while not until.is_set():
            rows = await engine.runs()
            live = [row for row in rows if row.state is cb.RunState.RUNNING]
            if not live:
                await anyio.sleep(0.02)
                continue
            run = await engine.get(source.choice(live).run)
            try:
                await (await engine.get(run.id)).snapshot()
                done["show"] += 1
                if source.random() < 0.3:
                    await run.cancel("not needed")
                    done["cancel"] += 1
                else:
                    await run.pause()
                    done["pause"] += 1
                    await run.unpause()
                    done["unpause"] += 1
            except cb.Refused:
                done["refused"] += 1  # It had ended meanwhile.
        for row in await engine.runs():
            if row.paused and row.state is cb.RunState.RUNNING:
                await (await engine.get(row.run)).unpause()
    return done


async def test_two_engines_and_a_meddler(tmp_path: Path, anyio_backend_name: str) -> None:
    """All runs end, some of them cancelled, and no process ever says "database is locked"."""
    url = f"sqlite:///{tmp_path}/shared.db"
    first, second = _start(url, "a", "asyncio"), _start(url, "b", "trio")
    over = anyio.Event()
    done: dict[str, int] = {}
    outputs: list[tuple[str, str]] = []

    async def meddle() -> None:
        done.update(await _meddle(url, over))

    # So long only to end a test that hangs: on a machine with much else to do it takes a minute.
    with _ended(first, second), anyio.fail_after(600):
        async with anyio.create_task_group() as group:
            group.start_soon(meddle)
            outputs = [await anyio.to_thread.run_sync(each.communicate) for each in (first, second)]
            over.set()
    for process, (out, err) in zip((first, second), outputs, strict=True):
        assert process.returncode == 0, err
        assert "locked" not in err
        states = json.loads(out)
        assert len(states) == RUNS
        assert set(states.values()) <= {"succeeded", "cancelled"}
    assert done["show"] > 0
    assert done["pause"] + done["cancel"] > 0
