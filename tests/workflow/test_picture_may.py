"""May-edges: which order may still come between tasks of an open run."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings, strategies as st

from callboard.workflow import HoleSpec, Refused, Run, apply, commands as c, picture
from callboard.workflow._picture_may import may_edges
from callboard.workflow._states import PENDING, READY, SETTLED

if TYPE_CHECKING:
    from .conftest import Play

KINDS = {"S": "shell", "T": "shell"}


def pairs(run: Run) -> set[str]:
    found = may_edges(run)
    assert found is not None
    return {f"{source}{target}" for source, target in found}


def test_an_edge_may_come_where_somebody_can_still_say_so(play: type[Play]) -> None:
    p = play({"A": "", "S": "", "T": "S"}, kinds=KINDS)
    assert pairs(p.run) == {"AS", "AT"}
    p.begin("A")
    p.begin("S")
    assert pairs(p.run) == {"AT"}
    p.ok("A")
    assert pairs(p.run) == set()


def test_whoever_waits_for_a_task_cannot_put_anything_in_front_of_it(play: type[Play]) -> None:
    p = play({"S": "", "T": "", "A": "S"}, kinds=KINDS)
    assert pairs(p.run) == {"ST", "AT"}
    p = play({"S": "", "T": "", "A": "S T"}, kinds=KINDS)
    assert pairs(p.run) == set()


def test_promises_take_edges_away(play: type[Play]) -> None:
    p = play({"A": "", "S": "", "T": ""}, kinds=KINDS)
    assert pairs(p.run) == {"AS", "AT", "ST", "TS"}
    p.say(c.Promise(text="no edges from A"))
    assert pairs(p.run) == {"ST", "TS"}
    p.say(c.Promise(text="only edges S -> *"))
    assert pairs(p.run) == {"ST"}
    p.say(c.Promise(text="no new edges by A"))
    assert pairs(p.run) == set()


def test_a_closed_run_has_none(play: type[Play]) -> None:
    p = play({"A": "", "S": ""}, kinds=KINDS, promises=("closed",))
    assert pairs(p.run) == set()


def test_few_are_dotted_and_many_are_counted(play: type[Play]) -> None:
    few = picture(play({"A": "", "S": "", "T": ""}, kinds=KINDS).run)
    assert [edge.kind for edge in few.edges] == ["may"] * 4
    assert few.to_dot().count("style=dotted") == 4
    assert "dotted: an edge that may still be added" in few.notes
    many = picture(play(dict.fromkeys("abcdef", "")).run)
    assert not many.edges
    assert "30 edges may still be added" in many.notes
    told = many.to_json()["may_edges"]
    assert len(told) == 30
    assert told[0] == {"from": "b", "to": "a"}
    most = picture(play({f"t{number}": "" for number in range(200)}).run)
    assert most.to_json()["may_edges"] is None
    assert "edges may still be added in front of tasks that have not started" in most.notes


# --- the same, by trying --------------------------------------------------------------------------


def reachable(run: Run) -> set[tuple[str, str]]:
    """Return the order that some attempt can bring about with one edge, found by letting it try."""
    speakers = [task.id for task in run.tasks.values() if task.state not in SETTLED]
    found: set[tuple[str, str]] = set()
    for source, target in itertools.permutations(run.tasks, 2):
        if run.tasks[target].state not in (PENDING, READY) or _before(run, source, target):
            continue
        found |= {
            (source, target) for who in speakers if who != target and _can(run, who, source, target)
        }
    return found


def _before(run: Run, source: str, target: str) -> bool:
    seen = {target}
    stack = [run.tasks[target]]
    while stack:
        for each in stack.pop().before:
            if each.id == source:
                return True
            if each.id in run.tasks and each.id not in seen:
                seen.add(each.id)
                stack.append(run.tasks[each.id])
    return False


def _can(run: Run, who: str, source: str, target: str) -> bool:
    """Let all that is in front of somebody succeed, so that it begins and says it."""
    from callboard.workflow import events as ev, start

    spec = run.spec
    again, _, _ = start(ev.RunCreated(at=0.0, run="r", spec=spec))
    for event in RECORDED[run.id]:
        apply(again, event, 0.0)
    needed = [name for name in run.tasks if name == who or _before(run, name, who)]
    if target in needed:
        return False
    for name in sorted(needed, key=list(again.tasks).index):
        task = again.tasks[name]
        if task.state in SETTLED:
            continue
        if task.fence is None:
            apply(again, c.Begin(task=name, fence=f"x{name}"), 0.0)
        if name != who:
            apply(again, c.Succeed(task=name, fence=task.fence or ""), 0.0)
    fence = again.tasks[who].fence or ""
    edge = c.Grow(commands=(c.AddEdge(source=source, target=target),), task=who, fence=fence)
    try:
        apply(again, edge, 0.0)
    except Refused:
        return False
    return again.stopping is None


RECORDED: dict[str, list[c.Command]] = {}
GUARDS = ("no edges from a", "no edges into c", "only edges a -> *, * -> d", "closed by b")


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_it_is_what_trying_finds(play: type[Play], data: st.DataObject) -> None:
    names = "abcde"[: data.draw(st.integers(2, 5))]
    needs = {
        name: " ".join(each for each in names[:at] if data.draw(st.integers(0, 3)) == 0)
        for at, name in enumerate(names)
    }
    kinds = {name: data.draw(st.sampled_from(["function", "function", "shell"])) for name in names}
    texts = data.draw(st.lists(st.sampled_from(GUARDS), max_size=2, unique=True))
    texts = [text for text in texts if "by b" not in text or "b" in names]
    p = play(needs, kinds=kinds, promises=tuple(texts))
    said = RECORDED[p.run.id] = []
    for _ in range(data.draw(st.integers(0, 4))):
        ready = [task.id for task in p.run.tasks.values() if task.state == READY]
        if not ready:
            break
        name = data.draw(st.sampled_from(ready))
        said.append(c.Begin(task=name, fence=name))
        p.say(said[-1])
        if data.draw(st.booleans()):
            said.append(c.Succeed(task=name, fence=name))
            p.say(said[-1])
    if not p.run.ended:
        assert set(may_edges(p.run) or ()) == reachable(p.run)


def test_an_owner_of_what_is_in_front_comes_first(play: type[Play]) -> None:
    # T waits for the hole that A fills: A must begin first, so T cannot come before A.
    hole = HoleSpec(id="h", shape="M*", owner="A", before=("T",))
    p = play({"A": "", "T": "", "S": ""}, kinds=KINDS, holes=(hole,))
    assert pairs(p.run) == {"AS", "TS", "ST"}
