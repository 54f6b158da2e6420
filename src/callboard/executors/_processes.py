"""What executors of processes share: the command of a lease, its output, its end."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterable, Mapping, Sequence
from pathlib import Path

import anyio

from ..actors._busy import not_busy
from ..supervisor import Lease, Secrets
from ..workflow import Failure
from ._spawner import Command, Exit, Process

LOG_BYTES_MAX = 4 << 20
"""How much of one stream of one attempt goes to the log; then a mark says that it was cut."""

LINE_MAX = 64 << 10
"""A longer line is cut in the log, with a mark that says how much was left out."""

CUT = "[cut here: more than {limit} bytes]"
LINE_CUT = " [cut here: {left_out} more bytes]"


def command_for(
    lease: Lease,
    *,
    argv: Sequence[str] | None = None,
    python: str | None = None,
    variables: Mapping[str, str] | None = None,
) -> Command:
    """Return the command that does an attempt, in its folder and with its environment."""
    folder = lease.workflow.folder
    cwd = lease.spec.options.cwd
    where = str(Path(folder or "", cwd)) if cwd is not None else folder
    return Command(
        argv=argv,
        python=python,
        cwd=where or None,
        env={**(lease.env or {}), **(variables or {})},
        run=lease.run,
        attempt=lease.fence,
        sys_path=[folder] if folder else [],
    )


class Output:
    """Keeps the first (or the last) ``limit`` bytes of a stream, and no secret."""

    def __init__(self, limit: int, secrets: Secrets, *, last: bool = False) -> None:
        self._limit = limit
        self._secrets = secrets
        self._last = last
        self._held = bytearray()
        self._held_max = limit + secrets.reach

    def add(self, chunk: bytes) -> None:
        """Take what came."""
        if self._last:
            self._held += chunk
            del self._held[: -self._held_max - 1]
        else:
            self._held += chunk[: self._held_max + 1 - len(self._held)]

    def text(self) -> str:
        """Return it as text, with a mark where it was cut."""
        held, secrets = self._held, self._secrets
        over = len(held) - self._limit
        if over <= 0:
            return secrets.mask(held.decode(errors="replace"))
        if self._last:
            kept = held[secrets.cut_after(held, over) :]
        else:
            kept = held[: secrets.cut_before(held, self._limit)]
        text = secrets.mask(kept.decode(errors="replace"))
        mark = CUT.format(limit=self._limit)
        return f"{mark}\n{text}" if self._last else f"{text}\n{mark}"


class LineLog:
    """Writes a stream to the log line by line, within a limit."""

    def __init__(self, lease: Lease, stream: str) -> None:
        self._lease = lease
        self._stream = stream
        self._left = LOG_BYTES_MAX
        self._held = bytearray()
        self._held_max = LINE_MAX + lease.secrets.reach
        self._dropped = 0

    def add(self, chunk: bytes) -> None:
        """Take what came; whole lines are written."""
        *ended, rest = chunk.split(b"\n")
        for part in ended:
            self._hold(part)
            self._write()
        self._hold(rest)

    def end(self) -> None:
        """Write what is left without a line's end."""
        if self._held:
            self._write()

    def _hold(self, part: bytes) -> None:
        room = self._held_max - len(self._held)
        self._held += part[:room]
        self._dropped += max(0, len(part) - room)

    def _write(self) -> None:
        self.line(bytes(self._held), self._dropped)
        self._held.clear()
        self._dropped = 0

    def line(self, line: bytes, dropped: int = 0) -> None:
        """Write one line, or the mark of the cut.

        Args:
            line: The line without its end.
            dropped: How many more bytes it had.
        """
        if self._left <= 0:
            return
        size = len(line) + dropped
        if size > LINE_MAX:
            line = line[: self._lease.secrets.cut_before(line, LINE_MAX)]
        self._left -= len(line) + 1
        if self._left <= 0:
            self._lease.log(self._stream, CUT.format(limit=LOG_BYTES_MAX))
            return
        text = line.decode(errors="replace").rstrip("\r")
        if size > len(line):
            text += LINE_CUT.format(left_out=size - len(line))
        self._lease.log(self._stream, text)


async def keep_lines(stream: AsyncIterable[bytes], name: str, lease: Lease, output: Output) -> None:
    """Read a stream to its end into the log and into ``output``.

    Reading goes on while the process is being stopped: one whose pipe is full could not end.
    """
    log = LineLog(lease, name)
    with anyio.CancelScope(shield=True):
        async for chunk in stream:
            output.add(chunk)
            log.add(chunk)
    log.end()


def exit_failure(ended: Exit, stderr: str, **more: str) -> Failure:
    """Return a bad end as a failure; the last line of stderr says best what went wrong.

    Args:
        more: What else goes into the failure's detail.
    """
    how = f"exit code {ended.code}" if ended.code is not None else _killed_by(ended.signal)
    last = stderr.strip().rpartition("\n")[2].strip()
    detail = {"exit_code": ended.code, "signal": ended.signal, **more, "stderr": stderr}
    return Failure(kind="exit", message=f"{how}: {last}" if last else how, detail=detail)


def _killed_by(number: int | None) -> str:
    try:
        return f"killed by signal {number} ({signal.Signals(number or 0).name})"
    except ValueError:
        return f"killed by signal {number}"


async def stop_process(process: Process, lease: Lease, *, told: bool = False) -> None:
    """End a process in the steps of its task's ``stop``, shielded.

    Args:
        told: Whether it was told in its own way, and so has its grace time.
    """
    stop = lease.stop
    with anyio.CancelScope(shield=True), not_busy():
        if not await process.stop(stop.grace if told else 0.0, stop.term):
            lease.remains = f"process {process.pid} could not be killed"
