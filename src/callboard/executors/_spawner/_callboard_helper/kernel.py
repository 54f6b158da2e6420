"""What Python has no words for: ``prctl``, and an environment that ``/proc`` can see.

``/proc/<pid>/environ`` shows the memory that the environment was in when the program began.  What a
forked Python child puts into ``os.environ`` later is not seen there, nor in what that child forks.
So the helper is begun with one long entry, the *slot*, and a forked child writes its marks over it.
"""

from __future__ import annotations

import ctypes
import os
import sys

from .procfs import SLOT, SLOT_BYTES

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, ctypes.c_ulong(value), 0, 0, 0)


def become_subreaper() -> None:
    """Make orphaned descendants children of this process instead of init's (Linux)."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(number: int) -> None:
    """Ask for a signal to this process when its parent ends (Linux)."""
    _prctl(_PR_SET_PDEATHSIG, number)


def find_slot() -> int | None:
    """Take the slot out of the environment, which nobody has changed yet; returns its address."""
    getenv = ctypes.CDLL(None).getenv
    getenv.restype = ctypes.c_void_p
    value: int | None = getenv(SLOT.encode())
    if os.environ.pop(SLOT, None) is None or value is None:
        return None
    return value - len(SLOT) - 1


def write_slot(address: int, entries: list[bytes]) -> None:
    """Write environment entries, which must fit into the slot, where ``/proc`` looks for them."""
    ctypes.memmove(address, b"\0".join(entries).ljust(SLOT_BYTES, b"\0"), SLOT_BYTES)
