"""Tracebacks as the author of a task wants them: without the way that led to the task."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import anyio

_FRAME = re.compile(r'  File "(.+)", line \d+')


def without_us(traceback: str) -> Iterator[str]:
    """Give the lines of a traceback without the frames of the engine and its event loop."""
    ours = tuple(f"{folder}/" for folder in _folders())
    left_out = False
    for line in traceback.splitlines():
        if frame := _FRAME.match(line):
            left_out = frame[1].startswith(ours)
        elif not line.startswith("    "):
            left_out = False
        if not left_out:
            yield line


def _folders() -> Iterator[Path]:
    here = Path(__file__).parents[1]
    yield here
    # In a working copy some packages are links.
    yield from (each.resolve() for each in here.iterdir() if each.is_symlink())
    yield Path(anyio.__file__).parent
