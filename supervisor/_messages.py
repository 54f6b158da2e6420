"""What a run actor is told."""

from __future__ import annotations

from typing import Any, TypeAlias

import attrs

from ..actors import Reply
from ..workflow import Command, StoreError
from ._runners import Job


@attrs.define
class Ask:
    """A command whose sender waits until what followed from it is committed.

    Attributes:
        posted: It came through the store: the run is not let go before its answer is stored, too,
            which :class:`Answered` tells.
    """

    command: Command
    reply: Reply[list[Any]]
    posted: bool = False


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
