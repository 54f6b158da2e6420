"""Finding processes through ``/proc``: by descent, and by a mark in their environment.

Linux only; elsewhere everything here finds nothing.  Whatever vanishes while we look is simply not
there.
"""

# pathlib would be one of the larger imports of a helper that must start at once.
# ruff: noqa: PTH110, PTH208

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable

ENGINE = "CALLBOARD_ENGINE"
ATTEMPT = "CALLBOARD_ATTEMPT"
RUN = "CALLBOARD_RUN"
SLOT = "CALLBOARD_SLOT"
"""A long entry over which a forked Python child writes its marks: see kernel.py."""
SLOT_BYTES = 4000

_SWEEP_SECONDS = 5.0
_SWEEP_PAUSE_SECONDS = 0.005
_EXECVE_SECONDS = 0.05
_EXECVE_PAUSE_SECONDS = 0.001


def mark(name: str, value: str) -> bytes:
    """Return an environment entry as it stands in ``/proc/<pid>/environ``."""
    return os.fsencode(f"{name}={value}")


def read(path: str) -> bytes:
    """Return the contents of a file of ``/proc``, or nothing if it is gone or not ours to see."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    parts: list[bytes] = []
    try:
        while part := os.read(fd, 65536):
            parts.append(part)
    except OSError:
        return b""
    finally:
        os.close(fd)
    return b"".join(parts)


def all_pids() -> list[int]:
    """Return every process there is."""
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []


def environment(pid: int) -> list[bytes]:
    """Return the entries of a process's environment."""
    return read(f"/proc/{pid}/environ").split(b"\0")


def settled_environment(pid: int) -> list[bytes]:
    """Return the entries of the environment of a process, also of one that is in an ``execve``.

    It has none for a moment then, and must not be taken for one that has emptied it.
    """
    entries = environment(pid)
    deadline = time.monotonic() + _EXECVE_SECONDS
    while entries == [b""] and _runs(pid) and time.monotonic() < deadline:
        time.sleep(_EXECVE_PAUSE_SECONDS)
        entries = environment(pid)
    return entries


def children(pid: int) -> list[int]:
    """Return the children of a process, of all its threads.

    For a single-threaded process that asks about itself the list is exact, because a child leaves
    it only when it is waited for.
    """
    found: list[int] = []
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return found
    for thread in threads:
        found += map(int, read(f"/proc/{pid}/task/{thread}/children").split())
    return found


def _children_by_scan() -> dict[int, list[int]]:
    """Return the children of every process: for kernels that do not list them."""
    table: dict[int, list[int]] = {}
    for pid in all_pids():
        fields = _stat(pid)
        if len(fields) > 1:
            table.setdefault(int(fields[1]), []).append(pid)
    return table


def has_children_files() -> bool:
    """Tell whether this kernel lists the children of a process."""
    return os.path.exists(f"/proc/self/task/{os.getpid()}/children")


def own_children() -> list[int]:
    """Return the children of this (single-threaded) process, zombies too."""
    me = os.getpid()
    return children(me) if has_children_files() else _children_by_scan().get(me, [])


def descendants(roots: Iterable[int]) -> list[int]:
    """Return everything below some processes, nearest first; the roots themselves are not in it."""
    table = None if has_children_files() else _children_by_scan()
    found: dict[int, None] = {}
    queue = list(roots)
    while queue:
        pid = queue.pop()
        for child in children(pid) if table is None else table.get(pid, []):
            if child not in found:
                found[child] = None
                queue.append(child)
    return list(found)


def carriers(entry: bytes) -> list[int]:
    """Return every process with this entry in its environment, except the caller."""
    me = os.getpid()
    return [pid for pid in all_pids() if pid != me and entry in environment(pid)]


def sessions_of(pids: Iterable[int]) -> list[int]:
    """Return all that share a session with some processes, where it is theirs.

    It is when its leader is one of them or has ended. A person's shell that happens to have started
    one of them leads a session that is not.
    """
    known = set(pids)
    sessions = {session for session in map(_session, known) if session is not None}
    theirs = {leader for leader in sessions if leader in known or not _runs(leader)}
    return [pid for pid in all_pids() if _session(pid) in theirs]


def _stat(pid: int) -> list[bytes]:
    """Return state, parent and so on; the name before them, in parentheses, may hold anything."""
    return read(f"/proc/{pid}/stat").rpartition(b")")[2].split()


def _runs(pid: int) -> bool:
    """Tell whether a process has not ended; one that has may still wait for its burial."""
    return _stat(pid)[:1] not in ([], [b"Z"], [b"X"])


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        return None


def send_signal(pid: int, number: int) -> None:
    """Send a signal to a process that may be gone already."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _kill_if_carrier(pid: int, entry: bytes) -> bool:
    """Kill a process if it (and not a newcomer with the same number) carries the entry."""
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        if entry not in environment(pid):
            return False
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def kill_carriers(engine_id: str) -> list[int]:
    """End every process that carries an engine's id in its environment, and all that they started.

    This is the second net, used when a dead engine's run is taken over: its spawner, should it
    still live, carries the id too.  It returns when none is left, or after five seconds with those
    that could not be ended.

    Args:
        engine_id: The id of an engine that is known to be dead.

    Returns:
        The ids of the processes that were told to end.
    """
    if not engine_id:
        raise ValueError("An engine's id is needed to end the processes that carry it; got ''.")
    entry = mark(ENGINE, engine_id)
    ended: dict[int, None] = {}
    deadline = time.monotonic() + _SWEEP_SECONDS
    while found := carriers(entry):
        # Those that have emptied their environment are known by their kin only: look before
        # killing.
        kin = dict.fromkeys([*descendants(found), *sessions_of(found)])
        killed = [pid for pid in found if _kill_if_carrier(pid, entry)]
        ended.update(dict.fromkeys(killed))
        for pid in kin:
            if pid not in ended and pid != os.getpid():
                send_signal(pid, signal.SIGKILL)
                ended[pid] = None
        if time.monotonic() > deadline:
            break
        time.sleep(_SWEEP_PAUSE_SECONDS)
    # What was told to end has no environment any more, or never had ours, some time before its end.
    while any(map(_runs, ended)) and time.monotonic() < deadline:
        time.sleep(_SWEEP_PAUSE_SECONDS)
    return list(ended)
