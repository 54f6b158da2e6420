"""Requests and their answers: repeated while the server is away, its problems raised as errors."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Final, Protocol, Self, TypeVar

import anyio
import httpx2
import msgspec

from ..workflow import CallboardError, InternalError, UsageError
from ._errors import Unreachable, error_of, kind_of

_T = TypeVar("_T")

FIRST_SECONDS: Final = 0.1
MOST_SECONDS: Final = 5.0
"""The waits between two tries: twice as long each time, from one to the other, with jitter."""

_IDLE_SECONDS: Final = 3.0
"""How long a connection is kept for the next request: less than servers keep it."""

_READ_SECONDS: Final = 30.0
_BUSY: Final = frozenset((429, 502, 503, 504))
_UNKNOWN: Final = "; whether it was done is not known"
_NOT_SENT: Final = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)
"""The server has seen nothing of such a request: it may be made again, whatever it is."""


class Backoff:
    """When to try again.

    Args:
        patience: Seconds after which no more tries begin.
        first: Seconds before the second try.
        most: Seconds that no wait exceeds.
    """

    def __init__(
        self, patience: float, *, first: float = FIRST_SECONDS, most: float = MOST_SECONDS
    ) -> None:
        self._until = anyio.current_time() + patience
        self._next = first
        self._most = most

    async def wait(self, least: float = 0.0) -> bool:
        """Wait until the next try; return False at once if there is to be none."""
        seconds = max(least, self._next * random.uniform(0.5, 1.0))
        if anyio.current_time() + seconds > self._until:
            return False
        self._next = min(self._most, 2 * self._next)
        await anyio.sleep(seconds)
        return True


class Closable(Protocol):
    """What holds a connection, and must be closed before the client is."""

    async def aclose(self) -> None:
        """Hang up."""
        ...


class Http:
    """One server.

    Args:
        url: Where it is: ``http://127.0.0.1:8700``, with a path if it is mounted somewhere.
        token: What is said as ``Authorization: Bearer``.
        patience: Seconds for which it is tried again while the server is away.
        transport: Carries requests some other way than over the network.
        connections: How many requests may be under way at once.
    """

    def __init__(
        self,
        url: str,
        token: str | None,
        patience: float,
        transport: httpx2.AsyncBaseTransport | None = None,
        connections: int = 100,
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise UsageError(f"a server's URL begins with http:// or https://, not {url!r}")
        self.url = url.rstrip("/")
        self.patience = patience
        self.streams: set[Closable] = set()
        self.on_away: Callable[[Exception], object] = _nobody
        self.on_back: Callable[[], object] = _nobody
        self._client = httpx2.AsyncClient(
            base_url=self.url,
            headers={} if token is None else {"authorization": f"Bearer {token}"},
            timeout=httpx2.Timeout(_READ_SECONDS, connect=5.0, pool=None),
            limits=httpx2.Limits(
                max_connections=connections,
                max_keepalive_connections=connections,
                keepalive_expiry=_IDLE_SECONDS,
            ),
            transport=transport,
            trust_env=transport is None,
        )

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for each in list(self.streams):
            await each.aclose()
        await self._client.__aexit__(kind, error, trace)

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        again: bool = False,
        slow: float = 0.0,
        patience: float | None = None,
    ) -> httpx2.Response:
        """Make a request and return the server's answer to it.

        Args:
            method: The method.
            path: The path behind the server's URL.
            query: Parameters; those that are None are left out.
            body: What is sent as JSON.
            content: What is sent as it is.
            headers: What is said besides.
            again: Whether it may be made again when it is not known what came of it.
            slow: Seconds that the server may take besides the usual.
            patience: Instead of the client's.

        Raises:
            Unreachable: it is away, or a proxy before it waited in vain.
            CallboardError: it refused.
        """
        request = self._request(
            method, path, query=query, body=body, content=content, headers=headers, slow=slow
        )
        backoff = Backoff(self.patience if patience is None else patience)
        while True:
            try:
                response = await self._client.send(request)
            except httpx2.TransportError as error:
                self.on_away(error)
                harmless = again or isinstance(error, _NOT_SENT)
                if harmless and await backoff.wait():
                    continue
                unknown = "" if harmless else _UNKNOWN
                raise Unreachable(
                    f"{self.url} cannot be reached: {_words(error)}{unknown}"
                ) from error
            if response.status_code not in _BUSY:
                self.on_back()
                return _checked(response)
            least = _seconds(response.headers.get("retry-after"))
            harmless = again or _is_undone(response)
            if not (harmless and await backoff.wait(least)):
                raise _error(response, "" if harmless else _UNKNOWN)

    def _request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None,
        headers: Mapping[str, str] | None,
        body: Any = None,
        content: bytes | None = None,
        slow: float = 0.0,
    ) -> httpx2.Request:
        more = dict(headers or {})
        if body is not None:
            content = msgspec.json.encode(body)
            more["content-type"] = "application/json"
        timeout = httpx2.Timeout(_READ_SECONDS + slow, connect=5.0, pool=None)
        params = {key: value for key, value in (query or {}).items() if value is not None}
        return self._client.build_request(
            method, path, params=params, content=content, headers=more, timeout=timeout
        )

    async def open(self, path: str, query: Mapping[str, Any], last: int | None) -> httpx2.Response:
        """Begin to read a stream of events, behind the one with the number ``last``.

        Raises:
            httpx2.TransportError: the server is away.
            CallboardError: it refused.
        """
        headers = {"accept": "text/event-stream"}
        if last is not None:
            headers["last-event-id"] = str(last)
        request = self._request("GET", path, query=query, headers=headers)
        response = await self._client.send(request, stream=True)
        if response.is_success:
            return response
        try:
            await response.aread()
        finally:
            await response.aclose()
        raise _error(response)


def _checked(response: httpx2.Response) -> httpx2.Response:
    if response.is_error:
        raise _error(response)
    return response


def _is_undone(response: httpx2.Response) -> bool:
    """Whether a busy server did nothing; a proxy that waited in vain for one does not know."""
    return response.status_code == 429 or kind_of(_problem(response)) == "closed"  # noqa: PLR2004


def _error(response: httpx2.Response, more: str = "") -> CallboardError:
    return error_of(response.status_code, _problem(response), more)


def _problem(response: httpx2.Response) -> dict[str, Any]:
    try:
        return msgspec.json.decode(response.content, type=dict[str, Any])
    except msgspec.MsgspecError:
        return {}


def _seconds(text: str | None) -> float:
    return float(text) if text is not None and text.isascii() and text.isdecimal() else 0.0


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__


def _nobody(*_: object) -> None:
    """Tell nobody."""


def value_of(response: httpx2.Response, of: type[_T]) -> _T:
    """Return the JSON of an answer as a value of a class.

    Raises:
        InternalError: it is something else.
    """
    try:
        return msgspec.json.decode(response.content, type=of)
    except msgspec.MsgspecError as error:
        raise InternalError(
            f"{response.request.url} answered what this version does not know: {error}"
        ) from error
