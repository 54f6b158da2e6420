"""Files and disks that are not as they should be: one clear sentence each, and nothing is lost."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from callboard.storage import EngineInfo, SqliteStore
from callboard.storage._sqlite_open import file_system
from callboard.testing._store_conformance import created, engine, run_row, step
from callboard.workflow import StoreError, TaskState
from callboard.workflow.events import TaskSettled


async def refused(path: Path, **options: Any) -> str:
    """Open a store that cannot be opened, and return what it says."""
    with pytest.raises(StoreError) as caught:
        async with SqliteStore(path, **options).opened(engine("e")):
            pytest.fail("it was opened")
    assert str(path) in str(caught.value)
    return str(caught.value)


async def fill(path: Path) -> None:
    async with (store := SqliteStore(path)).opened(engine("e")):
        await store.commit([created("r", "e")])


async def is_intact(path: Path) -> bool:
    async with (store := SqliteStore(path)).opened():
        stored = await store.load("r")
        return stored is not None and list(stored.events) == list(created("r").events)


def events_of_size(run: str, size: int) -> Any:
    return [
        TaskSettled(
            at=1.0, task="a", state=TaskState.SUCCEEDED, output=str(size) + os.urandom(size).hex()
        )
    ]


async def test_looking_makes_no_store(tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    assert "start a run first or give --store" in await refused(path, create=False)
    assert os.listdir(tmp_path) == []  # noqa: PTH208


async def test_a_folder_is_no_store(tmp_path: Path) -> None:
    assert "name a file in it" in await refused(tmp_path)


async def test_a_missing_folder_is_not_made(tmp_path: Path) -> None:
    assert "make it first" in await refused(tmp_path / "gone" / "c.db")


async def test_a_text_file_is_no_store(tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    path.write_text("hello " * 1000)
    assert "no SQLite database" in await refused(path)
    assert path.read_text().startswith("hello")


async def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE schema_version (version)")
    connection.close()
    assert "another program" in await refused(path)


async def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    await fill(path)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("INSERT INTO schema_version VALUES (99, 0)")
    assert "upgrade callboard" in await refused(path)
    connection.execute("DELETE FROM schema_version WHERE version = 99")
    connection.close()
    assert await is_intact(path)


def damage(path: Path, table: str) -> None:
    """Overwrite the page on which a table begins."""
    connection = sqlite3.connect(path)
    query = "SELECT rootpage FROM sqlite_master WHERE name = ?"
    (page,) = connection.execute(query, (table,)).fetchone()
    connection.close()
    content = bytearray(path.read_bytes())
    content[(page - 1) * 4096 : page * 4096] = b"\xff" * 4096
    path.write_bytes(content)


async def test_damage_is_named_when_it_is_met(tmp_path: Path) -> None:
    """Whether it is met when the file is opened or when a run is read."""
    path = tmp_path / "c.db"
    await fill(path)
    damage(path, "events")
    async with (store := SqliteStore(path)).opened():
        with pytest.raises(StoreError, match="restore it from a copy"):
            await store.load("r")
        assert len(await store.tasks("r")) == 2
    damage(path, "schema_version")
    assert "restore it from a copy" in await refused(path)


async def test_a_full_disk_refuses_and_what_is_stored_stays(tmp_path: Path) -> None:
    """The commit that does not fit is refused; with more room, the same succeeds."""
    path = tmp_path / "c.db"
    store = SqliteStore(path)
    async with store.opened(engine("e")):
        await store.commit([created("r", "e")])
        await store._write(lambda c: c.execute("PRAGMA max_page_count = 60").fetchone())
        large = step("r", 1, "e", events=events_of_size("r", 200_000))
        with pytest.raises(StoreError, match="free some"):
            await store.commit([large, created("q", "e")])
        stored = await store.load("r")
        assert stored is not None
        assert len(stored.events) == 1
        assert await store.load("q") is None
        await store._write(lambda c: c.execute("PRAGMA max_page_count = 100000").fetchone())
        await store.commit([large])
    async with (store := SqliteStore(path)).opened():
        assert len(await store.events("r")) == 2


def run_script(script: str, *arguments: str) -> str:
    """Run a program in a process of its own and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


FILE_SIZE_LIMIT = """
import resource, sys, anyio
from callboard.storage import SqliteStore
from callboard.testing._store_conformance import created, engine
from callboard.workflow import StoreError

async def main(path):
    store = SqliteStore(path)
    async with store.opened(engine("e")):
        await store.commit([created("r", "e")])
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
        for number in range(1000):
            try:
                await store.commit([created(f"r{number}", "e")])
            except StoreError as error:
                print(number, error)
                break
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        await store.commit([created("last", "e")])

anyio.run(main, sys.argv[1], backend=sys.argv[2])
"""


async def test_a_disk_that_takes_no_more_refuses_and_recovers(
    anyio_backend_name: str, tmp_path: Path
) -> None:
    """The system refuses to write; what was acknowledged is there, and then it goes on."""
    path = tmp_path / "c.db"
    output = run_script(FILE_SIZE_LIMIT, str(path), anyio_backend_name)
    number, _, message = output.partition(" ")
    assert "free some" in message
    async with (store := SqliteStore(path)).opened():
        for stored in ("r", "last", *(f"r{n}" for n in range(int(number)))):
            assert await store.load(stored) is not None


READ_ONLY = """
import os, sys, anyio
from callboard.storage import SqliteStore
from callboard.testing._store_conformance import created, engine
from callboard.workflow import StoreError

async def main(path):
    store = SqliteStore(path)
    try:
        async with store.opened(engine("e")):
            await store.commit([created("q", "e")])
    except StoreError as error:
        print(error)

if os.geteuid() == 0:
    os.seteuid(65534)
anyio.run(main, sys.argv[1])
"""


@pytest.mark.parametrize("filled", [False, True])
async def test_a_read_only_folder_is_named(filled: bool) -> None:
    # Not in tmp_path, which only this user may enter: root must become somebody else for this.
    with TemporaryDirectory() as folder:
        path = Path(folder) / "c.db"
        if filled:
            await fill(path)
        os.chmod(folder, 0o555)  # noqa: PTH101
        output = run_script(READ_ONLY, str(path))
        assert str(path) in output
        assert "allow this user to" in output
        os.chmod(folder, 0o755)  # noqa: PTH101
        assert not filled or await is_intact(path)


def test_network_file_systems_are_known(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "/dev/sda / ext4 rw 0 0\n"
        "host:/export /srv/my\\040data nfs4 rw 0 0\n"
        "tmpfs /srv tmpfs rw 0 0\n"
    )
    assert file_system(Path("/srv/my data/x"), mounts) == "nfs4"
    assert file_system(Path("/srv/my"), mounts) == "tmpfs"
    assert file_system(Path("/home"), mounts) == "ext4"
    assert file_system(Path("/home"), tmp_path / "gone") is None


def _nfs(_: Path) -> str:
    return "nfs4"


async def test_a_network_file_system_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callboard.storage._sqlite_open.file_system", _nfs)
    assert "local disk" in await refused(tmp_path / "c.db")


async def test_a_store_is_opened_once_and_before_use(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "c.db")
    with pytest.raises(StoreError, match="not open"):
        await store.load("r")
    async with store.opened(engine("e")):
        with pytest.raises(StoreError, match="open already"):
            async with store.opened(engine("e2")):
                pytest.fail("it was opened twice")
        with pytest.raises(StoreError, match="its own id"):
            async with SqliteStore(tmp_path / "c.db").opened(engine("e")):
                pytest.fail("two engines had one id")


async def test_a_store_may_be_opened_again(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "c.db")
    for _ in range(2):
        async with store.opened(engine("e")):
            await store.wait_changed(0)


async def test_the_folder_of_the_file_may_have_any_name(tmp_path: Path) -> None:
    """Signs that mean something in a URI, and an engine's id that means something in a path."""
    folder = tmp_path / "a%20b?c#d é"
    folder.mkdir()
    path = folder / "c.db"
    info = EngineInfo(id="../e/1", host="h", pid=1, started_at=1.0)
    async with (store := SqliteStore(path)).opened(info):
        await store.commit([created("r", "../e/1")])
        assert await store.load("r") is not None
    assert sorted(each.name for each in folder.iterdir()) == ["c.db", "c.db-locks"]


async def test_what_is_no_json_is_refused_with_its_place(tmp_path: Path) -> None:
    async with (store := SqliteStore(tmp_path / "c.db")).opened(engine("e")):
        await store.commit([created("r", "e")])
        for output in (object(), "\udc80"):
            events = [TaskSettled(at=1.0, task="a", state=TaskState.SUCCEEDED, output=output)]
            with pytest.raises(StoreError, match=r"event 2 \(task_settled\) of run 'r'"):
                await store.commit([step("r", 1, "e", events=events)])
        with pytest.raises(StoreError, match="not Unicode"):
            await store.commit([step("r", 1, "e", row=run_row("r", reason="\udc80"))])
        with pytest.raises(StoreError, match="no JSON"):
            await store.post("r", object())
        await store.commit([step("r", 1, "e")])


async def test_two_namespaces_share_a_file_and_see_nothing_of_each_other(tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    one, two = SqliteStore(path, namespace="one"), SqliteStore(path, namespace="two")
    async with one.opened(engine("e1")), two.opened(engine("e2")):
        await one.commit([created("r", "e1")])
        await two.commit([created("r", "e2")])
        await one.commit([step("r", 1, "e1")])
        assert len(await one.events("r")) == 2
        assert len(await two.events("r")) == 1
        assert await two.find("") == ["r"]
        assert await two.unowned() == []


async def test_a_locked_file_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who comes while another program writes waits, and succeeds when that has ended."""
    path = tmp_path / "c.db"
    monkeypatch.setattr("callboard.storage._sqlite_open.BUSY_TIMEOUT_MS", 1)
    async with (store := SqliteStore(path)).opened(engine("e")):
        other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        waits: list[float] = []

        def end_the_third_time(seconds: float) -> None:
            waits.append(seconds)
            if len(waits) == 3:
                other.execute("ROLLBACK")

        monkeypatch.setattr("callboard.storage._sqlite_errors.time.sleep", end_the_third_time)
        await store.commit([created("r", "e")])
        other.close()
        assert len(waits) == 3


async def test_a_file_locked_for_ever_is_an_error_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "c.db"
    monkeypatch.setattr("callboard.storage._sqlite_open.BUSY_TIMEOUT_MS", 1)
    monkeypatch.setattr("callboard.storage._sqlite_errors.PATIENCE_SECONDS", 0.01)
    async with (store := SqliteStore(path)).opened(engine("e")):
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="end what else works on the file"):
            await store.commit([created("r", "e")])
        other.close()
        await store.commit([created("r", "e")])
