"""What the holder of a lease says, one thing after another, each under a number of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

import anyio
import attrs
import msgspec

from ..workflow import CallboardError, InternalError, StaleFence
from ._errors import refusal_of
from ._http import Http, value_of
from ._records import LeaseRecord

RENEWALS: Final = 3
"""How often a lease is renewed in its time."""


@attrs.frozen(kw_only=True)
class _Answer:
    seq: int
    results: list[dict[str, Any]]
    closed: bool


class Speaker:
    """Speaks under one lease.

    Whatever is said is said again under its number until the server has answered, and done once.

    Args:
        http: The server.
        fence: The lease.
        run: The run, for errors.
        seconds: How long the lease lives without a word.
        lost: Called when the lease is found to have been taken back, or may have been.
    """

    def __init__(
        self,
        http: Http,
        fence: str,
        run: str,
        seconds: float,
        lost: Callable[[StaleFence], object],
    ) -> None:
        self._http = http
        self._path = f"/api/v1/leases/{quote(fence, safe='')}"
        self._run = run
        self._lost = lost
        self._lock = anyio.Lock()
        self._seq = 0
        self._seconds = seconds
        self._heard_at = anyio.current_time()
        self.closed = False

    async def say(
        self, commands: Sequence[Mapping[str, Any]], *, patience: float | None = None
    ) -> list[dict[str, Any]]:
        """Say commands in order, and return what is answered to each.

        Raises:
            StaleFence: the lease has ended: stop working.
            Unreachable: the server is away for too long; it is not known whether it was done.
        """
        async with self._lock:
            return await self._say(commands, patience)

    async def _say(
        self, commands: Sequence[Mapping[str, Any]], patience: float | None
    ) -> list[dict[str, Any]]:
        self._seq += 1
        content = msgspec.json.encode({"seq": self._seq, "commands": commands})
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
        self._heard_at = anyio.current_time()
        self.closed = answer.closed
        return answer.results

    def _give_up(self, stale: StaleFence) -> None:
        if not self.closed:
            self.closed = True
            self._lost(stale)

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
        """Return the lease as the server sees it now."""
        return value_of(await self._http.call("GET", self._path, again=True), LeaseRecord)

    async def keep_alive(self) -> None:
        """Renew the lease until it has ended."""
        while not self.closed:
            rest = self._heard_at + self._seconds / RENEWALS - anyio.current_time()
            if rest > 0:
                await anyio.sleep(rest)
                continue
            async with self._lock:
                await self._renew()

    async def _renew(self) -> None:
        now, ends = anyio.current_time(), self._heard_at + self._seconds
        if self.closed or now < self._heard_at + self._seconds / RENEWALS:
            return  # Somebody has spoken meanwhile.
        try:
            await self._say([{"type": "heartbeat"}], max(ends - now, 0.0))
        except StaleFence:
            return  # Whoever must know has been told.
        except CallboardError as error:
            self._give_up(
                StaleFence(f"the lease of {self._seconds:g} s could not be renewed: {error}")
            )
