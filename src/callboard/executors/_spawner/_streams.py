"""The engine's ends of a process's pipes: the data never passes through the spawner."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable

import anyio
import anyio.lowlevel

_READ_BYTES = 1 << 16


class _Pipe:
    """One end of a pipe, which stops waiting when its process is over."""

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self._fd: int | None = fd
        self._over = False
        self._waiting: anyio.CancelScope | None = None

    def end(self) -> None:
        """Note that the process is over: what is in the pipe now is all there will ever be."""
        self._over = True
        if self._waiting is not None:
            self._waiting.cancel()

    def close(self) -> None:
        """Close this end; closing it again does nothing."""
        if self._fd is None:
            return
        fd, self._fd = self._fd, None
        if self._waiting is None:
            os.close(fd)
        else:
            # Whoever waits must first take the descriptor out of the event loop, and then closes
            # it.
            self._waiting.cancel()

    async def _wait(self, ready: Callable[[int], Awaitable[None]], fd: int) -> bool:
        """Wait until the pipe is ready or its process is over; false if it was closed meanwhile."""
        if self._over:
            await anyio.lowlevel.checkpoint()
            return self._fd is not None
        try:
            with anyio.CancelScope() as self._waiting:
                await ready(fd)
        finally:
            self._waiting = None
            if self._fd is None:
                os.close(fd)
        return self._fd is not None


class OutputStream(_Pipe):
    """What a process writes, in chunks of at most 64 KiB as they come.

    It ends when everything that could write has closed it, and at the latest, with all that was
    written, when the process's end is reported.  A process whose output is not read waits once the
    pipe is full.
    """

    def __aiter__(self) -> OutputStream:
        return self

    async def __anext__(self) -> bytes:
        while self._fd is not None:
            fd, over = self._fd, self._over
            if not await self._wait(anyio.wait_readable, fd):
                break
            try:
                data = os.read(fd, _READ_BYTES)
            except BlockingIOError:
                if over:
                    break
                continue
            if data:
                return data
            break
        self.close()
        raise StopAsyncIteration


class InputStream(_Pipe):
    """What a process reads."""

    async def write(self, data: bytes) -> None:
        """Send all of ``data``.

        Raises:
            anyio.ClosedResourceError: This end was closed.
            anyio.BrokenResourceError: The process reads no more, or is over.
        """
        rest = memoryview(data)
        await anyio.lowlevel.checkpoint_if_cancelled()
        while rest:
            if self._fd is None:
                raise anyio.ClosedResourceError
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BrokenPipeError:
                self.close()
                raise anyio.BrokenResourceError from None
            except BlockingIOError:
                if self._over:
                    self.close()
                    raise anyio.BrokenResourceError from None
                await self._wait(anyio.wait_writable, self._fd)
