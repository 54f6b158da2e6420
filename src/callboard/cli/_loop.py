"""From a command to the event loop and back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import anyio

_T = TypeVar("_T")


def run_loop(work: Callable[..., Awaitable[_T]], *args: Any, backend: str) -> _T:
    """Run an async function on a backend and return what it returns.

    That goes past the loop's main task: asyncio writes the result of its main task out as text
    when it is done with it, which takes minutes for a large run.
    """
    results: list[_T] = []

    async def inside() -> None:
        results.append(await work(*args))

    anyio.run(inside, backend=backend)
    return results[0]
