"""A store that lasts as long as the process: the fastest one, and the twin that tests use.

It keeps events and rows as the objects they are: nothing is encoded, because a run in memory pays
for every microsecond here.  What was handed to ``commit`` therefore must not be changed afterwards.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from string import ascii_uppercase
from typing import TypeVar

import anyio
import attrs

from ..workflow import ENDED, SETTLED, Event, RunState, StoreError, TaskState
from ._memory_records import Records
from ._protocol import (
    FOUND_MAX,
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
from ._refusals import (
    Head,
    check_removable,
    check_transition,
    check_transitions,
    owned,
    owner_after,
    unknown_run,
)

_T = TypeVar("_T")

ANSWERS_MAX = 1_000
"""Answers to commands kept in memory; the oldest go first."""

LOG_LINES_MAX = 100_000
"""Log lines kept in memory; the oldest go first."""


@attrs.define
class _Run:
    row: RunRow
    version: int = 0
    owner: str | None = None
    events: list[Event] = attrs.field(factory=list[Event])
    tasks: dict[str, TaskRow] = attrs.field(factory=dict[str, TaskRow])
    signed: set[tuple[str, int]] = attrs.field(factory=set[tuple[str, int]])

    def current_row(self) -> RunRow:
        return attrs.evolve(self.row, version=self.version, owner=self.owner)


@attrs.define
class _Post:
    posted: Posted
    answer: Json = None
    answered: bool = False


class MemoryStore:
    """Remembers runs in this process; several engines of the process may share one.

    Args:
        keep: Keep events and settled tasks.  Without them a run of a million tasks takes some
            hundred megabytes less, and cannot be loaded again.
    """

    def __init__(self, *, keep: bool = True) -> None:
        self._keep = keep
        self._runs: dict[str, _Run] = {}
        self._engines: dict[str, EngineInfo] = {}
        self._leases: dict[str, PoolLease] = {}
        self._posts: dict[int, _Post] = {}
        self._receipts: dict[tuple[str, int], list[Receipt]] = {}
        self._posted = 0
        self._answered: deque[int] = deque()
        self._lines: deque[LogLine] = deque(maxlen=LOG_LINES_MAX)
        self._lines_written = 0
        self._records = Records()
        self._changes = 1
        self._changed: anyio.Event | None = None

    @property
    def keeps_rows(self) -> bool:
        """Whether rows of tasks are of any use to it."""
        return self._keep

    @property
    def durable(self) -> bool:
        """Nothing survives the end of this process."""
        return False

    @asynccontextmanager
    async def opened(self, engine: EngineInfo | None = None) -> AsyncGenerator[None]:
        """Count the engine as alive until the block is left."""
        if engine is None:
            yield
            return
        if engine.id in self._engines:
            raise StoreError(
                f"engine {engine.id!r} is open on this store already; give each its own id"
            )
        self._engines[engine.id] = engine
        try:
            yield
        finally:
            self._forget_engine(engine.id)

    def _forget_engine(self, engine: str) -> None:
        del self._engines[engine]
        for run in self._runs.values():
            if run.owner == engine:
                run.owner = None
        for fence in [lease.fence for lease in self._leases.values() if lease.engine == engine]:
            del self._leases[fence]
        self._note_change()

    # ------------------------------------------------------------------ writing

    async def commit(
        self, transitions: Sequence[Transition], lines: Sequence[LogLine] = ()
    ) -> None:
        """Check all of it, then apply all of it."""
        if len(transitions) == 1:
            check_transition(transitions[0], self._head(transitions[0].run))
        else:
            check_transitions(transitions, self._head)
        for transition in transitions:
            self._apply(transition)
        self._keep_lines(lines)
        if len(self._engines) > 1:
            self._note_change()

    def _keep_lines(self, lines: Sequence[LogLine]) -> None:
        for line in lines:
            self._lines_written += 1
            self._lines.append(attrs.evolve(line, number=self._lines_written))

    def _head(self, run: str) -> Head | None:
        known = self._runs.get(run)
        return (known.version, known.owner) if known else None

    def _apply(self, transition: Transition) -> None:
        run = self._runs.get(transition.run)
        if run is None:
            run = self._runs[transition.run] = _Run(transition.row)
        run.row = transition.row
        run.version = transition.version + len(transition.events)
        run.owner = owner_after(transition)
        if self._keep:
            run.events += transition.events
        for row in transition.tasks:
            if self._keep or row.state not in SETTLED:
                run.tasks[row.task] = row
            else:
                run.tasks.pop(row.task, None)
        for fence in transition.pool_leases_released:
            self._leases.pop(fence, None)
        if transition.lines:
            self._keep_lines(transition.lines)
        for receipt in transition.receipts:
            key = (receipt.fence, receipt.seq)
            self._receipts.setdefault(key, []).append(receipt)
            run.signed.add(key)

    # ------------------------------------------------------------------ looking

    async def load(self, run: str) -> StoredRun | None:
        """Return everything about one run, or None."""
        known = self._runs.get(run)
        if known is None:
            return None
        if not self._keep:
            raise StoreError(
                f"run {run!r} cannot be loaded: this memory store does not keep events"
            )
        return StoredRun(row=known.current_row(), events=tuple(known.events))

    async def find(self, beginning: str) -> Sequence[str]:
        """Return up to eleven runs' ids that begin like this, the exact one alone if it is one."""
        if beginning in self._runs:
            return (beginning,)
        return sorted(run for run in self._runs if run.startswith(beginning))[:FOUND_MAX]

    async def runs(self, query: RunQuery) -> Sequence[RunRow]:
        """Return runs, newest first."""
        newest_last = sorted(self._meant(query), key=lambda run: run.row.created_at)
        newest_last.reverse()  # of equals, too, the one created last comes first
        return [run.current_row() for run in newest_last[query.offset : query.offset + query.limit]]

    def _meant(self, query: RunQuery) -> list[_Run]:
        return [run for run in self._runs.values() if _wanted(run.row, query)]

    async def run_counts(self, query: RunQuery) -> Mapping[RunState, int]:
        """Return how many runs are in each state, of all that the query means."""
        return Counter(run.row.state for run in self._meant(query))

    async def task_counts(self, query: RunQuery) -> Mapping[TaskState, int]:
        """Return how many tasks are in each state, over all runs that the query means."""
        return Counter(row.state for run in self._meant(query) for row in run.tasks.values())

    async def job_counts(self, query: RunQuery) -> Mapping[str, Mapping[RunState, int]]:
        """Return how many runs of each job are in each state, of all that the query means."""
        found: dict[str, Counter[RunState]] = {}
        for run in self._meant(query):
            if run.row.job is not None:
                found.setdefault(run.row.job, Counter())[run.row.state] += 1
        return found

    async def remove(self, run: str) -> None:
        """Remove a run that has ended, and all that belongs to it."""
        known = self._runs.get(run)
        check_removable(run, known.row.state if known else None)
        for key in self._runs.pop(run).signed:
            del self._receipts[key]
        kept = [line for line in self._lines if line.run != run]
        self._lines = deque(kept, maxlen=LOG_LINES_MAX)
        for number in [n for n, post in self._posts.items() if post.posted.run == run]:
            del self._posts[number]
        self._answered = deque(each for each in self._answered if each in self._posts)
        self._note_change()

    async def tasks(self, run: str) -> Sequence[TaskRow]:
        """Return the current rows of a run's tasks in creation order."""
        known = self._runs.get(run)
        return tuple(known.tasks.values()) if known else ()

    async def running_tasks(self) -> Sequence[TaskRow]:
        """Return the rows of all tasks of all runs that are running now."""
        return [
            row
            for run in self._runs.values()
            if run.row.state is RunState.RUNNING
            for row in run.tasks.values()
            if row.state is TaskState.RUNNING
        ]

    async def events(
        self, run: str, after: int = 0, limit: int = 1000
    ) -> Sequence[tuple[int, Event]]:
        """Return a run's events with their numbers, from the one behind ``after``."""
        known = self._runs.get(run)
        return list(enumerate(known.events[after : after + limit], after + 1)) if known else ()

    async def logs(
        self, run: str, task: str | None = None, after: int = 0, limit: int = 1000
    ) -> Sequence[LogLine]:
        """Return log lines in order, from the one behind number ``after``."""

        def is_wanted(line: LogLine) -> bool:
            return line.run == run and line.number > after and task in (None, line.task)

        return _first(self._lines, is_wanted, limit)

    async def receipts(self, fence: str, seq: int) -> Sequence[Receipt]:
        """Return what was answered to the commands under one number, in their order."""
        return tuple(self._receipts.get((fence, seq), ()))

    # ------------------------------------------------------------------ owners

    async def take(self, run: str, engine: str) -> str | None:
        """Make the engine the owner of a run nobody alive owns."""
        known = self._runs.get(run)
        if known is None:
            raise unknown_run(run)
        owner = known.owner
        if owner is not None and owner != engine and owner in self._engines:
            raise owned(run, owner, self._engines[owner])
        known.owner = engine
        return owner if owner != engine else None

    async def owner(self, run: str) -> tuple[EngineInfo, bool] | None:
        """Return the engine that a run belongs to and whether it is alive."""
        known = self._runs.get(run)
        engine = self._engines.get(known.owner) if known and known.owner else None
        return (engine, True) if engine else None

    async def unowned(self) -> Sequence[str]:
        """Return the unfinished runs that no living engine owns, oldest first."""
        runs = [
            run
            for run in self._runs.values()
            if run.row.state not in ENDED and run.owner not in self._engines
        ]
        return [run.row.run for run in sorted(runs, key=lambda run: run.row.created_at)]

    async def lease_pool(self, lease: PoolLease, limit: int) -> bool:
        """Take a slot of a pool if fewer than ``limit`` leases hold one."""
        if lease.fence in self._leases:
            return True
        if len(await self.pool_leases(lease.pool)) >= limit:
            return False
        self._leases[lease.fence] = lease
        return True

    async def pool_leases(self, pool: str) -> Sequence[PoolLease]:
        """Return who holds the slots of a pool."""
        return [
            lease
            for lease in self._leases.values()
            if lease.pool == pool and lease.engine in self._engines
        ]

    async def end_pool_leases(self, fences: Sequence[str]) -> None:
        """End leases on pools by themselves."""
        for fence in fences:
            self._leases.pop(fence, None)
        self._note_change()

    # ------------------------------------------------------------------ commands from elsewhere

    async def post(self, run: str, command: Json, by: str | None = None) -> int:
        """Leave a command for the engine that owns a run; return its number."""
        if run not in self._runs:
            raise unknown_run(run)
        self._posted = number = self._posted + 1
        self._posts[number] = _Post(Posted(id=number, run=run, command=command, by=by))
        self._note_change()
        return number

    async def inbox(self, engine: str) -> Sequence[Posted]:
        """Return the unanswered commands left for runs that this engine owns, oldest first."""
        return [
            post.posted
            for post in self._posts.values()
            if not post.answered and self._runs[post.posted.run].owner == engine
        ]

    async def reply(self, post: int, answer: Json) -> None:
        """Answer a command that was left for a run; the first answer stays."""
        posted = self._posts.get(post)
        if posted is None or posted.answered:
            return
        self._answered.append(post)
        posted.answer, posted.answered = answer, True
        while len(self._answered) > ANSWERS_MAX:
            del self._posts[self._answered.popleft()]
        self._note_change()

    async def answer(self, post: int) -> Json | None:
        """Return the answer to a command, None while there is none."""
        posted = self._posts.get(post)
        return None if posted is None else posted.answer

    # ------------------------------------------------------------------ records

    async def record(self, kind: str, id: str) -> Record | None:
        """Return a record, or None."""
        return self._records.get(kind, id)

    async def records(
        self, kind: str, *, parent: str | None = None, limit: int = 100, offset: int = 0
    ) -> Sequence[Record]:
        """Return the records of a kind in the order of their ids, or those of one parent."""
        return self._records.listed(kind, parent, limit, offset)

    async def count_records(self, kind: str, parent: str | None = None) -> int:
        """Return how many records of a kind there are, or how many of one parent."""
        return self._records.count(kind, parent)

    async def put(self, record: Record, version: int) -> Record:
        """Write a record if it still has this version."""
        written = self._records.put(record, version)
        self._note_change()
        return written

    async def drop(self, kind: str, id: str, version: int) -> None:
        """Remove a record if it still has this version."""
        self._records.drop(kind, id, version)
        self._note_change()

    async def wait_changed(self, seen: int) -> int:
        """Return another number than ``seen`` once what others may wait for has changed."""
        while self._changes == seen:
            if self._changed is None:
                self._changed = anyio.Event()
            await self._changed.wait()
        return self._changes

    def _note_change(self) -> None:
        self._changes += 1
        if self._changed is not None:
            self._changed.set()
            self._changed = None


def _wanted(row: RunRow, query: RunQuery) -> bool:
    return (
        (query.states is None or row.state in query.states)
        and (query.workflow is None or row.workflow == query.workflow)
        and (query.topic is None or row.topic == query.topic)
        and (query.job is None or row.job == query.job)
        and (not query.search or _has(row, _lower(query.search)))
        and (query.before is None or row.created_at < query.before)
    )


def _has(row: RunRow, part: str) -> bool:
    return part in _lower(row.run) or part in _lower(row.workflow)


def _lower(text: str) -> str:
    """Return the text with small letters from a to z: a database knows no others."""
    return text.translate(_SMALL)


_SMALL = {ord(each): ord(each.lower()) for each in ascii_uppercase}


def _first(items: Iterable[_T], wanted: Callable[[_T], bool], limit: int) -> list[_T]:
    found: list[_T] = []
    for item in items:
        if len(found) >= limit:
            break
        if wanted(item):
            found.append(item)
    return found
