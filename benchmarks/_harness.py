"""How a row of the speed table is measured: ours beside its limits, in turn.

A *way* is one manner of doing a row's work: ours, or a limit that does the same work with less.  A
sample is one measurement of one way on one backend in a fresh interpreter, so that nobody inherits
another's memory; the ways of a row take turns (A B A B), so that a noisy machine is noisy for all;
a figure is the median of its samples.
"""

from __future__ import annotations

import gc
import json
import os
import platform
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

import anyio
import attrs

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "build" / "benchmarks"
"""Where databases are made: on the project's disk, because memory has nothing to commit."""

BARE_INTERPRETER = (str(getattr(sys, "_base_executable", sys.executable)),)
"""The interpreter as it is installed here, outside of any environment."""

INTERPRETER = (*BARE_INTERPRETER, "-S")
"""The interpreter at its fastest: without what this machine's ``site`` loads at each start."""

BACKENDS = ("asyncio", "trio")
OURS = "ours"


@attrs.frozen
class Figures:
    """What one sample gave: the value that is compared, and what else was seen."""

    value: float
    notes: Mapping[str, float] = attrs.field(factory=dict[str, float])


Way: TypeAlias = Callable[[int, Path], Awaitable[Figures]]
"""Does the work at a size, with a folder of its own for files, and says how fast it was."""


@attrs.frozen(kw_only=True)
class Goal:
    """What ours must reach: a value, or a multiple of a limit."""

    value: float
    of: str | None = None

    def text(self, row: Row) -> str:
        """Say it as the table does."""
        sign = "≤" if row.less_is_better else "≥"
        if self.of is None:
            return f"{sign} {amount(self.value)} {row.unit}"
        return f"{sign} {self.value:g} × {self.of}"

    def is_reached(self, row: Row, medians: Mapping[str, float]) -> bool:
        """Tell from the medians by way."""
        wanted = self.value * (1.0 if self.of is None else medians[self.of])
        ours = medians[OURS]
        return ours <= wanted if row.less_is_better else ours >= wanted


@attrs.frozen(kw_only=True)
class Row:
    """A row of the table.

    Attributes:
        ways: By name; ``ours`` is the first.
        size: How much work; ``quick`` and ``tiny`` are for a look and for tests.
        backends: Where the backend makes no difference, one is enough.
    """

    name: str
    title: str
    unit: str
    ways: Mapping[str, Way]
    size: int
    quick: int
    tiny: int
    rounds: int = 3
    backends: tuple[str, ...] = BACKENDS
    less_is_better: bool = False
    goal: Goal | None = None


@attrs.frozen
class Result:
    """A row measured on one backend."""

    row: Row
    backend: str
    size: int
    samples: Mapping[str, Sequence[Figures]]

    @property
    def medians(self) -> dict[str, float]:
        """The value of each way."""
        return {
            way: statistics.median(each.value for each in samples)
            for way, samples in self.samples.items()
        }

    @property
    def notes(self) -> dict[str, float]:
        """What else was seen of ours."""
        ours = self.samples[OURS]
        return {key: statistics.median(each.notes[key] for each in ours) for key in ours[0].notes}


def measure(row: Row, backend: str, size: int, rounds: int) -> Result:
    """Measure each way of a row, in turn."""
    samples: dict[str, list[Figures]] = {way: [] for way in row.ways}
    for _ in range(rounds):
        for way, into in samples.items():
            into.append(_in_fresh_process(row, way, backend, size))
    return Result(row, backend, size, samples)


def _in_fresh_process(row: Row, way: str, backend: str, size: int) -> Figures:
    command = [sys.executable, str(ROOT / "benchmarks" / "run.py"), "--sample"]
    asked = json.dumps([row.name, way, backend, size])
    done = subprocess.run([*command, asked], stdout=subprocess.PIPE, check=True, text=True)
    value, notes = json.loads(done.stdout.splitlines()[-1])
    return Figures(value, notes)


def sample(row: Row, way: str, backend: str, size: int) -> Figures:
    """Measure one way here and now."""
    DATA.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=DATA) as folder:
        options: dict[str, Any] = {"backend": backend}
        return anyio.run(row.ways[way], size, Path(folder), **options)


class Stopwatch:
    """Tells the rate of what happens between :meth:`start` and :meth:`stop`."""

    def __init__(self) -> None:
        self._began = self._ended = 0.0

    def start(self) -> None:
        """Begin, with a tidy memory."""
        gc.collect()
        self._began = time.perf_counter()

    def stop(self) -> None:
        """End."""
        self._ended = time.perf_counter()

    def rate(self, count: int) -> Figures:
        """Return how many a second."""
        return Figures(count / (self._ended - self._began))


def memory_now() -> float:
    """Return the memory that this process has resident, in bytes."""
    gc.collect()
    command = ["ps", "-o", "rss=", "-p", str(os.getpid())]
    return 1024.0 * int(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def memory_peak() -> float:
    """Return the most memory that this process ever had resident, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak if sys.platform == "darwin" else peak * 1024)


def amount(value: float) -> str:
    """Write a figure with three digits that matter."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def machine() -> str:
    """Say in a line on what was measured."""
    libraries = ", ".join(f"{name} {version(name)}" for name in ("anyio", "trio", "aiosqlite"))
    return (
        f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}, "
        f"Python {platform.python_version()}, {libraries}, SQLite {sqlite3.sqlite_version}"
    )
