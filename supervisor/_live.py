"""A live run: its actor, supervised; past its restart intensity it is set aside with a reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import anyio
import attrs

from ..actors import Mailbox
from ..storage import Conflict
from ..workflow import Event, InternalError, Run, StoreError, fold
from ._messages import RunMessage
from ._run_actor import RunActor
from ._runners import Job

if TYPE_CHECKING:
    from ._tree import Tree

RESTARTS_MAX = 3
RESTARTS_SECONDS = 60.0


@attrs.define(eq=False)
class Live:
    """A run that this engine owns and supervises.

    Attributes:
        done: Set when the actor has ended for good: the run ended, was given up, or was set aside.
        failure: Why it was set aside.
        watchers: Called with the run and its new events after each commit.
    """

    tree: Tree
    run: Run
    actor: RunActor
    stored: anyio.Event = attrs.field(factory=anyio.Event)
    done: anyio.Event = attrs.field(factory=anyio.Event)
    failure: Exception | None = None
    watchers: list[Callable[[Run, list[Event]], None]] = attrs.field(
        factory=list["Callable[[Run, list[Event]], None]"]
    )
    _crashes: list[float] = attrs.field(factory=list[float])

    async def supervise(self, first: list[Event]) -> None:
        """Run the actor, and again from what is stored when it crashes."""
        try:
            while True:
                try:
                    await self.actor.serve(first)
                    return
                except Exception as error:
                    await abandon(self.actor)
                    if not self._may_restart(error):
                        self.failure = error
                        self.tree.log.error("run %s is set aside: %s", self.run.id, error)
                        return
                    self.tree.log.exception("the actor of run %s crashed; it is restarted", self.run.id)
                    await self._rebuild()
                    first = []
                finally:
                    self.actor.close()
        finally:
            self.tree.forget(self)
            self.stored.set()
            self.done.set()

    def _may_restart(self, error: Exception) -> bool:
        if isinstance(error, (Conflict, StoreError)) or not self.stored.is_set():
            return False
        now = anyio.current_time()
        self._crashes = [at for at in self._crashes if at > now - RESTARTS_SECONDS] + [now]
        return len(self._crashes) <= RESTARTS_MAX

    async def _rebuild(self) -> None:
        stored = await self.tree.store.load(self.run.id)
        if stored is None:
            raise InternalError(f"run {self.run.id!r} is not in the store any more")
        self.run = fold(stored.events)
        self.actor = new_actor(self.tree, self.run)


def new_actor(tree: Tree, run: Run) -> RunActor:
    """Return an actor for a run, with an empty mailbox."""
    inbox: Mailbox[RunMessage] = Mailbox(name=f"run {run.id}")
    return RunActor(tree, run, inbox)


async def abandon(actor: RunActor) -> None:
    """Stop the attempts of an actor that is gone, and return when they have ended."""
    jobs = [job for job in actor.jobs.values() if job.outcome is None]
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
