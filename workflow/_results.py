"""What a run came to, as values: questions about it, and its JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias, cast

import attrs

from .._frozen import frozen
from ._definition import Failure, TaskSpec
from ._errors import PromiseBroken, Refused, RunCancelled, RunFailed
from ._graph import Vertex
from ._keeping import shape_text
from ._message import message
from ._parts import parts_below
from ._promise_states import state_of
from ._run import Hole, Part, Run, Task
from ._shapes import Loop, Map, Wild
from ._states import ENDED, FAILED, NOT_READY, SETTLED, SUCCEEDED, RunState, TaskState

Json: TypeAlias = Any
"""None, booleans, numbers, text, lists, and dictionaries with text keys."""

_FAR: float = float("inf")


@message
class TaskResult:
    """What a task came to, in its latest generation.

    Attributes:
        attempts: How many attempts there were.
        needs: What it runs after: ids of tasks, and of holes behind a ``#``.
        done: Whether it let its successors go: it succeeded, or was skipped by its own condition.
        started_at: When its first attempt began, in seconds since the epoch.
    """

    id: str
    spec: TaskSpec
    state: TaskState
    reason: str | None
    generation: int
    attempts: int
    needs: tuple[str, ...]
    created_by: str | None
    output: Any
    error: Failure | None
    done: bool
    started_at: float | None
    ended_at: float | None

    def __repr__(self) -> str:
        """Say what came of it: its output and its definition may be long."""
        error = "" if self.error is None else f" ({self.error.kind}): {self.error.message}"
        return f"<TaskResult {self.id}: {self.state}{error}>"

    @property
    def name(self) -> str:
        """What people call it."""
        return self.spec.name

    @property
    def label(self) -> str:
        """What repeats of it share."""
        return self.spec.name

    @property
    def seconds(self) -> float | None:
        """How long it took from its first start to its end, if it has both."""
        if self.started_at is None or self.ended_at is None:
            return None
        return self.ended_at - self.started_at

    @classmethod
    def of(cls, task: Task) -> TaskResult:
        """Return what a task has come to by now."""
        return cls(
            id=task.id,
            spec=task.spec,
            state=task.state,
            reason=task.reason,
            generation=task.generation,
            attempts=task.attempt,
            needs=_needs(task),
            created_by=task.created_by,
            output=task.output,
            error=task.error,
            done=task.released,
            started_at=task.first_at,
            ended_at=task.ended_at,
        )

    def to_json(self) -> dict[str, Json]:
        """Return it as JSON."""
        error = self.error
        return {
            "name": self.name,
            "label": self.label,
            "state": str(self.state),
            "reason": self.reason,
            "generation": self.generation,
            "attempts": self.attempts,
            "needs": list(self.needs),
            "created_by": self.created_by,
            "output": plain(self.output),
            "error": None
            if error is None
            else {"kind": error.kind, "message": error.message, "detail": plain(error.detail)},
            "started_at": iso(self.started_at),
            "ended_at": iso(self.ended_at),
        }


def _needs(task: Task) -> tuple[str, ...]:
    """Return what a task runs after: the definition's own tuple, unless edges were added."""
    defined = task.spec.needs
    # Edges only come, they never go: as many as were defined are those that were defined.
    if len(task.before) == len(defined):
        return defined
    return _names(task.before)


def _names(vertices: Iterable[Vertex]) -> tuple[str, ...]:
    """Return the ids of vertices, looking through places that tasks stand in."""
    found: dict[str, None] = {}
    for vertex in vertices:
        if isinstance(vertex, Part) and vertex.filled is not None:
            found[vertex.filled.id] = None
        elif isinstance(vertex, Part) and vertex.closed and not isinstance(vertex.shape, _JOINTS):
            found.update(dict.fromkeys(_names(vertex.ends or vertex.before)))
        else:
            found[vertex.id] = None
    return tuple(found)


_JOINTS = (Map, Loop, Wild)
"""What may have many tasks in it: it stays between them and what follows."""


@frozen(kw_only=True)
class HoleResult:
    """A hole, or a part of one: where tasks may still come, or could have.

    Attributes:
        shape: What may still come into it; of one that is closed, what could have.
        owner: Who fills it.
        state: ``settled`` (closed), ``holding`` (open, nothing must come), ``owed``, ``broken``.
    """

    id: str
    shape: str
    owner: str | None
    tasks: tuple[str, ...]
    needs: tuple[str, ...]
    open: bool
    state: str

    @classmethod
    def all_of(cls, run: Run) -> tuple[HoleResult, ...]:
        """Return all holes of a run, and of their parts those that say more."""
        whole = [cls._of_hole(run, hole) for hole in run.holes.values()]
        parts = [
            cls._of_part(run, part)
            for part in run.growth.parts.values()
            if part.address != part.hole.name
            and (isinstance(part.shape, _JOINTS) or not part.closed)
        ]
        return (*whole, *parts)

    @classmethod
    def _of_hole(cls, run: Run, hole: Hole) -> HoleResult:
        root = run.growth.parts.get(hole.name)
        if root is not None:
            return attrs.evolve(cls._of_part(run, root), tasks=tuple(hole.tasks))
        parts = parts_below(run, hole.name)
        owed = hole.abandoned or any(
            not part.closed and not part.residual.nullable for part in parts
        )
        return cls(
            id=hole.name,
            shape=str(hole.shape),
            owner=hole.owner,
            tasks=tuple(hole.tasks),
            needs=_names(hole.before),
            open=not hole.closed,
            state=_state(run, hole, owed=owed, open=not hole.closed),
        )

    @classmethod
    def _of_part(cls, run: Run, part: Part) -> HoleResult:
        owner = next((each.id for each in part.owners), None)
        owed = part.lapsed or (not part.closed and not part.residual.nullable)
        return cls(
            id=part.address,
            shape=str(part.shape if part.closed else part.residual),
            owner=owner or (part.hole.owner if part.closed else None),
            tasks=tuple(part.tasks),
            needs=_names(part.before),
            open=not part.closed,
            state=_state(run, part.hole, owed=owed, open=not part.closed),
        )

    def to_json(self) -> dict[str, Json]:
        """Return it as JSON."""
        return {
            "id": self.id,
            "shape": self.shape,
            "owner": self.owner,
            "tasks": list(self.tasks),
            "open": self.open,
            "state": self.state,
        }


def _state(run: Run, hole: Hole, *, owed: bool, open: bool) -> str:
    if run.broken is not None and run.broken.text == shape_text(hole):
        return "broken"
    return "owed" if owed else "holding" if open else "settled"


@frozen(kw_only=True)
class PromiseResult:
    """A promise.

    Attributes:
        by: The task that made it; None for those of the definition.
        state: ``settled``, ``holding``, ``owed`` or ``broken``.
    """

    text: str
    by: str | None
    state: str

    def to_json(self) -> dict[str, Json]:
        """Return it as JSON."""
        return attrs.asdict(self)


@frozen(kw_only=True)
class FrontierItem:
    """A task at which a run came to a halt, or stands.

    Attributes:
        blocked_by: What is directly in front of it and has not let it go.
        subtree: It and all behind it.
    """

    task: str
    state: TaskState
    blocked_by: tuple[str, ...]
    subtree: tuple[str, ...]

    def to_json(self) -> dict[str, Json]:
        """Return it as JSON."""
        return {
            "task": self.task,
            "state": str(self.state),
            "blocked_by": list(self.blocked_by),
            "subtree": list(self.subtree),
        }


@frozen(kw_only=True)
class RunResult:
    """What a run has come to, by now or in the end; it does not change with the run.

    Attributes:
        run: The id of the run.
        tasks: All tasks by id, in the order of their creation.
        order: Ids of tasks in the order of their first start.
        started_at: When the run was created, in seconds since the epoch.
    """

    run: str
    workflow: str
    state: RunState
    paused: bool
    reason: str | None
    started_at: float
    ended_at: float | None
    inputs: Any
    output: Any
    tasks: Mapping[str, TaskResult]
    order: tuple[str, ...]
    holes: tuple[HoleResult, ...] = ()
    promises: tuple[PromiseResult, ...] = ()

    def __repr__(self) -> str:
        """Say what the run came to: all of it may be a million tasks."""
        return f"<RunResult {self.run} of {self.workflow}: {self.state}, {len(self.tasks)} tasks>"

    @property
    def seconds(self) -> float | None:
        """How long the run took, None while it has not ended."""
        return None if self.ended_at is None else self.ended_at - self.started_at

    @classmethod
    def of(cls, run: Run) -> RunResult:
        """Return what a run has come to by now."""
        return cls(
            run=run.id,
            workflow=run.spec.name,
            state=run.state,
            paused=run.paused,
            reason=run.reason,
            started_at=run.created_at,
            ended_at=run.ended_at,
            inputs=run.inputs,
            output=run.output,
            tasks={name: TaskResult.of(task) for name, task in run.tasks.items()},
            order=tuple(run.order),
            holes=HoleResult.all_of(run) if run.holes else (),
            promises=tuple(
                PromiseResult(text=each.text, by=each.by, state=state_of(run, each))
                for each in run.growth.promises
            ),
        )

    # --- how it went ------------------------------------------------------------------------------

    def is_ready(self) -> bool:
        """Return whether every task succeeded."""
        return all(task.state is SUCCEEDED for task in self.tasks.values())

    def is_failed(self) -> bool:
        """Return whether a task failed, or the run did."""
        failed = self.state in (RunState.FAILED, RunState.PROMISE_BROKEN)
        return failed or self.first_error() is not None

    def is_timed_out(self) -> bool:
        """Return whether the run took longer than it may."""
        return self.state is RunState.TIMED_OUT

    def is_not_ready(self) -> bool:
        """Return whether the run ended not_ready: nothing failed, but something was not ready."""
        return self.state is RunState.NOT_READY

    def first_error(self) -> TaskResult | None:
        """Return the task that failed first, by time and name."""
        return self._first(FAILED)

    def first_in_progress(self) -> TaskResult | None:
        """Return the task that was the first not to be ready, by time and name."""
        return self._first(NOT_READY)

    def _first(self, state: TaskState) -> TaskResult | None:
        found = (task for task in self.tasks.values() if task.state is state)
        return min(found, key=_by_time, default=None)

    def raise_for_state(self) -> RunResult:
        """Return the result itself, unless the run has ended and has not succeeded.

        Raises:
            RunFailed: it ended failed, not_ready or timed_out.
            PromiseBroken: it did what a promise ruled out.
            RunCancelled: it was cancelled.
        """
        if self.state not in ENDED or self.state is RunState.SUCCEEDED:
            return self
        words = self._sentence()
        if self.state is RunState.CANCELLED:
            raise RunCancelled(words, run_id=self.run, result=self)
        if self.state is RunState.PROMISE_BROKEN:
            raise PromiseBroken(words, run_id=self.run, result=self)
        raise RunFailed(words, run_id=self.run, result=self)

    def _sentence(self) -> str:
        words = f"run {self.run!r} of workflow {self.workflow!r} ended {self.state}"
        first = self.first_error()
        if first is None or first.error is None:
            return words if self.reason is None else f"{words}: {self.reason}"
        return f"{words}: task {first.id!r} failed ({first.error.kind}): {first.error.message}"

    # --- the graph --------------------------------------------------------------------------------

    def ancestors(self, task: str) -> tuple[str, ...]:
        """Return all tasks in front of this one, by their creation."""
        return self._by_creation(task, self._needs())

    def descendants(self, task: str) -> tuple[str, ...]:
        """Return all tasks behind this one, by their creation."""
        return self._by_creation(task, self._followers())

    def frontier(self) -> list[FrontierItem]:
        """Return where the run stands: what failed or was not ready, and what nothing blocks.

        Tasks that let their successors go are no part of it.  By time and name.
        """
        needs, followers = self._needs(), self._followers()
        open_holes = {f"#{hole.id}" for hole in self.holes if hole.open}
        return [
            FrontierItem(
                task=task.id,
                state=task.state,
                blocked_by=tuple(sorted(blocked)),
                subtree=(task.id, *sorted(self._reach([task.id], followers))),
            )
            for task in sorted(self.tasks.values(), key=_by_time)
            if not task.done
            for blocked in [self._blockers(task.id, needs, open_holes)]
            if not blocked or task.state in (FAILED, NOT_READY)
        ]

    def boundary(self) -> list[str]:
        """Return the tasks that let their successors go and have one behind them that did not.

        By time and name.
        """
        undone = [task.id for task in self.tasks.values() if not task.done]
        found = (self.tasks[each] for each in self._reach(undone, self._needs()))
        return [task.id for task in sorted(found, key=_by_time) if task.done]

    def levels(self) -> list[list[str]]:
        """Return the tasks in layers: each task stands one below the lowest that it runs after."""
        needs = self._needs()
        depth: dict[str, int] = {}
        for vertex in self._upwards(needs):
            below = max((depth[each] for each in needs[vertex]), default=-1)
            depth[vertex] = (
                below if vertex.startswith("#") and vertex not in self.tasks else below + 1
            )
        layers: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
        for name in self.tasks:
            layers[depth[name]].append(name)
        return layers

    def critical_path(self, durations: Mapping[str, float] | None = None) -> list[str]:
        """Return the longest way through the graph: what decides how long the run takes.

        Args:
            durations: Seconds by task.  Other tasks count as long as they took; those that have
                not ended by their timeout, or else as one second.
        """
        needs, known = self._needs(), durations or {}
        longest: dict[str, tuple[float, int]] = {}  # seconds, and then the number of tasks
        came_from: dict[str, str] = {}
        for vertex in self._upwards(needs):
            before = max(needs[vertex], key=longest.__getitem__, default=None)
            seconds, count = (0.0, 0) if before is None else longest[before]
            if before is not None:
                came_from[vertex] = before
            if (task := self.tasks.get(vertex)) is not None:
                seconds += known[vertex] if vertex in known else _expected(task)
                count += 1
            longest[vertex] = (seconds, count)
        way: list[str] = []
        last = max(self.tasks, key=longest.__getitem__, default=None)
        while last is not None:
            way.append(last)
            last = came_from.get(last)
        return [each for each in reversed(way) if each in self.tasks]

    def _needs(self) -> dict[str, tuple[str, ...]]:
        needs = {f"#{hole.id}": hole.needs for hole in self.holes}
        needs.update((task.id, task.needs) for task in self.tasks.values())
        return needs

    def _followers(self) -> dict[str, list[str]]:
        followers: dict[str, list[str]] = {}
        for vertex, needs in self._needs().items():
            for need in needs:
                followers.setdefault(need, []).append(vertex)
        return followers

    def _by_creation(self, task: str, ways: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
        if task not in self.tasks:
            raise Refused(f"run {self.run!r} has no task {task!r}", kind="unknown")
        found = self._reach([task], ways)
        return tuple(name for name in self.tasks if name in found)

    def _reach(self, starts: Iterable[str], ways: Mapping[str, Iterable[str]]) -> set[str]:
        found: set[str] = set()
        stack = [each for start in starts for each in ways.get(start, ())]
        while stack:
            vertex = stack.pop()
            if vertex not in found:
                found.add(vertex)
                stack.extend(ways.get(vertex, ()))
        return {name for name in found if name in self.tasks}

    def _blockers(
        self, vertex: str, needs: Mapping[str, tuple[str, ...]], open_holes: set[str]
    ) -> set[str]:
        found: set[str] = set()
        stack, seen = list(needs[vertex]), set[str]()
        while stack:
            need = stack.pop()
            if need in seen:
                continue
            seen.add(need)
            if need not in self.tasks:
                stack.extend(needs[need])
            if need in open_holes or (need in self.tasks and not self.tasks[need].done):
                found.add(need)
        return found

    def _upwards(self, needs: Mapping[str, tuple[str, ...]]) -> list[str]:
        """Return tasks and holes, each behind all that it runs after."""
        missing = {vertex: len(before) for vertex, before in needs.items()}
        followers = self._followers()
        ordered = [vertex for vertex in missing if not missing[vertex]]
        for vertex in ordered:
            for follower in followers.get(vertex, ()):
                missing[follower] -= 1
                if not missing[follower]:
                    ordered.append(follower)
        return ordered

    # --- as JSON ----------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Json]:
        """Return it as JSON; where a run that succeeded stands is no question."""
        halted = self.state is not RunState.SUCCEEDED
        return {
            "run": self.run,
            "workflow": self.workflow,
            "state": str(self.state),
            "paused": self.paused,
            "reason": self.reason,
            "started_at": iso(self.started_at),
            "ended_at": iso(self.ended_at),
            "inputs": {} if self.inputs is None else plain(self.inputs),
            "output": plain(self.output),
            "tasks": {name: task.to_json() for name, task in self.tasks.items()},
            "order": list(self.order),
            "holes": [hole.to_json() for hole in self.holes],
            "promises": [promise.to_json() for promise in self.promises],
            "frontier": [item.to_json() for item in self.frontier()] if halted else [],
            "boundary": self.boundary() if halted else [],
        }


def _by_time(task: TaskResult) -> tuple[float, str]:
    times = (at for at in (task.ended_at, task.started_at) if at is not None)
    return (next(times, _FAR), task.id)


def _expected(task: TaskResult) -> float:
    if task.seconds is not None:
        return task.seconds
    if task.state in SETTLED:
        return 0.0
    timeout = task.spec.options.timeout
    limit = None if timeout is None else timeout.attempt or timeout.total
    return 1.0 if limit is None else limit


def iso(at: float | None) -> str | None:
    """Return a time in seconds since the epoch as ISO 8601, UTC."""
    if at is None:
        return None
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def plain(value: object) -> Json:
    """Return a value in JSON's own types; what has no such form is told as text."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in cast("Mapping[object, object]", value).items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(each) for each in cast("Iterable[object]", value)]
    return str(value)
