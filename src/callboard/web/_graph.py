"""The graph of a run as the page draws it: nodes and edges with their places, as JSON.

Where things stand depends on what is there and on the texts on it, never on states: a task that
starts or fails moves nothing.  So a layout is kept under the text that it was made from, and made
again only when the graph has grown.  May-edges and what may come anywhere come and go with states;
they are placed after the layout and move nothing either.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import anyio
import attrs

from .._drawing import can_draw, lay_out
from .._frozen import frozen
from ..workflow import (
    Edge,
    Node,
    Part,
    Picture,
    Run,
    Task,
    TaskState,
    UsageError,
    picture,
)
from ..workflow._complete import speaks_freely
from ..workflow._picture_may import EXACT_MAX
from ..workflow._picture_model import ANYTHING
from ..workflow._picture_text import wrapped
from ._problems import Problem

STATES: Final = tuple(TaskState)
"""The states of folded tasks are told by their place in here, one digit a task."""
DIGITS: Final = "0123456789a"

EACH_MAX: Final = 400
"""Up to how many tasks are drawn one by one if somebody asks for it."""
LAYOUTS_MAX: Final = 200
"""How many layouts are kept."""
GRAPHS_MAX: Final = 32
"""How many graphs are kept: of those that several look at just now."""

_PX: Final = 72.0
"""Pixels in Graphviz's inch: a point is a pixel."""
_LINE_CHARS: Final = 26
_LINE: Final = 17.0
_PAD_X: Final = 34.0
_PAD_Y: Final = 32.0
"""Around the label, with room for the sign on the left and the state's word below."""
_WIDTH_MIN: Final = 148.0
"""As wide as the longest word of a state, and the number of an attempt."""
_SUB_MAX: Final = 4
_SMALL: Final = 0.86
_EDGE_CHARS: Final = 24
_JOINT: Final = 10.0
_MARGIN: Final = 24.0
_NARROW: Final = frozenset(" .,:;'|!()[]{}/\\-ijltfrI·")
_BROAD: Final = frozenset("mwMW@%—…→")


def structure_of(run: Run) -> str:
    """Return a text that changes whenever something in the run's graph comes, goes or moves.

    It costs little: whoever watches a run compares it after each change.
    """
    growth = run.growth
    parts = [_part_sign(part) for part in growth.parts.values() if not part.closed]
    edges = sum(len(task.before) for task in run.tasks.values())
    signs: list[Any] = [len(run.tasks), edges, list(growth.log), parts, len(growth.promises)]
    signs += [run.ended, run.stopping is not None, growth.closed, growth.sealed]
    if not (growth.closed or run.ended):
        signs.append(_may_signs(run))
    return hashlib.blake2b(repr(signs).encode(), digest_size=9).hexdigest()


def _part_sign(part: Part) -> tuple[Any, ...]:
    owners = [task.id for task in part.owners]
    return part.id, str(part.residual), part.lapsed, part.begun, len(part.tasks), owners


def _may_signs(run: Run) -> list[Any]:
    """Return on what it depends which edges and tasks may come anywhere: who speaks, what waits."""
    speakers = [task.id for task in run.tasks.values() if speaks_freely(run, task)]
    if len(run.tasks) > EXACT_MAX or not speakers:
        return [bool(speakers)]
    idle = (TaskState.PENDING, TaskState.READY)
    return [speakers, [task.id for task in run.tasks.values() if task.state in idle]]


@frozen
class Layout:
    """Where the nodes and edges of a graph stand, in pixels from the top left.

    Attributes:
        places: The middle of each node, by its number.
        lines: The control points of each edge, by its number, and where its label stands.
    """

    width: float
    height: float
    places: Mapping[int, tuple[float, float]]
    lines: Mapping[int, tuple[Sequence[tuple[float, float]], tuple[float, float] | None]]


@attrs.define(eq=False)
class Graphs:
    """Gives graphs with their places, and keeps the layouts it has made."""

    _kept: OrderedDict[str, Layout] = attrs.field(factory=OrderedDict[str, Layout], init=False)
    _told: OrderedDict[tuple[Any, ...], dict[str, Any]] = attrs.field(
        factory=OrderedDict[tuple[Any, ...], dict[str, Any]], init=False
    )
    _making: dict[str, anyio.Lock] = attrs.field(factory=dict[str, anyio.Lock], init=False)

    async def of(self, run: Run, *, each: bool = False) -> dict[str, Any]:
        """Return the graph of a run as JSON.

        Args:
            run: The run, as of now or as it was.
            each: Draw each task, however many there are.

        Raises:
            Problem: nothing that lays out is installed.
            UsageError: there are too many tasks for ``each``.
            CallboardError: it could not be laid out.
        """
        _check_can_draw()
        if each and len(run.tasks) > EACH_MAX:
            raise UsageError(
                f"run {run.id!r} has {len(run.tasks):,} tasks; each of them is drawn only up to "
                f"{EACH_MAX:,}: fold what is alike, or take the list"
            )
        # Between two events a run is the same for everybody who looks.
        key = run.id, run.created_at, run.version, each
        if key in self._told:
            return self._told[key]
        # All of it is read before anything is awaited: a live run changes meanwhile.
        graph = _Graph.of(run, picture(run, each=each))
        layout = await self._layout(graph.dot())
        found = self._told[key] = graph.to_json(layout)
        while len(self._told) > GRAPHS_MAX:
            self._told.popitem(last=False)
        return found

    async def _layout(self, dot: str) -> Layout:
        key = hashlib.blake2b(dot.encode(), digest_size=16).hexdigest()
        # Many who look at one run ask for the same layout at once: it is made once.
        lock = self._making.setdefault(key, anyio.Lock())
        try:
            async with lock:
                found = self._kept.get(key)
                if found is None:
                    found = _parsed(await lay_out(dot))
                    self._kept[key] = found
                self._kept.move_to_end(key)
                while len(self._kept) > LAYOUTS_MAX:
                    self._kept.popitem(last=False)
                return found
        finally:
            if not lock.statistics().tasks_waiting:
                self._making.pop(key, None)


def _check_can_draw() -> None:
    try:
        can_draw("live")
    except UsageError as lacking:
        raise Problem(501, str(lacking), kind="no_drawing") from lacking


# --- what is drawn --------------------------------------------------------------------------------


@attrs.frozen(eq=False)
class _Graph:
    """A picture that is to be laid out, with the sizes of what is in it."""

    picture: Picture
    facts: Mapping[str, Any]
    tasks: Mapping[str, Mapping[str, Any]]
    nodes: Sequence[tuple[Node, _Texts, tuple[float, float]]]
    edges: Sequence[Edge]

    @classmethod
    def of(cls, run: Run, drawn: Picture) -> _Graph:
        told: dict[str, Mapping[str, Any]] = {}
        nodes: list[tuple[Node, _Texts, tuple[float, float]]] = []
        for node in drawn.nodes:
            if node.members and node.kind == "task":
                found = [run.tasks[each].state for each in node.members]
                told[node.id] = {"states": "".join(DIGITS[STATES.index(each)] for each in found)}
            elif node.kind == "task":
                told[node.id] = _task_facts(run.tasks[node.id])
            if node.id == ANYTHING and len(run.tasks) > EXACT_MAX:
                # Who of so many it is changes all the time: that it is anybody is told.
                node = attrs.evolve(node, note=None, facts={})  # noqa: PLW2901
            texts = _Texts.of(node)
            nodes.append((node, texts, _size(node, texts)))
        facts = {
            "structure": structure_of(run),
            "number": run.version,
            "title": drawn.title,
            "caption": drawn.status,
            "open": bool(drawn.facts["open"]),
            "run": {"state": str(run.state), "paused": run.paused, "reason": run.reason},
            "counts": {str(state): count for state, count in drawn.counts.items()},
            "promises": [promise.to_json() for promise in drawn.promises],
            "notes": list(drawn.notes),
        }
        return cls(drawn, facts, told, nodes, drawn.edges)

    def dot(self) -> str:
        """Return what is laid out, in DOT: boxes of known sizes and nothing else."""
        numbers = {node.id: number for number, (node, _, _) in enumerate(self.nodes)}
        said = [
            "digraph {",
            "  nodesep=0.4 ranksep=0.55",
            '  node [shape=box fixedsize=true label=""]',
            '  edge [arrowhead=none fontname="Helvetica" fontsize=11]',
        ]
        for number, (node, _, (width, height)) in enumerate(self.nodes):
            if node.id != ANYTHING:
                said.append(f"  {number} [width={width / _PX:.3f} height={height / _PX:.3f}]")
        for number, edge in enumerate(self.edges):
            if edge.kind == "may":
                continue
            label = "" if edge.label is None else f'label="{_box(edge.label)}" '
            ends = f"{numbers[edge.source]} -> {numbers[edge.target]}"
            # Its number as a colour: the only word of an edge that the output repeats.
            said.append(f'  {ends} [{label}color="#{number:06x}"]')
        return "\n".join([*said, "}", ""])

    def to_json(self, layout: Layout) -> dict[str, Any]:
        """Return all of it as JSON, in its places."""
        nodes = list(self._nodes_json(layout))
        right = max((node["x"] + node["w"] for node in nodes), default=0.0)
        bottom = max((node["y"] + node["h"] for node in nodes), default=0.0)
        return {
            **self.facts,
            "width": round(max(layout.width + 2 * _MARGIN, right + _MARGIN), 1),
            "height": round(max(layout.height + 2 * _MARGIN, bottom + _MARGIN), 1),
            "nodes": nodes,
            "edges": list(self._edges_json(layout, {node["id"]: node for node in nodes})),
        }

    def _nodes_json(self, layout: Layout) -> Iterator[dict[str, Any]]:
        for number, (node, texts, (width, height)) in enumerate(self.nodes):
            if node.id == ANYTHING:
                # Beside everything else: it comes and goes, and nothing makes room for it.
                x, y = layout.width + 2 * _MARGIN + width / 2, height / 2
            else:
                x, y = layout.places[number]
            yield {
                **_node_json(node, texts),
                "x": round(x - width / 2 + _MARGIN, 1),
                "y": round(y - height / 2 + _MARGIN, 1),
                "w": width,
                "h": height,
                **self.tasks.get(node.id, {}),
            }

    def _edges_json(
        self, layout: Layout, nodes: Mapping[str, Mapping[str, Any]]
    ) -> Iterator[dict[str, Any]]:
        unsure = {node.id for node, _, _ in self.nodes if not node.is_certain}
        for number, edge in enumerate(self.edges):
            told: dict[str, Any] = {"from": edge.source, "to": edge.target, "label": edge.label}
            if edge.colour is not None:
                told["color"] = edge.colour
            if edge.kind == "may":
                points = _bow(nodes[edge.source], nodes[edge.target])
                yield {**told, "kind": "may", "points": points}
                continue
            line, at = layout.lines[number]
            if at is not None:
                told["label_at"] = _moved([at])[0]
            kind = "hole" if {edge.source, edge.target} & unsure else "certain"
            yield {**told, "kind": kind, "points": _moved(line)}


def _task_facts(task: Task) -> dict[str, Any]:
    return {
        "reason": task.reason,
        "attempts": task.attempt,
        "generation": task.generation,
        "critical": task.spec.options.critical,
        "task_kind": task.spec.kind,
    }


def _node_json(node: Node, texts: _Texts) -> dict[str, Any]:
    kind = "hole" if node.kind in ("hole", "anything") else node.kind
    told: dict[str, Any] = {
        "id": node.id,
        "kind": "fold" if node.members and kind == "task" else kind,
        "label": node.label,
        "lines": texts.lines,
        "state": None if node.state is None else str(node.state),
    }
    if node.members:
        told["tasks"] = list(node.members)
        told["count"] = len(node.members)
        told["counts"] = {str(state): n for state, n in node.counts.items()}
    if kind == "hole":
        owners = node.facts.get("owners", [])
        told |= {"sub": texts.sub, "shape": node.shape, "note": node.note, "owners": owners}
    if node.colour is not None:
        told["color"] = node.colour
    return told


@frozen
class _Texts:
    """What stands on a node for good: its label and, for what may still come, how that is meant.

    The word of a task's state is none of it.
    """

    lines: list[str]
    sub: list[str]

    @classmethod
    def of(cls, node: Node) -> _Texts:
        if node.kind == "joint":
            return cls([], [])
        sub = []
        if node.kind == "hole":
            sub = [line for bit in (node.note or "").split(" · ") for line in _small(bit)]
        return cls(wrapped(node.headline, _LINE_CHARS), sub[:_SUB_MAX])


def _small(text: str) -> list[str]:
    return wrapped(text, _LINE_CHARS + 6, 2) if text else []


def _size(node: Node, texts: _Texts) -> tuple[float, float]:
    """Return how much room a node takes whatever its state: its label, and a line for the word."""
    if node.kind == "joint":
        return _JOINT, _JOINT
    widths = [text_width(line) for line in texts.lines]
    widths += [text_width(line) * _SMALL for line in texts.sub]
    more = _LINE if node.members and node.kind == "task" else 0.0
    more += (_LINE - 2) * max(0, len(texts.sub) - 1)
    return (
        round(max(_WIDTH_MIN, max(widths, default=0.0) + _PAD_X)),
        round(_LINE * len(texts.lines) + _PAD_Y + more),
    )


def text_width(text: str) -> float:
    """Return about how wide a line of a label is, in pixels; the page squeezes what is wider."""
    return sum(map(_char_width, text))


def _char_width(char: str) -> float:
    if char in _NARROW:
        return 4.8
    if char in _BROAD:
        return 12.2
    if unicodedata.east_asian_width(char) in "WF":
        return 13.5
    return 9.4 if char.isupper() else 7.6


def _box(label: str) -> str:
    """Return a text of the same size that nothing reads as anything but letters."""
    return "x" * min(len(label), _EDGE_CHARS)


def _bow(source: Mapping[str, Any], target: Mapping[str, Any]) -> list[list[float]]:
    """Return a curve between two nodes that takes no part in the layout."""
    start, end = [source["x"] + source["w"] / 2], [target["x"] + target["w"] / 2]
    down = target["y"] > source["y"] + source["h"]
    start.append(source["y"] + (source["h"] if down else 0))
    end.append(target["y"] + (0 if down else target["h"]))
    if not down and target["y"] + target["h"] > source["y"]:
        end[1] = target["y"]  # side by side: over both of them
    bend = max(30.0, abs(end[1] - start[1]) / 2) * (1 if down else -1)
    after = end[1] - bend if down or end[1] != target["y"] else end[1] + bend
    curve = [start, [start[0], start[1] + bend], [end[0], after], end]
    return [[round(x, 1), round(y, 1)] for x, y in curve]


# --- what the layout program says -----------------------------------------------------------------


def _parsed(plain: str) -> Layout:
    """Read Graphviz's plain output: inches from the bottom left."""
    width = height = 0.0
    places: dict[int, tuple[float, float]] = {}
    lines: dict[int, tuple[list[tuple[float, float]], tuple[float, float] | None]] = {}
    for line in plain.replace("\\\n", "").splitlines():
        words = line.split()
        match words[:1]:
            case ["graph"]:
                width, height = float(words[2]) * _PX, float(words[3]) * _PX
            case ["node"]:
                places[int(words[1])] = float(words[2]) * _PX, height - float(words[3]) * _PX
            case ["edge"]:
                count = int(words[3])
                numbers = [float(word) * _PX for word in words[4 : 4 + 2 * count]]
                found = list(zip(numbers[::2], (height - y for y in numbers[1::2]), strict=True))
                rest = words[4 + 2 * count :]
                # Then a label with its place, if there is one, a style and a colour.
                at = (
                    (float(rest[1]) * _PX, height - float(rest[2]) * _PX)
                    if len(rest) > len(("style", "color"))
                    else None
                )
                lines[int(rest[-1].strip('"')[1:], 16)] = found, at
            case _:
                pass
    return Layout(width, height, places, lines)


def _moved(points: Iterable[tuple[float, float]]) -> list[list[float]]:
    return [[round(x + _MARGIN, 1), round(y + _MARGIN, 1)] for x, y in points]
