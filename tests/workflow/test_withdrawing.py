"""Withdrawal: a task that was created and has not begun is taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from callboard.workflow import (
    HoleSpec,
    Retry,
    TaskOptions,
    TaskSpec,
    WorkflowSpec,
    commands as c,
    events as ev,
    start,
    why,
)

if TYPE_CHECKING:
    from .conftest import Play

NEW = TaskSpec(id="", name="", kind="function")
RETRIED = TaskOptions(retry=Retry(times=3, jitter=False))


def new(name: str, after: str = "", before: str = "", **more: Any) -> c.AddTask:
    names = tuple(after.split()), tuple(before.split())
    return c.AddTask(name=name, new=NEW, after=names[0], before=names[1], **more)


def less(*names: str) -> list[c.Creation]:
    return [c.Withdraw(task=name) for name in names]


def open_run(play: type[Play], **more: Any) -> Play:
    """Return an open run in which `a` works, `b` and `c` could begin."""
    p = play({"a": "", "b": "", "c": ""}, options={"a": RETRIED}, **more)
    p.begin("a")
    return p


def holed(play: type[Play], shape: str, **more: Any) -> Play:
    """Return a run with a hole of `A` between it and `B`, where nothing comes by itself."""
    holes = (HoleSpec(id="h", shape=shape, owner="A", after=("A",), before=("B",)),)
    more.setdefault("promises", ("closed",))
    p = play({"A": "", "B": ""}, options={"A": RETRIED}, holes=holes, **more)
    p.begin("A")
    return p


def anew(p: Play, name: str) -> None:
    p.fail(name)
    p.due("retry", name, at=p.now + 1000)
    p.begin(name)


# --- what it is ---


def test_a_withdrawn_task_is_skipped_and_what_is_behind_it_goes_on(play: type[Play]) -> None:
    p = open_run(play)
    p.grow("a", new("M", before="b"))
    p.is_(b="pending")
    events = p.grow("a", *less("a/M-1"))
    assert [type(event) for event in events] == [ev.TaskWithdrawn, ev.TaskSettled]
    p.is_(b="ready", **{"a/M-1": "skipped"})
    task = p.run.tasks["a/M-1"]
    assert (task.output, task.reason) == (None, "withdrawn by 'a'")
    assert p.grow("a", *less("a/M-1")) == [], "twice is harmless"
    assert p.next() == "b"
    p.ok("a", "b", "c")
    p.ended("succeeded")


def test_the_order_stays_what_it_was(play: type[Play]) -> None:
    """What runs after a withdrawn task still runs after all that was in front of that."""
    p = open_run(play)
    p.grow("a", new("M", after="b"), new("N", after="a/M-1"), new("K", after="a/N-1", before="c"))
    p.grow("a", *less("a/M-1", "a/N-1"))
    p.is_(**{"a/K-1": "pending"}, c="pending")
    assert why(p.run, "a/K-1")[0].blockers == ("b",)
    p.ok("b")
    p.is_(**{"a/K-1": "ready"}, c="pending")
    p.say(c.Settle(task="b", state=p.run.tasks["a"].state.FAILED, by="me"))
    p.is_(**{"a/K-1": "upstream_failed"}, c="upstream_failed")
    p.say(c.Settle(task="b", state=p.run.tasks["a"].state.SUCCEEDED, by="me"))
    p.is_(**{"a/K-1": "ready", "a/M-1": "skipped"}, c="pending")


def test_a_failure_in_front_of_it_passes_through(play: type[Play]) -> None:
    p = open_run(play)
    p.grow("a", new("M", after="b", before="c"), *less("a/M-1"))
    p.fail("b")
    p.is_(c="upstream_failed", **{"a/M-1": "skipped"})
    p.grow("a", new("N", after="a/M-1"))
    p.is_(**{"a/N-1": "upstream_failed"})
    p.ok("a")
    p.ended("failed")


def test_what_its_creations_created_may_be_taken_back_too(play: type[Play]) -> None:
    p = open_run(play)
    p.grow("a", new("M", key="m"))
    p.begin("a/m")
    p.grow("a/m", new("N", key="n"), new("N", key="o"))
    p.grow("a", *less("a/m/n"))
    p.ok("a/m")
    p.grow("a", *less("a/m/o"))
    assert {name for name, state in p.states.items() if state == "skipped"} == {"a/m/n", "a/m/o"}


def test_a_person_takes_back_what_was_created(play: type[Play]) -> None:
    p = open_run(play)
    p.grow("a", new("M"))
    p.say(new("N"))
    p.say(c.Withdraw(task="a/M-1"))
    p.say(c.Withdraw(task="N"))
    assert p.run.tasks["N"].reason == "withdrawn by a person"
    p.ok("a", "b", "c")
    p.ended("succeeded")


# --- promises ---


def test_it_counts_against_no_guard(play: type[Play]) -> None:
    p = open_run(play, promises=("at most 2 M", "at most 9 tasks", "at most 1 N by a"))
    p.grow("a", new("M"), new("M"), *less("a/M-1"))
    guards = p.run.growth.guards.tasks
    assert [guards[key].count for key in (("M", None), ("*", None), ("N", "a"))] == [1, 4, 0]
    p.grow("a", new("M"))
    p.grow("a", c.Promise(text="at most 1 K by a"), new("K"), *less("a/K-1"), new("K"))
    said = p.breaks("a", new("K"))
    assert said.text == "at most 1 K by a"


def test_a_promise_that_is_made_later_does_not_count_it(play: type[Play]) -> None:
    p = open_run(play)
    p.grow("a", new("M"), new("M"), *less("a/M-1"))
    p.grow("a", c.Promise(text="at most 1 M"), c.Promise(text="at most 1 M by a"))
    assert p.breaks("a", new("M")).text == "at most 1 M"


@pytest.mark.parametrize("promise", ["no new M", "no new tasks", "sealed", "no new M by a"])
def test_no_new_ones_means_that_none_comes_instead_of_it(play: type[Play], promise: str) -> None:
    p = open_run(play)
    p.grow("a", new("M"), new("M"), c.Promise(text=promise))
    p.grow("a", *less("a/M-1"))
    assert p.breaks("a", new("M")).text == promise


def test_what_is_owed_without_it_must_come_from_somebody(play: type[Play]) -> None:
    p = open_run(play)
    p.grow("a", new("M"), c.Promise(text="at least 1 M"), *less("a/M-1"))
    assert p.run.growth.guards.owed
    p.ok("b", "c")
    p.ok("a")
    assert p.broken().text == "at least 1 M"


def test_taking_back_what_nobody_could_create_again_breaks_the_promise(play: type[Play]) -> None:
    p = holed(play, "M* & N*")
    p.grow("A", new("M"), new("M"), c.Promise(text="exactly 2 M"))
    assert p.breaks("A", *less("A/M-1")).text == "exactly 2 M"


def test_who_takes_back_whom_a_promise_is_about_breaks_it(play: type[Play]) -> None:
    """A task that failed is excused; one that was taken back is not."""
    p = open_run(play)
    p.grow("a", new("M", key="m"), c.Promise(text='at least 1 N by "a/m"'))
    assert p.breaks("a", *less("a/m")).text == 'at least 1 N by "a/m"'


def test_the_ceiling_counts_it(play: type[Play]) -> None:
    """Who creates and takes back for ever is stopped as well."""
    p = play({"a": ""}, max_tasks=5)
    p.begin("a")
    for _ in range(4):
        p.grow("a", new("M"))
        p.grow("a", *less(list(p.run.tasks)[-1]))
    assert "max_tasks" in p.breaks("a", new("M")).text


# --- places ---


def test_its_place_in_a_map_is_free_again(play: type[Play]) -> None:
    p = holed(play, "M{1,3}")
    p.grow("A", new("M"), new("M"))
    assert p.open_parts() == {"h": "M?"}
    p.grow("A", *less("A/M-1"))
    assert p.open_parts() == {"h": "M{0,2}"}
    p.grow("A", *less("A/M-2"))
    assert p.open_parts() == {"h": "M{1,3}"}
    assert p.run.holes["h"].tasks == []
    p.grow("A", new("M"), new("M"), new("M"))
    p.ok("A", "A/M-3", "A/M-4", "A/M-5", "B")
    p.ended("succeeded")


def test_what_must_come_must_come_again(play: type[Play]) -> None:
    p = holed(play, "M+")
    p.grow("A", new("M"), *less("A/M-1"))
    p.ok("A")
    assert p.broken().text == "M+ in 'h'"


def test_a_map_of_alternatives_and_one_in_an_instance_give_places_back(play: type[Play]) -> None:
    p = holed(play, "(N | J)* & (K -> M*)*")
    p.grow("A", new("N"), new("J"), new("K", key="k"), new("M"), *less("A/N-1", "A/M-1"))
    p.refused("refused", "A", *less("A/k"))
    assert p.run.holes["h"].tasks == ["A/J-1", "A/k"]
    assert p.open_parts()["h/K/A/k/M"] == "M*"


def test_the_round_that_it_began_goes_on_without_it(play: type[Play]) -> None:
    p = holed(play, "loop(M*)")
    p.grow("A", new("M", key="m"), *less("A/m"))
    assert "h/A/m/M" in p.open_parts()
    p.grow("A", c.CloseHole(hole="h"))
    assert p.open_parts() == {}
    p.ok("A", "B")
    p.ended("succeeded")


def test_what_is_closed_stays_closed(play: type[Play]) -> None:
    """Whatever waits for it was told that nothing more comes."""
    p = holed(play, "M{0,2}")
    p.grow("A", new("M"), new("M"))
    p.grow("A", *less("A/M-1"))
    assert p.open_parts() == {}
    p.ok("A", "A/M-2")
    p.is_(B="ready")


def test_a_closed_map_keeps_as_many_as_it_needs(play: type[Play]) -> None:
    p = holed(play, "M{1,2}")
    p.grow("A", new("M"), new("M"), *less("A/M-1"))
    why = p.refused("closed", "A", *less("A/M-2"))
    assert "its place in the hole 'h' (M{1,2}), which is closed, and 1 must have come" in why


@pytest.mark.parametrize(
    ("shape", "labels", "which"),
    [
        ("N -> M", "N M", "A/M-1"),
        ("N | J", "N", "A/N-1"),
        ("loop(N)", "N N", "A/N-2"),
        ("(N -> M)*", "N M", "A/N-1"),
        ("(N & M)*", "N", "A/N-1"),
    ],
)
def test_steps_choices_and_rounds_stay(
    play: type[Play], shape: str, labels: str, which: str
) -> None:
    p = holed(play, shape)
    p.grow("A", *map(new, labels.split()))
    why = p.refused("refused", "A", *less(which))
    assert f"its place in the hole 'h' ({shape})" in why.replace("{1,}", "")
    assert "what stands alone in a map" in why


def test_in_dots_it_leaves_and_owns_them_no_more(play: type[Play]) -> None:
    p = holed(play, "...")
    p.grow("A", new("M"), new("N", after="A/M-1"))
    assert p.owners() == {"h": "A A/M-1 A/N-1"}
    p.grow("A", *less("A/M-1"))
    assert p.owners() == {"h": "A A/N-1"}
    p.is_(**{"A/N-1": "pending"})
    p.ok("A")
    p.is_(**{"A/N-1": "ready"})


def test_its_own_holes_close_if_they_may(play: type[Play]) -> None:
    p = open_run(play)
    p.grow("a", new("w", key="w"), new("v", key="v"))
    p.grow("a", c.OpenHole(shape="M*", hole="h", before=("b",)), c.GiveHole(hole="h", to="a/w"))
    p.grow("a", c.OpenHole(shape="M+", hole="i", before=("b",)), c.GiveHole(hole="i", to="a/v"))
    p.grow("a", *less("a/w"))
    assert p.owners() == {"i": "a/v"}
    why = p.refused("refused", "a", *less("a/v"))
    assert "it owns 'i', into which M+ must still come" in why


# --- what is refused ---


def test_what_has_begun_is_settled_unknown_or_not_ones_own_is_refused(play: type[Play]) -> None:
    p = open_run(play)
    p.begin("b")
    p.grow("a", new("M", key="m"), new("M", key="n"), new("M", key="o"))
    p.begin("a/m")
    p.ok("a/n")
    assert "it has begun already, it is running" in p.refused("started", "a", *less("a/m"))
    assert "it is succeeded" in p.refused("started", "a", *less("a/n"))
    assert "has no task 'x'" in p.refused("unknown", "a", *less("x"))
    for name in ("a/o", "a", "c"):
        speaker = "b" if name == "a/o" else "a"
        said = p.refused("refused", speaker, *less(name))
        assert f"{name!r} of run 'r' cannot be withdrawn: it was not created by" in said
    assert "settle it as skipped" in p.refused("refused", None, *less("c"))
    p.refused("unknown", "a", *less("a/o", "x"))
    p.is_(**{"a/o": "ready"})


def test_nothing_more_is_done_with_it(play: type[Play]) -> None:
    p = open_run(play)
    p.grow("a", new("M"), *less("a/M-1"))
    failed = p.run.tasks["a"].state.FAILED
    for command in (c.Restart(task="a/M-1"), c.Settle(task="a/M-1", state=failed)):
        with pytest.raises(Exception, match=r"it was withdrawn by 'a'; restart 'a'"):
            p.say(command)
    p.refused("refused", "a", c.Again(task="a/M-1"))
    p.refused("started", "a", c.AddEdge(source="b", target="a/M-1"))
    assert "give the new one another key" in p.refused("exists", "a", new("M", key="M-1"))
    p.grow("a", new("M"))
    assert "a/M-2" in p.run.tasks


# --- attempts that fail, restarts, and another engine ---


def test_it_is_undone_with_its_attempt(play: type[Play]) -> None:
    """So are the creations of that attempt; what a person took back stays so."""
    p = open_run(play, promises=("at most 2 M",))
    p.grow("a", new("w", key="w"))
    p.grow("a", new("M", key="m", before="c"))
    p.begin("b")
    p.say(new("M", key="n"))
    p.say(c.Withdraw(task="n"))
    p.grow("a", *less("a/m"))
    p.is_(c="ready")
    p.fail("a")
    p.is_(c="ready", n="skipped")
    assert list(p.run.tasks) == ["a", "b", "c", "n"]


def holder(play: type[Play]) -> Play:
    """Return a run in which `a` has created w, and w m; it has tried once more since."""
    p = open_run(play)
    p.grow("a", new("w", key="w"))
    p.begin("a/w")
    p.grow("a/w", new("M", key="m"))
    anew(p, "a")
    return p


def test_what_was_taken_back_comes_back_where_nothing_counts_on_it(play: type[Play]) -> None:
    p = holder(play)
    p.grow("a", *less("a/w/m"))
    p.is_(**{"a/w/m": "skipped"})
    p.fail("a")
    p.is_(**{"a/w/m": "ready"})
    p.recover()
    p.ok("a/w", "a/w/m")
    p.due("retry", "a", at=p.now + 1000)
    p.ok("a", "b", "c")
    p.ended("succeeded")


def test_it_stays_where_somebody_counts_on_it(play: type[Play]) -> None:
    p = holder(play)
    p.grow("a", *less("a/w/m"))
    p.grow("a/w", c.Promise(text="no new M"))
    p.fail("a")
    p.is_(**{"a/w/m": "skipped"})
    p.due("retry", "a", at=p.now + 1000)
    p.begin("a")
    assert p.grow("a", *less("a/w/m")) == []


def test_what_comes_back_behind_a_failure_fails_with_it(play: type[Play]) -> None:
    p = open_run(play)
    p.grow("a", new("w", key="w"))
    p.begin("a/w")
    p.grow("a/w", new("M", key="m", after="b"))
    anew(p, "a")
    p.grow("a", *less("a/w/m"))
    p.fail("b")
    p.is_(**{"a/w/m": "skipped"})
    p.fail("a")
    p.is_(**{"a/w/m": "upstream_failed"})


def test_a_restart_of_its_creator_begins_without_it(play: type[Play]) -> None:
    p = open_run(play, promises=("at most 2 M",))
    p.grow("a", new("M", key="m"), new("M", key="n"), *less("a/m"))
    p.ok("a")
    p.say(c.Restart(task="a"))
    assert list(p.run.tasks) == ["a", "b", "c"]
    p.begin("a")
    p.grow("a", new("M", key="m"), new("M", key="n"))
    p.is_(**{"a/m": "ready", "a/n": "ready"})


def test_a_restart_in_front_of_it_leaves_it_withdrawn(play: type[Play]) -> None:
    p = open_run(play)
    p.grow("a", new("M", after="b", before="c"), *less("a/M-1"))
    p.ok("b", "c")
    p.say(c.Restart(task="b"))
    p.is_(b="ready", c="pending", **{"a/M-1": "skipped"})
    p.ok("b")
    p.is_(c="ready")
    assert [p.run.tasks[name].generation for name in ("b", "c", "a/M-1")] == [2, 2, 1]


def test_one_that_is_created_anew_is_not_withdrawn_by_what_was_said_before(
    play: type[Play],
) -> None:
    p = open_run(play)
    p.grow("a", new("w", key="w"))
    p.begin("a/w")
    p.grow("a/w", new("M", key="m"))
    p.grow("a", *less("a/w/m"))
    p.ok("a/w")
    p.say(c.Restart(task="a/w"))
    p.begin("a/w")
    p.grow("a/w", new("M", key="m"))
    p.is_(**{"a/w/m": "ready"})
    p.fail("a")
    p.is_(**{"a/w/m": "ready"})


def test_a_definition_begins_with_nothing_withdrawn() -> None:
    created = ev.RunCreated(at=0.0, run="r", spec=WorkflowSpec(name="w"))
    assert not any(task.withdrawn for task in start(created)[0].tasks.values())
