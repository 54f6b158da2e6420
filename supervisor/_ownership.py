"""Which runs are an engine's: it takes up those that no living engine owns, and lets them go.

A command to a run that nobody supervises is done here: the run is taken, changed, and given up.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import anyio

from ..workflow import (
    CallboardError,
    Command,
    Event,
    Refused,
    Run,
    RunOwned,
    UnknownRun,
    UsageError,
    apply,
)
from ._children import Follower, commit_with, follower_of
from ._live import Live
from ._rows import transition
from ._run_actor import check_version

if TYPE_CHECKING:
    from ._tree import Tree


class Ownership:
    """Takes runs up and does what is said to runs that nobody supervises.

    Args:
        tree: The engine.
        on_dead_engine: Called with the id of a dead engine before a run of its is taken over.

    Attributes:
        taking: Held while a run is taken, so that nobody takes it twice.
    """

    def __init__(self, tree: Tree, on_dead_engine: Callable[[str], object] | None) -> None:
        self._tree = tree
        self._on_dead_engine = on_dead_engine
        # Whose processes were ended: they are looked for once, and not for each run.
        self._buried = {tree.id}
        # Changed by what was posted, and not given up before its sender can read the answer: who
        # finds no owner and no answer does it himself.
        self._kept: set[str] = set()
        self.taking = anyio.Lock()

    async def resume(self, run_id: str) -> Live | None:
        """Take up an unfinished run that no living engine owns; None if it has ended.

        Whoever is cancelled only waits no longer: what is taken is worked on.

        Raises:
            RunOwned: a living engine owns it.
            UnknownRun: there is no such run.
            UsageError: the engine is closing.
        """
        return await self._tree.finish(partial(self._resume, run_id))

    async def _resume(self, run_id: str) -> Live | None:
        async with self.taking:
            if run_id in self._tree.live:
                return self._tree.live[run_id]
            if self._tree.closing.is_set():
                raise UsageError("the engine is closing: it takes nothing up any more")
            run = await self._take(run_id)
            if run.ended:
                await self._write(run, [], release=True)
                return None
            live = self._tree.spawn(run, [])
            live.stored.set()
            return live

    async def _take(self, run_id: str) -> Run:
        """Make a run ours, and end what its dead owner has left running."""
        dead = await self._tree.store.take(run_id, self._tree.id)
        try:
            if dead is not None and dead not in self._buried and self._on_dead_engine is not None:
                await anyio.to_thread.run_sync(self._on_dead_engine, dead)
                self._buried.add(dead)
            return await self._tree.load(run_id)
        except Exception as error:
            # It is ours now, and nobody works on it: whoever asks for it learns why.
            self._tree.aside[run_id] = error
            raise

    async def resume_all(self) -> list[str]:
        """Take up every unfinished run that no living engine owns; return their ids."""
        taken: list[str] = []
        for run_id in await self._tree.store.unowned():
            try:
                if await self.resume(run_id) is not None:
                    taken.append(run_id)
            except (RunOwned, UnknownRun, UsageError) as lost:
                self._tree.log.info("%s", lost)
            except CallboardError as error:
                self._tree.log.error("run %s cannot be taken up: %s", run_id, error)  # noqa: TRY400
            except Exception:
                self._tree.log.exception("run %s cannot be taken up", run_id)
        return taken

    async def command(
        self,
        run_id: str,
        command: Command,
        *,
        posted: bool = False,
        expected: int | None = None,
    ) -> bool:
        """Say a command to a run and wait until what followed is stored.

        Args:
            run_id: The run.
            command: What is said.
            posted: It came through the store; when it is answered, the tree's ``answered`` and
                :meth:`let_go` must follow.
            expected: The version that the run must have.

        Returns:
            Whether this engine goes on supervising the run; if not, what followed is only recorded.

        Raises:
            Refused: it does not fit; nothing changed.
            RunOwned: a living engine owns the run: post the command to it.
        """
        ask = partial(self._tree.ask, run_id, command, posted=posted, expected=expected)
        do = partial(self._command_unless_live, run_id, command, expected, posted=posted)
        while await ask() is None:
            goes_on = await self._tree.finish(do)
            if goes_on is not None:
                return goes_on
        return True

    async def _command_unless_live(
        self, run_id: str, command: Command, expected: int | None, *, posted: bool
    ) -> bool | None:
        async with self.taking:
            if run_id in self._tree.live:
                return None
            return await self._command_stored(run_id, command, expected, posted=posted)

    async def let_go(self) -> None:
        """Give up the runs that were kept until what was posted to them is answered: it is."""
        for run_id in list(self._kept):
            async with self.taking:
                if run_id not in self._tree.live:
                    with suppress(UnknownRun):  # It was removed meanwhile.
                        await self._write(await self._tree.load(run_id), [], release=True)
                self._kept.discard(run_id)

    async def _command_stored(
        self, run_id: str, command: Command, expected: int | None, *, posted: bool
    ) -> bool:
        tree = self._tree
        run = await self._take(run_id)
        try:
            check_version(run, expected)
            events, _ = apply(
                run, command, tree.clock.wall(), draw=tree.draw, output_of=tree.output_of
            )
        except Refused:
            await self._write(run, [], release=True)
            raise
        goes_on = not run.ended and tree.recovers and not tree.closing.is_set()
        try:
            follower = await follower_of(tree, run) if run.ended else None
            if posted and not goes_on:
                self._kept.add(run_id)
            await self._write(run, events, follower, release=not (goes_on or posted))
        except Exception:
            # It is ours, and nobody works on it: others may take it up.
            self._kept.discard(run_id)
            await self._write(await tree.load(run_id), [], release=True)
            raise
        if goes_on:
            tree.spawn(run, []).stored.set()
        return goes_on

    async def _write(
        self, run: Run, events: list[Event], follower: Follower | None = None, *, release: bool
    ) -> None:
        tree = self._tree
        written = transition(run, events, tree.id, tree.clock.wall(), release=release)
        await commit_with(tree, written, follower)
        tree.stirring.stir()
        if run.ended:
            tree.aside.pop(run.id, None)
