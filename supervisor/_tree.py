"""The engine's tree of actors: storage, timers, pools, board, one run actor for each live run.

How it is entered, and left in order whatever the reason, stands in ``_lifetime``; how it comes to
own runs, in ``_ownership``.
"""

from __future__ import annotations

import logging
import os
import random
import secrets
import socket
import threading
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, Protocol, TypeVar

import anyio

from ..actors import ActorStopped
from ..actors._finishing import finish_waiting
from ..storage import Conflict, EngineInfo, LogLine, Storage, Store
from ..storage._bridge import wake_of_this_loop
from ..workflow import (
    CallboardError,
    Command,
    CycleError,
    DefinitionError,
    Event,
    Refused,
    Run,
    RunExists,
    Task,
    TaskSpec,
    UnknownRun,
    UsageError,
    WorkflowSpec,
    check_id,
    events as ev,
    fold,
    start as begin_run,
)
from ._board import Board
from ._children import cancel_child, tend_child
from ._clock import Clock
from ._collector import no_collection
from ._execution import Binder, Executor, Lease, NoExecutor
from ._lifetime import Lifetime
from ._listener import listen
from ._live import Live, new_actor
from ._messages import Answered, Look, Note, Signed
from ._ownership import Ownership
from ._pools import Pools
from ._run_actor import RunActor
from ._run_ids import new_run_id
from ._runners import Runners
from ._slots import Slots
from ._stirring import Stirring
from ._timers import Timers

_T = TypeVar("_T")


class Catalog(Protocol):
    """Finds workflows that others start by name or file."""

    async def find(self, reference: str, folder: str | None) -> WorkflowSpec:
        """Return the workflow that a task's ``workflow:`` or a ``failure_workflow:`` names."""
        ...

    def check_inputs(self, spec: WorkflowSpec, given: Any) -> Any:
        """Return a run's inputs, checked and with defaults."""
        ...


class Tree(Lifetime):
    """An engine: ``async with Tree(...) as tree``.

    Args:
        store: Where runs are remembered.
        concurrency: Attempts at once.
        executors: Who does the tasks of a kind.
        binder: Resolves expressions and references.
        catalog: Finds workflows for child runs and clean-up.
        pools: Limits of pools, beside those that workflows declare.
        board_kinds: Kinds that are offered on the board.
        elsewhere: Pools and labels of tasks that are offered there, too, whatever their kind.
        grace: Seconds that running tasks get when the block is left normally.
        recover: Whether to carry on unfinished runs that no living engine owns, now and later.
        within: Gives, for the engine's id, what is entered before and left after everything else.
        rest_after: Seconds after which a run in which nothing goes on is put to rest.
        on_dead_engine: Called with the id of a dead engine before a run of its is taken over.

    Attributes:
        live: The runs that this engine supervises.
        aside: Why runs were set aside, by run.
        commits: How often something of its runs was written.
        ownership: Takes up what nobody owns, and does what is said to it.
    """

    def __init__(
        self,
        store: Store,
        *,
        concurrency: int,
        executors: Mapping[str, Executor],
        binder: Binder,
        catalog: Catalog,
        pools: Mapping[str, int] | None = None,
        board_kinds: Collection[str] = ("step", "external"),
        elsewhere: Collection[str] = (),
        grace: float = 10.0,
        recover: bool = False,
        clock: Clock | None = None,
        draw: Callable[[], float] = random.random,
        on_dead_engine: Callable[[str], object] | None = None,
        within: Callable[[str], AbstractAsyncContextManager[Any]] | None = None,
        rest_after: float = 5.0,
    ) -> None:
        super().__init__(grace)
        self.id = secrets.token_hex(6)
        self.store = store
        self.keeps_rows = bool(getattr(store, "keeps_rows", True))
        self.clock = clock or Clock()
        self.draw = draw
        self.timers = Timers(self.clock)
        self.slots = Slots(concurrency)
        self.board = Board(self.clock, self.timers)
        self.board_kinds = frozenset(board_kinds)
        self.elsewhere = frozenset(elsewhere)
        self.pools = Pools(store, dict(pools or {}))
        self.binder = binder
        self.catalog = catalog
        self.log = logging.getLogger("callboard")
        self.live: dict[str, Live] = {}
        self.aside: dict[str, Exception] = {}
        self.changes = 0
        self.stirring = Stirring(store)
        self.recovers = recover
        self.rest_after = rest_after
        self._executors = dict(executors)
        self.ownership = Ownership(self, on_dead_engine)
        self._within = nullcontext() if within is None else within(self.id)
        self._fences = 0

    # --- life

    async def work(self) -> None:
        """Open the store and supervise runs until the block is left."""
        self.clock.start()
        info = EngineInfo(
            id=self.id, host=socket.gethostname(), pid=os.getpid(), started_at=self.clock.wall()
        )
        async with self.store.opened(info), self._within:
            await self._serve_opened()

    async def _serve_opened(self) -> None:
        self.storage = Storage(self.store)
        self._thread, self._wake = threading.get_ident(), wake_of_this_loop()
        async with anyio.create_task_group() as services:
            await services.start(self.storage.run)
            services.start_soon(self.timers.serve, name="callboard timers")
            services.start_soon(self.pools.serve, name="callboard pools")
            services.start_soon(listen, self, name="callboard inbox")
            async with anyio.create_task_group() as self._runs:
                self.runners = Runners(self._runs)
                if self.recovers:
                    await self.ownership.resume_all()
                self.is_up()
                await self.closing.wait()
                await self._put_down()
                self._runs.cancel_scope.cancel()
            services.cancel_scope.cancel()

    async def _put_down(self) -> None:
        """Let what runs end within the grace time, then stop it; wait until all is written down."""
        if not self.hasty:
            for live in list(self.live.values()):
                live.quit(now=False)
            with self.within_grace():
                await self._all_down()
        self.hasty = True
        for live in list(self.live.values()):
            live.quit(now=True)
        await self._all_down()

    async def _all_down(self) -> None:
        while self.live:
            await next(iter(self.live.values())).done.wait()

    # --- what run actors ask for

    def new_fence(self) -> str:
        """Return a fencing token that no other attempt of any engine has."""
        self._fences += 1
        return f"{self.id}-{self._fences}"

    def output_of(self, run: Run) -> Any:
        """Return the output of a run that has succeeded.

        Raises:
            CallboardError: it cannot be made.
        """
        if run.spec.output is None:
            return None
        try:
            return self.binder.output(run)
        except CallboardError:
            raise
        except Exception as error:
            raise UsageError(f"{type(error).__name__}: {error}") from error

    def executor(self, spec: TaskSpec) -> Executor:
        """Return who does a task.

        Raises:
            NoExecutor: nobody here can; the text says what is needed.
        """
        executor = self._executors.get(spec.kind)
        if executor is None:
            raise NoExecutor(
                f"needs an executor for {spec.kind!r} tasks, which this engine lacks; "
                f"give one with cb.Engine(executors={{{spec.kind!r}: …}})"
            )
        executor.check(spec)
        return executor

    def is_elsewhere(self, spec: TaskSpec) -> bool:
        """Whether a task that could be done here is left to workers elsewhere."""
        names = self.elsewhere
        return (
            bool(names)
            and spec.kind in self._executors
            and (spec.options.pool in names or spec.name in names)
        )

    def is_on_board(self, spec: TaskSpec) -> bool:
        """Whether a task is done by whoever claims it."""
        return spec.kind in self.board_kinds or self.is_elsewhere(spec)

    def log_line(self, lease: Lease, stream: str, text: str, data: Any) -> None:
        """Keep a line that an attempt wrote; it rides on the next commit.  For any thread."""
        if threading.get_ident() != self._thread:
            self._wake(lambda: self.log_line(lease, stream, text, data))
            return
        self.storage.note(
            LogLine(
                run=lease.run,
                task=lease.task,
                generation=lease.generation,
                attempt=lease.attempt,
                at=self.clock.wall(),
                stream=stream,
                text=text,
                data=data,
            )
        )

    def published(self, run: Run, events: list[Event]) -> None:
        """Tell whoever watches a run what was committed."""
        self.changes += bool(events)
        live = self.live.get(run.id)
        if live is None:
            return
        live.stored.set()
        for watcher in list(live.watchers):
            watcher(run, events)

    def start_child(self, actor: RunActor, task: Task, lease: Lease, child: str) -> None:
        """Start the run that a task waits for, or take up the one that was started before."""
        self._runs.start_soon(tend_child, self, actor, task, lease, child)

    def cancel_child(self, child: str, reason: str) -> None:
        """Cancel a run because whoever waits for it is stopped."""
        self._runs.start_soon(cancel_child, self, child, reason)

    def forget(self, live: Live) -> None:
        """Take a run that is no longer ours out of the tree."""
        if self.live.get(live.id) is live:
            del self.live[live.id]

    # --- what users of the engine ask for

    async def start(
        self,
        spec: WorkflowSpec,
        inputs: Any = None,
        *,
        run_id: str | None = None,
        topic: str | None = None,
        job: str | None = None,
        parent: tuple[str, str | None] | None = None,
    ) -> Live:
        """Start a run and return when it is stored; a cancellation is met after that.

        Raises:
            RunExists: the id is taken.
            UsageError: the engine is not open, or the id is none that a run can have.
            DefinitionError: the definition cannot be run.
            StoreError: it cannot be stored.
        """
        if self.closing.is_set() and parent is None:
            raise UsageError("the engine is closing: it starts nothing more")
        if not self._up.is_set():
            raise UsageError("the engine is not open: start runs inside `async with engine:`")
        if run_id is not None and parent is None:
            check_id("the id of a run", run_id)
        run, events = self.begin(spec, inputs, run_id=run_id, topic=topic, job=job, parent=parent)
        live = self.spawn(run, events)
        await finish_waiting(live.stored.wait)
        if run.id not in self.aside and live.failure is not None:
            if isinstance(live.failure.__cause__, Conflict):
                raise RunExists(run.id) from live.failure
            raise live.failure
        return live

    def begin(
        self,
        spec: WorkflowSpec,
        inputs: Any,
        *,
        run_id: str | None,
        topic: str | None = None,
        job: str | None = None,
        parent: tuple[str, str | None] | None,
    ) -> tuple[Run, list[Event]]:
        """Return a run that begins, and what is to be stored of it.

        Raises:
            RunExists: the id is taken, as far as that is known here.
            DefinitionError: the definition cannot be run.
        """
        now = self.clock.wall()
        created = ev.RunCreated(
            at=now,
            run=run_id or new_run_id(now),
            spec=spec,
            inputs=inputs,
            parent_run=parent[0] if parent else None,
            parent_task=parent[1] if parent else None,
            topic=topic,
            job=job,
        )
        if created.run in self.live:
            raise RunExists(created.run)
        try:
            with no_collection():
                run, events, _ = begin_run(created, output_of=self.output_of)
        except CycleError as error:
            raise DefinitionError([f"workflow {spec.name!r} has a cycle: {error}"]) from error
        except Refused as error:
            raise DefinitionError([str(error)]) from error
        return run, events

    def spawn(self, run: Run, first: list[Event]) -> Live:
        """Have an actor supervise a run, beginning with what is not stored of it yet."""
        self.aside.pop(run.id, None)
        live = Live(self, run.id, run, new_actor(self, run))
        self.live[run.id] = live
        self.changes += 1
        self.stirring.stir()
        self.serve_run(live, first)
        return live

    def serve_run(self, live: Live, first: list[Event]) -> None:
        """Let a run's actor work."""
        self._runs.start_soon(live.supervise, first, name=f"callboard run {live.id}")

    def soon(self, call: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> None:
        """Have something done soon that has to wait; it must not fail."""
        self._runs.start_soon(call, *args)

    async def finish(self, work: Callable[[], Awaitable[_T]]) -> _T:
        """Do something to its end, whatever becomes of who waits for it.

        Raises:
            UsageError: the engine was closed meanwhile.
            Exception: what the work raised.
        """
        if not self.is_open:
            return await work()
        done = anyio.Event()
        results: list[_T] = []
        failures: list[Exception] = []

        async def do() -> None:
            try:
                results.append(await work())
            except Exception as error:  # noqa: BLE001 - raised where it is waited for
                failures.append(error)
            finally:
                done.set()

        self.soon(do)
        await done.wait()
        if failures:
            raise failures[0]
        if not results:
            raise UsageError("the engine was closed before this was done")
        return results[0]

    def is_watched(self, run_id: str) -> bool:
        """Whether somebody follows a run as it changes."""
        live = self.live.get(run_id)
        return live is not None and bool(live.watchers)

    async def remove(self, run_id: str) -> None:
        """Forget a run that has ended, with all that is known of it."""
        await self.store.remove(run_id)
        self.changes += 1

    async def load(self, run_id: str) -> Run:
        """Return a run as it is stored, folded anew.

        Raises:
            UnknownRun: there is no such run.
        """
        stored = await self.store.load(run_id)
        if stored is None:
            raise UnknownRun(f"there is no run {run_id!r} in this store")
        return fold(stored.events)

    async def wait(self, run_id: str) -> Run:
        """Return a run when it has ended or was put down.

        Raises:
            Exception: why it was set aside.
        """
        live = self.live.get(run_id)
        if live is not None:
            await live.done.wait()
            if live.failure is not None:
                raise live.failure
            return live.run
        if run_id in self.aside:
            raise self.aside[run_id]
        return await self.load(run_id)

    async def ask(
        self,
        run_id: str,
        command: Command | Note,
        *,
        posted: bool = False,
        signed: Signed | None = None,
        expected: int | None = None,
        to_the_end: bool = False,
    ) -> list[Any] | None:
        """Say a command to a live run and wait until what followed is stored.

        Args:
            run_id: The run.
            command: What is said.
            posted: It came through the store; :meth:`answered` must follow.
            signed: How its answer is stored, if it may be said again.
            expected: The version that the run must have.
            to_the_end: Wait for the answer even if cancelled.

        Returns:
            What was made; None if the run is not live here, then nothing was said.

        Raises:
            Refused: it does not fit; nothing changed.
            StoreError: it could not be stored, and the run is set aside.
        """
        while (live := self.live.get(run_id)) is not None:
            if live.resting:
                await live.awake()
                continue
            actor, moved = live.actor, live.moved
            try:
                return await actor.ask(
                    command,
                    posted=posted,
                    signed=signed,
                    expected=expected,
                    to_the_end=to_the_end,
                )
            except ActorStopped:
                if live.actor is actor:
                    await moved.wait()
                if live.failure is not None:
                    raise live.failure from None
        return None

    def answered(self, run_id: str) -> None:
        """Tell a run that the answer to a posted command is stored."""
        live = self.live.get(run_id)
        if live is not None and not live.resting:
            live.post(Answered())

    def look(self) -> None:
        """Let every run look again whether it can start something: an executor was added."""
        for live in self.live.values():
            if not live.resting:
                live.post(Look(again=True))
