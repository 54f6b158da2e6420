"""One claimed task, from its lease to the word that ends it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import anyio

from ..client._http import Http
from ..client._messages import made_of, message_of
from ..client._records import Doing, LeaseRecord
from ..client._speaker import Speaker
from ..supervisor import (
    Done,
    Executor,
    Failed,
    Halted,
    Lease,
    Lost,
    NotDone,
    Outcome,
    Secrets,
    Suspended,
    Upstream,
)
from ..supervisor._runners import Job, Runners
from ..workflow import (
    CallboardError,
    Creation,
    Failure,
    StaleFence,
    Stop,
    TaskOptions,
    TaskSpec,
    UsageError,
    WorkflowSpec,
)
from ._reporter import Reporter

LEAVE_SECONDS: Final = 5.0
"""How long the last word of a task that was stopped may take."""

Json = dict[str, Any]


class Work:
    """Does one task.

    Args:
        http: The server.
        record: What was claimed.
        does: How it is done.
        executor: Who does it.
        tell: Tells a person what is worth it.
        since: When the claim was answered.
    """

    def __init__(
        self,
        http: Http,
        record: LeaseRecord,
        does: Doing,
        executor: Executor,
        tell: Callable[[str], object],
        *,
        since: float,
    ) -> None:
        self.record = record
        self._tell = tell
        self._speaker = Speaker(
            http, record.fence, record.run, record.lease, self._lost, since=since
        )
        self._reporter = Reporter(self._speaker, tell)
        self._folder = does.folder
        self._places = [(each.id, each.shape) for each in record.holes]
        self._needs = {
            name: Upstream(each.label, each.output) for name, each in record.needs.items()
        }
        self._job = Job(self._lease(does), executor, self._heard, slot=False)
        self._ended, self._gone = anyio.Event(), anyio.Event()
        self._keeping, self._last_word = anyio.CancelScope(), anyio.CancelScope()

    def __str__(self) -> str:
        """Name it for people."""
        return f"{self.record.label} of run {self.record.run}"

    def _lease(self, does: Doing) -> Lease:
        record = self.record
        stop = Stop(grace=does.stop.grace, term=does.stop.term)
        spec = TaskSpec(
            id=record.task,
            name=record.label,
            kind=does.kind,
            config=does.config,
            options=TaskOptions(stop=stop, cwd=does.cwd),
        )
        return Lease(
            record.run,
            record.task,
            spec,
            record.generation,
            record.attempt,
            record.fence,
            WorkflowSpec(name=record.workflow, folder=does.folder),
            self._reporter.note,
            inputs=record.inputs,
            config=does.config,
            env=does.env,
            secrets=Secrets(does.secrets),
            answers=record.answers,
            needs=lambda: self._needs,
            grow=self._grow,
            holes=lambda: self._places,
        )

    async def _grow(self, commands: Sequence[Creation]) -> list[Any]:
        """Change the graph of the run in the name of this attempt."""
        answer = await self._speaker.say_one(message_of(commands, self._folder))
        self._places = [(each.id, each.shape) for each in (await self._speaker.lease()).holes]
        return made_of(commands, answer)

    async def do(self, runners: Runners) -> None:
        """Do it, and tell how it went; returns when nothing of it runs any more."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._keep)
            group.start_soon(self._reporter.serve)
            runners.dispatch(self._job)
            await self._ended.wait()
            # What is over holds nothing: it is told however late, and the server judges it.
            self._keeping.cancel()
            with self._last_word:
                await self._close()
            group.cancel_scope.cancel()
        # A function in a thread cannot be stopped, and its place is not free before it has ended.
        await self._gone.wait()

    async def _keep(self) -> None:
        with self._keeping:
            await self._speaker.keep_alive()

    def stop(self) -> None:
        """Stop it in its steps and give it back; what is done already has a little time left."""
        self._job.stop()
        self._last_word.deadline = min(
            self._last_word.deadline, anyio.current_time() + LEAVE_SECONDS
        )

    def _heard(self, job: Job) -> None:
        if not self._ended.is_set():
            if job.stopped:
                self._last_word.deadline = anyio.current_time() + LEAVE_SECONDS
            self._ended.set()
        if job.gone:
            self._gone.set()

    def _lost(self, stale: StaleFence) -> None:
        self._job.stop()
        self._tell(f"{self} is stopped: {stale}")

    # --- the last word ----------------------------------------------------------------------------

    async def _close(self) -> None:
        outcome = self._job.outcome
        assert outcome is not None
        if not self._reporter.is_small:
            await self._reporter.send()
        try:
            await self._say_last(_last_word(outcome))
        except StaleFence:
            return  # It was told when that was heard.
        except UsageError as error:
            # What it gave cannot be sent as it is: too large, most likely.
            failure = Failure(kind="bad_output", message=f"its outcome was refused: {error}")
            await self._say_last(_last_word(Failed(failure)))

    async def _say_last(self, word: Json) -> None:
        if self._speaker.closed:
            return
        said = [*self._reporter.take(), word]
        try:
            results = await self._speaker.say(said, patience=math.inf)
            self._speaker.checked(results[-1])
        except (StaleFence, UsageError):
            raise
        except CallboardError as error:
            self._tell(f"what became of {self} was refused: {error}")


def _last_word(outcome: Outcome) -> Json:
    """Return how an attempt ended, as a message."""
    match outcome:
        case Done(output=output):
            return {"type": "success", "output": output}
        case NotDone(message=message):
            return {"type": "not_ready", "message": message}
        case Failed(failure=failure):
            return _failed(failure)
        case Suspended(wait=wait) if wait.schema is None:
            return {"type": "pause", "message": wait.message}
        case Suspended(wait=wait):
            return {"type": "wait", "input": wait.schema, "message": wait.message}
        case Lost(reason=reason):
            return _failed(Failure(kind="lost", message=reason))
        case Halted():
            return {"type": "release"}


def _failed(failure: Failure) -> Json:
    detail: Mapping[str, Any] | Any = failure.detail
    return {
        "type": "error",
        "kind": failure.kind,
        "message": failure.message,
        "retry_after": failure.retry_after,
        "detail": detail,
    }
