"""A picture as data: nodes, edges, what was promised, and its JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import attrs

from .._frozen import frozen
from ._picture_looks import HOLE, LOOKS, PLANNED, URGENT, Look, painted
from ._picture_words import words
from ._states import TaskState

NodeKind = Literal["task", "hole", "anything", "joint", "box"]
EdgeKind = Literal["after", "may"]

ANYTHING: Final = "# anything"
"""The id of the node that stands for all that may still be created anywhere."""


def _no_counts() -> Mapping[TaskState, int]:
    return {}


@frozen(kw_only=True)
class Node:
    """A task, several tasks drawn as one, or what may still come.

    Attributes:
        kind: ``task``; ``hole`` for what may still come in one place, ``anything`` for what may
            come anywhere; ``joint`` for what only joins edges; ``box`` for a frame in an
            alternative of a hole.
        label: Its headline.
        state: The state of a task of a run, the most urgent one of several.
        note: What else there is to say in a few words.
        shape: For a hole, the expression of what may still come.
        tip: Its label or id in full, where that says more.
        colour: What it is to be filled with, instead of the colour of its state.
        members: The ids of the tasks or holes that it stands for, if it is several.
        counts: How many of these are in each state.
        facts: What else its JSON holds.
    """

    id: str
    label: str
    kind: NodeKind = "task"
    state: TaskState | None = None
    note: str | None = None
    shape: str | None = None
    tip: str | None = None
    colour: str | None = None
    members: Sequence[str] = ()
    counts: Mapping[TaskState, int] = attrs.field(factory=_no_counts)
    facts: Mapping[str, Any] = attrs.field(factory=dict[str, Any])

    @property
    def is_certain(self) -> bool:
        """Whether it exists, and is no mere possibility."""
        return self.kind in ("task", "joint")

    @property
    def headline(self) -> str:
        """Its label, and how many it is."""
        return f"{self.label} ×{len(self.members):,}" if self.members else self.label

    @property
    def lines(self) -> tuple[str, ...]:
        """What stands on the node, line by line."""
        second: list[str] = []
        if len(self.counts) > 1:
            second += [
                f"{LOOKS[each].sign} {self.counts[each]:,} {words(each)}"
                for each in URGENT
                if each in self.counts
            ]
        elif self.state is not None:
            second.append(f"{LOOKS[self.state].sign} {words(self.state)}")
        if self.note is not None:
            second.append(self.note)
        return (self.headline, " · ".join(second)) if second else (self.headline,)

    @property
    def look(self) -> Look:
        """How it is drawn."""
        return painted(self.plain_look, self.colour)

    @property
    def plain_look(self) -> Look:
        """How it is drawn where nobody wants it otherwise."""
        if not self.is_certain:
            return HOLE
        return PLANNED if self.state is None else LOOKS[self.state]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        folded: dict[str, Any] = {}
        if self.members:
            counts = {str(state): count for state, count in self.counts.items()}
            folded = {"folded": {"members": list(self.members), "states": counts}}
        return {
            "id": self.id,
            "kind": self.kind,
            "label": self.label,
            "state": None if self.state is None else str(self.state),
            "shape": self.shape,
            "note": self.note,
            **({} if self.colour is None else {"color": self.colour}),
            **self.facts,
            **folded,
        }


@frozen(kw_only=True)
class Edge:
    """Something runs after something else, or may come to.

    Attributes:
        kind: ``after``, or ``may`` if the edge does not exist yet.
        label: What somebody wrote on it, or how folded nodes hang together.
    """

    source: str
    target: str
    kind: EdgeKind = "after"
    label: str | None = None
    colour: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        more = {"label": self.label, "color": self.colour}
        return {
            "from": self.source,
            "to": self.target,
            "kind": self.kind,
            **{key: value for key, value in more.items() if value is not None},
        }


@frozen(kw_only=True)
class Promised:
    """A promise as it stands.

    Attributes:
        state: ``settled``, ``holding``, ``owed`` or ``broken``; None in a definition.
        by: The task that made it.
        scope: The task for whose creations it holds, if not for all.
        shown: What captions say of it, with tasks called as in the picture.
        facts: The interval and the count of a guard on numbers of tasks.
    """

    text: str
    state: str | None = None
    by: str | None = None
    scope: str | None = None
    shown: str | None = None
    facts: Mapping[str, Any] = attrs.field(factory=dict[str, Any])

    @property
    def words(self) -> str:
        """What captions say."""
        return self.text if self.shown is None else self.shown

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "text": self.text,
            "shown": self.words,
            "by": self.by,
            "scope": self.scope,
            "state": self.state,
            **self.facts,
        }


@frozen(kw_only=True)
class Alternative:
    """One way in which a hole may be filled, as a small graph; a ``box`` frames other nodes.

    Attributes:
        inside: In which box each node stands.
    """

    text: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    inside: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "text": self.text,
            "nodes": [{**node.to_json(), "in": self.inside.get(node.id)} for node in self.nodes],
            "edges": [edge.to_json() for edge in self.edges],
        }


@frozen(kw_only=True)
class Unfolded:
    """The alternatives of a hole."""

    hole: str
    label: str
    alternatives: tuple[Alternative, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        alternatives = [each.to_json() for each in self.alternatives]
        return {"hole": self.hole, "label": self.label, "alternatives": alternatives}


@frozen(kw_only=True)
class Picture:
    """What exists of a run or a definition, and all that may still come.

    Attributes:
        caption: What the run is, and how many tasks are in each state.
        status: The same without the tasks.
        counts: The tasks by their states.
        promises: What was promised.
        notes: What else there is to say, a sentence each.
        may: All edges that may still come; None if they were not counted one by one.
        unfolded: Alternatives of holes.
        facts: What else its JSON holds.
    """

    title: str
    caption: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    status: str = ""
    counts: Mapping[TaskState, int] = attrs.field(factory=_no_counts)
    promises: tuple[Promised, ...] = ()
    notes: tuple[str, ...] = ()
    may: Sequence[tuple[str, str]] | None = ()
    unfolded: tuple[Unfolded, ...] = ()
    facts: Mapping[str, Any] = attrs.field(factory=dict[str, Any])

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        may = None if self.may is None else [{"from": u, "to": v} for u, v in self.may]
        return {
            "title": self.title,
            "caption": self.caption,
            **self.facts,
            "nodes": [node.to_json() for node in self.nodes],
            "edges": [edge.to_json() for edge in self.edges],
            "promises": [promise.to_json() for promise in self.promises],
            "may_edges": may,
            "notes": list(self.notes),
            "unfolded": [each.to_json() for each in self.unfolded],
        }

    def to_dot(self) -> str:
        """Return it in DOT, the language of Graphviz."""
        from ._picture_dot import dot_of

        return dot_of(self)

    def to_mermaid(self) -> str:
        """Return it in Mermaid."""
        from ._picture_mermaid import mermaid_of

        return mermaid_of(self)
