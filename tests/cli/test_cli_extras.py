"""Without an extra, what needs it says so in a sentence, and the rest works."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

WITHOUT = "import sys; sys.modules[{module!r}] = None; "
COMMAND = "from callboard.cli import main; sys.exit(main({words!r}))"
ASGI = "import callboard as cb; cb.Engine('memory:').asgi()"


def python(module: str, code: str) -> subprocess.CompletedProcess[str]:
    """Run a text of Python in an interpreter that has not the module."""
    return subprocess.run(
        [sys.executable, "-c", WITHOUT.format(module=module) + code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("words", "module", "extra"),
    [
        (["serve", "flow.yaml", "--port", "0"], "starlette", "serve"),
        (["serve", "flow.yaml", "--port", "0"], "anycorn", "serve"),
        (["worker", "--label", "x"], "httpx2", "http"),
    ],
)
def test_a_command_names_the_extra_that_it_lacks(words: list[str], module: str, extra: str) -> None:
    Path("flow.yaml").write_text("tasks: [{name: a, shell: 'true'}]")
    done = python(module, COMMAND.format(words=words))
    assert done.returncode == 2, done.stderr
    assert done.stderr == (
        f"error: {module} is not installed: pip install '.[{extra}]' in a clone of callboard\n"
    )


def test_an_application_to_mount_names_the_extra_that_it_lacks() -> None:
    done = python("starlette", ASGI)
    assert "UsageError: starlette is not installed: pip install '.[web]'" in done.stderr
