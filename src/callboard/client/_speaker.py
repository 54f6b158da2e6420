"""What the holder of a lease says, one thing after another, each under a number of its own."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeVar
from urllib.parse import quote

import anyio
import msgspec
from anyio.lowlevel import checkpoint

from .._frozen import frozen
from ..workflow import CallboardError, InternalError, StaleFence
from ..workflow._texts import storable
from ._errors import refusal_of
from ._http import Http, value_of
from ._records import LeaseRecord

_T = TypeVar("_T")

RENEWALS: Final = 3
"""How often a lease is renewed in its time."""


@frozen(kw_only=True)
class _Answer:
    seq: int
    results: list[dict[str, Any]]
    closed: bool


class Speaker:
    """Speaks under one lease.

    Whatever is said is said again under its number until the server has answered, and done once.

    The server counts the lease's time from the last word that it heard.  Here it is counted from
    when that word was first said, which was no later: whoever is stopped at its end here is stopped
    before somebody else may begin.  Only before the first word it is counted from the claim's
    answer, late by the time that this was under way.

    Args:
        http: The server.
        fence: The lease.
        run: The run, for errors.
        seconds: How long the lease lives without a word.
        lost: Called when the lease is found to have been taken back, or may have been.
        since: When the claim was answered; now, if not given.
    """

    def __init__(
        self,
        http: Http,
        fence: str,
        run: str,
        seconds: float,
        lost: Callable[[StaleFence], object],
        *,
        since: float | None = None,
    ) -> None:
        self._http = http
        self._path = f"/api/v1/leases/{quote(fence, safe='')}"
        self._run = run
        self._lost = lost
        self._lock = anyio.Lock()
        self._seq = 0
        self._seconds = seconds
        self._said_at = anyio.current_time() if since is None else since
        self._calls: set[anyio.CancelScope] = set()
        self._stale: StaleFence | None = None
        self.closed = False

    @property
    def _ends(self) -> float:
        return self._said_at + self._seconds

    @property
    def _renew_at(self) -> float:
        return self._said_at + self._seconds / RENEWALS

    async def say(
        self, commands: Sequence[Mapping[str, Any]], *, patience: float | None = None
    ) -> list[dict[str, Any]]:
        """Say commands in order, and return what is answered to each.

        Raises:
            StaleFence: the lease has ended: stop working.
            Unreachable: the server is away for too long; it is not known whether it was done.
        """
        async with self._lock:
            return await self._while_held(self._say, commands, patience)

    async def _while_held(self, call: Callable[..., Awaitable[_T]], *args: Any) -> _T:
        """Make a call; it ends when the lease is given up, and after that none is made."""
        if self._stale is None:
            with anyio.CancelScope() as scope:
                self._calls.add(scope)
                try:
                    return await call(*args)
                finally:
                    self._calls.discard(scope)
        await checkpoint()  # Whoever was stopped with the lease need not be told besides.
        raise StaleFence(str(self._stale))

    async def _say(
        self, commands: Sequence[Mapping[str, Any]], patience: float | None
    ) -> list[dict[str, Any]]:
        self._seq += 1
        said_at = anyio.current_time()
        content = msgspec.json.encode({"seq": self._seq, "commands": list(map(_told, commands))})
        try:
            response = await self._http.call(
                "POST",
                f"{self._path}/commands",
                content=content,
                headers={"content-type": "application/json"},
                again=True,
                patience=patience,
            )
        except StaleFence as stale:
            self._give_up(stale)
            raise
        answer = value_of(response, _Answer)
        if len(answer.results) != len(commands):
            raise InternalError(f"{len(commands)} commands were said; the answer is {answer!r}")
        self._said_at = said_at
        self.closed = self.closed or answer.closed
        return answer.results

    def _give_up(self, stale: StaleFence) -> None:
        if not self.closed:
            self.closed, self._stale = True, stale
            self._lost(stale)
            for scope in self._calls:
                scope.cancel()

    async def say_one(self, command: Mapping[str, Any]) -> dict[str, Any]:
        """Say one command and return what is answered.

        Raises:
            CallboardError: it was refused.
        """
        (result,) = await self.say([command])
        return self.checked(result)

    def checked(self, result: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer to a command.

        Raises:
            CallboardError: it was refused.
        """
        if not result["ok"]:
            error = result["error"]
            raise refusal_of(error["kind"], error["message"], self._run)
        return dict(result)

    async def lease(self) -> LeaseRecord:
        """Return the lease as the server sees it now.

        Raises:
            StaleFence: it has ended: stop working.
        """
        return await self._while_held(self._lease)

    async def _lease(self) -> LeaseRecord:
        return value_of(await self._http.call("GET", self._path, again=True), LeaseRecord)

    async def keep_alive(self) -> None:
        """Renew the lease until it has ended; give it up at its end, whoever speaks just then."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._watch)
            while not self.closed:
                rest = self._renew_at - anyio.current_time()
                if rest > 0:
                    await anyio.sleep(rest)
                    continue
                async with self._lock:
                    await self._renew()
            group.cancel_scope.cancel()

    async def _watch(self) -> None:
        """Give the lease up when its time is over.  This waits for nothing but that time."""
        while not self.closed:
            rest = self._ends - anyio.current_time()
            if rest > 0:
                await anyio.sleep(rest)
            else:
                self._give_up(self._unrenewed("the server did not answer in its time"))

    async def _renew(self) -> None:
        if self.closed or anyio.current_time() < self._renew_at:
            return  # Somebody has spoken meanwhile.
        try:
            await self._while_held(self._say, [{"type": "heartbeat"}], math.inf)
        except StaleFence:
            return  # Whoever must know has been told.
        except CallboardError as error:
            self._give_up(self._unrenewed(str(error)))

    def _unrenewed(self, why: str) -> StaleFence:
        return StaleFence(f"the lease of {self._seconds:g} s could not be renewed: {why}")


def _told(command: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a command whose message, which may name a file, is Unicode."""
    message = command.get("message")
    return {**command, "message": storable(message)} if isinstance(message, str) else command
