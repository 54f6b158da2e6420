"""The memory store passes the suite that every store passes."""

from __future__ import annotations

import pytest

from callboard.storage import MemoryStore, Store
from callboard.testing._store_conformance import StoreConformance, created
from callboard.workflow import StoreError


class TestMemoryStore(StoreConformance):
    """The suite on a store that lives in memory."""

    @pytest.fixture(autouse=True)
    def _store(self) -> None:
        self.store = MemoryStore()

    def make_store(self) -> Store:
        return self.store


async def test_a_store_that_keeps_no_events_says_so() -> None:
    store = MemoryStore(keep=False)
    await store.commit([created("r")])
    assert (await store.tasks("r"))[0].task == "b"
    with pytest.raises(StoreError, match="does not keep events"):
        await store.load("r")
