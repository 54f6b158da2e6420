"""The graph that the page draws: where things stand depends on what there is, never on states."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import anyio
import pytest

import callboard as cb
from callboard.web._graph import DIGITS, EACH_MAX, STATES, Graphs, structure_of
from callboard.web._problems import Problem
from callboard.workflow import UsageError

from .flows import EVIL, evil, hundred, thousands, workflows_in

Box = tuple[float, float, float, float]


def places(graph: Mapping[str, Any]) -> dict[str, Box]:
    return {node["id"]: (node["x"], node["y"], node["w"], node["h"]) for node in graph["nodes"]}


def overlapping(graph: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Name the pairs of nodes that lie on each other."""
    return [
        (one, other)
        for (one, (x, y, w, h)), (other, (u, v, p, q)) in combinations(places(graph).items(), 2)
        if x < u + p and u < x + w and y < v + q and v < y + h
    ]


async def test_states_move_nothing() -> None:
    async with cb.Engine("memory:", workflows=[hundred()]) as engine:
        handle = await engine.start("hundred")
        graphs = Graphs()
        run = await handle.run()
        before, structure = await graphs.of(run), structure_of(run)
        assert before["structure"] == structure
        for _ in range(5):
            async with engine.claim() as lease:
                assert lease is not None
                await lease.success()
        after = await graphs.of(run)
        assert {node["state"] for node in after["nodes"]} == {"succeeded", "ready", "pending"}
        assert places(after) == places(before)
        assert after["edges"] == before["edges"]
        assert structure_of(run) == structure
        await handle.cancel_and_wait()
        assert places(await graphs.of(run)) == places(before)


@pytest.mark.parametrize("each", [False, True])
async def test_nothing_lies_on_anything_else(each: bool, tmp_path: Path) -> None:
    flows = [flow for flow in workflows_in(tmp_path) if len(flow.tasks) <= EACH_MAX or not each]
    async with cb.Engine("memory:", workflows=flows) as engine:
        graphs = Graphs()
        for flow in flows:
            given = {"name": "Ada", "count": 1} if flow.name == "typed" else {}
            handle = await engine.start(flow.name, given)
            graph = await graphs.of(await handle.run(), each=each)
            assert overlapping(graph) == [], flow.name
            for x, y, w, h in places(graph).values():
                assert x >= 0
                assert y >= 0
                assert x + w <= graph["width"]
                assert y + h <= graph["height"]
            await handle.cancel_and_wait()


async def test_edges_lead_from_one_node_to_the_other() -> None:
    async with cb.Engine("memory:", workflows=[hundred()]) as engine:
        graph = await Graphs().of(await (await engine.start("hundred")).run())
    boxes = places(graph)
    assert len(graph["edges"]) > 100
    for edge in graph["edges"]:
        assert len(edge["points"]) % 3 == 1
        ends = (edge["from"], edge["points"][0]), (edge["to"], edge["points"][-1])
        for name, (x, y) in ends:
            left, top, width, height = boxes[name]
            assert left - 2 <= x <= left + width + 2, edge
            assert top - 2 <= y <= top + height + 2, edge


async def test_what_comes_changes_the_structure_and_fills_a_dashed_place(tmp_path: Path) -> None:
    async with cb.Engine("memory:", workflows=workflows_in(tmp_path)) as engine:
        handle = await engine.start("shapes")
        run, graphs = await handle.run(), Graphs()
        before = await graphs.of(run)
        holes = [node for node in before["nodes"] if node["kind"] == "hole"]
        assert [hole["label"] for hole in holes] == ["N → M or J → K", "any number of fetch"]
        assert holes[0]["shape"] == "N -> M | J -> K"
        assert holes[0]["owners"] == ["plan"]
        assert {edge["kind"] for edge in before["edges"]} == {"hole"}
        assert [each["state"] for each in before["promises"]] == ["holding", "owed"]
        structure = structure_of(run)
        async with engine.claim(["plan"]) as lease:
            assert lease is not None
            assert structure_of(run) == structure
            await lease.add("J")
            grown = structure_of(run)
            assert grown != structure
            await lease.promise("no new N")
            assert structure_of(run) != grown
            after = await graphs.of(run)
            kinds = {node["label"]: node["kind"] for node in after["nodes"]}
            # That K comes is certain with J: it is a task by itself.
            assert kinds == {
                **dict.fromkeys(("plan", "J", "K", "report"), "task"),
                "any number of fetch": "hole",
            }
            await lease.release()


async def test_what_may_come_anywhere_moves_nothing() -> None:
    @cb.task
    async def speaks() -> None:
        await cb.current().wait(None, "go on?")

    @cb.workflow
    def opened(w: cb.Builder) -> None:
        first = w.add(speaks)
        w.add(speaks, after=[first])
        w.add(speaks)

    async with cb.Engine("memory:") as engine:
        handle = await engine.start(opened)
        run, graphs = await handle.run(), Graphs()
        before, structure = await graphs.of(run), structure_of(run)
        dotted = [edge for edge in before["edges"] if edge["kind"] == "may"]
        assert dotted
        assert all(len(edge["points"]) == 4 for edge in dotted)
        assert "# anything" in places(before)
        await handle.cancel_and_wait()
        assert structure_of(run) != structure
        after = await graphs.of(run)
        assert all(edge["kind"] == "certain" for edge in after["edges"])
        gone = places(before)
        del gone["# anything"]
        assert places(after) == gone


async def test_thousands_are_folded_and_tell_each_state() -> None:
    async with cb.Engine("memory:", workflows=[thousands()]) as engine:
        handle = await engine.start("thousands")
        run, graphs = await handle.run(), Graphs()
        for label in ("prepare", "fetch 0", "fetch 1"):
            async with engine.claim([label]) as lease:
                assert lease is not None
                await (lease.error("bad luck") if label == "fetch 1" else lease.success())
        graph = await graphs.of(run)
        _, fold, _ = graph["nodes"]
        assert (fold["kind"], fold["count"], fold["state"]) == ("fold", 4998, "failed")
        assert fold["counts"] == {"failed": 1, "ready": 4996, "succeeded": 1}
        assert len(fold["states"]) == len(fold["tasks"]) == 4998
        told = [STATES[DIGITS.index(digit)] for digit in fold["states"][:3]]
        assert told == ["succeeded", "failed", "ready"]
        with pytest.raises(UsageError, match="5,000 tasks"):
            await graphs.of(run, each=True)
        await handle.cancel_and_wait()


async def test_names_are_only_text() -> None:
    async with cb.Engine("memory:", workflows=[evil()]) as engine:
        handle = await engine.start(evil().name)
        graph = await Graphs().of(await handle.run())
        assert graph["nodes"][0]["label"] == EVIL
        assert len(graph["edges"]) == 1
        await handle.cancel_and_wait()


async def test_without_a_drawing_program_the_answer_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("callboard._drawing._has_pygraphviz", lambda: False)
    monkeypatch.setenv("PATH", "")
    async with cb.Engine("memory:", workflows=[evil()]) as engine:
        handle = await engine.start(evil().name)
        with pytest.raises(Problem, match="'\\.\\[draw\\]' in a clone of callboard") as raised:
            await Graphs().of(await handle.run())
        assert raised.value.status == 501
        await handle.cancel_and_wait()


SCRIPT = """
import anyio
from callboard._drawing import lay_out

print("begins", flush=True)
print(anyio.run(lay_out, "digraph { a -> b }").splitlines()[-1])
"""


async def test_a_script_that_guards_nothing_is_run_once(tmp_path: Path) -> None:
    file = tmp_path / "app.py"
    file.write_text(SCRIPT, "utf-8")
    done = await anyio.run_process([sys.executable, str(file)])
    assert done.stdout.decode().split() == ["begins", "stop"]
