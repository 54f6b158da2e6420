"""Pictures in Mermaid, which many places that show Markdown draw by themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from ._picture_looks import INK, PROMISES_MAX, Look, state_words
from ._picture_model import Alternative, Edge, Node, Picture, Promised, Unfolded
from ._picture_text import printable

_CODES: Final = str.maketrans(
    {char: f"#{ord(char)};" for char in '"#;&<>`\\|{}[]()'}  # what has a meaning somewhere
)


def mermaid_of(picture: Picture) -> str:
    """Return a picture in Mermaid."""
    names = {node.id: f"n{number}" for number, node in enumerate(picture.nodes)}
    unsure = {node.id for node in picture.nodes if not node.is_certain}
    looks = {_class(node): node.plain_look for node in picture.nodes if node.kind != "joint"}
    if picture.unfolded:
        looks["hole"] = Node(id="", label="", kind="hole").plain_look
    painted = [node for node in picture.nodes if node.colour is not None]
    lines = [
        "flowchart TB",
        *(_node(names[node.id], node) for node in picture.nodes),
        *(_edge(names, edge, unsure) for edge in picture.edges),
        *_promises(picture.promises),
    ]
    for number, each in enumerate(picture.unfolded):
        lines += _unfolded(f"u{number}", each)
    lines += [_style(name, look) for name, look in looks.items()]
    lines += [
        f"  style {names[node.id]} fill:{node.look.fill},color:{node.look.text}" for node in painted
    ]
    return "\n".join([*lines, ""])


def _promises(promises: Sequence[Promised]) -> Iterator[str]:
    """Tell what was promised in a box of its own: there is no caption."""
    if not promises:
        return
    told = [f"{state_words(each.state)} · {each.words}" for each in promises[:PROMISES_MAX]]
    if len(promises) > PROMISES_MAX:
        told.append(f"and {len(promises) - PROMISES_MAX:,} more promises")
    yield f'  promises["{_text(*told)}"]:::promises'
    yield f"  classDef promises fill:none,stroke:none,color:{INK},text-align:left"


def _text(*lines: str) -> str:
    return "<br/>".join(printable(line).translate(_CODES) for line in lines) or " "


def _node(name: str, node: Node) -> str:
    if node.kind == "joint":
        return f'  {name}((" "))'
    left, right = node.look.brackets
    return f'  {name}{left}"{_text(*node.lines)}"{right}:::{_class(node)}'


def _edge(names: Mapping[str, str], edge: Edge, unsure: set[str]) -> str:
    maybe = edge.kind == "may" or edge.source in unsure or edge.target in unsure
    arrow = "-.->" if maybe else "-->"
    label = f'|"{_text(edge.label)}"|' if edge.label else ""
    return f"  {names[edge.source]} {arrow}{label} {names[edge.target]}"


def _unfolded(name: str, each: Unfolded) -> Iterator[str]:
    yield f'  subgraph {name}["{_text(f"{each.hole}: {each.label}")}"]'
    for number, alternative in enumerate(each.alternatives):
        yield from _alternative(f"{name}_{number}", alternative)
    yield "  end"


def _alternative(name: str, alternative: Alternative) -> Iterator[str]:
    names = {node.id: f"{name}_{number}" for number, node in enumerate(alternative.nodes)}
    children: dict[str | None, list[Node]] = {}
    for node in alternative.nodes:
        children.setdefault(alternative.inside.get(node.id), []).append(node)

    def boxed(box: str | None) -> Iterator[str]:
        for node in children.get(box, ()):
            if node.kind != "box":
                yield _node(names[node.id], node)
                continue
            yield f'  subgraph {names[node.id]}["{_text(node.label)}"]'
            yield from boxed(node.id)
            yield "  end"

    yield f'  subgraph {name}["{_text(alternative.text)}"]'
    yield from boxed(None)
    yield "  end"
    for edge in alternative.edges:
        yield _edge(names, edge, set(names))


def _class(node: Node) -> str:
    return "hole" if not node.is_certain else str(node.state or "planned")


def _style(name: str, look: Look) -> str:
    dashed = ",stroke-dasharray:5" if name == "hole" else ""
    return f"  classDef {name} fill:{look.fill},stroke:{look.stroke},color:{look.text}{dashed}"
