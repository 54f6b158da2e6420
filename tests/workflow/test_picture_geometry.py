"""What Graphviz makes of pictures: nothing overlaps, texts fit their boxes, everything reads."""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from callboard.workflow import (
    Edge,
    HoleSpec,
    Node,
    Picture,
    TaskState,
    commands as c,
    picture,
)
from callboard.workflow._picture_looks import PROMISE_SIGNS, contrast
from callboard.workflow._picture_model import ANYTHING, Promised

if TYPE_CHECKING:
    from .conftest import Play

graphviz: Any = pytest.importorskip("pygraphviz")

# --- reading a drawing ----------------------------------------------------------------------------

SVG = "{http://www.w3.org/2000/svg}"
NARROW, WIDE = set("fijlrt.,:;'|!()[]·I /"), set("mwMWQO@%—→…")


@attrs.frozen
class Box:
    """A rectangle; y grows downward."""

    left: float
    top: float
    right: float
    bottom: float

    @classmethod
    def around(cls, points: list[tuple[float, float]]) -> Box:
        xs, ys = zip(*points, strict=True)
        return cls(min(xs), min(ys), max(xs), max(ys))

    def meets(self, other: Box, *, slack: float = 0.5) -> bool:
        return (
            self.left + slack < other.right
            and other.left + slack < self.right
            and self.top + slack < other.bottom
            and other.top + slack < self.bottom
        )

    def holds(self, other: Box, *, slack: float = 1.0) -> bool:
        return (
            self.left - slack <= other.left
            and self.top - slack <= other.top
            and self.right + slack >= other.right
            and self.bottom + slack >= other.bottom
        )

    @property
    def area(self) -> float:
        return (self.right - self.left) * (self.bottom - self.top)


@attrs.frozen
class Text:
    """A line of text, about as large as Helvetica makes it."""

    box: Box
    colour: str
    words: str


@attrs.frozen
class Shape:
    """Something filled, or only framed."""

    box: Box
    fill: str
    stroke: str


@attrs.frozen
class Group:
    """What Graphviz drew of one thing: of a node, an edge, a cluster or the graph."""

    kind: str
    shapes: list[Shape]
    texts: list[Text]

    @property
    def box(self) -> Box:
        boxes = [each.box for each in self.shapes]
        return Box.around([(b.left, b.top) for b in boxes] + [(b.right, b.bottom) for b in boxes])


def drawn(shown: Picture) -> list[Group]:
    svg: bytes = graphviz.AGraph(string=shown.to_dot()).draw(format="svg", prog="dot")
    root = ET.fromstring(svg)
    graph = next(root.iter(f"{SVG}g"))
    groups = [_group(each) for each in graph.iter(f"{SVG}g") if each is not graph]
    return [_group(graph), *(group for group in groups if group.kind)]


def _group(element: ET.Element) -> Group:
    own: list[ET.Element] = []

    def walk(parent: ET.Element) -> None:
        for child in parent:
            if child.tag != f"{SVG}g" or child.get("class") is None:
                own.append(child)
                walk(child)

    walk(element)
    return Group(
        element.get("class") or "",
        [shape for each in own for shape in _shapes(each)],
        [_text(each) for each in own if each.tag == f"{SVG}text"],
    )


def _shapes(element: ET.Element) -> Iterator[Shape]:
    fill, stroke = element.get("fill", "none"), element.get("stroke", "none")
    numbers = [float(n) for n in re.findall(r"-?\d+(?:\.\d+)?", element.get("points", ""))]
    points = list(zip(numbers[::2], numbers[1::2], strict=True))
    if element.tag == f"{SVG}path":
        numbers = [float(n) for n in re.findall(r"-?\d+(?:\.\d+)?", element.get("d", ""))]
        points = list(zip(numbers[::2], numbers[1::2], strict=True))
    if element.tag == f"{SVG}ellipse":
        cx, cy, rx, ry = (float(element.get(key, "0")) for key in ("cx", "cy", "rx", "ry"))
        points = [(cx - rx, cy - ry), (cx + rx, cy + ry)]
    if points:
        yield Shape(Box.around(points), fill, stroke)


def _text(element: ET.Element) -> Text:
    words = "".join(element.itertext())
    size = float(element.get("font-size", "12"))
    bold = 1.06 if element.get("font-weight") == "bold" else 1.0
    em = sum(0.3 if char in NARROW else 0.86 if char in WIDE else 0.56 for char in words.strip())
    width = em * size * bold
    x, y = float(element.get("x", "0")), float(element.get("y", "0"))
    left = x - (width / 2 if element.get("text-anchor") == "middle" else 0)
    box = Box(left, y - 0.75 * size, left + width, y + 0.2 * size)
    return Text(box, element.get("fill", "#000000"), words)


CLEAR = ("none", "transparent")


# --- what must hold -------------------------------------------------------------------------------


def check(shown: Picture) -> None:
    groups = drawn(shown)
    nodes = [group for group in groups if group.kind == "node"]
    assert len(nodes) >= len(shown.nodes)
    assert sum(len(node.texts) for node in nodes) >= sum(n.kind != "joint" for n in shown.nodes)
    check_apart(groups, nodes)
    for node in nodes:
        check_inside(node)
    for group in groups:
        check_contrast(group, groups[0])


def check_apart(groups: list[Group], nodes: list[Group]) -> None:
    """Boxes, labels, titles of frames and the caption keep apart."""
    for one, other in itertools.combinations(nodes, 2):
        assert not one.box.meets(other.box), (one.texts, other.texts)
    labels = [text for group in groups if group.kind == "edge" for text in group.texts]
    titles = [text for group in groups if group.kind == "cluster" for text in group.texts]
    for text in [*labels, *titles]:
        assert not any(text.box.meets(node.box) for node in nodes), text
    for some, slack in ((labels, 0.5), (titles, 0.5), (groups[0].texts, 1.5)):
        for text, another in itertools.combinations(some, 2):
            assert not text.box.meets(another.box, slack=slack), (text, another)
    beneath = max((text.box.bottom for text in groups[0].texts), default=-1e9)
    assert all(node.box.top > beneath for node in nodes)


def check_inside(node: Group) -> None:
    """Texts stand inside their box and apart from each other."""
    for text in node.texts:
        assert node.box.holds(text.box), text
    for one, other in itertools.combinations(node.texts, 2):
        assert not one.box.meets(other.box, slack=1.5), (one, other)


def check_contrast(group: Group, whole: Group) -> None:
    """Texts stand out from what they are on, strokes from the paper."""
    filled = [each for each in [*whole.shapes, *group.shapes] if each.fill not in CLEAR]
    for text in group.texts:
        under = min(
            (each for each in filled if each.box.holds(text.box)), key=lambda each: each.box.area
        )
        assert contrast(_hex(text.colour), _hex(under.fill)) >= 4.5, (text, under)
    for shape in group.shapes:
        if shape.stroke not in CLEAR:
            assert contrast(_hex(shape.stroke), "#ffffff") >= 4.5, shape


def _hex(colour: str) -> str:
    return {"black": "#000000", "white": "#ffffff"}.get(colour, colour)


# --- pictures to look at --------------------------------------------------------------------------

CLOSED: dict[str, Any] = {"promises": ("closed", "at most 2000 M")}


def hole(shape: str) -> dict[str, Any]:
    only = HoleSpec(id="h", shape=shape, owner="A", after=("A",), before=("B",))
    return {"holes": (only,), **CLOSED}


def grow(p: Play, *labels: str, **more: Any) -> None:
    commands = tuple(c.AddTask(name=label, **more) for label in labels)
    p.say(c.Grow(commands=commands, task="A", fence=p.fence("A")))


def three(play: type[Play]) -> Iterator[Picture]:
    p = play({"fetch": "", "parse": "fetch", "store": "parse"})
    yield picture(p.run)
    p.ok("fetch")
    p.begin("parse")
    yield picture(p.run)


def many(play: type[Play]) -> Iterator[Picture]:
    for count in (0, 1, 2, 10, 200):
        p = play({"A": "", "B": ""}, **hole("M*"))
        yield picture(p.run, unfold=("all",))
        p.begin("A")
        grow(p, *["M"] * count)
        yield picture(p.run)
        p.ok("A")
        yield picture(p.run)


def choice(play: type[Play]) -> Iterator[Picture]:
    p = play({"A": "", "B": ""}, **hole("(N -> M) | (J -> K)"))
    yield picture(p.run, unfold=("all",))
    p.begin("A")
    grow(p, "J")
    yield picture(p.run, unfold=("all",))


def nested(play: type[Play]) -> Iterator[Picture]:
    p = play({"A": "", "B": ""}, **hole("(fetch -> (page | note)* -> index)*"))
    yield picture(p.run, unfold=("all",))
    p.begin("A")
    grow(p, "fetch", "fetch", "fetch")
    yield picture(p.run, unfold=("all",))
    p = play({"A": "", "B": ""}, **hole("loop(N -> (M & K)* -> J){2,5} -> ..."))
    yield picture(p.run, unfold=("all",))


def endings(play: type[Play]) -> Iterator[Picture]:
    p = play({"A": "", "B": "", "C": ""}, **hole("M+"))
    p.fail("A")
    yield picture(p.run)
    p = play({"A": "", "B": ""}, holes=hole("M*")["holes"], promises=("closed", "at most 1 M"))
    p.begin("A")
    grow(p, "M")
    grow(p, "M")
    yield picture(p.run)


def open_run(play: type[Play]) -> Iterator[Picture]:
    p = play({"A": "", "B": "A", "C": ""}, kinds={"B": "shell", "C": "shell"})
    p.say(c.Style(target=("A", "B"), label="a label that is rather long", color="gold"))
    p.say(c.Style(target="B", label="in another colour", color="#ffe9a8"))
    p.say(c.Promise(text="no edges from C"))
    yield picture(p.run)
    p = play(dict.fromkeys("abcdefghij", ""))
    yield picture(p.run)


def infrastructure(play: type[Play]) -> Iterator[Picture]:
    needs = {"network": "", "dns": "network", "storage": "network", "db-1": "storage dns"}
    needs |= {"db-2": "db-1", "cache": "network", "queue": "network", "auth": "db-1 cache"}
    needs |= {"api": "auth queue db-1", "worker-1": "queue db-1", "worker-2": "queue db-1"}
    needs |= {"frontend": "api", "smoke-test": "frontend worker-1 worker-2 db-2"}
    p = play(needs, kinds=dict.fromkeys(needs, "shell"))
    p.ok("network", "dns", "storage")
    p.begin("db-1")
    p.fail("queue")
    p.not_ready("cache")
    yield picture(p.run)


@pytest.mark.parametrize("scene", [three, many, choice, nested, endings, open_run, infrastructure])
def test_nothing_overlaps_and_everything_reads(play: type[Play], scene: Any) -> None:
    for shown in scene(play):
        check(shown)


texts = st.text(st.sampled_from('abc defgh MMWW_/-&<>"\\漢ö·'), min_size=1, max_size=90)
colours = st.none() | st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")


@st.composite
def pictures(draw: st.DrawFn) -> Picture:
    count = draw(st.integers(1, 9))
    nodes = [
        Node(
            id=f"t{number}",
            label=draw(texts),
            state=draw(st.sampled_from([None, *TaskState])),
            note=draw(st.none() | texts),
            colour=draw(colours),
            members=("x",) * draw(st.sampled_from([0, 0, 0, 1000])),
        )
        for number in range(count)
    ]
    if draw(st.booleans()):
        nodes.append(Node(id="#h", label=draw(texts), kind="hole", shape="M*", note=draw(texts)))
        nodes.append(Node(id="#h ·", label="", kind="joint"))
        nodes.append(Node(id=ANYTHING, label="anything", kind="anything", note=draw(texts)))
    ids = [node.id for node in nodes]
    pairs = [pair for pair in itertools.combinations(ids, 2) if draw(st.integers(0, 3)) == 0]
    edges = [
        Edge(
            source=source,
            target=target,
            kind=draw(st.sampled_from(["after", "after", "after", "may"])),
            label=draw(st.none() | texts),
            colour=draw(colours),
        )
        for source, target in pairs
    ]
    edges = [attrs.evolve(edge, label=None) if edge.kind == "may" else edge for edge in edges]
    states = [None, *PROMISE_SIGNS]
    promises = tuple(
        Promised(text=draw(texts), state=draw(st.sampled_from(states)), by=draw(st.none() | texts))
        for _ in range(draw(st.integers(0, 15)))
    )
    counts = draw(st.dictionaries(st.sampled_from(list(TaskState)), st.integers(1, 10**6)))
    return Picture(
        title=draw(texts),
        caption="",
        status=draw(texts),
        counts=counts,
        nodes=tuple(nodes),
        edges=tuple(edges),
        promises=promises,
        notes=(draw(texts),),
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(pictures())
def test_nothing_overlaps_whatever_is_drawn(shown: Picture) -> None:
    check(shown)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ('margin="0.17,0.09"', "fixedsize=true width=0.5 height=0.3"),
        ('fillcolor="#0b5fa5"', 'fillcolor="#eeeeee"'),
        ('color="#4a4a4a"', 'color="#cccccc"'),
    ],
)
def test_the_checks_find_what_is_wrong(
    play: type[Play], monkeypatch: pytest.MonkeyPatch, right: str, wrong: str
) -> None:
    p = play({"fetch": "", "parse": "", "store": "fetch"})
    p.begin("fetch")
    shown = picture(p.run)
    dot = shown.to_dot()
    assert right in dot
    changed = dot.replace(right, wrong)

    def to_dot(_: Picture) -> str:
        return changed

    monkeypatch.setattr(Picture, "to_dot", to_dot)
    with pytest.raises(AssertionError):
        check(shown)
    monkeypatch.undo()
    groups = drawn(shown)
    nodes = [group for group in groups if group.kind == "node"]
    check_apart(groups, nodes)
    with pytest.raises(AssertionError):
        check_apart(groups, [*nodes, nodes[0]])
