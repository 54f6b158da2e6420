"""Child runs: a task that waits for a run, and the run that it waits for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..workflow import CallboardError, Command, Failure, Run, RunState, Task, commands as c
from ._execution import Lease

if TYPE_CHECKING:
    from ._run_actor import RunActor
    from ._tree import Tree


async def tend_child(tree: Tree, actor: RunActor, task: Task, lease: Lease, child: str) -> None:
    """Start a child run or take it up, and tell its parent what became of it.

    A child that is put down with its engine says nothing: whoever takes up the parent tends it.
    """
    try:
        run = await _child_ended(tree, actor, task, lease, child)
    except Exception as error:  # noqa: BLE001 - it is the task that fails
        if tree.closing.is_set() and tree.store.durable:
            return
        message = f"its child run {child} cannot go on: {error}"
        failure = Failure(kind="config", message=message)
        actor.child_ended(lease.fence, c.Fail(task=task.id, fence=lease.fence, failure=failure))
        return
    if run is not None and run.ended:
        actor.child_ended(lease.fence, _outcome(task.id, lease.fence, run))


async def _child_ended(
    tree: Tree, actor: RunActor, task: Task, lease: Lease, child: str
) -> Run | None:
    if child not in tree.live:
        if await tree.store.load(child) is None:
            if tree.closing.is_set() and tree.store.durable:
                return None
            spec = tree.catalog.find(str(task.spec.config["workflow"]), actor.run.spec.folder)
            inputs = tree.catalog.check_inputs(spec, lease.inputs or {})
            await tree.start(spec, inputs, run_id=child, parent=(lease.run, lease.task))
        else:
            await tree.resume(child)
    if lease.fence in actor.unwanted:
        await cancel_child(tree, child, "it was stopped before this run began")
    return await tree.wait(child)


async def cancel_child(tree: Tree, child: str, reason: str) -> None:
    """Cancel a run because whoever waits for it is stopped.

    It is asked and not just told: its actor may have crashed, and the next one must hear of it.
    """
    try:
        await tree.ask(child, c.Cancel(reason=f"its parent was stopped: {reason}"))
    except CallboardError as error:
        # It has ended meanwhile, or was set aside, which its parent learns from it.
        tree.log.info("child run %s was not cancelled: %s", child, error)


def _outcome(task: str, fence: str, run: Run) -> Command:
    match run.state:
        case RunState.SUCCEEDED:
            return c.Succeed(task=task, fence=fence, output=run.output)
        case RunState.NOT_READY:
            return c.NotReady(task=task, fence=fence, message=f"run {run.id} is not ready")
        case RunState.CANCELLED:
            failure = Failure(kind="cancelled", message=f"run {run.id} was cancelled")
            return c.Fail(task=task, fence=fence, failure=failure)
        case _:
            kind = "timeout" if run.state is RunState.TIMED_OUT else "error"
            message = f"run {run.id} ended {run.state}: {run.reason}"
            failure = Failure(kind=kind, message=message, detail={"run": run.id})
            return c.Fail(task=task, fence=fence, failure=failure)
