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
    Refused,
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
from callboard.workflow._flow import Owners, compile_flow
from callboard.workflow._shape_text import parse_shape

FUNCTION = TaskSpec(id="", name="", kind="function")
"""How a task is done that can create others."""

ENDINGS = (ev.HoleLapsed, ev.HoleClosed, ev.HoleLeft)
"""What becomes of holes when a run is stopped."""


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
        if not isinstance(vertex, Task):
            own["tasks"] = list(own.get("tasks", ()))  # what is appended later is not told now
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
            | c.Withdraw()
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

    @classmethod
    def flow(
        cls,
        text: str,
        *,
        owners: Owners = None,
        kinds: Mapping[str, str] | None = None,
        options: Mapping[str, TaskOptions] | None = None,
        **spec: Any,
    ) -> Play:
        """Return a run whose graph a shape gives; its ids are its names."""
        kinds, options, shape = kinds or {}, options or {}, parse_shape(text)
        described = {
            name: TaskSpec(
                id=name,
                name=name,
                kind=kinds.get(name, "function"),
                options=options.get(name, TaskOptions()),
            )
            for name in sorted(shape.labels)
        }
        found = compile_flow(shape, described, owners)
        assert found.errors == ()
        return cls(
            {each.id: " ".join(each.needs) for each in found.tasks},
            kinds=kinds,
            options=options,
            holes=found.holes,
            templates=found.templates,
            flow=True,
            **spec,
        )

    def grow(self, task: str | None, *commands: c.Creation) -> list[Event]:
        """Change the graph in one batch, as a task or as a person."""
        fence = None if task is None else self.fence(task)
        return self.say(c.Grow(commands=commands, task=task, fence=fence))

    def add(self, task: str | None, label: str, **more: Any) -> str:
        """Create a task and return its id."""
        more.setdefault("new", None if task and self.run.growth.flow else FUNCTION)
        before = set(self.run.tasks)
        self.grow(task, c.AddTask(name=label, **more))
        new = [name for name in self.run.tasks if name not in before]
        return new[0] if new else ""

    def refused(self, kind: str, task: str | None, *commands: c.Creation) -> str:
        """Check that a batch is refused and changes nothing; return why."""
        before = self.facts()
        with pytest.raises(Refused) as refused:
            self.grow(task, *commands)
        assert refused.value.kind == kind, refused.value
        assert self.facts() == before
        return str(refused.value)

    def breaks(self, task: str, *commands: c.Creation) -> ev.PromiseViolated:
        """Check that a batch breaks a promise, and that nothing of it is kept."""
        before = dict(self.run.tasks)
        log = dict(self.run.growth.log)
        self.grow(task, *commands)
        assert self.run.tasks == before
        made = [each for each in self.run.growth.log.values() if not isinstance(each, ENDINGS)]
        assert made == [each for each in log.values() if not isinstance(each, ENDINGS)]
        return self.broken()

    def broken(self) -> ev.PromiseViolated:
        """Return how a promise was broken, which ends the run as that."""
        violated = self.run.broken
        assert violated is not None
        assert "promise_broken" in (self.run.stopping, self.run.state)
        return violated

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

    def owners(self) -> dict[str, str]:
        """Return who may fill what is open."""
        return {
            part.address: " ".join(each.id for each in part.owners) for part in self.run.growth.open
        }

    def open_parts(self) -> dict[str, str]:
        """Return what may still come, by address."""
        return {part.address: str(part.residual) for part in self.run.growth.open}


@pytest.fixture(name="facts")
def facts_fixture() -> Callable[[Run], dict[str, Any]]:
    """Give the function that tells all that a run is."""
    return facts


@pytest.fixture
def play() -> type[Play]:
    """Give the class: a test makes its run of it."""
    return Play
