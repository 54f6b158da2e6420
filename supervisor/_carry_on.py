"""How an actor goes on with a run as another one left it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..workflow import Task, TaskState, commands as c, resume
from ._beginning import bind, lease_of, misconfigured
from ._execution import NoExecutor
from ._own_ways import start_child, start_probe

if TYPE_CHECKING:
    from ._run_actor import RunActor

UNSAID_SECONDS: Final = 60.0
"""How long a claim lives without a heartbeat that was written before its length was."""


def carry_on(actor: RunActor) -> None:
    """Go on with a run as it was left: its timers, what waits, what was lost."""
    actor.effects.extend(resume(actor.run, actor.tree.clock.wall()))
    for task in list(actor.run.active.values()):
        if task.fence is None:
            continue
        if task.state is TaskState.WAITING:
            _tend(actor, task)
        elif actor.tree.is_on_board(task.spec):
            _adopt(actor, task, task.fence)
        else:
            if task.spec.options.pool is not None:
                actor.pooling.freed.append(task.fence)
            reason = "the engine that ran it is gone"
            actor.apply(c.Lose(task=task.id, fence=task.fence, reason=reason))


def _adopt(actor: RunActor, task: Task, fence: str) -> None:
    """Keep the lease of a worker elsewhere: it may still be at its task."""
    lease = lease_of(actor, task, fence)
    try:
        bind(actor, task, lease)
    except Exception as error:  # noqa: BLE001 - it is the task that fails
        actor.apply(c.Fail(task=task.id, fence=fence, failure=misconfigured(error)))
    else:
        seconds = UNSAID_SECONDS if task.lease is None else task.lease
        actor.tree.board.adopt(actor, lease, task.worker or "?", seconds)
        actor.pooling.adopt(task, fence)


def _tend(actor: RunActor, task: Task) -> None:
    """Take up what a waiting task had going on when its engine died."""
    wait, fence = task.wait, task.fence
    assert wait is not None
    assert fence is not None
    lease = lease_of(actor, task, fence)
    if task.started_at is not None:
        lease.waited = actor.tree.clock.wall() - task.started_at
    try:
        bind(actor, task, lease)
        if wait.kind == "child" and wait.child is not None:
            start_child(actor, task, lease, wait.child)
        elif wait.kind == "probe":
            start_probe(actor, lease, actor.tree.executor(task.spec))
    except NoExecutor:
        # Ready again it shows what is lacking.
        actor.apply(c.Stopped(task=task.id, fence=fence))
    except Exception as error:  # noqa: BLE001 - it is the task that fails
        actor.apply(c.Fail(task=task.id, fence=fence, failure=misconfigured(error)))
