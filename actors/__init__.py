"""Actors: async functions over a mailbox, addressed by reference, on asyncio and trio.

Usable alone: it needs anyio and attrs, and knows nothing of workflows.
"""

from ._actor import Actor as Actor, Ref as Ref, spawn as spawn
from ._channel import Channel as Channel, ChannelStatistics as ChannelStatistics
from ._errors import (
    ActorStopped as ActorStopped,
    MailboxClosed as MailboxClosed,
    Undelivered as Undelivered,
)
from ._mailbox import (
    Mailbox as Mailbox,
    MailboxState as MailboxState,
    MailboxStatistics as MailboxStatistics,
)
from ._reply import Reply as Reply

__all__ = [
    "Actor",
    "ActorStopped",
    "Channel",
    "ChannelStatistics",
    "Mailbox",
    "MailboxClosed",
    "MailboxState",
    "MailboxStatistics",
    "Ref",
    "Reply",
    "Undelivered",
    "spawn",
]
