"""A run under test: its clock, and short words for what is said to it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import attrs
import pytest

from callboard.workflow import (
    Command,
    Effect,
    Event,
    Failure,
    Hole,
    Run,
    SetTimer,
    StopAttempt,
    Task,
    TaskOptions,
    TaskSpec,
    WorkflowSpec,
    apply,
    commands as c,
    events as ev,
    fold,
    resume,
    start,
)


def facts(thing: Run) -> dict[str, Any]:
    """Return all that a run is, apart from the queue of whoever starts its tasks."""
    told: dict[str, Any] = {
        field.name: getattr(thing, field.name)
        for field in attrs.fields(Run)
        if field.name not in ("ready", "changed", "tasks", "holes", "active", "growth")
    }
    told["active"] = list(thing.active)
    growth = thing.growth
    told["growth"] = {
        field.name: copy.copy(getattr(growth, field.name))
        for field in attrs.fields(type(growth))
        if field.name in ("closed", "sealed", "flow", "log", "rounds", "closed_by", "rounds_max")
    }
    told["places"] = {key: sorted(p.id for p in ps) for key, ps in growth.places.items()}
    told["wilds"] = {key: sorted(p.id for p in ps) for key, ps in growth.wilds.items() if ps}
    told["open"] = sorted(part.id for part in growth.open)
    told["promises"] = [(each.text, each.by) for each in growth.promises]
    told["guards"] = {
        key: (guard.lo, guard.hi, guard.count) for key, guard in growth.guards.tasks.items()
    }
    for vertex in (*thing.tasks.values(), *thing.holes.values(), *growth.parts.values()):
        own = {f.name: getattr(vertex, f.name) for f in attrs.fields(type(vertex))}
        for name in ("before", "after", "starts", "tail", "ends"):
            own[name] = [each.id for each in own.get(name, ())]
        for name in ("binds", "bound"):
            own[name] = sorted(each.id for each in own[name] or ())
        for name in ("part", "hole", "filled"):
            own[name] = None if own.get(name) is None else own[name].id
        own.pop("queued", None)
        own.pop("named", None)  # a convenience of whoever lives through the attempt
        own.pop("rank")  # only the order of ranks means something
        told[vertex.id if isinstance(vertex, (Task, Hole)) else f"part {vertex.id}"] = own
    return told


def whole(command: Command | c.Creation) -> Command:
    """Return what is said: a creation by itself is said by a person."""
    match command:
        case (
            c.AddTask()
            | c.AddEdge()
            | c.OpenHole()
            | c.GiveHole()
            | c.CloseHole()
            | c.Promise()
            | c.Style()
            | c.Again()
        ):
            return c.Grow(commands=(command,))
        case _:
            return command


class Play:
    """A run, its clock, and short words for what is said to it."""

    def __init__(
        self,
        needs: Mapping[str, str],
        *,
        options: Mapping[str, TaskOptions] | None = None,
        kinds: Mapping[str, str] | None = None,
        **spec: Any,
    ) -> None:
        options, kinds = options or {}, kinds or {}
        tasks = tuple(
            TaskSpec(
                id=name,
                name=name,
                kind=kinds.get(name, "function"),
                needs=tuple(before.split()),
                options=options.get(name, TaskOptions()),
            )
            for name, before in needs.items()
        )
        created = ev.RunCreated(at=0.0, run="r", spec=WorkflowSpec(name="w", tasks=tasks, **spec))
        self.run, self.events, self.effects = start(created)
        self.now = 0.0
        self.stops: dict[str, str] = {}
        self.fences = 0

    def say(self, command: Command | c.Creation) -> list[Event]:
        events, effects = apply(self.run, whole(command), self.now, stops=self.stops)
        self.events += events
        self.effects += effects
        assert facts(fold(self.events)) == facts(self.run)
        return events

    def facts(self) -> dict[str, Any]:
        return facts(self.run)

    def begin(self, *names: str) -> None:
        for name in names:
            self.fences += 1
            self.say(c.Begin(task=name, fence=f"{name}.{self.fences}"))

    def fence(self, name: str) -> str:
        fence = self.run.tasks[name].fence
        assert fence is not None
        return fence

    def ok(self, *names: str, output: Any = None) -> None:
        for name in names:
            if self.run.tasks[name].fence is None:
                self.begin(name)
            self.say(c.Succeed(task=name, fence=self.fence(name), output=output))

    def fail(self, name: str, kind: str = "error", **more: Any) -> None:
        if self.run.tasks[name].fence is None:
            self.begin(name)
        failure = Failure(kind=kind, message="bad", **more)
        self.say(c.Fail(task=name, fence=self.fence(name), failure=failure))

    def not_ready(self, name: str) -> None:
        if self.run.tasks[name].fence is None:
            self.begin(name)
        self.say(c.NotReady(task=name, fence=self.fence(name), message="later"))

    def stopped(self, name: str, note: str | None = None) -> None:
        self.say(c.Stopped(task=name, fence=self.fence(name), note=note))

    def lose(self, name: str) -> None:
        self.say(c.Lose(task=name, fence=self.fence(name), reason="the engine is gone"))

    def due(self, what: c.Deadline, task: str | None = None, *, at: float | None = None) -> None:
        self.now = self.now if at is None else at
        self.say(c.Due(what=what, task=task))

    def recover(self) -> list[Effect]:
        """Be another engine that takes up the run: what was not stored is forgotten."""
        self.run = fold(self.events)
        self.stops = {}
        return resume(self.run, self.now)

    @property
    def states(self) -> dict[str, str]:
        return {name: str(task.state) for name, task in self.run.tasks.items()}

    def is_(self, **states: str) -> None:
        assert self.states == {**self.states, **states}

    def ended(self, state: str) -> None:
        assert (self.run.state, self.run.unsettled) == (state, 0)
        assert isinstance(self.events[-1], ev.RunEnded)

    def stopping(self) -> set[str]:
        """Return the tasks whose attempts were to be stopped since this was last asked."""
        told = {each.task for each in self.effects if isinstance(each, StopAttempt)}
        self.effects.clear()
        return told

    def timers(self) -> dict[tuple[str, str | None], float]:
        return {(e.what, e.task): e.at for e in self.effects if isinstance(e, SetTimer)}

    def next(self) -> str | None:
        task = self.run.peek_ready()
        return None if task is None else task.id


@pytest.fixture(name="facts")
def facts_fixture() -> Callable[[Run], dict[str, Any]]:
    """Give the function that tells all that a run is."""
    return facts


@pytest.fixture
def play() -> type[Play]:
    """Give the class: a test makes its run of it."""
    return Play
