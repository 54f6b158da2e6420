"""The memory store passes the suite that every store passes."""

from __future__ import annotations

import pytest

from callboard.storage import MemoryStore, Store
from callboard.testing import StoreConformance
from callboard.testing._store_conformance import created, step, task_row
from callboard.workflow import StoreError, TaskState


class TestMemoryStore(StoreConformance):
    """The suite on a store that lives in memory."""

    @pytest.fixture(autouse=True)
    def _store(self) -> None:
        self.store = MemoryStore()

    def make_store(self) -> Store:
        return self.store


async def test_a_store_that_keeps_no_events_says_so() -> None:
    store = MemoryStore(keep=False)
    settled = task_row("r", "b", TaskState.SUCCEEDED)
    await store.commit([created("r"), step("r", 1, tasks=[settled])])
    assert [row.task for row in await store.tasks("r")] == ["a"]
    assert await store.find("r") == ("r",)
    with pytest.raises(StoreError, match="does not keep events"):
        await store.load("r")
