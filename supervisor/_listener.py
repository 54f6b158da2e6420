"""Does what other processes ask of this engine's runs, and takes up runs without owner."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from ..workflow import CallboardError, StoreError
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
        with anyio.move_on_after(RECOVER_SECONDS if tree.recovers else None):
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
        await tree.command(posted.run, decode_command(posted.command))
    except CallboardError as error:
        refusal = error
    await tree.store.reply(posted.id, answer_of(refusal))
