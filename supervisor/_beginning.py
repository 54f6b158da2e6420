"""How attempts begin: which ready tasks may begin now, who does them, and the lease on each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ..actors import ActorStopped
from ..workflow import Creation, Failure, Part, StaleFence, Task, commands as c
from ..workflow._graph import Vertex
from ._execution import Executor, Lease, NoExecutor, Upstream
from ._own_ways import OWN_WAYS, offer
from ._runners import Job
from ._secrets import Secrets

if TYPE_CHECKING:
    from ._run_actor import RunActor


def start_ready(actor: RunActor) -> None:
    """Begin what may begin now; what follows becomes visible after the next commit."""
    run, tree = actor.run, actor.tree
    slots = tree.slots
    limit = run.spec.concurrency
    while (task := run.peek_ready()) is not None:
        own_way = offer if tree.is_elsewhere(task.spec) else OWN_WAYS.get(task.spec.kind)
        if own_way is not None:
            run.pop_ready()
            if not _lingers(actor, task):
                _begin_own_way(actor, task, own_way)
            continue
        if limit is not None and actor.running >= limit:
            break
        executor = _executor(actor, task)
        if executor is None or not actor.pooling.has(task):
            run.pop_ready()
            continue
        if actor.blocked:
            actor.unblock(task)
        fence = actor.pooling.fence(task) or tree.new_fence()
        if not slots.take(run.id, task.id, fence):
            slots.wait(run.id, task.spec.options.priority, actor.slot_kept)
            return
        run.pop_ready()
        if not _begin(actor, task, fence, executor):
            slots.free(fence)
    # A slot that is kept for this run must not be kept in vain.
    slots.leave(run.id)


def _lingers(actor: RunActor, task: Task) -> bool:
    """Whether something of a task's last attempt still runs; then note that."""
    if task.id not in actor.lingering:
        return False
    actor.block(task, "its last attempt could not be stopped and has not ended yet")
    return True


def _executor(actor: RunActor, task: Task) -> Executor | None:
    """Return who can do a task now; if nobody can, note why."""
    if _lingers(actor, task):
        return None
    try:
        return actor.tree.executor(task.spec)
    except NoExecutor as lacking:
        actor.block(task, str(lacking))
        return None


def _begin(actor: RunActor, task: Task, fence: str, executor: Executor) -> bool:
    """Begin an attempt in a slot that was taken; return whether the slot is needed."""
    lease = _lease(actor, task, fence)
    if lease is None:
        return False
    actor.apply(c.Begin(task=task.id, fence=fence, worker=actor.tree.id))
    actor.pooling.used(task)
    lease.attempt = task.attempt
    job = Job(lease, executor, actor.inbox.post)
    actor.jobs[fence] = job
    actor.running += 1
    actor.begun.append(job)
    return True


def _begin_own_way(
    actor: RunActor, task: Task, own_way: Callable[[RunActor, Task, Lease], None]
) -> None:
    lease = _lease(actor, task, actor.tree.new_fence())
    if lease is None:
        return
    try:
        own_way(actor, task, lease)
    except NoExecutor as lacking:
        actor.block(task, str(lacking))


def _lease(actor: RunActor, task: Task, fence: str) -> Lease | None:
    """Return the lease with its inputs bound; None if the task is skipped or fails at once."""
    spec = task.spec
    lease = lease_of(actor, task, fence)
    lease.attempt += 1
    if spec.when is None and spec.inputs is None and not actor.run.spec.expressions:
        return lease
    try:
        if spec.when is not None and not actor.tree.binder.condition(actor.run, task):
            actor.apply(c.Skip(task=task.id, reason=f"when: {spec.when} is false"))
            return None
        bind(actor, task, lease)
    except Exception as error:  # noqa: BLE001 - it is the task that fails
        actor.apply(c.Fail(task=task.id, failure=misconfigured(error)))
        return None
    return lease


def bind(actor: RunActor, task: Task, lease: Lease) -> None:
    """Resolve what the definition left open; only files leave settings open."""
    spec, binder = task.spec, actor.tree.binder
    if spec.inputs is not None:
        lease.inputs = binder.inputs(actor.run, task)
    if actor.run.spec.expressions:
        settings = binder.settings(actor.run, task)
        lease.config, lease.env = settings.config, settings.env
        if settings.secrets:
            lease.secrets = Secrets(settings.secrets)


def lease_of(actor: RunActor, task: Task, fence: str) -> Lease:
    """Return the lease on a task's present attempt, with nothing bound."""
    run = actor.run
    return Lease(
        run.id,
        task.id,
        task.spec,
        task.generation,
        task.attempt,
        fence,
        run.spec,
        actor.tree.log_line,
        config=task.spec.config,
        env=task.spec.options.env,
        answers=task.answers,
        needs=lambda: _needs(task),
        grow=partial(_grow, actor, task.id, fence),
        holes=lambda: [(part.address, str(part.residual)) for part in run.holes_of(task)],
    )


async def _grow(actor: RunActor, task: str, fence: str, commands: Sequence[Creation]) -> list[Any]:
    """Change the graph in the name of an attempt; what was made is stored when this returns."""
    try:
        grow = c.Grow(task=task, fence=fence, commands=tuple(commands))
        return await actor.ask(grow, to_the_end=True)
    except ActorStopped as gone:
        raise StaleFence(f"task {task!r}: this attempt has ended, it has no effect") from gone


def misconfigured(error: Exception) -> Failure:
    """Return the failure of a task whose definition does not fit what it met."""
    return Failure(kind="config", message=str(error) or type(error).__name__)


def _needs(task: Task) -> dict[str, Upstream]:
    """Return what is directly in front of a task; of a hole, that is what came last into it."""
    found: dict[str, Upstream] = {}
    for earlier in task.before:
        for each in [earlier] if isinstance(earlier, Task) else _last_in(earlier):
            found[each.id] = Upstream(each.spec.name, each.output)
    return found


def _last_in(joint: Vertex) -> list[Task]:
    """Return the tasks of a hole, or of a part of one, that have nothing of it behind them."""
    found: dict[Task, None] = {}
    stack, seen = [joint], {joint}
    while stack:
        each = stack.pop()
        outside = each.starts if isinstance(each, Part) else ()
        for earlier in each.before:
            if isinstance(earlier, Task):
                if earlier not in outside and earlier.part is not None:
                    found[earlier] = None
            elif earlier not in outside and earlier not in seen:
                seen.add(earlier)
                stack.append(earlier)
    return sorted(found, key=lambda each: each.seq)
