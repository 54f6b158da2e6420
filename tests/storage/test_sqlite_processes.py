"""Several processes on one file, and some that die: nothing is lost, and nobody hangs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest

from callboard.storage import CrashPoint, SqliteStore
from callboard.testing._store_conformance import created, engine, step
from callboard.workflow import RunOwned

CHILD = Path(__file__).with_name("store_child.py")
SECONDS = 60


def start(
    backend: str, path: Path, name: str, act: str, count: int = 0, *, crash_at: str | None = None
) -> subprocess.Popen[str]:
    environment = {key: value for key, value in os.environ.items() if key != "CALLBOARD_CRASH_AT"}
    if crash_at is not None:
        environment["CALLBOARD_CRASH_AT"] = crash_at
    return subprocess.Popen(
        [sys.executable, str(CHILD), backend, str(path), name, act, str(count)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


@contextmanager
def holding(backend: str, path: Path) -> Generator[subprocess.Popen[str]]:
    """A process that owns the run ``held``; it is killed in the end."""
    with start(backend, path, "there", "hold") as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "open\n"
            assert child.stdout.readline() == "held 1\n"
            yield child
        finally:
            child.kill()


def acknowledged(output: str) -> dict[str, int]:
    """Return, by run, the last version that the process was told is written."""
    found: dict[str, int] = {}
    for line in output.splitlines():
        run, _, version = line.partition(" ")
        if version:
            found[run] = int(version)
    return found


async def check_written(store: SqliteStore, versions: dict[str, int]) -> None:
    for run, version in versions.items():
        stored = await store.load(run)
        assert stored is not None, run
        assert len(stored.events) >= version
        assert stored.row.version == len(stored.events)


def finish(children: Sequence[subprocess.Popen[str]]) -> list[str]:
    outputs: list[str] = []
    for child in children:
        with child:
            try:
                output, errors = child.communicate(timeout=SECONDS)
            finally:
                child.kill()
        assert "locked" not in errors
        assert child.returncode == 0, errors
        outputs.append(output)
    return outputs


async def test_processes_make_and_fill_one_file_at_the_same_moment(
    anyio_backend_name: str, tmp_path: Path
) -> None:
    """All of them succeed, and each finds everything it wrote; the locks are gone afterwards."""
    path = tmp_path / "c.db"
    outputs = finish([start(anyio_backend_name, path, f"e{i}", "write", 20) for i in range(3)])
    store = SqliteStore(path, create=False)
    async with store.opened():
        for output in outputs:
            versions = acknowledged(output)
            assert list(versions.values()) == [5] * 20
            await check_written(store, versions)
    assert [each.name for each in (tmp_path / "c.db-locks").iterdir()] == ["schema.lock"]


@pytest.mark.parametrize("point", list(CrashPoint))
async def test_what_was_acknowledged_outlives_a_kill(
    anyio_backend_name: str, tmp_path: Path, point: CrashPoint
) -> None:
    """A process dies beside its commits; its runs are whole, and free for another engine."""
    path = tmp_path / "c.db"
    for passes in (1, 4):
        child = start(
            anyio_backend_name, path, f"dead{passes}", "write", 30, crash_at=f"{point}:{passes}"
        )
        with child:
            output, errors = child.communicate(timeout=SECONDS)
        assert child.returncode == -9, errors
        store = SqliteStore(path)
        async with store.opened(engine("heir")):
            versions = acknowledged(output)
            await check_written(store, versions)
            unowned = await store.unowned()
            assert versions.keys() <= set(unowned)
            for run in unowned:
                stored = await store.load(run)
                assert stored is not None
                assert await store.take(run, "heir") in (None, f"dead{passes}")
                await store.commit([step(run, stored.row.version, "heir")])


async def test_a_living_process_keeps_its_run_until_it_is_killed(
    anyio_backend_name: str, tmp_path: Path
) -> None:
    """The refusal names the process; its death frees the run and its pool slots at once."""
    path = tmp_path / "c.db"
    with holding(anyio_backend_name, path) as child:
        store = SqliteStore(path)
        async with store.opened(engine("here")):
            with pytest.raises(RunOwned, match=f"process {child.pid} on thathost") as caught:
                await store.take("held", "here")
            assert caught.value.owner == "there"
            owner = await store.owner("held")
            assert owner is not None
            assert owner[0].pid == child.pid
            assert owner[1]
            child.kill()
            child.wait()
            assert await store.unowned() == ["held"]
            assert await store.take("held", "here") == "there"


async def test_another_process_wakes_who_waits_and_own_commits_do_not(
    anyio_backend_name: str, tmp_path: Path
) -> None:
    path = tmp_path / "c.db"
    store = SqliteStore(path)
    async with store.opened(engine("here")):
        await store.commit([created("r", "here")])
        seen = await store.wait_changed(0)
        for version in range(1, 20):
            await store.commit([step("r", version, "here")])
            with anyio.move_on_after(0.01):
                assert await store.wait_changed(seen) == -1, "woken by its own commits"
        with anyio.fail_after(SECONDS):
            async with anyio.create_task_group() as tg:
                tg.start_soon(store.wait_changed, seen)
                with holding(anyio_backend_name, path):
                    pass


@pytest.mark.parametrize(("act", "code"), [("crash", 1), ("cancel", 0)])
async def test_the_interpreter_ends_however_the_store_is_left(
    anyio_backend_name: str, tmp_path: Path, act: str, code: int
) -> None:
    """No thread of a driver keeps the process alive after an error or a cancellation."""
    with start(anyio_backend_name, tmp_path / "c.db", "e", act) as child:
        try:
            _, errors = child.communicate(timeout=SECONDS)
        finally:
            child.kill()
    assert child.returncode == code, errors
    assert ("crashed on purpose" in errors) == (act == "crash")
