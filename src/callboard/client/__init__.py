"""A client of a callboard server, on asyncio and trio: ``async with Client(url) as client``.

What the server refuses is raised as the engine itself raises it.  It needs the extra ``http``.
"""

from __future__ import annotations

from ._client import Client as Client
from ._errors import Denied as Denied, Unreachable as Unreachable
from ._lease import ClientLease as ClientLease
from ._records import (
    Event as Event,
    LeaseRecord as LeaseRecord,
    Line as Line,
    Offer as Offer,
    Page as Page,
    RunItem as RunItem,
    RunView as RunView,
    TaskItem as TaskItem,
    TaskView as TaskView,
    WorkflowItem as WorkflowItem,
)
from ._stream import Stream as Stream
