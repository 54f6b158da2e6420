"""Does what other processes ask of this engine's runs, and takes up runs without owner."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from ..workflow import CallboardError, InternalError, StoreError
from ._remote import answer_of, decode_command

if TYPE_CHECKING:
    from ..storage import Posted
    from ._tree import Tree

RECOVER_SECONDS = 5.0
"""How often an engine that recovers looks for runs whose owner died without a word."""


async def listen(tree: Tree) -> None:
    """Answer what is posted to this engine's runs, for ever; tell of others' changes."""
    seen = 0
    while True:
        # In memory nobody dies without a word.
        polls = tree.recovers and tree.store.durable
        with anyio.move_on_after(RECOVER_SECONDS if polls else None):
            seen = await tree.store.wait_changed(seen)
        tree.pools.look()
        try:
            for posted in await tree.store.inbox(tree.id):
                await _do(tree, posted)
            if tree.recovers:
                await tree.resume_all()
        except StoreError as error:
            tree.log.warning("commands from other processes cannot be read now: %s", error)


async def _do(tree: Tree, posted: Posted) -> None:
    refusal: CallboardError | None = None
    try:
        await tree.command(posted.run, decode_command(posted.command), posted=True)
    except CallboardError as error:
        refusal = error
    except Exception as error:
        tree.log.exception("a command posted to run %s failed", posted.run)
        refusal = InternalError(f"{type(error).__name__}: {error}")
    try:
        await tree.store.reply(posted.id, answer_of(refusal))
    finally:
        tree.answered(posted.run)
