"""How states look on a terminal: a sign, a colour, and always the word beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TextIO

from .._frozen import frozen
from ..workflow import RunState, TaskState


@frozen
class Symbol:
    """The look of a task's state."""

    unicode: str
    ascii: str
    colour: str | None
    bold: bool = False

    def sign(self, stream: TextIO) -> str:
        """Return what this stream can show."""
        return self.unicode if "utf" in (stream.encoding or "").lower() else self.ascii

    @property
    def style(self) -> str:
        """Return the same for rich."""
        return " ".join([*(["bold"] if self.bold else []), self.colour or "default"])


_SYMBOLS: Final[Mapping[TaskState, Symbol]] = {
    TaskState.PENDING: Symbol("·", ".", "bright_black"),
    TaskState.READY: Symbol("○", "o", None),
    TaskState.RUNNING: Symbol("●", ">", "cyan", bold=True),
    TaskState.WAITING: Symbol("◔", "w", "magenta"),
    TaskState.RETRY_WAIT: Symbol("↻", "r", "yellow"),
    TaskState.SUCCEEDED: Symbol("✔", "+", "green"),
    TaskState.NOT_READY: Symbol("◌", "n", "magenta"),
    TaskState.FAILED: Symbol("✘", "x", "red", bold=True),
    TaskState.SKIPPED: Symbol("⊘", "-", "bright_black"),
    TaskState.UPSTREAM_FAILED: Symbol("⊘", "-", "red"),
    TaskState.CANCELLED: Symbol("✖", "c", "yellow"),
}

RUN_COLOURS: Final[Mapping[RunState, str]] = {
    RunState.RUNNING: "cyan",
    RunState.SUCCEEDED: "green",
    RunState.NOT_READY: "magenta",
    RunState.CANCELLED: "yellow",
    RunState.FAILED: "red",
    RunState.TIMED_OUT: "red",
    RunState.PROMISE_BROKEN: "red",
}


def symbol_of(state: TaskState) -> Symbol:
    """Return the look of a state."""
    return _SYMBOLS[state]
