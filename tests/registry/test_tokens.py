"""Tokens: the secret is told once and kept nowhere."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import anyio
import pytest

import callboard as cb
from callboard import testing
from callboard.registry import Who
from callboard.storage import SqliteStore, Store

NewEngine = Callable[..., cb.Engine]
NewStore = Callable[[], Store]


async def test_a_secret_finds_whose_it_is(new_engine: NewEngine) -> None:
    async with new_engine() as engine:
        tokens = engine.registry.tokens
        assert not await tokens.any()
        await engine.registry.owners.create("bank")
        secret = await tokens.add("ci", ["operate", "operate"])
        other = await tokens.add("w", ["worker"], owner="bank")
        assert secret.startswith("callboard_")
        assert len(secret) > 50
        assert await tokens.any()
        assert await tokens.find(secret) == Who("ci", ("operate",))
        assert await tokens.find(other) == Who("w", ("worker",), "bank")
        for wrong in ("", "x", secret + "x", secret[:-1], "callboard_", "callboard_\ud800"):
            assert await tokens.find(wrong) is None
        page = await tokens.list(limit=1, offset=1)
        assert (page.total, page.items[0].name, page.items[0].owner) == (2, "w", "bank")


@pytest.mark.parametrize("name", ["a/b", "..", "", "a\nb"])
async def test_a_name_that_no_address_can_hold_is_refused(new_engine: NewEngine, name: str) -> None:
    async with new_engine() as engine:
        with pytest.raises(cb.UsageError, match="the name of a token"):
            await engine.registry.tokens.add(name, ["view"])
        assert not await engine.registry.tokens.any()


async def test_a_name_is_given_once_and_a_removed_secret_is_worthless(
    new_engine: NewEngine,
) -> None:
    async with new_engine() as engine:
        tokens = engine.registry.tokens
        old = await tokens.add("ci", ["view"])
        with pytest.raises(cb.Refused, match="there is a token 'ci' already"):
            await tokens.add("ci", ["admin"])
        assert await engine.store.count_records("token_hash") == 1
        await tokens.remove("ci")
        assert await tokens.find(old) is None
        new = await tokens.add("ci", ["admin"])
        assert await tokens.find(old) is None
        assert await tokens.find(new) == Who("ci", ("admin",))
        with pytest.raises(cb.UnknownRecord, match="no token 'nope'"):
            await tokens.remove("nope")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", [1, 2])
async def test_a_crash_while_one_is_removed_leaves_no_way_in(
    call: int, when: Literal["before", "after"], new_engine: NewEngine, new_store: NewStore
) -> None:
    """Whatever is left, the old secret does not open what has the name later."""
    faulty = testing.FaultyStore(new_store(), when=when, only=["drop"])
    async with new_engine(faulty) as engine:
        tokens = engine.registry.tokens
        old = await tokens.add("ci", ["view"])
        faulty.fail_on = call
        with pytest.raises(cb.StoreError):
            await tokens.remove("ci")
        faulty.heal()
        if (call, when) == (1, "before"):
            await tokens.remove("ci")
        assert await tokens.find(old) is None
        new = await tokens.add("ci", ["admin"])
        assert await tokens.find(old) is None
        assert await tokens.find(new) == Who("ci", ("admin",))


async def test_roles_are_checked_all_at_once(new_engine: NewEngine) -> None:
    async with new_engine() as engine:
        tokens = engine.registry.tokens
        with pytest.raises(cb.UsageError, match=r"'king', 'boss'; the roles are view, operate"):
            await tokens.add("a", ["king", "view", "boss"])
        with pytest.raises(cb.UsageError, match="no role"):
            await tokens.add("a", [])
        with pytest.raises(cb.UnknownRecord, match="no owner 'x'"):
            await tokens.add("a", ["worker"], owner="x")
        await engine.registry.owners.create("x")
        await engine.registry.owners.deprecate("x")
        with pytest.raises(cb.Refused, match="deprecated"):
            await tokens.add("a", ["worker"], owner="x")
        assert not await tokens.any()


def test_a_role_may_what_lower_ones_may() -> None:
    def may(role: str) -> set[str]:
        who = Who("x", (role,))
        return {each for each in ("view", "operate", "worker", "admin") if who.may(each)}

    assert may("view") == {"view"}
    assert may("operate") == {"view", "operate"}
    assert may("worker") == {"worker"}
    assert may("admin") == {"view", "operate", "worker", "admin"}
    assert may("unheard of") == set()


async def test_of_many_who_want_a_name_one_gets_it(new_engine: NewEngine) -> None:
    async with new_engine() as one, new_engine() as two:
        secrets: list[str] = []

        async def add(engine: cb.Engine) -> None:
            try:
                secrets.append(await engine.registry.tokens.add("ci", ["view"]))
            except cb.Refused:
                return

        async with anyio.create_task_group() as group:
            for number in range(10):
                group.start_soon(add, (one, two)[number % 2])
        (secret,) = secrets
        assert await one.registry.tokens.find(secret) == Who("ci", ("view",))
        assert await one.store.count_records("token_hash") == 1


def test_the_secret_is_nowhere_in_the_file(tmp_path: Path, anyio_backend_name: str) -> None:
    path = tmp_path / "s.db"

    async def add() -> str:
        async with cb.Engine(SqliteStore(path)) as engine:
            return await engine.registry.tokens.add("ci", ["view"])

    secret = anyio.run(add, backend=anyio_backend_name)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    everything = b"".join(each.read_bytes() for each in tmp_path.iterdir() if each.is_file())
    assert b"token_hash" in everything
    assert secret.encode() not in everything
    assert secret.removeprefix("callboard_").encode() not in everything
