"""From fully static to fully dynamic: each example ends with a graph that was promised."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import anyio
import pytest

import callboard as cb
from callboard.cli import main
from callboard.workflow import events as ev

Load: TypeAlias = Callable[[str], ModuleType]
Start: TypeAlias = Callable[..., list[str]]

EXAMPLES = Path(__file__).parents[2] / "examples" / "gradient"


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return "memory:" if request.param == "memory" else f"sqlite:///{tmp_path / 'gradient.db'}"


@pytest.fixture
def gradient(load_example: Load) -> ModuleType:
    return load_example("gradient/gradient.py")


async def run_file(name: str, store: str = "memory:", **inputs: Any) -> cb.RunResult:
    with anyio.fail_after(60):
        async with cb.Engine(store, board=False) as engine:
            return await engine.run(cb.load(EXAMPLES / name), inputs)


async def run(workflow: Any, *args: Any, store: str = "memory:") -> cb.RunResult:
    with anyio.fail_after(60):
        async with cb.Engine(store) as engine:
            return await engine.run(workflow, *args)


def labels(result: cb.RunResult) -> list[str]:
    """Return the labels of the tasks in the order in which they started."""
    assert result.state == "succeeded", result.reason
    return [result.tasks[name].label for name in result.order]


def from_a_shell(folder: Path, *words: str) -> tuple[int, dict[str, Any], str]:
    """Run a command; give its code, its result, and the last line that it tells."""
    done = subprocess.run(
        [sys.executable, "-m", "callboard", *words, "--json", "--no-progress"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    return done.returncode, json.loads(done.stdout), done.stderr


def assert_one_at_a_time(result: dict[str, Any]) -> None:
    ended = ""
    for name in result["order"]:
        task = result["tasks"][name]
        assert ended <= task["started_at"]
        ended = task["ended_at"]


# --- the three use cases, as processes that use no helper, one task at a time ---------------------


def test_predetermined_from_a_shell(tmp_path: Path) -> None:
    code, result, _ = from_a_shell(tmp_path, "run", str(EXAMPLES / "predetermined.yaml"))
    assert code == 0
    assert {name: task["needs"] for name, task in result["tasks"].items()} == {
        "start": [],
        "1": ["start"],
        "2": ["start"],
        "end": ["2"],
    }
    assert result["order"] == ["start", "1", "2", "end"]
    assert result["promises"] == [{"text": "sealed", "by": None, "state": "settled"}]
    assert_one_at_a_time(result)


@pytest.mark.parametrize("side", ["A", "B"])
def test_a_or_b_from_a_shell(tmp_path: Path, side: str) -> None:
    file = str(EXAMPLES / "a_or_b.yaml")
    code, result, _ = from_a_shell(tmp_path, "run", file, "--input", f"side={side}")
    assert code == 0
    assert result["order"] == ["toss", f"toss/{side}-1", "report"]
    assert result["tasks"]["report"]["needs"] == ["#A"]
    assert_one_at_a_time(result)


@pytest.mark.parametrize("count", [0, 1, 2, 1000])
def test_map_from_a_shell(tmp_path: Path, count: int) -> None:
    store = "sqlite:///map.db" if count < 1000 else "memory:"
    words = ("run", str(EXAMPLES / "map.yaml"), "--input", f"count={count}", "--store", store)
    code, result, _ = from_a_shell(tmp_path, *words)
    assert code == 0
    assert result["order"] == ["a", *(f"a/M-{number + 1}" for number in range(count)), "b"]
    assert result["output"] == [{"number": number} for number in range(count)]
    assert result["tasks"]["b"]["needs"] == ["#M"]
    assert_one_at_a_time(result)


async def test_each_use_case_on_both_backends(store: str) -> None:
    assert labels(await run_file("predetermined.yaml", store)) == ["start", "1", "2", "end"]
    assert labels(await run_file("a_or_b.yaml", store)) in (
        ["toss", "A", "report"],
        ["toss", "B", "report"],
    )
    chosen = await run_file("map.yaml", store)
    assert labels(chosen) == ["A", *["M"] * chosen.tasks["a"].output, "B"]


# --- the other files ------------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "second"), [("N", "M"), ("J", "K")])
async def test_a_component_has_one_of_two_forms(first: str, second: str) -> None:
    result = await run_file("component.yaml", begin_with=first)
    assert labels(result) == ["A", first, second, "B"]


@pytest.mark.parametrize("rounds", [1, 5])
async def test_a_loop_has_fresh_tasks_for_each_round(rounds: int) -> None:
    result = await run_file("loop.yaml", rounds=rounds)
    assert labels(result) == ["begin", *["work", "check"] * rounds, "end"]


async def test_a_loop_has_no_more_rounds_than_it_says() -> None:
    result = await run_file("loop.yaml", rounds=6)
    assert result.state == "promise_broken"
    assert [task.label for task in result.tasks.values()].count("work") == 5


async def test_a_cycle_does_the_same_tasks_anew(store: str) -> None:
    result = await run_file("rounds.yaml", store)
    assert labels(result) == ["work", "test", "release"]
    assert [task.generation for task in result.tasks.values()] == [3, 3, 3]


async def test_a_cycle_ends_where_it_was_promised() -> None:
    spec = cb.load(EXAMPLES / "rounds.yaml")
    async with cb.Engine("memory:", board=False) as engine:
        run = await engine.start(spec)
        await run.promise("at most 1 rounds of work")
        result = await run.result()
    assert result.state == "promise_broken"
    assert "at most 1 rounds of work" in (result.reason or "")


def test_a_broken_promise_is_the_last_thing_told(tmp_path: Path) -> None:
    code, result, told = from_a_shell(tmp_path, "run", str(EXAMPLES / "broken.yaml"))
    assert (code, result["state"]) == (1, "promise_broken")
    assert result["promises"] == [{"text": "at most 2 M", "by": None, "state": "broken"}]
    assert result["order"] == ["a"], "nothing begins any more"
    (_, last) = told.splitlines()
    assert "the promise 'at most 2 M' was broken by attempt 1 of A" in last


@pytest.mark.parametrize(("answer", "way"), [(True, "publish"), (False, "discard")])
async def test_a_person_is_waited_for_with_nothing_alive(
    tmp_path: Path, answer: bool, way: str
) -> None:
    store, spec = f"sqlite:///{tmp_path / 'approval.db'}", cb.load(EXAMPLES / "approval.yaml")
    async with cb.Engine(store, board=False) as engine:
        run = await engine.start(spec)
        async for _, event in run.events(follow=True):
            if isinstance(event, ev.TaskWaiting):
                break
    async with cb.Engine(store, board=False) as engine:
        run = await engine.get(run.id)
        await run.answer("approve", answer)
        assert labels(await run.result()) == ["write", "approve", "decide", way]


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_each_file_is_valid_in_the_strict_sense_and_can_be_drawn(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(("validate", "--strict", str(file))) == 0
    assert main(("picture", str(file), "-o", str(tmp_path / "x.svg"))) == 0
    assert capsys.readouterr().err == ""


def test_the_guide_shows_what_is_drawn_now(tmp_path: Path) -> None:
    """Draw its pictures anew with ``python docs/make_gradient_pictures.py``."""
    path = EXAMPLES.parents[1] / "docs" / "make_gradient_pictures.py"
    spec = importlib.util.spec_from_file_location("make_gradient_pictures", path)
    assert spec is not None
    assert spec.loader is not None
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    drawn = {path.name: words_in(path) for path in maker.draw_all(tmp_path)}
    assert drawn == {path.name: words_in(path) for path in maker.FOLDER.glob("*.svg")}


def words_in(drawing: Path) -> list[str]:
    return sorted(re.findall(r"<text[^>]*>(.*?)</text>", drawing.read_text(encoding="utf-8")))


# --- in Python ------------------------------------------------------------------------------------


async def test_static(gradient: ModuleType, store: str) -> None:
    result = await run(gradient.static, store=store)
    assert (result.output, labels(result)) == (25, ["square", "square", "total"])


@pytest.mark.parametrize(("amount", "way"), [(999, "quick"), (1000, "thorough")])
async def test_branch_on_an_input(gradient: ModuleType, store: str, amount: int, way: str) -> None:
    result = await run(gradient.branch, amount, store=store)
    assert labels(result) == ["triage", way, "decide"]
    assert result.output == f"decided after a {way} look at {amount}"


@pytest.mark.parametrize("count", [0, 1, 2, 1000])
async def test_a_map_from_a_collection_to_a_collection(
    gradient: ModuleType, store: str, count: int
) -> None:
    result = await run(gradient.squares, list(range(count)), store=store)
    assert labels(result) == ["spread", *["square"] * count, "total"]
    assert result.output == [number * number for number in range(count)]
    assert result.tasks["total"].output == sum(result.output)
    assert result.tasks["total"].needs == ("#square",)


async def test_several_run_at_a_time(gradient: ModuleType) -> None:
    async with cb.Engine("memory:") as engine:
        run = await engine.start(gradient.parallel, 7)
        assert (await run.result()).state == "succeeded"
        at_once, most = 0, 0
        async for _, event in run.events():
            at_once += isinstance(event, ev.AttemptStarted) - isinstance(event, ev.TaskSettled)
            most = max(most, at_once)
    assert most == 3


@pytest.mark.parametrize("depth", [0, 3])
async def test_dynamic(gradient: ModuleType, store: str, depth: int) -> None:
    result = await run(gradient.dynamic, depth, store=store)
    found = labels(result)
    assert (found.count("explore"), found.count("total")) == (2 ** (depth + 1) - 1, 2**depth - 1)
    assert [each for each in result.promises if each.text == "at most 100 tasks"]
    if depth:
        assert result.tasks["explore/sum"].needs == ("explore/left", "explore/right")
        assert result.tasks["explore/sum"].output == 2**depth


async def test_a_graph_that_grows_too_far_breaks_its_promise(gradient: ModuleType) -> None:
    result = await run(gradient.dynamic, 9)
    assert result.state == "promise_broken"
    assert "at most 100 tasks" in (result.reason or "")
    assert len(result.tasks) <= 100


async def test_looks_are_changed_and_nothing_else_is(gradient: ModuleType) -> None:
    async with cb.Engine("memory:") as engine:
        run = await engine.start(gradient.dynamic, 1)
        await run.result()
        drawn = (await run.picture()).to_dot()
    assert "sum at 1" in drawn
    assert drawn.count("#ffd700") == 1  # gold
    assert "first" in drawn


@pytest.mark.parametrize("coats", [1, 2])
async def test_looks_stay_what_was_promised(gradient: ModuleType, coats: int) -> None:
    async with cb.Engine("memory:") as engine:
        run = await engine.start(gradient.looks, coats)
        result = await run.result()
        drawn = (await run.picture()).to_dot()
    if coats == 1:
        assert (result.state, result.promises[0].state) == ("succeeded", "settled")
    else:
        assert (result.state, result.promises[0].state) == ("promise_broken", "broken")
        assert "'no new looks': paint/total-1 was to look different" in str(result.reason)
    assert "no new looks" in drawn
    for word in ("<B>the painter</B>", "#000080", "<B>three and four</B>", "#ffd700"):
        assert drawn.count(word) == 1, word


async def test_a_promise_made_by_a_task_is_kept_to(gradient: ModuleType, store: str) -> None:
    result = await run(gradient.broken, store=store)
    assert result.state == "promise_broken"
    assert "'no new square'" in (result.reason or "")
    assert result.tasks["long"].state == "cancelled"
    assert set(result.tasks) == {"long", "forgetful"}


async def test_types_are_checked_when_the_graph_is_built(gradient: ModuleType) -> None:
    with pytest.raises(cb.UsageError, match="an item of its parameter 'numbers' is int"):
        await run(gradient.misfit)


async def test_types_are_checked_when_a_task_is_called(gradient: ModuleType) -> None:
    result = await run(gradient.late_misfit)
    assert result.state == "failed"
    assert result.tasks["square"].error is not None
    assert result.tasks["square"].error.message.endswith("Expected `int`, got `str`")


async def test_pause_wait_and_restart(
    load_example: Load, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with anyio.fail_after(60):
        result: cb.RunResult = await load_example("gradient/steering.py").main(
            f"sqlite:///{tmp_path / 'steering.db'}"
        )
    assert [task.generation for task in result.tasks.values()] == [2, 2, 2]
    assert capsys.readouterr().out.splitlines() == [
        "paused: what ran has ended, and nothing more starts",
        "no engine, no process, no thread: the question is a row in the store",
        "draft 1 is thrown away",
        "draft 2 is published",
    ]


@pytest.mark.parametrize("name", ["gradient", "steering"])
def test_as_programs(start_example: Start, name: str) -> None:
    printed = start_example(f"gradient/{name}.py")
    last = {"gradient": "late_misfit failed          1 tasks", "steering": "draft 2 is published"}
    assert printed[-1] == last[name]
