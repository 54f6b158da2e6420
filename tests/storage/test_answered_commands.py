"""Commands that were answered long ago are removed, a few at a time."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from callboard.storage import MemoryStore, SqliteStore, _memory, _sqlite_acts, _sqlite_open
from callboard.testing._store_conformance import created, engine

HOUR = 3600


def count(path: Path) -> int:
    """Return how many commands a file holds, answered or not."""
    connection = sqlite3.connect(path)
    (number,) = connection.execute("SELECT count(*) FROM inbox").fetchone()
    connection.close()
    return int(number)


def grow_older(path: Path, seconds: float) -> None:
    """Let all that was answered have been answered longer ago."""
    connection = sqlite3.connect(path)
    connection.execute("UPDATE inbox SET answered_at = answered_at - ?", (seconds,))
    connection.commit()
    connection.close()


async def post(store: SqliteStore | MemoryStore, times: int, *, answered: bool = True) -> list[int]:
    """Post commands to a run; return their numbers."""
    numbers = [await store.post("r", {"type": "pause"}) for _ in range(times)]
    for number in numbers if answered else ():
        await store.reply(number, {"ok": True})
    return numbers


async def test_an_answer_is_kept_for_an_hour_and_goes_with_a_later_one(tmp_path: Path) -> None:
    store = SqliteStore(path := tmp_path / "c.db")
    async with store.opened(engine("e")):
        await store.commit([created("r", "e")])
        old = await post(store, 3)
        unanswered = await post(store, 1, answered=False)
        assert await store.answer(old[0]) == {"ok": True}
        await post(store, 1)
        assert count(path) == 5
        grow_older(path, HOUR + 1)
        new = await post(store, 1)
        assert [await store.answer(number) for number in old] == [None] * 3
        assert await store.answer(new[0]) == {"ok": True}
        assert [each.id for each in await store.inbox("e")] == unanswered
        assert count(path) == 2


async def test_old_answers_go_a_few_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_sqlite_acts, "REMOVED_MAX", 3)
    store = SqliteStore(path := tmp_path / "c.db")
    async with store.opened(engine("e")):
        await store.commit([created("r", "e")])
        await post(store, 10)
        grow_older(path, HOUR + 1)
        await post(store, 1)
        assert count(path) == 8
    async with SqliteStore(path).opened(engine("f")):
        assert count(path) == 5


async def test_to_look_removes_nothing(tmp_path: Path) -> None:
    store = SqliteStore(path := tmp_path / "c.db")
    async with store.opened(engine("e")):
        await store.commit([created("r", "e")])
        await post(store, 2)
    grow_older(path, HOUR + 1)
    async with SqliteStore(path).opened():
        assert count(path) == 2


async def test_a_file_of_the_first_schema_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    connection = sqlite3.connect(path)
    connection.executescript(
        f"{_sqlite_open.migrations()[0]}\nPRAGMA application_id = {_sqlite_open.APPLICATION_ID};"
        "INSERT INTO schema_version VALUES (1, 0);"
        "INSERT INTO runs (namespace, run, workflow, state, paused, created_at, version)"
        " VALUES ('default', 'r', 'w', 'running', 0, 1.0, 1);"
        "INSERT INTO inbox (namespace, run, command, answer) VALUES ('default', 'r', '{}', '{}');"
        "INSERT INTO inbox (namespace, run, command) VALUES ('default', 'r', '{}');"
    )
    connection.close()
    async with (store := SqliteStore(path)).opened(engine("f")):
        assert count(path) == 1
        await store.take("r", "f")
        assert len(await store.inbox("f")) == 1


async def test_in_memory_the_last_answers_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_memory, "ANSWERS_MAX", 3)
    store = MemoryStore()
    async with store.opened(engine("e")):
        await store.commit([created("r", "e")])
        unanswered = await post(store, 1, answered=False)
        numbers = await post(store, 5)
        answers = [await store.answer(number) for number in numbers]
        assert answers == [None, None, *[{"ok": True}] * 3]
        assert [each.id for each in await store.inbox("e")] == unanswered
        await store.reply(numbers[0], {"ok": True})
        assert (await post(store, 1))[0] > numbers[-1]
