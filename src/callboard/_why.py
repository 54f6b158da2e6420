"""Why tasks are not running: what the kernel knows of one run, and who holds what it lacks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import attrs

from .storage import EngineInfo, PoolLease, Store, TaskRow
from .supervisor import Tree
from .workflow import Reason, Run, TaskState, why

NAMED_MAX = 5
"""How many holders a sentence names before it counts the rest."""

_BY_OTHERS = ("step", "external")


async def explain(
    store: Store, run: Run, task: str | None = None, tree: Tree | None = None
) -> list[Reason]:
    """Tell why a task is not running; or of the run, and of each task that has not succeeded.

    Args:
        store: Who else uses it is looked up there.
        run: The run as it stands.
        task: Tell of this task alone.
        tree: The engine that asks, if one does: what it knows of its own runs is told, too.

    Raises:
        Refused: there is no such task.
    """
    reasons = why(run, task)
    if run.ended:
        return reasons
    if tree is not None and run.id in tree.aside:
        return [_set_aside(each, tree.aside[run.id]) for each in reasons]
    owner = await store.owner(run.id)
    if owner is None or not owner[1]:
        return [_ownerless(run, each) for each in reasons]
    told = [each for each in reasons if each.code == "ready"]
    blocked = await _blocked(store, run, owner[0], tree) if told else {}
    return [
        each
        if each.code != "ready" or each.task is None
        else await _why_ready(store, run, each, owner[0], blocked.get(each.task))
        for each in reasons
    ]


async def _blocked(store: Store, run: Run, owner: EngineInfo, tree: Tree | None) -> dict[str, str]:
    """Return what its owner says of ready tasks that cannot begin."""
    live = None if tree is None else tree.live.get(run.id)
    if live is not None:
        return {} if live.resting else live.actor.blocked
    return {
        row.task: f"{_engine(owner)} says: {row.reason}"
        for row in await store.tasks(run.id)
        if row.reason is not None and row.state is TaskState.READY and row.worker == owner.id
    }


def _engine(engine: EngineInfo) -> str:
    return f"engine {engine.id!r} (process {engine.pid} on {engine.host})"


def _set_aside(reason: Reason, error: Exception) -> Reason:
    if reason.task is not None and reason.code != "ready":
        return reason
    return attrs.evolve(reason, code="aside", reason=f"{reason.reason}; {error}")


def _ownerless(run: Run, reason: Reason) -> Reason:
    if reason.task is not None and reason.code != "ready":
        return reason
    words = f"; no living engine runs it: `callboard resume {run.id}` carries it on"
    return attrs.evolve(reason, code="unowned", reason=f"{reason.reason}{words}")


async def _why_ready(
    store: Store, run: Run, reason: Reason, engine: EngineInfo, blocked: str | None
) -> Reason:
    assert reason.task is not None
    task = run.tasks[reason.task]
    by_others, pool = task.spec.kind in _BY_OTHERS, task.spec.options.pool
    if pool is not None and (leases := await store.pool_leases(pool)):
        # An engine may have a limit of its own, which only its own tasks are known to have met.
        limit = run.spec.pools.get(pool, math.inf if by_others else 1)
        if len(leases) >= limit:
            return _because(reason, "pool", f"pool {pool!r} is held by {_leases(leases)}", leases)
    if by_others:
        return _because(reason, "board", "it is offered on the board and nobody has claimed it")
    if blocked is not None:
        return _because(reason, "blocked", blocked)
    return await _without_slot(store, run, reason, engine)


async def _without_slot(store: Store, run: Run, reason: Reason, engine: EngineInfo) -> Reason:
    running = [row for row in await store.running_tasks() if row.worker == engine.id]
    mine = [row for row in running if row.run == run.id]
    limit = run.spec.concurrency
    if limit is not None and len(mine) >= limit:
        words = f"its workflow runs {limit} at a time, now {_rows(mine)}"
        return _because(reason, "concurrency", words, mine)
    if running:
        words = f"the slots of {_engine(engine)} are held by {_rows(running)}"
        return _because(reason, "slot", words, running)
    return reason


def _because(
    reason: Reason, code: str, words: str, holders: Iterable[TaskRow | PoolLease] = ()
) -> Reason:
    return attrs.evolve(
        reason,
        code=code,
        reason=f"{reason.reason}: {words}",
        blockers=tuple(f"{each.run}/{each.task}" for each in holders),
    )


def _rows(rows: Sequence[TaskRow]) -> str:
    return _names([f"task {row.task!r} of run {row.run!r}" for row in rows])


def _leases(leases: Sequence[PoolLease]) -> str:
    return _names([f"task {lease.task!r} of run {lease.run!r}" for lease in leases])


def _names(names: list[str]) -> str:
    more = len(names) - NAMED_MAX
    return ", ".join(names[:NAMED_MAX]) + (f" and {more} more" if more > 0 else "")
