"""Two aiosqlite connections to one file, for either backend; whole functions run in their threads.

A commit is several statements.  aiosqlite makes a trip to its thread and back for each; here the
function that executes them all makes the trip, once.  aiosqlite has no call for that, so the
function travels as the parameter of a statement named ``CALL``, which our connection class
recognises: public API only.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar, TypeVarTuple, cast

import aiosqlite
import anyio

from ..actors._busy import busy
from ._bridge import AsyncioBridge, on_trio
from ._sqlite_errors import patiently
from ._sqlite_open import open_reader, open_writer

_T = TypeVar("_T")
_Args = TypeVarTuple("_Args")

_CALL: Final = "CALL"
_ROWS_AT_ONCE: Final = 64

_Run = Callable[..., Awaitable[Any]]
"""Awaits a coroutine function on the asyncio loop that the connections belong to."""

Work = Callable[[sqlite3.Connection], _T]
"""What is done in a connection's thread; it leaves no transaction open, and may be done again."""


class _Outcome(sqlite3.Cursor):
    """What a function returned, in the only shape that aiosqlite passes on."""

    outcome: Any = None

    def fetchall(self) -> list[Any]:
        return [self.outcome]


class _Connection(sqlite3.Connection):
    """A connection that also executes functions."""

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        if sql is not _CALL:
            return super().execute(sql, parameters)
        cursor = _Outcome(self)
        cursor.outcome = parameters[0](self)
        return cursor


class Driver:
    """The connections; made by :func:`opened`."""

    def __init__(
        self,
        path: Path,
        run: _Run,
        writer: aiosqlite.Connection,
        reader: aiosqlite.Connection,
        raw_writer: sqlite3.Connection,
    ) -> None:
        self._path = path
        self._run = run
        self._writer = writer
        self._reader = reader
        self._raw_writer = raw_writer
        # The writer's thread and the one that looks for changes share a connection, never at once.
        self._using_writer = threading.Lock()

    @classmethod
    @asynccontextmanager
    async def opened(cls, path: Path, *, create: bool, synchronous: str) -> AsyncGenerator[Driver]:
        """Open both connections, close them when the block is left, however it is left."""
        raw: list[sqlite3.Connection] = []

        def connect_writer() -> sqlite3.Connection:
            connection = open_writer(
                path, factory=_Connection, create=create, synchronous=synchronous
            )
            raw.append(connection)
            return connection

        async with AsyncExitStack() as stack:
            run: _Run = _call_here
            if on_trio():
                run = (await stack.enter_async_context(AsyncioBridge.opened())).call
            writer = await _connect(run, stack, connect_writer)
            reader = await _connect(run, stack, partial(open_reader, path, factory=_Connection))
            yield cls(path, run, writer, reader, raw[0])

    async def write(self, work: Work[_T]) -> _T:
        """Do the work in the writer's thread; once begun it is not cancelled."""

        def guarded(connection: sqlite3.Connection) -> _T:
            with self._using_writer:
                return patiently(self._path, lambda: work(connection))

        rows = await _outside(self._run, _call_in, self._writer, guarded, shield=True)
        return cast("_T", rows[0])

    async def read(self, work: Work[_T]) -> _T:
        """Do the work in the reader's thread."""

        def patient(connection: sqlite3.Connection) -> _T:
            return patiently(self._path, lambda: work(connection))

        rows = await _outside(self._run, _call_in, self._reader, patient)
        return cast("_T", rows[0])

    def data_version(self) -> int | None:
        """Return a number that changes when another connection has written, None for "ask later".

        This is asked of the writer, because its own commits do not change the number.  For any
        thread.
        """
        if not self._using_writer.acquire(blocking=False):
            return None
        try:
            return int(self._raw_writer.execute("PRAGMA data_version").fetchone()[0])
        except sqlite3.Error:
            return None
        finally:
            self._using_writer.release()


async def _outside(run: _Run, *call: Any, shield: bool = False) -> Any:
    """Wait for what happens in other threads: virtual time stands still meanwhile."""
    with anyio.CancelScope(shield=shield), busy():
        return await run(*call)
    raise AssertionError  # for type checkers, to whom a scope might swallow the cancellation


async def _call_here(function: Callable[[*_Args], Awaitable[_T]], *args: *_Args) -> _T:
    return await function(*args)


async def _call_in(connection: aiosqlite.Connection, work: Work[_T]) -> list[_T]:
    return cast("list[_T]", await connection.execute_fetchall(_CALL, (work,)))


async def _connect(
    run: _Run,
    stack: AsyncExitStack,
    connector: Callable[[], sqlite3.Connection],
) -> aiosqlite.Connection:
    failures: list[Exception] = []

    def connect_or_not() -> sqlite3.Connection:
        # When connecting fails, aiosqlite does not wait for its thread, which then meets a closed
        # loop: so it does not fail, and we close.
        try:
            return connector()
        except Exception as error:  # noqa: BLE001
            failures.append(error)
            return sqlite3.connect(":memory:")

    async def connect() -> aiosqlite.Connection:
        connection = await aiosqlite.Connection(connect_or_not, _ROWS_AT_ONCE)
        if failures:
            await connection.close()
            raise failures[0]
        return connection

    # Shielded: a connection that stays open keeps its thread, and that keeps the interpreter from
    # ending.
    connection: aiosqlite.Connection = await _outside(run, connect, shield=True)

    async def close() -> None:
        await _outside(run, connection.close, shield=True)

    stack.push_async_callback(close)
    return connection
