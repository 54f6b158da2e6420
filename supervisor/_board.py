"""The board: ready tasks that somebody else does, claimed under leases."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, Final

import anyio
import attrs

from ..actors import ActorStopped
from ..workflow import Command, Creation, Refused, StaleFence, Task, TaskState, commands as c
from ._beginning import lease_of
from ._clock import Clock
from ._execution import Lease
from ._timers import Shared, Timers

if TYPE_CHECKING:
    from ._run_actor import RunActor

ADOPTED_SECONDS: Final = 60.0
"""How long a claim lives on without a heartbeat after its engine has died."""


@attrs.frozen(eq=False)
class Offer:
    """A task that may be claimed."""

    actor: RunActor
    task: Task
    lease: Lease
    age: int

    @property
    def open(self) -> bool:
        """Whether it could be claimed right now."""
        run, task = self.actor.run, self.task
        return (
            task.state is TaskState.READY
            and task.generation == self.lease.generation
            and not run.paused
            and task.id not in run.held
            and not self.actor.quitting
        )


@attrs.frozen(eq=False)
class Claim:
    """A task that a worker holds."""

    actor: RunActor
    lease: Lease
    worker: str
    seconds: float


class Board:
    """Offers tasks, and keeps the leases of those who claimed them."""

    def __init__(self, clock: Clock, timers: Timers) -> None:
        self._clock = clock
        self._timers = timers
        self._offers: dict[tuple[str, str], Offer] = {}
        self._claims: dict[str, Claim] = {}
        self._age = 0
        self._changed = anyio.Event()

    @property
    def offers(self) -> list[Offer]:
        """What may be claimed, by priority and age."""
        offers = [offer for offer in self._offers.values() if offer.open]
        return sorted(offers, key=lambda each: (-each.lease.spec.options.priority, each.age))

    @property
    def claims(self) -> dict[str, Claim]:
        """Who holds what, by fence."""
        return self._claims

    def offer(self, actor: RunActor, task: Task, lease: Lease) -> None:
        """Put a ready task on the board."""
        self._age += 1
        self._offers[lease.run, lease.task] = Offer(actor, task, lease, self._age)
        self.look()

    def look(self) -> None:
        """Let everybody who waits for a task look again."""
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

    def retract(self, run: str, task: str) -> None:
        """Take a task off the board."""
        self._offers.pop((run, task), None)

    def adopt(self, actor: RunActor, task: Task) -> None:
        """Keep the lease of a worker whose engine is gone: the worker may still be at it."""
        assert task.fence is not None
        lease = lease_of(actor, task, task.fence)
        self._hold(Claim(actor, lease, task.worker or "?", ADOPTED_SECONDS))

    def withdraw(self, fence: str) -> None:
        """Forget a lease; what its holder still says is refused."""
        self._claims.pop(fence, None)
        self._timers.clear(Shared.BOARD, fence)

    def forget(self, run: str, offered: Collection[str]) -> None:
        """Forget everything about a run that is no longer ours, and the tasks that it offered."""
        for name in offered:
            self.retract(run, name)
        for fence in [f for f, claim in self._claims.items() if claim.lease.run == run]:
            self.withdraw(fence)

    async def claim(
        self, labels: Collection[str] | None, worker: str, wait: float, seconds: float
    ) -> Claim | None:
        """Claim the first task with one of these labels; wait for one if there is none.

        Cancelled while a claim is being written it returns it all the same: nothing is lost.

        Args:
            labels: What the worker can do; None is everything.
            worker: Who claims.
            wait: Seconds to wait at most.
            seconds: How long the lease lives without a heartbeat.
        """
        with anyio.move_on_after(wait):
            while True:
                changed = self._changed
                for offer in self.offers:
                    if labels is None or offer.lease.spec.name in labels:
                        claim: Claim | None = None
                        with anyio.CancelScope(shield=True):
                            claim = await self._try(offer, worker, seconds)
                        if claim is not None:
                            return claim
                await changed.wait()
        return None

    async def _try(self, offer: Offer, worker: str, seconds: float) -> Claim | None:
        lease = offer.lease
        key = (lease.run, lease.task)
        if self._offers.get(key) is not offer or not offer.open:
            return None
        del self._offers[key]
        try:
            await offer.actor.ask(c.Begin(task=lease.task, fence=lease.fence, worker=worker))
        except ActorStopped:
            return None
        except Refused:
            if offer.task.state is TaskState.READY:
                self._offers.setdefault(key, offer)
            return None
        lease.attempt = offer.task.attempt
        claim = Claim(offer.actor, lease, worker, seconds)
        self._hold(claim)
        return claim

    def _hold(self, claim: Claim) -> None:
        self._claims[claim.lease.fence] = claim
        self.heartbeat(claim.lease.fence)

    def heartbeat(self, fence: str) -> None:
        """Keep a lease alive.

        Raises:
            StaleFence: it has ended.
        """
        claim = self._holder(fence)
        at = self._clock.wall() + claim.seconds
        self._timers.set(Shared.BOARD, fence, at, lambda: self._expired(fence))

    def _holder(self, fence: str) -> Claim:
        claim = self._claims.get(fence)
        if claim is None:
            raise StaleFence("this lease has ended or its task was taken back; it has no effect")
        return claim

    def _expired(self, fence: str) -> None:
        claim = self._claims.pop(fence)
        reason = f"worker {claim.worker!r} sent no heartbeat for {claim.seconds:g} s"
        claim.actor.inbox.post(c.Lose(task=claim.lease.task, fence=fence, reason=reason))

    async def grow(self, fence: str, commands: Sequence[Creation]) -> list[Any]:
        """Change the graph in the name of a lease; returns what was made when that is stored.

        Raises:
            StaleFence: the lease has ended.
            Refused: it cannot be; nothing changed.
            PromiseBroken: it broke a promise, and the run is being stopped for that.
        """
        claim = self._holder(fence)
        command = c.Grow(task=claim.lease.task, fence=fence, commands=tuple(commands))
        answers: list[Any] | None = None
        with anyio.CancelScope(shield=True):
            answers = await claim.actor.tree.ask(claim.lease.run, command)
        if answers is None:
            raise StaleFence("this run is not live in this engine any more: it has no effect")
        return answers

    async def say(self, fence: str, command: Command) -> None:
        """End a lease with what its holder says; returns when that is stored, even if cancelled.

        Raises:
            StaleFence: it has ended already.
            StoreError: it could not be stored; the lease lives on.
        """
        claim = self._holder(fence)
        with anyio.CancelScope(shield=True):
            if await claim.actor.tree.ask(claim.lease.run, command) is None:
                raise StaleFence("this run is not live in this engine any more: it has no effect")
        self.withdraw(fence)
