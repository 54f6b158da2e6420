"""The task that is running now, as the function that does it sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._values import encode
from .executors import current_lease
from .supervisor import Lease, Upstream
from .workflow import UsageError


class Current:
    """The running task: who it is, what came before it, and plain words to report with."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease

    @property
    def run(self) -> str:
        """The run's id."""
        return self._lease.run

    @property
    def task(self) -> str:
        """The task's id."""
        return self._lease.task

    @property
    def label(self) -> str:
        """The task's label."""
        return self._lease.spec.name

    @property
    def generation(self) -> int:
        """How often the task was begun anew, from 1."""
        return self._lease.generation

    @property
    def attempt(self) -> int:
        """The number of this attempt in its generation, from 1."""
        return self._lease.attempt

    @property
    def key(self) -> str:
        """The same for all attempts of a generation: an idempotency key for the outside world."""
        return self._lease.key

    @property
    def needs(self) -> Mapping[str, Upstream]:
        """What the tasks in front of it gave, by id."""
        return self._lease.needs()

    @property
    def answers(self) -> tuple[Any, ...]:
        """What earlier waits of this generation were told."""
        return self._lease.answers

    def log(self, message: str, level: str = "info") -> None:
        """Keep a line in the run's log; it never waits."""
        self._lease.log("log", message, {"level": level})

    def progress(self, fraction: float, message: str | None = None, data: Any = None) -> None:
        """Tell how far the work is, from 0 to 1; it never waits."""
        body = {"fraction": fraction, "data": encode(data)}
        self._lease.log("progress", message or "", body)


def current() -> Current:
    """Return the running task; works in async functions and in sync ones in their threads.

    Raises:
        UsageError: no task is running here.
    """
    lease = current_lease.get(None)
    if lease is None:
        raise UsageError(
            "callboard.current() was called outside a task: call it in a task's function"
        )
    return Current(lease)


def current_sync() -> Current:
    """Return the running task, for type checkers that look at sync functions."""
    return current()
