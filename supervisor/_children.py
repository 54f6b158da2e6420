"""Runs that runs start: the child that a task waits for, and the one that follows a failure."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import anyio

from .._frozen import frozen
from ..storage import Transition
from ..workflow import (
    FAILURE_INPUTS,
    CallboardError,
    Command,
    Failure,
    Run,
    RunOwned,
    RunState,
    StoreError,
    Task,
    WorkflowSpec,
    commands as c,
)
from ._execution import Lease
from ._remote import encode_command
from ._rows import transition
from ._stirring import NOTHING

OWNER_SECONDS: Final = 5.0
"""How often it is looked whether a child run's other engine is still there."""

if TYPE_CHECKING:
    from ._run_actor import RunActor
    from ._tree import Tree


async def tend_child(tree: Tree, actor: RunActor, task: Task, lease: Lease, child: str) -> None:
    """Start a child run or take it up, and tell its parent what became of it.

    A child that is put down with its engine says nothing: whoever takes up the parent tends it.
    One that cannot be stored is set aside, and its parent with it.
    """
    try:
        run = await _child_ended(tree, actor, task, lease, child)
    except Exception as error:  # noqa: BLE001 - it is the task that fails
        if tree.closing.is_set() and tree.store.durable:
            return
        if isinstance(error, StoreError) and lease.fence not in actor.unwanted:
            actor.child_broke(lease.fence, _broken(child, error))
            return
        message = f"its child run {child} cannot go on: {error}"
        failure = Failure(kind="config", message=message)
        actor.child_ended(lease.fence, c.Fail(task=task.id, fence=lease.fence, failure=failure))
        return
    if run is not None and run.ended:
        actor.child_ended(lease.fence, _outcome(task.id, lease.fence, run))


def _broken(child: str, error: StoreError) -> StoreError:
    """Return why a child run does not go on, without what is said of the child alone."""
    cause = error.__cause__ if isinstance(error.__cause__, StoreError) else error
    broken = StoreError(f"its child run {child!r} is set aside: {cause}")
    broken.__cause__ = error
    return broken


async def _child_ended(
    tree: Tree, actor: RunActor, task: Task, lease: Lease, child: str
) -> Run | None:
    if child not in tree.live:
        if await tree.store.load(child) is None:
            if tree.closing.is_set() and tree.store.durable:
                return None
            spec = await tree.catalog.find(str(task.spec.config["workflow"]), actor.run.spec.folder)
            inputs = tree.catalog.check_inputs(spec, lease.inputs or {})
            await tree.start(spec, inputs, run_id=child, parent=(lease.run, lease.task))
        elif not await _ours(tree, child):
            return None
    if lease.fence in actor.unwanted:
        await cancel_child(tree, child, "it was stopped before this run began")
    return await tree.wait(child)


async def _ours(tree: Tree, child: str) -> bool:
    """Return when a run is live here or has ended; as long as it is another engine's, it goes on.

    Returns:
        False if this engine closes first.
    """
    seen = NOTHING
    while not tree.closing.is_set():
        owner = await tree.store.owner(child)
        if child in tree.live or owner is None or not owner[1] or owner[0].id == tree.id:
            with suppress(RunOwned):  # Somebody was faster.
                await tree.ownership.resume(child)
                return True
        # That its engine dies is told by nobody.
        with anyio.move_on_after(OWNER_SECONDS):
            seen = await tree.stirring.wait(seen)
    return not tree.store.durable


async def cancel_child(tree: Tree, child: str, reason: str) -> None:
    """Cancel a run because whoever waits for it is stopped.

    It is asked and not just told: its actor may have crashed, and the next one must hear of it.
    """
    command = c.Cancel(reason=f"its parent was stopped: {reason}")
    try:
        await tree.ownership.command(child, command)
    except RunOwned:
        await tree.store.post(child, encode_command(command))
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


def failure_run(run: str) -> str:
    """Return the id of the run of a run's failure workflow, whether there is one or not."""
    return f"{run}.failure"


@frozen
class Follower:
    """The run that follows the end of another: begun, and written down together with that end."""

    run: Run
    written: Transition


async def commit_with(tree: Tree, written: Transition, follower: Follower | None) -> None:
    """Have both stored or neither, and supervise what follows."""
    if follower is None:
        await tree.storage.commit(written)
    else:
        await tree.storage.commit(written, follower.written)
        tree.spawn(follower.run, []).stored.set()


async def follower_of(tree: Tree, run: Run) -> Follower | None:
    """Return what is to follow the end of a run, if anything is that is not there yet."""
    bad = (RunState.FAILED, RunState.TIMED_OUT, RunState.PROMISE_BROKEN)
    if run.spec.failure_workflow is None or run.state not in bad:
        return None
    name = failure_run(run.id)
    try:
        if name in tree.live or await tree.store.load(name) is not None:
            return None
        spec = await tree.catalog.find(run.spec.failure_workflow, run.spec.folder)
        inputs = tree.catalog.check_inputs(spec, _known_inputs(spec, run))
        follower, events = tree.begin(spec, inputs, run_id=name, parent=(run.id, None))
    except StoreError:
        raise
    except Exception:
        tree.log.exception("the failure workflow of run %s cannot be started", run.id)
        return None
    now = tree.clock.wall()
    return Follower(follower, transition(follower, events, tree.id, now, rows=tree.keeps_rows))


def _known_inputs(spec: WorkflowSpec, run: Run) -> dict[str, Any]:
    """Return what a failure workflow is told, as far as it declares it."""
    told = zip(FAILURE_INPUTS, (run.id, run.spec.name, str(run.state), run.reason), strict=True)
    return {name: value for name, value in told if name in spec.inputs}
