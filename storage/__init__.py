"""What is remembered: the ``Store`` protocol, the stores, and the actor that writes for all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._actor import Reply as Reply
from ._actor import Storage as Storage
from ._crash import CrashHook as CrashHook
from ._crash import CrashPoint as CrashPoint
from ._crash import crash_hook as crash_hook
from ._memory import MemoryStore as MemoryStore
from ._open import open_store as open_store
from ._protocol import Conflict as Conflict
from ._protocol import EngineInfo as EngineInfo
from ._protocol import Json as Json
from ._protocol import LogLine as LogLine
from ._protocol import PoolLease as PoolLease
from ._protocol import Posted as Posted
from ._protocol import RunQuery as RunQuery
from ._protocol import RunRow as RunRow
from ._protocol import Store as Store
from ._protocol import StoredRun as StoredRun
from ._protocol import TaskRow as TaskRow
from ._protocol import Transition as Transition

if TYPE_CHECKING:
    from ._sqlite import SqliteStore as SqliteStore


def __getattr__(name: str) -> object:
    """Import the SQLite store when it is asked for: its driver costs start-up time."""
    if name == "SqliteStore":
        from ._sqlite import SqliteStore

        return SqliteStore
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
