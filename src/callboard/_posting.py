"""Commands for runs of other processes: left in the store, for the engine that owns the run."""

from __future__ import annotations

from typing import Any, Final

import anyio

from .storage import Store
from .supervisor import answer_of, encode_command, refusal_of
from .workflow import Command, Refused, RunOwned

REPLY_SECONDS = 10.0
"""How long a command to a run of another process waits for its answer."""

NOBODY: Final = object()
"""There is nobody alive who could answer."""

WITHDRAWN: Final = answer_of(Refused("withdrawn: its sender acts itself"))

OWNER_SECONDS = 0.5
"""How often it looks meanwhile whether the process is still there."""


async def post_and_wait(
    store: Store, run_id: str, command: Command, owned: RunOwned, expected: int | None = None
) -> bool | None:
    """Leave a command for the engine that owns a run and wait for its answer.

    Returns:
        True when the owner did it; None when the run came to have no living owner before it could.
    """
    said = encode_command(command)
    if expected is not None:
        said["expected"] = expected
    number = await store.post(run_id, said)
    while (answer := await _answer(store, run_id, number)) is NOBODY:
        owner = await store.owner(run_id)
        if owner is None or not owner[1]:
            # Answered here, so that nobody who takes the run up later does it again.
            await store.reply(number, WITHDRAWN)
            answer = await store.answer(number)
            if answer in (None, WITHDRAWN):
                return None
            break  # Somebody was faster.
        # Somebody has taken it since, if only for a moment, to do what was posted.
    if answer is None:
        raise RunOwned(
            f"{owned}; it has not answered within {REPLY_SECONDS:g} s: the command stays in its "
            "inbox and is done when it gets there",
            run_id=run_id,
            owner=owned.owner,
            posted=True,
        )
    if not answer.get("ok"):
        raise refusal_of(answer)
    return True


async def _answer(store: Store, run_id: str, number: int) -> Any:
    """Return the answer to a posted command; None if it does not come in time, or NOBODY."""
    seen = 0
    with anyio.move_on_after(REPLY_SECONDS):
        while True:
            owner = await store.owner(run_id)
            # Asked in this order: an owner that answers and then lets the run go has been heard.
            answer = await store.answer(number)
            if answer is not None:
                return answer
            if owner is None or not owner[1]:
                return NOBODY
            with anyio.move_on_after(OWNER_SECONDS):
                seen = await store.wait_changed(seen)
    return None
