"""``again``: a task has another one, and all behind it, done anew when its attempt succeeds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from callboard.workflow import Retry, TaskOptions, TaskSpec, _promising, commands as c

if TYPE_CHECKING:
    from .conftest import Play

NEW = TaskSpec(id="", name="", kind="function")
CHAIN = {"a": "", "b": "a", "c": "b"}


def again(task: str) -> c.Again:
    return c.Again(task=task)


def one_round(p: Play, target: str, speaker: str, *names: str) -> None:
    p.ok(*names)
    p.begin(speaker)
    p.grow(speaker, again(target))
    p.ok(speaker)


def generations(p: Play) -> dict[str, int]:
    return {name: task.generation for name, task in p.run.tasks.items()}


def test_it_is_a_restart_when_the_attempt_succeeds(play: type[Play]) -> None:
    p = play({**CHAIN, "x": ""})
    one_round(p, "a", "b", "a")
    assert generations(p) == {"a": 2, "b": 2, "c": 2, "x": 1}
    p.is_(a="ready", b="pending", c="pending")
    assert p.run.growth.rounds == {"a": 1}
    p.ok("a", "b", "c", "x")
    p.ended("succeeded")


def test_it_may_be_the_task_itself_or_one_beside_it(play: type[Play]) -> None:
    p = play({"a": "", "x": ""})
    one_round(p, "a", "a")
    assert generations(p) == {"a": 2, "x": 1}
    one_round(p, "x", "a")
    assert generations(p) == {"a": 2, "x": 2}
    p.is_(a="succeeded", x="ready")


def test_an_attempt_that_fails_has_asked_for_nothing(play: type[Play]) -> None:
    p = play(CHAIN, options={"b": TaskOptions(retry=Retry(times=1, jitter=False))})
    p.ok("a")
    p.begin("b")
    p.grow("b", again("a"))
    p.fail("b")
    p.due("retry", "b", at=1000.0)
    p.ok("b", "c")
    assert generations(p) == {"a": 1, "b": 1, "c": 1}
    p.ended("succeeded")


def test_saying_it_twice_is_one_round(play: type[Play]) -> None:
    p = play(CHAIN)
    p.ok("a")
    p.begin("b")
    p.grow("b", again("a"), again("a"))
    assert p.grow("b", again("a")) == []
    p.ok("b")
    assert p.run.growth.rounds == {"a": 1}


def test_of_two_targets_each_has_its_round(play: type[Play]) -> None:
    p = play({"a": "", "x": "", "b": "a x"})
    p.ok("a", "x")
    p.begin("b")
    p.grow("b", again("a"), again("x"))
    p.ok("b")
    assert p.run.growth.rounds == {"a": 1, "x": 1}
    p.ok("a", "x", "b")
    p.ended("succeeded")


def test_what_runs_in_the_scope_is_stopped(play: type[Play]) -> None:
    p = play({"a": "", "b": "a", "x": "a"})
    p.ok("a")
    p.begin("b", "x")
    p.grow("b", again("a"))
    p.ok("b")
    assert p.stopping() == {"x"}
    p.stopped("x")
    assert set(generations(p).values()) == {2}


def test_a_promise_bounds_the_rounds(play: type[Play]) -> None:
    p = play(CHAIN, promises=("at most 2 rounds of a",))
    for _ in range(2):
        one_round(p, "a", "b", "a")
    p.ok("a")
    p.begin("b")
    assert p.breaks("b", again("a")).text == "at most 2 rounds of a"


def test_the_least_of_several_bounds_holds(play: type[Play]) -> None:
    p = play(CHAIN, promises=("at most 3 rounds of a", "at most 1 rounds of a"))
    p.say(c.Promise(text="at most 2 rounds of a"))
    assert p.run.growth.rounds_max == {"a": 1}
    one_round(p, "a", "b", "a")
    p.refused("promise_refused", None, c.Promise(text="at most 0 rounds of a"))


def test_restarts_by_hand_are_no_rounds(play: type[Play]) -> None:
    p = play(CHAIN, promises=("at most 0 rounds of a",))
    p.ok("a")
    p.say(c.Restart(task="a"))
    assert p.run.growth.rounds == {}
    p.ok("a")
    p.begin("b")
    p.breaks("b", again("a"))


def test_sealed_forbids_it(play: type[Play]) -> None:
    p = play(CHAIN, promises=("sealed",))
    p.ok("a")
    p.begin("b")
    assert p.breaks("b", again("a")).text == "sealed"


def test_a_closed_run_and_a_flow_do_not_forbid_it(play: type[Play]) -> None:
    p = play.flow("A -> M* -> B", promises=("at most 1 rounds of A",))
    p.begin("A")
    p.add("A", "M")
    p.ok("A", "A/M-1")
    p.begin("B")
    p.grow("B", again("A"))
    p.ok("B")
    assert list(p.run.tasks) == ["A", "B"]
    assert p.open_parts() == {"M": "M*"}
    p.ok("A", "B")
    p.ended("succeeded")


def test_rounds_outlast_the_generations_that_asked_for_them(play: type[Play]) -> None:
    p = play({"a": "", "b": "a"}, promises=("at most 1 rounds of a",))
    one_round(p, "a", "b", "a")
    p.ok("a", "b")
    p.say(c.Restart(task="a"))
    p.ok("a")
    p.begin("b")
    p.breaks("b", again("a"))


def test_without_a_promise_a_ceiling_that_names_itself_ends_it(
    play: type[Play], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _promising.AGAIN_MAX == 1_000
    monkeypatch.setattr(_promising, "AGAIN_MAX", 2)
    p = play({"a": ""})
    one_round(p, "a", "a")
    one_round(p, "a", "a")
    p.begin("a")
    text = "at most 2 rounds of a (the ceiling that every task has)"
    assert p.breaks("a", again("a")).text == text


def test_only_an_attempt_says_it(play: type[Play]) -> None:
    p = play(CHAIN)
    assert "a person restarts" in p.refused("refused", None, again("a"))


def test_a_refused_batch_has_asked_for_nothing(play: type[Play]) -> None:
    p = play(CHAIN)
    p.begin("a")
    p.refused("unknown", "a", again("a"), c.AddTask(name="M", new=NEW, after=("nobody",)))
    p.ok("a")
    assert generations(p)["a"] == 1


@pytest.mark.parametrize("how", ["cancel", "drain"])
def test_nothing_is_begun_anew_while_the_run_is_on_its_way_to_its_end(
    play: type[Play], how: str
) -> None:
    p = play({"a": "", "b": ""}, on_failure="drain")
    p.begin("a", "b")
    p.grow("a", again("a"))
    if how == "cancel":
        p.say(c.Cancel())
        p.stopped("b")
    else:
        p.fail("b")
    p.ok("a")
    assert generations(p) == {"a": 1, "b": 1}
    p.ended("cancelled" if how == "cancel" else "failed")
