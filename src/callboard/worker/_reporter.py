"""What an attempt tells while it goes on, in small batches: nobody waits for it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import anyio
import msgspec

from ..client._speaker import Speaker
from ..storage._bridge import wake_of_this_loop
from ..supervisor import Lease
from ..workflow import CallboardError, StaleFence

BATCH_SECONDS: Final = 0.2
"""How long the first line of a batch waits for others."""

BATCH_LINES: Final = 200
BATCH_BYTES: Final = 1 << 20
LINES_MAX: Final = 10_000
"""How many lines are kept while the server is away."""

DROPPED: Final = "[{number} lines were dropped here: the server was away]"

Json = dict[str, Any]


class Reporter:
    """Sends lines and progress under a lease.

    Args:
        speaker: The lease.
        tell: Tells a person what could not be sent.
    """

    def __init__(self, speaker: Speaker, tell: Callable[[str], object]) -> None:
        self._speaker = speaker
        self._tell = tell
        self._lines: deque[Json] = deque()
        self._dropped = 0
        self._news = anyio.Event()
        self._thread, self._wake = threading.get_ident(), wake_of_this_loop()

    def note(self, lease: Lease, stream: str, text: str, data: Any) -> None:
        """Take a line; for any thread."""
        del lease
        said = _message(stream, text, data)
        if threading.get_ident() == self._thread:
            self._put(said)
        else:
            self._wake(lambda: self._put(said))

    def _put(self, said: Json) -> None:
        if len(self._lines) == LINES_MAX:
            self._lines.popleft()
            self._dropped += 1
        self._lines.append(said)
        self._news.set()

    async def serve(self) -> None:
        """Send what comes, until cancelled or the lease has ended."""
        while not self._speaker.closed:
            await self._news.wait()
            with anyio.move_on_after(BATCH_SECONDS):
                await self._full()
            self._news = anyio.Event()
            await self.send()

    async def _full(self) -> None:
        while len(self._lines) < BATCH_LINES:
            self._news = anyio.Event()
            await self._news.wait()

    async def send(self) -> None:
        """Send what there is by now; where the server is away, as long as the lease is held."""
        while self._lines and not self._speaker.closed:
            batch = self.take()
            try:
                await self._speaker.say(batch, patience=float("inf"))
            except StaleFence:
                return
            except CallboardError as error:
                self._tell(f"{len(batch)} lines of a task were refused: {error}")

    def take(self) -> list[Json]:
        """Take the next lines, as messages."""
        batch: list[Json] = []
        if self._dropped:
            batch.append(
                _message("log", DROPPED.format(number=self._dropped), {"level": "warning"})
            )
            self._dropped = 0
        size = 0
        while self._lines and len(batch) < BATCH_LINES and size < BATCH_BYTES:
            batch.append(self._lines.popleft())
            size += len(msgspec.json.encode(batch[-1]))
        return batch

    @property
    def is_small(self) -> bool:
        """Whether what is left fits beside the last word."""
        return len(self._lines) < BATCH_LINES // 2


def _message(stream: str, text: str, data: Any) -> Json:
    if stream == "progress":
        fraction = data["fraction"]
        if fraction is not None:
            fraction = min(1.0, max(0.0, float(fraction)))
        return {
            "type": "progress",
            "fraction": fraction,
            "message": text or None,
            "data": data["data"],
        }
    if stream in ("stdout", "stderr"):
        return {"type": "log", "message": text, "stream": stream}
    level = "info" if data is None else data["level"]
    return {"type": "log", "message": text, "level": level}
