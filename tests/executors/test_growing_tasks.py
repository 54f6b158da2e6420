"""Workflows that grow out of Python tasks which use no helper: lines of JSON, one at a time."""

from __future__ import annotations

# ruff: noqa: E501 - one refusal a line
import json
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest

import callboard as cb
from callboard.definitions import loads

TALK = """\
import json, sys
start = json.loads(sys.stdin.readline())
def say(type, **fields):
    print(json.dumps({"type": type, **fields}), flush=True)
def ask(type, **fields):
    say(type, id=1, **fields)
    return json.loads(sys.stdin.readline())
"""

WORK = """\
say("success", output=start["inputs"].get("n"))
"""

JOIN = """\
say("success", output=[each["output"] for each in start["needs"].values()])
"""


@pytest.fixture
async def engine() -> AsyncIterator[cb.Engine]:
    """An engine in memory; processes need real time."""
    async with cb.Engine("memory:", board=False, grace=0.1) as opened:
        yield opened


def flow(folder: Path, flow: str, scripts: dict[str, str], **more: Any) -> cb.WorkflowSpec:
    """Return a definition with a task for each script, done one at a time."""
    for name, script in scripts.items():
        (folder / f"{name}.py").write_text(TALK + textwrap.dedent(script))
    tasks = [{"name": name, "python": f"{name}.py"} for name in scripts]
    described = {"flow": flow, "tasks": tasks, "concurrency": 1, **more}
    return loads(json.dumps(described), "w.json", folder)


async def done(engine: cb.Engine, spec: cb.WorkflowSpec, **inputs: Any) -> cb.RunResult:
    with anyio.fail_after(60):
        return await engine.run(spec, inputs)


async def test_what_is_determined_beforehand(engine: cb.Engine, tmp_path: Path) -> None:
    result = await done(engine, flow(tmp_path, "A -> B", {"A": WORK, "B": WORK}))
    assert (result.state, result.order) == ("succeeded", ("a", "b"))


@pytest.mark.parametrize("choice", ["B", "C"])
async def test_one_of_two(engine: cb.Engine, tmp_path: Path, choice: str) -> None:
    """The branch is chosen by a task; the other one never exists."""
    script = f"""
        reply = ask("add_task", name="{choice}", key="x")
        say("success", output=reply["task"])
        """
    scripts = {"A": script, "B": WORK, "C": WORK, "D": WORK}
    result = await done(engine, flow(tmp_path, "A -> (B | C) -> D", scripts))
    assert result.state == "succeeded"
    assert result.order == ("a", "a/x", "d")
    assert result.tasks["a"].output == "a/x"
    assert result.tasks["a/x"].label == choice


@pytest.mark.parametrize("count", [0, 1, 2, 20])
async def test_as_many_as_there_are(engine: cb.Engine, tmp_path: Path, count: int) -> None:
    script = f"""
        for n in range({count}):
            assert ask("add_task", name="M", **{{"with": {{"n": n}}}})["ok"]
        say("success")
        """
    spec = flow(tmp_path, "A -> M* -> B", {"A": script, "M": WORK, "B": JOIN})
    result = await done(engine, spec)
    assert result.state == "succeeded"
    assert result.tasks["b"].output == list(range(count))
    assert result.order == ("a", *(f"a/M-{n + 1}" for n in range(count)), "b")


async def test_the_start_line_tells_what_may_be_filled(engine: cb.Engine, tmp_path: Path) -> None:
    scripts = {"A": 'say("success", output=start["holes"])', "M": WORK, "N": WORK}
    result = await done(engine, flow(tmp_path, "A -> (M* & N?)", scripts))
    assert result.tasks["a"].output == [{"id": "M", "shape": "M*"}, {"id": "N", "shape": "N?"}]


async def test_every_word_of_the_protocol(engine: cb.Engine, tmp_path: Path) -> None:
    """In an open run; each reply says what was made, and later lines wait for earlier ones."""
    script = """
        replies = [
            ask("add_task", name="X", after=["a"], shell="true"),
            ask("add_task", name="Y", key="y", after=["a/X-1"], python="B.py", before=["b"]),
            ask("add_edge", **{"from": "a", "to": "a/y"}),
            ask("hole", shape="Z*", after=["a"], before=["b"]),
            ask("give", hole="Z", to="a/y"),
            ask("hole", shape="W*"),
            ask("close", hole="W"),
            ask("add_task", name="T", key="t", after=["a"], shell="exit 3", before=["b"]),
            ask("withdraw", task="a/t"),
            ask("promise", text="at most 10 tasks"),
            ask("style", task="a/y", color="red"),
            ask("style", edge=["a", "a/y"], label="then"),
            ask("batch", commands=[
                {"type": "add_task", "name": "V", "shell": ["true"]},
                {"type": "promise", "text": "no new V"},
                {"type": "hole", "shape": "U?"},
            ]),
        ]
        if start["generation"] == 1:
            replies.append(ask("again", task="a"))
        say("success", output=replies)
        """
    flow(tmp_path, "a -> B", {"a": script, "B": WORK})
    spec = loads(
        json.dumps({"tasks": [{"name": "a", "python": "a.py"}, {"name": "b", "needs": "a"}]}),
        "w.json",
        tmp_path,
    )
    result = await done(engine, spec)
    assert result.state == "succeeded", result.tasks
    task = result.tasks["a"]
    assert task.generation == 2
    replies = [{k: v for k, v in each.items() if k not in ("type", "id")} for each in task.output]
    assert replies == [
        {"ok": True, "task": "a/X-1"},
        {"ok": True, "task": "a/y"},
        {"ok": True},
        {"ok": True, "hole": "Z"},
        {"ok": True},
        {"ok": True, "hole": "W"},
        {"ok": True},
        {"ok": True, "task": "a/t"},
        *[{"ok": True}] * 4,
        {"ok": True, "results": [{"task": "a/V-1"}, {}, {"hole": "U"}]},
    ]
    assert {hole.id for hole in result.holes} == {"Z", "W", "U"}
    taken_back = result.tasks["a/t"]
    assert (taken_back.state, taken_back.reason) == ("skipped", "withdrawn by 'a'")


async def test_what_is_given_is_data_and_no_expression(engine: cb.Engine, tmp_path: Path) -> None:
    """Whatever a task has read somewhere may be passed on: nothing in it is evaluated."""
    odd = {"n": ["${{ secrets.HOME }}", {"$task": "a", "$refs": 1}]}
    script = f"""
        ask("add_task", name="M", **{{"with": {odd!r}}})
        ask("add_task", name="N", python="M.py", env={{"X": "${{{{ secrets.HOME }}}}"}})
        say("success")
        """
    scripts = {"A": script, "M": WORK, "N": WORK}
    result = await done(engine, flow(tmp_path, "A -> (M & N?)*", scripts))
    assert result.state == "succeeded"
    assert result.tasks["a/M-1"].output == odd["n"]


# --- what is refused, and what is broken ----------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "kind", "message"),
    [
        ({"type": "add_edge", "from": "b", "to": "a"}, "started", "it has begun"),
        ({"type": "hole", "shape": "M* & M*"}, "ambiguous", 'label "M" fits two places'),
        ({"type": "hole", "shape": "M* ->"}, "invalid", "found the end"),
        ({"type": "give", "hole": "X", "to": "b"}, "refused", "cannot create tasks"),
        ({"type": "close", "hole": "X"}, "unknown", "no hole 'X'"),
        ({"type": "withdraw", "task": "b"}, "refused", "it was not created by 'a'"),
        ({"type": "withdraw", "task": "x"}, "unknown", "no task 'x'"),
        ({"type": "promise", "text": "at most 1 tasks"}, "promise_refused", "is untrue"),
        ({"type": "style", "label": "x"}, "invalid", "style takes a task"),
        ({"type": "again", "task": "x"}, "unknown", "no task 'x'"),
        ({"type": "add_task", "name": "M", "shell": 3, "retry": {}, "needs": []}, "invalid", "needs: it has no meaning here; say after:; task 'M': retry: the key \"times\" is missing"),
        ({"type": "add_task", "name": "M", "pythn": "M.py"}, "invalid", 'unknown key "pythn"; did you mean "python"?'),
        ({"type": "add_task", "name": "M", "python": "M.py"}, "invalid", 'there is no file "M.py"'),
        ({"type": "add_task", "name": "M", "retry": {"times": 1}}, "invalid", "retry: goes with how the task is done"),
    ],
)  # fmt: skip
async def test_a_refusal_is_a_reply_and_the_attempt_goes_on(
    engine: cb.Engine, tmp_path: Path, fields: dict[str, Any], kind: str, message: str
) -> None:
    script = f'say("success", output=ask(**{fields!r})["error"])'
    (tmp_path / "a.py").write_text(TALK + script)
    text = json.dumps({"tasks": [{"name": "a", "python": "a.py"}, {"name": "b", "needs": "a"}]})
    result = await done(engine, loads(text, "w.json", tmp_path))
    assert result.state == "succeeded"
    error = result.tasks["a"].output
    assert error["kind"] == kind
    assert message in error["message"]


async def test_a_refusal_without_an_id_fails_the_attempt(engine: cb.Engine, tmp_path: Path) -> None:
    """What was refused is never silently lost."""
    script = 'say("add_edge", **{"from": "x", "to": "a"})\nsay("success")\nsys.stdin.read()'
    result = await done(engine, flow(tmp_path, "A", {"A": script}))
    error = result.tasks["a"].error
    assert error is not None
    assert (error.kind, error.message) == (
        "error",
        f"'add_edge' was refused: run {result.run!r} has no task 'x'",
    )


async def test_a_batch_is_all_or_nothing(engine: cb.Engine, tmp_path: Path) -> None:
    script = """
        reply = ask("batch", commands=[
            {"type": "add_task", "name": "M"}, {"type": "close", "hole": "X"},
        ])
        say("success", output=reply["error"]["kind"])
        """
    result = await done(engine, flow(tmp_path, "A -> M*", {"A": script, "M": WORK}))
    assert result.tasks["a"].output == "unknown"
    assert list(result.tasks) == ["a"]


@pytest.mark.parametrize("end", ["sys.exit(0 if reply['ok'] else 3)", "sys.stdin.read()"])
async def test_a_broken_promise_is_told_and_ends_the_run(
    engine: cb.Engine, tmp_path: Path, end: str
) -> None:
    script = f"""
        ask("add_task", name="M")
        reply = ask("add_task", name="M")
        assert reply["error"]["kind"] == "promise_broken", reply
        {end}
        """
    more = {"promises": ["at most 1 M"]}
    spec = flow(tmp_path, "A -> M* -> B", {"A": script, "M": WORK, "B": WORK}, **more)
    result = await done(engine, spec)
    assert result.state == "promise_broken"
    assert sorted(result.tasks) == ["a", "a/M-1", "b"]
    error = result.tasks["a"].error
    assert error is not None
    assert error.kind == "promise_broken"
    assert (error.detail["task"], error.detail["attempt"]) == ("a", 1)


async def test_who_breaks_a_promise_is_killed_whatever_time_it_has_to_stop(
    engine: cb.Engine, tmp_path: Path
) -> None:
    script = """
        import signal
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        ask("add_task", name="M")
        while True:
            sys.stdin.readline()
        """
    flow(tmp_path, "A -> M* -> B", {"A": script, "M": WORK, "B": WORK})
    patient = [{"name": "A", "python": "A.py", "stop": {"grace": "1h", "term": "1h"}}]
    tasks = [*patient, {"name": "M", "python": "M.py"}, {"name": "B", "python": "B.py"}]
    described = {"flow": "A -> M* -> B", "tasks": tasks, "promises": ["no new M"]}
    spec = loads(json.dumps(described), "w.json", tmp_path)
    assert (await done(engine, spec)).state == "promise_broken"


async def test_what_must_still_come_breaks_the_promise_when_its_owner_ends(
    engine: cb.Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spec = flow(tmp_path, "A -> (B | C) -> D", {"A": WORK, "B": WORK, "C": WORK, "D": WORK})
    result = await done(engine, spec)
    assert result.state == "promise_broken"
    assert "B | C must still come" in (result.reason or "")
    assert caplog.messages == []


async def test_a_retried_attempt_creates_nothing_twice(engine: cb.Engine, tmp_path: Path) -> None:
    script = """
        for n in range(3):
            ask("add_task", name="M", **{"with": {"n": n}})
        sys.exit(1 if start["attempt"] == 1 else 0)
        """
    scripts = {"A": script, "M": WORK, "B": JOIN}
    spec = flow(tmp_path, "A -> M* -> B", scripts)
    tasks = [
        {"name": name, "python": f"{name}.py", "retry": {"times": 2, "delay": "10ms"}}
        for name in scripts
    ]
    text = json.dumps({"flow": "A -> M* -> B", "tasks": tasks})
    spec = loads(text, "w.json", tmp_path)
    result = await done(engine, spec)
    assert result.tasks["a"].attempts == 2
    assert result.tasks["b"].output == [0, 1, 2]


async def test_the_helper_says_the_same(engine: cb.Engine, tmp_path: Path) -> None:
    script = """
from callboard import child
with child.connect() as task:
    with task.batch() as made:
        for n in range(2):
            task.add("M", with_={"n": n})
        task.promise("no new M")
    try:
        task.again("x")
    except child.Refused as refused:
        task.success([made, refused.kind, task.holes])
"""
    (tmp_path / "A.py").write_text(script)
    scripts = {"M": WORK, "B": JOIN}
    for name, text in scripts.items():
        (tmp_path / f"{name}.py").write_text(TALK + text)
    tasks = [{"name": name, "python": f"{name}.py"} for name in "AMB"]
    described = json.dumps({"flow": "A -> M* -> B", "tasks": tasks})
    result = await done(engine, loads(described, "w.json", tmp_path))
    assert result.state == "succeeded"
    assert result.tasks["a"].output == [
        ["a/M-1", "a/M-2", None],
        "unknown",
        [{"id": "M", "shape": "M*"}],
    ]
    assert result.tasks["b"].output == [0, 1]
