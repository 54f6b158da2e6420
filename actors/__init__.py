"""Actors: async functions over a mailbox, addressed by reference, on asyncio and trio.

Usable alone: it needs anyio and attrs, and knows nothing of workflows.
"""

from ._actor import Actor as Actor
from ._actor import Ref as Ref
from ._actor import spawn as spawn
from ._channel import Channel as Channel
from ._channel import ChannelStatistics as ChannelStatistics
from ._errors import ActorStopped as ActorStopped
from ._errors import MailboxClosed as MailboxClosed
from ._errors import Undelivered as Undelivered
from ._mailbox import Mailbox as Mailbox
from ._mailbox import MailboxState as MailboxState
from ._mailbox import MailboxStatistics as MailboxStatistics
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
