"""What anybody may say to a run; :func:`callboard.workflow.apply` decides what follows."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import attrs

from ._definition import Failure
from ._message import message
from ._states import RunState, TaskState
from .events import Wait

Deadline: TypeAlias = Literal["attempt", "total", "queued", "retry", "sleep", "run"]


@message
class Begin:
    """Give the lease on a ready task to a worker."""

    task: str
    fence: str
    worker: str | None = None


@message
class BeginWait:
    """Let a ready task wait without a slot: for a person, a time, a condition or another run."""

    task: str
    wait: Wait
    fence: str | None = None


@message
class Succeed:
    """The attempt under this fence did its work."""

    task: str
    fence: str
    output: Any = None


@message
class SucceedStep:
    """A ready task that nobody does counts as done."""

    task: str
    output: Any = None
    reason: str | None = None


@message
class NotReady:
    """The attempt under this fence found that the run may not go on past it; that is no failure."""

    task: str
    fence: str
    message: str | None = None


@message
class Fail:
    """The attempt under this fence failed; without a fence, a ready task cannot be started."""

    task: str
    failure: Failure
    fence: str | None = None


@message
class Suspend:
    """The attempt under this fence gives its slot back and waits."""

    task: str
    fence: str
    wait: Wait


@message
class Stopped:
    """The attempt under this fence was stopped; ``note`` tells what of it could not be."""

    task: str
    fence: str
    note: str | None = None


@message
class Lose:
    """The engine or worker that held this fence is gone."""

    task: str
    fence: str
    reason: str


@message
class Skip:
    """A ready task's own condition is false; its successors go on."""

    task: str
    reason: str


@message
class Due:
    """A deadline has come; whether it still matters is seen from the state."""

    what: Deadline
    task: str | None = None


@message
class Pause:
    """Start nothing more until unpaused."""

    by: str | None = None


@message
class Unpause:
    """Start tasks again."""

    by: str | None = None


@message
class Cancel:
    """Stop everything and end the run in ``state``."""

    by: str | None = None
    reason: str = "cancelled"
    state: RunState = RunState.CANCELLED


@message
class Restart:
    """Do a task and all behind it anew."""

    task: str
    by: str | None = None


@message
class Settle:
    """Set a task's outcome by hand."""

    task: str
    state: TaskState
    output: Any = None
    by: str | None = None


@message
class Answer:
    """Tell a waiting task what it waits for."""

    task: str
    value: Any
    by: str | None = None


@message
class OpenHole:
    """Put a place for tasks to come into the graph."""

    hole: str
    shape: str
    owner: str | None = None
    after: tuple[str, ...] = ()
    before: tuple[str, ...] = ()


@message
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
