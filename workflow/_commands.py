"""What anybody may say to a run; :func:`callboard.workflow.apply` decides what follows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import attrs

from ._definition import Failure
from ._events import Wait
from ._states import RunState, TaskState

if TYPE_CHECKING:
    _command = attrs.frozen(kw_only=True)
else:
    # As for the events: made twice a task, so plain at run time.
    _command = attrs.define(kw_only=True)

Deadline: TypeAlias = Literal["attempt", "total", "queued", "retry", "sleep", "run"]


@_command
class Begin:
    """Give the lease on a ready task to a worker."""

    task: str
    fence: str
    worker: str | None = None


@_command
class BeginWait:
    """Let a ready task wait without a slot: for a person, a time, a condition or another run."""

    task: str
    wait: Wait
    fence: str | None = None


@_command
class Succeed:
    """The attempt under this fence did its work."""

    task: str
    fence: str
    output: Any = None


@_command
class SucceedStep:
    """A ready task that nobody does counts as done."""

    task: str
    output: Any = None
    reason: str | None = None


@_command
class NotReady:
    """The attempt under this fence found that the run may not go on past it; that is no failure."""

    task: str
    fence: str
    message: str | None = None


@_command
class Fail:
    """The attempt under this fence failed; without a fence a ready task cannot be started at all."""

    task: str
    failure: Failure
    fence: str | None = None


@_command
class Suspend:
    """The attempt under this fence gives its slot back and waits."""

    task: str
    fence: str
    wait: Wait


@_command
class Stopped:
    """The attempt under this fence ended because it was stopped; ``note`` tells what could not be stopped."""

    task: str
    fence: str
    note: str | None = None


@_command
class Lose:
    """The engine or worker that held this fence is gone."""

    task: str
    fence: str
    reason: str


@_command
class Skip:
    """A ready task's own condition is false; its successors go on."""

    task: str
    reason: str


@_command
class Due:
    """A deadline has come; whether it still matters is seen from the state."""

    what: Deadline
    task: str | None = None


@_command
class Pause:
    """Start nothing more until unpaused."""

    by: str | None = None


@_command
class Unpause:
    """Start tasks again."""

    by: str | None = None


@_command
class Cancel:
    """Stop everything and end the run in ``state``."""

    by: str | None = None
    reason: str = "cancelled"
    state: RunState = RunState.CANCELLED


@_command
class Restart:
    """Do a task and all behind it anew."""

    task: str
    by: str | None = None


@_command
class Settle:
    """Set a task's outcome by hand."""

    task: str
    state: TaskState
    output: Any = None
    by: str | None = None


@_command
class Answer:
    """Tell a waiting task what it waits for."""

    task: str
    value: Any
    by: str | None = None


@_command
class OpenHole:
    """Put a place for tasks to come into the graph."""

    hole: str
    shape: str
    owner: str | None = None
    after: tuple[str, ...] = ()
    before: tuple[str, ...] = ()


@_command
class CloseHole:
    """Nothing more comes into a hole."""

    hole: str


Command: TypeAlias = (
    Begin
    | BeginWait
    | Succeed
    | SucceedStep
    | NotReady
    | Fail
    | Suspend
    | Stopped
    | Lose
    | Skip
    | Due
    | Pause
    | Unpause
    | Cancel
    | Restart
    | Settle
    | Answer
    | OpenHole
    | CloseHole
)


@attrs.frozen(kw_only=True)
class StopAttempt:
    """Stop whatever works under this fence; it will report that it stopped."""

    task: str
    fence: str
    reason: str


@attrs.frozen(kw_only=True)
class SetTimer:
    """Say ``Due(what, task)`` at this wall time."""

    what: Deadline
    at: float
    task: str | None = None


Effect: TypeAlias = StopAttempt | SetTimer
