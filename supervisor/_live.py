"""A live run: its actor, supervised, and set aside with a reason when that cannot go on.

It is set aside at once when its store fails, and when its actor crashes past its restart intensity.

A run in which nothing goes on for a while is put to rest: its actor ends and its state is
forgotten, it is a row in the store, a timer for the next of its deadlines, and this small object.
Whatever is said to it wakes it up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import anyio
import attrs

from ..actors import Mailbox
from ..storage import StoredRun
from ..workflow import (
    CallboardError,
    Event,
    InternalError,
    Run,
    SetTimer,
    StoreError,
    fold,
    resume,
)
from ._flag import Flag
from ._messages import Quit, RunMessage
from ._run_actor import RunActor
from ._runners import Job
from ._timers import Shared

if TYPE_CHECKING:
    from ._tree import Tree

RESTART_DELAYS: Final = (0.0, 0.5, 2.0)
"""Seconds before each restart of a crashed run actor; one more crash and the run is set aside."""

RESTARTS_SECONDS: Final = 60.0
"""How long a crash counts."""


@attrs.define(eq=False)
class Live:
    """A run that this engine owns and supervises.

    Attributes:
        id: The run's id.
        stored: Set when the run is in the store, or never will be.
        moved: Set when the present actor takes nothing more; another one may follow.
        done: Set when the last actor has ended: the run ended, was given up, or was set aside.
        failure: Why it was set aside.
        watchers: Called with the run and its new events after each commit.
    """

    tree: Tree
    id: str
    _run: Run | None
    _actor: RunActor | None
    stored: Flag = attrs.field(factory=Flag)
    moved: Flag = attrs.field(factory=Flag)
    done: Flag = attrs.field(factory=Flag)
    failure: Exception | None = None
    watchers: list[Callable[[Run, list[Event]], None]] = attrs.field(
        factory=list["Callable[[Run, list[Event]], None]"]
    )
    _crashes: tuple[float, ...] = ()
    _freed: Sequence[str] = ()

    @property
    def resting(self) -> bool:
        """Whether it is at rest: nothing of it is in memory."""
        return self._actor is None

    @property
    def run(self) -> Run:
        """The run's state; one at rest has none, see :meth:`awake`."""
        if self._run is None:
            raise InternalError(f"run {self.id!r} is at rest: its state is in the store")
        return self._run

    @property
    def actor(self) -> RunActor:
        """The run's present actor; one at rest has none, see :meth:`awake`."""
        if self._actor is None:
            raise InternalError(f"run {self.id!r} is at rest: it has no actor")
        return self._actor

    async def awake(self) -> None:
        """Return when the run is in memory, taken from the store if it was at rest, or is over."""
        async with self.tree.ownership.taking:
            if self.resting and not self.done.is_set():
                try:
                    await self._rebuild()
                except Exception as error:  # noqa: BLE001 - one bad run takes nothing down
                    self._set_aside(error)
                    self.finish()
                else:
                    self._rise()

    def _rise(self) -> None:
        if self.done.is_set():
            # Given up while it was loaded, because the engine closes.
            self._run = self._actor = None
            return
        # Not before: whoever is cancelled while the run is loaded must not take its deadline along.
        self.tree.timers.clear(Shared.AT_REST, self.id)
        self.tree.serve_run(self, [])

    def post(self, message: RunMessage) -> None:
        """Tell the run's actor; wakes the run if it is at rest."""
        if self.resting:
            self.tree.soon(self._wake_for, message)
        else:
            self.actor.inbox.post(message)

    async def _wake_for(self, message: RunMessage) -> None:
        await self.awake()
        if not self.resting:
            self.actor.inbox.post(message)

    def _lie_down(self) -> None:
        """Forget what is in the store, and set one timer for the first of the deadlines."""
        effects = resume(self.run, self.tree.clock.wall())
        deadlines = [each.at for each in effects if isinstance(each, SetTimer)]
        self._run = self._actor = None
        if deadlines:
            self.tree.timers.set(Shared.AT_REST, self.id, min(deadlines), self._wake_soon)

    def _wake_soon(self) -> None:
        self.tree.soon(self.awake)

    async def supervise(self, first: list[Event]) -> None:
        """Run the actor until the run ends or rests, and again from what is stored on a crash."""
        rests = False
        try:
            rests = await self._supervise(first)
        except Exception as error:  # noqa: BLE001 - one bad run takes nothing down
            # Not even what is stored could be read.
            self._set_aside(error)
        finally:
            if rests:
                self._lie_down()
            else:
                self.finish()

    def finish(self) -> None:
        """Tell whoever waits that this run is not ours any more."""
        self.tree.forget(self)
        self.tree.timers.clear_group(self.id)
        self.tree.timers.clear(Shared.AT_REST, self.id)
        self.tree.pools.give_back(self._freed)
        self._freed = ()
        self.stored.set()
        self.moved.set()
        self.done.set()
        if self._run is not None:
            for watcher in list(self.watchers):
                watcher(self._run, [])

    async def _supervise(self, first: list[Event]) -> bool:
        """Return whether the run is to rest; otherwise it is over."""
        while True:
            try:
                return await self.actor.serve(first, self._freed)
            except Exception as caught:  # noqa: BLE001 - judged below
                error = caught
                await abandon(self.actor)
            finally:
                self._freed = self.actor.close()
            if not (self.stored.is_set() and self._is_restarted_after(error)):
                self._set_aside(error)
                return False
            self.tree.log.error(
                "the actor of run %s crashed; it is restarted", self.id, exc_info=error
            )
            with anyio.move_on_after(RESTART_DELAYS[len(self._crashes) - 1]):
                await self.tree.closing.wait()
            if not await self._rebuild():
                if not self.run.ended:
                    self._set_aside(error)
                return False
            first = []

    def _is_restarted_after(self, error: Exception) -> bool:
        """Count a crash; what the store refuses it would refuse again: no attempt is begun anew."""
        if isinstance(error, StoreError):
            return False
        now = anyio.current_time()
        recent = (at for at in self._crashes if at > now - RESTARTS_SECONDS)
        self._crashes = (*recent, now)
        return len(self._crashes) <= len(RESTART_DELAYS)

    def _set_aside(self, error: Exception) -> None:
        stored = self.stored.is_set()
        self.failure = _reason(self.id, error, stored=stored)
        if stored:
            self.tree.aside[self.id] = self.failure
            self.tree.log.error("%s", self.failure, exc_info=error)

    async def _rebuild(self) -> bool:
        """Take the run as it is stored; return False if it was ended and given up meanwhile."""
        stored = await self._load()
        if stored is None:
            raise StoreError(f"run {self.id!r} is not in the store any more")
        self._run = fold(stored.events)
        self._actor = new_actor(self.tree, self._run)
        moved, self.moved = self.moved, Flag()
        moved.set()
        return stored.row.owner == self.tree.id

    async def _load(self) -> StoredRun | None:
        """Return what is stored of the run; a store that fails is asked again a few times."""
        for delay in RESTART_DELAYS[1:]:
            try:
                return await self.tree.store.load(self.id)
            except Exception as error:  # noqa: BLE001 - a user's store may raise anything
                self.tree.log.warning("run %s cannot be loaded now: %s", self.id, error)
            with anyio.move_on_after(delay):
                await self.tree.closing.wait()
        return await self.tree.store.load(self.id)

    def quit(self, *, now: bool) -> None:
        """Have the run put down."""
        if self.resting and self.tree.store.durable and not (self.watchers or self.done.awaited):
            # Nobody looks, and leaving the store gives it up as it is: no need to wake it.
            self.finish()
        else:
            self.post(Quit(now))


def _reason(run: str, error: Exception, *, stored: bool) -> CallboardError:
    """Return what whoever asks for a run that is set aside is told, or who wanted to start it."""
    reason: CallboardError
    if isinstance(error, StoreError) and stored:
        reason = StoreError(
            f"run {run!r} is set aside, because its store failed: {error}; "
            "nothing stored is lost, and resume() carries it on when that is mended"
        )
    elif isinstance(error, CallboardError):
        return error
    else:
        reason = InternalError(
            f"run {run!r} is set aside, because its supervisor crashed "
            f"({type(error).__name__}: {error}); what is stored of it is intact, and "
            "resume() takes it up again"
        )
    reason.__cause__ = error
    return reason


def new_actor(tree: Tree, run: Run) -> RunActor:
    """Return an actor for a run; one that is born while the engine closes begins nothing."""
    inbox: Mailbox[RunMessage] = Mailbox(name=f"run {run.id}")
    actor = RunActor(tree, run, inbox)
    if tree.closing.is_set():
        actor.quitting = True
        inbox.post(Quit(tree.hasty))
    return actor


async def abandon(actor: RunActor) -> None:
    """Stop the attempts of an actor that is gone, and return when nothing of them runs."""
    # Those that wait for its answer, which no cancellation disturbs, would wait for ever.
    actor.inbox.abandon(f"the actor of run {actor.run.id} crashed")
    jobs = [
        job
        for job in actor.jobs.values()
        if job.dispatched and (job.outcome is None or not job.gone)
    ]
    if not jobs:
        return
    left = len(jobs)
    all_gone = anyio.Event()

    def ended(job: Job) -> None:
        nonlocal left
        if job.gone:
            left -= 1
            if left == 0:
                all_gone.set()

    for job in jobs:
        job.done = ended
        job.stop()
    with anyio.CancelScope(shield=True):
        await all_gone.wait()
