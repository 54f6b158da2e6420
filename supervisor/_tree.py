"""The engine's tree of actors: storage, timers, pools, board, one run actor for each live run.

The tree runs in a shielded scope of its own, so that cancelling whoever uses the engine does not
cut it down in the middle of a sentence: leaving :class:`Tree` stops it in order, whatever the
reason for leaving.
"""

from __future__ import annotations

import logging
import os
import random
import secrets
import socket
import threading
from collections.abc import Callable, Collection, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from types import TracebackType
from typing import Any, Protocol, Self, cast

import anyio

from ..actors import ActorStopped
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
    RunOwned,
    RunState,
    StoreError,
    Task,
    TaskSpec,
    UnknownRun,
    UsageError,
    WorkflowSpec,
    apply,
    events as ev,
    fold,
    start as begin_run,
)
from ._board import Board
from ._children import cancel_child, tend_child
from ._clock import Clock
from ._execution import Binder, Executor, Lease, NoExecutor
from ._listener import listen
from ._live import Live, new_actor
from ._messages import Answered, Look
from ._pools import Pools
from ._rows import transition
from ._run_actor import RunActor
from ._runners import Runners
from ._slots import Slots
from ._timers import Timers


class Catalog(Protocol):
    """Finds workflows that others start by name or file."""

    def find(self, reference: str, folder: str | None) -> WorkflowSpec:
        """Return the workflow that a task's ``workflow:`` or a ``failure_workflow:`` names."""
        ...

    def check_inputs(self, spec: WorkflowSpec, given: Any) -> Any:
        """Return a run's inputs, checked and with defaults."""
        ...


class Tree:
    """An engine: ``async with Tree(...) as tree``.

    Args:
        store: Where runs are remembered.
        concurrency: Attempts at once.
        executors: Who does the tasks of a kind.
        binder: Resolves expressions and references.
        catalog: Finds workflows for child runs and clean-up.
        pools: Limits of pools, beside those that workflows declare.
        board_kinds: Kinds that are offered on the board.
        grace: Seconds that running tasks get when the block is left normally.
        recover: Whether to carry on unfinished runs that no living engine owns, now and later.
        within: Gives, for the engine's id, what is entered before and left after everything else.
        rest_after: Seconds after which a run in which nothing goes on is put to rest.
        on_dead_engine: Called with the id of a dead engine before a run of its is taken over.

    Attributes:
        live: The runs that this engine supervises.
        aside: Why runs were set aside, by run.
        closing: Set when nothing more is to be started.
        hasty: Whether what runs is to be stopped at once.
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
        grace: float = 10.0,
        recover: bool = False,
        clock: Clock | None = None,
        draw: Callable[[], float] = random.random,
        on_dead_engine: Callable[[str], object] | None = None,
        within: Callable[[str], AbstractAsyncContextManager[Any]] | None = None,
        rest_after: float = 5.0,
    ) -> None:
        self.id = secrets.token_hex(6)
        self.store = store
        self.keeps_rows = bool(getattr(store, "keeps_rows", True))
        self.clock = clock or Clock()
        self.draw = draw
        self.timers = Timers(self.clock)
        self.slots = Slots(concurrency)
        self.board = Board(self.clock, self.timers)
        self.board_kinds = frozenset(board_kinds)
        self.pools = Pools(store, dict(pools or {}), self._nudge)
        self.binder = binder
        self.catalog = catalog
        self.log = logging.getLogger("callboard")
        self.live: dict[str, Live] = {}
        self.aside: dict[str, Exception] = {}
        self.recovers = recover
        self.rest_after = rest_after
        self.closing = anyio.Event()
        self.hasty = False
        self._executors = dict(executors)
        self._grace = grace
        self._grace_scope: anyio.CancelScope | None = None
        self._on_dead_engine = on_dead_engine
        # Whose processes were ended: they are looked for once, and not for each run.
        self._buried = {self.id}
        self._within = nullcontext() if within is None else within(self.id)
        self._fences = 0
        self._up = anyio.Event()
        self._down = anyio.Event()
        self.taking = anyio.Lock()

    # --- life

    async def __aenter__(self) -> Self:
        self.clock.start()
        self._outer = anyio.create_task_group()
        await self._outer.__aenter__()
        try:
            # Not start(): cancelled, it would wait for the end of what has not been told to end.
            self._outer.start_soon(self._serve, name="callboard engine")
            await self._up.wait()
        except BaseException as error:
            self._hurry()
            await self._leave(type(error), error, error.__traceback__)
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        if error is not None:
            self._hurry()
            return await self._leave(kind, error, trace)
        self.closing.set()
        try:
            await self._down.wait()
        except BaseException as interrupted:
            # Whoever leaves has lost patience within the grace time.
            self._hurry()
            await self._leave(type(interrupted), interrupted, interrupted.__traceback__)
            raise
        return await self._leave(None, None, None)

    def _hurry(self) -> None:
        self.hasty = True
        self.closing.set()
        if self._grace_scope is not None:
            self._grace_scope.cancel()

    async def _leave(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        try:
            return await self._outer.__aexit__(kind, error, trace)
        except BaseExceptionGroup as group:
            # One cause is raised as itself; several are worth a group.
            only = _only(group)
            if only is None:
                raise
            if only is error:
                return False
            raise only from only.__cause__

    async def _serve(self) -> None:
        try:
            with anyio.CancelScope(shield=True):
                info = EngineInfo(
                    id=self.id,
                    host=socket.gethostname(),
                    pid=os.getpid(),
                    started_at=self.clock.wall(),
                )
                async with self.store.opened(info), self._within:
                    await self._serve_opened()
        finally:
            self._down.set()

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
                    await self.resume_all()
                self._up.set()
                await self.closing.wait()
                await self._put_down()
                self._runs.cancel_scope.cancel()
            services.cancel_scope.cancel()

    async def _put_down(self) -> None:
        """Let what runs end within the grace time, then stop it; wait until all is written down."""
        if not self.hasty:
            for live in list(self.live.values()):
                live.quit(now=False)
            with anyio.move_on_after(self._grace) as self._grace_scope:
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
            raise NoExecutor(f"needs an executor for {spec.kind!r} tasks, which this engine lacks")
        executor.check(spec)
        return executor

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
        live = self.live.get(run.id)
        if live is None:
            return
        live.stored.set()
        for watcher in list(live.watchers):
            watcher(run, events)

    async def prepare_end(self, run: Run) -> None:
        """Make sure that what follows the end of a run exists before the end is written down."""
        bad = (RunState.FAILED, RunState.TIMED_OUT, RunState.PROMISE_BROKEN)
        if run.spec.failure_workflow is None or run.state not in bad:
            return
        follower = f"{run.id}.failure"
        try:
            if follower in self.live or await self.store.load(follower) is not None:
                return
            spec = self.catalog.find(run.spec.failure_workflow, run.spec.folder)
            inputs = self.catalog.check_inputs(spec, _known_inputs(spec, run))
            await self.start(spec, inputs, run_id=follower, parent=(run.id, None))
        except StoreError:
            raise
        except Exception:
            self.log.exception("the failure workflow of run %s cannot be started", run.id)

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

    def _nudge(self) -> None:
        for live in self.live.values():
            if not live.resting:
                live.post(Look())
                return

    # --- what users of the engine ask for

    async def start(
        self,
        spec: WorkflowSpec,
        inputs: Any = None,
        *,
        run_id: str | None = None,
        topic: str | None = None,
        parent: tuple[str, str | None] | None = None,
    ) -> Live:
        """Start a run; returns when it is stored, even if cancelled meanwhile.

        Raises:
            UsageError: the id is taken, or the engine is closing.
            DefinitionError: the definition cannot be run.
            StoreError: it cannot be stored.
        """
        if self.closing.is_set() and parent is None:
            raise UsageError("the engine is closing: it starts nothing more")
        created = ev.RunCreated(
            at=self.clock.wall(),
            run=run_id or secrets.token_hex(6),
            spec=spec,
            inputs=inputs,
            parent_run=parent[0] if parent else None,
            parent_task=parent[1] if parent else None,
            topic=topic,
        )
        if created.run in self.live:
            raise UsageError(f"there is a run {created.run!r} already")
        try:
            run, events, _ = begin_run(created, output_of=self.output_of)
        except CycleError as error:
            raise DefinitionError([f"workflow {spec.name!r} has a cycle: {error}"]) from error
        except Refused as error:
            raise DefinitionError([str(error)]) from error
        live = self._spawn(run, events)
        with anyio.CancelScope(shield=True):
            await live.stored.wait()
        if created.run not in self.aside and live.failure is not None:
            if isinstance(live.failure.__cause__, Conflict):
                raise UsageError(f"there is a run {created.run!r} already") from live.failure
            raise live.failure
        return live

    def _spawn(self, run: Run, first: list[Event]) -> Live:
        self.aside.pop(run.id, None)
        live = Live(self, run.id, run, new_actor(self, run))
        self.live[run.id] = live
        self.serve_run(live, first)
        return live

    def serve_run(self, live: Live, first: list[Event]) -> None:
        """Let a run's actor work."""
        self._runs.start_soon(live.supervise, first, name=f"callboard run {live.id}")

    def soon(self, call: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> None:
        """Have something done soon that has to wait, for a run of this tree."""
        self._runs.start_soon(call, *args)

    def is_watched(self, run_id: str) -> bool:
        """Whether somebody follows a run as it changes."""
        live = self.live.get(run_id)
        return live is not None and bool(live.watchers)

    async def resume(self, run_id: str) -> Live | None:
        """Take up an unfinished run that no living engine owns; None if it has ended.

        Raises:
            RunOwned: a living engine owns it.
            UnknownRun: there is no such run.
            UsageError: the engine is closing.
        """
        async with self.taking:
            if run_id in self.live:
                return self.live[run_id]
            if self.closing.is_set():
                raise UsageError("the engine is closing: it takes nothing up any more")
            run = await self._take(run_id)
            if run.ended:
                await self._write(run, [], release=True)
                return None
            live = self._spawn(run, [])
            live.stored.set()
            return live

    async def _take(self, run_id: str) -> Run:
        """Make a run ours, and end what its dead owner has left running."""
        dead = await self.store.take(run_id, self.id)
        try:
            if dead is not None and dead not in self._buried and self._on_dead_engine is not None:
                await anyio.to_thread.run_sync(self._on_dead_engine, dead)
                self._buried.add(dead)
            return await self.load(run_id)
        except Exception as error:
            # It is ours now, and nobody works on it: whoever asks for it learns why.
            self.aside[run_id] = error
            raise

    async def resume_all(self) -> list[str]:
        """Take up every unfinished run that no living engine owns; return their ids."""
        taken: list[str] = []
        for run_id in await self.store.unowned():
            try:
                if await self.resume(run_id) is not None:
                    taken.append(run_id)
            except (RunOwned, UnknownRun, UsageError) as lost:
                self.log.info("%s", lost)
            except Exception:
                self.log.exception("run %s cannot be taken up", run_id)
        return taken

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

    async def ask(self, run_id: str, command: Command, *, posted: bool = False) -> bool:
        """Say a command to a live run and wait until what followed is stored.

        Args:
            run_id: The run.
            command: What is said.
            posted: It came through the store; :meth:`answered` must follow.

        Returns:
            Whether the run is live here; if not, nothing was said.

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
                await actor.ask(command, posted=posted)
            except ActorStopped:
                if live.actor is actor:
                    await moved.wait()
                if live.failure is not None:
                    raise live.failure from None
            else:
                return True
        return False

    def answered(self, run_id: str) -> None:
        """Tell a run that the answer to a posted command is stored."""
        live = self.live.get(run_id)
        if live is not None and not live.resting:
            live.post(Answered())

    async def command(self, run_id: str, command: Command, *, posted: bool = False) -> bool:
        """Say a command to a run and wait until what followed is stored.

        Args:
            run_id: The run.
            command: What is said.
            posted: It came through the store; :meth:`answered` must follow.

        Returns:
            Whether this engine goes on supervising the run; if not, what followed is only recorded.

        Raises:
            Refused: it does not fit; nothing changed.
            RunOwned: a living engine owns the run: post the command to it.
        """
        while not await self.ask(run_id, command, posted=posted):
            async with self.taking:
                if run_id not in self.live:
                    return await self._command_stored(run_id, command)
        return True

    async def _command_stored(self, run_id: str, command: Command) -> bool:
        run = await self._take(run_id)
        try:
            events, _ = apply(
                run, command, self.clock.wall(), draw=self.draw, output_of=self.output_of
            )
        except Refused:
            await self._write(run, [], release=True)
            raise
        goes_on = not run.ended and self.recovers and not self.closing.is_set()
        try:
            if run.ended:
                await self.prepare_end(run)
            await self._write(run, events, release=not goes_on)
        except Exception:
            # It is ours, and nobody works on it: others may take it up.
            await self._write(await self.load(run_id), [], release=True)
            raise
        if goes_on:
            self._spawn(run, []).stored.set()
        return goes_on

    async def _write(self, run: Run, events: list[Event], *, release: bool) -> None:
        now = self.clock.wall()
        await self.storage.commit(transition(run, events, self.id, now, release=release))
        if run.ended:
            self.aside.pop(run.id, None)

    def look(self) -> None:
        """Let every run look again whether it can start something: an executor was added."""
        for live in self.live.values():
            if not live.resting:
                live.post(Look(again=True))


def _only(group: BaseExceptionGroup[BaseException]) -> BaseException | None:
    """Return the one error that a group holds, however deep; None if it holds several."""
    only = group.exceptions[0]
    if len(group.exceptions) > 1:
        return None
    if isinstance(only, BaseExceptionGroup):
        return _only(cast("BaseExceptionGroup[BaseException]", only))
    return only


def _known_inputs(spec: WorkflowSpec, run: Run) -> dict[str, Any]:
    """Return what a failure workflow is told, as far as it declares it."""
    told = {"run": run.id, "workflow": run.spec.name, "state": str(run.state), "reason": run.reason}
    return {name: value for name, value in told.items() if name in spec.inputs or name == "run"}
