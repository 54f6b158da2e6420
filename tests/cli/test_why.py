"""`why`: what a task waits for, and who holds it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .conftest import Cli, Terminal

    Start = Callable[..., Terminal]

HOLD = 'shell: "read -r _ < gate"'


def told(cli: Cli, run: str) -> dict[str, Any]:
    """Give the reasons by task; that of the run under its own name."""
    reasons = cli("why", run, "--json").json()
    return {each["task"] or "run": each for each in reasons}


def open_gate(times: int = 1) -> None:
    """Let the tasks that wait at the gate end."""
    for _ in range(times):
        subprocess.run(["/bin/sh", "-c", "echo > gate"], check=True, timeout=20)


def test_it_names_predecessors_questions_and_others(cli: Cli, terminal: Start) -> None:
    os.mkfifo("gate")
    Path("flow.yaml").write_text(
        f"tasks: [{{name: Hold, {HOLD}}}, {{name: Next, needs: [Hold]}},"
        " {name: Ask, input: {message: Well?}}, {name: Others, external: {}}]"
    )
    first = terminal("run", "flow.yaml")
    first.expect("Hold: running")
    reasons = told(cli, first.run)
    codes = {task: each["code"] for task, each in reasons.items()}
    assert codes == {"run": "tasks", "next": "predecessors", "ask": "input", "others": "board"}
    assert reasons["next"]["blockers"] == ["hold"]
    assert "nobody has claimed it" in reasons["others"]["reason"]
    one = cli("why", first.run, "Hold")
    assert (one.code, "is running since" in one.out) == (0, True)
    assert cli("why", first.run, "Nobody").code == 2
    assert cli("cancel", first.run).code == 0
    assert first.end().code == 1


def test_it_names_who_holds_the_slot(cli: Cli, terminal: Start) -> None:
    os.mkfifo("gate")
    Path("flow.yaml").write_text(f"tasks: [{{name: One, {HOLD}}}, {{name: Two, {HOLD}}}]")
    first = terminal("run", "flow.yaml", "--concurrency", "1")
    first.expect("One: running")
    reason = told(cli, first.run)["two"]
    assert reason["code"] == "slot"
    assert reason["blockers"] == [f"{first.run}/one"]
    assert f"process {first.process.pid} on " in reason["reason"]
    open_gate()
    first.expect("Two: running")
    open_gate()
    assert first.end().code == 0


def test_it_names_the_workflow_s_own_limit(cli: Cli, terminal: Start) -> None:
    os.mkfifo("gate")
    Path("flow.yaml").write_text(
        f"concurrency: 1\ntasks: [{{name: One, {HOLD}}}, {{name: Two, {HOLD}}}]"
    )
    first = terminal("run", "flow.yaml")
    first.expect("One: running")
    assert told(cli, first.run)["two"]["code"] == "concurrency"
    assert cli("cancel", first.run).code == 0
    assert first.end().code == 1


def test_it_names_who_holds_the_pool_in_another_run(cli: Cli, terminal: Start) -> None:
    os.mkfifo("gate")
    Path("flow.yaml").write_text(f"pools: {{p: 1}}\ntasks: [{{name: One, pool: p, {HOLD}}}]")
    first = terminal("run", "flow.yaml")
    first.expect("One: running")
    second = terminal("run", "flow.yaml")
    reason = told(cli, second.run)["one"]
    assert reason["code"] == "pool"
    assert reason["blockers"] == [f"{first.run}/one"]
    open_gate()
    second.expect("One: running")
    open_gate()
    assert (first.end().code, second.end().code) == (0, 0)


def test_it_says_that_nobody_runs_it(cli: Cli, terminal: Start) -> None:
    os.mkfifo("gate")
    Path("flow.yaml").write_text(f"tasks: [{{name: One, {HOLD}}}]")
    first = terminal("run", "flow.yaml")
    first.expect("One: running")
    first.process.kill()
    first.end()
    assert f"callboard resume {first.run}" in cli("why", first.run).out
    assert told(cli, first.run)["run"]["code"] == "unowned"


def test_it_names_what_the_engine_lacks(cli: Cli, terminal: Start) -> None:
    Path("mine.py").write_text("def one(): return 1")
    os.mkfifo("gate")
    Path("flow.yaml").write_text(
        f"tasks: [{{name: Hold, {HOLD}}}, {{name: A, function: 'mine:one', needs: [Hold]}}]"
    )
    first = terminal("run", "flow.yaml")
    first.expect("Hold: running")
    first.process.kill()
    first.end()
    Path("mine.py").unlink()
    second = terminal("resume", first.run)
    second.expect("Hold: running")
    open_gate()
    second.expect("A of run .* cannot start")
    reason = told(cli, first.run)["a"]
    assert reason["code"] == "blocked"
    assert f"process {second.process.pid} on " in reason["reason"]
    assert "says: needs " in reason["reason"]
    assert "mine.py" in cli("why", first.run, "A").out
    assert cli("cancel", first.run).code == 0
    assert second.end().code == 1
