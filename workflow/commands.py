"""What anybody may say to a run; :func:`callboard.workflow.apply` decides what follows."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import attrs

from .._frozen import frozen
from ._definition import Failure, TaskSpec
from ._message import message
from ._states import RunState, TaskState
from ._texts import storable
from .events import Wait

Deadline: TypeAlias = Literal["attempt", "total", "queued", "retry", "sleep", "run"]


@message
class Begin:
    """Give the lease on a ready task to a worker, for so many seconds without a word from it."""

    task: str
    fence: str
    worker: str | None = None
    lease: float | None = None


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
    reason: str | None = attrs.field(default=None, converter=storable)


@message
class NotReady:
    """The attempt under this fence found that the run may not go on past it; that is no failure."""

    task: str
    fence: str
    message: str | None = attrs.field(default=None, converter=storable)


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
    note: str | None = attrs.field(default=None, converter=storable)


@message
class Lose:
    """The engine or worker that held this fence is gone."""

    task: str
    fence: str
    reason: str = attrs.field(converter=storable)


@message
class Skip:
    """A ready task's own condition is false; its successors go on."""

    task: str
    reason: str = attrs.field(converter=storable)


@message
class Due:
    """A deadline has come; whether it still matters is seen from the state."""

    what: Deadline
    task: str | None = None


@message
class Pause:
    """Start nothing more until unpaused."""

    by: str | None = attrs.field(default=None, converter=storable)


@message
class Unpause:
    """Start tasks again."""

    by: str | None = attrs.field(default=None, converter=storable)


@message
class Cancel:
    """Stop everything and end the run in ``state``."""

    by: str | None = attrs.field(default=None, converter=storable)
    reason: str = attrs.field(default="cancelled", converter=storable)
    state: RunState = RunState.CANCELLED


@message
class Restart:
    """Do a task and all behind it anew."""

    task: str
    by: str | None = attrs.field(default=None, converter=storable)


@message
class Settle:
    """Set a task's outcome by hand."""

    task: str
    state: TaskState
    output: Any = None
    by: str | None = attrs.field(default=None, converter=storable)


@message
class Answer:
    """Tell a waiting task what it waits for."""

    task: str
    value: Any
    by: str | None = attrs.field(default=None, converter=storable)


# --- growing --------------------------------------------------------------------------------------


@message
class AddTask:
    """Create a task.

    Attributes:
        new: How it is done, if that is said; its id and name do not count.  A name alone takes
            what the definition says of tasks with that name.
        inputs: What it is given, instead of what ``new`` or the definition says.
        key: What makes it the same task when a later attempt creates it again; by default its
            label and its number among the creator's creations.
        after: What it runs after, and so where it may stand.
        before: What runs after it, likewise.
        into: A hole, an instance in it, or one place.
    """

    name: str
    new: TaskSpec | None = None
    key: str | None = None
    inputs: Any = None
    after: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    into: str | None = None


@message
class AddEdge:
    """Let a task that has not started run after another one."""

    source: str
    target: str


@message
class OpenHole:
    """Put a place for tasks to come into the graph.

    Attributes:
        hole: Its id; made up if not given.
        owner: Who fills it; whoever opens it if not given.
    """

    shape: str
    hole: str | None = None
    owner: str | None = None
    after: tuple[str, ...] = ()
    before: tuple[str, ...] = ()


@message
class GiveHole:
    """Let another task fill a hole, or a part of it."""

    hole: str
    to: str


@message
class CloseHole:
    """Nothing more comes into a hole, or into a part of it."""

    hole: str


@message
class Withdraw:
    """Take back a task that was created and has not begun."""

    task: str


@message
class Promise:
    """From now on this holds."""

    text: str


@message
class Style:
    """Let a task, or an edge as a pair of ids, look different."""

    target: str | tuple[str, str]
    label: str | None = attrs.field(default=None, converter=storable)
    color: str | None = None


@message
class Again:
    """Do a task and all behind it anew when this attempt succeeds."""

    task: str


Creation: TypeAlias = (
    AddTask | AddEdge | OpenHole | GiveHole | CloseHole | Withdraw | Promise | Style | Again
)
"""What changes a graph while it runs."""


@message
class Grow:
    """Change the graph: all of it or nothing.

    What was made is told by :attr:`~callboard.workflow.Deciding.answers`, one for each command.

    Attributes:
        task: The task that says it, under its lease; None for a person.
    """

    commands: tuple[Creation, ...]
    task: str | None = None
    fence: str | None = None


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
    | Grow
)


@frozen(kw_only=True)
class StopAttempt:
    """Stop whatever works under this fence; it will report that it stopped."""

    task: str
    fence: str
    reason: str = attrs.field(converter=storable)


@frozen(kw_only=True)
class SetTimer:
    """Say ``Due(what, task)`` at this wall time."""

    what: Deadline
    at: float
    task: str | None = None


Effect: TypeAlias = StopAttempt | SetTimer
