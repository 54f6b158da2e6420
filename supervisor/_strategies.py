"""What a supervisor decides when a child ends: pure functions of values, `now` among them.

Generic: nothing here knows of workflows.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, TypeAlias, assert_never, get_args

import attrs

from .._frozen import frozen

Restart: TypeAlias = Literal["permanent", "transient", "temporary"]
"""Start again always, or after a failure only, or never."""

Strategy: TypeAlias = Literal["one_for_one", "one_for_all", "rest_for_one"]
"""Who starts again with a child: nobody, every sibling, or those that were started after it."""


@frozen(kw_only=True)
class ChildSpec:
    """What a supervisor must know of a child.

    Args:
        name: Its name, unlike its siblings'.
        start: Lives one life of the child. An async function, or an actor's ``run``.
        restart: Whether another life follows: always (``permanent``), when ``start`` raised
            (``transient``), or never (``temporary``).
        stop: Tells the child to end by itself, without waiting; for instance an actor's ``stop``
            or ``drain``. Without it the child is stopped by cancelling it.
        stop_seconds: How long a child that was told to end may take before it is cancelled.
    """

    name: str
    start: Callable[[], Awaitable[object]]
    restart: Restart = attrs.field(
        default="permanent", validator=attrs.validators.in_(get_args(Restart))
    )
    stop: Callable[[], object] | None = None
    stop_seconds: float = attrs.field(default=5.0, validator=attrs.validators.ge(0))


@frozen(kw_only=True)
class Intensity:
    """How many restarts a supervisor makes within how many seconds before it gives up."""

    restarts: int = attrs.field(default=1, validator=attrs.validators.ge(0))
    seconds: float = attrs.field(default=5.0, validator=attrs.validators.gt(0))


class RestartIntensityExceeded(Exception):
    """A child ended more often than its supervisor allows: ``child``, ``reason``, ``intensity``.

    ``reason`` is what the child raised the last time, or None when it just returned.
    """

    def __init__(self, child: str, reason: Exception | None, intensity: Intensity) -> None:
        count, seconds = intensity.restarts, intensity.seconds
        super().__init__(
            f"Child {child!r} {describe(reason)}, and restarting it would be more than"
            f" {count} restart{'' if count == 1 else 's'} in {seconds:g} s."
        )
        self.child = child
        self.reason = reason
        self.intensity = intensity


def describe(reason: Exception | None) -> str:
    """Say how a child ended."""
    return "returned" if reason is None else f"failed with {reason!r}"


def is_restarted(restart: Restart, *, failed: bool) -> bool:
    """Whether a child that ended by itself starts again."""
    match restart:
        case "permanent":
            return True
        case "transient":
            return failed
        case "temporary":
            return False
        case _:
            assert_never(restart)


def restarted_with(strategy: Strategy, children: Sequence[str], ended: str) -> Sequence[str]:
    """Whom a restart concerns, the child itself included, in the order of starting."""
    match strategy:
        case "one_for_one":
            return [ended]
        case "one_for_all":
            return children
        case "rest_for_one":
            return children[children.index(ended) :]
        case _:
            assert_never(strategy)


def recent_restarts(times: Sequence[float], now: float, intensity: Intensity) -> list[float]:
    """Which restarts still count, with one more made now.

    The supervisor gives up when these are more than ``intensity.restarts``.
    """
    return [*(at for at in times if at > now - intensity.seconds), now]
