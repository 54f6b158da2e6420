"""Waiting that is not cut short, for what has begun and will be done whatever its waiter does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

_T = TypeVar("_T")


async def finish_waiting(wait: Callable[[], Awaitable[_T]]) -> _T:
    """Wait for something to its end; a cancellation that came meanwhile is met afterwards.

    A shield holds off what anyio cancels, and that comes again by itself at the next chance.  It
    holds off nothing where asyncio cancels a whole task (``Task.cancel``, ``asyncio.timeout``):
    that comes once, so it is raised when the wait is over.

    Args:
        wait: Waits; called again when it was cut short.
    """
    cancelled: BaseException | None = None
    results: list[_T] = []
    while not results:
        try:
            with anyio.CancelScope(shield=True):
                results.append(await wait())
        except anyio.get_cancelled_exc_class() as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
    return results[0]
