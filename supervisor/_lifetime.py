"""What works in a task of its own while a block is entered, and is left in order."""

from __future__ import annotations

import math
from types import TracebackType
from typing import Self, cast

import anyio


class Lifetime:
    """The life of something that is used as ``async with``, whatever the reason for leaving.

    Its work runs in a shielded scope, so that cancelling whoever uses it does not cut it down in
    the middle of a sentence: leaving the block asks it to close, and waits until it has.

    Attributes:
        closing: Set when nothing more is to be started.
        hasty: Whether what runs is to be stopped at once.
    """

    def __init__(self, grace: float) -> None:
        self.closing = anyio.Event()
        self.hasty = False
        self._grace = grace
        self._grace_scope: anyio.CancelScope | None = None
        self._up = anyio.Event()
        self._down = anyio.Event()

    async def work(self) -> None:
        """Set up, call :meth:`is_up`, and work until :attr:`closing`; shielded."""
        raise NotImplementedError

    def is_up(self) -> None:
        """Let whoever enters go on."""
        self._up.set()

    def within_grace(self) -> anyio.CancelScope:
        """Return the scope in which what runs may end by itself; haste cuts it short."""
        self._grace_scope = anyio.move_on_after(self._grace)
        return self._grace_scope

    @property
    def is_open(self) -> bool:
        """Whether it was entered, and is not being left."""
        return self._up.is_set() and not self.closing.is_set()

    @property
    def in_its_task(self) -> bool:
        """Whether this is asked by the task that entered the block."""
        return anyio.get_current_task().id == self._entered_by

    async def is_left(self) -> bool:
        """Whether the block is being left, or is going to be: what is around it was cancelled."""
        if self.closing.is_set():
            return True
        left = False
        looked = anyio.Event()

        async def look() -> None:
            nonlocal left
            # It is asked by a child of the block, on which every scope around the block tells.
            left = anyio.current_effective_deadline() == -math.inf
            looked.set()

        self._outer.start_soon(look)
        await looked.wait()
        return left

    async def __aenter__(self) -> Self:
        self._entered_by = anyio.get_current_task().id
        self._outer = anyio.create_task_group()
        await self._outer.__aenter__()
        try:
            # Not start(): cancelled, it would wait for the end of what has not been told to end.
            self._outer.start_soon(self._serve, name="callboard engine")
            await self._up.wait()
        except BaseException as error:
            self._hurry()
            await self._leave(type(error), error, error.__traceback__)
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        if error is not None:
            self._hurry()
            return await self._leave(kind, error, trace)
        self.closing.set()
        try:
            await self._down.wait()
        except BaseException as interrupted:
            # Whoever leaves has lost patience within the grace time.
            self._hurry()
            await self._leave(type(interrupted), interrupted, interrupted.__traceback__)
            raise
        return await self._leave(None, None, None)

    def _hurry(self) -> None:
        self.hasty = True
        self.closing.set()
        if self._grace_scope is not None:
            self._grace_scope.cancel()

    async def _leave(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        try:
            return await self._outer.__aexit__(kind, error, trace)
        except BaseExceptionGroup as group:
            # One cause is raised as itself; several are worth a group.
            only = _only(group)
            if only is None:
                raise
            if only is error:
                return False
            raise only from only.__cause__

    async def _serve(self) -> None:
        try:
            with anyio.CancelScope(shield=True):
                await self.work()
        finally:
            self._down.set()


def _only(group: BaseExceptionGroup[BaseException]) -> BaseException | None:
    """Return the one error that a group holds, however deep; None if it holds several."""
    only = group.exceptions[0]
    if len(group.exceptions) > 1:
        return None
    if isinstance(only, BaseExceptionGroup):
        return _only(cast("BaseExceptionGroup[BaseException]", only))
    return only
