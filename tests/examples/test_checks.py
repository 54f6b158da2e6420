"""The project's own checks as a workflow.

Run with the real interpreter this suite would run itself.  So the file is run as it is, with an
interpreter that only writes down what it is asked to do.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
CHECKS = ROOT / "examples" / "checks" / "checks.yaml"
COMMANDS = {
    "-m ruff format --check .",
    "-m ruff check .",
    "-m mypy",
    "-m pyright",
    "-m pytest -q -k trio tests/actors",
    "-m pytest -q -k not trio tests/actors",
}

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the interpreter below is a shell script")


@pytest.fixture
def interpreter(tmp_path: Path) -> Path:
    """Return an interpreter that notes where and how it is called, and fails as mypy."""
    script = tmp_path / "python"
    calls = tmp_path / "calls"
    script.write_text(f'#!/bin/sh\necho "$PWD: $*" >> "{calls}"\ntest "$2" != "$FAILING"\n')
    script.chmod(0o755)
    return script


def run_checks(interpreter: Path, failing: str) -> tuple[int, dict[str, Any]]:
    """Run the file; return the exit code and the result."""
    given = (f"python={interpreter}", "tests=tests/actors")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "callboard", "run", str(CHECKS), "--json"),
            *(word for each in given for word in ("--input", each)),
        ],
        cwd=interpreter.parent,
        env={**os.environ, "FAILING": failing},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, json.loads(done.stdout)


def test_it_asks_every_tool_in_the_projects_folder(interpreter: Path) -> None:
    code, result = run_checks(interpreter, failing="nothing")
    assert (code, result["state"]) == (0, "succeeded")
    calls = (interpreter.parent / "calls").read_text().splitlines()
    assert len(calls) == len(COMMANDS)
    assert set(calls) == {f"{ROOT}: {command}" for command in COMMANDS}


def test_one_failure_stops_no_other_check(interpreter: Path) -> None:
    code, result = run_checks(interpreter, failing="mypy")
    assert (code, result["state"]) == (1, "failed")
    states = {name: task["state"] for name, task in result["tasks"].items()}
    assert states.pop("types-by-mypy") == "failed"
    assert states.pop("passed") == "upstream_failed"
    assert set(states.values()) == {"succeeded"}


def test_it_is_valid() -> None:
    """In the strict sense, too: no task stands alone."""
    done = subprocess.run(
        [sys.executable, "-m", "callboard", "validate", "--strict", str(CHECKS)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "7 tasks" in done.stdout
