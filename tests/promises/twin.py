"""The kernel told the same as the oracle: one scenario, the same moves, what came of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeAlias

import attrs

from callboard.workflow import (
    DefinitionError,
    HoleSpec,
    Refused,
    Run,
    TaskSpec,
    TaskState,
    UsageError,
    WorkflowSpec,
    apply,
    commands as c,
    events as ev,
    start,
)
from callboard.workflow._flow import compile_flow
from callboard.workflow._graph import ancestors
from callboard.workflow._shape_text import parse_shape
from callboard.workflow._shapes import Alt

from .oracle import (
    AddEdge,
    Close,
    Create,
    Give,
    Move,
    Oracle,
    Promise,
    Scenario,
    Start,
    State,
    Succeed,
)
from .oracle_parts import leaves, owners

Facts: TypeAlias = tuple[dict[str, str], set[tuple[str, str]], set[str]]
"""The state of each task, which runs after which, and which may start."""

SKIPPED = "skipped"
"""The verdict on a move that the two could not be told alike: an address that one of them lacks."""


class Unlike(Exception):
    """The two read a definition differently, in a way that the rules leave open."""


class Twin:
    """A run of the kernel beside a state of the oracle."""

    def __init__(self, scenario: Scenario, state: State) -> None:
        self.mute = scenario.mute
        if re.search(r"\(\)\) \| \(\)|(\?|\(\))[^(]*\)\?", f"{scenario.flow} {scenario.holes}"):
            raise Unlike  # a choice among two ways to be empty stays open for the oracle
        self.optional = "?" in f"{scenario.flow} {scenario.holes}"
        try:
            created = ev.RunCreated(at=0.0, run="r", spec=self._spec(scenario, state))
            self.run: Run = start(created)[0]
        except (Refused, DefinitionError, UsageError) as error:
            # Two "..." of one owner can never be told apart without names: the kernel refuses that
            # as soon as it is declared.
            if "any label fits" in str(error) or str(error).startswith("shape "):
                raise Unlike from error
            raise
        if set(self.run.holes) != set(state.plan.holes):
            raise Unlike  # "(M* & N*)?" is the same as two holes

    def _spec(self, scenario: Scenario, state: State) -> WorkflowSpec:
        promises = (
            *scenario.guards,
            *["closed"] * scenario.closed,
            *["sealed"] * scenario.sealed,
        )
        if scenario.flow is not None:
            shape = parse_shape(scenario.flow)
            flow = compile_flow(shape, {name: self._task(name) for name in sorted(shape.labels)})
            if flow.errors:
                raise DefinitionError(flow.errors)
            return WorkflowSpec(
                name="w",
                tasks=flow.tasks,
                holes=flow.holes,
                templates=flow.templates,
                flow=True,
                promises=promises,
            )
        own = {
            name: owners(leaf)[0]
            for name, node in state.trees()
            for _, leaf in leaves(node, (name,))
        }
        return WorkflowSpec(
            name="w",
            tasks=tuple(
                attrs.evolve(self._task(name), needs=needs) for name, needs in scenario.tasks
            ),
            holes=tuple(
                HoleSpec(
                    id=name,
                    shape=shape,
                    owner=owner or own.get(name, "A"),
                    after=after,
                    before=before,
                )
                for name, shape, after, before, owner in scenario.holes
            ),
            promises=promises,
        )

    def _task(self, label: str) -> TaskSpec:
        kind = "shell" if label in self.mute else "function"
        return TaskSpec(id=label, name=label, kind=kind)

    def say(self, move: Move) -> str:
        """Say what a move says; return the verdict."""
        match move:
            case Create(creator=who, label=label, into=into, after=after, before=before):
                # An optional part that may be empty anyway is no part of its own for the kernel.
                if into is not None and (self.optional or not self._has(into)):
                    return SKIPPED
                if into is not None and self._is_other_name(into, label):
                    return SKIPPED
                said = c.AddTask(
                    name=label, new=self._task(label), into=into, after=after, before=before
                )
                return self._grow(who, said)
            case Close(owner=who, address=address):
                return self._grow(who, c.CloseHole(hole=address)) if self._is(address) else SKIPPED
            case Give(owner=who, address=address, to=to):
                given = c.GiveHole(hole=address, to=to)
                return self._grow(who, given) if self._is(address) else SKIPPED
            case Promise(text=text, by=by):
                return self._grow(by, c.Promise(text=re.sub(r"by (\S*/\S*)$", r'by "\1"', text)))
            case AddEdge(by=by, u=u, v=v):
                return self._grow(by, c.AddEdge(source=u, target=v))
            case Start(task=task):
                return self._tell(c.Begin(task=task, fence=task))
            case Succeed(task=task):
                fence = self.run.tasks[task].fence
                return "refused" if fence is None else self._tell(c.Succeed(task=task, fence=fence))

    def _is(self, address: str) -> bool:
        """Whether an address means the same for both: inside what is optional it need not."""
        return self._has(address) and not (self.optional and "/" in address)

    def _is_other_name(self, address: str, label: str) -> bool:
        """Whether this is a choice by the name of another way: the oracle names each way."""
        part = self.run.growth.parts.get(address)
        return part is not None and isinstance(part.residual, Alt) and label != address[-1]

    def _has(self, address: str) -> bool:
        address = address.removesuffix("/+")
        parts = self.run.growth.parts
        inside = {part.inside for part in parts.values()}
        return address in parts or address in self.run.holes or address in inside

    def _grow(self, who: str | None, said: c.Creation) -> str:
        fence = None if who is None else self.run.tasks[who].fence
        if who is not None and fence is None:
            return "refused"
        return self._tell(c.Grow(task=who, fence=fence, commands=(said,)))

    def _tell(self, command: c.Command) -> str:
        try:
            apply(self.run, command, 0.0)
        except Refused as refused:
            if refused.kind == "entangled":
                return SKIPPED  # the kernel does not guess; the oracle takes all the time it needs
            return "broken" if refused.kind == "promise_broken" else "refused"
        return "ok" if self.run.broken is None else "broken"

    def facts(self) -> Facts:
        """Return what the run has come to."""
        tasks = self.run.tasks
        names = {TaskState.SUCCEEDED: "done", TaskState.RUNNING: "running"}
        return (
            {task.id: names.get(task.state, "pending") for task in tasks.values()},
            {
                (above.id, task.id)
                for task in tasks.values()
                for above in ancestors([task])
                if above.id in tasks
            },
            {task.id for task in tasks.values() if task.state is TaskState.READY},
        )


def facts_of(oracle: Oracle, state: State) -> Facts:
    """Return the same of the oracle's state."""
    known = {task.id: task.state for task in state.tasks}
    order = {
        (str(above), name)
        for name, front in oracle.order(state).items()
        if name in known
        for above in front
        if above in known
    }
    return known, {(u, str(v)) for u, v in order}, set(oracle.startable(state))


def plain(scenario: Scenario) -> Scenario:
    """Return a scenario without the globs that the kernel does not have."""
    return attrs.evolve(scenario, guards=tuple(g for g in scenario.guards if "[" not in g))


def precede(verdicts: set[str], move: Move) -> bool:
    """Return whether a command is wrong twice: refused, and ruled out; either may be said first."""
    named = isinstance(move, AddEdge) or (
        isinstance(move, Create) and bool(move.after or move.before)
    )
    return verdicts == {"broken", "refused"} and named


def counted(history: list[Move]) -> Iterator[str]:
    """Give a history for a message, a move a line."""
    return (f"{number}. {move}" for number, move in enumerate(history, 1))
