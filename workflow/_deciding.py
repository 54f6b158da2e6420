"""What every decision has at hand: the run, the time, what follows, and common questions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import attrs

from . import events as ev
from ._definition import Failure
from ._errors import CallboardError, Refused, StaleFence
from ._evolve import evolve
from ._run import Part, Run, Task
from ._states import READY, SKIPPED, TaskState
from .commands import Effect
from .events import Event


@attrs.define(eq=False, weakref_slot=False)
class Deciding:
    """One call of :func:`~callboard.workflow.apply`.

    Attributes:
        stops: Which timeouts attempts are being stopped for, by fence.
        events: What has happened so far; all of it is folded into the run already.
        effects: What is to be done about it.
        answers: What each command of a batch made: ids, or None.
        failure: Why whoever said the command is told that it failed, though it had an effect.
    """

    run: Run
    now: float
    draw: Callable[[], float]
    stops: dict[str, str]
    events: list[Event]
    effects: list[Effect]
    answers: list[Any] = attrs.field(factory=list[Any])
    failure: CallboardError | None = None

    def emit(self, event: Event) -> None:
        """Let something happen."""
        evolve(self.run, event)
        self.events.append(event)

    def startable(self, name: str) -> Task:
        """Return a task that may start now."""
        run = self.run
        task = run.tasks.get(name)
        if (
            task is None
            or task.state is not READY
            or run.paused
            or run.draining
            or run.stopping is not None
            or name in run.held
        ):
            raise Refused(self._why_not(name))
        return task

    def _why_not(self, name: str) -> str:
        run = self.run
        task = run.task(name)
        if task.state is not READY:
            why = f"it is {task.state}"
        elif run.paused:
            why = "the run is paused"
        elif name in run.held:
            why = "it is about to be restarted"
        else:
            why = f"the run is being stopped: {run.reason}"
        return f"task {name!r} of run {run.id!r} cannot be started: {why}"

    def leased(self, name: str, fence: str) -> Task:
        """Return the task that somebody holds under this fence."""
        task = self.run.tasks.get(name)
        if task is None or task.fence != fence:
            raise StaleFence(
                f"task {name!r} of run {self.run.id!r}: this attempt has ended or was replaced, "
                "what it said has no effect"
            )
        return task

    @property
    def closing(self) -> bool:
        """Whether nothing starts any more because the run is on its way to its end."""
        return self.run.draining or self.run.stopping is not None

    def over(self, since: float | None, limit: float | None) -> bool:
        """Return whether a time limit has passed."""
        # Timers are set from floats and fire at floats: a microsecond early is on time.
        return since is not None and limit is not None and self.now >= since + limit - 1e-6

    def settle(
        self,
        task: Task,
        state: TaskState,
        *,
        reason: str | None = None,
        error: Failure | None = None,
    ) -> None:
        """Let a task come to its end without an output."""
        if task.binds:
            self._lapse(task, done=state is SKIPPED)
        self.emit(
            ev.TaskSettled(at=self.now, task=task.id, state=state, reason=reason, error=error)
        )

    def settle_all(self, tasks: Iterable[Task], state: TaskState, reason: str) -> None:
        """Let tasks that nobody works on come to their end together."""
        together = sorted(tasks, key=lambda each: each.seq)
        for task in together:
            if task.binds:
                self._lapse(task, done=False)
        names = in_order(together)
        if names:
            self.emit(ev.TasksSettled(at=self.now, tasks=names, state=state, reason=reason))

    def _lapse(self, owner: Task, *, done: bool) -> None:
        """Give up the holes of a task that ends without success: obligations bind no more.

        What waits for a hole of a task that counts as done goes on; other holes stay as they are,
        and count for what is behind them like the task itself.
        """
        for part in list(owner.binds or ()):
            if not isinstance(part, Part) or part.closed or part.lapsed:
                continue
            if len(part.owners) > 1:
                self.emit(ev.HoleLeft(at=self.now, hole=part.address, by=owner.id))
            elif done:
                reason = f"its owner {owner.id!r} was skipped"
                self.emit(ev.HoleClosed(at=self.now, hole=part.address, reason=reason, by=owner.id))
            else:
                self.emit(ev.HoleLapsed(at=self.now, hole=part.address, by=owner.id))

    def refuse_ended(self, done: str) -> None:
        """Refuse what only a living run can have done to it."""
        run = self.run
        if run.ended:
            raise Refused(f"run {run.id!r} cannot be {done}: it has ended {run.state}")


def in_order(tasks: Iterable[Task]) -> tuple[str, ...]:
    """Return the ids of tasks by their creation."""
    return tuple(task.id for task in sorted(tasks, key=lambda each: each.seq))
