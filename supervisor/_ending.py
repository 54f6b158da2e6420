"""How attempts end: what a runner reports, and what that says to the run."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

import attrs

from ..workflow import Command, Refused, commands as c
from ._execution import Done, Failed, Halted, Lease, Lost, NotDone, Suspended
from ._runners import Job, failure_of
from ._secrets import NO_SECRETS

if TYPE_CHECKING:
    from ._run_actor import RunActor


def job_ended(actor: RunActor, job: Job) -> None:
    """Hear of an attempt's end, or of the end of what could not be stopped at first."""
    lease = job.lease
    if job.reported:
        _gone_at_last(actor, job)
        return
    job.reported = True
    if job.gone:
        _free(actor, job)
    else:
        actor.lingering.add(lease.task)
    if _is_given_up(actor, job):
        return
    if lease.spec.options.timeout is not None:
        actor.tree.timers.clear(actor.run.id, ("attempt", lease.task))
    try:
        actor.apply(without_secrets(_command(job), lease))
    except Refused as stale:
        actor.tree.log.info("%s", stale)


def _is_given_up(actor: RunActor, job: Job) -> bool:
    """Whether a probe was stopped only because its run is put down: it goes on waiting."""
    leaves = actor.quitting and actor.tree.store.durable and actor.run.stopping is None
    return leaves and not job.slot and isinstance(job.outcome, Halted)


def _gone_at_last(actor: RunActor, job: Job) -> None:
    """Let a task go on whose last attempt could not be stopped and has ended by itself."""
    _free(actor, job)
    name = job.lease.task
    actor.lingering.discard(name)
    actor.give_back(name)


def _free(actor: RunActor, job: Job) -> None:
    fence = job.lease.fence
    actor.jobs.pop(fence, None)
    if job.slot:
        actor.running -= 1
        actor.tree.slots.free(fence)
        if job.lease.spec.options.pool is not None:
            actor.pooling.freed.append(fence)


def _command(job: Job) -> Command:
    """Return what the end of an attempt says to the run."""
    task, fence, outcome = job.lease.task, job.lease.fence, job.outcome
    match outcome:
        case Done(output=output):
            return c.Succeed(task=task, fence=fence, output=output)
        case NotDone(message=message):
            return c.NotReady(task=task, fence=fence, message=message)
        case Failed(failure=failure):
            return c.Fail(task=task, fence=fence, failure=failure)
        case Suspended(wait=wait):
            return c.Suspend(task=task, fence=fence, wait=wait)
        case Lost(reason=reason):
            return c.Lose(task=task, fence=fence, reason=reason)
        case Halted(note=note):
            return c.Stopped(task=task, fence=fence, note=note)
        case None:
            failure = failure_of(RuntimeError("a runner reported an attempt without its outcome"))
            return c.Fail(task=task, fence=fence, failure=failure)
        case _:
            assert_never(outcome)


def without_secrets(command: Command, lease: Lease) -> Command:
    """Return what the end of an attempt says to its run without the secrets it was given."""
    if lease.secrets is NO_SECRETS:
        return command
    mask = lease.secrets.mask_value
    match command:
        case c.Succeed(task=task, fence=fence, output=output):
            return c.Succeed(task=task, fence=fence, output=mask(output))
        case c.NotReady(task=task, fence=fence, message=message):
            return c.NotReady(task=task, fence=fence, message=mask(message))
        case c.Fail(task=task, fence=fence, failure=failure):
            message, detail = mask(failure.message), mask(failure.detail)
            masked = attrs.evolve(failure, message=message, detail=detail)
            return c.Fail(task=task, fence=fence, failure=masked)
        case c.Suspend(task=task, fence=fence, wait=wait):
            message, schema = mask(wait.message), mask(wait.schema)
            asked = attrs.evolve(wait, message=message, schema=schema)
            return c.Suspend(task=task, fence=fence, wait=asked)
        case _:
            return command
