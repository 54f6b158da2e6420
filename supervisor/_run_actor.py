"""The run actor: the only one that changes its run.

It drains its mailbox, lets the kernel decide about all of it, begins what may begin, writes all
that in one transition, awaits that one commit, and only then makes it visible: dispatches attempts,
stops others, sets timers, answers.  ``apply`` changes the run before the commit: if the commit
fails the actor dies and is rebuilt from the store.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, assert_never

import anyio
import attrs

from ..actors import Mailbox, Reply
from ..storage import RunRow
from ..workflow import (
    Command,
    Deciding,
    Effect,
    Event,
    Failure,
    Refused,
    Run,
    SetTimer,
    StopAttempt,
    Task,
    TaskState,
    commands as c,
    decide,
    queued_timers,
    resume,
)
from ._execution import (
    Done,
    Executor,
    Failed,
    Halted,
    Lease,
    NoExecutor,
    NotDone,
    Suspended,
    Upstream,
)
from ._messages import Answered, Ask, Look, PoolGranted, Quit, RunMessage
from ._own_ways import OWN_WAYS, start_child, start_probe
from ._pooling import Pooling
from ._rows import transition
from ._runners import Job, failure_of

if TYPE_CHECKING:
    from ._tree import Tree


@attrs.define(eq=False)
class RunActor:
    """One live run of an engine.

    Attributes:
        jobs: Attempts that runners of this engine work on, by fence; those that could not be
            stopped are among them until they have ended.
        children: Runs that tasks wait for, by fence.
        unwanted: Fences whose child runs are to be cancelled.
        lingering: Tasks whose last attempt could not be stopped yet: they must not start again.
        offered: Tasks on the board.
        stops: Why attempts are being stopped, by fence.
        blocked: Ready tasks that cannot start now, and why.
    """

    tree: Tree
    run: Run
    inbox: Mailbox[RunMessage]
    jobs: dict[str, Job] = attrs.field(factory=dict[str, Job])
    children: dict[str, str] = attrs.field(factory=dict[str, str])
    unwanted: set[str] = attrs.field(factory=set[str])
    lingering: set[str] = attrs.field(factory=set[str])
    offered: set[str] = attrs.field(factory=set[str])
    stops: dict[str, str] = attrs.field(factory=dict[str, str])
    blocked: dict[str, str] = attrs.field(factory=dict[str, str])
    pooling: Pooling = attrs.field(init=False)
    quitting: bool = False
    released: bool = False
    _running: int = 0
    _answering: int = 0
    _queued_timeouts: bool = False
    _was_paused: bool = False
    _events: list[Event] = attrs.field(factory=list[Event])
    _effects: list[Effect] = attrs.field(factory=list[Effect])
    _written: RunRow | None = None
    _begun: list[Job] = attrs.field(factory=list[Job])
    _starts: list[Callable[[], None]] = attrs.field(factory=list[Callable[[], None]])
    _replies: list[tuple[Reply[None], Refused | None]] = attrs.field(
        factory=list[tuple[Reply[None], "Refused | None"]]
    )

    def __attrs_post_init__(self) -> None:
        self.pooling = Pooling(self)

    async def serve(self, first: list[Event], freed: Sequence[str] = ()) -> bool:
        """Supervise the run until it has ended, is given up, or may rest.

        Returns:
            Whether it is to rest: nothing goes on in it, and nothing has for a while.

        Args:
            first: What was folded into the run and is not stored yet.
            freed: Leases on pools that an earlier actor of this run has left.
        """
        # Most tasks share one object of options: it is looked at once.
        options = {id(task.options): task.options for task in self.run.spec.tasks}.values()
        self._queued_timeouts = any(
            each.timeout is not None and each.timeout.queued is not None for each in options
        )
        self._events.extend(first)
        self.pooling.freed.extend(freed)
        self._take_up()
        await self._turn()
        while not self._finished():
            messages = await self._next_messages()
            if not messages:
                return True
            for message in messages:
                self._handle(message)
            await self._turn()
        if not self.released:
            await self._commit()
        return False

    async def _next_messages(self) -> list[RunMessage]:
        """Return what has come, waiting for it; nothing if the run may rest."""
        if self._is_quiet():
            with anyio.move_on_after(self.tree.rest_after):
                return await self.inbox.receive_all()
            # What came just as the time was over is still there.
            if self._is_quiet() and not self.inbox.statistics().queued:
                return []
        return await self.inbox.receive_all()

    def _is_quiet(self) -> bool:
        """Whether all that the run waits for is outside: a person, a time; and nobody watches."""
        run = self.run
        if run.counts[TaskState.RUNNING] or run.counts[TaskState.READY] or self.quitting:
            return False
        if self.jobs or self.children or self.lingering or self.offered or self.blocked:
            return False
        if (
            self._answering
            or self.pooling.expecting
            or run.restarting
            or run.stopping
            or run.draining
        ):
            return False
        return not self.tree.is_watched(run.id)

    def _finished(self) -> bool:
        """Whether the run has ended or is put down, and nothing more has to be written down."""
        over = self.run.ended or (self.quitting and self.tree.store.durable)
        pooling = self.pooling
        return over and not (self.jobs or self._answering or pooling.expecting or pooling.freed)

    def _take_up(self) -> None:
        """Go on with a run as it was left: its timers, what waits, what was lost."""
        self._effects.extend(resume(self.run, self.tree.clock.wall()))
        for task in list(self.run.active.values()):
            if task.fence is None:
                continue
            if task.state is TaskState.WAITING:
                self._tend(task)
            elif task.spec.kind in self.tree.board_kinds:
                self.tree.board.adopt(self, task)
            else:
                if task.spec.options.pool is not None:
                    self.pooling.freed.append(task.fence)
                reason = "the engine that ran it is gone"
                self.apply(c.Lose(task=task.id, fence=task.fence, reason=reason))

    def _tend(self, task: Task) -> None:
        """Take up what a waiting task had going on when its engine died."""
        wait, fence = task.wait, task.fence
        assert wait is not None
        assert fence is not None
        lease = self.lease_of(task, fence)
        if task.started_at is not None:
            lease.waited = self.tree.clock.wall() - task.started_at
        try:
            self.bind(task, lease)
            if wait.kind == "child" and wait.child is not None:
                start_child(self, task, lease, wait.child)
            elif wait.kind == "probe":
                start_probe(self, lease, self.tree.executor(task.spec))
        except NoExecutor:
            # Ready again it shows what is lacking.
            self.apply(c.Stopped(task=task.id, fence=fence))
        except Exception as error:  # noqa: BLE001 - it is the task that fails
            self.apply(c.Fail(task=task.id, fence=fence, failure=_config(error)))

    # --- one turn

    async def _turn(self) -> None:
        """Begin what may begin, commit all that was decided, and make it visible."""
        if self.quitting:
            self._cancel_in_memory()
        else:
            self._start_ready()
        self.pooling.tidy()
        if self._events or self.pooling.freed or self.tree.pools.returned:
            await self._commit()
        effects, self._effects = self._effects, []
        for effect in effects:
            self._perform(effect)
        if self._begun:
            begun, self._begun = self._begun, []
            self.tree.runners.dispatch_all(begun)
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
        run, tree = self.run, self.tree
        now = tree.clock.wall()
        events, self._events = self._events, []
        if run.ended:
            await tree.prepare_end(run)
        if self._queued_timeouts:
            self._effects.extend(queued_timers(run, run.changed.values()))
        freed, self.pooling.freed = self.pooling.freed, []
        orphans, tree.pools.returned = tree.pools.returned, []
        release = self._finished()
        if self.offered:
            self._retract(
                [task.id for task in run.changed.values() if task.state is not TaskState.READY]
            )
        written = transition(
            run,
            events,
            tree.id,
            now,
            release=release,
            pools=freed + orphans,
            rows=tree.keeps_rows,
            before=self._written,
        )
        try:
            await tree.storage.commit(written)
        except Exception:
            self.pooling.freed = freed
            tree.pools.returned.extend(orphans)
            raise
        if freed or orphans:
            tree.pools.look()
        self.released = release
        self._written = written.row
        tree.published(run, events)

    def _retract(self, names: Sequence[str]) -> None:
        """Take off the board what cannot be claimed any more; after a pause, call for the rest."""
        for name in names:
            if name in self.offered:
                self.offered.discard(name)
                self.blocked.pop(name, None)
                self.tree.board.retract(self.run.id, name)
        if self._was_paused and not self.run.paused:
            self._starts.append(self.tree.board.look)
        self._was_paused = self.run.paused

    def apply(self, command: Command) -> None:
        """Let the kernel decide; what follows becomes visible after the next commit.

        Raises:
            Refused: the command does not fit; nothing changed.
        """
        tree = self.tree
        d = Deciding(
            self.run, tree.clock.wall(), tree.draw, self.stops, self._events, self._effects
        )
        decide(d, command, tree.output_of)

    def after_commit(self, call: Callable[[], None]) -> None:
        """Have something done when what was decided so far is stored."""
        self._starts.append(call)

    def _handle(self, message: RunMessage) -> None:
        match message:
            case Job():
                self._job_ended(message)
            case Ask(command=command, reply=reply, posted=posted):
                self._answering += posted
                self._asked(command, reply)
            case Answered():
                self._answering = max(0, self._answering - 1)
            case Look(again=again):
                if again:
                    self._look_again()
            case PoolGranted(task=name, fence=fence, granted=granted):
                self.pooling.answered(name, fence, granted=granted)
            case Quit(now=now):
                self._quit(now=now)
            case _:
                try:
                    self.apply(message)
                except Refused as refused:
                    self.tree.log.debug("%s", refused)

    def _asked(self, command: Command, reply: Reply[None]) -> None:
        try:
            self.apply(command)
        except Refused as refused:
            self._replies.append((reply, refused))
        else:
            self._replies.append((reply, None))

    async def ask(self, command: Command, *, posted: bool = False) -> None:
        """Say a command and wait until what followed from it is stored.

        Raises:
            Refused: it does not fit; nothing changed.
            ActorStopped: this actor is gone; what it had not stored has not happened.
        """

        def make(reply: Reply[None]) -> RunMessage:
            return Ask(command, reply, posted)

        await self.inbox.ask(make)

    # --- beginning

    def _look_again(self) -> None:
        for name in [name for name in self.blocked if name not in self.offered]:
            self.give_back(name)

    def give_back(self, name: str) -> None:
        """Let a task that could not start stand in line again."""
        self.blocked.pop(name, None)
        task = self.run.tasks[name]
        if task.state is TaskState.READY:
            self.run.push_ready(task)

    def _start_ready(self) -> None:
        run, tree = self.run, self.tree
        slots = tree.slots
        limit = run.spec.concurrency
        while (task := run.peek_ready()) is not None:
            own_way = OWN_WAYS.get(task.spec.kind)
            if own_way is not None:
                run.pop_ready()
                self._begin_own_way(task, own_way)
                continue
            if limit is not None and self._running >= limit:
                break
            executor = self._executor(task)
            if executor is None or not self.pooling.has(task):
                run.pop_ready()
                continue
            fence = self.pooling.fence(task) or tree.new_fence()
            if not slots.take(run.id, task.id, fence):
                slots.wait(run.id, task.spec.options.priority, self._slot_kept)
                return
            run.pop_ready()
            if not self._begin(task, fence, executor):
                slots.free(fence)
        # A slot that is kept for this run must not be kept in vain.
        slots.leave(run.id)

    def _slot_kept(self) -> None:
        self.inbox.post(Look())

    def _executor(self, task: Task) -> Executor | None:
        """Return who can do a task now; if nobody can, note why."""
        if task.id in self.lingering:
            self.blocked[task.id] = "its last attempt could not be stopped and has not ended yet"
            return None
        try:
            return self.tree.executor(task.spec)
        except NoExecutor as lacking:
            self.blocked[task.id] = str(lacking)
            return None

    def _begin(self, task: Task, fence: str, executor: Executor) -> bool:
        """Begin an attempt in a slot that was taken; return whether the slot is needed."""
        lease = self._lease(task, fence)
        if lease is None:
            return False
        self.apply(c.Begin(task=task.id, fence=fence, worker=self.tree.id))
        self.pooling.used(task)
        if self.blocked:
            self.blocked.pop(task.id, None)
        lease.attempt = task.attempt
        job = Job(lease, executor, self.inbox.post)
        self.jobs[fence] = job
        self._running += 1
        self._begun.append(job)
        return True

    def _begin_own_way(self, task: Task, own_way: Callable[[RunActor, Task, Lease], None]) -> None:
        lease = self._lease(task, self.tree.new_fence())
        if lease is None:
            return
        self.blocked.pop(task.id, None)
        try:
            own_way(self, task, lease)
        except NoExecutor as lacking:
            self.blocked[task.id] = str(lacking)

    def _lease(self, task: Task, fence: str) -> Lease | None:
        """Return the lease with its inputs bound; None if the task is skipped or fails at once."""
        spec = task.spec
        lease = self.lease_of(task, fence)
        lease.attempt += 1
        if spec.when is None and spec.inputs is None and not self.run.spec.expressions:
            return lease
        try:
            if spec.when is not None and not self.tree.binder.condition(self.run, task):
                self.apply(c.Skip(task=task.id, reason=f"when: {spec.when} is false"))
                return None
            self.bind(task, lease)
        except Exception as error:  # noqa: BLE001 - it is the task that fails
            self.apply(c.Fail(task=task.id, failure=_config(error)))
            return None
        return lease

    def bind(self, task: Task, lease: Lease) -> None:
        """Resolve what the definition left open; only files leave settings open."""
        spec, binder = task.spec, self.tree.binder
        if spec.inputs is not None:
            lease.inputs = binder.inputs(self.run, task)
        if self.run.spec.expressions:
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

    # --- ending

    def _job_ended(self, job: Job) -> None:
        lease = job.lease
        if job.reported:
            self._gone_at_last(job)
            return
        job.reported = True
        if job.gone:
            self._free(job)
        else:
            self.lingering.add(lease.task)
        if self._is_given_up(job):
            return
        if lease.spec.options.timeout is not None:
            self.tree.timers.clear(self.run.id, ("attempt", lease.task))
        try:
            self.apply(_command(job))
        except Refused as stale:
            self.tree.log.info("%s", stale)

    def _is_given_up(self, job: Job) -> bool:
        """Whether a probe was stopped only because its run is put down: it goes on waiting."""
        leaves = self.quitting and self.tree.store.durable and self.run.stopping is None
        return leaves and not job.slot and isinstance(job.outcome, Halted)

    def _gone_at_last(self, job: Job) -> None:
        """Let a task go on whose last attempt could not be stopped and has ended by itself."""
        self._free(job)
        name = job.lease.task
        self.lingering.discard(name)
        self.give_back(name)

    def _free(self, job: Job) -> None:
        fence = job.lease.fence
        self.jobs.pop(fence, None)
        if job.slot:
            self._running -= 1
            self.tree.slots.free(fence)
            if job.lease.spec.options.pool is not None:
                self.pooling.freed.append(fence)

    def child_ended(self, fence: str, command: Command) -> None:
        """Hear of the end of a child run."""
        if self.children.pop(fence, None) is not None:
            self.inbox.post(command)

    def _perform(self, effect: Effect) -> None:
        match effect:
            case StopAttempt(task=name, fence=fence, reason=reason):
                self._stop(name, fence, reason)
            case SetTimer(what=what, at=at, task=timed):
                due = c.Due(what=what, task=timed)
                self.tree.timers.set(self.run.id, (what, timed), at, lambda: self._tell(due))
            case _:
                assert_never(effect)

    def _tell(self, command: Command) -> None:
        self.inbox.post(command)

    def _stop(self, name: str, fence: str, reason: str) -> None:
        job = self.jobs.get(fence)
        child = self.children.get(fence)
        if job is not None and job.outcome is None:
            job.stop()
        elif child is not None:
            self.unwanted.add(fence)
            self.tree.cancel_child(child, reason)
        else:
            self.tree.board.withdraw(fence)
            self.inbox.post(c.Stopped(task=name, fence=fence))

    def _quit(self, *, now: bool) -> None:
        self.quitting = True
        self.tree.slots.leave(self.run.id)
        for job in self.jobs.values():
            if now or not job.slot:
                job.stop()

    def _cancel_in_memory(self) -> None:
        """Cancel what nobody could take up again, as soon as nothing of it runs in a slot."""
        run = self.run
        if not (self.tree.store.durable or self._running or run.ended or run.stopping):
            self.apply(c.Cancel(reason="the engine was closed"))

    def close(self) -> list[str]:
        """Forget timers and places in line; called when the actor has ended, however it did.

        Returns:
            Leases on pools that are still to be given back.
        """
        tree, run = self.tree, self.run.id
        self.inbox.abandon(f"run {run} is not live any more")
        tree.slots.leave(run)
        tree.timers.clear_group(run)
        for job in self.jobs.values():
            if job.slot:
                tree.slots.free(job.lease.fence)
        self.children.clear()
        tree.board.forget(run, self.offered)
        return self.pooling.close()


def _config(error: Exception) -> Failure:
    return Failure(kind="config", message=str(error) or type(error).__name__)


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
