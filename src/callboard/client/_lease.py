"""A claimed task over HTTP, as whoever does it sees it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import anyio

from .._values import encode
from .._verbs import AsyncVerbs
from .._voice import Voice
from ..workflow import CallboardError, Creation, Refused, StaleFence
from ._http import Http
from ._messages import made_of, message_of
from ._records import Json, LeaseRecord, Upstream
from ._speaker import Speaker

LEAVE_SECONDS: Final = 5.0
"""How long giving a task back may take when its block is left in haste."""


class ClientLease(AsyncVerbs):
    """A claimed task: what it needs, and the words to report with.

    Each word returns when what follows from it is stored.  An ``external`` task with ``grows:
    true`` also has the words that change the graph.

    Attributes:
        record: All that came with the claim.
    """

    def __init__(self, http: Http, record: LeaseRecord) -> None:
        self.record = record
        self._speaker = Speaker(http, record.fence, record.run, record.lease, self._give_up)
        self._voice = Voice(record.task, self._grow, _bring_nothing, {})
        self._holes = _places(record)
        self._lost: StaleFence | None = None
        self._work: anyio.CancelScope | None = None

    @property
    def closed(self) -> bool:
        """Whether the claim has ended."""
        return self._speaker.closed

    @property
    def run(self) -> str:
        """The run's id."""
        return self.record.run

    @property
    def task(self) -> str:
        """The task's id."""
        return self.record.task

    @property
    def label(self) -> str:
        """The task's label."""
        return self.record.label

    @property
    def attempt(self) -> int:
        """The number of this attempt in its generation, from 1."""
        return self.record.attempt

    @property
    def key(self) -> str:
        """The same for all attempts of a generation: an idempotency key for the outside world."""
        return self.record.key

    @property
    def inputs(self) -> Json:
        """The task's inputs."""
        return self.record.inputs

    @property
    def run_inputs(self) -> Json:
        """The run's inputs."""
        return self.record.run_inputs

    @property
    def needs(self) -> Mapping[str, Upstream]:
        """What the tasks directly in front of it gave, by id."""
        return self.record.needs

    @property
    def earlier(self) -> Mapping[str, Upstream]:
        """What all tasks that have succeeded before it gave, by id."""
        return self.record.earlier

    @property
    def answers(self) -> Sequence[Json]:
        """What earlier waits of this generation were told."""
        return self.record.answers

    @property
    def holes(self) -> Mapping[str, str]:
        """What the task may fill: what may still come, by address, as of its last word."""
        return self._holes

    # --- how it goes ------------------------------------------------------------------------------

    async def heartbeat(self) -> None:
        """Keep the claim alive; that happens by itself as long as the block is not left.

        Raises:
            StaleFence: it has ended: stop working.
        """
        await self._speaker.say_one({"type": "heartbeat"})

    async def progress(
        self, fraction: float | None = None, message: str | None = None, data: Any = None
    ) -> None:
        """Tell how far the work is, from 0 to 1, and what is known of its data by now."""
        said = {"type": "progress", "fraction": fraction, "message": message, "data": encode(data)}
        await self._speaker.say_one(said)

    async def log(self, message: str, level: str = "info") -> None:
        """Keep a line about the work."""
        await self._speaker.say_one({"type": "log", "message": message, "level": level})

    async def success(self, output: Any = None) -> None:
        """Tell that the work is done."""
        await self._speaker.say_one({"type": "success", "output": encode(output)})

    async def error(
        self,
        message: str,
        *,
        kind: str = "error",
        retry_after: float | None = None,
        detail: Any = None,
    ) -> None:
        """Tell that the work failed."""
        said = {"type": "error", "message": message, "kind": kind, "retry_after": retry_after}
        await self._speaker.say_one({**said, "detail": encode(detail)})

    async def not_ready(self, message: str | None = None) -> None:
        """Tell that the run may not go on past this task, and that is no failure."""
        await self._speaker.say_one({"type": "not_ready", "message": message})

    async def wait(self, schema: Any = None, message: str | None = None) -> None:
        """End the claim; the task waits for an answer, and is then on the board again.

        Args:
            schema: The JSON Schema of the answer.
            message: The question.
        """
        if schema is None:
            await self._speaker.say_one({"type": "pause", "message": message})
        else:
            said = {"type": "wait", "input": encode(schema), "message": message}
            await self._speaker.say_one(said)

    async def release(self) -> None:
        """Give the task back to the board."""
        await self._speaker.say_one({"type": "release"})

    async def _grow(self, commands: Sequence[Creation]) -> list[Any]:
        answer = await self._speaker.say_one(message_of(commands))
        self._holes = _places(await self._speaker.lease())
        return made_of(commands, answer)

    @asynccontextmanager
    async def held(self) -> AsyncGenerator[ClientLease]:
        """Hold the claim while the block is not left: what :meth:`Client.claim` enters.

        Raises:
            StaleFence: the claim has ended before the block was left; the block was cancelled.
        """
        failure: Exception | None = None
        work = self._work = anyio.CancelScope()
        async with anyio.create_task_group() as group:
            with work:
                group.start_soon(self._speaker.keep_alive)
                try:
                    yield self
                except Exception as error:  # noqa: BLE001 - raised again outside the group
                    failure = error
                finally:
                    await self._leave(failure)
            group.cancel_scope.cancel()
        if failure is not None:
            raise failure
        if self._lost is not None and work.cancelled_caught:
            raise self._lost

    def _give_up(self, stale: StaleFence) -> None:
        self._lost = stale
        if self._work is not None:
            self._work.cancel()

    async def _leave(self, failure: Exception | None) -> None:
        """Say how it ended, if that was not said; the error that it left by weighs more."""
        if self.closed:
            return
        with (
            suppress(CallboardError),
            anyio.CancelScope(shield=True),
            anyio.move_on_after(LEAVE_SECONDS),
        ):
            if failure is not None:
                await self.error(f"{type(failure).__name__}: {failure}")
            else:
                await self.release()


def _places(record: LeaseRecord) -> dict[str, str]:
    return {each.id: each.shape for each in record.holes}


def _bring_nothing(path: str, function: Callable[..., Any]) -> None:
    """Let a function be found: over HTTP it is, where it is done, if it can be imported there."""
    del function
    if "<" in path:
        raise Refused(
            f"{path!r} cannot be found by whoever would do the task: it must be a function of a "
            "module, not one inside another function",
            kind="invalid",
        )
