"""Locks that the operating system gives up when their holder dies, however it dies.

They stand on files beside the database, so they mean the same to every process that can open it:
network file systems, on which that would not be true, are refused.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from ..workflow import StoreError

if sys.platform != "win32":
    import fcntl

SCHEMA_WAIT_SECONDS = 60.0
_POLL_SECONDS = 0.01


def lock_folder(path: Path) -> Path:
    """Return the folder of the locks of a database."""
    return path.with_name(path.name + "-locks")


@contextmanager
def schema_lock(path: Path) -> Generator[None]:
    """Be the only process that makes or changes the schema of a database; this blocks."""
    folder = lock_folder(path)
    folder.mkdir(exist_ok=True)
    descriptor = os.open(folder / "schema.lock", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        deadline = time.monotonic() + SCHEMA_WAIT_SECONDS
        while not _try_lock(descriptor):
            if time.monotonic() > deadline:
                raise StoreError(
                    f"another process has been setting up the store {path} for "
                    f"{SCHEMA_WAIT_SECONDS:.0f} s; end it, then try again"
                )
            time.sleep(_POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)


class EngineLock:
    """Held by a living engine on its file; made by :meth:`acquire`."""

    def __init__(self, file: Path, descriptor: int) -> None:
        self._file = file
        self._descriptor = descriptor

    @classmethod
    def acquire(cls, path: Path, engine: str) -> EngineLock:
        """Make the engine's file and lock it."""
        file = _engine_file(path, engine)
        while True:
            descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
            if not _try_lock(descriptor) and is_alive(path, engine):
                os.close(descriptor)
                raise StoreError(
                    f"engine {engine!r} is open on {path} already; give each its own id"
                )
            # Somebody who found the lock free may just have removed the file under us.
            if _is_file(descriptor, file) and _try_lock(descriptor):
                return cls(file, descriptor)
            os.close(descriptor)

    def release(self) -> None:
        """Remove the file and give up the lock."""
        self._file.unlink(missing_ok=True)
        os.close(self._descriptor)


def is_alive(path: Path, engine: str) -> bool:
    """Return whether the engine holds its lock; the file of a dead one is removed."""
    file = _engine_file(path, engine)
    try:
        descriptor = os.open(file, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        # Shared: who else looks at the same moment must not be taken for the holder.
        if not _try_lock(descriptor, shared=True):
            return True
        if _is_file(descriptor, file):
            file.unlink(missing_ok=True)
        return False
    finally:
        os.close(descriptor)


def _engine_file(path: Path, engine: str) -> Path:
    return lock_folder(path) / f"engine-{quote(engine, safe='')}.lock"


def _is_file(descriptor: int, file: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), file.stat())
    except FileNotFoundError:
        return False


def _try_lock(descriptor: int, *, shared: bool = False) -> bool:
    if sys.platform == "win32":
        raise StoreError("SQLite stores need file locks of a Unix system; use memory: on Windows")
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
