"""What is asked of the spawner, and what it answers."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import attrs

from ..._frozen import frozen
from ...workflow import CallboardError, UsageError
from ._callboard_helper.procfs import SLOT_BYTES

_FUNCTION = re.compile(r"[^\W\d][\w.]*:[^\W\d][\w.]*")

_LIMIT_MAX = 1 << 62


class StartFailed(CallboardError):
    """A process could not be started; the sentence says why.

    ``kind`` is ``config`` where the command itself is wrong, and ``error`` where the system refused
    for now.
    """

    def __init__(self, message: str, *, kind: Literal["config", "error"]) -> None:
        super().__init__(message)
        self.kind = kind


class ProcessLost(CallboardError):
    """The spawner died or was closed while a process ran, and the process was ended with it."""

    kind: Literal["lost"] = "lost"


@frozen(kw_only=True)
class Limits:
    """What a process may use of the machine, and each that it starts for itself again.

    Args:
        memory: Bytes of address space; beyond it allocations fail.
        cpu_seconds: Seconds of processor time; then SIGXCPU, and a second later SIGKILL.
    """

    memory: int | None = None
    cpu_seconds: int | None = None

    def __attrs_post_init__(self) -> None:
        """Refuse what no system could set."""
        for name, value in (("memory", self.memory), ("cpu_seconds", self.cpu_seconds)):
            if value is not None and not 0 < value < _LIMIT_MAX:
                raise UsageError(f"The {name} limit is {value}: it must be a positive number.")


@frozen(kw_only=True)
class Command:
    """A program or a Python task to start.  One attempt starts one process.

    Args:
        argv: The program and its arguments; it is looked up on the ``PATH`` of its own environment.
        python: Instead of ``argv``: a Python file, or a function as ``module:name``.
        cwd: The working directory; without it the engine's.
        env: Environment variables on top of those the engine had when its spawner started.
        run: The run's id, for ``CALLBOARD_RUN``.
        attempt: A text that no other attempt has, for ``CALLBOARD_ATTEMPT``.
        limits: Limits on memory and processor time.
        sys_path: Folders to put in front of ``sys.path`` of a Python task, after the file's own
            folder.
    """

    argv: Sequence[str] | None = None
    python: str | None = None
    cwd: str | None = None
    env: Mapping[str, str] = attrs.field(factory=dict[str, str])
    run: str
    attempt: str
    limits: Limits | None = None
    sys_path: Sequence[str] = ()

    def __attrs_post_init__(self) -> None:
        """Refuse what no helper could do."""
        if (self.argv is None) == (self.python is None):
            raise UsageError("A command needs either argv or python, and not both.")
        if self.argv is not None and not (self.argv and self.argv[0]):
            raise UsageError("A command's argv is empty: it needs a program to start.")
        texts = [
            *(self.argv or ()),
            *self.env,
            *self.env.values(),
            self.run,
            self.attempt,
            self.cwd or "",
        ]
        if any("\0" in text for text in texts) or any("=" in name or not name for name in self.env):
            raise UsageError(
                f"The command for attempt {self.attempt!r} cannot be started: a text in it holds a "
                "NUL character, or a name in its environment is empty or holds '='."
            )
        if len(os.fsencode(self.run + self.attempt)) > SLOT_BYTES - 100:
            raise UsageError(
                f"The ids of a run and an attempt may be {SLOT_BYTES - 100} bytes long together."
            )

    def spec(self) -> dict[str, Any]:
        """Return the command in plain values, as the helper reads it."""
        limits = self.limits or Limits()
        return {
            "argv": None if self.argv is None else list(self.argv),
            "python": self.python,
            "function": self.python is not None and _FUNCTION.fullmatch(self.python) is not None,
            "cwd": self.cwd,
            "env": dict(self.env),
            "run": self.run,
            "attempt": self.attempt,
            "memory": limits.memory,
            "cpu": limits.cpu_seconds,
            "sys_path": list(self.sys_path),
        }


@frozen
class Exit:
    """How a process ended: with an exit code or by a signal.

    Args:
        code: The exit code.
        signal: Or the number of the signal that ended it.
        left: The ids of processes of the attempt that could not be ended, even by SIGKILL within
            five seconds.
    """

    code: int | None
    signal: int | None
    left: tuple[int, ...] = ()
