"""A flag that can be waited for, and costs next to nothing until somebody does."""

from __future__ import annotations

import anyio


class Flag:
    """Like an event that is made when it is first waited for: thousands of runs each have some."""

    __slots__ = ("_event", "_set")

    def __init__(self) -> None:
        self._set = False
        self._event: anyio.Event | None = None

    def set(self) -> None:
        """Set it, for good."""
        self._set = True
        event, self._event = self._event, None  # nobody needs it any more, and it is large
        if event is not None:
            event.set()

    def is_set(self) -> bool:
        """Return whether it was set."""
        return self._set

    @property
    def awaited(self) -> bool:
        """Return whether anybody has waited for it."""
        return self._event is not None

    async def wait(self) -> None:
        """Return when it is set."""
        if not self._set:
            if self._event is None:
                self._event = anyio.Event()
            await self._event.wait()
