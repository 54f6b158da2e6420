"""How a task gets done: the small protocol between the supervisor and whoever does the work."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import attrs

from .._frozen import frozen
from ..workflow import Creation, Failure, Run, Stop, Task, TaskSpec, Wait, WorkflowSpec
from ._secrets import NO_SECRETS, Secrets


@frozen
class Done:
    """The work is done."""

    output: Any = None


@frozen
class NotDone:
    """The work found that the run may not go on past it; that is no failure."""

    message: str | None = None


@frozen
class Failed:
    """The work failed."""

    failure: Failure


@frozen
class Suspended:
    """The work gives its slot back and goes on when the wait is over."""

    wait: Wait


@frozen
class Lost:
    """Whoever did the work died under it, and nothing of the work goes on."""

    reason: str


@frozen
class Halted:
    """The work was stopped; ``note`` tells what could not be stopped."""

    note: str | None = None


Outcome: TypeAlias = Done | NotDone | Failed | Suspended | Lost | Halted


@frozen
class Upstream:
    """An earlier task as a later one sees it."""

    label: str
    output: Any


@attrs.define(eq=False)
class Lease:
    """The right and the duty to do one attempt of a task, and all that is needed for it.

    Attributes:
        inputs: What ``with:`` or the call gave, with every expression and reference resolved.
        answers: What earlier waits of this generation were told, in order.
        note: ``note(lease, stream, text, data)`` keeps a line; it never waits.
        waited: Seconds since it began, if an earlier engine began it.
        config: The kind's own settings, resolved likewise.
        env: Environment variables, resolved likewise.
        secrets: Values that must not appear in what is stored.
        remains: Set by an executor that could not end what it started: what is left.
        grow: Changes the graph of the run in the name of this attempt, all of a batch or nothing;
            returns what each command made when that is stored.
        holes: Gives what the task may fill at the moment: addresses, and what may come there.
        killed: A promise was broken: it is killed, and neither told nor terminated before.
        lingering: Set by an executor that could not stop its work: awaiting it ends when the work
            has.
    """

    run: str
    task: str
    spec: TaskSpec
    generation: int
    attempt: int
    fence: str
    workflow: WorkflowSpec
    note: Callable[[Lease, str, str, Any], None]
    inputs: Any = None
    config: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    env: Mapping[str, str] | None = None
    secrets: Secrets = NO_SECRETS
    remains: str | None = None
    answers: tuple[Any, ...] = ()
    needs: Callable[[], Mapping[str, Upstream]] = dict[str, Upstream]
    waited: float | None = None
    grow: Callable[[Sequence[Creation]], Awaitable[list[Any]]] | None = None
    holes: Callable[[], Sequence[tuple[str, str]]] = tuple[tuple[str, str]]
    killed: bool = False
    lingering: Callable[[], Awaitable[None]] | None = None

    def log(self, stream: str, text: str, data: Mapping[str, Any] | None = None) -> None:
        """Keep a line of this attempt: ``stream`` is stdout, stderr, log or progress."""
        self.note(self, stream, self.mask(text), self.secrets.mask_fields(data))

    def mask(self, text: str) -> str:
        """Return a text without the secrets that this attempt was given."""
        return self.secrets.mask(text)

    @property
    def stop(self) -> Stop:
        """The times between being told, terminated and killed."""
        return _AT_ONCE if self.killed else self.spec.options.stop

    @property
    def key(self) -> str:
        """The same for all attempts of a generation: an idempotency key for the outside world."""
        return f"{self.run}:{self.task}:{self.generation}"


@frozen
class Settings:
    """A task's settings with nothing left open, and the secrets in them or in its inputs."""

    config: Mapping[str, Any]
    env: Mapping[str, str] | None = None
    secrets: Sequence[str] = ()


class Executor(Protocol):
    """Does tasks of one kind."""

    def check(self, spec: TaskSpec) -> None:
        """Tell before a task begins whether this executor can do it here; quick.

        Raises:
            NoExecutor: it cannot, and the text says what is needed; the task stays ready.
        """
        ...

    async def execute(self, lease: Lease) -> Outcome:
        """Do one attempt and return how it ended.

        An exception is a failure of kind ``error``.  Cancelling this call is how an attempt is
        stopped: the executor stops its work in the three steps of ``lease.stop``, shielded, and
        lets the cancellation go on.
        """
        ...


class Binder(Protocol):
    """Resolves what a definition left open until a task starts; pure, and quick."""

    def condition(self, run: Run, task: Task) -> bool:
        """Return whether a task's ``when`` holds."""
        ...

    def inputs(self, run: Run, task: Task) -> Any:
        """Return a task's inputs with expressions and references resolved."""
        ...

    def settings(self, run: Run, task: Task) -> Settings:
        """Return a kind's own settings and environment with expressions resolved."""
        ...

    def output(self, run: Run) -> Any:
        """Return the output of a run that succeeded."""
        ...


_AT_ONCE = Stop(grace=0.0, term=0.0)


class NoExecutor(Exception):
    """Nobody here can do this task now; it stays ready with this reason."""
