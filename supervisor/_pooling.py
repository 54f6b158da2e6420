"""A run's dealings with pools: what it wishes for, what it holds and has not used, what it returns.

A task first gets its slot of the pool and then one of the engine: slots of the engine are held by
attempts only, so nobody ever waits for a pool while holding what others need.  A task on the board
gets one as it is claimed: those that nobody claims keep nobody waiting.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..storage import PoolLease
from ..workflow import Task, TaskState

if TYPE_CHECKING:
    from ._run_actor import RunActor


class Pooling:
    """The pool slots of one run."""

    __slots__ = ("_actor", "_claimed", "_closed", "_held", "_wished", "expecting", "freed")

    def __init__(self, actor: RunActor) -> None:
        self._actor = actor
        self._closed = False
        self._wished: dict[str, str] = {}
        self._held: dict[str, str] = {}
        # Of attempts elsewhere: their fences, and those of their slots.
        self._claimed: dict[str, tuple[str, str]] = {}
        self.expecting: set[str] = set()
        """Wishes taken back while the store was being asked: its answer is still to come."""
        self.freed: list[str] = []
        """What the next commit gives back."""

    def has(self, task: Task) -> bool:
        """Whether a task has the pool slot that it needs; if not, get in line for one."""
        pool = task.spec.options.pool
        if pool is None or task.id in self._held:
            return True
        actor = self._actor
        actor.block(task, f"no slot of pool {pool!r} is free")
        if task.id not in self._wished:
            lease = _lease(actor, task, pool)
            self._wished[task.id] = lease.fence
            limit, priority = actor.run.spec.pools.get(pool), task.spec.options.priority
            actor.tree.pools.want(lease, limit, priority, actor.inbox.post)
        return False

    def claimed(self, task: Task, fence: str, slot: str) -> bool:
        """Keep a slot for an attempt elsewhere until it ends; return whether it goes on."""
        goes_on = not self._closed and _goes_on(self._actor, task.id, fence)
        if goes_on:
            self._claimed[task.id] = (fence, slot)
        return goes_on

    def adopt(self, task: Task, fence: str) -> None:
        """Get a slot again for an attempt elsewhere whose engine died."""
        pool = task.spec.options.pool
        if pool is not None:
            lease = _lease(self._actor, task, pool)
            self._actor.tree.pools.take_back(
                lease, lambda _: self.claimed(task, fence, lease.fence)
            )

    def fence(self, task: Task) -> str | None:
        """Return the fence under which a task holds its pool slot, for its attempt to use."""
        return self._held.get(task.id) if self._held else None

    def used(self, task: Task) -> None:
        """Hand a pool slot over to the attempt that has begun under its fence."""
        if self._held:
            self._held.pop(task.id, None)

    def answered(self, name: str, fence: str, *, granted: bool) -> None:
        """Hear what came of a wish."""
        self.expecting.discard(fence)
        if self._wished.get(name) != fence:
            if granted:
                self.freed.append(fence)
            return
        del self._wished[name]
        self._held[name] = fence
        self._actor.give_back(name)

    def tidy(self) -> None:
        """Give up what is of no use now: the task was settled or is held back, the run paused."""
        if not (self._held or self._wished or self._claimed):
            return
        for name, (attempt, fence) in list(self._claimed.items()):
            if not _goes_on(self._actor, name, attempt):
                del self._claimed[name]
                self.freed.append(fence)
        for name, fence in list(self._held.items()):
            if not self._wanted(name):
                del self._held[name]
                self.freed.append(fence)
        for name, fence in list(self._wished.items()):
            if not self._wanted(name):
                del self._wished[name]
                if self._actor.tree.pools.cancel(fence):
                    self.expecting.add(fence)
                self._actor.give_back(name)

    def _wanted(self, name: str) -> bool:
        actor = self._actor
        run = actor.run
        # What an attempt created is in the graph no more when the attempt has failed.
        task = run.tasks.get(name)
        ready = task is not None and task.state is TaskState.READY and name not in run.held
        return ready and not run.paused and not actor.quitting

    def close(self) -> list[str]:
        """Give up everything; return the leases that are still to be given back."""
        self._actor.tree.pools.drop(self._actor.run.id)
        # A wish may have come true without our having heard of it yet.
        left = [*self.freed, *self._held.values(), *self._wished.values()]
        left += [fence for _, fence in self._claimed.values()]
        left += [
            job.lease.fence
            for job in self._actor.jobs.values()
            if job.slot and job.lease.spec.options.pool is not None
        ]
        self._wished.clear()
        self._held.clear()
        self._claimed.clear()
        self.expecting.clear()
        self.freed = []
        self._closed = True
        del self._actor  # or the two would wait for the garbage collector, for each run
        return left


async def take_slot(actor: RunActor, task: Task) -> str | None:
    """Take a slot of the pool of a task on the board; return its fence, None if none is free.

    Raises:
        StoreError: that cannot be known now.
    """
    lease = _lease(actor, task, str(task.spec.options.pool))
    limit = actor.run.spec.pools.get(lease.pool)
    return lease.fence if await actor.tree.pools.take(lease, limit) else None


def _lease(actor: RunActor, task: Task, pool: str) -> PoolLease:
    tree = actor.tree
    return PoolLease(
        pool=pool, run=actor.run.id, task=task.id, fence=tree.new_fence(), engine=tree.id
    )


def _goes_on(actor: RunActor, name: str, fence: str) -> bool:
    task = actor.run.tasks.get(name)
    return task is not None and task.state is TaskState.RUNNING and task.fence == fence
