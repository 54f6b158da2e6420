"""The picture of a run or a definition: what exists of it, and all that may still come.

It is derived and never guessed: the graph as it stands, its holes, its promises and the edges that
may still be added are the set of graphs with which the run can end.  Drawing the text as SVG, PNG
or PDF is done elsewhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, TypeAlias

import attrs

from . import events as ev
from ._complete import speaks_freely
from ._definition import StyleSpec, WorkflowSpec
from ._errors import UsageError
from ._evolve_growth import can_speak
from ._growth import Promise
from ._guard_text import ANY, Rounds, Sealed, TaskGuard
from ._machine import start
from ._picture_fold import Folded, fold
from ._picture_graph import graph_of, without_joints
from ._picture_looks import URGENT, colour_of
from ._picture_may import may_edges
from ._picture_model import (
    ANYTHING,
    Alternative as Alternative,
    Edge,
    Node,
    Picture,
    Promised,
    Unfolded as Unfolded,
)
from ._picture_unfold import unfolded
from ._picture_words import meaning, names, says_as_much, signs, words
from ._promise_states import state_of
from ._run import Part, Run, Task
from ._shapes import Alt, Loop, Map, Wild

_Called: TypeAlias = Callable[[str], str]

ALL: Final = "all"
"""Stands for all holes where some are to be unfolded."""
MAY_MAX: Final = 12
"""Up to how many may-edges are drawn one by one."""


def picture(run: Run, *, unfold: Collection[str] = (), each: bool = False) -> Picture:
    """Return the picture of a run as of now.

    Args:
        run: The run.
        unfold: Addresses of holes whose alternatives are drawn, too; ``all`` for all of them.
        each: Draw each task, however many there are.

    Raises:
        UsageError: there is no such hole, or nothing comes into it any more.
    """
    return _Drawing(run, each=each).picture(unfold)


def picture_of_spec(spec: WorkflowSpec, *, unfold: Collection[str] = ()) -> Picture:
    """Return the picture of a definition.

    Raises:
        UsageError: there is no such hole.
        CallboardError: the definition could not be started.
    """
    run, _, _ = start(ev.RunCreated(at=0.0, run="", spec=spec))
    return _Drawing(run, planned=True).picture(unfold)


@attrs.define(eq=False)
class _Drawing:
    """A run that is being drawn.

    Attributes:
        planned: Whether it is only a definition: then nothing has a state yet.
        each: Whether tasks that are alike are drawn one by one.
    """

    run: Run
    planned: bool = False
    each: bool = False

    def picture(self, unfold: Collection[str]) -> Picture:
        run = self.run
        parts = self._to_unfold(unfold)
        graph = graph_of(run)
        styles = _Styles.of(run)
        called = styles.called(run)
        nodes = self._nodes(graph.openings, styles, called)
        folded = (
            Folded(graph.sources, {}, {}, {})
            if self.each
            else fold(graph.sources, {node.id: _key(node) for node in nodes.values()})
        )
        firsts = set(folded.sources)
        joints = [name for name in graph.joints if name in firsts]
        sources, said = without_joints(folded.sources, joints, folded.words)
        shown = [
            _merged([nodes[each] for each in folded.members.get(name, (name,))], folded)
            for name in nodes
            if name in firsts
        ]
        shown += [Node(id=name, label="", kind="joint") for name in sources if name not in nodes]
        anything = self._anything(called)
        may = may_edges(run)
        edges = _edges(sources, said, styles)
        drawn_may = self._drawn_may(may, firsts, folded)
        return Picture(
            title=run.spec.name if self.planned else f"{run.spec.name} · {run.id}",
            caption=self._caption(),
            status=self._status(),
            counts={} if self.planned else {s: run.counts[s] for s in URGENT if run.counts[s]},
            nodes=(*shown, *anything),
            edges=(*edges, *drawn_may),
            promises=tuple(self._promised(each, called) for each in run.growth.promises),
            notes=self._notes(may, drawn_may, anything, graph.openings),
            may=may,
            unfolded=tuple(map(unfolded, parts)),
            facts=self._facts(),
        )

    def _to_unfold(self, wanted: Collection[str]) -> list[Part]:
        open_parts = [part for part in self.run.growth.parts.values() if not part.closed]
        if ALL in wanted:
            return open_parts
        found: list[Part] = []
        for address in wanted:
            address = address.removeprefix("#")  # noqa: PLW2901 - both ways of writing it
            inside = [
                part
                for part in open_parts
                if address in (part.address, part.inside, part.hole.name)
            ]
            if not inside:
                known = ", ".join(repr(part.address) for part in open_parts) or "none"
                raise UsageError(
                    f"there is no open hole {address!r} in {self.run.spec.name!r}; it has: {known}"
                )
            found += inside
        return list(dict.fromkeys(found))

    # --- nodes

    def _nodes(self, openings: Sequence[Part], styles: _Styles, called: _Called) -> dict[str, Node]:
        tasks = self.run.tasks.values()
        labels = Counter(styles.label(task) for task in tasks)
        nodes = {
            task.id: self._task(task, styles, alone=labels[styles.label(task)] == 1)
            for task in tasks
        }
        return nodes | {part.id: _opening(part, styles, called) for part in openings}

    def _task(self, task: Task, styles: _Styles, *, alone: bool) -> Node:
        label = styles.label(task)
        notes = [f"attempt {task.attempt}"] if task.attempt > 1 else []
        if task.generation > 1:
            notes.append(f"generation {task.generation}")
        own = task.id.rsplit("/", 1)[-1]
        if not alone and own != label:
            notes.append(own)
        facts: dict[str, Any] = {"name": task.spec.name, "kind_of_task": task.spec.kind}
        facts |= {"created_by": task.created_by, "speaks": can_speak(task)}
        if task.part is not None:
            facts["part"] = task.part.id
        return Node(
            id=task.id,
            label=label,
            state=None if self.planned else task.state,
            note=" · ".join(notes) or None,
            tip=f"{task.spec.name} ({task.id})" if task.id != task.spec.name else task.id,
            colour=styles.colours.get(task.id),
            facts=facts,
        )

    def _anything(self, called: _Called) -> list[Node]:
        run = self.run
        if run.ended or run.stopping is not None or run.growth.closed or run.growth.sealed:
            return []
        owners = [task.id for task in run.tasks.values() if speaks_freely(run, task)]
        if not owners:
            return []
        return [
            Node(
                id=ANYTHING,
                label="anything may still come",
                kind="anything",
                note=f"from {names([*map(called, owners)])}",
                shape="...",
                tip=f"from {', '.join(owners)}",
                facts={"owners": owners},
            )
        ]

    # --- edges

    def _drawn_may(
        self, may: Sequence[tuple[str, str]] | None, firsts: set[str], folded: Folded
    ) -> list[Edge]:
        """Return the may-edges that are drawn: all of them or, where that is too much, none."""
        if may is None or len(may) > MAY_MAX:
            return []
        ends = {end for pair in may for end in pair}
        if not ends <= firsts - folded.members.keys():
            return []
        return [Edge(source=source, target=target, kind="may") for source, target in may]

    # --- what is said about it

    def _caption(self) -> str:
        if self.planned:
            return self._status()
        counts = [f"{n:,} {words(state)}" for state, n in self.run.counts.items() if n]
        return " · ".join([self._status(), *counts])

    def _status(self) -> str:
        run = self.run
        if self.planned:
            count = len(run.tasks)
            return f"{count:,} {'task' if count == 1 else 'tasks'}"
        bits = [words(run.state)]
        if run.paused:
            bits.append("paused")
        if run.stopping is not None and not run.ended:
            bits.append("being stopped")
        if run.broken is not None:
            bits.append(run.broken.message)
        return " · ".join(bits)

    def _promised(self, promise: Promise, called: _Called) -> Promised:
        spec = promise.spec
        facts: dict[str, Any] = {}
        if isinstance(spec, Sealed):
            spec = TaskGuard(ANY, no_new=True, by=spec.by)
        if isinstance(spec, TaskGuard):
            guard = self.run.growth.guards.tasks.get((spec.pattern, spec.by))
            if guard is not None:
                hi = guard.hi if spec.no_new else spec.hi
                facts = {"at_least": spec.lo or 0, "at_most": hi, "count": guard.count}
        state = None if self.planned else state_of(self.run, promise)
        return Promised(
            text=promise.text,
            state=state,
            by=promise.by,
            scope=spec.by,
            shown=_shown(promise, called),
            facts=facts,
        )

    def _notes(
        self,
        may: Sequence[tuple[str, str]] | None,
        drawn: Sequence[Edge],
        anything: Sequence[Node],
        openings: Sequence[Part],
    ) -> tuple[str, ...]:
        notes: list[str] = []
        more = anything or any(not part.lapsed for part in openings)
        if more and not self.run.ended:
            notes.append("dashed: may still come, unless a failure cuts the run off")
        if drawn:
            notes.append("dotted: an edge that may still be added")
        elif may is None:
            notes.append("edges may still be added in front of tasks that have not started")
        elif may:
            notes.append(f"{len(may):,} edges may still be added")
        return tuple(notes)

    def _facts(self) -> dict[str, Any]:
        run = self.run
        growth = run.growth
        ceiling = growth.guards.tasks.get((ANY, None))
        return {
            "workflow": run.spec.name,
            "run": None if self.planned else run.id,
            "state": None if self.planned else str(run.state),
            "event": None if self.planned else run.version,
            "open": not growth.closed,
            "max_tasks": None if ceiling is None else ceiling.hi,
        }


def _edges(
    sources: Mapping[str, Sequence[str]], said: Mapping[tuple[str, str], str], styles: _Styles
) -> list[Edge]:
    found: list[Edge] = []
    for target, earlier in sources.items():
        for source in earlier:
            label, colour = styles.edges.get((source, target), (None, None))
            label = label or said.get((source, target))
            found.append(Edge(source=source, target=target, label=label, colour=colour))
    return found


def _shown(promise: Promise, called: _Called) -> str:
    """Return a promise with tasks called as in the picture, and who said it if that is news."""
    spec = promise.spec
    said = spec if spec.by is None else attrs.evolve(spec, by=called(spec.by))
    if isinstance(said, Rounds):
        said = attrs.evolve(said, task=called(said.task))
    text = promise.text if said == spec else str(said)
    if promise.by in (None, spec.by):
        return text
    return f"{text} (said by {called(promise.by)})"


def _opening(part: Part, styles: _Styles, called: _Called) -> Node:
    shape = part.residual
    owners = [each.id for each in part.owners]
    label = meaning(part)
    said = styles.labels.get(part.id)
    notes: list[str] = [] if said is None else [label]
    if part.lapsed:
        notes.append(
            f"cannot come any more: {names([*map(called, owners)]) or 'its owner'} did not succeed"
        )
    else:
        notes += [] if says_as_much(label, shape) or label == signs(shape) else [signs(shape)]
        if not isinstance(shape, (Map, Loop, Wild)):
            notes.append("one of these comes" if isinstance(shape, Alt) else "will come")
        if part.tasks and part.begun != len(part.tasks):
            many = len(part.tasks)
            notes.append(f"{many:,} {'task' if many == 1 else 'tasks'} so far")
        if owners:
            notes.append(f"{'from' if len(owners) > 1 else 'by'} {names([*map(called, owners)])}")
    facts = {
        "hole": part.hole.name,
        "address": part.address,
        "owner": owners[0] if owners else None,
        "owners": owners,
        "tasks": len(part.tasks),
        "lapsed": part.lapsed,
    }
    return Node(
        id=part.id,
        label=said or label,
        kind="hole",
        shape=str(shape),
        note=" · ".join(notes) or None,
        colour=styles.colours.get(part.id),
        facts=facts,
    )


# --- folding --------------------------------------------------------------------------------------


def _key(node: Node) -> tuple[str, ...]:
    return node.label, node.kind, node.shape or "", node.colour or ""


def _merged(nodes: Sequence[Node], folded: Folded) -> Node:
    """Return one node for several that are alike."""
    first = nodes[0]
    if len(nodes) == 1:
        return first
    counts = Counter(node.state for node in nodes if node.state is not None)
    label = folded.stems.get(first.id, first.label)
    note = "one after another" if first.id in folded.rows else None
    facts: dict[str, Any] = {"name": label}
    if first.kind == "hole":
        owners = [owner for node in nodes for owner in node.facts["owners"]]
        facts = {"owners": list(dict.fromkeys(owners))}
        note = "will come"
    return attrs.evolve(
        first,
        label=label,
        state=next((each for each in URGENT if each in counts), None),
        counts=dict(counts),
        members=[node.id for node in nodes],
        note=note,
        tip=f"{first.id} … {nodes[-1].id}",
        facts=facts,
    )


# --- styles ---------------------------------------------------------------------------------------


@attrs.define(eq=False)
class _Styles:
    """How somebody wanted things to look; what was said last counts."""

    labels: dict[str, str] = attrs.field(factory=dict[str, str])
    colours: dict[str, str] = attrs.field(factory=dict[str, str])
    edges: dict[tuple[str, str], tuple[str | None, str | None]] = attrs.field(
        factory=dict[tuple[str, str], tuple["str | None", "str | None"]]
    )

    @classmethod
    def of(cls, run: Run) -> _Styles:
        styles = cls()
        for style in run.spec.styles:
            styles._add(style)
        for event in run.growth.log.values():
            if isinstance(event, ev.Styled):
                styles._add(event)
        return styles

    def _add(self, style: StyleSpec | ev.Styled) -> None:
        target, colour = style.target, colour_of(style.color)
        if isinstance(target, str):
            if style.label:
                self.labels[target] = style.label
            if colour:
                self.colours[target] = colour
        else:
            pair = target[0], target[1]
            label, earlier = self.edges.get(pair, (None, None))
            self.edges[pair] = style.label or label, colour or earlier

    def label(self, task: Task) -> str:
        return self.labels.get(task.id, task.spec.name)

    def called(self, run: Run) -> _Called:
        """Return what tells by which word a picture knows a task: its label, else its id."""
        labels = Counter(self.label(task) for task in run.tasks.values())

        def name(task: str) -> str:
            known = run.tasks.get(task)
            label = task if known is None else self.label(known)
            return label if labels[label] == 1 else task

        return name
