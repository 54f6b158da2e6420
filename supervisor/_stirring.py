"""That runs have changed which are not live in this engine: by others, or by this engine itself."""

from __future__ import annotations

from typing import TypeAlias

import anyio

from ..storage import Store

Seen: TypeAlias = tuple[int, int]

NOTHING: Seen = (0, 0)
"""What somebody has seen who has not waited yet."""


class Stirring:
    """Wakes those who wait for a run that others own.

    A store tells what others have written, and nothing of what is written through itself: that this
    engine takes such a run up, or changes it and lets it go, must be told besides.

    Args:
        store: Tells of others.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._count = 1
        self._next: anyio.Event | None = None

    def stir(self) -> None:
        """Tell that this engine took up a run, or changed one that is not live in it."""
        self._count += 1
        if self._next is not None:
            self._next.set()
            self._next = None

    async def wait(self, seen: Seen) -> Seen:
        """Return something else than ``seen`` once any run may have changed that is not live here.

        Each caller keeps its own last answer and begins with :data:`NOTHING`, which returns at
        once: nothing is lost between two calls.

        Raises:
            StoreError: the store cannot tell.
        """
        of_store, of_ours = seen
        failure: Exception | None = None
        async with anyio.create_task_group() as group:

            async def wait_for_ours() -> None:
                while self._count == of_ours:
                    if self._next is None:
                        self._next = anyio.Event()
                    await self._next.wait()
                group.cancel_scope.cancel()

            group.start_soon(wait_for_ours)
            try:
                of_store = await self._store.wait_changed(of_store)
            except Exception as error:  # noqa: BLE001 - raised below, without a group around it
                failure = error
            group.cancel_scope.cancel()
        if failure is not None:
            raise failure
        return of_store, self._count
