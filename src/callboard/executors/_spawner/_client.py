"""The engine's side of the spawner."""

from __future__ import annotations

import os
from types import TracebackType
from typing import Self

import anyio
from anyio.abc import TaskGroup

from ...workflow import UsageError
from ._command import Command
from ._link import Link
from ._process import Process


class Spawner:
    """Starts the processes of one engine; use it with ``async with``.

    Its helper process is started when it is first needed, and anew after it has died.  Leaving the
    block ends every process that still runs.

    Args:
        engine_id: The engine's id, which every process carries as ``CALLBOARD_ENGINE``.
    """

    def __init__(self, engine_id: str) -> None:
        if not engine_id or "\0" in engine_id:
            raise UsageError(f"A spawner needs its engine's id; got {engine_id!r}.")
        self._engine_id = engine_id
        self._tasks: TaskGroup | None = None
        self._link: Link | None = None

    @property
    def pid(self) -> int | None:
        """The helper's process id, or None while there is none."""
        return None if self._link is None or self._link.broken else self._link.pid

    async def start(self, command: Command) -> Process:
        """Start a process.

        Raises:
            StartFailed: It cannot be started; the sentence says why.
            ProcessLost: The helper died meanwhile.
        """
        if not hasattr(os, "fork"):
            raise UsageError(
                "Processes cannot be started on Windows yet: run this engine on Linux or macOS."
            )
        return await (await self._living_link()).start(command)

    async def _living_link(self) -> Link:
        while self._link is not None and self._link.broken:
            # What the dead helper held is still being ended, by the very mark that the next helper
            # will carry.
            link = self._link
            await link.gone.wait()
            if self._link is link:
                self._link = None
        if self._tasks is None:
            raise UsageError("A spawner starts processes only inside its `async with` block.")
        if self._link is None:
            self._link = Link(self._engine_id)
            self._tasks.start_soon(self._link.run)
        return self._link

    async def __aenter__(self) -> Self:
        self._tasks = await anyio.create_task_group().__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        tasks, self._tasks = self._tasks, None
        with anyio.CancelScope(shield=True):
            if self._link is not None:
                await self._link.close()
        assert tasks is not None
        return await tasks.__aexit__(kind, error, trace)
