"""The way back of a question: a place for one answer, with one asker waiting for it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

from ._errors import LOGGER
from ._parking import Spot, new_spot

R = TypeVar("R")


class Reply(Generic[R]):
    """Where the answer to one ``ask`` goes; it travels inside the message.

    Answering never waits. Only the first answer counts: a second one, or one to an asker who has
    gone (cancelled, timed out, or told that the actor stopped), changes nothing and is logged.
    """

    __slots__ = ("_error", "_name", "_over", "_settled", "_spot", "_state", "_value")

    def __init__(self, name: str, settled: Callable[[Reply[Any]], None]) -> None:
        self._name = name
        self._settled = settled
        self._state = "open"
        self._value: R | None = None
        self._error: Exception | None = None
        self._spot: Spot | None = None

    @property
    def is_open(self) -> bool:
        """Whether the asker still waits for an answer."""
        return self._state == "open"

    def send(self, value: R) -> None:
        """Answer."""
        if self._settle("answered"):
            self._value = value

    def fail(self, error: Exception) -> None:
        """Answer with an error, which ``ask`` raises in the asker."""
        if self._settle("answered"):
            self._error = error

    def forget(self) -> None:
        """Say that the asker has gone (done by ``ask`` itself)."""
        if self._state == "open":
            self._settle("forgotten")

    async def wait(self) -> R:
        """Wait for the answer (done by ``ask`` itself)."""
        if self._state == "open":
            self._spot = new_spot()
            await self._spot
        if self._error is not None:
            raise self._error
        return cast("R", self._value)

    def _settle(self, state: str) -> bool:
        if self._state != "open":
            level, why = logging.WARNING, "it was answered before"
            if self._state == "forgotten":
                level, why = logging.INFO, "the asker has gone"
            LOGGER.log(level, "An answer of actor %r was dropped: %s.", self._name, why)
            return False
        self._state = state
        self._settled(self)
        if self._spot is not None:
            self._spot.wake()
        return True
