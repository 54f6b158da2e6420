"""A store that fails when a test says so."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Literal, TypeVar, TypeVarTuple

from ..storage import (
    EngineInfo,
    Json,
    LogLine,
    PoolLease,
    Posted,
    Receipt,
    Record,
    RunQuery,
    RunRow,
    Store,
    StoredRun,
    TaskRow,
    Transition,
)
from ..workflow import Event, RunState, StoreError, TaskState

_T = TypeVar("_T")
_Args = TypeVarTuple("_Args")


def _store_error() -> Exception:
    return StoreError("the store was made to fail by a test")


class FaultyStore:
    """Passes every call on to another store, and fails at the n-th.

    Opening, and waiting for others' changes, are not counted and never fail.

    Args:
        inner: The store that does the work.
        fail_on: Which call fails, counted from 1; None: none does.
        mode: ``transient``: that one call fails; ``persistent``: all from that one on.
        when: Whether the call fails ``before`` anything was done, or ``after``: then it was done
            and
            whoever asked for it does not know.
        only: The names of the calls that count, such as ``commit``; all of them if empty.
        error: Makes what is raised.

    Attributes:
        calls: The names of the calls that counted so far.
    """

    def __init__(
        self,
        inner: Store,
        *,
        fail_on: int | None = None,
        mode: Literal["transient", "persistent"] = "transient",
        when: Literal["before", "after"] = "before",
        only: Sequence[str] = (),
        error: Callable[[], Exception] = _store_error,
    ) -> None:
        self.inner = inner
        self.fail_on = fail_on
        self.mode = mode
        self.when = when
        self.only = frozenset(only)
        self.error = error
        self.calls: list[str] = []

    @property
    def has_failed(self) -> bool:
        """Whether the call that was to fail has been made."""
        return self.fail_on is not None and len(self.calls) >= self.fail_on

    def heal(self) -> None:
        """Let nothing fail any more."""
        self.fail_on = None

    def _fails(self, name: str) -> bool:
        if self.only and name not in self.only:
            return False
        self.calls.append(name)
        number = len(self.calls)
        if self.fail_on is None:
            return False
        return number == self.fail_on or (self.mode == "persistent" and number > self.fail_on)

    async def _call(self, function: Callable[[*_Args], Awaitable[_T]], *args: *_Args) -> _T:
        fails = self._fails(function.__name__)
        if fails and self.when == "before":
            raise self.error()
        result = await function(*args)
        if fails:
            raise self.error()
        return result

    # --- the store's own words

    @property
    def durable(self) -> bool:
        return self.inner.durable

    def opened(self, engine: EngineInfo | None = None) -> AbstractAsyncContextManager[None]:
        return self.inner.opened(engine)

    async def commit(
        self, transitions: Sequence[Transition], lines: Sequence[LogLine] = ()
    ) -> None:
        await self._call(self.inner.commit, transitions, lines)

    async def load(self, run: str) -> StoredRun | None:
        return await self._call(self.inner.load, run)

    async def find(self, beginning: str) -> Sequence[str]:
        return await self._call(self.inner.find, beginning)

    async def runs(self, query: RunQuery) -> Sequence[RunRow]:
        return await self._call(self.inner.runs, query)

    async def run_counts(self, query: RunQuery) -> Mapping[RunState, int]:
        return await self._call(self.inner.run_counts, query)

    async def task_counts(self, query: RunQuery) -> Mapping[TaskState, int]:
        return await self._call(self.inner.task_counts, query)

    async def job_counts(self, query: RunQuery) -> Mapping[str, Mapping[RunState, int]]:
        return await self._call(self.inner.job_counts, query)

    async def remove(self, run: str) -> None:
        await self._call(self.inner.remove, run)

    async def tasks(self, run: str) -> Sequence[TaskRow]:
        return await self._call(self.inner.tasks, run)

    async def running_tasks(self) -> Sequence[TaskRow]:
        return await self._call(self.inner.running_tasks)

    async def events(
        self, run: str, after: int = 0, limit: int = 1000
    ) -> Sequence[tuple[int, Event]]:
        return await self._call(self.inner.events, run, after, limit)

    async def logs(
        self, run: str, task: str | None = None, after: int = 0, limit: int = 1000
    ) -> Sequence[LogLine]:
        return await self._call(self.inner.logs, run, task, after, limit)

    async def receipts(self, fence: str, seq: int) -> Sequence[Receipt]:
        return await self._call(self.inner.receipts, fence, seq)

    async def take(self, run: str, engine: str) -> str | None:
        return await self._call(self.inner.take, run, engine)

    async def owner(self, run: str) -> tuple[EngineInfo, bool] | None:
        return await self._call(self.inner.owner, run)

    async def unowned(self) -> Sequence[str]:
        return await self._call(self.inner.unowned)

    async def lease_pool(self, lease: PoolLease, limit: int) -> bool:
        return await self._call(self.inner.lease_pool, lease, limit)

    async def pool_leases(self, pool: str) -> Sequence[PoolLease]:
        return await self._call(self.inner.pool_leases, pool)

    async def end_pool_leases(self, fences: Sequence[str]) -> None:
        return await self._call(self.inner.end_pool_leases, fences)

    async def post(self, run: str, command: Json, by: str | None = None) -> int:
        return await self._call(self.inner.post, run, command, by)

    async def inbox(self, engine: str) -> Sequence[Posted]:
        return await self._call(self.inner.inbox, engine)

    async def reply(self, post: int, answer: Json) -> None:
        await self._call(self.inner.reply, post, answer)

    async def answer(self, post: int) -> Json | None:
        return await self._call(self.inner.answer, post)

    async def record(self, kind: str, id: str) -> Record | None:
        return await self._call(self.inner.record, kind, id)

    async def records(
        self, kind: str, *, parent: str | None = None, limit: int = 100, offset: int = 0
    ) -> Sequence[Record]:
        async def records() -> Sequence[Record]:
            return await self.inner.records(kind, parent=parent, limit=limit, offset=offset)

        return await self._call(records)

    async def count_records(self, kind: str, parent: str | None = None) -> int:
        return await self._call(self.inner.count_records, kind, parent)

    async def put(self, record: Record, version: int) -> Record:
        return await self._call(self.inner.put, record, version)

    async def drop(self, kind: str, id: str, version: int) -> None:
        await self._call(self.inner.drop, kind, id, version)

    async def wait_changed(self, seen: int) -> int:
        return await self.inner.wait_changed(seen)
