"""From a store's URL to the store."""

from __future__ import annotations

from ..workflow import UsageError
from ._memory import MemoryStore
from ._protocol import Store

KNOWN = "sqlite:///relative.db, sqlite:////absolute/path.db, memory:"


def open_store(url: str, *, create: bool = True) -> Store:
    """Return the store that a URL names; it is opened by ``async with store.opened(engine)``.

    Args:
        url: ``sqlite:///callboard.db`` (relative to the working directory; four slashes are
            absolute) or ``memory:``.
        create: Make the store if it is not there; without it, opening a missing one is a
            StoreError.

    Raises:
        UsageError: the URL names no store that is known.
    """
    scheme, _, rest = url.partition(":")
    if url in ("memory:", "memory://"):
        return MemoryStore()
    file = rest.removeprefix("///")
    if scheme == "sqlite" and file not in ("", rest):
        # Imported here: who stays in memory does not pay for the driver.
        from ._sqlite import SqliteStore

        return SqliteStore(file, create=create)
    if scheme == "sqlite":
        raise UsageError(
            f"store {url!r} names no file; write sqlite:///relative.db or sqlite:////absolute/path.db"
        )
    if scheme in ("postgresql", "postgres"):
        raise UsageError(f"store {url!r}: PostgreSQL is not supported yet; known are {KNOWN}")
    raise UsageError(f"store {url!r} is of no known kind; known are {KNOWN}")
