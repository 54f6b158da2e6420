"""The SQLite store under virtual time: what happens in its threads takes no time at all."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from callboard import testing
from callboard.storage import SqliteStore, Storage
from callboard.testing._store_conformance import created, engine, line, step


@pytest.fixture(params=testing.virtual_backends(patience=20), ids=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> object:
    """Run each test under virtual time, on both backends."""
    return request.param


async def test_no_time_passes_while_a_commit_is_under_way(tmp_path: Path) -> None:
    """A timer that could overtake the disk does not."""
    begun = anyio.current_time()
    async with (store := SqliteStore(tmp_path / "c.db")).opened(engine("e1")):
        storage = Storage(store)
        async with anyio.create_task_group() as tg:
            await tg.start(storage.run)
            with anyio.fail_after(0.001):
                await storage.commit(created("r"))
                for version in range(1, 10):
                    await storage.commit(step("r", version))
                assert len(await store.events("r")) == 10
            tg.cancel_scope.cancel()
    assert anyio.current_time() == begun


async def test_lines_without_a_commit_are_written_after_a_tenth_of_a_second(tmp_path: Path) -> None:
    async with (store := SqliteStore(tmp_path / "c.db")).opened(engine("e1")):
        storage = Storage(store)
        async with anyio.create_task_group() as tg:
            await tg.start(storage.run)
            storage.note(line("r", "a", "1"))
            await anyio.sleep(0.2)
            assert len(await store.logs("r")) == 1
            tg.cancel_scope.cancel()


async def test_waiting_for_others_costs_no_time_and_does_not_hold_it(tmp_path: Path) -> None:
    """Days pass while somebody waits for a change that does not come."""
    async with (store := SqliteStore(tmp_path / "c.db")).opened(engine("e1")):
        await store.commit([created("r")])
        seen = await store.wait_changed(0)
        with anyio.move_on_after(86_400) as scope:
            await store.wait_changed(seen)
        assert scope.cancelled_caught
