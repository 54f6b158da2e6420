"""What a run came to, as values and as JSON."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st

from callboard.workflow import (
    PromiseBroken,
    Refused,
    RunCancelled,
    RunFailed,
    RunResult,
    RunState,
    TaskOptions,
    TaskSpec,
    TaskState,
    Timeouts,
    WorkflowSpec,
    commands as c,
    events as ev,
    new_run,
)
from callboard.workflow._results import iso, plain

if TYPE_CHECKING:
    from .conftest import Play

CHAIN = {"a": "", "b": "a", "c": "b"}
DIAMOND = {"a": "", "b": "a", "c": "a", "d": "b c"}


def result(p: Play) -> RunResult:
    return RunResult.of(p.run)


def frontier(p: Play) -> list[tuple[str, ...]]:
    return [(item.task, str(item.state), *item.subtree) for item in result(p).frontier()]


def test_the_json_of_a_run_that_succeeded(play: type[Play]) -> None:
    p = play({"a": "", "b": "a"}, promises=("no new tasks",))
    p.now = 1.5
    p.ok("a", output={"x": (1, 2)})
    p.ok("b")
    told = result(p).to_json()
    assert json.loads(json.dumps(told)) == told
    assert told == {
        "run": "r",
        "workflow": "w",
        "state": "succeeded",
        "paused": False,
        "reason": None,
        "started_at": "1970-01-01T00:00:00.000000Z",
        "ended_at": "1970-01-01T00:00:01.500000Z",
        "inputs": {},
        "output": None,
        "tasks": {
            name: {
                "name": name,
                "label": name,
                "state": "succeeded",
                "reason": None,
                "generation": 1,
                "attempts": 1,
                "needs": needs,
                "created_by": None,
                "output": output,
                "error": None,
                "started_at": "1970-01-01T00:00:01.500000Z",
                "ended_at": "1970-01-01T00:00:01.500000Z",
            }
            for name, needs, output in [("a", [], {"x": [1, 2]}), ("b", ["a"], None)]
        },
        "order": ["a", "b"],
        "holes": [],
        "promises": [{"text": "no new tasks", "by": None, "state": "settled"}],
        "frontier": [],
        "boundary": [],
    }


def test_the_json_of_a_run_that_did_not(play: type[Play]) -> None:
    p = play(CHAIN)
    p.say(c.OpenHole(hole="h", shape="M*", owner="a", after=("a",), before=("c",)))
    p.ok("a")
    p.fail("b", detail={"classes": ["OSError"]})
    told = result(p).to_json()
    assert told["holes"] == [
        {
            "id": "h",
            "shape": "M*",
            "owner": "a",
            "tasks": [],
            "open": False,  # it closed when its owner had done its work
            "state": "settled",
        }
    ]
    assert told["tasks"]["c"]["needs"] == ["b", "#h"]
    assert told["tasks"]["b"]["error"] == {
        "kind": "error",
        "message": "bad",
        "detail": {"classes": ["OSError"]},
    }
    assert told["frontier"] == [
        {"task": "b", "state": "failed", "blocked_by": [], "subtree": ["b", "c"]}
    ]
    assert told["boundary"] == ["a"]


def test_the_questions_about_the_end(play: type[Play]) -> None:
    p = play(DIAMOND)
    assert not result(p).is_ready()
    p.ok("a", "b")
    p.not_ready("c")
    came = result(p)
    assert (came.is_ready(), came.is_not_ready(), came.is_failed()) == (False, True, False)
    first = came.first_in_progress()
    assert first is not None
    assert first.id == "c"
    assert came.first_error() is None
    p.say(c.Restart(task="c"))
    p.ok("c", "d")
    assert result(p).is_ready()
    assert result(p).raise_for_state().state is RunState.SUCCEEDED


def test_a_run_without_tasks_is_ready(play: type[Play]) -> None:
    assert result(play({})).is_ready()


def test_the_first_error_is_the_earliest_then_by_name(play: type[Play]) -> None:
    p = play(dict.fromkeys("cba", ""))
    p.fail("c")
    p.fail("b")
    p.now = 5.0
    p.fail("a")
    first = result(p).first_error()
    assert first is not None
    assert first.id == "b"


@pytest.mark.parametrize(
    ("state", "error", "words"),
    [
        (RunState.CANCELLED, RunCancelled, "run 'r' of workflow 'w' ended cancelled: enough"),
        (RunState.TIMED_OUT, RunFailed, "ended timed_out: enough"),
        (RunState.PROMISE_BROKEN, PromiseBroken, "ended promise_broken: enough"),
    ],
)
def test_raising_for_the_state(
    play: type[Play], state: RunState, error: type[Exception], words: str
) -> None:
    p = play(CHAIN)
    assert result(p).raise_for_state() is not None
    p.say(c.Cancel(state=state, reason="enough"))
    with pytest.raises(error, match=words):
        result(p).raise_for_state()


def test_raising_names_the_first_error(play: type[Play]) -> None:
    p = play(CHAIN)
    p.fail("a", kind="exit")
    with pytest.raises(RunFailed, match=r"ended failed: task 'a' failed \(exit\): bad") as caught:
        result(p).raise_for_state()
    assert caught.value.run_id == "r"
    assert isinstance(caught.value.result, RunResult)
    p = play(CHAIN)
    p.not_ready("a")
    with pytest.raises(RunFailed, match="ended not_ready: task 'a' was not ready: later"):
        result(p).raise_for_state()


# --- where a run stands: the examples of the document that the words come from -------------------


def test_after_not_ready_the_frontier_is_that_task(play: type[Play]) -> None:
    p = play(CHAIN)
    p.ok("a")
    p.not_ready("b")
    assert frontier(p) == [("b", "not_ready", "b", "c")]
    assert result(p).boundary() == ["a"]


def test_after_a_failure_the_frontier_is_that_task(play: type[Play]) -> None:
    p = play(CHAIN)
    p.ok("a")
    p.fail("b")
    assert frontier(p) == [("b", "failed", "b", "c")]
    assert result(p).boundary() == ["a"]


def test_while_a_task_runs_the_frontier_is_what_nothing_blocks(play: type[Play]) -> None:
    p = play(DIAMOND)
    p.ok("a")
    p.now = 2.0
    p.begin("b")
    assert frontier(p) == [("b", "running", "b", "d"), ("c", "ready", "c", "d")]
    assert result(p).boundary() == ["a"]
    p.fail("b")
    blocked = {item.task: item.blocked_by for item in result(p).frontier()}
    assert blocked == {"b": (), "c": ()}


def test_the_boundary_is_every_done_task_with_something_undone_behind_it(play: type[Play]) -> None:
    p = play({"a": "", "b": "a", "c": "b", "x": "", "y": "x"})
    p.ok("a", "b", "x", "y")
    p.fail("c")
    assert result(p).boundary() == ["a", "b"]


def test_a_failed_task_behind_a_failed_one_is_told_with_what_blocks_it(play: type[Play]) -> None:
    p = play({"a": "", "b": "a"})
    p.fail("a")
    p.say(c.Settle(task="b", state=TaskState.FAILED))
    assert [(i.task, i.blocked_by) for i in result(p).frontier()] == [("a", ()), ("b", ("a",))]


def test_a_task_skipped_by_its_own_condition_blocks_nothing(play: type[Play]) -> None:
    p = play(CHAIN)
    p.say(c.Skip(task="a", reason="when"))
    assert frontier(p) == [("b", "ready", "b", "c")]


def test_an_open_hole_blocks_and_holes_are_looked_through(play: type[Play]) -> None:
    p = play({"a": "", "b": ""})
    p.say(c.OpenHole(hole="h", shape="...", after=("a",), before=("b",)))
    came = result(p)
    assert frontier(p) == [("a", "ready", "a", "b")]
    assert came.ancestors("b") == ("a",)
    assert came.descendants("a") == ("b",)
    assert came.levels() == [["a"], ["b"]]
    assert came.critical_path() == ["a", "b"]
    p.ok("a")
    assert frontier(p) == []
    assert result(p).boundary() == ["a"]


# --- the graph ------------------------------------------------------------------------------------


def test_ancestors_and_descendants(play: type[Play]) -> None:
    came = result(play(DIAMOND))
    assert came.ancestors("d") == ("a", "b", "c")
    assert came.descendants("a") == ("b", "c", "d")
    assert came.ancestors("a") == came.descendants("d") == ()
    with pytest.raises(Refused, match="no task 'x'"):
        came.ancestors("x")


def test_the_critical_path_takes_timeouts_then_what_was_measured(play: type[Play]) -> None:
    slow = TaskOptions(timeout=Timeouts(attempt=30.0))
    p = play(DIAMOND, options={"c": slow})
    assert result(p).critical_path() == ["a", "c", "d"]
    assert result(p).critical_path({"b": 100.0}) == ["a", "b", "d"]
    p.ok("a")
    p.begin("b", "c")
    p.now = 5.0
    p.ok("c")
    p.now = 50.0
    p.ok("b", "d")
    assert result(p).critical_path() == ["a", "b", "d"]


def test_the_critical_path_of_nothing(play: type[Play]) -> None:
    assert result(play({})).critical_path() == []
    assert result(play({})).levels() == []


@given(
    st.lists(st.lists(st.integers(0, 20), max_size=3), min_size=1, max_size=9),
    st.lists(st.integers(0, 5), min_size=9, max_size=9),
)
def test_levels_and_critical_path_against_plain_search(
    needs: list[list[int]], seconds: list[int]
) -> None:
    before = {str(n): [str(each % n) for each in some if n] for n, some in enumerate(needs)}
    tasks = tuple(TaskSpec(id=n, name=n, needs=tuple(some)) for n, some in before.items())
    created = ev.RunCreated(at=0.0, run="r", spec=WorkflowSpec(name="w", tasks=tasks[::-1]))
    came = RunResult.of(new_run(created))
    costs = {name: float(seconds[int(name)]) for name in before}

    def depth(name: str) -> int:
        return 1 + max((depth(each) for each in before[name]), default=-1)

    def longest(name: str) -> float:
        return costs[name] + max((longest(each) for each in before[name]), default=0.0)

    levels = came.levels()
    assert {name: n for n, level in enumerate(levels) for name in level} == {
        name: depth(name) for name in before
    }
    way = came.critical_path(costs)
    assert all(a in before[b] for a, b in pairwise(way))
    assert sum(costs[each] for each in way) == max(map(longest, before))


def test_times_and_values_become_plain_json() -> None:
    assert iso(None) is None
    assert iso(1_700_000_000.25) == "2023-11-14T22:13:20.250000Z"
    odd: Any = {1: {2}, "s": TaskState.FAILED, "o": ValueError("x")}
    assert plain(odd) == {"1": [2], "s": "failed", "o": "x"}


def test_a_task_that_is_shown_is_short(play: type[Play]) -> None:
    p = play({"a": "", "b": ""})
    p.ok("a", output="x" * 10_000)
    p.fail("b", detail={"traceback": "y" * 10_000})
    told = result(p)
    assert repr(told.tasks["a"]) == "<TaskResult a: succeeded>"
    error = told.first_error()
    assert error is not None
    assert error.error is not None
    assert repr(error) == f"<TaskResult b: failed (error): {error.error.message}>"
