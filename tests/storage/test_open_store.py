"""From a URL to a store."""

from __future__ import annotations

from pathlib import Path

import pytest

from callboard.storage import MemoryStore, SqliteStore, open_store
from callboard.workflow import UsageError


def test_a_relative_and_an_absolute_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = open_store("sqlite:///c.db")
    assert isinstance(store, SqliteStore)
    assert store.path == tmp_path / "c.db"
    store = open_store("sqlite:////srv/c.db", create=False)
    assert isinstance(store, SqliteStore)
    assert store.path == Path("/srv/c.db")


def test_memory() -> None:
    assert isinstance(open_store("memory:"), MemoryStore)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://host/db", "not supported yet"),
        ("mysql://host/db", "memory:"),
        ("callboard.db", "sqlite:///relative.db"),
        ("sqlite://c.db", "sqlite:///relative.db"),
        ("sqlite:///", "names no file"),
    ],
)
def test_what_is_not_known_is_refused_with_what_is(url: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        open_store(url)
