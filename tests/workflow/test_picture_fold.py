"""Folding: pictures of many tasks stay small, and say what they leave out."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING

from hypothesis import given, settings, strategies as st

from callboard.workflow import HoleSpec, Picture, commands as c, picture
from callboard.workflow._picture_fold import FEW, FOLDED_MAX, SIBLINGS_MAX, fold, stem

if TYPE_CHECKING:
    from .conftest import Play


def needs(**groups: tuple[int, str]) -> dict[str, str]:
    """Return so many tasks of each name, all of a group behind all of another."""
    ids = {name: [f"{name}{n}" for n in range(count)] for name, (count, _) in groups.items()}
    return {
        each: " ".join(ids[after]) if after else ""
        for name, (_, after) in groups.items()
        for each in ids[name]
    }


def lines(shown: Picture) -> list[str]:
    return [" / ".join(node.lines) for node in shown.nodes if node.kind in ("task", "hole")]


def flat(play: type[Play], count: int) -> Picture:
    p = play({"A": "", "B": ""}, holes=(HOLE,), promises=("closed",))
    p.begin("A")
    new = tuple(c.AddTask(name="M") for _ in range(count))
    p.say(c.Grow(commands=new, task="A", fence=p.fence("A")))
    p.ok("A")
    for number in range(1, count, 2):
        p.begin(f"A/M-{number}")
        if number % 4 == 1:
            p.ok(f"A/M-{number}")
    return picture(p.run)


HOLE = HoleSpec(id="h", shape="M*", owner="A", after=("A",), before=("B",))


def test_ten_siblings_are_drawn_one_by_one(play: type[Play]) -> None:
    assert len(flat(play, 10).nodes) == 12
    assert len(flat(play, SIBLINGS_MAX).nodes) == SIBLINGS_MAX + 2


def test_more_equal_siblings_are_one_node_that_counts_their_states(play: type[Play]) -> None:
    shown = flat(play, 40)
    assert lines(shown) == [
        *("A / ✓ succeeded", "B / · pending"),
        "M ×40 / ▶ 10 running · ○ 20 ready · ✓ 10 succeeded",
    ]
    (folded,) = [node for node in shown.to_json()["nodes"] if "folded" in node]
    assert folded["folded"]["states"] == {"running": 10, "ready": 20, "succeeded": 10}
    assert folded["folded"]["members"] == [f"A/M-{number}" for number in range(1, 41)]
    assert folded["state"] == "running"
    assert {(edge.source, edge.target) for edge in shown.edges} == {
        *(("A", "A/M-1"), ("A/M-1", "B"))
    }


def test_what_looks_different_is_not_folded_away(play: type[Play]) -> None:
    p = play(needs(a=(1, ""), m=(20, "a")), kinds=dict.fromkeys(["a0"], "shell"))
    for number in range(20):
        p.say(c.Style(target=f"m{number}", label="m"))
    p.say(c.Style(target="m3", color="red"))
    p.say(c.Promise(text="closed"))
    assert lines(picture(p.run)) == ["a0 / ○ ready", "m ×19 / · pending", "m / · pending · m3"]


def test_numbers_at_the_end_of_labels_do_not_keep_siblings_apart(play: type[Play]) -> None:
    p = play(needs(a=(2, ""), align_ID=(100, "a"), cat=(1, "align_ID")), promises=("closed",))
    assert lines(picture(p.run)) == [
        *("a0 / ○ ready", "a1 / ○ ready", "align ×100 / · pending", "cat0 / · pending")
    ]
    assert stem("align_ID00012") == "align"
    assert stem("42") == "42"


def test_ten_thousand_chains_become_one(play: type[Play]) -> None:
    tasks = {"a": ""}
    for number in range(1000):
        tasks |= {f"f{number}": "a", f"p{number}": f"f{number}", f"i{number}": f"p{number}"}
    tasks["b"] = " ".join(f"i{number}" for number in range(1000))
    shown = picture(play(tasks, promises=("closed",)).run)
    assert [node.headline for node in shown.nodes] == [
        *("a", "f ×1,000", "p ×1,000", "i ×1,000", "b")
    ]
    assert [edge.label for edge in shown.edges] == [None, "each", "each", None]


def test_a_hole_in_each_of_many_instances_is_one_hole(play: type[Play]) -> None:
    only = HoleSpec(id="h", shape="(N -> M* -> K)*", owner="A", after=("A",), before=("B",))
    p = play({"A": "", "B": ""}, holes=(only,), promises=("closed",))
    p.begin("A")
    new = tuple(c.AddTask(name="N") for _ in range(200))
    p.say(c.Grow(commands=new, task="A", fence=p.fence("A")))
    shown = picture(p.run)
    heads = {node.headline for node in shown.nodes}
    assert heads == {*("A", "B", "N ×200", "any number of M ×200", "K ×200", "(N → M* → K)*")}
    assert Counter(edge.label for edge in shown.edges) == {None: 4, "each": 2}


def test_a_chain_that_is_too_long_is_a_row(play: type[Play]) -> None:
    tasks = {"a": ""} | {f"s{n}": f"s{n - 1}" if n else "a" for n in range(FOLDED_MAX * 2)}
    shown = picture(play(tasks, promises=("closed",)).run)
    assert lines(shown) == ["a / ○ ready", "s ×300 / · pending · one after another"]


def graph(seed: int) -> tuple[dict[str, list[str]], dict[str, tuple[str, ...]]]:
    """Return a random graph: what each vertex runs after, and its label."""
    random = Random(seed)
    count, width = random.randint(1, 400), random.randint(1, 30)
    most, letters = random.randint(1, 3), random.choice(["x", "xy"])
    sources: dict[str, list[str]] = {}
    for number in range(count):
        near = range(max(0, number - width), number)
        some = random.sample(near, min(len(near), random.randint(0, most)))
        sources[f"t{number}"] = [f"t{each}" for each in some]
    return sources, {name: (random.choice(letters), "task") for name in sources}


@settings(deadline=None)
@given(st.integers(0, 2**32))
def test_folding_loses_nothing_and_makes_no_cycle(seed: int) -> None:
    sources, labels = graph(seed)
    folded = fold(sources, labels)
    members = {name: folded.members.get(name, (name,)) for name in folded.sources}
    assert sorted(each for some in members.values() for each in some) == sorted(sources)
    home = {each: name for name, some in members.items() for each in some}
    for some in members.values():
        assert len({labels[each] for each in some}) == 1
        assert len(some) == 1 or len(some) > FEW or len(sources) > FOLDED_MAX
    edges = {
        (home[source], home[name])
        for name, found in sources.items()
        for source in found
        if home[source] != home[name]
    }
    assert edges == {(s, name) for name, found in folded.sources.items() for s in found}
    done: set[str] = set()
    while len(done) < len(folded.sources):
        ready = {n for n, found in folded.sources.items() if n not in done and done >= {*found}}
        assert ready
        done |= ready
