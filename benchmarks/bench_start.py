"""How long it takes until callboard is there, beside an interpreter that does nothing."""

from __future__ import annotations

import os
import statistics
import time
from functools import partial
from pathlib import Path

import anyio
import attrs
from benchmarks._harness import INTERPRETER, OURS, Figures, Row

import callboard


async def started(argv: tuple[str, ...], size: int, _folder: Path) -> Figures:
    """Run a program again and again; the median, in milliseconds."""
    took: list[float] = []
    # Found by path, so that both ways start the same interpreter with nothing to load at its start.
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (SOURCES, LIBRARIES)))}
    for _ in range(size):
        began = time.perf_counter()
        await anyio.run_process([*INTERPRETER, *argv], env=env)
        took.append(1000 * (time.perf_counter() - began))
    return Figures(statistics.median(took))


SOURCES = Path(callboard.__file__).parents[1]
LIBRARIES = Path(attrs.__file__).parents[1]
BARE = "python -S -c pass"


def _row(name: str, title: str, *argv: str) -> Row:
    ways = {OURS: partial(started, argv), BARE: partial(started, ("-c", "pass"))}
    return Row(
        name=name,
        title=title,
        unit="ms",
        ways=ways,
        size=20,
        quick=5,
        tiny=1,
        backends=("asyncio",),
        less_is_better=True,
    )


ROWS = [
    _row("import", "python -S -c 'import callboard'", "-c", "import callboard"),
    _row("help", "python -S -m callboard --help", "-m", "callboard", "--help"),
]
