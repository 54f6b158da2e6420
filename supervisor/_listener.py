"""Does what other processes ask of this engine's runs, and takes up runs without owner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import anyio

from ..workflow import CallboardError, InternalError
from ._remote import answer_of, decode_command

if TYPE_CHECKING:
    from ..storage import Posted
    from ._tree import Tree

RECOVER_SECONDS = 5.0
"""How often an engine that recovers looks for runs whose owner died without a word."""

_RETRY_SECONDS: Final = 1.0


async def listen(tree: Tree) -> None:
    """Answer what is posted to this engine's runs, for ever; tell of others' changes."""
    seen = 0
    unsaid: dict[int, dict[str, Any]] = {}
    while True:
        # In memory nobody dies without a word.
        polls = tree.recovers and tree.store.durable
        with anyio.move_on_after(RECOVER_SECONDS if polls else None):
            seen = await tree.store.wait_changed(seen)
        tree.pools.look()
        while not await _look(tree, unsaid):  # noqa: ASYNC110 - no event tells that a store is well
            # Nothing else will tell of what could not be read.
            await anyio.sleep(_RETRY_SECONDS)


async def _look(tree: Tree, unsaid: dict[int, dict[str, Any]]) -> bool:
    """Do what is posted and take up what nobody owns; return whether the store let us."""
    try:
        for posted in await tree.store.inbox(tree.id):
            await _do(tree, posted, unsaid)
        await tree.ownership.let_go()
        if tree.recovers:
            await tree.ownership.resume_all()
    except Exception as error:  # noqa: BLE001 - a user's store may raise anything
        tree.log.warning("commands from other processes cannot be read now: %s", error)
        return False
    return True


async def _do(tree: Tree, posted: Posted, unsaid: dict[int, dict[str, Any]]) -> None:
    """Do what is posted, and answer.

    Args:
        unsaid: Answers that could not be stored yet: what they answer must not be done again.
    """
    if posted.id not in unsaid:
        unsaid[posted.id] = answer_of(await _refusal(tree, posted))
    try:
        await tree.store.reply(posted.id, unsaid[posted.id])
        del unsaid[posted.id]
    finally:
        tree.answered(posted.run)


async def _refusal(tree: Tree, posted: Posted) -> CallboardError | None:
    try:
        said = dict(posted.command)
        expected = said.pop("expected", None)
        await tree.ownership.command(
            posted.run, decode_command(said), posted=True, expected=expected
        )
    except CallboardError as error:
        return error
    except Exception as error:
        tree.log.exception("a command posted to run %s failed", posted.run)
        return InternalError(f"{type(error).__name__}: {error}")
    return None
