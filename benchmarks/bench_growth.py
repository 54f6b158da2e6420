"""Side-by-side tasks that a running task creates: through a hole, and beside it in an open run.

``A`` creates all of them, ``B`` runs after all of them.  In an open run each creation says so
itself, with ``after`` and ``before``; through a hole it comes into ``A -> M* -> B`` by its label,
and all of them share one join.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks._harness import OURS, Figures, Goal, Row, Stopwatch

import callboard

AT_ONCE = 64
BATCH = 1_000


async def nothing() -> None:
    """Do nothing."""


M = callboard.task(nothing, name="M")


async def create(count: int, batch: int, *, ordered: bool) -> None:
    """Create that many tasks, so many at once."""
    me = callboard.current()
    after, before = (["A"], ["B"]) if ordered else ([], [])
    for begin in range(0, count, batch):
        if batch == 1:
            await me.add(M, after=after, before=before)
            continue
        async with me.batch():
            for _ in range(begin, min(begin + batch, count)):
                await me.add(M, after=after, before=before)


def open_run(w: callboard.Builder, count: int, batch: int, promises: Sequence[str]) -> None:
    """Every creation names what it stands between."""
    a = w.add(create, count, batch, ordered=True, id="A")
    w.add(nothing, after=a, id="B")
    for text in promises:
        w.promise(text)


def with_hole(w: callboard.Builder, count: int, batch: int, promises: Sequence[str]) -> None:
    """Every creation comes into the hole."""
    a = w.add(create, count, batch, ordered=False, id="A")
    w.hole("M*", after=a, before=w.add(nothing, after=a, id="B"))
    for text in promises:
        w.promise(text)


def guards(count: int) -> list[str]:
    """Return two promises that hold: one on a label, one on what A creates."""
    return [f"at most {count} M", f"at most {count} tasks by A"]


async def grow(build: Callable[..., Any], batch: int, *, guarded: bool, size: int) -> Figures:
    """Run it once and count the edges of the join."""
    promises = guards(size) if guarded else []
    watch = Stopwatch()
    async with callboard.Engine("memory:", concurrency=AT_ONCE) as engine:
        watch.start()
        result = await engine.run(callboard.workflow(build), size, batch, promises)
        watch.stop()
    assert result.is_ready(), result.reason
    assert len(result.tasks) == size + 2
    joined = len(result.tasks["B"].needs)
    assert joined == (size + 1 if build is open_run else 2)
    return Figures(watch.rate(size).value, {"edges of the join": float(joined)})


def ways(batch: int, *, guarded: bool) -> dict[str, Callable[[int, Path], Any]]:
    """Return ours and what it is compared with."""

    async def ours(size: int, _folder: Path) -> Figures:
        return await grow(with_hole, batch, guarded=guarded, size=size)

    async def beside(size: int, _folder: Path) -> Figures:
        return await grow(open_run, batch, guarded=False, size=size)

    return {OURS: ours, OPEN: beside}


OPEN = "open run, no promises"
WITHIN = 1 / 1.2
row = partial(Row, unit="tasks/s", goal=Goal(value=round(WITHIN, 3), of=OPEN))

ROWS = [
    row(
        name="growth",
        title="tasks created side by side through a hole, 1,000 at once, in memory",
        ways=ways(BATCH, guarded=False),
        size=100_000,
        quick=10_000,
        tiny=60,
    ),
    row(
        name="growth-guards",
        title="the same with two guards",
        ways=ways(BATCH, guarded=True),
        size=100_000,
        quick=10_000,
        tiny=60,
    ),
    row(
        name="growth-single",
        title="the same without guards, created one by one",
        ways=ways(1, guarded=False),
        size=10_000,
        quick=2_000,
        tiny=30,
    ),
]
