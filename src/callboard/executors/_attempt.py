"""One attempt of a function, as the function's own words see it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Protocol

import attrs
from anyio.lowlevel import EventLoopToken, current_token

from ..supervisor import Lease
from ..workflow import Wait


class Waiting(BaseException):
    """Unwinds a function whose attempt ends because it waits; no ``except Exception`` stops it."""


class Functions(Protocol):
    """Where functions are found that tasks call."""

    def bring(self, path: str, function: Callable[..., Any]) -> None:
        """Let tasks that a running one creates find their function."""
        ...


@attrs.frozen(eq=False)
class Home:
    """The event loop that attempts are done on, as other threads see it."""

    token: EventLoopToken
    thread: int

    @classmethod
    def here(cls) -> Home:
        """Return the loop that runs now."""
        return cls(current_token(), threading.get_ident())

    @property
    def is_here(self) -> bool:
        """Whether this is the thread of the loop."""
        return threading.get_ident() == self.thread


@attrs.define(eq=False, weakref_slot=False)
class Attempt:
    """What is kept for one attempt while its function runs.

    Attributes:
        lease: The right to do it.
        functions: Where what it creates is registered.
        home: The loop that it is done on.
        thread: The thread in which a sync function runs, once it does.
        named: How many tasks and holes of each name it has created without a key.
        waits: How often it has waited for an answer.
        asked: The wait with which it ends: whatever its function still does, that counts.
    """

    lease: Lease
    functions: Functions
    home: Home
    thread: int | None = None
    named: dict[str, int] | None = None
    waits: int = 0
    asked: Wait | None = None

    def names(self) -> dict[str, int]:
        """Return the numbers of its creations, one and the same for all of the attempt."""
        if self.named is None:
            self.named = {}
        return self.named

    def in_own_thread(self, call: Callable[[], Any]) -> Any:
        """Call a sync function, and note where."""
        self.thread = threading.get_ident()
        return call()


current_attempt: ContextVar[Attempt] = ContextVar("callboard_attempt")
