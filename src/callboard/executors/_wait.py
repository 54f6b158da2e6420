"""Readiness: a Prober asks once, a Poller asks until the answer is yes or no.

A check is a function, async or sync, of the task's inputs.  It returns true (or None) for *ready*,
false or
:class:`NotReady` for *in progress*, and raises for *error*.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable
from typing import Any

import anyio

from .._frozen import frozen
from ..supervisor import Failed, Lease, NotDone, Outcome, failure_of
from ..workflow import Failure
from ._function import FunctionExecutor, NotReady, outcome_of


class Readiness(enum.StrEnum):
    """What one check found."""

    READY = "ready"
    IN_PROGRESS = "in_progress"
    ERROR = "error"


@frozen
class Probe:
    """The answer of one check, with what the function returned or raised."""

    readiness: Readiness
    value: Any = None
    failure: Failure | None = None

    @property
    def is_ready(self) -> bool:
        """Whether what was waited for is there."""
        return self.readiness is Readiness.READY


Check = Callable[[Callable[[], object]], Awaitable[Any]]
"""Asks; calls what it is given when the check begins, for it may wait for a thread before that."""


@frozen
class Prober:
    """Asks once; a check that takes longer than ``timeout`` seconds is an error."""

    timeout: float | None = None

    async def check(self, ask: Check) -> Probe:
        """Return what one check found."""
        value: Any = None
        with anyio.CancelScope() as scope:

            def begun() -> None:
                if self.timeout is not None:
                    scope.deadline = anyio.current_time() + self.timeout

            try:
                value = await ask(begun)
            except Exception as error:  # noqa: BLE001 - whatever a check raises is its answer
                return Probe(Readiness.ERROR, failure=failure_of(error))
        if scope.cancelled_caught:
            message = f"one check took longer than its timeout of {self.timeout:g} s"
            return Probe(Readiness.ERROR, failure=Failure(kind="timeout", message=message))
        if value is False or isinstance(value, NotReady):
            return Probe(Readiness.IN_PROGRESS, value)
        return Probe(Readiness.READY, value)


@frozen
class Poller:
    """Asks at once and then every ``every`` seconds until the answer is ready or error.

    Attributes:
        within: Seconds after which it gives up with an error of kind timeout.
    """

    every: float
    prober: Prober = Prober()
    within: float | None = None

    async def check(self, ask: Check) -> Probe:
        """Return the first answer that is not "in progress"."""
        with anyio.move_on_after(self.within):
            while True:
                probe = await self.prober.check(ask)
                if probe.readiness is not Readiness.IN_PROGRESS:
                    return probe
                await anyio.sleep(self.every)
        message = f"it was not ready within {self.within:g} s"
        return Probe(Readiness.ERROR, failure=Failure(kind="timeout", message=message))


class WaitExecutor:
    """Does ``wait`` tasks with functions found as all functions are."""

    def __init__(self, functions: FunctionExecutor) -> None:
        self._functions = functions

    async def execute(self, lease: Lease) -> Outcome:
        """Probe until the answer is known."""
        config = lease.config
        path = str(config["probe"])

        async def ask(begun: Callable[[], object]) -> Any:
            return await self._functions.call(path, lease, begun)

        prober = Prober(config.get("timeout"))
        every = config.get("every")
        if every is None:
            probe = await prober.check(ask)
        else:
            probe = await Poller(every, prober, _left(lease, config.get("within"))).check(ask)
        return _outcome(probe, path)


def _left(lease: Lease, within: float | None) -> float | None:
    """Return what is left of ``within``: a wait that another engine began is not begun anew."""
    if within is None or lease.waited is None:
        return within
    return max(0.0, within - lease.waited)


def _outcome(probe: Probe, path: str) -> Outcome:
    match probe.readiness:
        case Readiness.READY:
            return outcome_of(None if probe.value is True else probe.value, path)
        case Readiness.IN_PROGRESS:
            reason = probe.value.reason if isinstance(probe.value, NotReady) else None
            return NotDone(reason or f"{path!r} says it is still in progress")
        case Readiness.ERROR:
            assert probe.failure is not None
            return Failed(probe.failure)
