"""The task that is running now, as the function that does it sees it."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar, TypeVarTuple, cast

from anyio import RunFinishedError, from_thread

from ._values import encode
from ._verbs import AsyncVerbs, SyncVerbs
from ._voice import Said, Voice
from .actors._busy import not_busy
from .executors import Attempt, Waiting, current_attempt
from .supervisor import Upstream
from .workflow import Creation, StaleFence, UsageError, Wait

_T = TypeVar("_T")
_Args = TypeVarTuple("_Args")


class _Running:
    """What both kinds of functions see: who the task is, what came before it, plain words."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._lease = lease = attempt.lease
        self._voice = Voice(
            lease.task, self._grow, attempt.functions.bring, attempt.names(), _mute(attempt)
        )

    async def _grow(self, commands: Sequence[Creation]) -> list[Any]:
        grow = self._lease.grow
        if grow is None:
            raise UsageError(f"task {self.task!r} runs where its graph cannot change")
        return await grow(commands)

    @property
    def run(self) -> str:
        """The run's id."""
        return self._lease.run

    @property
    def task(self) -> str:
        """The task's id."""
        return self._lease.task

    @property
    def label(self) -> str:
        """The task's label."""
        return self._lease.spec.name

    @property
    def generation(self) -> int:
        """How often the task was begun anew, from 1."""
        return self._lease.generation

    @property
    def attempt(self) -> int:
        """The number of this attempt in its generation, from 1."""
        return self._lease.attempt

    @property
    def key(self) -> str:
        """The same for all attempts of a generation: an idempotency key for the outside world."""
        return self._lease.key

    @property
    def needs(self) -> Mapping[str, Upstream]:
        """What the tasks in front of it gave, by id."""
        return self._lease.needs()

    @property
    def answers(self) -> tuple[Any, ...]:
        """What earlier waits of this generation were told."""
        return self._lease.answers

    @property
    def holes(self) -> Mapping[str, str]:
        """What this task may fill now: what may still come, by address."""
        return dict(self._lease.holes())

    def log(self, message: str, level: str = "info") -> None:
        """Keep a line in the run's log; it never waits."""
        self._lease.log("log", message, {"level": level})

    def progress(self, fraction: float, message: str | None = None, data: Any = None) -> None:
        """Tell how far the work is, from 0 to 1; it never waits."""
        body = {"fraction": fraction, "data": encode(data)}
        self._lease.log("progress", message or "", body)

    def _next_answer(self, schema: Any, message: str | None) -> Any:
        """Return the answer to this wait; if there is none yet, end the attempt."""
        attempt = self._attempt
        mute = _mute(attempt)
        if mute is not None:
            raise UsageError(mute)
        if self._voice.batch is not None:
            raise UsageError("wait() ends the attempt: leave the batch before it")
        number, attempt.waits = attempt.waits, attempt.waits + 1
        if number < len(self.answers):
            return self.answers[number]
        told = encode(schema, f"the schema that task {self.task!r} waits with")
        attempt.asked = Wait(kind="input", message=message, schema=told)
        raise Waiting


def _mute(attempt: Attempt) -> str | None:
    """Return why an attempt cannot change the graph or wait, if it cannot."""
    spec = attempt.lease.spec
    if spec.kind == "function":
        return None
    return f"task {attempt.lease.task!r} only probes: a {spec.kind!r} task can do nothing else"


class Current(_Running, AsyncVerbs):
    """The running task: who it is, what came before it, and the words it has."""

    async def wait(self, schema: Any = None, message: str | None = None) -> Any:
        """Return what a person answers; until then nothing of this task runs and no slot is held.

        Without an answer yet this attempt ends here; the answer begins another one, from the
        function's beginning, in which this call returns it.  The n-th ``wait`` gets the n-th
        answer.  What the attempt has created stays.

        Args:
            schema: The JSON Schema of the answer.
            message: The question.

        Raises:
            UsageError: the schema is no JSON, or this is inside a batch.
        """
        return self._next_answer(schema, message)


class CurrentSync(_Running, SyncVerbs):
    """The running task, as a function in a thread sees it: its words block."""

    def wait(self, schema: Any = None, message: str | None = None) -> Any:
        """Return what a person answers, as :meth:`Current.wait` does."""
        return self._next_answer(schema, message)

    def _send(self, said: Sequence[Said], /) -> None:
        self._block(self._voice.send, said)

    def _block(self, function: Callable[[*_Args], Awaitable[_T]], *args: *_Args) -> _T:
        """Await something on the loop of the engine, from whatever thread this is."""
        home = self._attempt.home
        if home.is_here:
            raise UsageError(
                "this would block the event loop: in an async function say callboard.current() "
                "and await its words"
            )
        waits = threading.get_ident() == self._attempt.thread

        async def call() -> _T:
            if not waits:
                return await function(*args)
            with not_busy():  # The thread that counts as busy waits for this.
                return await function(*args)

        try:
            return from_thread.run(call, token=home.token)
        except RunFinishedError:
            raise StaleFence(
                f"the engine of task {self.task!r} is gone: it has no effect"
            ) from None


def _attempt() -> Attempt:
    attempt = current_attempt.get(None)
    if attempt is None:
        raise UsageError(
            "callboard.current() was called outside a task: call it in a task's function"
        )
    return attempt


def current() -> Current:
    """Return the running task; works in async functions and in sync ones in their threads.

    In a thread its words block, see :func:`current_sync`.

    Raises:
        UsageError: no task is running here.
    """
    attempt = _attempt()
    return Current(attempt) if attempt.home.is_here else cast("Current", CurrentSync(attempt))


def current_sync() -> CurrentSync:
    """Return the running task for sync functions: its words block instead of being awaited.

    Raises:
        UsageError: no task is running here.
    """
    return CurrentSync(_attempt())
