"""What a run came to, or has come to so far: facts for people and programs, in the shape of the JSON contract."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import attrs

from ._definition import Failure
from ._errors import PromiseBroken, RunCancelled, RunFailed, UsageError
from ._graph import Vertex, ancestors, descendants
from ._run import Hole, Run, Task
from ._states import RunState, TaskState

_BLOCKING = frozenset({TaskState.FAILED, TaskState.NOT_READY})
_NOT_DONE = frozenset(set(TaskState) - {TaskState.SUCCEEDED})


def iso(at: float | None) -> str | None:
    """Return a wall time as ISO 8601 in UTC, to the microsecond."""
    if at is None:
        return None
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


@attrs.frozen(kw_only=True)
class TaskResult:
    """What one task came to."""

    id: str
    name: str
    label: str
    state: TaskState
    reason: str | None
    generation: int
    attempts: int
    needs: tuple[str, ...]
    created_by: str | None
    output: Any
    error: Failure | None
    started_at: float | None
    ended_at: float | None
    critical: bool
    timeout: float | None

    @classmethod
    def of(cls, task: Task) -> TaskResult:
        """Return the facts about a task as it stands."""
        timeout = task.spec.options.timeout
        return cls(
            id=task.id,
            name=task.spec.name,
            label=task.spec.name,
            state=task.state,
            reason=task.reason,
            generation=task.generation,
            attempts=task.attempt,
            needs=tuple(earlier.id for earlier in task.before),
            created_by=task.created_by,
            output=task.output,
            error=task.error,
            started_at=task.started_at,
            ended_at=task.ended_at,
            critical=task.spec.options.critical,
            timeout=None if timeout is None else timeout.attempt,
        )

    @property
    def seconds(self) -> float | None:
        """How long the latest attempt took."""
        if self.started_at is None or self.ended_at is None:
            return None
        return self.ended_at - self.started_at

    def to_json(self) -> dict[str, Any]:
        """Return the facts as plain JSON."""
        return {
            "name": self.name,
            "label": self.label,
            "state": str(self.state),
            "reason": self.reason,
            "generation": self.generation,
            "attempts": self.attempts,
            "needs": list(self.needs),
            "created_by": self.created_by,
            "output": self.output,
            "error": failure_json(self.error),
            "started_at": iso(self.started_at),
            "ended_at": iso(self.ended_at),
        }


def failure_json(failure: Failure | None) -> dict[str, Any] | None:
    """Return a failure as plain JSON."""
    if failure is None:
        return None
    return {"kind": failure.kind, "message": failure.message, "detail": failure.detail}


@attrs.frozen(kw_only=True)
class Front:
    """A task that the run could not get past, or has not got past yet."""

    task: str
    state: TaskState
    blocked_by: tuple[str, ...]
    subtree: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the facts as plain JSON."""
        return {
            "task": self.task,
            "state": str(self.state),
            "blocked_by": list(self.blocked_by),
            "subtree": list(self.subtree),
        }


@attrs.frozen(kw_only=True, eq=False)
class RunResult:
    """What a run came to.

    Attributes:
        tasks: Facts about each task, by id, in creation order.
        order: Ids of tasks by their start.
        output: What the run's ``output`` gave.
    """

    run: str
    workflow: str
    state: RunState
    paused: bool
    reason: str | None
    started_at: float | None
    ended_at: float | None
    inputs: Any
    output: Any
    tasks: Mapping[str, TaskResult]
    order: tuple[str, ...]
    holes: tuple[dict[str, Any], ...]
    promises: tuple[dict[str, Any], ...]
    _run: Run = attrs.field(alias="run_graph", repr=False)

    @classmethod
    def of(cls, run: Run) -> RunResult:
        """Return the facts about a run as it stands; later changes of the run do not change them."""
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
            holes=tuple(_hole_json(hole) for hole in run.holes.values()),
            promises=tuple(
                {"text": text, "by": None, "state": "settled" if run.ended else "holding"}
                for text in run.spec.promises
            ),
            run_graph=run,
        )

    # --- how it went ------------------------------------------------------------------------------------------

    def is_ready(self) -> bool:
        """Return whether every task succeeded."""
        return all(task.state is TaskState.SUCCEEDED for task in self.tasks.values())

    def is_failed(self) -> bool:
        """Return whether a task failed."""
        return any(task.state is TaskState.FAILED for task in self.tasks.values())

    def is_timed_out(self) -> bool:
        """Return whether the run's timeout ended it."""
        return self.state is RunState.TIMED_OUT

    def is_not_ready(self) -> bool:
        """Return whether a task was not ready and none failed."""
        found = any(task.state is TaskState.NOT_READY for task in self.tasks.values())
        return found and not self.is_failed()

    def first_error(self) -> TaskResult | None:
        """Return the task that failed first, by time and id."""
        return self._first(TaskState.FAILED)

    def first_in_progress(self) -> TaskResult | None:
        """Return the task that was not ready first, by time and id."""
        return self._first(TaskState.NOT_READY)

    def _first(self, state: TaskState) -> TaskResult | None:
        found = [task for task in self.tasks.values() if task.state is state]
        return min(found, key=lambda each: (each.ended_at or 0.0, each.id), default=None)

    def raise_for_state(self) -> None:
        """Return if the run succeeded.

        Raises:
            PromiseBroken, RunCancelled, RunFailed: it did not; the sentence names the first task that failed.
        """
        if self.state is RunState.SUCCEEDED:
            return
        message = f"run {self.run!r} of {self.workflow!r} {_ENDINGS.get(self.state, f'is {self.state}')}"
        first = self.first_error() or self.first_in_progress()
        if first is not None:
            error = first.error
            why = f"{error.kind}: {error.message}" if error else first.reason or str(first.state)
            message = f"{message}: task {first.id!r}: {why}"
        elif self.reason:
            message = f"{message}: {self.reason}"
        kind = _RAISED.get(self.state, RunFailed)
        raise kind(message, run_id=self.run, result=self)

    # --- where it stands in the graph -------------------------------------------------------------------------

    def frontier(self) -> list[Front]:
        """Return the tasks that the run could not get past, sorted by id.

        A task that is not done is one of them if it failed or was not ready, or if nothing in front of it
        is in its way.
        """
        if self.state is RunState.SUCCEEDED:
            return []
        fronts: list[Front] = []
        for name in sorted(self.tasks):
            task = self.tasks[name]
            if task.state is TaskState.SUCCEEDED:
                continue
            blockers = tuple(sorted(need for need in task.needs if self._blocks(need)))
            if task.state in _BLOCKING or not blockers:
                subtree = (name, *self.descendants(name))
                fronts.append(
                    Front(task=name, state=task.state, blocked_by=blockers, subtree=tuple(sorted(subtree)))
                )
        return fronts

    def _blocks(self, need: str) -> bool:
        task = self.tasks.get(need)
        return task is not None and task.state is not TaskState.SUCCEEDED

    def boundary(self) -> list[str]:
        """Return the tasks that succeeded with something behind them that did not, sorted by id."""
        if self.state is RunState.SUCCEEDED:
            return []
        unfinished = [self._run.tasks[name] for name, t in self.tasks.items() if t.state in _NOT_DONE]
        in_front = {vertex.id for vertex in ancestors(unfinished)}
        return sorted(
            name for name in in_front if name in self.tasks and self.tasks[name].state not in _NOT_DONE
        )

    def ancestors(self, task: str) -> list[str]:
        """Return everything that a task runs after, directly or not, sorted by id."""
        return _names(ancestors([self._vertex(task)]))

    def descendants(self, task: str) -> list[str]:
        """Return everything that runs after a task, directly or not, sorted by id."""
        return _names(descendants([self._vertex(task)]))

    def _vertex(self, task: str) -> Task:
        if task not in self.tasks:
            raise UsageError(f"run {self.run!r} has no task {task!r}")
        return self._run.tasks[task]

    def levels(self) -> list[list[str]]:
        """Return the tasks in layers: each runs after something in the layer before it."""
        depth: dict[str, int] = {}
        layers: list[list[str]] = []
        for task in sorted(self._run.tasks.values(), key=lambda each: (each.rank, each.seq)):
            level = 1 + max((depth[n] for n in _tasks_in_front(task) if n in depth), default=-1)
            depth[task.id] = level
            if level == len(layers):
                layers.append([])
            layers[level].append(task.id)
        return layers

    def critical_path(self, durations: Mapping[str, float] | None = None) -> list[str]:
        """Return the chain of tasks that takes longest, first task first.

        Args:
            durations: Seconds by task id; where it does not say, what was measured counts, else the task's
                timeout, else one second.
        """
        known = durations or {}
        longest: dict[str, tuple[float, str | None]] = {}
        for task in sorted(self._run.tasks.values(), key=lambda each: (each.rank, each.seq)):
            before = [(longest[n][0], n) for n in _tasks_in_front(task) if n in longest]
            total, previous = max(before, key=lambda each: each[0], default=(0.0, None))
            longest[task.id] = (total + self._seconds(task.id, known), previous)
        end = max(longest, key=lambda each: longest[each][0], default=None)
        path: list[str] = []
        while end is not None:
            path.append(end)
            end = longest[end][1]
        return path[::-1]

    def _seconds(self, name: str, known: Mapping[str, float]) -> float:
        task = self.tasks[name]
        for seconds in (known.get(name), task.seconds, task.timeout):
            if seconds is not None:
                return seconds
        return 1.0

    def to_json(self) -> dict[str, Any]:
        """Return the result as plain JSON, in the shape that the command line and REST give."""
        return {
            "run": self.run,
            "workflow": self.workflow,
            "state": str(self.state),
            "paused": self.paused,
            "reason": self.reason,
            "started_at": iso(self.started_at),
            "ended_at": iso(self.ended_at),
            "inputs": {} if self.inputs is None else self.inputs,
            "output": self.output,
            "tasks": {name: task.to_json() for name, task in self.tasks.items()},
            "order": list(self.order),
            "holes": list(self.holes),
            "promises": list(self.promises),
            "frontier": [front.to_json() for front in self.frontier()],
            "boundary": self.boundary(),
        }


_ENDINGS = {
    RunState.FAILED: "failed",
    RunState.NOT_READY: "is not ready",
    RunState.CANCELLED: "was cancelled",
    RunState.TIMED_OUT: "timed out",
    RunState.PROMISE_BROKEN: "broke a promise",
}
_RAISED: Mapping[RunState, type[RunFailed] | type[RunCancelled]] = {
    RunState.CANCELLED: RunCancelled,
    RunState.PROMISE_BROKEN: PromiseBroken,
}


def _tasks_in_front(task: Task) -> Iterable[str]:
    """Return the tasks directly in front of a task, looking through holes."""
    stack: list[Vertex] = list(task.before)
    while stack:
        vertex = stack.pop()
        if isinstance(vertex, Hole):
            stack.extend(vertex.before)
        else:
            yield vertex.id


def _names(vertices: Iterable[Vertex]) -> list[str]:
    return sorted(vertex.id for vertex in vertices if isinstance(vertex, Task))


def _hole_json(hole: Hole) -> dict[str, Any]:
    return {
        "id": hole.id.removeprefix("#"),
        "shape": hole.shape,
        "owner": hole.owner,
        "tasks": list(hole.tasks),
        "open": not hole.closed,
    }
