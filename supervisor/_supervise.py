"""The supervisor: starts its children, and starts them again, until that happens too often.

Generic: nothing here knows of workflows. What it decides stands in ``_strategies``.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Final

import anyio
import anyio.lowlevel
import attrs
from anyio.abc import TaskGroup

from ..actors import Mailbox
from ._strategies import (
    ChildSpec,
    Intensity,
    RestartIntensityExceeded,
    Strategy,
    describe,
    is_restarted,
    recent_restarts,
    restarted_with,
)

LOGGER = logging.getLogger("callboard.supervisor")
STINGY: Final = Intensity()


async def supervise(
    children: Iterable[ChildSpec],
    *,
    strategy: Strategy = "one_for_one",
    intensity: Intensity = STINGY,
) -> None:
    """Run children and restart them as they and the strategy say, until none of them is left.

    They start from left to right, each when the one before has run up to its first wait, and are
    stopped from right to left, each when the one after has ended: for a restart, when the
    supervisor gives up, and also when it is cancelled. So a child may rely on those to its left
    until its own end; this is why cancellation reaches the children in turn, not all at once.

    Args:
        children: Whom to supervise. A tree is a child whose ``start`` calls ``supervise``.
        strategy: Who is restarted with a child.
        intensity: How many restarts in how much time are normal.

    Raises:
        RestartIntensityExceeded: A child ended once too often; the others were stopped.
            Raised out of a task group this cancels the tree around it.
    """
    specs: dict[str, ChildSpec] = {}
    for spec in children:
        if spec.name in specs:
            raise ValueError(f"Two children are named {spec.name!r}: name them differently.")
        specs[spec.name] = spec
    exceeded: RestartIntensityExceeded | None = None
    async with anyio.create_task_group() as group:
        exceeded = await _Supervision(specs, strategy, intensity, group).run()
    if exceeded is not None:
        raise exceeded from exceeded.reason


@attrs.define(eq=False)
class _Life:
    """One life of a child, from a start to an end."""

    spec: ChildSpec
    # Shielded, so that a cancelled supervisor can stop its children one by one.
    scope: anyio.CancelScope = attrs.field(factory=lambda: anyio.CancelScope(shield=True))
    begun: anyio.Event = attrs.field(factory=anyio.Event)
    ended: anyio.Event = attrs.field(factory=anyio.Event)
    error: Exception | None = None


@attrs.define(eq=False)
class _Supervision:
    specs: dict[str, ChildSpec]
    strategy: Strategy
    intensity: Intensity
    group: TaskGroup
    lives: dict[str, _Life] = attrs.field(factory=dict[str, _Life])
    ends: Mailbox[_Life] = attrs.field(factory=Mailbox[_Life])
    restarts: list[float] = attrs.field(factory=list[float])

    async def run(self) -> RestartIntensityExceeded | None:
        """Tend the children until none is left, or one ended once too often."""
        try:
            await self._start(list(self.specs))
            while self.lives:
                life = await self.ends.receive()
                if self.lives.get(life.spec.name) is not life:
                    continue  # it was stopped meanwhile
                exceeded = await self._follow(life)
                if exceeded is not None:
                    return exceeded
            return None
        finally:
            try:
                await self._stop(list(self.specs))
            finally:
                for life in self.lives.values():  # asyncio can cancel through a shield
                    life.scope.cancel()

    async def _follow(self, life: _Life) -> RestartIntensityExceeded | None:
        """Do what follows from the end of a child."""
        name = life.spec.name
        if not _lives_on(life):
            del self.lives[name]
            if life.error is not None:
                LOGGER.error("Child %r failed and stays ended.", name, exc_info=life.error)
            return None
        self.restarts = recent_restarts(self.restarts, anyio.current_time(), self.intensity)
        if len(self.restarts) > self.intensity.restarts:
            return RestartIntensityExceeded(name, life.error, self.intensity)
        concerned = restarted_with(self.strategy, list(self.specs), name)
        again = [other for other in concerned if self._starts_again(other, name)]
        LOGGER.warning(
            "Child %r %s; restarting %s.",
            *(name, describe(life.error), ", ".join(map(repr, again))),
            exc_info=life.error,
        )
        await self._stop(concerned)
        await anyio.lowlevel.checkpoint_if_cancelled()
        await self._start(again)
        return None

    def _starts_again(self, name: str, ended: str) -> bool:
        """Whether a child concerned by a restart takes part: it lives, and is not temporary."""
        life = self.lives.get(name)
        if life is None or life.spec.restart == "temporary":
            return False
        return name == ended or not life.ended.is_set() or _lives_on(life)

    async def _start(self, names: Sequence[str]) -> None:
        for name in names:
            life = self.lives[name] = _Life(self.specs[name])
            self.group.start_soon(self._live, life, name=name)
            # Not `group.start`, which when cancelled waits for a child that is shielded from it.
            with anyio.CancelScope(shield=True):
                await life.begun.wait()

    async def _live(self, life: _Life) -> None:
        try:
            with life.scope:
                life.begun.set()
                await life.spec.start()
        except Exception as error:  # noqa: BLE001 - judging failures is what a supervisor is for
            life.error = error
        except anyio.get_cancelled_exc_class() as error:
            # Our own cancelling ends at the scope. This is a cancellation that asyncio lets out
            # of anything awaited; passed on it would end the whole tree without a word.
            life.error = RuntimeError("it was cancelled, and not by its supervisor")
            life.error.__cause__ = error
        finally:
            life.ended.set()
        self.ends.post(life)

    async def _stop(self, names: Sequence[str]) -> None:
        with anyio.CancelScope(shield=True):
            for name in reversed(names):
                life = self.lives.pop(name, None)
                if life is not None and not life.ended.is_set():
                    await self._end(life)

    async def _end(self, life: _Life) -> None:
        try:
            if _is_told(life.spec):
                with anyio.move_on_after(life.spec.stop_seconds):
                    await life.ended.wait()
        finally:
            life.scope.cancel()
        await life.ended.wait()
        if life.error is not None:
            LOGGER.warning("Child %r failed while stopping.", life.spec.name, exc_info=life.error)


def _is_told(spec: ChildSpec) -> bool:
    """Tell a child to stop, and whether that worked."""
    if spec.stop is None:
        return False
    try:
        spec.stop()
    except Exception:
        LOGGER.exception("Child %r could not be told to stop and is cancelled.", spec.name)
        return False
    return True


def _lives_on(life: _Life) -> bool:
    """Whether a child that ended by itself starts again."""
    return is_restarted(life.spec.restart, failed=life.error is not None)
