"""Standing runners: each takes attempts from a channel, one after another, to their end.

A runner keeps one cancel scope for many attempts and replaces it only after it was used; spawning a
task or entering a scope for each attempt would cost more than a small attempt itself.  A runner
ends with an attempt that may have left something behind in its task: a context variable, or on
asyncio a timer that cancels the task later, which only one that waited has had the time to use.
"""

from __future__ import annotations

import asyncio
import logging
import math
import traceback
import types
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import suppress
from contextvars import Context, copy_context
from typing import Any, cast

import anyio
import attrs
from anyio.abc import TaskGroup

from ..actors import Channel
from ..workflow import Failure
from ..workflow._texts import storable
from ._execution import Executor, Failed, Halted, Lease, Outcome

_log = logging.getLogger("callboard")


@attrs.define(eq=False)
class Job:
    """One attempt on its way through a runner; with its outcome it is the message to the run actor.

    Attributes:
        done: Called with the job when its outcome is known, and once more when what could not be
            stopped has ended after all.
        slot: Whether it holds a slot of the engine.
        gone: Whether nothing of it runs any more.
        dispatched: Whether a runner has it, and so will report it.
        waited: Whether it has let other tasks run before its end.
        reported: Whether the run actor has heard of the outcome.
    """

    lease: Lease
    executor: Executor
    done: Callable[[Job], object]
    slot: bool = True
    outcome: Outcome | None = None
    gone: bool = True
    stopped: bool = False
    dispatched: bool = False
    waited: bool = False
    reported: bool = False
    scope: anyio.CancelScope | None = None

    def stop(self) -> None:
        """Ask for the end of this attempt; it is reported when it has come."""
        if self.outcome is None:
            self.stopped = True
            if self.scope is not None:
                self.scope.cancel()


class Runners:
    """As many standing runners as attempts ever ran at once, or fewer."""

    def __init__(self, task_group: TaskGroup) -> None:
        self._task_group = task_group
        self._context = copy_context()
        self._on_asyncio = anyio.get_cancelled_exc_class() is asyncio.CancelledError
        self._channel: Channel[Job] = Channel()
        self._idle = 0
        self._queued = 0

    def dispatch_all(self, jobs: Sequence[Job]) -> None:
        """Hand attempts to runners; ``job.done(job)`` follows for each when it has ended."""
        for job in jobs:
            job.dispatched = True
        self._queued += len(jobs)
        self._hire()
        self._channel.post_all(jobs)

    def dispatch(self, job: Job) -> None:
        """Hand an attempt to a runner; ``job.done(job)`` follows when it has ended."""
        self.dispatch_all((job,))

    def _hire(self) -> None:
        for _ in range(self._queued - self._idle):
            # In the engine's context, and not in that of whoever happens to need another runner.
            self._context.run(self._spawn)

    def _spawn(self) -> None:
        self._idle += 1
        self._task_group.start_soon(self._serve, name="callboard runner")

    async def _serve(self) -> None:
        task = asyncio.current_task() if self._on_asyncio else None
        try:
            await self._work(task, copy_context())
        except anyio.get_cancelled_exc_class():
            if anyio.current_effective_deadline() == -math.inf:
                raise
            # What an attempt left behind when it had ended: asyncio cancels tasks, not attempts.
            _log.warning("a function has cancelled its asyncio task after it had ended")
        self._idle -= 1
        self._hire()
        if task is not None and task.cancelling():
            # Not met here it would end this task, and with it the engine, as cancelled.
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0)

    async def _work(self, task: asyncio.Task[Any] | None, context: Context) -> None:
        """Take attempts; return when one may have left behind what the next must not see."""
        job: Job | None = None
        while job is None or not _may_leave_more(job, task, context):
            job = None
            error: BaseException | None = None
            try:
                with anyio.CancelScope() as scope:
                    while not scope.cancel_called:
                        job = None
                        job = await self._channel.receive()
                        self._queued -= 1
                        self._idle -= 1
                        job.scope = scope
                        job.outcome = Halted() if job.stopped else await _attempt(job)
                        self._report(job)
                        if _may_leave_more(job, task, context):
                            return
            except (Exception, BaseExceptionGroup) as caught:
                # A stopped attempt may raise its cancellation and an error in one group: the scope
                # takes the cancellation out, and the error is left.
                if job is None or job.outcome is not None or _ends_more(caught):
                    raise
                error = caught
            if job is not None and job.outcome is None:
                lease = job.lease
                job.outcome = (
                    Halted(_left_behind(lease))
                    if error is None
                    else Failed(failure_of(error, lease.mask))
                )
                self._report(job)

    def _report(self, job: Job) -> None:
        self._idle += 1
        job.scope = None
        lingering = job.lease.lingering
        if lingering is not None:
            job.gone = False
            self._task_group.start_soon(_linger, job, lingering, name="callboard lingering")
        job.done(job)


def _may_leave_more(job: Job, task: asyncio.Task[Any] | None, context: Context) -> bool:
    """Whether something of an attempt that has ended may still be in the task it ran in."""
    return (task is not None and (job.waited or task.cancelling() > 0)) or (
        copy_context() != context
    )


async def _linger(job: Job, lingering: Callable[[], Awaitable[None]]) -> None:
    """Report an attempt once more when what could not be stopped has ended."""
    with anyio.CancelScope(shield=True):
        await lingering()
    job.gone = True
    job.done(job)


def _left_behind(lease: Lease) -> str | None:
    if lease.lingering is not None:
        return "it could not be stopped: a sync function ends when it ends"
    return lease.remains


async def _attempt(job: Job) -> Outcome:
    try:
        return await _done(job)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - it is the attempt that fails
        return Failed(failure_of(error, job.lease.mask))
    except anyio.get_cancelled_exc_class():
        if job.stopped or anyio.current_effective_deadline() == -math.inf:
            raise
        # Nobody cancelled it from here: on asyncio a task can also do that to itself.
        return Failed(Failure(kind="cancelled", message="the work cancelled itself"))
    except (KeyboardInterrupt, GeneratorExit, BaseExceptionGroup):
        raise
    except BaseException as error:  # noqa: BLE001 - such as the cancellation of another library
        return Failed(failure_of(error, job.lease.mask))


@types.coroutine
def _done(job: Job) -> Generator[Any, Any, Outcome]:
    """Do an attempt, and note whether it waits."""
    work = job.executor.execute(job.lease)
    try:
        awaited = work.send(None)
        job.waited = True
        while True:
            try:
                answer = yield awaited
            except BaseException as error:  # noqa: BLE001 - all of it is for the attempt
                awaited = work.throw(error)
            else:
                awaited = work.send(answer)
    except StopIteration as ended:
        return cast("Outcome", ended.value)


def _ends_more(error: BaseException) -> bool:
    """Whether an error, or one in a group, is to end more than the attempt that it came from."""
    if isinstance(error, anyio.get_cancelled_exc_class()):
        return anyio.current_effective_deadline() == -math.inf
    interrupts = isinstance(error, (KeyboardInterrupt, GeneratorExit))
    return interrupts or any(map(_ends_more, causes_of(error)))


def causes_of(error: BaseException) -> tuple[BaseException, ...]:
    """Return the errors that a group holds; any other error holds none."""
    if not isinstance(error, BaseExceptionGroup):
        return ()
    return cast("BaseExceptionGroup[BaseException]", error).exceptions


def failure_of(error: BaseException, mask: Callable[[str], str] = str) -> Failure:
    """Return an exception as a failure: its one sentence, its classes, its traceback.

    Args:
        mask: Takes secrets out of it.
    """
    causes = causes_of(error)
    if len(causes) == 1:
        return failure_of(causes[0], mask)
    name = type(error).__name__
    text = mask(str(error))
    retry_after = getattr(error, "retry_after", None)
    return Failure(
        kind="error",
        message=f"{name}: {text}" if text else name,
        detail={
            "class": name,
            "classes": [cls.__name__ for cls in type(error).__mro__[:-2]],
            "traceback": storable(mask("".join(traceback.format_exception(error)))[-16_384:]),
        },
        retry_after=retry_after if isinstance(retry_after, (int, float)) else None,
    )
