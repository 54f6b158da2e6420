"""A store that fails when a test says so is a store like any other until then."""

from __future__ import annotations

from callboard import testing
from callboard.storage import MemoryStore, Store


def test_it_has_every_word_of_a_store() -> None:
    store: Store = testing.FaultyStore(MemoryStore())
    words = [name for name in vars(Store) if not name.startswith("_")]
    assert [name for name in words if not hasattr(store, name)] == []
