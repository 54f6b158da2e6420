"""What becomes of a run when the call that started it and waits for it is cancelled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio

from .supervisor import Tree
from .workflow import CallboardError

if TYPE_CHECKING:
    import asyncio

    from .engine import RunHandle

CUT_SHORT = "whoever waited for it was cancelled"

UNWIND_SECONDS = 0.1
"""How often it is looked whether a cancelled task has left an engine's block or stays in it."""


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
