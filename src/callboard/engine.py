"""The engine as users see it: ``async with Engine(...)``, handles of runs, and the board."""

from __future__ import annotations

import os
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ._binder import Binder
from ._board_lease import BoardLease
from ._catalog import Catalog
from ._cutting_short import run_whole
from ._extras import lacks_extra
from ._following import Following
from ._posting import post_and_wait
from ._starting import Starting
from ._tasks import TaskFunction, is_task, reference
from ._values import encode
from ._workflows import Workflow
from .executors import FunctionExecutor, executors_for
from .storage import RunQuery, RunRow, Store, open_store
from .supervisor import (
    NOTHING,
    Clock,
    Executor,
    Live,
    Offer,
    Tree,
    Wanted,
)
from .workflow import (
    Command,
    Event,
    Refused,
    Run,
    RunOwned,
    RunResult,
    RunState,
    StoreError,
    TaskState,
    UnknownRun,
    UsageError,
    WorkflowSpec,
    commands as c,
    fold,
)

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from .executors._spawner import Spawner
    from .registry import OnExisting, Registry
    from .web import Authorize
    from .workflow import Picture
    from .workflow._guard_text import GuardSpec

_NAMED_MAX = 10
"""How many runs are named where several may be meant."""


class Engine:
    """Runs workflows: ``async with Engine("sqlite:///app.db") as engine``.

    Nothing is global: several engines may live in one process, and several processes may share one
    store.

    Args:
        store: A URL (``sqlite:///app.db``, ``memory:``) or a :class:`Store` of your own.
        concurrency: Attempts at once; 4 × CPUs, at least 8, if not given.
        pools: Limits of named pools, shared by all runs on the store.
        tasks: Functions that cannot be imported by their name.
        workflows: Workflows that others start by name.
        recover: ``all`` carries on unfinished runs that no living engine owns, now and later; or
            ``none``.
        grace: Seconds that running tasks get when the block is left.
        board: Whether tasks without a kind go on the board; without it they succeed when they
            are ready.
        elsewhere: Pools and labels whose tasks are not done here but offered on the board,
            whatever their kind.
        executors: Who does the tasks of a kind, instead of or beside callboard's own.
        wall: Gives the wall time; by default the system's, or the virtual one of a test.
        draw: Gives random numbers from 0 to 1 for the jitter of retries.
    """

    def __init__(
        self,
        store: str | Store,
        *,
        concurrency: int | None = None,
        pools: Mapping[str, int] | None = None,
        tasks: Iterable[TaskFunction[..., Any] | Callable[..., Any]] = (),
        workflows: Iterable[Workflow | WorkflowSpec] = (),
        recover: str = "all",
        grace: float = 10.0,
        board: bool = True,
        elsewhere: Collection[str] = (),
        executors: Mapping[str, Executor] | None = None,
        wall: Callable[[], float] | None = None,
        draw: Callable[[], float] = random.random,
    ) -> None:
        if recover not in ("all", "none"):
            raise UsageError(f"recover must be 'all' or 'none', not {recover!r}")
        limit = max(8, 4 * (os.cpu_count() or 1)) if concurrency is None else concurrency
        if limit < 1:
            raise UsageError(f"concurrency must be at least 1, not {concurrency}")
        self._store = open_store(store) if isinstance(store, str) else store
        catalog = Catalog(workflows, self._stored)
        self._starting = Starting(self, catalog, self._register)
        self._registry: Registry | None = None
        self._functions = FunctionExecutor(threads=limit, on_new=self._look)
        self._probes = FunctionExecutor(threads=limit)
        for given in tasks:
            function = given.function if is_task(given) else given
            self._register(reference(given), function)
        self._tree = Tree(
            self._store,
            concurrency=limit,
            executors={
                **executors_for(self._functions, self._probes, lambda: self._spawner),
                **(executors or {}),
            },
            binder=Binder(),
            catalog=catalog,
            pools=pools,
            board_kinds=("step", "external") if board else ("external",),
            elsewhere=elsewhere,
            grace=grace,
            recover=recover == "all",
            clock=Clock(wall),
            draw=draw,
            within=self._make_spawner,
            on_dead_engine=_end_processes,
        )

    def _register(self, path: str, function: Callable[..., Any]) -> bool:
        self._probes.register(path, function)
        return self._functions.register(path, function)

    def _look(self) -> None:
        self._tree.look()

    def _make_spawner(self, engine_id: str) -> Spawner:
        from .executors._spawner import Spawner

        self._spawner = Spawner(engine_id)
        return self._spawner

    async def __aenter__(self) -> Self:
        await self._tree.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        return await self._tree.__aexit__(kind, error, trace)

    @property
    def store(self) -> Store:
        """Where the runs are remembered."""
        return self._store

    @property
    def registry(self) -> Registry:
        """What is remembered beside runs: definitions, topics, jobs, owners, tokens."""
        if self._registry is None:
            from .registry import Registry

            self._registry = Registry(self._store, self._tree.clock.wall, self._starting)
        return self._registry

    async def _stored(self, name: str) -> WorkflowSpec | None:
        return await self.registry.definitions.find(name)

    async def start(
        self,
        workflow: Workflow | WorkflowSpec | str,
        *args: Any,
        run_id: str | None = None,
        topic: str | None = None,
        job: str | None = None,
        key: str | None = None,
        on_existing: OnExisting = "existing",
        **kwargs: Any,
    ) -> RunHandle:
        """Start a run and return when it is stored.

        Args:
            workflow: A workflow in Python, one that :func:`callboard.load` gave, or the name of
                one in ``workflows=`` or in the store.
            args: What a workflow in Python takes; for one from a file, one mapping with its inputs.
            run_id: Its id; made up if not given.
            topic: What it is about, for lists and totals.
            job: The group of runs it belongs to; it must be open.
            key: However often it is started with this key, in however many processes, there is one
                run; the handle's ``created`` tells whether it was started by this call.
            on_existing: What follows if there is a run with this key: it is the ``existing`` one
                that is meant, or the start is to ``fail``, or it is cancelled and another one takes
                its place (``replace``).

        Raises:
            DefinitionError: the workflow or its inputs are wrong.
            RunExists: the id is taken.
            KeyTaken: the key is, and ``on_existing`` is ``fail``.
            Refused: its job or topic does not take it, or the workflow is deprecated.
        """
        if topic is None and job is None and key is None and on_existing == "existing":
            found = await self._starting.found(workflow)
            spec, inputs = self._starting.spec_and_inputs(found, args, kwargs)
            live = await self._tree.start(spec, inputs, run_id=run_id)
            return RunHandle(self, live.id, live, created=True)
        from .registry import Wish

        wish = Wish(run_id=run_id, topic=topic, job=job, key=key, on_existing=on_existing)
        started = await self._starting.start(workflow, args, kwargs, wish)
        return RunHandle(self, started.run, started.live, created=started.created)

    async def start_by_name(
        self,
        name: str,
        inputs: Mapping[str, Any] | None = None,
        *,
        version: int | None = None,
        run_id: str | None = None,
        topic: str | None = None,
        job: str | None = None,
        key: str | None = None,
        on_existing: OnExisting = "existing",
    ) -> RunHandle:
        """Start a workflow of ``workflows=`` or of the store, with its inputs by their names.

        Args:
            name: The workflow's name.
            inputs: What it takes.
            version: Which version of a stored one; the newest, if not given.
            run_id, topic, job, key, on_existing: As for :meth:`start`.
        """
        from .registry import Wish

        wish = Wish(run_id=run_id, topic=topic, job=job, key=key, on_existing=on_existing)
        started = await self._starting.start(name, (), inputs or {}, wish, version)
        return RunHandle(self, started.run, started.live, created=started.created)

    async def run(
        self,
        workflow: Workflow | WorkflowSpec | str,
        *args: Any,
        run_id: str | None = None,
        topic: str | None = None,
        job: str | None = None,
        key: str | None = None,
        on_existing: OnExisting = "existing",
        **kwargs: Any,
    ) -> RunResult:
        """Start a run and return its result; cancelling this cancels the run.

        Unless that is because the engine itself is left, by Ctrl-C, an error or a cancellation
        around its block: then the run stays resumable on a durable store.  A run that another call
        has started under the same key is only waited for.
        """

        async def start(name: str) -> RunHandle:
            return await self.start(
                workflow,
                *args,
                run_id=name,
                topic=topic,
                job=job,
                key=key,
                on_existing=on_existing,
                **kwargs,
            )

        return await run_whole(self, start, run_id)

    async def get(self, run_id: str) -> RunHandle:
        """Return a handle of a run; the unique beginning of its id serves.

        Raises:
            UnknownRun: there is none, or more than one.
        """
        return RunHandle(self, await self.full_id(run_id), None)

    async def full_id(self, beginning: str) -> str:
        """Return the id of the one run whose id begins like this."""
        if beginning in self._tree.live:
            return beginning
        found = await self._store.find(beginning)
        if len(found) != 1:
            some = [*found[:_NAMED_MAX], *(["…"] if len(found) > _NAMED_MAX else [])]
            known = f"; these begin like it: {', '.join(some)}" if some else " in this store"
            raise UnknownRun(f"there is no run {beginning!r}{known}")
        return found[0]

    async def runs(self, query: RunQuery | None = None) -> list[RunRow]:
        """Return runs, newest first."""
        return list(await self._store.runs(query or RunQuery()))

    async def resume(self, run_id: str) -> RunHandle:
        """Carry on an unfinished run that no living engine owns.

        Raises:
            RunOwned: a living engine owns it.
            UnknownRun: there is no such run.
        """
        full = await self.full_id(run_id)
        return RunHandle(self, full, await self._tree.ownership.resume(full))

    async def resume_all(self) -> list[RunHandle]:
        """Carry on every unfinished run that no living engine owns."""
        return [
            RunHandle(self, run_id, self._tree.live.get(run_id))
            for run_id in await self._tree.ownership.resume_all()
        ]

    # --- the board
    # --------------------------------------------------------------------------------------------

    def board(self, labels: Collection[str] | None = None) -> list[Offer]:
        """Return the tasks on the board that may be claimed, the next one first."""
        offers = self._tree.board.offers
        return [o for o in offers if labels is None or o.lease.spec.name in labels]

    def claim(
        self,
        labels: Collection[str] | None = None,
        *,
        worker: str = "worker",
        wait: float = 0.0,
        lease_seconds: float = 60.0,
    ) -> AbstractAsyncContextManager[BoardLease | None]:
        """Claim a task: ``async with engine.claim(...) as lease``; None if there is none.

        Leaving the block without having said how it went releases the task; by an exception, fails
        it.
        """
        return self._claim(labels, worker, wait, lease_seconds)

    @asynccontextmanager
    async def _claim(
        self, labels: Collection[str] | None, worker: str, wait: float, seconds: float
    ) -> AsyncGenerator[BoardLease | None]:
        wanted = [labels] if isinstance(labels, str) else labels
        claim = await self._tree.board.claim(Wanted(labels=wanted), worker, wait, seconds)
        if claim is None:
            yield None
            return
        lease = BoardLease(self._tree, claim, self._functions.bring)
        try:
            yield lease
        except Exception as error:
            # The worker's own error is what must be seen, whatever became of the lease.
            with suppress(Refused, StoreError):
                await lease.error(f"{type(error).__name__}: {error}")
            raise
        finally:
            with suppress(Refused, StoreError):
                await lease.release()

    # --- for handles
    # ------------------------------------------------------------------------------------------

    async def command(self, run_id: str, command: Command, *, expected: int | None = None) -> bool:
        """Say a command to a run, whoever owns it; return whether a living engine carries it on.

        Args:
            run_id: The run.
            command: What is said.
            expected: The version that the run must have; any, if not given.

        Raises:
            VersionConflict: it has another one; nothing changed.
            Refused: it does not fit; nothing changed.
            UnknownRun: there is no such run.
            RunOwned: its engine did not answer in time; the command stays in its inbox.
        """
        while True:
            try:
                return await self._tree.ownership.command(run_id, command, expected=expected)
            except RunOwned as owned:
                if await post_and_wait(self._store, run_id, command, owned, expected):
                    return True

    async def remove(self, run_id: str) -> None:
        """Forget a run that has ended, with all that is known of it.

        Raises:
            Refused: it has not ended.
            UnknownRun: there is no such run.
        """
        await self._tree.remove(await self.full_id(run_id))

    def asgi(
        self,
        *,
        authorize: Authorize | None = None,
        rate: float | None = 2_000.0,
        page: bool = True,
    ) -> Starlette:
        """Return REST and the live page as an application to mount: ``app.mount("/flows", …)``.

        It needs no lifespan of its own: requests are served while the engine's block is entered.

        Args:
            authorize: Tells who asks, instead of callboard's own tokens: the host's login decides.
            rate: Requests a second that one client may make; None is any number.
            page: Whether the live page is served, too.

        Raises:
            UsageError: the extra ``web`` is not installed.
        """
        try:
            from .web import asgi
        except ModuleNotFoundError as lacking:
            raise lacks_extra(lacking, "web") from lacking
        return asgi(self, authorize=authorize, rate=rate, page=page)

    @property
    def is_open(self) -> bool:
        """Whether its block was entered and is not being left."""
        return self._tree.is_open

    @property
    def tree(self) -> Tree:
        """The tree of actors within: for tests and tools, not for applications."""
        return self._tree


def _end_processes(engine_id: str) -> None:
    from .executors._spawner import kill_carriers

    kill_carriers(engine_id)


class RunHandle:
    """One run, as its engine's user sees it.

    Attributes:
        id: Its id.
        created: Whether the start that gave this handle created it, rather than an earlier one with
            the same key.
    """

    def __init__(
        self, engine: Engine, run_id: str, live: Live | None, *, created: bool = False
    ) -> None:
        self._engine = engine
        self.id = run_id
        self.created = created
        self._live = live

    @property
    def live(self) -> Live | None:
        """The run's actor and state in this engine, if it has one: for tools."""
        return self._live

    async def result(self) -> RunResult:
        """Return what the run came to when it has ended; cancelling this only stops waiting.

        Raises:
            CallboardError: the run was set aside: the error tells why.
        """
        tree, live, seen = self._engine.tree, self._live, NOTHING
        while True:
            live = tree.live.get(self.id) or live
            if live is not None:
                await live.done.wait()
                if live.failure is None and not live.resting:
                    return RunResult.of(live.run)
            run = await tree.wait(self.id)
            if run.ended or tree.closing.is_set():
                return RunResult.of(run)
            # Another engine owns it, as long as this one does not take it up.
            live, seen = None, await tree.stirring.wait(seen)
            if tree.closing.is_set():
                return RunResult.of(run)

    async def snapshot(self) -> RunResult:
        """Return what the run has come to so far."""
        return RunResult.of(await self.run())

    async def run(self) -> Run:
        """Return the run as the kernel knows it; to look at, not to change."""
        live = self._engine.tree.live.get(self.id) or self._live
        # What one that was set aside had in memory is not stored, and never happened.
        if live is not None and not live.resting and live.failure is None:
            return live.run
        return await self._engine.tree.load(self.id)

    async def run_at(self, number: int) -> Run:
        """Return the run as it was after one of its events.

        Raises:
            UsageError: it has no event with this number.
        """
        stored = await self._engine.store.load(self.id)
        known = len(stored.events) if stored else 0
        if stored is None or not 1 <= number <= known:
            raise UsageError(f"run {self.id!r} has no event {number}, only 1 to {known}")
        return fold(stored.events[:number])

    async def _say(self, command: Command) -> bool:
        return await self._engine.command(self.id, command)

    async def cancel(self, reason: str = "cancelled", by: str | None = None) -> bool:
        """Stop everything that runs, start nothing more, and end the run as cancelled."""
        return await self._say(c.Cancel(reason=reason, by=by))

    async def cancel_and_wait(self, reason: str = "cancelled") -> RunResult:
        """Cancel the run and return when nothing of it runs any more."""
        with suppress(Refused):  # It has ended meanwhile.
            await self.cancel(reason)
        return await self.result()

    async def pause(self, by: str | None = None) -> bool:
        """Start nothing more until :meth:`unpause`; what runs goes on."""
        return await self._say(c.Pause(by=by))

    async def unpause(self, by: str | None = None) -> bool:
        """Start tasks again."""
        return await self._say(c.Unpause(by=by))

    async def restart(self, task: str, by: str | None = None) -> bool:
        """Do a task and all behind it anew, in whatever state the run is."""
        return await self._say(c.Restart(task=task, by=by))

    async def promise(self, text: GuardSpec | str) -> bool:
        """Promise how the graph may still grow, as text or made by :mod:`callboard.promises`.

        Raises:
            PromiseRefused: it is untrue already, or leaves no way to finish; nothing changed.
        """
        return await self._say(c.Grow(commands=(c.Promise(text=str(text)),)))

    async def answer(self, task: str, value: Any, by: str | None = None) -> bool:
        """Tell a waiting task what it waits for; the first answer counts."""
        await self._check_answer(task, value)
        return await self._say(c.Answer(task=task, value=encode(value), by=by))

    async def _check_answer(self, task: str, value: Any) -> None:
        from ._answers import check_answer

        waiting = (await self.run()).tasks.get(task)
        if waiting is not None and waiting.wait is not None and waiting.wait.schema is not None:
            check_answer(waiting.wait.schema, value, task)

    async def settle(
        self, task: str, state: TaskState | str, output: Any = None, by: str | None = None
    ) -> bool:
        """Set a task's outcome by hand."""
        return await self._say(
            c.Settle(task=task, state=TaskState(state), output=encode(output), by=by)
        )

    def events(self, after: int = 0, *, follow: bool = False) -> AsyncIterator[tuple[int, Event]]:
        """Give the run's events with their numbers; with ``follow`` until it ends."""
        return Following(self._engine.tree, self.id, after, follow=follow)

    async def logs(self, task: str | None = None, after: int = 0) -> list[Any]:
        """Return the lines that tasks wrote, oldest first."""
        lines: list[Any] = []
        while batch := await self._engine.store.logs(self.id, task, after):
            lines.extend(batch)
            after = batch[-1].number
        return lines

    async def why(self, task: str | None = None) -> list[Any]:
        """Tell of each task that is not running (or of one task) why it is not."""
        from ._why import explain

        return await explain(self._engine.store, await self.run(), task, self._engine.tree)

    async def picture(self, *, unfold: Collection[str] = (), at: int | None = None) -> Picture:
        """Return the picture of the run.

        Args:
            unfold: Holes, by id or address, whose alternatives are drawn, too; ``all`` for all.
            at: The number of the event after which it is drawn; the latest if not given.

        Raises:
            UsageError: there is no such event, or no such hole into which something may come.
        """
        from .workflow import picture

        run = await (self.run() if at is None else self.run_at(at))
        return picture(run, unfold=unfold)


__all__ = ["BoardLease", "Engine", "RunHandle", "RunState"]
