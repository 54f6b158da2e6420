"""The actor: an async function over its mailbox, and the address that others know it by."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Generic, TypeVar

import anyio
from anyio.abc import TaskGroup

from ._errors import UndeliveredHook
from ._mailbox import Mailbox, MailboxStatistics
from ._reply import Reply

M = TypeVar("M")
M_contra = TypeVar("M_contra", contravariant=True)
R = TypeVar("R")


class Ref(Generic[M_contra]):
    """The address of an actor: all that others hold of it. It stays valid over restarts."""

    __slots__ = ("_mailbox",)

    def __init__(self, mailbox: Mailbox[M_contra]) -> None:
        self._mailbox = mailbox

    @property
    def name(self) -> str:
        """The actor's name."""
        return self._mailbox.name

    def tell(self, message: M_contra) -> bool:
        """Give the actor a message without ever waiting; false when nobody will take it."""
        return self._mailbox.post(message)

    def send(self, message: M_contra) -> Coroutine[Any, Any, None]:
        """Give the actor a request, waiting while its mailbox is full (see ``Mailbox.send``)."""
        return self._mailbox.send(message)

    def ask(
        self, make: Callable[[Reply[R]], M_contra], *, timeout: float | None = None
    ) -> Coroutine[Any, Any, R]:
        """Ask the actor and wait for its answer (see ``Mailbox.ask``)."""
        return self._mailbox.ask(make, timeout=timeout)

    def __repr__(self) -> str:
        return f"<Ref {self.name!r}>"


class Actor(Generic[M]):
    """An actor as its parent holds it: who runs it, ends it, and waits for its end.

    ============  =================  ========================  ===================  ==============
    to end it     what is queued     new requests (send, ask)  new posts (tell)     the behaviour
    ============  =================  ========================  ===================  ==============
    ``stop()``    is handled         ActorStopped              undelivered          ends by itself
    ``drain()``   is handled         ActorStopped              taken, until every   ends by itself
                                                               ask is answered
    ``kill()``    undelivered        ActorStopped              undelivered          is cancelled
    ============  =================  ========================  ===================  ==============

    None of them waits (``wait_stopped`` does) and each is harmless when repeated or late.
    However an actor ends, every ask that it left unanswered raises ``ActorStopped``.
    """

    def __init__(
        self,
        behaviour: Callable[[Mailbox[M]], Awaitable[None]],
        *,
        name: str,
        limit: int = 1000,
        undelivered: UndeliveredHook | None = None,
    ) -> None:
        self._behaviour = behaviour
        self._mailbox = Mailbox[M](limit, name, undelivered=undelivered)
        self._scope: anyio.CancelScope | None = None
        self._killed_unborn = False
        self._stopped = anyio.Event()
        self.ref: Ref[M] = Ref(self._mailbox)

    @property
    def name(self) -> str:
        """The actor's name."""
        return self._mailbox.name

    def stop(self) -> None:
        """Let the actor handle what is queued, and end."""
        self._mailbox.close()

    def drain(self) -> None:
        """Let the actor finish what it has begun, and end."""
        self._mailbox.drain()

    def kill(self) -> None:
        """Cancel the actor wherever it waits; its shielded clean-up still runs to its end."""
        if self._scope is not None:
            self._scope.cancel()
        elif not self._stopped.is_set():
            self._killed_unborn = True
        self._mailbox.abandon("it was killed")

    async def wait_stopped(self) -> None:
        """Wait until the actor has ended, in whatever way."""
        await self._stopped.wait()

    def statistics(self) -> MailboxStatistics:
        """Tell what its mailbox holds now."""
        return self._mailbox.statistics()

    async def run(self) -> None:
        """Live, in the current task, until the behaviour ends; what it raises is raised here.

        ``spawn`` calls it; give it to a supervisor as a child's ``start``. Called again after an
        end it begins a new life behind the same ``ref``, with an empty mailbox.
        """
        if self._scope is not None:
            raise RuntimeError(f"Actor {self.name!r} runs already.")
        if self._stopped.is_set():
            self._stopped = anyio.Event()
            self._mailbox.reopen()
        reason = "it was cancelled"
        try:
            if not self._killed_unborn:
                with anyio.CancelScope() as self._scope:
                    await self._behaviour(self._mailbox)
            reason = "it ended"
        except Exception as error:
            reason = f"it failed with {error!r}"
            raise
        finally:
            self._scope, self._killed_unborn = None, False
            self._stopped.set()
            self._mailbox.abandon(reason)

    def __repr__(self) -> str:
        return f"<Actor {self.name!r}>"


def spawn(
    task_group: TaskGroup,
    behaviour: Callable[[Mailbox[M]], Awaitable[None]],
    *,
    name: str,
    limit: int = 1000,
    undelivered: UndeliveredHook | None = None,
) -> Actor[M]:
    """Start an actor in a task group; it can be told and asked at once.

    The actor never outlives the group: it is cancelled with it, and the group waits for its end.
    What the behaviour raises is raised out of the group and so cancels its siblings; put a
    supervisor between them when that is not wanted.

    Args:
        task_group: The parent.
        behaviour: What the actor does with its mailbox; the actor ends when it returns.
        name: Its name, for errors and logs.
        limit: How many messages may be queued before ``send`` and ``ask`` wait.
        undelivered: Called with each message that reached nobody; without it they are logged.
    """
    actor = Actor(behaviour, name=name, limit=limit, undelivered=undelivered)
    task_group.start_soon(actor.run, name=name)
    return actor
