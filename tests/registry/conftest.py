"""Engines on both backends and both stores; several engines of one test share their store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import callboard as cb
from callboard.storage import MemoryStore, SqliteStore, Store

NewStore = Callable[[], Store]
NewEngine = Callable[..., cb.Engine]


@pytest.fixture(params=["memory", "sqlite"])
def new_store(request: pytest.FixtureRequest, tmp_path: Path) -> NewStore:
    """Give a function that gives a store; all of one test hold the same data."""
    memory = MemoryStore()
    if request.param == "memory":
        return lambda: memory
    return lambda: SqliteStore(tmp_path / "registry.db", synchronous="NORMAL")


@pytest.fixture
def new_engine(new_store: NewStore) -> NewEngine:
    """Give a function that makes an engine on the store of the test."""

    def make(store: Store | None = None, **options: Any) -> cb.Engine:
        options.setdefault("recover", "none")
        return cb.Engine(store if store is not None else new_store(), **options)

    return make
