"""Whether the server's work goes on: its store answers, and takes commits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio

from ..storage import RunQuery

if TYPE_CHECKING:
    from ..engine import Engine

STUCK_SECONDS: Final = 5.0
"""How long the store may take to answer before the server calls itself stuck."""


class _Check:
    """One look at the store: it is not cut short, for a commit that has begun is not cancelled."""

    def __init__(self, engine: Engine) -> None:
        self._store = engine.store
        self.done = anyio.Event()
        self.trouble: str | None = "the engine was closed meanwhile"

    async def run(self) -> None:
        try:
            await self._store.runs(RunQuery(limit=1))
            # It writes nothing, and goes the way of all that is written.
            await self._store.commit(())
            self.trouble = None
        except Exception as error:  # noqa: BLE001 - a user's store may raise anything
            self.trouble = str(error) or type(error).__name__
        finally:
            self.done.set()


class Health:
    """Looks at an engine's store; all who ask meanwhile share one look."""

    def __init__(self) -> None:
        self._check: _Check | None = None

    async def trouble(self, engine: Engine) -> str | None:
        """Return what is wrong with an open engine, None if nothing is."""
        check = self._check
        if check is None or check.done.is_set():
            self._check = check = _Check(engine)
            engine.tree.soon(check.run)
        with anyio.move_on_after(STUCK_SECONDS):
            await check.done.wait()
            return check.trouble
        return f"the store did not answer within {STUCK_SECONDS:g} s"
