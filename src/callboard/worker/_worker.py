"""The worker: claims as many tasks as it has room for, does them, and stops in order."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import anyio
from anyio.abc import TaskGroup

from .._frozen import frozen
from .._loading import let_import
from .._tasks import TaskFunction, reference
from ..client import Client, Denied, LeaseRecord
from ..client._http import Backoff
from ..client._records import Doing
from ..client._speaker import Speaker
from ..executors import FunctionExecutor, executors_for
from ..executors._spawner import Spawner
from ..supervisor import NoExecutor
from ..supervisor._runners import Runners
from ..workflow import CallboardError, TaskSpec, UsageError
from ._work import Work

WAIT_SECONDS: Final = 20.0
"""How long one question for tasks waits for an answer."""

CLAIMS_MAX: Final = 100
_UNFIT_SECONDS: Final = 300.0
_HOURS: Final = 1e9


@frozen(kw_only=True)
class Wishes:
    """What a worker claims.

    Attributes:
        labels: Only tasks with these labels; None is any.
        pools: Only tasks of these pools; None is any.
        owner: The group of workers that it belongs to.
        lease: Seconds that a claim lives without a word from here.
    """

    labels: Sequence[str] | None = None
    pools: Sequence[str] | None = None
    owner: str | None = None
    lease: float = 60.0


def _tell_nobody(_: object) -> None:
    """Keep it to oneself."""


class Worker:
    """Does tasks of a server until it is stopped.

    Args:
        client: The server.
        name: What the server calls it.
        wishes: What it claims.
        functions: What does ``external`` tasks, and those without a kind, by their label.
        concurrency: How many tasks at once.
        grace: Seconds that running tasks get when it is told to stop.
        tell: Tells a person what is worth it.
    """

    def __init__(
        self,
        client: Client,
        *,
        name: str,
        wishes: Wishes,
        functions: Mapping[str, TaskFunction[..., Any]] | None = None,
        concurrency: int = 8,
        grace: float = 10.0,
        tell: Callable[[str], object] = _tell_nobody,
    ) -> None:
        self._client = client
        self._name = name
        self._wishes = wishes
        self._limit = concurrency
        self._grace = grace
        self._tell = tell
        self._paths = {label: reference(each) for label, each in (functions or {}).items()}
        self._functions = FunctionExecutor(threads=concurrency)
        for label, each in (functions or {}).items():
            self._functions.register(self._paths[label], each.function)
        probes = FunctionExecutor(threads=concurrency)
        self._executors = executors_for(self._functions, probes, lambda: self._spawner)
        self._works: set[Work] = set()
        self._room = anyio.Event()
        self._claiming = anyio.CancelScope()
        self._patience = anyio.CancelScope()

    async def run(self) -> None:
        """Claim and do tasks until :meth:`stop`; returns when nothing runs any more.

        Raises:
            Denied: the server does not let it.
        """
        async with (
            Spawner(f"worker-{secrets.token_hex(6)}") as self._spawner,
            anyio.create_task_group() as group,
        ):
            runners = Runners(group)
            with self._claiming:
                await self._claim(group, runners)
            await self._finish()
            group.cancel_scope.cancel()

    def stop(self) -> None:
        """Claim nothing more; what runs may end by itself within the grace time."""
        self._claiming.cancel()

    def hurry(self) -> None:
        """Stop what runs now."""
        self._claiming.cancel()
        self._patience.cancel()

    @property
    def running(self) -> int:
        """How many tasks it does at the moment."""
        return len(self._works)

    async def _finish(self) -> None:
        self._patience.deadline = anyio.current_time() + self._grace
        with self._patience:
            await self._all_done()
        for work in self._works:
            self._tell(f"{work} is stopped and given back")
            work.stop()
        await self._all_done()

    async def _all_done(self) -> None:
        while self._works:
            self._room = anyio.Event()
            await self._room.wait()

    # --- claiming ---------------------------------------------------------------------------------

    async def _claim(self, group: TaskGroup, runners: Runners) -> None:
        unfit: Backoff | None = None
        while True:
            while len(self._works) >= self._limit:
                self._room = anyio.Event()
                await self._room.wait()
            found = await self._ask()
            # Looking for what does a task may import a module, and so take a while.
            since = anyio.current_time()
            begun = [self._begin(record, since, group, runners) for record in found]
            for record, fits in zip(found, begun, strict=True):
                if not fits:
                    await self._give_back(record)
            if all(begun):
                unfit = None
            else:
                # It is left to others, for longer each time.
                unfit = unfit or Backoff(_HOURS, first=1.0, most=_UNFIT_SECONDS)
                await unfit.wait()

    async def _ask(self) -> list[LeaseRecord]:
        wishes = self._wishes
        try:
            return await self._client.claim_all(
                wishes.labels,
                worker=self._name,
                pools=wishes.pools,
                owner=wishes.owner,
                wait=WAIT_SECONDS,
                lease_seconds=wishes.lease,
                limit=min(self._limit - len(self._works), CLAIMS_MAX),
                patience=_HOURS,
            )
        except (Denied, UsageError):
            raise
        except CallboardError as error:
            self._tell(f"the server gives no task: {error}")
            await anyio.sleep(WAIT_SECONDS)
            return []

    def _begin(self, record: LeaseRecord, since: float, group: TaskGroup, runners: Runners) -> bool:
        """Begin to do a task; return whether it can be done here."""
        try:
            does = self._how(record)
        except NoExecutor as lacking:
            self._tell(f"{record.label} of run {record.run} cannot be done here: {lacking}")
            return False
        executor = self._executors[does.kind]
        work = Work(self._client.http, record, does, executor, self._tell, since=since)
        self._works.add(work)
        group.start_soon(self._do, work, runners, name=f"callboard task {record.task}")
        return True

    def _how(self, record: LeaseRecord) -> Doing:
        """Return how a task is done here.

        Raises:
            NoExecutor: it cannot be.
        """
        does = record.do
        if does is None:
            path = self._paths.get(record.label)
            if path is None:
                raise NoExecutor(f"needs a function for {record.label!r}; give it with --module")
            return Doing(kind="function", config={"function": path})
        executor = self._executors.get(does.kind)
        if executor is None:
            raise NoExecutor(f"needs an executor for {does.kind!r} tasks, which a worker lacks")
        if does.kind in ("function", "wait"):
            let_import(does.folder)
        spec = TaskSpec(id=record.task, name=record.label, kind=does.kind, config=does.config)
        executor.check(spec)
        return does

    async def _give_back(self, record: LeaseRecord) -> None:
        http = self._client.http
        speaker = Speaker(http, record.fence, record.run, record.lease, lost=_tell_nobody)
        with suppress(CallboardError):  # If it cannot be said, the lease ends by itself.
            await speaker.say([{"type": "release"}])

    async def _do(self, work: Work, runners: Runners) -> None:
        try:
            await work.do(runners)
        finally:
            self._works.discard(work)
            self._room.set()
