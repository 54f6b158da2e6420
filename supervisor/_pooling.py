"""A run's dealings with pools: what it wishes for, what it holds and has not used, what it returns.

A task first gets its slot of the pool and then one of the engine: slots of the engine are held by
attempts only, so nobody ever waits for a pool while holding what others need.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..storage import PoolLease
from ..workflow import Task, TaskState

if TYPE_CHECKING:
    from ._run_actor import RunActor


class Pooling:
    """The pool slots of one run."""

    __slots__ = ("_actor", "_held", "_wished", "expecting", "freed")

    def __init__(self, actor: RunActor) -> None:
        self._actor = actor
        self._wished: dict[str, str] = {}
        self._held: dict[str, str] = {}
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
            tree, run = actor.tree, actor.run
            fence = tree.new_fence()
            self._wished[task.id] = fence
            lease = PoolLease(pool=pool, run=run.id, task=task.id, fence=fence, engine=tree.id)
            limit, priority = run.spec.pools.get(pool), task.spec.options.priority
            tree.pools.want(lease, limit, priority, actor.inbox.post)
        return False

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
        if not (self._held or self._wished):
            return
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
        left += [
            job.lease.fence
            for job in self._actor.jobs.values()
            if job.slot and job.lease.spec.options.pool is not None
        ]
        self._wished.clear()
        self._held.clear()
        self.expecting.clear()
        self.freed = []
        del self._actor  # or the two would wait for the garbage collector, for each run
        return left
