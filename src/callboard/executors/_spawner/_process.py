"""One process as the engine sees it."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

import anyio

from ._callboard_helper.wire import Message
from ._command import Exit, ProcessLost
from ._streams import InputStream, OutputStream

_KILL_SECONDS = 30.0  # what was killed ends, but a machine with much else to do takes its time

Send = Callable[[Message], Awaitable[None]]


class Process:
    """A process that the spawner started.

    Leave it by ``async with`` or ``aclose()``: both kill what still runs and close the pipes.

    Attributes:
        pid: The process id, which is its session's and its group's too.
        stdin: Where to write.
        stdout: What it writes.
        stderr: What it writes to its error output.
    """

    def __init__(
        self, key: int, send: Send, stdin: InputStream, stdout: OutputStream, stderr: OutputStream
    ) -> None:
        self.pid = 0
        self.stdin = stdin
        self.stdout = stdout
        self.stderr = stderr
        self._key = key
        self._send = send
        self._over = anyio.Event()
        self._outcome: Exit | ProcessLost | None = None

    async def wait(self) -> Exit:
        """Wait until the process has ended and nothing it started is left.

        Raises:
            ProcessLost: The spawner died or was closed before.
        """
        await self._over.wait()
        if isinstance(self._outcome, Exit):
            return self._outcome
        raise ProcessLost(str(self._outcome))

    async def terminate(self) -> None:
        """Ask the process group to end (SIGTERM)."""
        await self._ask(("signal", self._key, int(signal.SIGTERM)))

    async def kill(self) -> None:
        """Kill the process and everything it has started (SIGKILL)."""
        await self._ask(("kill", self._key))

    async def stop(self, grace: float, term: float) -> bool:
        """End the process: let it, ask it, make it.

        Args:
            grace: Seconds it has to end by itself (the caller has told it so in its own way).
            term: Seconds it has after SIGTERM, before it is killed.

        Returns:
            False if something of it still runs although it was killed.
        """
        if not await self._ends_within(grace):
            await self.terminate()
            if not await self._ends_within(term):
                await self.kill()
                if not await self._ends_within(_KILL_SECONDS):
                    return False
        return not isinstance(self._outcome, Exit) or not self._outcome.left

    async def aclose(self) -> None:
        """Kill the process if it still runs, wait for its end, and close the pipes."""
        try:
            if not self._over.is_set():
                with anyio.CancelScope(shield=True):
                    await self.kill()
                    await self._ends_within(_KILL_SECONDS)
        finally:
            for pipe in (self.stdin, self.stdout, self.stderr):
                pipe.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    def finish(self, outcome: Exit | ProcessLost) -> None:
        """Note how the process ended; only the spawner's link calls this."""
        self._outcome = outcome
        for pipe in (self.stdin, self.stdout, self.stderr):
            pipe.end()
        self._over.set()

    async def _ask(self, message: Message) -> None:
        if not self._over.is_set():
            await self._send(message)

    async def _ends_within(self, seconds: float) -> bool:
        with anyio.move_on_after(seconds):
            await self._over.wait()
        return self._over.is_set()
