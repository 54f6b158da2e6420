"""What SQLite's errors mean to the person who meets them."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from ..workflow import StoreError

_T = TypeVar("_T")

PATIENCE_SECONDS: Final = 60.0
"""How long other processes may keep the database before that is an error."""

_BUSY: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL)

_ALLOW: Final = "allow this user to read and write the file and its folder"

_SENTENCES: Final = {
    sqlite3.SQLITE_FULL: (
        "there is no room left on its disk; free some and try again: what it holds is intact"
    ),
    sqlite3.SQLITE_IOERR: (
        "its disk refuses to read or write, perhaps because it is full or a quota is reached; "
        "free some room and try again: what it holds is intact"
    ),
    sqlite3.SQLITE_CORRUPT: (
        "the file is damaged; restore it from a copy, or save what can be read with "
        "`sqlite3 FILE .recover` and move it away to begin anew"
    ),
    sqlite3.SQLITE_NOTADB: (
        "the file is no SQLite database, or is damaged; "
        "name another file, or restore it from a copy"
    ),
    sqlite3.SQLITE_READONLY: f"it cannot be written; {_ALLOW}",
    sqlite3.SQLITE_CANTOPEN: f"it cannot be opened; {_ALLOW}",
    sqlite3.SQLITE_PERM: f"it may not be opened; {_ALLOW}",
    sqlite3.SQLITE_AUTH: f"it may not be read; {_ALLOW}",
}


def explain(path: Path, error: sqlite3.Error) -> StoreError:
    """Return the error with the sentence that says what to do."""
    code = _code(error)
    if code in _BUSY:
        sentence = (
            f"another process has kept it locked for {PATIENCE_SECONDS:.0f} s; "
            f"end what else works on the file, then try again"
        )
    else:
        sentence = _SENTENCES.get(code, "it could not be read or written")
    return StoreError(f"store {path}: {sentence} ({error})")


def patiently(path: Path, work: Callable[[], _T]) -> _T:
    """Do the work, again for as long as the database is busy; it must leave no transaction open.

    SQLite itself waits some seconds before it says busy, and in a few places does not wait at all.
    This blocks its thread, in real time: it runs where no loop does.

    Raises:
        StoreError: SQLite refused, or the database was busy for too long.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    wait = 0.001
    while True:
        try:
            return work()
        except sqlite3.Error as error:
            if _code(error) not in _BUSY or time.monotonic() > deadline:
                raise explain(path, error) from error
        except UnicodeEncodeError as error:
            raise StoreError(
                f"store {path}: a text holds what is not Unicode ({error}); "
                f"replace such bytes when reading"
            ) from error
        time.sleep(wait * random.random())
        wait = min(wait * 2, 0.1)


def _code(error: sqlite3.Error) -> int:
    """Return the primary result code, without what SQLite adds in its higher bits."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
