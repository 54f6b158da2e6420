"""A claimed task, as whoever does it sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ._values import encode
from ._verbs import AsyncVerbs
from ._voice import Bring, Voice
from .supervisor import Claim, Tree, Upstream
from .workflow import Command, Creation, Failure, commands as c


class BoardLease(AsyncVerbs):
    """A claimed task: what it needs, and the words to report with.

    An ``external`` task with ``grows: true`` also has the words that change the graph.
    """

    def __init__(self, tree: Tree, claim: Claim, bring: Bring) -> None:
        self._tree = tree
        self._claim = claim
        self._voice = Voice(claim.lease.task, self._grow, bring, {}, why_mute(claim))

    @property
    def closed(self) -> bool:
        """Whether the claim has ended: by what was said, by a cancel, or without a heartbeat."""
        return self.fence not in self._tree.board.claims

    @property
    def task(self) -> str:
        """The task's id."""
        return self._claim.lease.task

    @property
    def run(self) -> str:
        """The run's id."""
        return self._claim.lease.run

    @property
    def label(self) -> str:
        """The task's label."""
        return self._claim.lease.spec.name

    @property
    def fence(self) -> str:
        """The token that proves the claim."""
        return self._claim.lease.fence

    @property
    def inputs(self) -> Any:
        """The task's inputs."""
        return self._claim.lease.inputs

    @property
    def run_inputs(self) -> Any:
        """The run's inputs."""
        return self._claim.actor.run.inputs

    @property
    def holes(self) -> Mapping[str, str]:
        """What the task may fill now: what may still come, by address."""
        return dict(self._claim.lease.holes())

    @property
    def needs(self) -> Mapping[str, Upstream]:
        """What the tasks in front of it gave, by id."""
        return self._claim.lease.needs()

    async def heartbeat(self) -> None:
        """Keep the claim alive.

        Raises:
            StaleFence: it has ended: stop working.
        """
        self._tree.board.heartbeat(self.fence)

    async def progress(self, fraction: float, message: str | None = None, data: Any = None) -> None:
        """Tell how far the work is, from 0 to 1; keeps the claim alive, too."""
        await self.heartbeat()
        body = {"fraction": fraction, "data": encode(data)}
        self._claim.lease.log("progress", message or "", body)

    async def log(self, message: str, level: str = "info") -> None:
        """Keep a line about the work."""
        self._claim.lease.log("log", message, {"level": level})

    async def success(self, output: Any = None) -> None:
        """The work is done; returns when that is stored."""
        await self._tell(c.Succeed(task=self.task, fence=self.fence, output=encode(output)))

    async def error(
        self, message: str, *, kind: str = "error", retry_after: float | None = None
    ) -> None:
        """The work failed; returns when that is stored."""
        failure = Failure(kind=kind, message=message, retry_after=retry_after)
        await self._tell(c.Fail(task=self.task, fence=self.fence, failure=failure))

    async def not_ready(self, message: str | None = None) -> None:
        """The run may not go on past this task, and that is no failure."""
        await self._tell(c.NotReady(task=self.task, fence=self.fence, message=message))

    async def release(self) -> None:
        """Give the task back to the board."""
        await self._tell(c.Stopped(task=self.task, fence=self.fence, note="released"))

    async def _tell(self, command: Command) -> None:
        await self._tree.board.say(self.fence, command)

    async def _grow(self, commands: Sequence[Creation]) -> list[Any]:
        await self.heartbeat()
        return await self._tree.board.grow(self.fence, commands)


def why_mute(claim: Claim) -> str | None:
    """Return why whoever holds a task cannot change the graph, if that is so."""
    spec = claim.lease.spec
    if spec.kind in ("function", "python") or (
        spec.kind == "external" and spec.config.get("grows")
    ):
        return None
    return (
        f"task {claim.lease.task!r} cannot change its graph: only an external task with "
        "grows: true can, of those on the board"
    )
