"""Running under virtual time: the doors to the loops of ``_clock_asyncio`` and ``_clock_trio``.

Virtual time is the loop's own clock, so every sleep and timeout of a program is virtual, whoever
wrote it.  The rule it follows stands in ``_virtual_time``.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeVar, TypeVarTuple, Unpack

import anyio

from ..actors._busy import clock_owner
from ._virtual_time import DEFAULT_PATIENCE, VirtualTime

_Result = TypeVar("_Result")
_Args = TypeVarTuple("_Args")

DEFAULT_START: Final = datetime(2030, 1, 1, tzinfo=UTC)


def run(
    async_fn: Callable[[Unpack[_Args]], Awaitable[_Result]],
    *args: *_Args,
    backend: Literal["asyncio", "trio"] = "asyncio",
    start: datetime | float = DEFAULT_START,
    patience: float = DEFAULT_PATIENCE,
) -> _Result:
    """Run an async function under virtual time and return its result.

    Args:
        async_fn: The function.
        *args: Its positional arguments.
        backend: The event loop to run it on.
        start: Wall time at which the run begins: an aware datetime, or seconds since the epoch.
        patience: How many real seconds to wait for outside work before giving up.

    Raises:
        RuntimeError: Nothing can ever happen again, or outside work took longer than ``patience``.
    """
    options = _options(backend, start, patience)
    if backend == "trio":
        import trio

        # Not through anyio.run(), whose older versions drop the options for trio.
        return trio.run(async_fn, *args, clock=options["clock"])
    return anyio.run(async_fn, *args, backend=backend, backend_options=options)


def virtual_backends(
    *, start: datetime | float = DEFAULT_START, patience: float = DEFAULT_PATIENCE
) -> list[tuple[str, dict[str, object]]]:
    """Return both backends under virtual time, as parameters of anyio's ``anyio_backend`` fixture.

    Args:
        start: Wall time at which each test begins: an aware datetime, or seconds since the epoch.
        patience: How many real seconds a test waits for outside work before it fails.
    """
    return [(name, _options(name, start, patience)) for name in ("asyncio", "trio")]


def current_virtual_time() -> VirtualTime:
    """Return the virtual time of the running loop.

    Raises:
        RuntimeError: No loop is running in this thread, or it keeps real time.
    """
    found = getattr(clock_owner(), "virtual_time", None)
    if isinstance(found, VirtualTime):
        return found
    raise RuntimeError(
        "The running loop keeps real time; start it with callboard.testing.run() or with one of "
        "callboard.testing.virtual_backends()."
    )


def wall_time() -> float:
    """Return the running loop's virtual wall time in seconds since the epoch.

    It is the clock to give to an engine.
    """
    return current_virtual_time().wall_time()


def _options(backend: str, start: datetime | float, patience: float) -> dict[str, Any]:
    make = functools.partial(VirtualTime, start=_seconds(start), patience=patience)
    if backend == "trio":
        from ._clock_trio import VirtualClock  # asyncio programs do not load trio

        return {"clock": VirtualClock(make)}
    from ._clock_asyncio import VirtualLoop

    return {"loop_factory": lambda: VirtualLoop(make())}


def _seconds(start: datetime | float) -> float:
    if not isinstance(start, datetime):
        return float(start)
    if start.tzinfo is None:
        raise ValueError(
            f"The start {start.isoformat()} has no time zone; give it one, such as datetime.UTC."
        )
    return start.timestamp()
