"""What a run actor is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import attrs

from .._frozen import frozen
from ..actors import Reply
from ..storage import Json, LogLine
from ..workflow import CallboardError, Command, StoreError
from ._runners import Job


@frozen
class Note:
    """Lines about an attempt, whose writer waits until they are stored."""

    task: str
    fence: str
    lines: Sequence[LogLine]


@frozen
class Signed:
    """What a worker elsewhere says under a number of its own: the answer is stored with it.

    Attributes:
        answer: Makes the answer, of what was made or of why it was refused.
        before: Answers to what came before it under this number and had nothing to store, by part.
    """

    fence: str
    seq: int
    part: int
    answer: Callable[[Sequence[Any], CallboardError | None], Json]
    before: Mapping[int, Json] = {}


@attrs.define
class Ask:
    """A command whose sender waits until what followed from it is committed.

    Attributes:
        signed: How its answer is stored, if it may be said again.
        expected: The version that the run must have.
        posted: It came through the store: the run is not let go before its answer is stored, too,
            which :class:`Answered` tells.
    """

    command: Command | Note
    reply: Reply[list[Any]]
    posted: bool = False
    signed: Signed | None = None
    expected: int | None = None


@attrs.define
class Answered:
    """The answer to a posted command is stored."""


@attrs.define
class Look:
    """Start what can be started.

    Attributes:
        again: What could not be started may have become possible: an executor was added.
    """

    again: bool = False


@attrs.define
class PoolGranted:
    """A slot of a task's pool is ours, under this fence; or, for a wish taken back, is not."""

    task: str
    fence: str
    granted: bool = True


@attrs.define
class Broken:
    """Something that the run waits for cannot be stored: the run is set aside."""

    error: StoreError


@attrs.define
class Quit:
    """Start nothing more, let end or stop what runs, write it down and give the run up.

    Attributes:
        now: Stop at once what runs; otherwise only start nothing more.
    """

    now: bool


RunMessage: TypeAlias = Job | Ask | Answered | Command | Look | PoolGranted | Broken | Quit
