"""Looking at runs and definitions; none of it changes or makes a store."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import Cli

FLOW = """
inputs: {n: {type: integer, default: 3}}
tasks:
  - {name: Say It, shell: "echo out; echo err >&2"}
  - {name: Wrong, needs: [Say It], shell: "exit 7"}
  - {name: Below, needs: [Wrong]}
"""


@pytest.fixture
def run(cli: Cli) -> str:
    """Leave a run that failed, named r-1."""
    Path("flow.yaml").write_text(FLOW)
    assert cli("run", "flow.yaml", "--run-id", "r-1").code == 1
    return "r-1"


@pytest.mark.parametrize("command", ["runs", "show", "events", "logs", "why", "picture", "resume"])
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_no_command_makes_a_store_where_there_is_none(cli: Cli, command: str, backend: str) -> None:
    done = cli(command, "--backend", backend)
    assert done.code == 4
    assert "no store at " in done.err
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.parametrize("words", [["show", "x"], ["pause", "x"], ["resume", "x"], ["why", "x"]])
def test_an_unknown_run_is_named(cli: Cli, run: str, words: list[str]) -> None:
    done = cli(*words)
    assert done.code == 2
    assert "there is no run 'x'" in done.err


def test_no_run_is_called_by_what_is_no_unicode(cli: Cli, run: str) -> None:
    done = cli("show", "\udcff")
    assert done.code == 2
    assert r"there is no run '\udcff'" in done.err


def test_that_more_runs_are_meant_than_are_named_is_shown(cli: Cli) -> None:
    Path("flow.yaml").write_text("tasks: []")
    names = [f"r-{number:02}" for number in range(11)]
    for count, name in enumerate(names, 1):
        assert cli("run", "flow.yaml", "--run-id", name).code == 0
        if count >= 10:
            done = cli("show", "r")
            assert done.code == 2
            more = ", …" if count > 10 else ""
            told = f"error: several runs begin with 'r': {', '.join(names[:10])}{more}\n"
            assert done.err == told


def test_a_store_in_memory_holds_nothing_for_another_process(cli: Cli) -> None:
    done = cli("show", "--store", "memory:")
    assert done.code == 2
    assert "--store" in done.err


def test_runs_are_listed_newest_first(cli: Cli, run: str) -> None:
    cli("run", "flow.yaml", "--run-id", "r-2")
    listed = cli("runs", "--json").json()
    assert [each["run"] for each in listed] == ["r-2", "r-1"]
    assert {each["state"] for each in listed} == {"failed"}
    head, first, second = cli("runs").out.splitlines()
    assert head.split() == ["run", "workflow", "state", "started", "duration"]
    assert first.startswith("r-2  flow      failed")
    assert second.startswith("r-1")
    assert len(cli("runs", "--limit", "1", "--json").json()) == 1


def test_show_takes_the_latest_or_the_beginning_of_an_id(cli: Cli, run: str) -> None:
    cli("run", "flow.yaml", "--run-id", "other")
    assert cli("show", "--json").json()["run"] == "other"
    assert cli("show", "r", "--json").json()["run"] == "r-1"
    cli("run", "flow.yaml", "--run-id", "r-2")
    several = cli("show", "r")
    assert (several.code, "r-1, r-2" in several.err) == (2, True)
    assert cli("show", "r-1", "--json").json()["run"] == "r-1"


def test_show_is_the_result_for_machines_and_a_table_for_people(cli: Cli, run: str) -> None:
    result = cli("show", run, "--json").json()
    assert list(result) == [
        *("run", "workflow", "state", "paused", "reason", "started_at", "ended_at", "inputs"),
        *("output", "tasks", "order", "holes", "promises", "frontier", "boundary"),
    ]
    assert result["inputs"] == {"n": 3}
    assert result["tasks"]["wrong"]["error"]["kind"] == "exit"
    table = cli("show", run).out
    for text in ("flow  r-1  failed", "Say It", "upstream_failed", 'inputs: {"n": 3}'):
        assert text in table


def test_a_large_run_is_shown_as_quickly_as_it_is_run(cli: Cli) -> None:
    tasks = [{"name": f"t{n}", "needs": [f"t{n // 2}"] if n else []} for n in range(3000)]
    Path("large.json").write_text(json.dumps({"tasks": tasks}))
    assert cli("run", "large.json", "--no-progress").code == 0
    lines = cli("show").out.splitlines()
    assert len(lines) == 2 + len(tasks)


def test_events_tell_everything_in_order(cli: Cli, run: str) -> None:
    told = cli("events", run, "--json").lines()
    assert [each["number"] for each in told] == list(range(1, len(told) + 1))
    assert told[0]["kind"] == "run_created"
    assert told[0]["at"].endswith("Z")
    assert told[-1] | {"at": None} == {
        "number": len(told),
        "kind": "run_ended",
        "at": None,
        "state": "failed",
        "reason": told[-1]["reason"],
        "output": None,
    }
    lines = cli("events", run).out.splitlines()
    assert len(lines) == len(told)
    assert "run created from flow with 3 tasks" in lines[0]
    assert any("Say It: attempt 1 started by" in line for line in lines)


def test_logs_are_what_tasks_wrote(cli: Cli, run: str) -> None:
    assert {(each["stream"], each["text"]) for each in cli("logs", run, "--json").lines()} == {
        ("stdout", "out"),
        ("stderr", "err"),
    }
    assert "say-it  stdout    out" in cli("logs", "latest", "Say It").out
    assert cli("logs", run, "wrong").out == ""
    unknown = cli("logs", run, "Say I")
    assert (unknown.code, "did you mean 'Say It'?" in unknown.err) == (2, True)


def test_check_finds_the_store_sound_and_migrate_up_to_date(cli: Cli, run: str) -> None:
    checked = cli("store", "check", "--json")
    assert checked.code == 0
    assert checked.json()["runs"] == 1
    assert checked.json()["problems"] == []
    assert "sound" in cli("store", "check").out
    assert "up to date" in cli("store", "migrate").out


def test_check_finds_a_row_that_its_events_do_not_tell_of(cli: Cli, run: str) -> None:
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect("callboard.db")) as database, database:
        database.execute("UPDATE tasks SET state = 'succeeded' WHERE task = 'wrong'")
    checked = cli("store", "check")
    assert checked.code == 4
    assert "task wrong: its events say failed, its row says succeeded" in checked.err


def test_a_closed_pipe_is_no_error(run: str) -> None:
    shell = f"{sys.executable} -m callboard events {run} | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


# --- definitions ---------------------------------------------------------------------------------


def test_validate_sums_a_workflow_up(cli: Cli) -> None:
    Path("flow.yaml").write_text(FLOW)
    done = cli("validate", "flow.yaml")
    assert done.code == 0
    assert "3 tasks (2 shell, 1 step), 2 edges, 3 levels" in done.out
    assert "critical path: say-it → wrong → below" in done.out
    summary = cli("validate", "flow.yaml", "--json").json()
    assert summary["valid"] is True
    assert summary["levels"] == [["say-it"], ["wrong"], ["below"]]


def test_validate_gives_all_errors(cli: Cli) -> None:
    Path("flow.yaml").write_text("tasks: [{name: A, needs: [B], colour: red}]")
    done = cli("validate", "flow.yaml")
    assert done.code == 2
    assert len(done.err.splitlines()) == 2
    as_json = cli("validate", "flow.yaml", "--json")
    assert as_json.code == 2
    assert as_json.json() == {"valid": False, "errors": done.err.splitlines()}


def test_strict_refuses_lonely_tasks_and_separate_parts(cli: Cli) -> None:
    Path("flow.yaml").write_text(
        "tasks: [{name: A}, {name: B, needs: [A]}, {name: C}, {name: D, needs: [C]}, {name: E}]"
    )
    assert cli("validate", "flow.yaml").code == 0
    done = cli("validate", "flow.yaml", "--strict")
    assert done.code == 2
    assert 'task "e" has no edge to any other' in done.err
    assert "2 separate parts" in done.err
    Path("one.yaml").write_text("tasks: [{name: A}]")
    assert cli("validate", "one.yaml", "--strict").code == 0


def test_schema_is_json(cli: Cli) -> None:
    done = cli("schema")
    assert done.code == 0
    assert "tasks" in json.loads(done.out)["properties"]


# --- the program ---------------------------------------------------------------------------------


def test_help_needs_nothing_but_click() -> None:
    heavy = "rich", "anyio", "callboard.engine", "callboard.definitions", "aiosqlite", "trio"
    code = (
        "import sys; from callboard.cli import main; assert 'click' not in sys.modules; "
        f"main(['--help']); print(*[m for m in {heavy!r} if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Usage: callboard" in done.stdout
    assert done.stderr.strip() == ""


def test_the_version_is_told(cli: Cli) -> None:
    from importlib.metadata import version

    assert cli("--version").out == f"callboard, version {version('callboard')}\n"
