"""The run actor: the only one that changes its run.

It drains its mailbox, lets the kernel decide about all of it, begins what may begin, writes all that in one
transition, awaits that one commit, and only then makes it visible: dispatches attempts, stops others, sets
timers, answers.  ``apply`` changes the run before the commit: if the commit fails the actor dies and is
rebuilt from the store.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, assert_never

import attrs

from ..actors import Mailbox, Reply
from ..storage import PoolLease
from ..workflow import (
    Command,
    Effect,
    Event,
    Failure,
    Refused,
    Run,
    SetTimer,
    StaleFence,
    StopAttempt,
    Task,
    TaskState,
    Wait,
    apply,
    commands as c,
    queued_timers,
    resume,
)
from ._execution import Done, Failed, Halted, Lease, NoExecutor, NotDone, Suspended, Upstream
from ._messages import Ask, Look, PoolGranted, Quit, RunMessage
from ._rows import transition
from ._runners import Job, failure_of

if TYPE_CHECKING:
    from ._tree import Tree


@attrs.define(eq=False)
class RunActor:
    """One live run of an engine.

    Attributes:
        jobs: Attempts that runners of this engine work on, by fence.
        lingering: Tasks whose last attempt could not be stopped yet; they must not start again before it has.
        stops: Why attempts are being stopped, by fence.
        blocked: Ready tasks that cannot start now, and why.
    """

    tree: Tree
    run: Run
    inbox: Mailbox[RunMessage]
    jobs: dict[str, Job] = attrs.field(factory=dict[str, Job])
    children: dict[str, str] = attrs.field(factory=dict[str, str])
    lingering: set[str] = attrs.field(factory=set[str])
    pooled: dict[str, str] = attrs.field(factory=dict[str, str])
    stops: dict[str, str] = attrs.field(factory=dict[str, str])
    blocked: dict[str, str] = attrs.field(factory=dict[str, str])
    quitting: bool = False
    released: bool = False
    _running: int = 0
    _queued_timeouts: bool = False
    _pool_freed: list[str] = attrs.field(factory=list[str])
    _events: list[Event] = attrs.field(factory=list[Event])
    _effects: list[Effect] = attrs.field(factory=list[Effect])
    _starts: list[Callable[[], None]] = attrs.field(factory=list[Callable[[], None]])
    _replies: list[tuple[Reply[None], Refused | None]] = attrs.field(
        factory=list[tuple[Reply[None], "Refused | None"]]
    )

    async def serve(self, first: list[Event]) -> None:
        """Supervise the run until it has ended or is given up.

        Args:
            first: What was folded into the run and is not stored yet.
        """
        self._queued_timeouts = any(
            task.options.timeout is not None and task.options.timeout.queued is not None
            for task in self.run.spec.tasks
        )
        self._events.extend(first)
        self._take_up()
        await self._turn()
        while not self._finished():
            for message in await self.inbox.receive_all():
                self._handle(message)
            await self._turn()
        if not self.released:
            await self._commit()

    def _finished(self) -> bool:
        if self.jobs or self.lingering:
            return False
        return self.run.ended or (self.quitting and not self._running)

    def _take_up(self) -> None:
        """Go on with a run as it was left: set its timers, tend what waits, settle what was lost."""
        self._effects.extend(resume(self.run, self.tree.clock.wall()))
        for task in list(self.run.active.values()):
            if task.state is TaskState.RUNNING and task.spec.kind in self.tree.board_kinds:
                self.tree.board.adopt(self, task)
            elif task.state is TaskState.RUNNING and task.fence is not None:
                reason = "the engine that ran it is gone"
                self._apply(c.Lose(task=task.id, fence=task.fence, reason=reason))
            elif task.wait is not None and task.fence is not None:
                self._tend(task, task.wait)

    # --- one turn ---------------------------------------------------------------------------------------------

    async def _turn(self) -> None:
        """Begin what may begin, commit everything decided since the last turn, make it visible."""
        if not self.quitting:
            self._start_ready()
        if self._events or self._pool_freed:
            await self._commit()
        effects, self._effects = self._effects, []
        for effect in effects:
            self._perform(effect)
        starts, self._starts = self._starts, []
        for start in starts:
            start()
        replies, self._replies = self._replies, []
        for reply, refused in replies:
            if refused is None:
                reply.send(None)
            else:
                reply.fail(refused)

    async def _commit(self) -> None:
        run = self.run
        now = self.tree.clock.wall()
        events, self._events = self._events, []
        release = run.ended or (self.quitting and not self.jobs)
        if run.ended:
            await self.tree.prepare_end(run)
        if self._queued_timeouts:
            self._effects.extend(queued_timers(run, run.changed.values()))
        freed, self._pool_freed = self._pool_freed, []
        written = transition(run, events, self.tree.id, now, release=release, pools=freed)
        await self.tree.storage.commit(written)
        if freed:
            self.tree.pools.look()
        self.released = release
        self.tree.published(run, events)

    def _apply(self, command: Command) -> None:
        tree = self.tree
        events, effects = apply(
            self.run,
            command,
            tree.clock.wall(),
            draw=tree.draw,
            stops=self.stops,
            output_of=tree.output_of,
        )
        self._events.extend(events)
        if effects:
            self._effects.extend(effects)

    def _handle(self, message: RunMessage) -> None:
        match message:
            case Job():
                self._job_ended(message)
            case Ask(command=command, reply=reply):
                self._asked(command, reply)
            case Look():
                for name in list(self.blocked):
                    del self.blocked[name]
                    self._give_back(name)
            case PoolGranted(task=name, fence=fence):
                self._pool_granted(name, fence)
            case Quit(now=now):
                self._quit(now)
            case _:
                try:
                    self._apply(message)
                except Refused as refused:
                    self.tree.log.debug("%s", refused)

    def _asked(self, command: Command, reply: Reply[None]) -> None:
        try:
            self._apply(command)
        except Refused as refused:
            self._replies.append((reply, refused))
        else:
            self._replies.append((reply, None))

    def _quit(self, now: bool) -> None:
        self.quitting = True
        self.tree.slots.leave(self.run.id)
        for job in self.jobs.values():
            if now or not job.slot:
                job.stop()
        if not now:
            return
        if not self.tree.store.durable and not self.run.ended:
            self._apply(c.Cancel(reason="the engine was closed"))

    # --- beginning --------------------------------------------------------------------------------------------

    def _start_ready(self) -> None:
        run = self.run
        if run.paused or run.stopping is not None or run.draining or run.ended:
            return
        limit = run.spec.concurrency
        while True:
            task = run.peek_ready()
            if task is None:
                return
            if task.spec.kind in _OWN_WAY:
                run.pop_ready()
                self._begin_own_way(task)
                continue
            if limit is not None and self._running >= limit:
                return
            fence = self.tree.new_fence()
            if not self.tree.slots.take(run.id, task.id, fence):
                self.tree.slots.wait(
                    run.id, task.spec.options.priority, lambda: self.inbox.post(Look())
                )
                return
            run.pop_ready()
            if not self._begin(task, fence):
                self.tree.slots.free(fence)

    def _begin(self, task: Task, fence: str) -> bool:
        """Begin an attempt in a slot that was taken; return whether the slot is needed."""
        if task.id in self.lingering:
            self.blocked[task.id] = "its last attempt could not be stopped yet"
            return False
        if task.spec.options.pool is not None and not self._has_pool(task, fence):
            return False
        lease = self._lease(task, fence)
        if lease is None:
            return False
        try:
            executor = self.tree.executor(task.spec)
        except NoExecutor as lacking:
            self.blocked[task.id] = str(lacking)
            return False
        self._apply(c.Begin(task=task.id, fence=fence, worker=self.tree.id))
        lease.attempt = task.attempt
        job = Job(lease, executor, self.inbox.post)
        self.jobs[fence] = job
        self._running += 1
        self._starts.append(lambda: self.tree.runners.dispatch(job))
        return True

    async def ask(self, command: Command) -> None:
        """Say a command and wait until what followed from it is stored.

        Raises:
            Refused: it does not fit; nothing changed.
        """
        await self.inbox.ask(lambda reply: Ask(command, reply))

    def _lease(self, task: Task, fence: str) -> Lease | None:
        """Return the lease with its inputs bound; None if the task is skipped or cannot be started."""
        spec = task.spec
        lease = self.lease_of(task, fence)
        lease.attempt += 1
        try:
            if spec.when is not None and not self.tree.binder.condition(self.run, task):
                self._apply(c.Skip(task=task.id, reason=f"when: {spec.when} is false"))
                return None
            self._bind(task, lease)
        except Exception as error:
            failure = Failure(kind="config", message=str(error) or type(error).__name__)
            self._apply(c.Fail(task=task.id, failure=failure))
            return None
        return lease

    def _bind(self, task: Task, lease: Lease) -> None:
        """Resolve what the definition left open; only files leave settings open."""
        spec, binder = task.spec, self.tree.binder
        if spec.inputs is not None:
            lease.inputs = binder.inputs(self.run, task)
        if self.run.spec.folder is not None:
            settings = binder.settings(self.run, task)
            lease.config, lease.env = settings.config, settings.env
            lease.secrets = settings.secrets

    def lease_of(self, task: Task, fence: str) -> Lease:
        """Return the lease on a task's present attempt, with nothing bound."""
        run = self.run
        return Lease(
            run.id,
            task.id,
            task.spec,
            task.generation,
            task.attempt,
            fence,
            run.spec,
            self.tree.log_line,
            config=task.spec.config,
            env=task.spec.options.env,
            answers=task.answers,
            needs=lambda: _needs(task),
        )

    def _begin_own_way(self, task: Task) -> None:
        lease = self._lease(task, self.tree.new_fence())
        if lease is not None:
            _OWN_WAY[task.spec.kind](self, task, lease)

    def _begin_step(self, task: Task, lease: Lease) -> None:
        if "step" in self.tree.board_kinds:
            self._offer(task, lease)
        else:
            self._apply(c.SucceedStep(task=task.id, reason="a step: nobody does it, nothing to wait for"))

    def _offer(self, task: Task, lease: Lease) -> None:
        self.blocked[task.id] = "offered on the board, nobody has claimed it"
        self._starts.append(lambda: self.tree.board.offer(self, task, lease))

    def _begin_input(self, task: Task, lease: Lease) -> None:
        config = lease.config
        wait = Wait(kind="input", message=config.get("message"), schema=config.get("schema"))
        self._apply(c.BeginWait(task=task.id, wait=wait))

    def _begin_sleep(self, task: Task, lease: Lease) -> None:
        until = self.tree.clock.wall() + float(task.spec.config["seconds"])
        self._apply(c.BeginWait(task=task.id, wait=Wait(kind="sleep", until=until)))
        del lease

    def _begin_probe(self, task: Task, lease: Lease) -> None:
        wait = Wait(kind="probe", message="waits for its probe to say ready")
        self._apply(c.BeginWait(task=task.id, wait=wait, fence=lease.fence))
        self._starts.append(lambda: self._probe(task, lease))

    def _begin_child(self, task: Task, lease: Lease) -> None:
        child = f"{self.run.id}.{task.seq}.{task.generation}.{task.attempt + 1}"
        wait = Wait(kind="child", message=f"waits for run {child}", child=child)
        self._apply(c.BeginWait(task=task.id, wait=wait, fence=lease.fence))
        self._starts.append(lambda: self._start_child(task, lease, child))

    def _tend(self, task: Task, wait: Wait) -> None:
        """Take up what a waiting task had going on when its engine died."""
        assert task.fence is not None
        lease = self.lease_of(task, task.fence)
        if task.started_at is not None:
            lease.waited = self.tree.clock.wall() - task.started_at
        self._bind(task, lease)
        if wait.kind == "probe":
            self._starts.append(lambda: self._probe(task, lease))
        elif wait.kind == "child" and wait.child is not None:
            child = wait.child
            self._starts.append(lambda: self._start_child(task, lease, child))

    def _probe(self, task: Task, lease: Lease) -> None:
        job = Job(lease, self.tree.executor(task.spec), self.inbox.post, slot=False)
        self.jobs[lease.fence] = job
        self.tree.runners.dispatch(job)

    def _start_child(self, task: Task, lease: Lease, child: str) -> None:
        self.children[lease.fence] = child
        self.tree.start_child(self, task, lease, child)

    # --- pools ------------------------------------------------------------------------------------------------

    def _has_pool(self, task: Task, fence: str) -> bool:
        """Whether a slot of the task's pool is ours; if not, ask for one and let the task stand aside."""
        pool = task.spec.options.pool
        assert pool is not None
        if self.pooled.pop(task.id, None) is not None:
            return True
        self.blocked[task.id] = f"no slot of pool {pool!r} is free"
        lease = PoolLease(
            pool=pool, run=self.run.id, task=task.id, fence=fence, engine=self.tree.id
        )
        self.tree.pools.want(lease, self.run.spec.pools.get(pool), self.inbox.post)
        return False

    def _pool_granted(self, name: str, fence: str) -> None:
        task = self.run.tasks[name]
        startable = not (self.quitting or self.run.paused) and task.state is TaskState.READY
        taken = startable and self.tree.slots.take(self.run.id, name, fence)
        if taken:
            self.blocked.pop(name, None)
            self.pooled[name] = fence
            if self._begin(task, fence):
                return
            self.tree.slots.free(fence)
            self.pooled.pop(name, None)
        self._pool_freed.append(fence)
        if task.state is TaskState.READY:
            self.blocked.pop(name, None)
            self._give_back(name)

    # --- ending -----------------------------------------------------------------------------------------------

    def _job_ended(self, job: Job) -> None:
        lease = job.lease
        if self.quitting and not job.slot and isinstance(job.outcome, Halted):
            self.jobs.pop(lease.fence, None)  # It goes on waiting; whoever takes the run up tends it again.
            return
        if not job.gone:
            self.lingering.add(lease.task)
        elif lease.task in self.lingering and lease.lingering is not None:
            self.lingering.discard(lease.task)
            self._free(job)
            self.blocked.pop(lease.task, None)
            self._give_back(lease.task)
            return
        else:
            self._free(job)
        if self.run.tasks[lease.task].spec.options.timeout is not None:
            self.tree.timers.clear(self.run.id, ("attempt", lease.task))
        try:
            self._apply(_command(job))
        except StaleFence as stale:
            self.tree.log.info("%s", stale)

    def _tell(self, command: Command) -> None:
        self.inbox.post(command)

    def _free(self, job: Job) -> None:
        fence = job.lease.fence
        self.jobs.pop(fence, None)
        if job.slot:
            self._running -= 1
            self.tree.slots.free(fence)
            if job.lease.spec.options.pool is not None:
                self._pool_freed.append(fence)

    def _give_back(self, name: str) -> None:
        task = self.run.tasks[name]
        if task.state is TaskState.READY:
            self.run.push_ready(task)

    def _perform(self, effect: Effect) -> None:
        match effect:
            case StopAttempt(task=name, fence=fence, reason=reason):
                self._stop(name, fence, reason)
            case SetTimer(what=what, at=at, task=timed):
                due = c.Due(what=what, task=timed)
                self.tree.timers.set(self.run.id, (what, timed), at, lambda: self._tell(due))
            case _:
                assert_never(effect)

    def _stop(self, name: str, fence: str, reason: str) -> None:
        if (job := self.jobs.get(fence)) is not None:
            job.stop()
        elif (child := self.children.get(fence)) is not None:
            self.tree.cancel_child(child, reason)
        else:
            self.tree.board.withdraw(fence)
            self.inbox.post(c.Stopped(task=name, fence=fence))

    def close(self) -> None:
        """Forget timers and places in line; called when the actor has ended, however it did."""
        self.inbox.abandon(f"run {self.run.id} is not live any more")
        self.tree.slots.leave(self.run.id)
        self.tree.timers.clear_group(self.run.id)
        for job in self.jobs.values():
            if job.slot:
                self.tree.slots.free(job.lease.fence)
        self.tree.board.forget(self.run.id)


def _needs(task: Task) -> dict[str, Upstream]:
    return {
        earlier.id: Upstream(earlier.spec.name, earlier.output)
        for earlier in task.before
        if isinstance(earlier, Task)
    }


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
        case Halted(note=note):
            return c.Stopped(task=task, fence=fence, note=note)
        case None:
            failure = failure_of(RuntimeError("a runner reported an attempt without its outcome"))
            return c.Fail(task=task, fence=fence, failure=failure)
        case _:
            assert_never(outcome)


_OWN_WAY: dict[str, Callable[[RunActor, Task, Lease], None]] = {
    "step": RunActor._begin_step,
    "external": RunActor._offer,
    "input": RunActor._begin_input,
    "sleep": RunActor._begin_sleep,
    "wait": RunActor._begin_probe,
    "workflow": RunActor._begin_child,
}
"""Kinds that take no slot of this engine, and how each begins."""
