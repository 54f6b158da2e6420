"""Pictures: what they show, that anybody can read them, and that any name can stand in them."""

from __future__ import annotations

import itertools
import json
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings, strategies as st

from callboard.workflow import (
    Edge,
    HoleSpec,
    Node,
    Picture,
    Refused,
    StyleSpec,
    TaskSpec,
    TaskState,
    UsageError,
    WorkflowSpec,
    commands as c,
    picture,
    picture_of_spec,
)
from callboard.workflow._picture_looks import LOOKS, colour_of, contrast, readable, text_on
from callboard.workflow._picture_model import Promised

if TYPE_CHECKING:
    from .conftest import Play

CHAIN = {"a": "", "b": "a", "c": "b"}


def hole(name: str, shape: str) -> HoleSpec:
    return HoleSpec(id=name, shape=shape, owner="A", after=("A",), before=("B",))


def grow(p: Play, task: str, *commands: c.Creation) -> None:
    p.say(c.Grow(commands=commands, task=task, fence=p.fence(task)))


def edges(shown: Picture) -> set[tuple[str, str]]:
    return {(edge.source, edge.target) for edge in shown.edges}


any_text = st.text(st.characters() | st.sampled_from('"\\&;#<>`|{}[]()\n\0'), max_size=20)


def test_a_run_is_shown_with_states_attempts_and_holes(play: type[Play]) -> None:
    p = play(CHAIN, kinds={"c": "shell"})
    p.begin("a")
    p.lose("a")
    p.ok("a")
    p.say(c.OpenHole(hole="h", shape="M*", owner="b", after=("a", "b"), before=("c",)))
    p.say(c.Pause())
    shown = picture(p.run)
    assert shown.title == "w · r"
    assert shown.caption == "running · paused · 1 pending · 1 ready · 1 succeeded"
    assert [node.lines for node in shown.nodes] == [
        ("a", "✓ succeeded · attempt 2"),
        ("b", "○ ready"),
        ("c", "· pending"),
        ("any number of M", "M* · by b"),
        ("anything may still come", "from b"),
    ]
    assert {(edge.source, edge.target) for edge in shown.edges if edge.kind == "after"} == {
        *(("a", "b"), ("b", "c"), ("a", "#h"), ("b", "#h"), ("#h", "c"))
    }
    dot = shown.to_dot()
    assert 'n0 -> n3 [style=dashed tooltip="a → #h"]' in dot
    assert "<B>a</B><BR/>" in dot
    assert "✓ succeeded · attempt 2" in dot
    assert 'n0[["a<br/>✓ succeeded · attempt 2"]]:::succeeded' in shown.to_mermaid()
    assert "n0 -.-> n3" in shown.to_mermaid()


def test_the_json_holds_all_that_the_picture_says(play: type[Play]) -> None:
    p = play({"A": "", "B": ""}, holes=(hole("h", "M{1,3}"),), promises=("closed", "at most 2 M"))
    p.begin("A")
    grow(p, "A", c.AddTask(name="M"), c.Style(target="B", label="the end", color="#fc0"))
    told = picture(p.run).to_json()
    assert json.loads(json.dumps(told)) == told
    assert (told["run"], told["state"], told["event"], told["open"]) == (
        *("r", "running", p.run.version),
        False,
    )
    nodes = {node["id"]: node for node in told["nodes"]}
    assert nodes["B"]["label"] == "the end"
    assert nodes["B"]["name"] == "B"
    assert nodes["B"]["color"] == "#ffcc00"
    assert nodes["A/M-1"]["created_by"] == "A"
    assert nodes["A/M-1"]["part"] == "#h"
    assert nodes["#h"] == {
        "id": "#h",
        "kind": "hole",
        "label": "M ×1, up to 2 more",
        "state": None,
        "shape": "M{0,2}",
        "note": "M{0,2} · by A",
        "hole": "h",
        "address": "h",
        "owner": "A",
        "owners": ["A"],
        "tasks": 1,
        "lapsed": False,
    }
    assert {(edge["from"], edge["to"]) for edge in told["edges"]} == {
        *(("A", "A/M-1"), ("A", "#h"), ("A/M-1", "B"), ("#h", "B"))
    }
    assert told["promises"] == [
        {"text": "closed", "shown": "closed", "by": None, "scope": None, "state": "holding"},
        {
            "text": "at most 2 M",
            "shown": "at most 2 M",
            "by": None,
            "scope": None,
            "state": "holding",
            "at_least": 0,
            "at_most": 2,
            "count": 1,
        },
    ]
    assert told["may_edges"] == []


def test_a_definition_is_shown_without_states() -> None:
    tasks = (TaskSpec(id="a", name="A b"), TaskSpec(id="b", name="B", needs=("a", "a")))
    shown = picture_of_spec(WorkflowSpec(name="w", tasks=tasks))
    assert [node.lines for node in shown.nodes] == [("A b",), ("B",)]
    assert [(edge.source, edge.target) for edge in shown.edges] == [("a", "b")]
    assert shown.caption == "2 tasks"


def test_a_definition_is_shown_with_its_holes_and_promises() -> None:
    tasks = (TaskSpec(id="A", name="A", kind="python"), TaskSpec(id="B", name="B"))
    spec = WorkflowSpec(name="w", tasks=tasks, holes=(hole("h", "M*"),), promises=("closed",))
    shown = picture_of_spec(spec)
    assert [node.lines for node in shown.nodes] == [
        *(("A",), ("B",), ("any number of M", "M* · by A"))
    ]
    assert [(promise.text, promise.state) for promise in shown.promises] == [("closed", None)]
    assert "promised" in shown.to_dot()


def test_a_task_done_anew_says_so(play: type[Play]) -> None:
    p = play(CHAIN)
    p.say(c.Restart(task="c"))
    assert picture(p.run).nodes[2].note == "generation 2"


def test_tasks_with_one_label_are_told_apart(play: type[Play]) -> None:
    p = play({"A": "", "B": ""}, holes=(hole("h", "M*"),), promises=("closed",))
    p.begin("A")
    grow(p, "A", c.AddTask(name="M"), c.AddTask(name="M", key="x/y"))
    notes = [node.note for node in picture(p.run).nodes if node.label == "M"]
    assert notes == ["M-1", "y"]


# --- what may still come --------------------------------------------------------------------------

MEANINGS = {
    "M": ("M", "will come · by A"),
    "M*": ("any number of M", "M* · by A"),
    "M+": ("at least one M", "M+ · by A"),
    "M{2,5}": ("2 to 5 M", "M{2,5} · by A"),
    "M{0,4}": ("up to 4 M", "M{0,4} · by A"),
    "M{3}": ("3 M", "M{3} · by A"),
    "M{3,}": ("at least 3 M", "M{3,} · by A"),
    "M?": ("at most one M", "M? · by A"),
    "(N | M)?": ("at most one (N or M)", "(N | M)? · by A"),
    "(N -> M) | (J -> K)": ("N → M or J → K", "one of these comes · by A"),
    "(N & M)*": ("any number of (N and M)", "(N & M)* · by A"),
    "loop(N -> M)": ("at least one round of N → M", "loop(N → M) · by A"),
    "loop(N){2,5}": ("2 to 5 rounds of N", "loop(N){2,5} · by A"),
    "...": ("anything", "by A"),
    "(N -> (M | K)* -> J)*": ("(N → (M | K)* → J)*", "by A"),
}


@pytest.mark.parametrize("shape", MEANINGS)
def test_a_hole_says_what_it_means(play: type[Play], shape: str) -> None:
    p = play({"A": "", "B": ""}, holes=(hole("h", shape),), promises=("closed",))
    shown = next(node for node in picture(p.run).nodes if node.kind == "hole")
    assert shown.lines == MEANINGS[shape]


def test_a_hole_says_how_far_it_has_come(play: type[Play]) -> None:
    def lines(shape: str, *labels: str) -> tuple[str, ...]:
        p = play({"A": "", "B": ""}, holes=(hole("h", shape),), promises=("closed",))
        p.begin("A")
        grow(p, "A", *(c.AddTask(name=label) for label in labels))
        return next(node.lines for node in picture(p.run).nodes if node.id == "#h")

    assert lines("fetch*", *["fetch"] * 3) == ("fetch ×3, more possible", "fetch* · by A")
    assert lines("M{2,5}", "M") == ("M ×1, 1 to 4 more", "M{1,4} · by A")
    assert lines("M{3}", "M") == ("M ×1, 2 more", "M{2} · by A")
    assert lines("M{3,}", "M")[0] == "M ×1, at least 2 more"
    assert lines("loop(M -> N)", "M", "N")[0] == "1 round of M → N, more possible"
    assert lines("...", "M", "N") == ("anything", "2 tasks so far · by A")


def test_a_hole_whose_owner_failed_says_that_nothing_comes(play: type[Play]) -> None:
    p = play({"A": "", "B": "", "C": ""}, holes=(hole("h", "M+"),), promises=("closed",))
    p.fail("A")
    lapsed = next(node for node in picture(p.run).nodes if node.kind == "hole")
    assert lapsed.lines == ("at least one M", "cannot come any more: A did not succeed")
    assert lapsed.to_json()["lapsed"]


def test_equal_wildcards_are_drawn_once(play: type[Play]) -> None:
    names = [f"t{number}" for number in range(9)]
    p = play(dict.fromkeys(names, ""))
    shown = [node for node in picture(p.run).nodes if node.kind == "anything"]
    assert [node.lines for node in shown] == [
        ("anything may still come", "from t0, t1, t2 and 6 more")
    ]
    assert shown[0].to_json()["owners"] == names
    p.say(c.Promise(text="closed by t0"))
    assert picture(p.run).to_json()["nodes"][-1]["owners"] == names[1:]
    p.say(c.Promise(text="closed"))
    assert all(node.kind == "task" for node in picture(p.run).nodes)


def test_a_loop_is_one_round_after_another(play: type[Play]) -> None:
    p = play({"A": "", "B": ""}, holes=(hole("h", "loop(M -> N)"),), promises=("closed",))
    p.begin("A")
    labels = (c.AddTask(name="M"), c.AddTask(name="N"))
    grow(p, "A", *labels)
    grow(p, "A", c.AddTask(name="M", into="h/+"), c.AddTask(name="N"))
    ids = ["A", "A/M-1", "A/N-1", "A/M-2", "A/N-2", "#h", "B"]
    assert edges(picture(p.run)) == set(itertools.pairwise(ids))
    grow(p, "A", c.CloseHole(hole="h"))
    ids.remove("#h")
    assert edges(picture(p.run)) == set(itertools.pairwise(ids))


def test_a_joint_is_drawn_only_where_it_saves_edges(play: type[Play]) -> None:
    def drawn(tasks: int, behind: int) -> Picture:
        needs = {"A": "", **{f"B{number}": "" for number in range(behind)}}
        before = tuple(f"B{number}" for number in range(behind))
        holes = (HoleSpec(id="h", shape="M*", owner="A", after=("A",), before=before),)
        p = play(needs, holes=holes, promises=("closed",))
        p.begin("A")
        grow(p, "A", *(c.AddTask(name="M", key=str(number)) for number in range(tasks)))
        return picture(p.run)

    assert [node.kind for node in drawn(3, 1).nodes].count("joint") == 0
    few, many = drawn(1, 2), drawn(5, 4)
    assert all(node.kind != "joint" for node in few.nodes)
    assert ("#h", "B1") in edges(few)
    joints = [node.id for node in many.nodes if node.kind == "joint"]
    assert len(joints) == 1
    assert {pair for pair in edges(many) if joints[0] in pair} == {
        *((f"A/{number}", joints[0]) for number in range(5)),
        ("#h", joints[0]),
        *((joints[0], f"B{number}") for number in range(4)),
    }
    assert "shape=point" in many.to_dot()


# --- unfolding ------------------------------------------------------------------------------------


def test_a_hole_is_unfolded_into_its_alternatives(play: type[Play]) -> None:
    p = play({"A": "", "B": ""}, holes=(hole("h", "(N -> M) | (J & K)"),), promises=("closed",))
    shown = picture(p.run, unfold=("h",))
    told = shown.to_json()["unfolded"]
    assert [(each["hole"], each["label"]) for each in told] == [("#h", "N → M or J and K")]
    first, second = told[0]["alternatives"]
    assert (first["text"], second["text"]) == ("N -> M", "J & K")
    assert [node["label"] for node in first["nodes"]] == ["N", "M"]
    assert [(edge["from"], edge["to"]) for edge in first["edges"]] == [("#h 1.1", "#h 1.2")]
    assert second["edges"] == []
    assert "cluster_u0_1" in shown.to_dot()
    assert "subgraph u0_1" in shown.to_mermaid()


def test_what_repeats_is_framed_when_it_is_unfolded() -> None:
    tasks = (TaskSpec(id="A", name="A", kind="python"), TaskSpec(id="B", name="B"))
    shape = "(N -> loop(M | K){2,3} -> J)*"
    spec = WorkflowSpec(name="w", tasks=tasks, holes=(hole("h", shape),), promises=("closed",))
    (only,) = picture_of_spec(spec, unfold=("all",)).to_json()["unfolded"][0]["alternatives"]
    inside = {node["label"]: node["in"] for node in only["nodes"]}
    boxes = {node["id"]: node["label"] for node in only["nodes"] if node["kind"] == "box"}
    assert {label: boxes.get(box) for label, box in inside.items()} == {
        "any number of these, side by side": None,
        "N": "any number of these, side by side",
        "2 to 3 rounds of this": "any number of these, side by side",
        "one of these": "2 to 3 rounds of this",
        "M": "one of these",
        "K": "one of these",
        "J": "any number of these, side by side",
    }


def test_a_hole_that_is_not_open_cannot_be_unfolded(play: type[Play]) -> None:
    p = play({"A": "", "B": ""}, holes=(hole("h", "M*"),), promises=("closed",))
    assert picture(p.run, unfold=("#h",)).unfolded
    with pytest.raises(UsageError, match="no open hole 'x' in 'w'; it has: 'h'"):
        picture(p.run, unfold=("x",))
    p.begin("A")
    grow(p, "A", c.CloseHole(hole="h"))
    with pytest.raises(UsageError, match="it has: none"):
        picture(p.run, unfold=("h",))
    assert picture(p.run, unfold=("all",)).unfolded == ()


# --- promises and styles --------------------------------------------------------------------------


def test_promises_stand_in_the_caption_with_their_states(play: type[Play]) -> None:
    promises = ("closed", "at least 1 M", "at most 2 M")
    p = play({"A": "", "B": ""}, holes=(hole("h", "M*"),), promises=promises)
    states = {each.text: each.state for each in picture(p.run).promises}
    assert states == {"closed": "holding", "at least 1 M": "owed", "at most 2 M": "holding"}
    p.begin("A")
    grow(p, "A", c.AddTask(name="M"), c.AddTask(name="M"))
    grow(p, "A", c.AddTask(name="M"))
    shown = picture(p.run)
    assert "broken" in [each.state for each in shown.promises]
    assert "✗ broken" in shown.to_dot()
    assert p.run.broken is not None
    assert p.run.broken.message in shown.caption


def test_what_is_said_of_promises_calls_tasks_as_the_picture_does(play: type[Play]) -> None:
    """By its label, if only one task has that; and it tells once who said it."""
    p = play({"a": ""}, promises=("at most 9 M by a", "at most 2 rounds of a", "no new X by a"))
    p.say(c.Style(target="a", label="Review Credit"))
    p.begin("a")
    new = TaskSpec(id="", name="", kind="function")
    p.grow("a", *(c.AddTask(name="M", key=key, new=new) for key in "xy"))
    p.grow("a", c.AddTask(name="N", key="n", new=new))
    p.grow("a", c.Promise(text="no new K by a"), c.Promise(text='at most 1 M by "a/x"'))
    p.begin("a/n")
    p.grow("a/n", c.Promise(text="no new J"), c.Promise(text="no new L by a"))
    shown = picture(p.run)
    told = [
        'at most 9 M by "Review Credit"',
        'at most 2 rounds of "Review Credit"',
        'no new X by "Review Credit"',
        'no new K by "Review Credit"',
        'at most 1 M by "a/x" (said by Review Credit)',
        "no new J (said by N)",
        'no new L by "Review Credit" (said by N)',
    ]
    assert [each.words for each in shown.promises] == told
    dot, mermaid = shown.to_dot(), shown.to_mermaid()
    for each in told:
        assert each.replace('"', "&quot;") in dot
        assert re.sub(r'["()]', lambda sign: f"#{ord(sign[0])};", each) in mermaid
    stored = shown.to_json()["promises"][6]
    assert (stored["text"], stored["by"], stored["scope"]) == ("no new L by a", "a/n", "a")
    assert picture_of_spec(WorkflowSpec(name="w")).to_mermaid().count("promises") == 0


def test_holes_call_their_owners_so_too(play: type[Play]) -> None:
    p = play({"A": "", "B": ""}, holes=(hole("h", "M*"),))
    p.say(c.Style(target="A", label="first"))
    notes = {node.id: node.note for node in picture(p.run).nodes}
    assert notes["#h"] == "M* · by first"
    assert notes["# anything"] == "from first, B"


def test_a_hole_with_a_look_of_its_own_still_says_what_may_come(play: type[Play]) -> None:
    holes = (HoleSpec(id="h", shape="M{1,3}", owner="a", after=("a",), before=("c",)),)
    styles = (StyleSpec(target="#h", label="the pages", color="gold"),)
    p = play({"a": "", "c": ""}, holes=holes, styles=styles)
    (hole,) = [node for node in picture(p.run).nodes if node.kind == "hole"]
    assert (hole.label, hole.colour) == ("the pages", "#ffd700")
    assert hole.note == "1 to 3 M · M{1,3} · by a"
    assert "dashed" in picture(p.run).to_dot()
    assert picture(p.run).to_mermaid().count("#ffd700") == 1
    p.begin("a")
    p.grow("a", c.Style(target="#h", label="pages"))
    (hole,) = [node for node in picture(p.run).nodes if node.kind == "hole"]
    assert (hole.label, hole.colour) == ("pages", "#ffd700")


def test_what_somebody_wanted_to_look_different_does(play: type[Play]) -> None:
    p = play(CHAIN)
    p.say(c.Style(target="b", label="x", color="red"))
    p.say(c.Style(target="b", label="the <middle>"))
    p.say(c.Style(target=("a", "b"), label="then", color="yellow"))
    with pytest.raises(Refused, match="no colour of a picture"):
        p.say(c.Style(target="c", color="no such colour"))
    shown = picture(p.run)
    assert [node.label for node in shown.nodes[:3]] == ["a", "the <middle>", "c"]
    assert [node.colour for node in shown.nodes[:3]] == [None, "#ff0000", None]
    (edge,) = [each for each in shown.edges if (each.source, each.target) == ("a", "b")]
    assert (edge.label, edge.colour) == ("then", "#ffff00")
    assert 'fillcolor="#ff0000"' in shown.to_dot()
    assert "fill:#ff0000" in shown.to_mermaid()
    assert shown.to_mermaid().count("#ff0000") == 1, "nobody else looks like it"
    assert '|"then"|' in shown.to_mermaid()


# --- anybody can read them ------------------------------------------------------------------------


@pytest.mark.parametrize("state", TaskState)
def test_text_and_stroke_stand_out(state: TaskState) -> None:
    look = LOOKS[state]
    assert contrast(look.text, look.fill) >= 4.5
    assert contrast(look.stroke, "#ffffff") >= 4.5


@given(st.integers(0, 0xFFFFFF))
@example(0x777777)
def test_any_colour_that_somebody_wants_still_reads(number: int) -> None:
    colour = f"#{number:06x}"
    assert contrast(text_on(colour), colour) >= 4.5
    assert contrast(readable(colour), "#ffffff") >= 4.5


def test_colours_have_names_and_short_forms() -> None:
    assert colour_of("#ABC") == "#aabbcc"
    assert colour_of(" Red ") == "#ff0000"
    for text in (None, "", "#12", "#1234567", 'red" shape="x', "rgb(1,2,3)"):
        assert colour_of(text) is None


def test_states_differ_in_each_way_by_itself() -> None:
    for one, other in itertools.combinations(LOOKS.values(), 2):
        assert one.fill != other.fill
        assert one.stroke != other.stroke
        assert one.shape != other.shape
        assert one.brackets != other.brackets
        assert one.sign != other.sign


# --- any name can stand in them -------------------------------------------------------------------

DOT_TOKEN = re.compile(
    r'\s+|"(?:[^"\\]|\\.)*"|<(?:[^<>]|<[^<>]*>)*>|->|[\[\]{}=]|[A-Za-z_][\w]*|\d+(?:\.\d+)?'
)


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
        Node(id=f"#{label}", label=label, kind="hole", shape=label),
    )
    edge = Edge(source=label, target=f"#{label}", label=label or "x")
    promise = Promised(text=label, state="owed", by=label)
    return Picture(
        title=label,
        caption=label,
        nodes=nodes,
        edges=(edge,),
        promises=(promise,),
        notes=(label,),
        counts={TaskState.READY: 1},
    )


@given(any_text)
@example('a"]; b [label="x')
@example("\\")
@example("\ud800")
@example("&quot;")
@example("a > b <c")
@example("<TABLE>")
@example("x" * 40_000)
def test_any_label_makes_the_same_dot_but_for_its_texts(label: str) -> None:
    dot = shown_with(label).to_dot()
    dot.encode("utf-8")
    assert without_texts(dot) == without_texts(shown_with("x").to_dot())


def without_texts(dot: str) -> list[str]:
    return [each[0] if each[0] in '"<' else each for each in dot_tokens(dot)]


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
@example("&<>\\\"'[]{}|")
@example("x" * 40_000)
def test_graphviz_reads_any_label(label: str) -> None:
    graphviz = pytest.importorskip("pygraphviz")
    graph = graphviz.AGraph(string=shown_with(label).to_dot())
    assert sorted(graph.nodes()) == ["n0", "n1"]
    assert len(graph.edges()) == 1
