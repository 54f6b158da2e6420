"""Real processes of the service: a server and workers, started, signalled and ended by a test."""

from __future__ import annotations

import inspect
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio

PATIENCE_SECONDS = 60.0
LISTENS = r"callboard serves on (http://\S+)"


class Command:
    """A callboard command in a process of its own, and all that it has written."""

    def __init__(self, *words: str, folder: Path, env: Mapping[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "callboard", *words],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONWARNINGS": "default", "PYTHONUNBUFFERED": "1", **(env or {})},
        )
        self._told = threading.Condition()
        self.text = ""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._told:
                self.text += line
                self._told.notify_all()

    def expect(self, pattern: str) -> re.Match[str]:
        """Wait until it has written this."""
        with self._told:
            told = self._told.wait_for(lambda: re.search(pattern, self.text), PATIENCE_SECONDS)
        assert told is not None, f"{pattern!r} is not in:\n{self.text[-4_000:]}"
        return told

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def end(self) -> int:
        """Wait until it has ended, and return its exit code."""
        code = self.process.wait(PATIENCE_SECONDS)
        self._reader.join()
        return code

    def close(self) -> None:
        """End it whatever it does."""
        self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()


class Service:
    """A server on one store and one port, with its workers.

    Args:
        folder: Where all of it lives.
        files: What is served.
        options: More options of ``serve``.
    """

    def __init__(self, folder: Path, *files: str, options: tuple[str, ...] = ()) -> None:
        self.folder = folder
        self._files = files
        self._options = options
        self._port = "0"
        self.store = f"sqlite:///{folder}/board.db"
        self.workers: list[Command] = []
        self._commands: list[Command] = []

    def start(self) -> str:
        """Start the server, on the same port as before; return its URL when it listens."""
        words = ("serve", *self._files, "--store", self.store, "--no-page", "--port", self._port)
        self.server = self.command(*words, *self._options)
        url = self.server.expect(LISTENS)[1]
        self._port = url.rpartition(":")[2]
        return url

    @property
    def url(self) -> str:
        """Where the server is."""
        return f"http://127.0.0.1:{self._port}"

    def worker(self, *words: str, env: Mapping[str, str] | None = None) -> Command:
        """Start a worker."""
        worker = self.command("worker", "--server", self.url, *words, env=env)
        self.workers.append(worker)
        return worker

    def command(self, *words: str, env: Mapping[str, str] | None = None) -> Command:
        """Start a command."""
        command = Command(*words, folder=self.folder, env=env)
        self._commands.append(command)
        return command

    def close(self) -> None:
        """End everything."""
        for each in reversed(self._commands):
            each.close()


@contextmanager
def service(folder: Path, *files: str, options: tuple[str, ...] = ()) -> Generator[Service]:
    """Give a server that listens, and end it and its workers afterwards."""
    served = Service(folder, *files, options=options)
    try:
        served.start()
        yield served
    finally:
        served.close()


async def until(holds: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until something holds in another process: what it is, nobody tells.

    Args:
        holds: Says so; it may be asynchronous.
        seconds: How long to wait at most.
    """
    with anyio.fail_after(seconds):
        while True:
            found = holds()
            if await found if inspect.isawaitable(found) else found:
                return
            await anyio.sleep(0.03)
