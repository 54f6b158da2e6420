"""How tasks begin that take no slot of this engine: they wait, or somebody else does them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from ..workflow import Task, Wait, commands as c
from ._execution import Executor, Lease
from ._runners import Job

if TYPE_CHECKING:
    from ._run_actor import RunActor


def _step(actor: RunActor, task: Task, lease: Lease) -> None:
    if "step" in actor.tree.board_kinds:
        offer(actor, task, lease)
    else:
        reason = "a step: nobody does it, nothing to wait for"
        actor.apply(c.SucceedStep(task=task.id, reason=reason))


def offer(actor: RunActor, task: Task, lease: Lease) -> None:
    """Put a task on the board, for somebody else to do."""
    actor.offered.add(task.id)
    actor.block(task, "offered on the board, nobody has claimed it")
    actor.after_commit(lambda: actor.tree.board.offer(actor, task, lease))


def _input(actor: RunActor, task: Task, lease: Lease) -> None:
    config = lease.config
    wait = Wait(kind="input", message=config.get("message"), schema=config.get("schema"))
    actor.apply(c.BeginWait(task=task.id, wait=wait))


def _sleep(actor: RunActor, task: Task, lease: Lease) -> None:
    seconds = float(lease.config["seconds"])
    until = actor.tree.clock.wall() + seconds
    wait = Wait(kind="sleep", message=f"sleeps for {seconds:g} s", until=until)
    actor.apply(c.BeginWait(task=task.id, wait=wait))


def _probe(actor: RunActor, task: Task, lease: Lease) -> None:
    executor = actor.tree.executor(task.spec)
    wait = Wait(kind="probe", message="waits for its probe to say ready")
    actor.apply(c.BeginWait(task=task.id, wait=wait, fence=lease.fence))
    lease.attempt = task.attempt
    start_probe(actor, lease, executor)


def _child(actor: RunActor, task: Task, lease: Lease) -> None:
    child = f"{actor.run.id}.{task.seq}.{task.generation}.{task.attempt + 1}"
    wait = Wait(kind="child", message=f"waits for run {child}", child=child)
    actor.apply(c.BeginWait(task=task.id, wait=wait, fence=lease.fence))
    lease.attempt = task.attempt
    start_child(actor, task, lease, child)


def start_probe(actor: RunActor, lease: Lease, executor: Executor) -> None:
    """Have a runner probe, once the wait is stored; it takes no slot."""
    job = Job(lease, executor, actor.inbox.post, slot=False)
    actor.jobs[lease.fence] = job
    actor.after_commit(lambda: actor.tree.runners.dispatch(job))


def start_child(actor: RunActor, task: Task, lease: Lease, child: str) -> None:
    """Have the child run started or taken up, once the wait is stored."""
    actor.children[lease.fence] = child
    actor.after_commit(lambda: actor.tree.start_child(actor, task, lease, child))


OWN_WAYS: Final[dict[str, Callable[[RunActor, Task, Lease], None]]] = {
    "step": _step,
    "external": offer,
    "input": _input,
    "sleep": _sleep,
    "wait": _probe,
    "workflow": _child,
}
