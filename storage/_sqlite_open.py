"""Opening a database file: what is refused, making it, bringing its schema up to date.

All of it blocks, and runs in the connection's own thread.
"""

from __future__ import annotations

import sqlite3
import time
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final
from urllib.parse import quote

from ..workflow import StoreError
from ._locks import schema_lock
from ._sqlite_errors import patiently

SQLITE_MIN: Final = (3, 37)
APPLICATION_ID: Final = 0x63616C6C
"""Marks a database file as ours."""

BUSY_TIMEOUT_MS: Final = 5_000
# fmt: off
NETWORK_FILE_SYSTEMS: Final = frozenset({
    "9p", "afpfs", "afs", "ceph", "cifs", "coda", "davfs", "fuse.davfs", "fuse.gcsfuse",
    "fuse.glusterfs", "fuse.rclone", "fuse.s3fs", "fuse.sshfs", "glusterfs", "lustre", "ncpfs",
    "nfs", "nfs4", "ocfs2", "smb2", "smb3", "smbfs", "webdav",
})
# fmt: on
"""On these one machine does not see the locks of another, and databases are lost."""


def open_writer(
    path: Path, *, factory: type[sqlite3.Connection], create: bool, synchronous: str
) -> sqlite3.Connection:
    """Return the connection that writes, with the schema of this version.

    Raises:
        StoreError: the file cannot be a store, or cannot be written.
    """
    try:
        _check_place(path, create=create)
        with schema_lock(path):
            return patiently(path, lambda: _open(path, factory, synchronous))
    except OSError as error:
        raise StoreError(
            f"store {path} cannot be opened ({error}); allow this user to write its folder, "
            f"which also holds its locks"
        ) from error


def open_reader(path: Path, *, factory: type[sqlite3.Connection]) -> sqlite3.Connection:
    """Return a connection that only reads; the writer must be open."""

    def connect() -> sqlite3.Connection:
        uri = f"file:{quote(str(path))}?mode=ro"
        connection = sqlite3.connect(
            uri,
            uri=True,
            factory=factory,
            isolation_level=None,
            timeout=BUSY_TIMEOUT_MS / 1000,
            check_same_thread=False,
        )
        return _set_up(connection, ["query_only = ON"])

    return patiently(path, connect)


def _check_place(path: Path, *, create: bool) -> None:
    if sqlite3.sqlite_version_info < SQLITE_MIN:
        raise StoreError(
            f"callboard needs SQLite 3.37 or newer and this Python has {sqlite3.sqlite_version}; "
            f"install a newer Python"
        )
    if path.is_dir():
        raise StoreError(f"store {path} is a folder; name a file in it")
    if not create and not path.exists():
        raise StoreError(f"no store at {path}; start a run first or give --store")
    if not path.parent.is_dir():
        raise StoreError(f"store {path}: the folder {path.parent} does not exist; make it first")
    system = file_system(path.parent)
    if system in NETWORK_FILE_SYSTEMS:
        raise StoreError(
            f"store {path} is on a network file system ({system}), which loses SQLite databases; "
            f"put it on a local disk, one machine at a time"
        )


def file_system(folder: Path, mounts: Path = Path("/proc/self/mounts")) -> str | None:
    """Return the kind of file system that a folder is on, None where nobody tells."""
    try:
        lines = mounts.read_text(errors="replace").splitlines()
    except OSError:
        return None
    found, kind = "", None
    for line in lines:
        _, point, system, *_ = line.split(" ")
        point = point.replace(r"\040", " ")
        # The last of equals counts: it is mounted over the others.
        if folder.is_relative_to(point) and len(point) >= len(found):
            found, kind = point, system
    return kind


def _open(path: Path, factory: type[sqlite3.Connection], synchronous: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path,
        factory=factory,
        isolation_level=None,
        timeout=BUSY_TIMEOUT_MS / 1000,
        check_same_thread=False,
    )
    _set_up(connection, [f"synchronous = {synchronous}", "foreign_keys = ON"])
    try:
        _check_ours(path, connection)
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise StoreError(
                f"store {path}: its file system does not carry SQLite's write-ahead log; "
                f"put it on a local disk"
            )
        _migrate(path, connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _set_up(connection: sqlite3.Connection, pragmas: list[str]) -> sqlite3.Connection:
    try:
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise
    return connection


def _check_ours(path: Path, connection: sqlite3.Connection) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables and application != APPLICATION_ID:
        raise StoreError(f"store {path} is a database of another program; name another file")


def _migrate(path: Path, connection: sqlite3.Connection) -> None:
    """Apply, all or none of them, the migrations that the file has not seen."""
    known = migrations()
    version = _version(connection)
    if version > len(known):
        raise StoreError(
            f"store {path} has schema {version}, and this version of callboard knows {len(known)}: "
            f"a newer one wrote it; upgrade callboard"
        )
    if version == len(known):
        return
    steps = (
        f"{script}\nINSERT INTO schema_version VALUES ({number}, {time.time()});\n"
        for number, script in enumerate(known[version:], version + 1)
    )
    try:
        # One transaction, so that a new file costs one wait for the disk.
        connection.executescript(
            f"BEGIN IMMEDIATE;\n{''.join(steps)}PRAGMA application_id = {APPLICATION_ID};\nCOMMIT;"
        )
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _version(connection: sqlite3.Connection) -> int:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application != APPLICATION_ID:
        return 0
    (version,) = connection.execute("SELECT max(version) FROM schema_version").fetchone()
    return int(version)


@cache
def migrations() -> tuple[str, ...]:
    """Return the migrations in order; the n-th makes schema n."""
    scripts = sorted(
        (
            each
            for each in files(f"{__package__}.migrations").iterdir()
            if each.name.endswith(".sql")
        ),
        key=lambda each: each.name,
    )
    return tuple(script.read_text(encoding="utf-8") for script in scripts)
