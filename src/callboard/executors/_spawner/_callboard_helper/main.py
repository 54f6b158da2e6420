"""The helper's loop: requests in, ends of processes out, and the end of all with the engine's."""

from __future__ import annotations

import collections
import contextlib
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

from . import kernel, launch, procfs, python_task, wire

_ENDING_SECONDS = 5.0
_ENDING_POLL_MS = 50
_SWEEP_SECONDS = 10.0
_SWEEP_PAUSE_SECONDS = 0.005
_READ_BYTES = 1 << 16
_STDERR = 2


class Attempt:
    """One started process, and what is known of its end."""

    def __init__(self, key: int, pid: int, entry: bytes) -> None:
        self.key = key
        self.pid = pid
        self.entry = entry
        self.alive = True
        self.code: int | None = None
        self.signal: int | None = None
        self.deadline = 0.0

    def end(self, status: int) -> None:
        """Note how the main process ended."""
        code = os.waitstatus_to_exitcode(status)
        self.code, self.signal = (code, None) if code >= 0 else (None, -code)
        self.alive = False
        self.deadline = time.monotonic() + _ENDING_SECONDS


class Helper:
    """Everything that one engine has running."""

    def __init__(self, control: socket.socket, engine_id: str, engine_pid: int) -> None:
        self._control = control
        self._engine_entry = procfs.mark(procfs.ENGINE, engine_id)
        self._slot = kernel.find_slot()
        self._decoder = wire.Decoder()
        self._received: collections.deque[int] = collections.deque()
        self._by_key: dict[int, Attempt] = {}
        self._by_pid: dict[int, Attempt] = {}
        self._by_entry: dict[bytes, Attempt] = {}
        self._ending: list[
            Attempt
        ] = []  # the main process is gone, others of the attempt may not be
        self._owners: dict[int, Attempt | None] = {}  # whose each orphan is, by process id
        self._python_ready = False
        self._pid = os.getpid()
        self._wake, self._wake_write = _wake_pipe()
        self._engine = _watch(engine_pid)
        self._poll = select.poll()
        for fd in (control.fileno(), self._wake, self._engine):
            if fd is not None:
                self._poll.register(fd, select.POLLIN)

    def run(self) -> bool:
        """Serve until the engine is gone, then end everything; false if something is left."""
        while self._step():
            self._reap()
            self._settle()
        return self._sweep()

    def _step(self) -> bool:
        for fd, _ in self._poll.poll(_ENDING_POLL_MS if self._ending else None):
            if fd == self._wake:
                _drain(fd)
            elif fd == self._engine or not self._serve():
                return False
        return True

    # Requests ------------------------------------------------------------------------------------

    def _serve(self) -> bool:
        """Do what the engine asks; false when it has closed its end."""
        try:
            data, fds, _, _ = socket.recv_fds(self._control, _READ_BYTES, wire.FDS_PER_START)
        except OSError:
            return False
        for fd in fds:
            os.set_inheritable(fd, False)
        self._received.extend(fds)
        for message in self._decoder.feed(data):
            self._obey(message)
        return bool(data)

    def _obey(self, message: wire.Message) -> None:
        match message:
            case ("start", key, spec):
                self._start(
                    key, spec, [self._received.popleft() for _ in range(wire.FDS_PER_START)]
                )
            case ("signal", key, number):
                self._signal(key, number)
            case ("kill", key):
                self._kill(key)
            case _:
                raise AssertionError(f"unknown request {message!r}")

    def _start(self, key: int, spec: dict[str, Any], fds: list[int]) -> None:
        """Fork, and become in the child what was asked for."""
        problem = self._prepare(spec)
        pid = -1
        if problem is None:
            try:
                pid = os.fork()
            except OSError as error:
                reason = f"the system refuses another process ({error.strerror})"
                problem = launch.refusal("error", launch.title(spec), reason)
        if pid == 0:
            launch.become(spec, fds, slot=self._slot, helper_pid=self._pid, foreign=self._own_fds())
        if problem is None:
            self._add(Attempt(key, pid, procfs.mark(procfs.ATTEMPT, spec["attempt"])))
        else:
            os.write(fds[3], problem)
            self._send(("exit", key, None, None, ()))
        for fd in fds:
            os.close(fd)

    def _prepare(self, spec: dict[str, Any]) -> bytes | None:
        """Get ready for the first Python task; returns what went wrong."""
        if spec["argv"] is not None or self._python_ready:
            return None
        try:
            python_task.prepare()
        except Exception as error:  # noqa: BLE001 - user code may stand behind an import
            reason = f"callboard.child cannot be imported by {sys.executable} ({error})"
            return launch.refusal("config", launch.title(spec), reason)
        self._python_ready = True
        return None

    def _own_fds(self) -> list[int]:
        own = [self._control.fileno(), self._wake, self._wake_write, *self._received]
        return own if self._engine is None else [*own, self._engine]

    def _add(self, attempt: Attempt) -> None:
        self._by_key[attempt.key] = attempt
        self._by_pid[attempt.pid] = attempt
        self._by_entry[attempt.entry] = attempt

    def _remove(self, attempt: Attempt) -> None:
        del self._by_key[attempt.key]
        # Numbers and marks may be a younger attempt's by now.
        if self._by_pid.get(attempt.pid) is attempt:
            del self._by_pid[attempt.pid]
        if self._by_entry.get(attempt.entry) is attempt:
            del self._by_entry[attempt.entry]

    def _signal(self, key: int, number: int) -> None:
        attempt = self._by_key.get(key)
        if attempt is not None and attempt.alive:
            _signal_group(attempt.pid, number)

    def _kill(self, key: int) -> None:
        """Kill an attempt; what remains of it is found when its main process has ended."""
        attempt = self._by_key.get(key)
        if attempt is None or not attempt.alive:
            return
        below = procfs.descendants([attempt.pid])
        _signal_group(attempt.pid, signal.SIGKILL)
        for pid in below:
            procfs.send_signal(pid, signal.SIGKILL)

    # Ends ----------------------------------------------------------------------------------------

    def _reap(self) -> None:
        while (ended := _next_end(self._last_rites)) is not None:
            pid, status = ended
            self._owners.pop(pid, None)
            attempt = self._by_pid.get(pid)
            if attempt is not None and attempt.alive:
                attempt.end(status)
                self._ending.append(attempt)

    def _last_rites(self, pid: int) -> None:
        """End the group of a dead main process, before its number can become another's."""
        attempt = self._by_pid.get(pid)
        if attempt is not None and attempt.alive:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)

    def _settle(self) -> None:
        """Report the attempts of which nothing is left, and kill what is left of the others."""
        if not self._ending:
            return
        orphans = self._orphans()
        ending, self._ending = self._ending, []
        for attempt in ending:
            left = [pid for pid in orphans if self._owner(pid) is attempt]
            if left and time.monotonic() < attempt.deadline:
                for pid in (*left, *procfs.descendants(left)):
                    procfs.send_signal(pid, signal.SIGKILL)
                self._ending.append(attempt)
            else:
                self._report(attempt, left)

    def _orphans(self) -> list[int]:
        """Return our children that we did not start: what ended processes left behind comes to us.

        Everything left of an attempt whose main process has ended is one of them or below one of
        them.
        """
        alive = self._by_pid
        return [pid for pid in procfs.own_children() if pid not in alive or not alive[pid].alive]

    def _owner(self, pid: int) -> Attempt | None:
        if pid not in self._owners:
            self._owners[pid] = self._find_owner(pid)
        return self._owners[pid]

    def _find_owner(self, pid: int) -> Attempt | None:
        with contextlib.suppress(OSError):
            attempt = self._by_pid.get(os.getsid(pid))
            if attempt is not None:
                return attempt
        for entry in procfs.settled_environment(pid):
            if entry in self._by_entry:
                return self._by_entry[entry]
        return None

    def _report(self, attempt: Attempt, left: list[int]) -> None:
        self._remove(attempt)
        self._send(("exit", attempt.key, attempt.code, attempt.signal, tuple(left)))

    def _send(self, message: wire.Message) -> None:
        with contextlib.suppress(OSError):  # The engine is gone: the next step finds out.
            self._control.sendall(wire.encode(message))

    def _sweep(self) -> bool:
        """End everything below us and all that carries the engine's id; false if some is left."""
        for attempt in self._by_key.values():
            if attempt.alive:
                _signal_group(attempt.pid, signal.SIGKILL)
        deadline = time.monotonic() + _SWEEP_SECONDS
        while time.monotonic() < deadline:
            while _next_end() is not None:
                pass
            found = {*procfs.descendants([self._pid]), *procfs.carriers(self._engine_entry)}
            if not found:
                return True
            for pid in found:
                procfs.send_signal(pid, signal.SIGKILL)
            time.sleep(_SWEEP_PAUSE_SECONDS)
        return False


def _next_end(before_reaping: Callable[[int], None] | None = None) -> tuple[int, int] | None:
    """Reap one child that has ended, if there is one; returns its process id and wait status.

    On Linux ``before_reaping`` is called while the child's number still cannot be given to another
    process; elsewhere directly afterwards.
    """
    try:
        if sys.platform == "linux":
            info = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if info is None:
                return None
            if before_reaping is not None:
                before_reaping(info.si_pid)
            return os.waitpid(info.si_pid, 0)
        pid, status = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return None
    if pid and before_reaping is not None:
        before_reaping(pid)
    return (pid, status) if pid else None


def _signal_group(pid: int, number: int) -> None:
    """Signal a process's group, and the process itself in case it has not made its group yet."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
        return
    procfs.send_signal(pid, number)


def _wake_pipe() -> tuple[int, int]:
    """Return a pipe that becomes readable when a child ends."""
    read, write = os.pipe()
    os.set_blocking(read, False)
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    return read, write


def _drain(fd: int) -> None:
    with contextlib.suppress(BlockingIOError):
        while os.read(fd, _READ_BYTES):
            pass


def _watch(pid: int) -> int | None:
    """Return a descriptor that becomes readable when a process ends, where the system has such.

    The control socket alone is not enough: a process that the engine's own program forked may hold
    a copy of it.
    """
    if sys.platform != "linux":
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None


def main(engine_id: str, engine_pid: int) -> None:
    """Serve one engine over the socket that stands at descriptor 0, until that engine is gone."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # The engine stops its tasks in its own order when it is told to end, and needs us for that.
        signal.signal(number, signal.SIG_IGN)
    # Whoever started the engine may have closed these: no descriptor of ours may take their place.
    while (null := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        pass
    control = socket.socket(fileno=os.dup(0))
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.close(null)
    kernel.become_subreaper()
    helper = Helper(control, engine_id, engine_pid)
    if os.getppid() == engine_pid and not helper.run():
        sys.exit(1)
