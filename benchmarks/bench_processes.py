"""Trivial Python tasks, one process each, through the whole engine, beside bare processes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks import bench_spawner
from benchmarks._harness import (
    BARE_INTERPRETER,
    INTERPRETER,
    OURS,
    Figures,
    Goal,
    Row,
    Stopwatch,
)

import callboard
from callboard.executors._spawner import Command

AT_ONCE = 2


async def ours(size: int, folder: Path) -> Figures:
    """A workflow of Python files, two at a time, in memory."""
    (folder / "task.py").write_text("pass\n")
    tasks = "".join(f"  - {{name: t{number}, python: task.py}}\n" for number in range(size))
    (folder / "flow.yaml").write_text(f"concurrency: {AT_ONCE}\ntasks:\n{tasks}")
    flow = callboard.load(folder / "flow.yaml")
    watch = Stopwatch()
    async with callboard.Engine("memory:", concurrency=AT_ONCE) as engine:
        watch.start()
        result = await engine.run(flow)
        watch.stop()
    assert result.is_ready(), result.first_error()
    return watch.rate(size)


async def bare(interpreter: Sequence[str], size: int, _folder: Path) -> Figures:
    """Start an interpreter for each, from two threads."""
    return Figures(bench_spawner.bare([*interpreter, "-c", "pass"], size, AT_ONCE))


async def forked(size: int, folder: Path) -> Figures:
    """Fork each from the spawner, with nothing of the engine around it."""
    (folder / "task.py").write_text("pass\n")

    def command(number: int) -> Command:
        return Command(python=str(folder / "task.py"), run="bench", attempt=f"bench/{number}")

    return Figures(await bench_spawner.spawned(command, b"", size, AT_ONCE))


BARE = "python -c pass"

ROWS = [
    Row(
        name="processes",
        title="trivial Python tasks, 2 at a time, a process each",
        unit="tasks/s",
        ways={
            OURS: ours,
            BARE: partial(bare, BARE_INTERPRETER),
            "python -S -c pass": partial(bare, INTERPRETER),
            "the spawner alone": forked,
        },
        size=200,
        quick=50,
        tiny=2,
        goal=Goal(value=2.0, of=BARE),
    ),
]
