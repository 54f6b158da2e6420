"""The mailbox: a queue that many tasks fill and one task empties.

Two ways in, because a bound in both directions would deadlock two actors that talk to each other:
requests wait for room (``send``, ``ask``), while replies, events and timers never wait (``post``).
The queue may therefore exceed its limit by what is posted.

No operation yields to the event loop when it need not: a message that is there is taken at once.
A consumer that never has to wait still lets others run after every ``FAIR`` messages, and a
sender that never has to wait stops when the mailbox is full.

A mailbox belongs to one event loop; from another thread go through ``anyio.from_thread``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable
from enum import StrEnum
from typing import Any, Generic, TypeVar

import anyio
import anyio.lowlevel
import attrs

from .._frozen import frozen
from ._errors import ActorStopped, MailboxClosed, UndeliveredHook, report_undelivered
from ._finishing import finish_waiting
from ._parking import Spot, new_spot
from ._reply import Reply

M = TypeVar("M")
R = TypeVar("R")

FAIR = 32


class MailboxState(StrEnum):
    """What a mailbox still takes."""

    OPEN = "open"
    """Everything."""
    DRAINING = "draining"
    """What is posted, until every question taken before is answered; no requests."""
    CLOSED = "closed"
    """Nothing; what is queued can still be received."""
    ENDED = "ended"
    """Nothing, and there is nothing left to receive."""


@frozen(kw_only=True)
class MailboxStatistics:
    """What a mailbox holds at this moment."""

    state: MailboxState
    queued: int
    limit: int
    senders_waiting: int
    asks_open: int
    receiver_waits: bool


class Mailbox(Generic[M]):
    """A queue of messages with many senders, one receiver and a limit for requests.

    Args:
        limit: How many messages may be queued before ``send`` and ``ask`` wait for room.
        name: Whose mailbox it is, for errors and logs.
        undelivered: Called with each message that reached nobody; without it they are logged.
    """

    __slots__ = (
        *("_asks", "_at_once", "_items", "_limit", "_name", "_reason", "_receiver"),
        *("_senders", "_state", "_undelivered"),
    )

    def __init__(
        self, limit: int = 1000, name: str = "", *, undelivered: UndeliveredHook | None = None
    ) -> None:
        if limit < 1:
            raise ValueError(f"The limit of mailbox {name!r} must be at least 1, not {limit}.")
        self._limit = limit
        self._name = name
        self._undelivered = undelivered
        self._state = MailboxState.OPEN
        self._reason = ""
        self._items: deque[M] = deque()
        self._senders: dict[_Sender[M], None] = {}  # who waits for room, in order of arrival
        self._asks: dict[Reply[Any], None] = {}  # questions queued or taken, unanswered, in order
        self._receiver: Spot | None = None
        self._at_once = 0  # how many messages were taken since the receiver last let others run

    @property
    def name(self) -> str:
        """Whose mailbox it is."""
        return self._name

    # --- putting in

    def post(self, message: M) -> bool:
        """Queue a reply, event or timer without ever waiting; false when nobody will take it.

        An undeliverable message goes to the ``undelivered`` hook, or is logged.
        """
        if self._state is MailboxState.OPEN or self._state is MailboxState.DRAINING:
            self._items.append(message)
            if self._receiver is not None:
                self._wake_receiver()
            return True
        self._report([message])
        return False

    async def send(self, message: M) -> None:
        """Queue a request, waiting for room while the mailbox is full.

        Cancelled while it waits, the message is not queued.

        Raises:
            ActorStopped: The mailbox takes no requests, or stopped taking them meanwhile.
        """
        if self._state is not MailboxState.OPEN:
            raise ActorStopped(self._name, self._reason)
        if len(self._items) < self._limit:
            self._items.append(message)
            if self._receiver is not None:
                self._wake_receiver()
            return
        sender = _Sender(message, new_spot())
        self._senders[sender] = None
        try:
            await sender.spot
        finally:
            self._senders.pop(sender, None)
        if not sender.is_queued:
            raise ActorStopped(self._name, self._reason)

    async def ask(
        self,
        make: Callable[[Reply[R]], M],
        *,
        timeout: float | None = None,
        to_the_end: bool = False,
    ) -> R:
        """Queue a question, waiting for room, and wait for its answer.

        Args:
            make: Makes the message around the reply that the answer goes to.
            timeout: How many seconds to wait, for room and answer together.
            to_the_end: Wait even if cancelled; a cancellation is met afterwards.

        Raises:
            ActorStopped: The mailbox takes no requests, or ended without answering.
            TimeoutError: No answer came in time.
            Exception: What the actor gave to ``Reply.fail``.
        """
        if timeout is not None:
            with anyio.move_on_after(timeout):
                return await self.ask(make)
            raise TimeoutError(f"Actor {self._name!r} did not answer within {timeout} s.")
        reply: Reply[R] = Reply(self._name, self._settle)
        message = make(reply)
        self._asks[reply] = None
        try:
            if to_the_end:
                with anyio.CancelScope(shield=True):
                    await self.send(message)
                return await finish_waiting(reply.wait)
            await self.send(message)
            return await reply.wait()
        finally:
            if reply.is_open:
                reply.forget()

    # --- taking out

    async def receive(self) -> M:
        """Take the oldest message, waiting for one.

        Raises:
            MailboxClosed: Everything was taken and nothing more will come.
        """
        if not self._items or self._at_once >= FAIR:
            await self._wait()
        return self._take()

    async def receive_all(self) -> list[M]:
        """Take everything that is queued, waiting until there is at least one message.

        Raises:
            MailboxClosed: Everything was taken and nothing more will come.
        """
        if not self._items or self._at_once >= FAIR:
            await self._wait()
        messages = list(self._items)
        self._items.clear()
        self._at_once += len(messages)
        if self._senders:
            self._let_in()
        return messages

    def receive_nowait(self) -> M:
        """Take the oldest message.

        Raises:
            anyio.WouldBlock: There is none now.
            MailboxClosed: There is none and none will come.
        """
        if self._items:
            return self._take()
        if self._is_over():
            raise MailboxClosed(f"Mailbox {self._name!r} is closed: {self._reason}.")
        raise anyio.WouldBlock

    def __aiter__(self) -> AsyncIterator[M]:
        return self

    async def __anext__(self) -> M:
        if not self._items or self._at_once >= FAIR:
            try:
                await self._wait()
            except MailboxClosed:
                raise StopAsyncIteration from None
        return self._take()

    def batches(self) -> AsyncIterator[list[M]]:
        """Iterate as ``receive_all`` does, until everything was taken and nothing will come."""
        return _Batches(self)

    # --- ending

    def close(self, reason: str = "it was told to stop") -> None:
        """Take no more messages; what is queued can still be received, then iteration ends."""
        if self._state is MailboxState.OPEN or self._state is MailboxState.DRAINING:
            self._shut(MailboxState.CLOSED, reason)

    def drain(self, reason: str = "it finishes what it has begun") -> None:
        """Take no more requests; iteration ends when every question taken before is answered.

        Until then what is posted is still taken, for an answer may depend on it.
        """
        if self._state is MailboxState.OPEN:
            self._shut(MailboxState.DRAINING, reason)

    def abandon(self, reason: str = "it ended") -> None:
        """Take no more messages and drop those queued; whoever waits for an answer is told."""
        if self._state is MailboxState.ENDED:
            return
        dropped = list(self._items)
        self._items.clear()
        self._shut(MailboxState.ENDED, reason)
        for reply in list(self._asks):
            reply.fail(ActorStopped(self._name, reason))
        self._report(dropped)

    def reopen(self) -> None:
        """Take messages again after ``abandon``, as a new mailbox would."""
        if self._state is MailboxState.ENDED:
            self._state, self._reason, self._at_once = MailboxState.OPEN, "", 0

    def statistics(self) -> MailboxStatistics:
        """Tell what the mailbox holds now."""
        return MailboxStatistics(
            state=self._state,
            queued=len(self._items),
            limit=self._limit,
            senders_waiting=len(self._senders),
            asks_open=len(self._asks),
            receiver_waits=self._receiver is not None,
        )

    # --- within

    def _take(self) -> M:
        self._at_once += 1
        message = self._items.popleft()
        if self._senders:
            self._let_in()
        return message

    async def _wait(self) -> None:
        """Let others run, until there is a message."""
        self._at_once = 0
        if self._items:
            await anyio.lowlevel.checkpoint()
        while not self._items:
            if self._is_over():
                if self._state is MailboxState.DRAINING:
                    self._state = MailboxState.CLOSED
                raise MailboxClosed(f"Mailbox {self._name!r} is closed: {self._reason}.")
            if self._receiver is not None:
                raise RuntimeError(f"Two tasks receive from mailbox {self._name!r}: one may.")
            self._receiver = spot = new_spot()
            try:
                await spot
            finally:
                if self._receiver is spot:
                    self._receiver = None

    def _wake_receiver(self) -> None:
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            receiver.wake()

    def _let_in(self) -> None:
        """Queue the messages of those who waited for room, as far as there is room."""
        while self._senders and len(self._items) < self._limit:
            sender = next(iter(self._senders))
            del self._senders[sender]
            if sender.spot.wake():
                sender.is_queued = True
                self._items.append(sender.message)

    def _shut(self, state: MailboxState, reason: str) -> None:
        self._state, self._reason = state, reason
        for sender in self._senders:
            sender.spot.wake()
        self._senders.clear()
        self._wake_receiver()

    def _is_over(self) -> bool:
        if self._state is MailboxState.DRAINING:
            return not self._asks
        return self._state is not MailboxState.OPEN

    def _settle(self, reply: Reply[Any]) -> None:
        self._asks.pop(reply, None)
        if self._state is MailboxState.DRAINING and not self._asks:
            self._wake_receiver()

    def _report(self, messages: list[M]) -> None:
        report_undelivered(messages, to=self._name, reason=self._reason, hook=self._undelivered)


@attrs.define(eq=False)
class _Sender(Generic[M]):
    """Who waits for room."""

    message: M
    spot: Spot
    is_queued: bool = False


class _Batches(Generic[M]):
    """An iterator over whole mailboxes."""

    def __init__(self, mailbox: Mailbox[M]) -> None:
        self._mailbox = mailbox

    def __aiter__(self) -> AsyncIterator[list[M]]:
        return self

    async def __anext__(self) -> list[M]:
        try:
            return await self._mailbox.receive_all()
        except MailboxClosed:
            raise StopAsyncIteration from None
