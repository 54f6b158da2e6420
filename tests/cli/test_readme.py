"""What the README shows is true."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from callboard.definitions import loads

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    """Give the code of one language in the README."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_program_runs_as_it_stands(tmp_path: Path, backend: str) -> None:
    (program,) = blocks("python")
    if backend == "trio":
        program = program.replace("anyio.run(main) ", 'anyio.run(main, backend="trio") ')
    (tmp_path / "loans.py").write_text(program)
    done = subprocess.run(
        [sys.executable, "loans.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("succeeded granted\n", "")
    assert (tmp_path / "loans.db").exists()


def test_the_files_are_valid() -> None:
    file, flow = map(loads, blocks("yaml"))
    assert len(file.tasks) == 4
    assert [(hole.id, hole.owner) for hole in flow.holes] == [
        ("page", "list"),
        ("publish", "judge"),
    ]
