"""Pictures in DOT, the language of Graphviz: typography, legend and layout."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from ._picture_looks import (
    EDGE,
    GREY,
    INK,
    LOOKS,
    PAPER,
    PROMISES_MAX,
    URGENT,
    readable,
    state_words,
)
from ._picture_model import Alternative, Edge, Node, Picture, Promised, Unfolded
from ._picture_text import printable, wrapped
from ._picture_words import words

FONT: Final = "Helvetica"
CHIPS_MAX: Final = 4
"""How many states stand side by side in the legend."""
CAPTION_MAX: Final = 72
"""How many characters stand in a line of the caption."""
TIP_MAX: Final = 1_000
"""How many characters a tooltip has at most."""
_TABLE: Final = '<TABLE BORDER="0" CELLSPACING="0"'
_FILLER: Final = '<TD COLSPAN="99" CELLPADDING="0"></TD>'
"""Takes the room that a row has too much: Graphviz shares it evenly among columns."""
_PAIR: Final = 2


def dot_of(picture: Picture) -> str:
    """Return a picture in DOT."""
    names = {node.id: f"n{number}" for number, node in enumerate(picture.nodes)}
    unsure = {node.id for node in picture.nodes if not node.is_certain}
    joints = {node.id for node in picture.nodes if node.kind == "joint"}
    lines = [
        f"digraph {_quoted(picture.title)} {{",
        f"  label=<{_caption(picture)}> labelloc=t labeljust=l rankdir=TB compound=true",
        f'  fontname="{FONT}" fontcolor="{INK}" charset="UTF-8" bgcolor="{PAPER}"',
        "  nodesep=0.35 ranksep=0.5",
        f'  node [fontname="{FONT}" fontsize=12 style=filled penwidth=1.4 margin="0.17,0.09"]',
        f'  edge [color="{EDGE}" fontname="{FONT}" fontsize=10 fontcolor="{INK}" arrowsize=0.7]',
        *(_node(names[node.id], node) for node in picture.nodes),
        *(_edge(names, edge, unsure, joints) for edge in picture.edges),
    ]
    for number, each in enumerate(picture.unfolded):
        lines += _unfolded(f"u{number}", each)
    return "\n".join([*lines, "}", ""])


# --- text -----------------------------------------------------------------------------------------


def _quoted(*lines: str) -> str:
    return '"' + "\\n".join(map(_escaped, lines)) + '"'


def _escaped(line: str) -> str:
    # Graphviz reads escapes and HTML entities in labels: here both are taken literally.  And it
    # reads no text of more than 16 KiB.
    text = printable(line if len(line) <= TIP_MAX else f"{line[:TIP_MAX]}…")
    return text.replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"')


def _html(text: str) -> str:
    text = printable(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace('"', "&quot;").replace("\\", "&#92;") or "&#160;"


def _font(text: str, size: int, colour: str | None = None) -> str:
    painted = "" if colour is None else f' COLOR="{colour}"'
    return f'<FONT POINT-SIZE="{size}"{painted}>{text}</FONT>'


# --- caption --------------------------------------------------------------------------------------


def _caption(picture: Picture) -> str:
    """Return the title, what the run is, a chip for each state that occurs, and promises."""
    rows = [f"<B>{_font(_html(line), 18)}</B>" for line in wrapped(picture.title, 48, 2)]
    status = picture.status or ("" if picture.counts else picture.caption)
    if status:
        rows += [_font(_html(line), 12, GREY) for line in wrapped(status, CAPTION_MAX)]
    if picture.counts:
        rows += _chips(picture)
    if picture.promises:
        rows.append(_promises(picture.promises))
    for note in picture.notes:
        rows += [_font(_html(line), 10, GREY) for line in wrapped(note, CAPTION_MAX + 8)]
    cells = "".join(f'<TR><TD ALIGN="LEFT">{row}</TD></TR>' for row in rows)
    air = '<TR><TD HEIGHT="14"></TD></TR>'
    return f'<TABLE BORDER="0" CELLSPACING="0" CELLPADDING="3">{cells}{air}</TABLE>'


def _chips(picture: Picture) -> list[str]:
    states = [state for state in reversed(URGENT) if state in picture.counts]
    rows: list[str] = []
    for at in range(0, len(states), CHIPS_MAX):
        cells: list[str] = []
        for state in states[at : at + CHIPS_MAX]:
            look = LOOKS[state]
            text = f"{look.sign} {picture.counts[state]:,} {words(state)}"
            cells.append(
                f'<TD BORDER="1" STYLE="ROUNDED" BGCOLOR="{look.fill}" COLOR="{look.stroke}">'
                f"{_font(_html(text), 11, look.text)}</TD>"
                '<TD WIDTH="6" CELLPADDING="0"></TD>'
            )
        rows.append(f'{_TABLE} CELLPADDING="4"><TR>{"".join(cells)}{_FILLER}</TR></TABLE>')
    return rows


def _promises(promises: Sequence[Promised]) -> str:
    rows = [row for promise in promises[:PROMISES_MAX] for row in _promise(promise)]
    more = len(promises) - PROMISES_MAX
    if more > 0:
        rows.append(("", _font(f"and {more:,} more promises", 11, GREY)))
    cells = "".join(
        f'<TR><TD ALIGN="LEFT">{left}</TD><TD WIDTH="8"></TD><TD ALIGN="LEFT">{right}</TD>'
        f"{_FILLER}</TR>"
        for left, right in rows
    )
    return f'{_TABLE} CELLPADDING="2">{cells}</TABLE>'


def _promise(promise: Promised) -> Iterator[tuple[str, str]]:
    first, *rest = wrapped(promise.words, CAPTION_MAX - 12, 4)
    state = promise.state
    # What is broken is not told by a colour alone: its sign and its word are strong, too.
    left = _font(_html(state_words(state)), 11, INK if state == "broken" else GREY)
    yield f"<B>{left}</B>" if state == "broken" else left, _font(_html(first), 11)
    for line in rest:
        yield "", _font(_html(line), 11)


# --- nodes and edges ------------------------------------------------------------------------------


def _node(name: str, node: Node) -> str:
    if node.kind == "joint":
        return (
            f'  {name} [shape=point width=0.09 color="{EDGE}" label="" tooltip={_quoted(node.id)}]'
        )
    look = node.look
    return (
        f"  {name} [label=<{_label(node)}> tooltip={_quoted(*_tip(node))}"
        f' shape={look.shape} fillcolor="{look.fill}" color="{look.stroke}"'
        f' fontcolor="{look.text}"]'
    )


def _label(node: Node) -> str:
    headline, *rest = node.lines
    found = [f"<B>{_html(line)}</B>" for line in wrapped(headline)]
    found += [_font(_html(line), 10) for text in rest for line in _second(text)]
    return "<BR/>".join(found)


def _second(text: str) -> list[str]:
    """Break the second line at its dots, as far as it is too long."""
    found = [""]
    for bit in text.split(" · "):
        joined = f"{found[-1]} · {bit}" if found[-1] else bit
        if len(joined) <= 36:  # noqa: PLR2004 - in smaller letters
            found[-1] = joined
        else:
            found.append(bit)
    return [line for text in found if text for line in wrapped(text, 36, 2)]


def _tip(node: Node) -> list[str]:
    tip = node.tip or node.id
    return [tip] if tip == node.label else [node.headline, tip]


def _edge(names: Mapping[str, str], edge: Edge, unsure: set[str], joints: set[str]) -> str:
    told: list[str] = []
    if edge.label:
        lines = [f"&#160;{_html(line)}&#160;" for line in wrapped(edge.label, 24, 2)]
        told.append(f"label=<{'<BR/>'.join(lines)}>")
    if edge.kind == "may":
        told.append("style=dotted constraint=false penwidth=1.4 arrowhead=vee")
    elif edge.source in unsure or edge.target in unsure:
        told.append("style=dashed")
    if edge.target in joints:
        told.append("arrowhead=none")
    if edge.colour is not None:
        told.append(f'color="{readable(edge.colour)}" penwidth=2')
    tip = f"tooltip={_quoted(f'{edge.source} → {edge.target}')}"
    return f"  {names[edge.source]} -> {names[edge.target]} [{' '.join([*told, tip])}]"


# --- unfolded holes -------------------------------------------------------------------------------


def _unfolded(name: str, each: Unfolded) -> Iterator[str]:
    yield f"  subgraph cluster_{name} {{"
    yield f"    label=<{_font(_html(_frame_title(each)), 11)}> {_frame(GREY)}"
    for number, alternative in enumerate(each.alternatives):
        yield from _alternative(f"{name}_{number}", alternative, one=len(each.alternatives) < _PAIR)
    yield "  }"


def _frame_title(each: Unfolded) -> str:
    return f"{each.hole}: {wrapped(each.label, 44, 1)[0]}"


def _frame(colour: str, style: str = "rounded") -> str:
    return f'labeljust=l style="{style}" color="{colour}" fontname="{FONT}" margin=14'


def _alternative(name: str, alternative: Alternative, *, one: bool) -> Iterator[str]:
    names = {node.id: f"{name}_{number}" for number, node in enumerate(alternative.nodes)}
    children: dict[str | None, list[Node]] = {}
    for node in alternative.nodes:
        children.setdefault(alternative.inside.get(node.id), []).append(node)
    if not one:
        yield f"    subgraph cluster_{name} {{"
        yield f'      label="" {_frame(GREY)}'
    yield from _boxed(names, children, None)
    for edge in alternative.edges:
        yield "    " + _framed_edge(names, children, edge)
    if not one:
        yield "    }"


def _framed_edge(
    names: Mapping[str, str], children: Mapping[str | None, Sequence[Node]], edge: Edge
) -> str:
    """Draw an edge from and to whole boxes, by way of one node in each."""
    told = ["style=dashed"]
    for end, clip in ((edge.source, "ltail"), (edge.target, "lhead")):
        if end in children:
            told.append(f"{clip}=cluster_{names[end]}")
    source, target = _inner(children, edge.source), _inner(children, edge.target)
    if len(told) > 1:
        told.append("minlen=2")
    return f"  {names[source]} -> {names[target]} [{' '.join(told)}]"


def _inner(children: Mapping[str | None, Sequence[Node]], name: str) -> str:
    while name in children:
        inside = children[name]
        name = inside[(len(inside) - 1) // 2].id
    return name


def _boxed(
    names: Mapping[str, str], children: Mapping[str | None, Sequence[Node]], box: str | None
) -> Iterator[str]:
    for node in children.get(box, ()):
        if node.kind != "box":
            yield "    " + _node(names[node.id], node)
            continue
        yield f"    subgraph cluster_{names[node.id]} {{"
        yield f"      label=<{_font(_html(node.label), 10)}> {_frame(GREY, 'rounded,dashed')}"
        yield from _boxed(names, children, node.id)
        yield "    }"
