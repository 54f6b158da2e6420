"""The words that change a graph while it runs: awaited where one awaits, blocking in threads.

Both have the same names and do the same; a type checker needs them apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Protocol

from ._refs import HoleLike, HoleRef, NodeLike, TaskLike, TaskRef
from ._voice import Batch, Nodes, Said, Voice
from .workflow import UsageError
from .workflow._guard_text import GuardSpec

OWN_ID = "the id of a created task is its creator's and its key: say key= instead of id="


class AsyncVerbs:
    """Change the graph; each word returns when what follows from it is stored."""

    _voice: Voice

    async def add(
        self,
        fn: Callable[..., Any] | str,
        /,
        *args: Any,
        id: str | None = None,
        key: str | None = None,
        after: Nodes = (),
        before: Nodes = (),
        into: HoleLike | None = None,
        **kwargs: Any,
    ) -> TaskRef:
        """Create a task that calls ``fn(*args, **kwargs)``; a reference among them is a data edge.

        If its label fits a hole that this task owns, it goes into that hole and runs after and
        before what the hole says.  Otherwise it may start at once, but for ``after``.

        Args:
            fn: A function, or a task made of one; or a label: then it is done as the definition
                says of tasks with that name, with ``kwargs`` as its inputs.
            args: What it is called with.
            id: Nothing: a created task's id is its creator's id and its key.
            key: What makes it the same task when a later attempt creates it again; its label and
                its number among this attempt's creations if not given.
            after: Tasks and holes that it runs after.
            before: Tasks and holes that run after it.
            into: A hole, an instance in it, or one place, if more than one would do.
            kwargs: What it is called with by name.

        Returns:
            Its reference; inside a batch at once, before it is created.

        Raises:
            UsageError: the function or an argument cannot be used.
            Refused: it cannot come there; nothing changed.
            PromiseBroken: it was promised that it does not come: the run is being stopped.
        """
        _refuse_id(id)
        said, ref = self._voice.add(
            fn, args, kwargs, key=key, after=after, before=before, into=into
        )
        await self._say(said)
        return ref

    async def edge(self, source: TaskLike, target: TaskLike) -> None:
        """Let a task that has not started run after another one.

        Raises:
            Refused: it has started, or there would be a cycle; nothing changed.
            PromiseBroken: a promise rules the edge out: the run is being stopped.
        """
        await self._say(self._voice.edge(source, target))

    async def hole(
        self,
        shape: str,
        after: Nodes = (),
        before: Nodes = (),
        owner: TaskLike | None = None,
    ) -> HoleRef:
        """Open a place in the graph where tasks may come.

        Args:
            shape: What may come: ``page*``, ``(N -> M) | (J -> K)``, ``...``.
            after: Tasks and holes that what comes there runs after.
            before: Tasks and holes that wait until nothing more comes and all of it is done.
            owner: Who fills it: this task, or one that it has created.

        Returns:
            Its reference; as an argument of a task it is the list of what its tasks gave.

        Raises:
            Refused: the shape cannot be, or not there; nothing changed.
            PromiseBroken: nothing may come but what was declared: the run is being stopped.
        """
        said, ref = self._voice.hole(shape, after, before, owner)
        await self._say(said)
        return ref

    async def give(self, hole: HoleLike, task: TaskLike) -> None:
        """Let a task that this one, or what it has created, has created fill a hole of this one.

        Raises:
            Refused: the hole is not this task's, or that task cannot fill it; nothing changed.
        """
        await self._say(self._voice.give(hole, task))

    async def close(self, hole: HoleLike) -> None:
        """Let nothing more come into a hole of this task; what follows it may start the sooner.

        Raises:
            Refused: the hole is not this task's; nothing changed.
            PromiseBroken: something must still come into it: the run is being stopped.
        """
        await self._say(self._voice.close(hole))

    async def withdraw(self, task: TaskLike) -> None:
        """Take back a task that this one, or what it has created, has created.

        It is skipped: what runs after it goes on as soon as all in front of it is done.  It counts
        for no promise about numbers any more, and leaves its place in a map that is still open.

        Raises:
            Refused: it has begun, is not this task's, or is a step of a sequence, a choice or a
                loop; nothing changed.
            PromiseBroken: it is needed for what was promised: the run is being stopped.
        """
        await self._say(self._voice.withdraw(task))

    async def promise(self, text: GuardSpec | str) -> None:
        """Promise how the graph may still grow: ``no new tasks``, ``at most 5 M by A``.

        Args:
            text: The promise, as text or made by :mod:`callboard.promises`.

        Raises:
            PromiseRefused: it is untrue already, or leaves no way to finish; nothing changed.
        """
        await self._say(self._voice.promise(text))

    async def style(
        self,
        target: NodeLike | tuple[NodeLike, NodeLike],
        label: str | None = None,
        color: str | None = None,
    ) -> None:
        """Let a task, a hole, or an edge as a pair of them, look different in pictures."""
        await self._say(self._voice.style(target, label, color))

    async def again(self, task: TaskLike) -> None:
        """Have a task and all behind it done anew when this attempt succeeds.

        Raises:
            Refused: there is no such task; nothing changed.
            PromiseBroken: it was done as many times as was promised: the run is being stopped.
        """
        await self._say(self._voice.again(task))

    def batch(self) -> AsyncBatch:
        """Return a block in which all that is said is done as one: ``async with me.batch():``.

        Inside it nothing is sent, and references are given at once; when it is left all of it is
        done or nothing.  An exception that leaves the block means nothing.

        Raises:
            UsageError: when it is entered inside another one.
        """
        return AsyncBatch(self._voice)

    async def _say(self, said: Said) -> None:
        if not self._voice.collects(said):
            await self._voice.send([said])


class AsyncBatch:
    """A block in which what is said is collected, and done as one when it is left."""

    def __init__(self, voice: Voice) -> None:
        self._voice = voice
        self._batch: Batch | None = None

    async def __aenter__(self) -> None:
        self._batch = self._voice.open_batch()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._batch is not None
        await self._voice.send(self._voice.close_batch(self._batch, done=kind is None))


class _Sends(Protocol):
    def __call__(self, said: Sequence[Said], /) -> None: ...


class SyncVerbs:
    """Change the graph from a thread; each word blocks until what follows from it is stored."""

    _voice: Voice

    def _send(self, said: Sequence[Said], /) -> None:
        raise NotImplementedError

    def add(
        self,
        fn: Callable[..., Any] | str,
        /,
        *args: Any,
        id: str | None = None,
        key: str | None = None,
        after: Nodes = (),
        before: Nodes = (),
        into: HoleLike | None = None,
        **kwargs: Any,
    ) -> TaskRef:
        """Create a task, as :meth:`Current.add` does."""
        _refuse_id(id)
        said, ref = self._voice.add(
            fn, args, kwargs, key=key, after=after, before=before, into=into
        )
        self._say(said)
        return ref

    def edge(self, source: TaskLike, target: TaskLike) -> None:
        """Let a task that has not started run after another one, as :meth:`Current.edge` does."""
        self._say(self._voice.edge(source, target))

    def hole(
        self,
        shape: str,
        after: Nodes = (),
        before: Nodes = (),
        owner: TaskLike | None = None,
    ) -> HoleRef:
        """Open a place where tasks may come, as :meth:`Current.hole` does."""
        said, ref = self._voice.hole(shape, after, before, owner)
        self._say(said)
        return ref

    def give(self, hole: HoleLike, task: TaskLike) -> None:
        """Let another task fill a hole of this one, as :meth:`Current.give` does."""
        self._say(self._voice.give(hole, task))

    def close(self, hole: HoleLike) -> None:
        """Let nothing more come into a hole of this task, as :meth:`Current.close` does."""
        self._say(self._voice.close(hole))

    def withdraw(self, task: TaskLike) -> None:
        """Take back a task that has not begun, as :meth:`Current.withdraw` does."""
        self._say(self._voice.withdraw(task))

    def promise(self, text: GuardSpec | str) -> None:
        """Promise how the graph may still grow, as :meth:`Current.promise` does."""
        self._say(self._voice.promise(text))

    def style(
        self,
        target: NodeLike | tuple[NodeLike, NodeLike],
        label: str | None = None,
        color: str | None = None,
    ) -> None:
        """Let something look different in pictures, as :meth:`Current.style` does."""
        self._say(self._voice.style(target, label, color))

    def again(self, task: TaskLike) -> None:
        """Have a task and all behind it done anew, as :meth:`Current.again` does."""
        self._say(self._voice.again(task))

    def batch(self) -> SyncBatch:
        """Return a block in which all that is said is done as one: ``with me.batch():``."""
        return SyncBatch(self._voice, self._send)

    def _say(self, said: Said) -> None:
        if not self._voice.collects(said):
            self._send([said])


class SyncBatch:
    """A block in which what is said is collected, and done as one when it is left."""

    def __init__(self, voice: Voice, send: _Sends) -> None:
        self._voice = voice
        self._send = send
        self._batch: Batch | None = None

    def __enter__(self) -> None:
        self._batch = self._voice.open_batch()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._batch is not None
        said = self._voice.close_batch(self._batch, done=kind is None)
        if said:
            self._send(said)


def _refuse_id(given: str | None) -> None:
    if given is not None:
        raise UsageError(OWN_ID)
