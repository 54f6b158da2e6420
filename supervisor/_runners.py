"""Standing runners: each takes attempts from a channel, one after another, to their end.

A runner keeps one cancel scope for many attempts and replaces it only after it was used; spawning a
task or entering a scope for each attempt would cost more than a small attempt itself.
"""

from __future__ import annotations

import logging
import math
import traceback
from collections.abc import Callable, Sequence
from contextvars import copy_context
from typing import cast

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
    reported: bool = False
    scope: anyio.CancelScope | None = None

    def stop(self) -> None:
        """Ask for the end of this attempt; it is reported when it has come."""
        if self.outcome is None:
            self.stopped = True
            if self.scope is not None:
                self.scope.cancel()


class Runners:
    """As many standing runners as attempts ever ran at once."""

    def __init__(self, task_group: TaskGroup) -> None:
        self._task_group = task_group
        self._channel: Channel[Job] = Channel()
        self._idle = 0
        self._queued = 0

    def dispatch_all(self, jobs: Sequence[Job]) -> None:
        """Hand attempts to runners; ``job.done(job)`` follows for each when it has ended."""
        for job in jobs:
            job.dispatched = True
        self._queued += len(jobs)
        for _ in range(self._queued - self._idle):
            self._spawn()
        self._channel.post_all(jobs)

    def dispatch(self, job: Job) -> None:
        """Hand an attempt to a runner; ``job.done(job)`` follows when it has ended."""
        job.dispatched = True
        self._queued += 1
        if self._queued > self._idle:
            self._spawn()
        self._channel.post(job)

    def _spawn(self) -> None:
        self._idle += 1
        self._task_group.start_soon(self._serve, name="callboard runner")

    async def _serve(self) -> None:
        try:
            await self._work()
        except anyio.get_cancelled_exc_class():
            if anyio.current_effective_deadline() == -math.inf:
                raise
            # What an attempt left behind when it had ended: asyncio cancels tasks, not attempts.
            _log.warning("a function has cancelled its asyncio task after it had ended")
        self._idle -= 1
        if self._queued > self._idle:
            self._spawn()

    async def _work(self) -> None:
        """Take attempts; return when one has left something behind that the next must not see."""
        context = copy_context()
        while True:
            job: Job | None = None
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
                        await self._report(job)
                        if copy_context() != context:
                            return
            except (Exception, BaseExceptionGroup) as caught:
                # A stopped attempt may raise its cancellation and an error in one group: the scope
                # takes the cancellation out, and the error is left.
                if job is None or job.outcome is not None or _ends_more(caught):
                    raise
                error = caught
            if job is not None and job.outcome is None:
                note = _left_behind(job.lease)
                job.outcome = Halted(note) if error is None else Failed(failure_of(error))
                await self._report(job)
                if copy_context() != context:
                    return

    async def _report(self, job: Job) -> None:
        job.scope = None
        lingering = job.lease.lingering
        if lingering is not None:
            job.gone = False
            job.done(job)
            with anyio.CancelScope(shield=True):
                await lingering()
            job.gone = True
        self._idle += 1
        job.done(job)


def _left_behind(lease: Lease) -> str | None:
    if lease.lingering is not None:
        return "it could not be stopped: a sync function ends when it ends"
    return lease.remains


async def _attempt(job: Job) -> Outcome:
    try:
        return await job.executor.execute(job.lease)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - it is the attempt that fails
        return Failed(failure_of(error))
    except anyio.get_cancelled_exc_class():
        if job.stopped or anyio.current_effective_deadline() == -math.inf:
            raise
        # Nobody cancelled it from here: on asyncio a task can also do that to itself.
        return Failed(Failure(kind="cancelled", message="the work cancelled itself"))
    except (KeyboardInterrupt, GeneratorExit, BaseExceptionGroup):
        raise
    except BaseException as error:  # noqa: BLE001 - such as the cancellation of another library
        return Failed(failure_of(error))


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


def failure_of(error: BaseException) -> Failure:
    """Return an exception as a failure: its one sentence, its classes, its traceback."""
    causes = causes_of(error)
    if len(causes) == 1:
        return failure_of(causes[0])
    name = type(error).__name__
    text = str(error)
    retry_after = getattr(error, "retry_after", None)
    return Failure(
        kind="error",
        message=f"{name}: {text}" if text else name,
        detail={
            "class": name,
            "classes": [cls.__name__ for cls in type(error).__mro__[:-2]],
            "traceback": storable("".join(traceback.format_exception(error))[-16_384:]),
        },
        retry_after=retry_after if isinstance(retry_after, (int, float)) else None,
    )
