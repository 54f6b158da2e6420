"""What becomes of a run when the call that started it and waits for it is cancelled."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import anyio

from .supervisor import Live, Tree, new_run_id
from .workflow import CallboardError, RunResult

if TYPE_CHECKING:
    import asyncio

    from .engine import Engine, RunHandle

CUT_SHORT = "whoever waited for it was cancelled"

UNWIND_SECONDS = 0.1
"""How often it is looked whether a cancelled task has left an engine's block or stays in it."""


async def run_whole(
    engine: Engine, start: Callable[[str], Awaitable[RunHandle]], run_id: str | None
) -> RunResult:
    """Start a run and return its result; cancelling this cancels the run.

    Args:
        engine: The engine.
        start: Starts it under an id.
        run_id: The id, if somebody chose one.
    """
    tree = engine.tree
    name = new_run_id(tree.clock.wall()) if run_id is None else run_id
    taken = name in tree.live
    handle: RunHandle | None = None
    try:
        handle = await start(name)
        return await handle.result()
    except anyio.get_cancelled_exc_class():
        by_scope = anyio.current_effective_deadline() == -math.inf
        # Starting is not cut short: it may have been started all the same.
        if handle is None and not taken and (live := tree.live.get(name)) is not None:
            handle = _handle(engine, live)
        if handle is not None and handle.created:
            with anyio.CancelScope(shield=True):
                await cut_short(tree, handle, by_scope=by_scope)
        raise


def _handle(engine: Engine, live: Live) -> RunHandle:
    from .engine import RunHandle

    return RunHandle(engine, live.id, live, created=True)


async def cut_short(tree: Tree, handle: RunHandle, *, by_scope: bool) -> None:
    """Cancel the run of a cancelled call, unless it was cancelled because the engine is left.

    Whether a scope lies around the engine's block or within it can be seen.  asyncio cancels
    whole tasks, too.  If that hits the task which entered the block, it leaves the block as
    well, but for a timeout of asyncio within it: which of them it is, is seen afterwards.
    """
    if await tree.is_left():
        return
    if by_scope or not tree.in_its_task:
        await handle.cancel_and_wait(CUT_SHORT)
    else:
        import asyncio

        tree.soon(_cancel_unless_left, tree, handle, asyncio.current_task())


async def _cancel_unless_left(tree: Tree, handle: RunHandle, left_by: asyncio.Task[Any]) -> None:
    """Cancel a run if the task that was cancelled goes on within the block after all."""
    closing = tree.closing
    while left_by.cancelling() and not closing.is_set():
        # Clean-up that awaits is still on its way out; nothing tells when it is.
        with anyio.move_on_after(UNWIND_SECONDS):
            await closing.wait()
    if closing.is_set():
        return
    try:
        await handle.cancel_and_wait(CUT_SHORT)
    except CallboardError as error:
        tree.log.warning("run %s was not cancelled: %s", handle.id, error)
