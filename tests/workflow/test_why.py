"""Why tasks are not running, in words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from callboard.workflow import (
    Refused,
    Retry,
    TaskOptions,
    TaskState,
    Wait,
    commands as c,
    why,
)

if TYPE_CHECKING:
    from .conftest import Play

DIAMOND = {"a": "", "b": "a", "c": "a", "d": "b c"}


def told(p: Play, task: str | None = None) -> tuple[str, str, tuple[str, ...]]:
    reason = why(p.run, task)[0]
    assert json.loads(json.dumps(reason.to_json()))["task"] == task
    words = reason.reason.removeprefix(f"task {task!r} ").removeprefix("run 'r' ")
    return (
        reason.code,
        words.replace("1970-01-01T00:", "").replace(".000000Z", ""),
        reason.blockers,
    )


def test_a_pending_task_names_what_it_waits_for_and_its_state(play: type[Play]) -> None:
    p = play(DIAMOND)
    p.ok("a")
    p.begin("b")
    assert told(p, "d") == ("predecessors", "waits for 'b' (running) and 'c' (ready)", ("b", "c"))
    p.say(c.OpenHole(hole="h", shape="M*", before=("d",)))
    p.ok("b", "c")
    words = "waits for the hole '#h' (M* may still come from a person)"
    assert told(p, "d") == ("predecessors", words, ("#h",))
    assert told(p) == ("tasks", f"{words}; 1 task is not settled", ("#h",))


def test_many_names_are_counted(play: type[Play]) -> None:
    p = play({**dict.fromkeys("abcdefg", ""), "z": "a b c d e f g"})
    _, words, blockers = told(p, "z")
    assert words == "waits for 'a' (ready), 'b' (ready), 'c' (ready), 'd' (ready) and 3 more"
    assert len(blockers) == 7


def test_a_ready_task(play: type[Play]) -> None:
    p = play(DIAMOND)
    assert told(p, "a") == ("ready", "is ready since 00:00 and has not been started yet", ())
    p.begin("a")
    p.stopped("a")
    words = "is ready since 00:00 and has not been started yet (the attempt before: interrupted)"
    assert told(p, "a") == ("ready", words, ())
    p.say(c.Pause())
    assert told(p, "a") == ("paused", "is ready, but the run is paused", ())
    assert told(p) == ("paused", "is paused, nothing more starts", ())


def test_a_task_about_to_be_restarted(play: type[Play]) -> None:
    p = play(DIAMOND)
    p.ok("a")
    p.begin("b")
    p.say(c.Restart(task="a"))
    assert told(p, "c") == ("restarting", "begins anew when 'b' (running) has stopped", ("b",))
    words = "is running since 00:00, attempt 1; it is being stopped to begin anew"
    assert told(p, "b") == ("restarting", words, ())


@pytest.mark.parametrize(
    ("wait", "code", "words"),
    [
        (Wait(kind="input", message="well?"), "input", "waits for an answer since 00:00: well?"),
        (Wait(kind="sleep", until=60.0), "sleep", "sleeps until 01:00"),
        (
            Wait(kind="probe", until=60.0),
            "probe",
            "waits for its probe since 00:00, at most until 01:00",
        ),
        (Wait(kind="child", child="r.1"), "child", "waits for run 'r.1' since 00:00"),
    ],
)
def test_a_waiting_task(play: type[Play], wait: Wait, code: str, words: str) -> None:
    p = play(DIAMOND)
    p.say(c.BeginWait(task="a", wait=wait))
    assert told(p, "a") == (code, words, ())


def test_a_lost_task(play: type[Play]) -> None:
    p = play(DIAMOND, options={"a": TaskOptions(lost="ask")})
    p.begin("a")
    p.lose("a")
    code, words, _ = told(p, "a")
    assert code == "lost"
    assert words.startswith("waits for somebody to decide: the engine is gone: answer true")


def test_a_task_between_attempts(play: type[Play]) -> None:
    retry = Retry(times=1, delay=10, jitter=False)
    p = play(DIAMOND, options={"a": TaskOptions(retry=retry)})
    p.fail("a")
    assert told(p, "a") == ("retry", "is tried again at 00:10 after: bad", ())


def test_settled_tasks_say_why(play: type[Play]) -> None:
    p = play(DIAMOND)
    p.ok("a")
    p.fail("b")
    assert told(p, "a") == ("settled", "is succeeded since 00:00", ())
    assert told(p, "b") == ("settled", "is failed since 00:00 (error): bad", ())
    words = "is upstream_failed since 00:00: task 'b' failed"
    assert told(p, "d") == ("settled", words, ("b", "c"))
    p.say(c.Settle(task="c", state=TaskState.SKIPPED, by="me"))
    assert told(p, "c") == ("settled", "is skipped since 00:00: settled by hand by me", ())
    assert told(p) == ("settled", "has ended failed: task 'b' failed: bad", ())


def test_what_a_run_waits_for(play: type[Play]) -> None:
    p = play(DIAMOND)
    assert told(p) == ("tasks", "waits for 'a' (ready); 4 tasks are not settled", ("a",))
    p.begin("a")
    assert told(p) == ("tasks", "waits for 'a' (running); 4 tasks are not settled", ("a",))
    assert told(p, "a") == ("running", "is running since 00:00, attempt 1", ())
    assert [reason.task for reason in why(p.run)] == [None, "b", "c", "d"]
    p.say(c.Cancel(reason="enough"))
    assert told(p) == ("stopping", "waits for 'a' (running) to stop: enough", ("a",))
    words = "is running since 00:00, attempt 1; it is being stopped: enough"
    assert told(p, "a") == ("stopping", words, ())


def test_a_run_with_nothing_but_an_open_hole(play: type[Play]) -> None:
    p = play({"a": ""})
    p.say(c.OpenHole(hole="h", shape="..."))
    p.ok("a")
    assert told(p) == (
        "holes",
        "waits for the hole '#h' (... may still come from a person)",
        ("#h",),
    )


def test_there_must_be_such_a_task(play: type[Play]) -> None:
    with pytest.raises(Refused, match="no task 'x'"):
        why(play(DIAMOND).run, "x")
