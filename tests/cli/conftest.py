"""A terminal to type in: commands in this process, and real processes for what must run beside."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from callboard.cli import main

PATIENCE_SECONDS = 30.0


@attrs.frozen
class Done:
    """What a command came to."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Read stdout as one JSON value."""
        return json.loads(self.out)

    def lines(self) -> list[Any]:
        """Read stdout as one JSON value a line."""
        return [json.loads(line) for line in self.out.splitlines()]


Cli = Callable[..., Done]


class Terminal:
    """A command in a process of its own, in the folder of the test."""

    def __init__(self, *words: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "callboard", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONWARNINGS": "default"},
        )
        self._told = threading.Condition()
        self.err = ""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._told:
                self.err += line
                self._told.notify_all()

    def expect(self, pattern: str) -> re.Match[str]:
        """Wait until stderr holds this."""
        with self._told:
            told = self._told.wait_for(lambda: re.search(pattern, self.err), PATIENCE_SECONDS)
        assert told is not None, f"{pattern!r} is not in:\n{self.err}"
        return told

    @property
    def run(self) -> str:
        """The id of its run, as soon as it is printed."""
        return self.expect(r"run (\w+) of")[1]

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def end(self) -> Done:
        """Wait until it has ended."""
        code = self.process.wait(PATIENCE_SECONDS)
        assert self.process.stdout is not None
        out = self.process.stdout.read()
        self._reader.join()
        return Done(code, out, self.err)

    def close(self) -> None:
        """End it whatever it does."""
        self.process.kill()
        self.process.wait()
        self._reader.join()
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CALLBOARD_STORE", raising=False)
    return tmp_path


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str]) -> Cli:
    """Run a command in this process."""

    def run(*words: str) -> Done:
        capfd.readouterr()
        code = main(words)
        out, err = capfd.readouterr()
        return Done(code, out, err)

    return run


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    """Start a command in a process of its own; all of them are ended with the test."""
    opened: list[Terminal] = []

    def start(*words: str) -> Terminal:
        opened.append(Terminal(*words))
        return opened[-1]

    yield start
    for each in opened:
        each.close()
