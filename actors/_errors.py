"""What goes wrong between actors, and where it is told."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TypeAlias

from .._frozen import frozen

LOGGER = logging.getLogger("callboard.actors")


class ActorStopped(Exception):
    """The actor takes no more messages, or ended before it answered: ``actor``, ``reason``."""

    def __init__(self, actor: str, reason: str) -> None:
        super().__init__(f"Actor {actor!r} does not answer: {reason}.")
        self.actor = actor
        self.reason = reason


class MailboxClosed(Exception):
    """The mailbox is closed and everything in it was taken: no message will ever come."""


@frozen(kw_only=True)
class Undelivered:
    """A message that reached nobody."""

    message: object
    to: str
    reason: str


UndeliveredHook: TypeAlias = Callable[[Undelivered], None]


def report_undelivered(
    messages: Iterable[object], *, to: str, reason: str, hook: UndeliveredHook | None
) -> None:
    """Hand undelivered messages to the hook, or log them in one line when there is none.

    The log names their types only: what is in a message may be secret.
    """
    messages = list(messages)
    if hook is not None:
        for message in messages:
            hook(Undelivered(message=message, to=to, reason=reason))
    elif messages:
        count = len(messages)
        kinds = sorted({type(message).__name__ for message in messages})
        LOGGER.warning(
            "%d undelivered message%s (%s) for actor %r: %s.",
            *(count, "s" if count > 1 else "", ", ".join(kinds), to, reason),
        )
