"""The SQLite store passes the suite that every store passes, on both backends."""

from __future__ import annotations

from pathlib import Path

import pytest

from callboard.storage import SqliteStore, Store
from callboard.testing import StoreConformance


class TestSqliteStore(StoreConformance):
    """The suite on a file."""

    @pytest.fixture(autouse=True)
    def _path(self, tmp_path: Path) -> None:
        self.path = tmp_path / "callboard.db"

    def make_store(self) -> Store:
        return SqliteStore(self.path)
