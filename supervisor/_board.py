"""The board: ready tasks that somebody else does, claimed under leases."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Collection, Sequence
from heapq import merge
from typing import TYPE_CHECKING, Any, Final

import anyio
import attrs

from .._frozen import frozen
from ..actors import ActorStopped
from ..storage import LogLine
from ..workflow import Command, Creation, Refused, StaleFence, Task, TaskState, commands as c
from ._clock import Clock
from ._ending import without_secrets
from ._execution import Lease
from ._messages import Note, Signed
from ._pooling import take_slot
from ._timers import Shared, Timers

SLOTS_SECONDS: Final = 1.0
"""How often who waits looks for a slot of a pool that was given back by another engine."""

if TYPE_CHECKING:
    from ._run_actor import RunActor


Slots = tuple[str, int | None]


@attrs.frozen(eq=False)
class Offer:
    """A task that may be claimed."""

    actor: RunActor
    task: Task
    lease: Lease
    age: int

    @property
    def rank(self) -> tuple[int, int]:
        """What stands further in front is smaller: by priority, then by age."""
        return (-self.lease.spec.options.priority, self.age)

    @property
    def slots(self) -> Slots | None:
        """What it needs a slot of, if that is a pool: one of so many, if its workflow says that."""
        pool = self.lease.spec.options.pool
        return None if pool is None else (pool, self.actor.run.spec.pools.get(pool))

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


@frozen(kw_only=True)
class Wanted:
    """Which tasks a worker can do.

    Attributes:
        labels: What they are called; None is everything.
        pools: Pools of which it may be one besides; None is no matter.
        topic: The topic of their runs.
        job: The job of their runs.
        fits: What else must hold of one.
    """

    labels: Collection[str] | None = None
    pools: Collection[str] | None = None
    topic: str | None = None
    job: str | None = None
    fits: Callable[[Offer], bool] | None = None

    def matches(self, offer: Offer) -> bool:
        """Whether a task is one of these."""
        spec, run = offer.lease.spec, offer.actor.run
        return (
            (self.labels is None or spec.name in self.labels)
            and (self.pools is None or spec.options.pool in self.pools)
            and (self.topic is None or run.topic == self.topic)
            and (self.job is None or run.job == self.job)
            and (self.fits is None or self.fits(offer))
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
        # By label, and all of them under None; by what they need a slot of; the next one first.
        self._lines: dict[str | None, dict[Slots | None, list[Offer]]] = {}
        # When it was seen that a pool has no slot; and what waits for the answer about one.
        self._full: dict[Slots, float] = {}
        self._asking: set[Offer] = set()
        self._claims: dict[str, Claim] = {}
        self._age = 0
        self._changed = anyio.Event()

    @property
    def offers(self) -> list[Offer]:
        """What may be claimed, by priority and age."""
        return sorted((each for each in self._offers.values() if each.open), key=_rank)

    def _next(self, wanted: Wanted, tried: Collection[Offer]) -> Offer | None:
        """Return the next task that a worker can do, but for those it has tried to claim."""
        names = (None,) if wanted.labels is None else dict.fromkeys(wanted.labels)
        lines = [
            line
            for name in names
            for slots, line in self._lines.get(name, {}).items()
            if slots not in self._full
        ]
        for offer in lines[0] if len(lines) == 1 else merge(*lines, key=_rank):
            if offer in tried or offer in self._asking:
                continue
            if offer.open and wanted.matches(offer):
                return offer
        return None

    def _put(self, offer: Offer) -> None:
        self._offers[offer.lease.run, offer.lease.task] = offer
        slots = offer.slots
        for name in (None, offer.lease.spec.name):
            insort(self._lines.setdefault(name, {}).setdefault(slots, []), offer, key=_rank)

    def _drop(self, offer: Offer) -> None:
        del self._offers[offer.lease.run, offer.lease.task]
        slots = offer.slots
        for name in (None, offer.lease.spec.name):
            lines = self._lines[name]
            line = lines[slots]
            del line[bisect_left(line, offer.rank, key=_rank)]
            if not line:
                del lines[slots]
            if not lines:
                del self._lines[name]

    @property
    def claims(self) -> dict[str, Claim]:
        """Who holds what, by fence."""
        return self._claims

    def offer(self, actor: RunActor, task: Task, lease: Lease) -> None:
        """Put a ready task on the board."""
        self.retract(lease.run, lease.task)
        self._age += 1
        self._put(Offer(actor, task, lease, self._age))
        self.look()

    def look(self) -> None:
        """Let everybody who waits for a task look again."""
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

    def slots_freed(self) -> None:
        """Hear that slots of pools were given back."""
        if self._full:
            self._full.clear()
            self.look()

    def retract(self, run: str, task: str) -> None:
        """Take a task off the board."""
        offer = self._offers.get((run, task))
        if offer is not None:
            self._drop(offer)

    def adopt(self, actor: RunActor, lease: Lease, worker: str, seconds: float) -> None:
        """Keep the lease of a worker whose engine is gone: the worker may still be at it.

        It lives as long from now on as the worker was promised: no heartbeat is late for it.
        """
        self._claims[lease.fence] = Claim(actor, lease, worker, seconds)
        self.heartbeat(lease.fence)

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

    async def claim(self, wanted: Wanted, worker: str, wait: float, seconds: float) -> Claim | None:
        """Claim the first task of those wanted; wait for one if there is none.

        Cancelled while a claim is being written it returns it all the same: nothing is lost.

        Args:
            wanted: What the worker can do.
            worker: Who claims.
            wait: Seconds to wait at most.
            seconds: How long the lease lives without a heartbeat.
        """
        with anyio.move_on_after(wait):
            while True:
                changed = self._changed
                tried: set[Offer] = set()
                self._forget_full()
                while (offer := self._next(wanted, tried)) is not None:
                    tried.add(offer)
                    claim: Claim | None = None
                    with anyio.CancelScope(shield=True):
                        claim = await self._try(offer, worker, seconds)
                    if claim is not None:
                        return claim
                with anyio.move_on_after(SLOTS_SECONDS if self._full else None):
                    await changed.wait()
        return None

    def _forget_full(self) -> None:
        """Ask again for slots after a while: of those that other engines give back nobody tells."""
        if self._full:
            since = anyio.current_time() - SLOTS_SECONDS
            self._full = {slots: at for slots, at in self._full.items() if at > since}

    async def _try(self, offer: Offer, worker: str, seconds: float) -> Claim | None:
        """Claim a task, with a slot of its pool if it is of one; None if that cannot be."""
        slots = offer.slots
        if slots is None:
            return await self._begin(offer, worker, seconds)
        actor, task, pools = offer.actor, offer.task, offer.actor.tree.pools
        self._asking.add(offer)
        try:
            slot = await take_slot(actor, task)
        except BaseException:
            self.look()  # Others may have passed it over meanwhile.
            raise
        finally:
            self._asking.discard(offer)
        if slot is None:
            self._full[slots] = anyio.current_time()
            return None
        try:
            claim = await self._begin(offer, worker, seconds)
        except BaseException:
            pools.give_back([slot])
            raise
        if claim is None or not actor.pooling.claimed(task, claim.lease.fence, slot):
            pools.give_back([slot])
        return claim

    async def _begin(self, offer: Offer, worker: str, seconds: float) -> Claim | None:
        lease = offer.lease
        key = (lease.run, lease.task)
        if self._offers.get(key) is not offer or not offer.open:
            return None
        self._drop(offer)
        claim = Claim(offer.actor, lease, worker, seconds)
        # Held before it begins: what ends the attempt in the same turn must find it here.
        self._claims[lease.fence] = claim
        begin = c.Begin(task=lease.task, fence=lease.fence, worker=worker, lease=seconds)
        try:
            await offer.actor.ask(begin, to_the_end=True)
        except anyio.get_cancelled_exc_class():
            self._let_go(claim)
            back = c.Stopped(task=lease.task, fence=lease.fence, note="its claimer is gone")
            offer.actor.inbox.post(back)
            raise
        except ActorStopped:
            self._let_go(claim)
            return None
        except Refused:
            self._let_go(claim)
            if offer.task.state is TaskState.READY and key not in self._offers:
                self._put(offer)
            return None
        if not self._is_held(claim):
            return None
        lease.attempt = offer.task.attempt
        self.heartbeat(lease.fence)
        return claim

    def _is_held(self, claim: Claim) -> bool:
        return self._claims.get(claim.lease.fence) is claim

    def _let_go(self, claim: Claim) -> None:
        # An actor that was rebuilt may have adopted the lease: then that claim is another one.
        if self._is_held(claim):
            self.withdraw(claim.lease.fence)

    def heartbeat(self, fence: str) -> None:
        """Keep a lease alive.

        Raises:
            StaleFence: it has ended.
        """
        claim = self.holder(fence)
        at = self._clock.wall() + claim.seconds
        self._timers.set(Shared.BOARD, fence, at, lambda: self._expired(fence))

    def holder(self, fence: str) -> Claim:
        """Return the claim under a fence.

        Raises:
            StaleFence: it has ended.
        """
        claim = self._claims.get(fence)
        if claim is None:
            raise StaleFence("this lease has ended or its task was taken back; it has no effect")
        return claim

    def _expired(self, fence: str) -> None:
        claim = self._claims.pop(fence)
        reason = f"worker {claim.worker!r} sent no heartbeat for {claim.seconds:g} s"
        claim.actor.inbox.post(c.Lose(task=claim.lease.task, fence=fence, reason=reason))

    async def grow(
        self, fence: str, commands: Sequence[Creation], signed: Signed | None = None
    ) -> list[Any]:
        """Change the graph in the name of a lease; returns what was made when that is stored.

        Args:
            fence: The lease.
            commands: All of it or nothing.
            signed: How the answer is stored, if it may be said again.

        Raises:
            StaleFence: the lease has ended.
            Refused: it cannot be; nothing changed.
            PromiseBroken: it broke a promise, and the run is being stopped for that.
        """
        task = self.holder(fence).lease.task
        return await self._ask(
            fence, c.Grow(task=task, fence=fence, commands=tuple(commands)), signed
        )

    async def note(
        self, fence: str, lines: Sequence[LogLine], signed: Signed | None = None
    ) -> None:
        """Keep lines about the work; returns when they are stored.

        Raises:
            StaleFence: the lease has ended.
        """
        task = self.holder(fence).lease.task
        await self._ask(fence, Note(task, fence, lines), signed)

    async def say(self, fence: str, command: Command, signed: Signed | None = None) -> None:
        """End a lease with what its holder says; returns when that is stored, even if cancelled.

        Raises:
            StaleFence: it has ended already.
            StoreError: it could not be stored; the lease lives on.
        """
        told = without_secrets(command, self.holder(fence).lease)
        await self._ask(fence, told, signed)
        self.withdraw(fence)

    async def _ask(self, fence: str, command: Command | Note, signed: Signed | None) -> list[Any]:
        claim = self.holder(fence)
        answers: list[Any] | None = None
        with anyio.CancelScope(shield=True):
            answers = await claim.actor.tree.ask(
                claim.lease.run, command, signed=signed, to_the_end=True
            )
        if answers is None:
            raise StaleFence("this run is not live in this engine any more: it has no effect")
        return answers


def _rank(offer: Offer) -> tuple[int, int]:
    return offer.rank
