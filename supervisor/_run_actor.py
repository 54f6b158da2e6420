"""The run actor: the only one that changes its run.

It drains its mailbox, lets the kernel decide about all of it, begins what may begin, writes all
that in one transition, awaits that one commit, and only then makes it visible: dispatches attempts,
stops others, sets timers, answers.  ``apply`` changes the run before the commit: if the commit
fails the actor dies and is rebuilt from the store.  How it goes on with what an earlier actor left
stands in ``_carry_on``, how attempts begin and end in ``_beginning`` and ``_ending``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, assert_never

import anyio
import attrs

from ..actors import Mailbox, Reply
from ..storage import LogLine, Receipt, RunRow
from ..workflow import (
    CallboardError,
    Command,
    Creation,
    Deciding,
    Effect,
    Event,
    Refused,
    Run,
    RunState,
    SetTimer,
    StaleFence,
    StopAttempt,
    StoreError,
    Task,
    TaskOptions,
    TaskState,
    VersionConflict,
    commands as c,
    decide,
    queued_timers,
)
from ._beginning import start_ready
from ._carry_on import carry_on
from ._children import commit_with, follower_of
from ._ending import job_ended
from ._messages import (
    Answered,
    Ask,
    Broken,
    Look,
    Note,
    PoolGranted,
    Quit,
    RunMessage,
    Signed,
)
from ._pooling import Pooling
from ._rows import transition
from ._runners import Job

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
        running: How many attempts hold a slot.
        events: What was decided and is not stored yet.
        effects: What follows from it when it is.
        lines: Lines that are stored together with it.
        receipts: Answers that are stored together with it.
        begun: Attempts that a runner gets when their beginning is stored.
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
    running: int = 0
    _answering: int = 0
    _queued_timeouts: bool = False
    _was_paused: bool = False
    _blocked_anew: bool = False
    events: list[Event] = attrs.field(factory=list[Event])
    effects: list[Effect] = attrs.field(factory=list[Effect])
    lines: list[LogLine] = attrs.field(factory=list[LogLine])
    receipts: list[Receipt] = attrs.field(factory=list[Receipt])
    _written: RunRow | None = None
    begun: list[Job] = attrs.field(factory=list[Job])
    _starts: list[Callable[[], None]] = attrs.field(factory=list[Callable[[], None]])
    _replies: list[tuple[Reply[list[Any]], list[Any], CallboardError | None]] = attrs.field(
        factory=list["tuple[Reply[list[Any]], list[Any], CallboardError | None]"]
    )

    def __attrs_post_init__(self) -> None:
        self.pooling = Pooling(self)
        if self.tree.elsewhere:
            self.run.leave_to_others(self.tree.elsewhere)

    async def serve(self, first: list[Event], freed: Sequence[str] = ()) -> bool:
        """Supervise the run until it has ended, is given up, or may rest.

        Returns:
            Whether it is to rest: nothing goes on in it, and nothing has for a while.

        Args:
            first: What was folded into the run and is not stored yet.
            freed: Leases on pools that an earlier actor of this run has left.
        """
        # Most tasks share one object of options: it is looked at once.
        known = chain(self.run.spec.templates, (task.spec for task in self.run.tasks.values()))
        options = {id(spec.options): spec.options for spec in known}.values()
        self._queued_timeouts = any(map(_limits_waiting, options))
        self.events.extend(first)
        self.pooling.freed.extend(freed)
        carry_on(self)
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

    # --- one turn

    async def _turn(self) -> None:
        """Begin what may begin, commit all that was decided, and make it visible."""
        if self.quitting:
            self._cancel_in_memory()
        else:
            start_ready(self)
        self.pooling.tidy()
        if self._has_to_write():
            await self._commit()
        if self.effects:
            effects, self.effects = self.effects, []
            for effect in effects:
                self._perform(effect)
        if self.begun:
            begun, self.begun = self.begun, []
            self.tree.runners.dispatch_all(begun)
        if self._starts:
            starts, self._starts = self._starts, []
            for start in starts:
                start()
        if self._replies:
            replies, self._replies = self._replies, []
            for reply, answers, failure in replies:
                if failure is None:
                    reply.send(answers)
                else:
                    reply.fail(failure)

    def _has_to_write(self) -> bool:
        if self.events or self.receipts or self.lines:
            return True
        return bool(self.pooling.freed or self._blocked_anew)

    async def _commit(self) -> None:
        run, tree = self.run, self.tree
        now = tree.clock.wall()
        events, self.events = self.events, []
        follower = await follower_of(tree, run) if run.ended else None
        if self._queued_timeouts:
            self.effects.extend(queued_timers(run, run.changed.values()))
        freed, self.pooling.freed = self.pooling.freed, []
        release = self._finished()
        self._blocked_anew = False
        if self.blocked:
            self._unblock_begun()
        written = transition(
            run,
            events,
            tree.id,
            now,
            release=release,
            pools=freed,
            rows=tree.keeps_rows,
            before=self._written,
            blocked=self.blocked,
        )
        if self.receipts or self.lines:
            written.receipts, self.receipts = self.receipts, []
            written.lines, self.lines = self.lines, []
        try:
            await commit_with(tree, written, follower)
        except Exception:
            self.pooling.freed = freed
            raise
        if freed:
            tree.pools.look()
            tree.board.slots_freed()
        self.released = release
        self._written = written.row
        tree.published(run, events)

    def _unblock_begun(self) -> None:
        """Forget what is not ready any more, and take it off the board.

        After a pause, those who wait at the board are called for the rest.
        """
        for name, task in self.run.changed.items():
            if task.state is TaskState.READY:
                continue
            self.blocked.pop(name, None)
            if name in self.offered:
                self.offered.discard(name)
                self.tree.board.retract(self.run.id, name)
        if self._was_paused and not self.run.paused:
            self._starts.append(self.tree.board.look)
        self._was_paused = self.run.paused

    def apply(self, command: Command) -> Deciding:
        """Let the kernel decide, and return how; what follows becomes visible after the commit.

        Raises:
            Refused: the command does not fit; nothing changed.
        """
        tree = self.tree
        d = Deciding(self.run, tree.clock.wall(), tree.draw, self.stops, self.events, self.effects)
        decide(d, command, tree.output_of)
        return d

    def after_commit(self, call: Callable[[], None]) -> None:
        """Have something done when what was decided so far is stored."""
        self._starts.append(call)

    def _handle(self, message: RunMessage) -> None:
        match message:
            case Job():
                job_ended(self, message)
            case Ask():
                self._answering += message.posted
                self._asked(message)
            case Answered():
                self._answering = max(0, self._answering - 1)
            case Look(again=again):
                if again:
                    self._look_again()
            case PoolGranted(task=name, fence=fence, granted=granted):
                self.pooling.answered(name, fence, granted=granted)
            case Broken(error=error):
                raise error
            case Quit(now=now):
                self._quit(now=now)
            case _:
                try:
                    self.apply(message)
                except Refused as refused:
                    self.tree.log.debug("%s", refused)

    def _asked(self, asked: Ask) -> None:
        command, answers, failure = asked.command, [], None
        try:
            check_version(self.run, asked.expected)
            if isinstance(command, Note):
                self._note(command)
            else:
                d = self.apply(command)
                answers, failure = d.answers, d.failure
            if isinstance(command, c.Grow):
                self._queued_timeouts |= any(map(_brings_limits, command.commands))
        except Refused as refused:
            failure = refused
        self._replies.append((asked.reply, answers, failure))
        if asked.signed is not None and not isinstance(failure, StaleFence):
            self._sign(asked.signed, answers, failure)

    def _note(self, note: Note) -> None:
        task = self.run.tasks.get(note.task)
        if task is None or task.fence != note.fence:
            raise StaleFence(f"task {note.task!r}: this attempt has ended, it has no effect")
        self.lines.extend(note.lines)

    def _sign(self, signed: Signed, answers: Sequence[Any], failure: CallboardError | None) -> None:
        answer = signed.answer(answers, failure)
        for part, told in {**signed.before, signed.part: answer}.items():
            receipt = Receipt(fence=signed.fence, seq=signed.seq, part=part, answer=told)
            self.receipts.append(receipt)

    async def ask(
        self,
        command: Command | Note,
        *,
        posted: bool = False,
        signed: Signed | None = None,
        expected: int | None = None,
        to_the_end: bool = False,
    ) -> list[Any]:
        """Say a command, wait until what followed from it is stored, and return what it made.

        Args:
            command: What is said.
            posted: It came through the store.
            signed: How its answer is stored, if it may be said again.
            expected: The version that the run must have.
            to_the_end: Wait even if cancelled; a cancellation is met afterwards.

        Raises:
            Refused: it does not fit; nothing changed.
            PromiseBroken: it broke a promise, and the run is being stopped for that.
            ActorStopped: this actor is gone; what it had not stored has not happened.
        """

        def make(reply: Reply[list[Any]]) -> RunMessage:
            return Ask(command, reply, posted, signed, expected)

        return await self.inbox.ask(make, to_the_end=to_the_end)

    # --- what could not begin, and what is to end

    def block(self, task: Task, reason: str) -> None:
        """Note why a ready task cannot begin now; others read it in the task's row."""
        if self.blocked.get(task.id) != reason:
            self.blocked[task.id] = reason
            self.run.changed[task.id] = task
            self._blocked_anew = True

    def unblock(self, task: Task) -> None:
        """Forget it: the task can begin; its row learns that with the next commit."""
        if self.blocked.pop(task.id, None) is not None:
            self.run.changed[task.id] = task

    def _look_again(self) -> None:
        for name in [name for name in self.blocked if name not in self.offered]:
            self.give_back(name)

    def give_back(self, name: str) -> None:
        """Let a task that could not start stand in line again, if it is still there."""
        task = self.run.tasks.get(name)
        if task is not None and task.state is TaskState.READY:
            self.run.push_ready(task)

    def slot_kept(self) -> None:
        """Hear that a slot of the engine is kept for this run."""
        self.inbox.post(Look())

    def child_ended(self, fence: str, command: Command) -> None:
        """Hear of the end of a child run."""
        if self.children.pop(fence, None) is not None:
            self.inbox.post(command)

    def child_broke(self, fence: str, error: StoreError) -> None:
        """Hear that a child run cannot be stored: it has not ended, and whoever waits goes on."""
        if self.children.pop(fence, None) is not None:
            self.inbox.post(Broken(error))

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
            job.lease.killed = self.run.stopping is RunState.PROMISE_BROKEN
            job.stop()
        elif child is not None:
            self.unwanted.add(fence)
            self.tree.cancel_child(child, reason)
        else:
            self.tree.board.withdraw(fence)
            if not self.run.ended:  # Then nobody would read it.
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
        if not (self.tree.store.durable or self.running or run.ended or run.stopping):
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


def check_version(run: Run, expected: int | None) -> None:
    """Refuse what was meant for a run as it was before.

    Raises:
        VersionConflict: it has another version by now.
    """
    if expected is not None and run.version != expected:
        raise VersionConflict("run", run.id, expected, run.version)


def _limits_waiting(options: TaskOptions) -> bool:
    return options.timeout is not None and options.timeout.queued is not None


def _brings_limits(command: Creation) -> bool:
    new = command.new if isinstance(command, c.AddTask) else None
    return new is not None and _limits_waiting(new.options)
