"""A hole unfolded into its alternatives, each a small drawing of its own."""

from __future__ import annotations

from itertools import pairwise
from typing import TypeAlias

import attrs

from ._picture_model import Alternative, Edge, Node, NodeKind, Unfolded
from ._picture_words import many, meaning
from ._run import Part
from ._shapes import Alt, Empty, Lab, Loop, Map, Par, Seq, Shape, Wild

Ends: TypeAlias = tuple[list[str], list[str]]
"""The nodes with which something begins, and those with which it ends."""


def unfolded(part: Part) -> Unfolded:
    """Return the alternatives of what may still come into a part."""
    shape = part.residual
    sides = shape.items if isinstance(shape, Alt) else (shape,)
    alternatives = tuple(
        _Drawing(prefix=f"{part.id} {number}").drawn(side) for number, side in enumerate(sides, 1)
    )
    return Unfolded(hole=part.id, label=meaning(part), alternatives=alternatives)


@attrs.define(eq=False)
class _Drawing:
    """An alternative being drawn: each label is a node, what repeats or divides is a box."""

    prefix: str
    nodes: list[Node] = attrs.field(factory=list[Node])
    edges: list[Edge] = attrs.field(factory=list[Edge])
    inside: dict[str, str] = attrs.field(factory=dict[str, str])

    def drawn(self, shape: Shape) -> Alternative:
        self._draw(shape, None)
        return Alternative(
            text=str(shape), nodes=tuple(self.nodes), edges=tuple(self.edges), inside=self.inside
        )

    def _node(self, label: str, box: str | None, kind: NodeKind = "hole") -> str:
        name = f"{self.prefix}.{len(self.nodes) + 1}"
        self.nodes.append(Node(id=name, label=label, kind=kind))
        if box is not None:
            self.inside[name] = box
        return name

    def _draw(self, shape: Shape, box: str | None) -> Ends:
        match shape:
            case Lab(label):
                name = self._node(label, box)
                return [name], [name]
            case Wild():
                name = self._node("anything", box)
                return [name], [name]
            case Empty():
                name = self._node("nothing", box)
                return [name], [name]
            case Seq(items):
                sides = [self._draw(item, box) for item in items]
                for (_, earlier), (later, _) in pairwise(sides):
                    self.edges += [Edge(source=u, target=v) for u in earlier for v in later]
                return sides[0][0], sides[-1][1]
            case Par(items):
                return _joined([self._draw(item, box) for item in items])
            case Alt(items):
                frame = self._node("one of these", box, "box")
                for item in items:
                    self._draw(item, frame)
                return [frame], [frame]
            case Map(item, lo, hi):
                return self._repeated(item, f"{many(lo, hi, 'of these')}, side by side", box)
            case Loop(item, lo, hi):
                return self._repeated(item, many(lo, hi, "rounds of this"), box)

    def _repeated(self, item: Shape, label: str, box: str | None) -> Ends:
        frame = self._node(label, box, "box")
        self._draw(item, frame)
        return [frame], [frame]


def _joined(sides: list[Ends]) -> Ends:
    return [u for first, _ in sides for u in first], [v for _, last in sides for v in last]
