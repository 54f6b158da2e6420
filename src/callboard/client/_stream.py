"""Server-sent events, one after another; cut off, it goes on behind the last one that it had."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar, cast

import anyio
import httpx2
import msgspec

from ..workflow import StoreError
from ._errors import Unreachable
from ._http import Backoff, Http

_T = TypeVar("_T")

SILENT_SECONDS: Final = 45.0
"""How long nothing may come, not even a beat, before the connection is taken for dead."""

_END: Final = "end"


class Stream(Generic[_T]):
    """Gives what comes, until the run has ended: ``async for each in stream``.

    It is an object and no generator: it may be left early, and closed with :meth:`aclose`, as a
    block, or by the client.

    Args:
        http: The server.
        path: What is read.
        query: Its parameters.
        after: The number of the last one that is not wanted.
        read: Makes of the number and the JSON of a message what is given.
    """

    def __init__(
        self,
        http: Http,
        path: str,
        query: Mapping[str, Any],
        after: int,
        read: Callable[[int, Any], _T],
    ) -> None:
        self._http = http
        self._path = path
        self._query = query
        self._last = after
        self._read = read
        self._response: httpx2.Response | None = None
        self._lines: AsyncGenerator[str, None] | None = None
        self._over = False

    def __aiter__(self) -> Self:
        """Return itself."""
        return self

    async def __anext__(self) -> _T:
        """Return what came next.

        Raises:
            StopAsyncIteration: the run has ended, and that was all.
            Unreachable: the server is away for too long.
        """
        backoff: Backoff | None = None
        while not self._over:
            try:
                lines = self._lines or await self._opened()
                # Beats come in between: silence is a dead connection.
                said = await _message(lines)
            except (httpx2.TransportError, TimeoutError, StoreError, Unreachable) as error:
                await self.aclose()
                backoff = backoff or Backoff(self._http.patience)
                if not await backoff.wait():
                    raise Unreachable(f"{self._http.url} cannot be reached: {error}") from error
                continue
            if said is None:
                # It ended without a word: the server is being stopped, and comes again.
                await self.aclose()
                backoff = backoff or Backoff(self._http.patience)
                if not await backoff.wait():
                    raise Unreachable(f"{self._http.url} gives no more events")
                continue
            name, number, data = said
            if name == _END:
                self._over = True
                await self.aclose()
            elif number is not None and number > self._last:
                self._last = number
                return self._read(number, msgspec.json.decode(data))
        raise StopAsyncIteration

    async def _opened(self) -> AsyncGenerator[str, None]:
        self._response = await self._http.open(self._path, self._query, self._last)
        self._http.streams.add(self)
        # Its type does not say so, and yet it is one: what is left early has to be closed.
        lines = cast("AsyncGenerator[str, None]", self._response.aiter_lines())
        self._lines = lines
        return lines

    async def aclose(self) -> None:
        """Hang up; what is asked for afterwards begins behind what was given."""
        self._http.streams.discard(self)
        lines, self._lines = self._lines, None
        response, self._response = self._response, None
        if lines is not None:
            # Closing it would leave those within it that it reads from; an error in the innermost
            # one ends them all.
            with suppress(httpx2.TransportError), anyio.CancelScope() as scope:
                scope.cancel()
                async for _ in lines:
                    pass
        if response is not None:
            with anyio.CancelScope(shield=True):
                await response.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()


async def _message(lines: AsyncGenerator[str, None]) -> tuple[str, int | None, str] | None:
    """Return the next message: its name, its number if it has one, and its data; None at the end.

    Raises:
        TimeoutError: nothing came for a long time.
    """
    name, number, data = "message", None, list[str]()
    while True:
        with anyio.fail_after(SILENT_SECONDS):
            line = await anext(lines, None)
        if line is None:
            return None
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line and data:
            return name, number, "\n".join(data)
        if not line:
            name, number = "message", None
        elif field == "data":
            data.append(value)
        elif field == "event":
            name = value
        elif field == "id" and value.isascii() and value.isdecimal():
            number = int(value)
