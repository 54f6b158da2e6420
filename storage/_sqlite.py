"""The store in one SQLite file: for one process or several on the same machine, on either backend.

Who is alive is told by a lock that the operating system frees at a process's death.  The lock means
the same to whoever can open the file, since network file systems are refused; heartbeats are not
needed.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal, TypeVar

import anyio

from ..workflow import Event, RunState, StoreError, TaskState
from . import (
    _sqlite_acts as acts,
    _sqlite_commit as commits,
    _sqlite_query as queries,
    _sqlite_records as records,
)
from ._bridge import wake_of_this_loop
from ._codec import json_of
from ._crash import CrashHook, crash_hook
from ._locks import EngineLock, is_alive
from ._protocol import (
    EngineInfo,
    Json,
    LogLine,
    PoolLease,
    Posted,
    Receipt,
    Record,
    RunQuery,
    RunRow,
    StoredRun,
    TaskRow,
    Transition,
)
from ._sqlite_driver import Driver, Work
from ._watch import Watch

_T = TypeVar("_T")

_log = logging.getLogger(__name__)


class SqliteStore:
    """Remembers runs in a file.

    Args:
        path: The file; its folder must exist.
        namespace: Keeps apart those who share a file.
        create: Make the file if it is not there.
        synchronous: ``FULL``: what was committed survives a power cut.  ``NORMAL`` is faster; a
            power cut may take back the last commits, a crash of the process does not.
        crash: A hook for tests, see :class:`CrashPoint`.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        namespace: str = "default",
        create: bool = True,
        synchronous: Literal["FULL", "NORMAL"] = "FULL",
        crash: CrashHook | None = None,
    ) -> None:
        self._path = Path(path).absolute()
        self._namespace = namespace
        self._create = create
        self._synchronous = synchronous
        self._crash = crash or crash_hook()
        self._driver: Driver | None = None
        self._watch: Watch | None = None
        self._changes = 1
        self._changed: anyio.Event | None = None

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    @property
    def durable(self) -> bool:
        """What was committed survives the end of this process."""
        return True

    # ------------------------------------------------------------------ opening

    @asynccontextmanager
    async def opened(self, engine: EngineInfo | None = None) -> AsyncGenerator[None]:
        """Open the file until the block is left; see :meth:`Store.opened`."""
        if self._driver is not None:
            raise StoreError(f"store {self._path} is open already; use another SqliteStore object")
        # Resolved: the locks of a file stand beside the file, by whatever link one came.
        self._path = self._path.resolve()
        async with Driver.opened(
            self._path, create=self._create, synchronous=self._synchronous
        ) as driver:
            self._driver = driver
            try:
                if engine is None:
                    yield
                else:
                    async with self._registered(engine):
                        yield
            finally:
                if self._watch is not None:
                    self._watch.stop()
                    self._watch = None
                self._driver = None
                # Nobody would ever wake who still waits for a change.
                self._note_change()

    @asynccontextmanager
    async def _registered(self, engine: EngineInfo) -> AsyncGenerator[None]:
        driver = self._open_driver()
        lock = await driver.write(lambda _: EngineLock.acquire(self._path, engine.id))
        try:
            await driver.write(lambda c: acts.register(c, self._namespace, engine, self._is_alive))
            yield
        finally:
            try:
                await driver.write(lambda c: acts.unregister(c, self._namespace, engine.id))
            except StoreError as error:
                _log.warning("engine %s could not sign off, its lock tells: %s", engine.id, error)
            finally:
                lock.release()

    def _open_driver(self) -> Driver:
        if self._driver is None:
            raise StoreError(
                f"store {self._path} is not open; use it inside `async with store.opened()`"
            )
        return self._driver

    def _is_alive(self, engine: str) -> bool:
        return is_alive(self._path, engine)

    async def _read(self, work: Work[_T]) -> _T:
        return await self._open_driver().read(work)

    async def _write(self, work: Work[_T]) -> _T:
        return await self._open_driver().write(work)

    # ------------------------------------------------------------------ runs

    async def commit(
        self, transitions: Sequence[Transition], lines: Sequence[LogLine] = ()
    ) -> None:
        """Write all of it in one transaction, or raise and have written nothing."""
        batch = commits.prepare(self._namespace, transitions, lines)
        await self._write(lambda c: commits.write(c, self._namespace, batch, self._crash))

    async def load(self, run: str) -> StoredRun | None:
        """Return everything about one run, or None."""
        return await self._read(lambda c: queries.load(c, self._namespace, run))

    async def find(self, beginning: str) -> Sequence[str]:
        """Return up to eleven runs' ids that begin like this, the exact one alone if it is one."""
        return await self._read(lambda c: queries.find(c, self._namespace, beginning))

    async def runs(self, query: RunQuery) -> Sequence[RunRow]:
        """Return runs, newest first."""
        return await self._read(lambda c: queries.runs(c, self._namespace, query))

    async def run_counts(self, query: RunQuery) -> Mapping[RunState, int]:
        """Return how many runs are in each state, of all that the query means."""
        return await self._read(lambda c: queries.run_counts(c, self._namespace, query))

    async def task_counts(self, query: RunQuery) -> Mapping[TaskState, int]:
        """Return how many tasks are in each state, over all runs that the query means."""
        return await self._read(lambda c: queries.task_counts(c, self._namespace, query))

    async def job_counts(self, query: RunQuery) -> Mapping[str, Mapping[RunState, int]]:
        """Return how many runs of each job are in each state, of all that the query means."""
        return await self._read(lambda c: queries.job_counts(c, self._namespace, query))

    async def remove(self, run: str) -> None:
        """Remove a run that has ended, and all that belongs to it."""
        await self._write(lambda c: acts.remove(c, self._namespace, run))

    async def tasks(self, run: str) -> Sequence[TaskRow]:
        """Return the current rows of a run's tasks in creation order."""
        return await self._read(lambda c: queries.tasks(c, self._namespace, run))

    async def running_tasks(self) -> Sequence[TaskRow]:
        """Return the rows of all tasks of all runs that are running now."""
        return await self._read(lambda c: queries.running_tasks(c, self._namespace))

    async def events(
        self, run: str, after: int = 0, limit: int = 1000
    ) -> Sequence[tuple[int, Event]]:
        """Return a run's events with their numbers, from the one behind ``after``."""
        return await self._read(lambda c: queries.events(c, self._namespace, run, after, limit))

    async def logs(
        self, run: str, task: str | None = None, after: int = 0, limit: int = 1000
    ) -> Sequence[LogLine]:
        """Return log lines in order, from the one behind number ``after``."""
        return await self._read(
            lambda c: queries.logs(c, self._namespace, run, task=task, after=after, limit=limit)
        )

    async def receipts(self, fence: str, seq: int) -> Sequence[Receipt]:
        """Return what was answered to the commands under one number, in their order."""
        return await self._read(lambda c: queries.receipts(c, self._namespace, fence, seq))

    # ------------------------------------------------------------------ owners

    async def take(self, run: str, engine: str) -> str | None:
        """Make the engine the owner of a run nobody alive owns; return the dead owner, if any."""
        return await self._write(
            lambda c: acts.take(c, self._namespace, run, engine, self._is_alive)
        )

    async def owner(self, run: str) -> tuple[EngineInfo, bool] | None:
        """Return the engine that a run belongs to and whether it is alive."""
        return await self._read(lambda c: queries.owner(c, self._namespace, run, self._is_alive))

    async def unowned(self) -> Sequence[str]:
        """Return the unfinished runs that no living engine owns, oldest first."""
        return await self._read(lambda c: queries.unowned(c, self._namespace, self._is_alive))

    async def lease_pool(self, lease: PoolLease, limit: int) -> bool:
        """Take a slot of a pool if fewer than ``limit`` living leases hold one."""
        return await self._write(
            lambda c: acts.lease_pool(c, self._namespace, lease, limit, self._is_alive)
        )

    async def pool_leases(self, pool: str) -> Sequence[PoolLease]:
        """Return who holds the slots of a pool."""
        return await self._read(
            lambda c: [
                lease
                for lease in queries.pool_leases(c, self._namespace, pool)
                if self._is_alive(lease.engine)
            ]
        )

    async def end_pool_leases(self, fences: Sequence[str]) -> None:
        """End leases on pools by themselves."""
        await self._write(lambda c: acts.end_pool_leases(c, self._namespace, fences))

    # ------------------------------------------------------------------ commands from elsewhere

    async def post(self, run: str, command: Json, by: str | None = None) -> int:
        """Leave a command for the engine that owns a run; return its number."""
        text = json_of(command, f"the command for run {run!r}")
        return await self._write(lambda c: acts.post(c, self._namespace, run, text, by))

    async def inbox(self, engine: str) -> Sequence[Posted]:
        """Return the unanswered commands left for runs that this engine owns, oldest first."""
        return await self._read(lambda c: queries.inbox(c, self._namespace, engine))

    async def reply(self, post: int, answer: Json) -> None:
        """Answer a command that was left for a run; the first answer stays."""
        text = json_of(answer, f"the answer to command {post}")
        await self._write(lambda c: acts.reply(c, self._namespace, post, text))

    async def answer(self, post: int) -> Json | None:
        """Return the answer to a command, None while there is none."""
        return await self._read(lambda c: queries.answer(c, self._namespace, post))

    # ------------------------------------------------------------------ records

    async def record(self, kind: str, id: str) -> Record | None:
        """Return a record, or None."""
        return await self._read(lambda c: records.record(c, self._namespace, kind, id))

    async def records(
        self, kind: str, *, parent: str | None = None, limit: int = 100, offset: int = 0
    ) -> Sequence[Record]:
        """Return the records of a kind in the order of their ids, or those of one parent."""
        return await self._read(
            lambda c: records.records(
                c, self._namespace, kind, parent=parent, limit=limit, offset=offset
            )
        )

    async def count_records(self, kind: str, parent: str | None = None) -> int:
        """Return how many records of a kind there are, or how many of one parent."""
        return await self._read(lambda c: records.count(c, self._namespace, kind, parent))

    async def put(self, record: Record, version: int) -> Record:
        """Write a record if it still has this version."""
        return await self._write(lambda c: records.put(c, self._namespace, record, version))

    async def drop(self, kind: str, id: str, version: int) -> None:
        """Remove a record if it still has this version."""
        await self._write(lambda c: records.drop(c, self._namespace, kind, id, version=version))

    async def wait_changed(self, seen: int) -> int:
        """Return another number than ``seen`` as soon as another store object or process wrote."""
        if self._watch is None:
            self._watch = self._start_watch()
        while self._changes == seen:
            if self._changed is None:
                self._changed = anyio.Event()
            await self._changed.wait()
        return self._changes

    def _start_watch(self) -> Watch:
        wake = wake_of_this_loop()
        watch = Watch(self._open_driver().data_version, lambda: wake(self._note_change))
        watch.start()
        return watch

    def _note_change(self) -> None:
        self._changes += 1
        if self._changed is not None:
            self._changed.set()
            self._changed = None
