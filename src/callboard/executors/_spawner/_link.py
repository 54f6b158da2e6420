"""The connection to one helper process, from its start to its end."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import anyio
import anyio.lowlevel
import anyio.to_thread

from ._callboard_helper import procfs, wire
from ._callboard_helper.procfs import kill_carriers
from ._command import Command, Exit, ProcessLost, StartFailed
from ._process import Process
from ._streams import InputStream, OutputStream

_READ_BYTES = 1 << 16
_CLOSE_SECONDS = 15.0

# ``-c`` leaves ``__main__`` clean for the Python tasks; the folder on the path is there for this
# one import only, and takes the place of the working directory, from which nothing may be imported
# here.
_BOOT = """\
import sys
sys.path[:0 if sys.flags.safe_path else 1] = [{folder!r}]
import _callboard_helper.main
del sys.path[0]
_callboard_helper.main.main({engine_id!r}, {engine_pid})
"""


# An engine may itself run in a task of another one: what it starts is its own.
_OWN_NAMES = (procfs.ENGINE, procfs.ATTEMPT, procfs.RUN, procfs.SLOT)


class Link:
    """One helper process, the socket to it, and the processes that it holds."""

    def __init__(self, engine_id: str) -> None:
        self._engine_id = engine_id
        self._processes: dict[int, Process] = {}
        self._next_key = 0
        self._sending = anyio.Lock(fast_acquire=True)
        self._closing = False
        self._threads = anyio.CapacityLimiter(1)
        self.broken = False
        self.gone = anyio.Event()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._helper = _start_helper(engine_id, theirs)
        except OSError as error:
            ours.close()
            message = f"The spawner cannot be started with {sys.executable!r}: {error}."
            raise StartFailed(message, kind="error") from error
        finally:
            theirs.close()
        ours.setblocking(False)
        self._socket = ours

    @property
    def pid(self) -> int:
        """The helper's process id."""
        return self._helper.pid

    async def start(self, command: Command) -> Process:
        """Start a process and wait until it runs or has said why it cannot."""
        await anyio.lowlevel.checkpoint_if_cancelled()
        pipes = Pipes()
        self._next_key += 1
        key = self._next_key
        process = Process(key, self.send, pipes.stdin, pipes.stdout, pipes.stderr)
        started = False
        try:
            self._processes[key] = process
            await self.send(("start", key, command.spec()), pipes.theirs)
            pipes.close_theirs()
            process.pid = await _read_status(pipes.status, process, command)
            started = True
        finally:
            pipes.close_theirs()
            pipes.status.close()
            if not started:
                await process.aclose()
        return process

    async def send(self, message: wire.Message, fds: Sequence[int] = ()) -> None:
        """Send one message; if the helper is gone it gets lost, as the reader will find out.

        It is not cancelled halfway: half a message would spoil all that follow.
        """
        with anyio.CancelScope(shield=True):
            async with self._sending:
                rest = memoryview(wire.encode(message))
                with contextlib.suppress(OSError):
                    while rest and not self.broken:
                        rest, fds = await self._send_some(rest, fds), ()

    async def _send_some(self, rest: memoryview, fds: Sequence[int]) -> memoryview:
        while True:
            try:
                sent = (
                    socket.send_fds(self._socket, [rest], fds) if fds else self._socket.send(rest)
                )
            except BlockingIOError:
                await anyio.wait_writable(self._socket)
            else:
                return rest[sent:]

    async def run(self) -> None:
        """Take the helper's reports until it is gone, then settle what it held.

        It goes on when the tasks around it are cancelled: they need it to see their processes end.
        """
        with anyio.CancelScope(shield=True):
            try:
                await self._read()
            finally:
                await self._end()

    async def close(self) -> None:
        """End everything that the helper holds, and the helper."""
        if self.broken:
            await self.gone.wait()
            return
        self._closing = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
        with anyio.move_on_after(_CLOSE_SECONDS):
            await self.gone.wait()
        if not self.gone.is_set():
            self._helper.kill()
            await self.gone.wait()

    async def _read(self) -> None:
        decoder = wire.Decoder()
        with contextlib.suppress(ConnectionError):
            while True:
                await anyio.wait_readable(self._socket)
                try:
                    data = self._socket.recv(_READ_BYTES)
                except BlockingIOError:
                    continue
                if not data:
                    break
                for _, key, code, number, left in decoder.feed(data):
                    self._processes.pop(key).finish(Exit(code, number, left))

    async def _end(self) -> None:
        self.broken = True
        async with self._sending:
            self._socket.close()
        if not self._closing:
            self._helper.kill()
        status = await anyio.to_thread.run_sync(self._helper.wait, limiter=self._threads)
        if status != 0:
            # It could not clear up behind itself.
            await anyio.to_thread.run_sync(kill_carriers, self._engine_id, limiter=self._threads)
        reason = "was closed" if self._closing else f"(process {self.pid}) died"
        for process in self._processes.values():
            process.finish(
                ProcessLost(
                    f"Process {process.pid} was ended because the spawner {reason} while it ran."
                )
            )
        self._processes.clear()
        self.gone.set()


class Pipes:
    """The pipes of one process: our ends as streams, and the descriptors that the process gets."""

    def __init__(self) -> None:
        fds: list[int] = []
        try:
            for _ in range(wire.FDS_PER_START):
                fds += os.pipe()
        except OSError as error:
            for fd in fds:
                os.close(fd)
            message = f"A process cannot be started: there are no pipes for it ({error.strerror})."
            raise StartFailed(message, kind="error") from error
        self.stdin = InputStream(fds[1])
        self.stdout, self.stderr, self.status = (OutputStream(fd) for fd in fds[2::2])
        self.theirs = [fds[0], *fds[3::2]]

    def close_theirs(self) -> None:
        """Close the ends that the process has by now, so that ours see its end."""
        theirs, self.theirs = self.theirs, []
        for fd in theirs:
            os.close(fd)


async def _read_status(status: OutputStream, process: Process, command: Command) -> int:
    """Return the new process's id, or raise what it says about its start."""
    text = b"".join([chunk async for chunk in status]).decode(errors="replace")
    pid, _, problem = text.rpartition("\n")
    if problem:
        kind, _, sentence = problem.partition("\t")
        raise StartFailed(sentence, kind="error" if kind == "error" else "config")
    if not pid:
        await process.wait()
        title = command.python or (command.argv or [""])[0]
        raise StartFailed(
            f"Cannot start {title!r}: its process was ended while it started.", kind="error"
        )
    return int(pid)


def _start_helper(engine_id: str, control: socket.socket) -> subprocess.Popen[bytes]:
    environment = {name: value for name, value in os.environ.items() if name not in _OWN_NAMES}
    environment[procfs.ENGINE] = engine_id
    environment[procfs.SLOT] = "." * (procfs.SLOT_BYTES - len(procfs.SLOT) - 1)
    folder = str(Path(__file__).parent)
    boot = _BOOT.format(folder=folder, engine_id=engine_id, engine_pid=os.getpid())
    return subprocess.Popen(
        [sys.executable, "-c", boot],
        stdin=control.fileno(),
        stdout=subprocess.DEVNULL,
        env=environment,
        close_fds=True,
        start_new_session=True,
    )
