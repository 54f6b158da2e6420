"""What a person sees on a terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from callboard.cli._live_table import rows
from callboard.cli._text import command, duration
from callboard.workflow import (
    Run,
    TaskSpec,
    TaskState,
    WorkflowSpec,
    events as ev,
    new_run,
)


def on_a_terminal(*words: str, **more: str) -> str:
    """Give what a command writes to a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "callboard", *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "30", **more},
    ) as process:
        os.close(theirs)
        told = bytearray()
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # Linux says so when the other side is closed.
                break
            if not piece:
                break
            told += piece
        os.close(ours)
    assert process.returncode == 0, told
    return told.decode()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_small_run_is_a_table_of_all_its_tasks(backend: str) -> None:
    Path("flow.yaml").write_text(
        'tasks: [{name: Try It, shell: "true"}, {name: B, needs: [Try It]}]'
    )
    told = on_a_terminal("run", "flow.yaml", "--backend", backend)
    for part in ("Try It", "2 of 2", "succeeded", "\x1b[?25h"):
        assert part in told
    shown = on_a_terminal("show")
    assert "\x1b[" in shown
    assert "✔" in shown


@pytest.mark.parametrize("plain", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_terminal_that_wants_no_colour_gets_none(plain: dict[str, str]) -> None:
    Path("flow.yaml").write_text('tasks: [{name: a, shell: "true"}]')
    on_a_terminal("run", "flow.yaml")
    for words in ("show", "runs"):
        assert "\x1b[" in on_a_terminal(words)
        assert "\x1b[" not in on_a_terminal(words, **plain)


def large_run(many: int) -> Run:
    """Give a run with many tasks, some of which are running."""
    tasks = tuple(TaskSpec(id=str(n), name=str(n)) for n in range(many))
    spec = WorkflowSpec(name="large", tasks=tasks)
    run = new_run(ev.RunCreated(at=0.0, run="r", spec=spec))
    for name in list(run.tasks)[::10]:
        run.active[name] = run.tasks[name]
    return run


def test_of_a_large_run_what_is_active_is_shown_as_far_as_there_is_room() -> None:
    run = large_run(1000)
    shown, more = rows(run, 12)
    assert [task.id for task in shown] == [str(10 * n) for n in range(12)]
    assert more == 88
    assert [task.state for task in rows(large_run(5), 12)[0]] == [TaskState.READY] * 5


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0 ms"),
        (0.0004, "0 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.0 s"),
        (59.9, "59.9 s"),
        (60, "1 min 0 s"),
        (3599.7, "1 h 0 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_durations_are_read_at_a_glance(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_command_lines_can_be_pasted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert command("answer", "r", "a task", "JSON", store="sqlite:///callboard.db") == (
        "callboard answer r 'a task' JSON"
    )
    assert command("resume", "r", store="sqlite:///x.db").endswith(" --store sqlite:///x.db")
    monkeypatch.setenv("CALLBOARD_STORE", "sqlite:///x.db")
    assert command("resume", "r", store="sqlite:///x.db") == "callboard resume r"
