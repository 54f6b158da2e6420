"""The picture of a run or a definition: what exists of it, as a small model and as text.

Drawing the text as SVG, PNG or PDF is done elsewhere.  States differ in fill, in stroke, in shape
and in a word with its sign, so nobody needs to tell colours apart, and a black and white print says
as much.  Tasks are solid, holes dashed.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any, Final

import attrs

from ._definition import WorkflowSpec
from ._picture_graph import drawn
from ._run import Part, Run, Task
from ._shapes import Alt, Loop, Map, Wild
from ._states import TaskState


@attrs.frozen(kw_only=True)
class Look:
    """How a state is drawn.

    Attributes:
        sign: One character before the state's word.
        shape: The shape and its further attributes, in DOT.
        brackets: The same shape in Mermaid.
    """

    sign: str
    fill: str
    stroke: str
    text: str
    shape: str
    brackets: tuple[str, str]


def _look(sign: str, colours: str, shape: str, brackets: str) -> Look:
    fill, stroke, text = colours.split()
    left, right = brackets.split()
    return Look(sign=sign, fill=fill, stroke=stroke, text=text, shape=shape, brackets=(left, right))


LOOKS: Final[Mapping[TaskState, Look]] = {
    TaskState.PENDING: _look("·", "#ffffff #5c5c5c #000000", 'box style="rounded,filled"', "( )"),
    TaskState.READY: _look("○", "#e3effb #1f5f99 #000000", "box", "[ ]"),
    TaskState.RUNNING: _look("▶", "#0b5fa5 #04305a #ffffff", "ellipse", "([ ])"),
    TaskState.WAITING: _look("…", "#fff3c4 #7a5b00 #000000", "hexagon", "{{ }}"),
    TaskState.RETRY_WAIT: _look("↻", "#ffd28a #8a4b00 #000000", "parallelogram", "[/ /]"),
    TaskState.SUCCEEDED: _look("✓", "#c2ead0 #1b6e3c #000000", "box peripheries=2", "[[ ]]"),
    TaskState.NOT_READY: _look("◐", "#e2d3f0 #5b3a86 #000000", "trapezium", r"[/ \]"),
    TaskState.FAILED: _look("✗", "#a61b1b #4d0606 #ffffff", "octagon", "> ]"),
    TaskState.SKIPPED: _look("»", "#e6e6e6 #666666 #000000", "invtrapezium", r"[\ /]"),
    TaskState.UPSTREAM_FAILED: _look("↯", "#f6c9c2 #8f2a1d #000000", "invhouse", r"[\ \]"),
    TaskState.CANCELLED: _look("■", "#4a4a4a #1a1a1a #ffffff", "cylinder", "[( )]"),
}
_HOLE: Final = _look("?", "#ffffff #333333 #000000", 'box style="dashed,rounded,filled"', "( )")


@attrs.frozen(kw_only=True)
class Node:
    """A task, or a hole if it has a ``shape``.

    Attributes:
        state: The state of a task of a run; None for holes and for tasks of a definition.
        shape: What may still come into a hole.
        note: What else there is to say in a few words.
        owner: Who fills a hole.
        joint: Whether it only joins edges.
    """

    id: str
    label: str
    state: TaskState | None = None
    shape: str | None = None
    note: str | None = None
    owner: str | None = None
    joint: bool = False

    @property
    def lines(self) -> tuple[str, ...]:
        """What stands on the node, line by line."""
        second = [] if self.state is None else [f"{LOOKS[self.state].sign} {_words(self.state)}"]
        if self.note is not None:
            second.append(self.note)
        return (self.label, " · ".join(second)) if second else (self.label,)

    @property
    def kind(self) -> str:
        """What it is: task, hole or joint."""
        return "joint" if self.joint else "task" if self.shape is None else "hole"

    @property
    def look(self) -> Look:
        """How it is drawn."""
        if self.shape is not None:
            return _HOLE
        return LOOKS[self.state or TaskState.PENDING]


@attrs.frozen(kw_only=True)
class Picture:
    """Nodes, and edges between them as pairs of their ids."""

    title: str
    caption: str
    nodes: tuple[Node, ...]
    edges: tuple[tuple[str, str], ...]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "title": self.title,
            "caption": self.caption,
            "nodes": [
                {
                    "id": node.id,
                    "kind": node.kind,
                    "label": node.label,
                    "state": None if node.state is None else str(node.state),
                    "shape": node.shape,
                    "note": node.note,
                    **({} if node.owner is None else {"owner": node.owner}),
                }
                for node in self.nodes
            ],
            "edges": [{"from": source, "to": target} for source, target in self.edges],
        }

    def to_dot(self) -> str:
        """Return it in DOT, the language of Graphviz."""
        names = {node.id: f"n{number}" for number, node in enumerate(self.nodes)}
        holes = {node.id for node in self.nodes if node.shape is not None}
        return "\n".join(
            [
                f"digraph {_dot_text(self.title)} {{",
                f"  label={_dot_text(self.title, self.caption)} labelloc=t rankdir=TB",
                '  fontname="Helvetica" charset="UTF-8" bgcolor="#ffffff"',
                '  node [fontname="Helvetica" fontsize=12 style=filled penwidth=1.6]',
                '  edge [color="#404040" arrowsize=0.7]',
                *(_dot_node(names[node.id], node) for node in self.nodes),
                *(_dot_edge(names, source, target, holes) for source, target in self.edges),
                "}",
                "",
            ]
        )

    def to_mermaid(self) -> str:
        """Return it in Mermaid."""
        names = {node.id: f"n{number}" for number, node in enumerate(self.nodes)}
        holes = {node.id for node in self.nodes if node.shape is not None}
        looks = {_mermaid_class(node): node.look for node in self.nodes}
        return "\n".join(
            [
                "flowchart TB",
                *(_mermaid_node(names[node.id], node) for node in self.nodes),
                *(_mermaid_edge(names, source, target, holes) for source, target in self.edges),
                *(_mermaid_style(name, look) for name, look in looks.items()),
                "",
            ]
        )


def picture(run: Run) -> Picture:
    """Return the picture of a run as of now."""
    graph = drawn(run)
    return Picture(
        title=f"{run.spec.name} · {run.id}",
        caption=_caption(run),
        nodes=(
            *(_node(task) for task in graph.tasks),
            *(_opening(each.part) for each in graph.openings),
            *(Node(id=name, label="", joint=True) for name in graph.joints),
        ),
        edges=tuple(graph.edges),
    )


def _opening(part: Part) -> Node:
    shape = str(part.residual)
    owners = ", ".join(repr(each.id) for each in part.owners)
    if part.lapsed:
        note = "nothing comes any more: its owner did not succeed"
    elif isinstance(part.shape, (Map, Loop, Wild)):
        note = "more may come"
    else:
        note = "one of these will come" if isinstance(part.shape, Alt) else "will come"
    return Node(id=part.id, label=shape, shape=shape, note=note, owner=owners or None)


def _node(task: Task) -> Node:
    notes = [f"attempt {task.attempt}"] if task.attempt > 1 else []
    if task.generation > 1:
        notes.append(f"generation {task.generation}")
    note = " · ".join(notes) or None
    return Node(id=task.id, label=task.spec.name, state=task.state, note=note)


def _caption(run: Run) -> str:
    counts = [f"{count} {_words(state)}" for state, count in run.counts.items() if count]
    paused = ["paused"] if run.paused else []
    return " · ".join([_words(run.state), *paused, *counts])


def picture_of_spec(spec: WorkflowSpec) -> Picture:
    """Return the picture of a definition."""
    count = len(spec.tasks)
    return Picture(
        title=spec.name,
        caption=f"{count} {'task' if count == 1 else 'tasks'}",
        nodes=tuple(Node(id=task.id, label=task.name) for task in spec.tasks),
        edges=tuple((need, task.id) for task in spec.tasks for need in dict.fromkeys(task.needs)),
    )


def _words(state: str) -> str:
    return state.replace("_", " ")


def _printable(text: str) -> str:
    """Replace what XML has no way to carry, and control characters."""
    return "".join("\N{REPLACEMENT CHARACTER}" if _is_odd(char) else char for char in text)


def _is_odd(char: str) -> bool:
    return unicodedata.category(char) in ("Cc", "Cs") or char in "\ufffe\uffff"


# --- DOT ------------------------------------------------------------------------------------------


def _dot_text(*lines: str) -> str:
    return '"' + "\\n".join(map(_dot_escape, lines)) + '"'


def _dot_escape(line: str) -> str:
    # Graphviz reads escapes and HTML entities in labels: here both are taken literally.
    text = _printable(line)
    return text.replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"')


def _dot_node(name: str, node: Node) -> str:
    look = node.look
    return (
        f"  {name} [label={_dot_text(*node.lines)} tooltip={_dot_text(node.id)}"
        f' shape={look.shape} fillcolor="{look.fill}" color="{look.stroke}"'
        f' fontcolor="{look.text}"]'
    )


def _dot_edge(names: Mapping[str, str], source: str, target: str, holes: set[str]) -> str:
    dashed = " [style=dashed]" if source in holes or target in holes else ""
    return f"  {names[source]} -> {names[target]}{dashed}"


# --- Mermaid --------------------------------------------------------------------------------------

_MERMAID_CODES: Final = str.maketrans(
    {char: f"#{ord(char)};" for char in '"#;&<>`\\|{}[]()'}  # what has a meaning somewhere
)


def _mermaid_node(name: str, node: Node) -> str:
    left, right = node.look.brackets
    text = "<br/>".join(_printable(line).translate(_MERMAID_CODES) for line in node.lines)
    return f'  {name}{left}"{text or " "}"{right}:::{_mermaid_class(node)}'


def _mermaid_edge(names: Mapping[str, str], source: str, target: str, holes: set[str]) -> str:
    arrow = "-.->" if source in holes or target in holes else "-->"
    return f"  {names[source]} {arrow} {names[target]}"


def _mermaid_class(node: Node) -> str:
    return "hole" if node.shape is not None else str(node.state or "planned")


def _mermaid_style(name: str, look: Look) -> str:
    dashed = ",stroke-dasharray:5" if name == "hole" else ""
    return f"  classDef {name} fill:{look.fill},stroke:{look.stroke},color:{look.text}{dashed}"
