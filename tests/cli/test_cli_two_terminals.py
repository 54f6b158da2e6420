"""Runs in one process, acted on and looked at from another one."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import Cli, Terminal

    Start = Callable[..., Terminal]

# A pipe holds each task: whoever opens its other end lets it go.
HELD = """
tasks:
  - {name: Hold, shell: "echo begun >> log; read -r _ < gate"}
  - {name: After, needs: [Hold], shell: "echo after >> log"}
"""


@pytest.fixture
def held() -> str:
    """Write a workflow whose first task ends when the gate is opened."""
    Path("flow.yaml").write_text(HELD)
    os.mkfifo("gate")
    return "flow.yaml"


def open_gate() -> None:
    """Let the task that waits at the gate end."""
    subprocess.run(["/bin/sh", "-c", "echo > gate"], check=True, timeout=20)


def events(cli: Cli, run: str) -> Iterator[str]:
    """Give the kinds of the events so far."""
    return (event["kind"] for event in cli("events", run, "--json").lines())


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_pause_and_unpause(cli: Cli, terminal: Start, held: str, backend: str) -> None:
    first = terminal("run", held, "--backend", backend)
    run = first.run
    first.expect("Hold: running")
    paused = cli("pause", run, "--backend", backend)
    assert (paused.code, paused.out) == (0, f"run {run} is paused\n")
    open_gate()
    first.expect("Hold: succeeded")
    assert "paused" in cli("runs").out
    assert "After" not in first.err
    assert cli("unpause", run[:6]).code == 0
    done = first.end()
    assert done.code == 0
    assert Path("log").read_text() == "begun\nafter\n"


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_cancel_leaves_nothing_running(cli: Cli, terminal: Start, held: str, backend: str) -> None:
    Path(held).write_text(HELD.replace("read -r", "sleep 77 & setsid sleep 77 & read -r"))
    first = terminal("run", held, "--backend", backend)
    first.expect("Hold: running")
    assert cli("cancel", first.run, "--reason", "enough").code == 0
    done = first.end()
    assert done.code == 1
    assert "cancelled" in done.out
    assert "enough" in done.out
    carried = subprocess.run(["pgrep", "-f", "^sleep 77"], capture_output=True, check=False)
    assert carried.stdout == b""
    result = cli("show", first.run, "--json").json()
    assert result["state"] == "cancelled"
    assert {task["state"] for task in result["tasks"].values()} == {"cancelled"}
    refused = cli("cancel", first.run)
    assert refused.code == 1
    assert "error: " in refused.err


def test_restart_does_the_task_and_all_behind_it_anew(cli: Cli, terminal: Start, held: str) -> None:
    first = terminal("run", held)
    run = first.run
    first.expect("Hold: running")
    assert cli("restart", run, "Hold").code == 0
    first.expect("(?s)Hold: running.*Hold: running")
    open_gate()
    assert first.end().code == 0
    tasks = cli("show", run, "--json").json()["tasks"]
    assert (tasks["hold"]["generation"], tasks["after"]["generation"]) == (2, 2)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_answer_and_settle_go_to_the_process_that_runs_it(
    cli: Cli, terminal: Start, backend: str
) -> None:
    Path("flow.yaml").write_text(
        "output: '${{ tasks.ask.output }}'\n"
        "tasks:\n"
        "  - {name: Ask, input: {message: May it go?, schema: {type: boolean}}}\n"
        "  - {name: By Others, external: {}}\n"
        "  - {name: End, needs: [Ask, By Others]}\n"
    )
    first = terminal("run", "flow.yaml", "--json", "--backend", backend)
    run = first.run
    first.expect("Ask asks: May it go?")
    first.expect(f"callboard answer {run} ask JSON")
    first.expect(f"callboard settle {run} by-others --state succeeded --output JSON")
    assert cli("answer", run, "ask", "yes").code == 2
    refused = cli("answer", run, "ask", '"yes"')
    assert (refused.code, "boolean" in refused.err) == (1, True)
    assert cli("answer", run, "nobody", "true").code == 1
    assert cli("answer", run, "ask", "true").code == 0
    again = cli("answer", run, "ask", "false")
    assert (again.code, "waits for no answer" in again.err) == (1, True)
    settled = cli("settle", run, "By Others", "--state", "succeeded", "--output", '{"n": 1}')
    assert settled.code == 0
    done = first.end()
    assert done.code == 0
    result = done.json()
    assert result["output"] is True
    assert result["tasks"]["by-others"]["output"] == {"n": 1}


def test_a_living_engine_keeps_its_run(cli: Cli, terminal: Start, held: str) -> None:
    first = terminal("run", held)
    first.expect("Hold: running")
    one = cli("resume", first.run)
    assert one.code == 4
    assert re.search(rf"process {first.process.pid} on ", one.err)
    every = cli("resume")
    assert every.code == 0
    assert f"skipped: run {first.run}" in every.err
    open_gate()
    assert first.end().code == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_first_signal_leaves_the_run_to_be_carried_on(
    cli: Cli, terminal: Start, held: str, number: signal.Signals, backend: str
) -> None:
    first = terminal("run", held, "--backend", backend)
    first.expect("Hold: running")
    first.signal(number)
    done = first.end()
    assert done.code == 130
    assert f"callboard resume {first.run}" in done.out
    assert "nobody runs it" in cli("runs").out
    shown = cli("show", first.run, "--json").json()
    assert (shown["state"], shown["tasks"]["hold"]["state"]) == ("running", "ready")
    second = terminal("resume", first.run)
    second.expect("Hold: running")
    open_gate()
    assert second.end().code == 0
    assert Path("log").read_text().endswith("begun\nafter\n")
    assert cli("show", first.run, "--json").json()["tasks"]["hold"]["attempts"] == 2
    assert cli("resume", first.run).code == 0
    assert "there is no run to carry on" in cli("resume").err


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_second_signal_stops_at_once(
    cli: Cli, terminal: Start, held: str, backend: str
) -> None:
    Path(held).write_text(
        "tasks: [{name: Hold, shell: \"trap '' TERM; echo deaf >&2; read -r _ < gate\","
        " stop: {grace: 60s}}]"
    )
    first = terminal("run", held, "--backend", backend)
    first.expect("Hold: running")
    first.signal(signal.SIGINT)
    first.expect("stopping in order")
    first.signal(signal.SIGINT)
    done = first.end()
    assert done.code == 130
    assert f"callboard resume {first.run}" in done.err
    assert cli("cancel", first.run).code == 0


def test_a_failure_workflow_is_carried_on_with_the_run_that_failed(
    cli: Cli, terminal: Start, held: str
) -> None:
    Path("fails.yaml").write_text(
        f"failure_workflow: {held}\ntasks: [{{name: A, shell: 'exit 1'}}]"
    )
    first = terminal("run", "fails.yaml", "--run-id", "r1")
    first.expect("its failure workflow runs as r1.failure")
    first.process.kill()
    first.end()
    second = terminal("resume", "r1")
    second.expect("run r1.failure of flow")
    open_gate()
    done = second.end()
    assert done.code == 1
    assert "run r1 of fails failed" in done.out
    assert "run r1.failure of flow succeeded" in done.out
    assert "r1.failure" not in cli("resume", "r1").err


def test_what_is_said_to_a_run_that_nobody_runs_is_recorded(
    cli: Cli, terminal: Start, held: str
) -> None:
    first = terminal("run", held)
    first.expect("Hold: running")
    first.process.kill()
    first.end()
    paused = cli("pause", first.run)
    assert paused.code == 0
    assert f"carry on with callboard resume {first.run}" in paused.out
    every = cli("resume")
    assert every.code == 0
    assert f"run {first.run} of flow is paused and stays so" in every.err
    assert cli("show", first.run, "--json").json()["paused"] is True
    second = terminal("resume", first.run)
    second.expect("is paused, nothing starts before")
    assert cli("unpause", first.run).code == 0
    second.expect("Hold: running")
    open_gate()
    assert second.end().code == 0


def test_a_run_that_ended_is_reopened_by_a_restart_and_carried_on(cli: Cli) -> None:
    Path("flow.yaml").write_text('tasks: [{name: A, shell: "test -e ok"}, {name: B, needs: [A]}]')
    failed = cli("run", "flow.yaml", "--json", "--run-id", "r1")
    assert failed.code == 1
    assert cli("resume", "r1").code == 1
    Path("ok").touch()
    assert "callboard resume r1" in cli("restart", "r1", "A").out
    assert cli("resume").code == 0
    result = cli("show", "r1", "--json").json()
    assert result["state"] == "succeeded"
    assert [task["generation"] for task in result["tasks"].values()] == [2, 2]


def test_follow_goes_on_until_the_run_ends(cli: Cli, terminal: Start, held: str) -> None:
    first = terminal("run", held)
    first.expect("Hold: running")
    told = terminal("events", first.run, "--follow", "--json")
    logs = terminal("logs", first.run, "--follow")
    open_gate()
    assert first.end().code == 0
    done = told.end()
    assert done.code == 0
    assert done.lines()[-1]["kind"] == "run_ended"
    assert [each["number"] for each in done.lines()] == list(range(1, len(done.lines()) + 1))
    assert logs.end().code == 0
    assert list(events(cli, first.run)) == [each["kind"] for each in done.lines()]
