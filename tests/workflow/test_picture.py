"""Pictures: what they show, that anybody can read them, and that any name can stand in them."""

from __future__ import annotations

import itertools
import json
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings, strategies as st

from callboard.workflow import (
    Node,
    Picture,
    TaskSpec,
    TaskState,
    WorkflowSpec,
    commands as c,
    picture,
    picture_of_spec,
)
from callboard.workflow._picture import LOOKS

if TYPE_CHECKING:
    from .conftest import Play

CHAIN = {"a": "", "b": "a", "c": "b"}

any_text = st.text(st.characters() | st.sampled_from('"\\&;#<>`|{}[]()\n\0'), max_size=20)


def test_a_run_is_shown_with_states_attempts_and_holes(play: type[Play]) -> None:
    p = play(CHAIN)
    p.begin("a")
    p.lose("a")
    p.ok("a")
    p.say(c.OpenHole(hole="h", shape="M*", after=("a",), before=("b",)))
    p.say(c.Pause())
    shown = picture(p.run)
    assert shown.title == "w · r"
    assert shown.caption == "running · paused · 2 pending · 1 succeeded"
    assert shown.nodes == (
        Node(id="a", label="a", state=TaskState.SUCCEEDED, note="attempt 2"),
        Node(id="b", label="b", state=TaskState.PENDING),
        Node(id="c", label="c", state=TaskState.PENDING),
        Node(id="#h", label="M*", shape="M*", note="more may come"),
    )
    assert set(shown.edges) == {("a", "b"), ("b", "c"), ("a", "#h"), ("#h", "b")}
    assert "n0 -> n3 [style=dashed]" in shown.to_dot()
    assert 'n0 [label="a\\n✓ succeeded · attempt 2"' in shown.to_dot()
    assert 'n0[["a<br/>✓ succeeded · attempt 2"]]:::succeeded' in shown.to_mermaid()
    assert "n0 -.-> n3" in shown.to_mermaid()
    told = shown.to_json()
    assert json.loads(json.dumps(told)) == told
    assert told["nodes"][3] == {
        "id": "#h",
        "kind": "hole",
        "label": "M*",
        "state": None,
        "shape": "M*",
        "note": "more may come",
    }
    assert told["edges"][0] == {"from": "a", "to": "b"}


def test_a_definition_is_shown_without_states() -> None:
    tasks = (TaskSpec(id="a", name="A b"), TaskSpec(id="b", name="B", needs=("a", "a")))
    shown = picture_of_spec(WorkflowSpec(name="w", tasks=tasks))
    assert [node.lines for node in shown.nodes] == [("A b",), ("B",)]
    assert shown.edges == (("a", "b"),)
    assert shown.caption == "2 tasks"


def test_a_task_done_anew_says_so(play: type[Play]) -> None:
    p = play(CHAIN)
    p.say(c.Restart(task="c"))
    assert picture(p.run).nodes[2].note == "generation 2"


# --- anybody can read them ------------------------------------------------------------------------


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted([luminance(one), luminance(other)], reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("state", TaskState)
def test_text_and_stroke_stand_out(state: TaskState) -> None:
    look = LOOKS[state]
    assert contrast(look.text, look.fill) >= 4.5
    assert contrast(look.stroke, "#ffffff") >= 4.5


def test_states_differ_in_each_way_by_itself() -> None:
    for one, other in itertools.combinations(LOOKS.values(), 2):
        assert one.fill != other.fill
        assert one.stroke != other.stroke
        assert one.shape != other.shape
        assert one.brackets != other.brackets
        assert one.sign != other.sign


# --- any name can stand in them -------------------------------------------------------------------

DOT_TOKEN = re.compile(r'\s+|"(?:[^"\\]|\\.)*"|->|[\[\]{}=]|[A-Za-z_][\w]*|\d+(?:\.\d+)?')


def dot_tokens(text: str) -> list[str]:
    """Return the tokens of a DOT text; fail where there is none."""
    found: list[str] = []
    at = 0
    while at < len(text):
        match = DOT_TOKEN.match(text, at)
        assert match is not None, text[at : at + 40]
        found.append(match.group())
        at = match.end()
    return [each for each in found if each.strip()]


def shown_with(label: str) -> Picture:
    nodes = (
        Node(id=label, label=label, state=TaskState.READY, note=label),
        Node(id=f"#{label}", label=label, shape=label),
    )
    return Picture(title=label, caption=label, nodes=nodes, edges=((label, f"#{label}"),))


@given(any_text)
@example('a"]; b [label="x')
@example("\\")
@example("\ud800")
@example("&quot;")
def test_any_label_makes_the_same_dot_but_for_its_texts(label: str) -> None:
    dot = shown_with(label).to_dot()
    dot.encode("utf-8")
    without_texts = ['"' if each.startswith('"') else each for each in dot_tokens(dot)]
    plain = ['"' if each.startswith('"') else each for each in dot_tokens(shown_with("x").to_dot())]
    assert without_texts == plain


@given(any_text)
def test_any_label_makes_the_same_mermaid_but_for_its_texts(label: str) -> None:
    text = shown_with(label).to_mermaid()
    text.encode("utf-8")
    quoted = re.compile(r'"[^"\n]*"')
    assert quoted.sub('""', text) == quoted.sub('""', shown_with("x").to_mermaid())
    for inside in quoted.findall(text):
        assert not re.search(r"[<>&`|{}\[\]()\\]", inside.replace("<br/>", ""))


@settings(max_examples=30, deadline=None)
@given(any_text)
def test_graphviz_reads_any_label(label: str) -> None:
    graphviz = pytest.importorskip("pygraphviz")
    graph = graphviz.AGraph(string=shown_with(label).to_dot())
    assert sorted(graph.nodes()) == ["n0", "n1"]
    assert len(graph.edges()) == 1
