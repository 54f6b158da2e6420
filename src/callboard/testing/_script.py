"""An executor that does what a test says, and remembers what it was asked to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import anyio
import attrs

from .._frozen import frozen
from ..supervisor import Done, Executor, Failed, Lease, NoExecutor, NotDone, Outcome, Suspended
from ..workflow import Failure, TaskSpec, Wait

SLOT_KINDS: Final = ("function", "python", "shell", "http", "container")
"""The kinds whose attempts hold a slot: what a script plays unless told otherwise."""


@frozen(kw_only=True)
class Step:
    """What one attempt does: it takes its time, then it comes to its outcome or raises.

    Attributes:
        after: Seconds that it takes.
        outcome: What it comes to.
        error: What it raises instead.
        hangs: Whether it goes on until it is cancelled.
        cleanup: Seconds that it takes to clean up, shielded, when it is cancelled.
    """

    after: float = 0.0
    outcome: Outcome = attrs.field(factory=Done)
    error: Exception | None = None
    hangs: bool = False
    cleanup: float = 0.0


def succeed(output: Any = None, *, after: float = 0.0, cleanup: float = 0.0) -> Step:
    """Succeed with an output."""
    return Step(after=after, outcome=Done(output), cleanup=cleanup)


def fail(
    message: str = "it failed",
    *,
    kind: str = "error",
    after: float = 0.0,
    retry_after: float | None = None,
) -> Step:
    """Fail with an error of a kind."""
    return Step(
        after=after, outcome=Failed(Failure(kind=kind, message=message, retry_after=retry_after))
    )


def crash(error: Exception, *, after: float = 0.0) -> Step:
    """Raise an exception."""
    return Step(after=after, error=error)


def not_ready(message: str | None = None, *, after: float = 0.0) -> Step:
    """Find that the run may not go on past the task."""
    return Step(after=after, outcome=NotDone(message))


def suspend(
    message: str | None = None,
    *,
    schema: Any = None,
    until: float | None = None,
    after: float = 0.0,
) -> Step:
    """Give the slot back and wait for an answer, or until a wall time."""
    kind = "input" if until is None else "sleep"
    wait = Wait(kind=kind, message=message, schema=schema, until=until)
    return Step(after=after, outcome=Suspended(wait))


def hang(*, cleanup: float = 0.0) -> Step:
    """Go on until cancelled."""
    return Step(hangs=True, cleanup=cleanup)


@attrs.define
class Call:
    """One attempt that a script has played.

    Attributes:
        started: The loop's time at which it began.
        ended: When it ended, its clean-up included; None while it runs.
        cancelled: Whether it was stopped.
        inputs: What it was given.
    """

    run: str
    task: str
    generation: int
    attempt: int
    started: float
    inputs: Any = None
    ended: float | None = None
    cancelled: bool = False


Steps: TypeAlias = Step | Sequence[Step] | Callable[[Lease], Step]


class Script:
    """Plays tasks: ``Engine(store, executors=Script({"a": [fail(), succeed(1)]}).executors())``.

    Args:
        steps: By task id: what its attempts do, one after another (the last one again and again),
            or
            a function of the lease that says it.
        default: What all other tasks do.
        lacks: Tasks that it says it cannot do; may be changed at any time.
    """

    def __init__(
        self,
        steps: Mapping[str, Steps] | None = None,
        *,
        default: Steps | None = None,
        lacks: Sequence[str] = (),
    ) -> None:
        self.steps: dict[str, Steps] = dict(steps or {})
        self.lacks = set(lacks)
        self.calls: list[Call] = []
        self.peak = 0
        """The largest number of attempts that ever ran at once."""
        self._default: Steps = succeed() if default is None else default
        self._running = 0
        self._changed = anyio.Event()

    def executors(self, *kinds: str) -> dict[str, Executor]:
        """Return this script as the executor of these kinds, or of all that hold a slot."""
        return dict.fromkeys(kinds or SLOT_KINDS, self)

    def starts(self, task: str) -> list[float]:
        """Return the loop's times at which attempts of a task began."""
        return [call.started for call in self.calls if call.task == task]

    @property
    def order(self) -> list[str]:
        """The tasks in the order of their attempts."""
        return [call.task for call in self.calls]

    @property
    def running(self) -> list[Call]:
        """The attempts that have not ended."""
        return [call for call in self.calls if call.ended is None]

    async def until(self, condition: Callable[[Script], bool]) -> None:
        """Wait until a condition of the script holds; it is asked at every start and end."""
        while not condition(self):
            await self._changed.wait()

    async def until_started(self, task: str, times: int = 1) -> None:
        """Wait until so many attempts of a task have begun."""
        await self.until(lambda script: len(script.starts(task)) >= times)

    def check(self, spec: TaskSpec) -> None:
        """Refuse what the script lacks."""
        if spec.id in self.lacks:
            raise NoExecutor(f"needs {spec.id!r}, which this script lacks")

    async def execute(self, lease: Lease) -> Outcome:
        """Play one attempt."""
        call = Call(
            lease.run,
            lease.task,
            lease.generation,
            lease.attempt,
            anyio.current_time(),
            lease.inputs,
        )
        self.calls.append(call)
        self._running += 1
        self.peak = max(self.peak, self._running)
        self._note()
        step = self._step(lease)
        try:
            return await _play(step)
        except anyio.get_cancelled_exc_class():
            call.cancelled = True
            with anyio.CancelScope(shield=True):
                await anyio.sleep(step.cleanup)
            raise
        finally:
            call.ended = anyio.current_time()
            self._running -= 1
            self._note()

    def _step(self, lease: Lease) -> Step:
        steps = self.steps.get(lease.task, self._default)
        if isinstance(steps, Step):
            return steps
        if callable(steps):
            return steps(lease)
        played = sum(call.run == lease.run and call.task == lease.task for call in self.calls)
        return steps[min(played, len(steps)) - 1]

    def _note(self) -> None:
        changed, self._changed = self._changed, anyio.Event()
        changed.set()


async def _play(step: Step) -> Outcome:
    if step.hangs:
        await anyio.sleep_forever()
    await anyio.sleep(step.after)
    if step.error is not None:
        raise step.error
    return step.outcome
