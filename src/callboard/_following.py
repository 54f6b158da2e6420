"""The events of a run, one after another, as they come."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from typing import Self

import anyio

from .supervisor import NOTHING, Live, Tree
from .workflow import Event, StoreError


class Following:
    """Gives a run's events with their numbers.

    It is an object and no generator: leaving the loop early leaves nothing behind to be closed.

    Args:
        tree: The engine.
        run: The run's id.
        after: The number of the last event that is not wanted.
        follow: Whether to wait for more until the run has ended or is put down.
    """

    def __init__(self, tree: Tree, run: str, after: int, *, follow: bool) -> None:
        self._tree = tree
        self._run = run
        self._after = after
        self._follow = follow
        self._seen = NOTHING
        self._batch: deque[tuple[int, Event]] = deque()

    def __aiter__(self) -> Self:
        """Return itself."""
        return self

    async def __anext__(self) -> tuple[int, Event]:
        """Return the next event and its number."""
        while not self._batch:
            live = self._tree.live.get(self._run)
            # Whatever comes after this moment is noticed: nothing is missed between two looks.
            with changes_of(live) as changed:
                try:
                    self._batch.extend(await self._tree.store.events(self._run, self._after))
                    if not self._batch:
                        await self._wait(live, changed)
                except StoreError:
                    if self._tree.closing.is_set():
                        raise StopAsyncIteration from None
                    raise
        self._after, event = self._batch.popleft()
        return self._after, event

    async def _wait(self, live: Live | None, changed: anyio.Event) -> None:
        """Wait for more.

        Raises:
            StopAsyncIteration: nothing more will come.
        """
        if not self._follow:
            raise StopAsyncIteration
        if live is not None:
            if live.resting:
                await live.awake()
            if not live.done.is_set():
                await changed.wait()
        elif (await self._tree.load(self._run)).ended or self._tree.closing.is_set():
            if not await self._tree.store.events(self._run, self._after):
                raise StopAsyncIteration
        else:
            self._seen = await self._tree.stirring.wait(self._seen)


@contextmanager
def changes_of(live: Live | None) -> Generator[anyio.Event]:
    """Give an event that is set when the run has changed or is not live any more."""
    changed = anyio.Event()
    if live is None:
        yield changed
        return

    def watch(*_: object) -> None:
        changed.set()

    live.watchers.append(watch)
    try:
        yield changed
    finally:
        live.watchers.remove(watch)
