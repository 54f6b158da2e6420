"""``callboard.child``: what a task file can say, hear and be told, over real pipes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

START: dict[str, Any] = {
    "type": "start",
    "protocol": 1,
    "run": "run-1",
    "task": "t",
    "label": "T",
    "generation": 2,
    "attempt": 3,
    "fence": "f",
    "key": "k",
    "inputs": {"n": 1},
    "needs": {"a": {"label": "A", "output": [1]}, "b": {"label": "B", "ref": "b"}},
    "holes": [{"id": "h", "shape": "M*"}],
    "answers": ["yes"],
}
LIGHT = {"anyio", "attr", "attrs", "asyncio", "msgspec", "trio", "typing_extensions"}

Said = list[dict[str, Any]]


def yes(number: int, **fields: Any) -> dict[str, Any]:
    return {"type": "reply", "id": number, "ok": True, **fields}


def run(
    body: str, *told: dict[str, Any], start: dict[str, Any] = START
) -> tuple[int, Said, subprocess.CompletedProcess[str]]:
    """Run a file with ``body`` inside ``connect()``; return its exit code and what it said."""
    text = "\n    ".join(
        ["from callboard import child\nwith child.connect() as task:", *body.split("\n")]
    )
    given = "".join(json.dumps(line) + "\n" for line in (start, *told))
    done = subprocess.run(
        [sys.executable, "-c", text], input=given, capture_output=True, text=True, check=False
    )
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done


def said(body: str, *told: dict[str, Any], **options: Any) -> Said:
    code, lines, done = run(body, *told, **options)
    assert code == 0, done.stderr
    return lines


def test_a_task_knows_what_it_was_told() -> None:
    names = [
        "inputs",
        "holes",
        "answers",
        "run",
        "task",
        "label",
        "generation",
        "attempt",
        "fence",
        "key",
    ]
    (line,) = said(f"task.success([getattr(task, name) for name in {names}])")
    assert line["output"] == [START[name] for name in names]


def test_outputs_in_front_are_there_and_large_ones_are_fetched_once() -> None:
    body = "n = task.needs\nlist(n), len(n), n['b'], n['b']\ntask.success([dict(n), 'c' in n])"
    get, success = said(body, yes(1, output="large"))
    assert get == {"type": "get", "id": 1, "task": "b"}
    needs = {"a": {"label": "A", "output": [1]}, "b": {"label": "B", "output": "large"}}
    assert success["output"] == [needs, False]


def test_what_says_how_it_goes_asks_for_no_reply() -> None:
    assert said(
        "task.progress(0.5, 'half', {'rows': 3})\ntask.progress()\ntask.log('hm', 'warning')\n"
        "task.heartbeat()\ntask.not_ready('later')\ntask.error('no', 'mine', 2)\ntask.success()"
    ) == [
        {"type": "progress", "fraction": 0.5, "message": "half", "data": {"rows": 3}},
        {"type": "progress"},
        {"type": "log", "level": "warning", "message": "hm"},
        {"type": "heartbeat"},
        {"type": "not_ready", "message": "later"},
        {"type": "error", "message": "no", "kind": "mine", "retry_after": 2},
        {"type": "success"},
    ]


GROWTH = """\
a = task.add("M", key="x", after=["a"], into="h", with_={"n": 1}, shell="make")
task.add_edge("a", a)
task.promise("sealed")
h = task.hole("N*", before=["b"])
task.give(h, a)
task.close("h")
task.withdraw(a)
task.style(a, color="red")
task.again("a")"""
GROWN = [
    {
        "type": "add_task",
        "name": "M",
        "key": "x",
        "after": ["a"],
        "into": "h",
        "with": {"n": 1},
        "shell": "make",
    },
    {"type": "add_edge", "from": "a", "to": "t/x"},
    {"type": "promise", "text": "sealed"},
    {"type": "hole", "shape": "N*", "after": [], "before": ["b"]},
    {"type": "give", "hole": "h2", "to": "t/x"},
    {"type": "close", "hole": "h"},
    {"type": "withdraw", "task": "t/x"},
    {"type": "style", "task": "t/x", "color": "red"},
    {"type": "again", "task": "a"},
]


def test_growth_awaits_a_reply_each() -> None:
    replies = [yes(1, task="t/x"), yes(2), yes(3), yes(4, hole="h2"), *map(yes, (5, 6, 7, 8, 9))]
    lines = said(GROWTH, *replies)
    assert [line.pop("id") for line in lines] == list(range(1, 10))
    assert lines == GROWN


def test_replies_may_come_in_any_order_and_company() -> None:
    body = "task.promise('a')\ntask.promise('b')\ntask.success(task.cancelled)"
    assert said(body, yes(2), {"type": "news"}, yes(1))[-1] == {"type": "success", "output": False}


def test_a_refusal_is_an_exception() -> None:
    error = {"kind": "promise", "message": "No new tasks."}
    body = (
        "try: task.add('M')\nexcept child.Refused as e: task.success([e.kind, e.message, str(e)])"
    )
    lines = said(body, {"type": "reply", "id": 1, "ok": False, "error": error})
    assert lines[-1]["output"] == ["promise", "No new tasks.", "No new tasks."]


def test_a_batch_is_one_message_and_nothing_if_it_fails() -> None:
    lines = said(
        "with task.batch():\n    task.promise('sealed')\n    task.again('a')\n"
        "try:\n    with task.batch():\n        task.again('b')\n        1 / 0\n"
        "except ZeroDivisionError: pass\n"
        "with task.batch(): pass\n"
        "task.promise('closed')",
        yes(1),
        yes(2),
    )
    promise, again = {"type": "promise", "text": "sealed"}, {"type": "again", "task": "a"}
    assert lines == [
        {"type": "batch", "id": 1, "commands": [promise, again]},
        {"type": "promise", "id": 2, "text": "closed"},
    ]


def test_whatever_is_printed_goes_to_the_log_and_never_into_the_protocol() -> None:
    _, lines, done = run(
        "import os, subprocess, sys\nprint('{\"type\": \"success\"}')\nsys.stdout.write('x')\n"
        "sys.stdout.flush()\nos.write(1, b'y')\nsubprocess.run(['echo', 'z'])\ntask.success(1)"
    )
    assert lines == [{"type": "success", "output": 1}]
    assert done.stderr == '{"type": "success"}\nxyz\n'


def test_nobody_else_reads_what_the_engine_says() -> None:
    body = "import subprocess\nsubprocess.run(['cat'])\ntask.promise('sealed')\ntask.success(1)"
    assert said(body, yes(1))[-1] == {"type": "success", "output": 1}


def test_after_the_block_stdout_is_stdout_again() -> None:
    text = "from callboard import child\nprint('a')\nwith child.connect(): print('b')\nprint('c')"
    done = subprocess.run(
        [sys.executable, "-c", text],
        input=json.dumps(START) + "\n",
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("a\nc\n", "b\n")


def test_nothing_said_is_nothing_sent() -> None:
    assert said("pass") == []


def test_what_is_no_unicode_is_said_as_an_escape() -> None:
    """Or it would be no JSON, and nobody would hear what went wrong."""
    _, (line,), _ = run(r"raise ValueError('cannot open caf\udce9.txt')")
    assert line["message"] == r"ValueError: cannot open caf\udce9.txt"
    assert r"caf\udce9.txt" in line["detail"]["traceback"]
    msgspec.json.decode(json.dumps(line))


def test_an_exception_is_the_error_of_the_attempt() -> None:
    code, (line,), done = run("class MyError(KeyError): pass\nraise MyError('key')")
    detail = line.pop("detail")
    assert (code, line) == (
        1,
        {"type": "error", "message": "MyError: 'key'", "kind": "error"},
    )
    assert detail["class"] == "MyError"
    assert detail["classes"] == ["MyError", "KeyError", "LookupError", "Exception"]
    assert detail["traceback"].endswith("MyError: 'key'\n")
    assert done.stderr.endswith("MyError: 'key'\n")


@pytest.mark.parametrize(("code", "expected"), [("", 0), ("3", 3)])
def test_an_exit_says_nothing(code: str, expected: int) -> None:
    assert run(f"raise SystemExit({code})")[:2] == (expected, [])


def test_what_is_no_json_is_an_error_of_the_file() -> None:
    for output in ("object()", "float('nan')"):
        code, (line,), _ = run(f"task.success({output})")
        assert (code, line["type"]) == (1, "error")


def test_a_line_that_would_be_too_long_is_not_sent() -> None:
    code, (line,), _ = run("task.success('x' * (4 << 20))")
    assert (code, line["type"]) == (1, "error")
    assert "at most 4 MiB" in line["message"]


def test_a_wait_ends_the_process_until_it_has_its_answer() -> None:
    body = "task.log(task.wait({'type': 'string'}, 'Sure?'))\ntask.pause('lunch')\n1 / 0"
    log, pause = said(body)
    assert log["message"] == "yes"
    assert pause == {"type": "pause", "message": "lunch"}
    (wait,) = said(body, start={**START, "answers": []})
    assert wait == {"type": "wait", "input": {"type": "string"}, "message": "Sure?"}


def test_connecting_within_a_connection_gives_the_same_task() -> None:
    assert said("with child.connect() as same: task.success(same is task)")[0]["output"] is True


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("", "There is no start line on stdin"),
        ('{"type": "hello"}\n', "There is no start line on stdin"),
        ('{"type": "start", "protocol": 2}\n', "The engine speaks protocol 2, this module 1."),
    ],
)
def test_a_stranger_is_told(given: str, message: str) -> None:
    text = "from callboard import child\nwith child.connect(): pass"
    done = subprocess.run(
        [sys.executable, "-c", text], input=given, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert message in done.stderr


def test_an_engine_that_is_gone_gives_no_reply() -> None:
    code, (_, error), _ = run("task.promise('sealed')")
    assert (code, error["detail"]["class"]) == (1, "ConnectionError")


@contextmanager
def talking(body: str) -> Generator[subprocess.Popen[str]]:
    """Start a file whose pipes stay open, and wait for its first message."""
    text = "\n    ".join(
        ["from callboard import child\nwith child.connect() as task:", *body.split("\n")]
    )
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen(
        [sys.executable, "-c", text], **pipes, stderr=subprocess.DEVNULL, text=True
    )
    with process:
        tell(process, START)
        assert hear(process)["type"] == "heartbeat"
        yield process


def tell(process: subprocess.Popen[str], line: dict[str, Any]) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps(line) + "\n")
    process.stdin.flush()


def hear(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    line: dict[str, Any] = json.loads(process.stdout.readline())
    return line


def test_a_cancel_is_seen_by_who_looks() -> None:
    with talking("task.heartbeat()\nwhile not task.cancelled: pass\ntask.log('tidy')") as process:
        tell(process, {"type": "cancel"})
        assert hear(process)["message"] == "tidy"
    assert process.returncode == 0


def test_a_cancel_ends_the_wait_for_a_reply() -> None:
    body = "task.heartbeat()\ntry: task.promise('x')\nfinally: task.log('tidy')"
    with talking(body) as process:
        assert hear(process)["type"] == "promise"
        tell(process, {"type": "cancel"})
        assert hear(process)["message"] == "tidy"
        assert hear(process)["kind"] == "cancelled"
    assert process.returncode == 1


def test_a_sigterm_lets_finally_blocks_run_and_a_second_one_ends_it() -> None:
    body = (
        "import time\n"
        "try:\n    task.heartbeat(); time.sleep(60)\n"
        "finally:\n    task.log(str(task.cancelled)); time.sleep(60)"
    )
    with talking(body) as process:
        process.send_signal(signal.SIGTERM)
        assert hear(process)["message"] == "True"
        process.send_signal(signal.SIGTERM)
    assert process.returncode == -signal.SIGTERM


def test_threads_may_speak_at_once() -> None:
    body = (
        "import threading\n"
        "def speak(): [task.log('x' * 5000) for _ in range(50)]\n"
        "threads = [threading.Thread(target=speak) for _ in range(4)]\n"
        "[t.start() for t in threads]; [t.join() for t in threads]"
    )
    assert len(said(body)) == 200


def test_a_task_file_imports_little() -> None:
    (line,) = said("import sys\ntask.success(sorted({m.split('.')[0] for m in sys.modules}))")
    assert not LIGHT & set(line["output"])


def test_every_message_is_one_that_the_engine_knows(tmp_path: Path) -> None:
    from callboard.executors._protocol import Message, parse_line

    replies = [yes(1, task="t/x"), yes(2), yes(3), yes(4, hole="h2"), *map(yes, range(5, 11))]
    lines = said(f"{GROWTH}\nwith task.batch(): task.again('a')\ntask.success()", *replies)
    parsed = [parse_line(json.dumps(line).encode()) for line in lines]
    assert [each.type for each in parsed if isinstance(each, Message)] == [
        line["type"] for line in lines
    ]
