"""Named places beside the commit at which a test lets the process die.

They do nothing unless a test passes a hook, or the environment says
``CALLBOARD_CRASH_AT=<name>:<n>``: then the process kills itself, as by a power cut, when it passes
that place for the n-th time.
"""

from __future__ import annotations

import enum
import os
import signal
from collections.abc import Callable, Mapping
from typing import TypeAlias

from ..workflow import UsageError

CRASH_AT_VARIABLE = "CALLBOARD_CRASH_AT"


class CrashPoint(enum.StrEnum):
    """Where a process may die; each leaves something else behind."""

    BEFORE_COMMIT = "before_commit"
    IN_TRANSACTION = "in_transaction"
    AFTER_COMMIT_BEFORE_REPLY = "after_commit_before_reply"
    AFTER_REPLY = "after_reply"


CrashHook: TypeAlias = Callable[[CrashPoint], None]


def never_crash(_: CrashPoint) -> None:
    """Pass a crash point in production."""


def crash_hook(environ: Mapping[str, str] = os.environ) -> CrashHook:
    """Return the hook that the environment asks for."""
    wanted = environ.get(CRASH_AT_VARIABLE)
    if not wanted:
        return never_crash
    name, _, number = wanted.partition(":")
    if name not in set(CrashPoint) or not (number or "1").isdigit():
        known = ", ".join(CrashPoint)
        raise UsageError(f"{CRASH_AT_VARIABLE}={wanted!r} is not <name>:<n>; the names are {known}")
    return _Killer(CrashPoint(name), int(number or 1))


class _Killer:
    """Kill this process at the n-th pass of one crash point."""

    def __init__(self, point: CrashPoint, passes: int) -> None:
        self._point = point
        self._passes_left = passes

    def __call__(self, point: CrashPoint) -> None:
        if point is self._point:
            self._passes_left -= 1
            if self._passes_left == 0:
                os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
