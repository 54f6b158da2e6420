"""A live run: its actor, supervised; past its restart intensity it is set aside with a reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import anyio
import attrs

from ..actors import Mailbox
from ..storage import Conflict
from ..workflow import CallboardError, Event, InternalError, Run, StoreError, fold
from ._messages import Quit, RunMessage
from ._run_actor import RunActor
from ._runners import Job

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
        stored: Set when the run is in the store, or never will be.
        moved: Set when the present actor takes nothing more; another one may follow.
        done: Set when the last actor has ended: the run ended, was given up, or was set aside.
        failure: Why it was set aside.
        watchers: Called with the run and its new events after each commit.
    """

    tree: Tree
    run: Run
    actor: RunActor
    stored: anyio.Event = attrs.field(factory=anyio.Event)
    moved: anyio.Event = attrs.field(factory=anyio.Event)
    done: anyio.Event = attrs.field(factory=anyio.Event)
    failure: Exception | None = None
    watchers: list[Callable[[Run, list[Event]], None]] = attrs.field(
        factory=list["Callable[[Run, list[Event]], None]"]
    )
    _crashes: list[float] = attrs.field(factory=list[float])

    async def supervise(self, first: list[Event]) -> None:
        """Run the actor, and again from what is stored when it crashes."""
        try:
            await self._supervise(first)
        except Exception as error:  # noqa: BLE001 - one bad run takes nothing down
            # Not even what is stored could be read.
            self._set_aside(error)
        finally:
            self.tree.forget(self)
            self.stored.set()
            self.moved.set()
            self.done.set()
            for watcher in list(self.watchers):
                watcher(self.run, [])

    async def _supervise(self, first: list[Event]) -> None:
        freed: Sequence[str] = ()
        while True:
            try:
                await self.actor.serve(first, freed)
                return
            except Exception as caught:  # noqa: BLE001 - judged below
                error = caught
                await abandon(self.actor)
            finally:
                freed = self.actor.close()
            if isinstance(error, Conflict) or not self.stored.is_set() or not self._count_crash():
                self._set_aside(error)
                return
            self.tree.log.error(
                "the actor of run %s crashed; it is restarted", self.run.id, exc_info=error
            )
            with anyio.move_on_after(RESTART_DELAYS[len(self._crashes) - 1]):
                await self.tree.closing.wait()
            if not await self._rebuild():
                return
            first = []

    def _count_crash(self) -> bool:
        now = anyio.current_time()
        self._crashes = [at for at in self._crashes if at > now - RESTARTS_SECONDS] + [now]
        return len(self._crashes) <= len(RESTART_DELAYS)

    def _set_aside(self, error: Exception) -> None:
        self.failure = error
        if not isinstance(error, CallboardError):
            self.failure = InternalError(
                f"run {self.run.id!r} is set aside, because its supervisor crashed "
                f"({type(error).__name__}: {error}); what is stored of it is intact, and "
                "resume() takes it up again"
            )
            self.failure.__cause__ = error
        if self.stored.is_set():
            self.tree.aside[self.run.id] = self.failure
            self.tree.log.error("run %s is set aside: %s", self.run.id, error, exc_info=error)

    async def _rebuild(self) -> bool:
        """Take the run as it is stored; return False if it was ended and given up meanwhile."""
        stored = await self.tree.store.load(self.run.id)
        if stored is None:
            raise StoreError(f"run {self.run.id!r} is not in the store any more")
        self.run = fold(stored.events)
        self.actor = new_actor(self.tree, self.run)
        moved, self.moved = self.moved, anyio.Event()
        moved.set()
        return stored.row.owner == self.tree.id

    def quit(self, *, now: bool) -> None:
        """Have the run put down."""
        self.actor.inbox.post(Quit(now))


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
