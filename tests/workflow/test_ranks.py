"""Ranks between others: room is made where there is none, and the order stays right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings, strategies as st

from callboard.workflow import (
    Run,
    Task,
    TaskSpec,
    WorkflowSpec,
    apply,
    commands as c,
    events as ev,
    start,
)
from callboard.workflow._graph import GAP, Vertex, add_edge, path

if TYPE_CHECKING:
    from .conftest import Play

NEW = TaskSpec(id="", name="", kind="function")


def in_order(run: Run) -> bool:
    return all(
        vertex.rank < other.rank
        for vertex in run.vertices()
        for other in (*vertex.after, *(vertex.binds or ()))
    )


def a_run(count: int = 2) -> Run:
    tasks = tuple(TaskSpec(id=f"t{n}", name=f"t{n}", kind="function") for n in range(count))
    spec = WorkflowSpec(name="w", tasks=tasks)
    run, _, _ = start(ev.RunCreated(at=0.0, run="r", spec=spec))
    return run


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99), st.booleans()), max_size=30))
def test_what_is_put_between_two_stands_between_them(asked: list[tuple[int, int, bool]]) -> None:
    run = a_run(3)
    for number, (one, other, joint) in enumerate(asked):
        vertices: list[Vertex] = sorted(run.vertices(), key=lambda each: each.rank)
        low, high = vertices[one % len(vertices)], vertices[other % len(vertices)]
        if low.rank >= high.rank:
            low, high = high, low
        earlier = [] if low is high or path([high], {low}) else [low]
        related = bool(earlier and path([low], {high}))
        rank = run.rank_between(earlier, [high], joint=joint)
        # Between two that are not related yet, adding the edges is what sorts them.
        assert rank < high.rank or (earlier and not related)
        assert low.rank < rank or not related
        name = f"n{number}"
        run.tasks[name] = task = Task(name, rank, [], [], spec=NEW, seq=number)
        for each in earlier:
            add_edge(each, task, run.rerank)
        add_edge(task, high, run.rerank)
        assert in_order(run)


def test_what_comes_one_between_two_for_ever_finds_room(play: type[Play]) -> None:
    p = play({"a": "", "b": "a"})
    p.begin("a")
    last = "a"
    for _ in range(100):
        last = p.add("a", "M", after=(last,), before=("b",))
    assert in_order(p.run)


def test_siblings_share_a_rank_and_cost_no_room() -> None:
    run = a_run()
    apply(run, c.Begin(task="t0", fence="f"), 0.0)
    hole = c.OpenHole(shape="M*", hole="h", after=("t0",), before=("t1",))
    many = tuple(c.AddTask(name="M", new=NEW) for _ in range(1_000))
    apply(run, c.Grow(commands=(hole, *many), task="t0", fence="f"), 0.0)
    ranks = {task.rank for task in run.tasks.values() if task.created_by}
    assert len(ranks) == 1
    assert in_order(run)


def test_an_edge_between_two_that_share_a_rank_parts_them(play: type[Play]) -> None:
    p = play({"a": "", "b": ""})
    p.begin("a")
    for key in "xyz":
        p.add("a", "M", key=key)
    assert len({p.run.tasks[f"a/{key}"].rank for key in "xyz"}) == 1
    p.grow("a", c.AddEdge(source="a/z", target="a/y"), c.AddEdge(source="a/y", target="a/x"))
    assert in_order(p.run)
    p.refused("cycle", "a", c.AddEdge(source="a/x", target="a/z"))


def test_a_run_that_never_grows_is_ranked_once(play: type[Play]) -> None:
    p = play({"a": "", "b": "a"})
    p.ok("a", "b")
    assert not p.run.growth.roomy
    assert max(task.rank for task in p.run.tasks.values()) < GAP
