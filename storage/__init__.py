"""What is remembered: the ``Store`` protocol, the stores, and the actor that writes for all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._actor import Reply as Reply, Storage as Storage
from ._crash import CrashHook as CrashHook, CrashPoint as CrashPoint, crash_hook as crash_hook
from ._memory import MemoryStore as MemoryStore
from ._open import open_store as open_store
from ._protocol import (
    Conflict as Conflict,
    EngineInfo as EngineInfo,
    Json as Json,
    LogLine as LogLine,
    PoolLease as PoolLease,
    Posted as Posted,
    Receipt as Receipt,
    Record as Record,
    RunQuery as RunQuery,
    RunRow as RunRow,
    Store as Store,
    StoredRun as StoredRun,
    TaskRow as TaskRow,
    Transition as Transition,
)

if TYPE_CHECKING:
    from ._sqlite import SqliteStore as SqliteStore


def __getattr__(name: str) -> object:
    """Import the SQLite store when it is asked for: its driver costs start-up time."""
    if name == "SqliteStore":
        from ._sqlite import SqliteStore

        return SqliteStore
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
