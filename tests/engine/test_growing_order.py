"""When what runs after a hole starts: not before it is sure that nothing more comes, and not later.

``A`` creates M's between itself and ``B``.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio
import pytest

import callboard as cb

Opens = Callable[..., AbstractAsyncContextManager[cb.Engine]]


async def sleep(seconds: float) -> None:
    await anyio.sleep(seconds)


M = cb.task(sleep, name="M")
N = cb.task(sleep, name="N")


async def nothing() -> None: ...


async def one_run(
    opens: Opens, grow: Callable[..., Any], shape: str = "M*", *, after: bool = True
) -> cb.RunResult:
    """Run A and B with a hole between them; B runs after A only if that is asked for."""

    @cb.workflow
    def build(w: cb.Builder) -> None:
        start = w.add(nothing, id="start")
        a = w.add(grow, id="A", after=start)
        b = w.add(nothing, id="B")
        w.hole(shape, after=a if after else start, before=b, owner=a)

    async with opens() as engine:
        result = await engine.run(build)
    assert result.state == "succeeded", result.reason
    return result


def time(result: cb.RunResult, task: str) -> float:
    """Return when a task began, in seconds after A did."""
    began, first = result.tasks[task].started_at, result.tasks["A"].started_at
    assert began is not None
    assert first is not None
    return began - first


def times(*expected: float) -> Any:
    return pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(
    "shape", ["M*", "M?", "(N -> M)*", "loop(M)*", "M* & N*", "M* -> N*", "...", "M | ()"]
)
async def test_of_zero_repetitions_b_still_runs(opens: Opens, shape: str) -> None:
    result = await one_run(opens, nothing, shape)
    assert result.order == ("start", "A", "B")
    assert not any(hole.open for hole in result.holes)


@pytest.mark.parametrize("count", [1, 2, 5])
async def test_b_runs_after_the_last_of_them(opens: Opens, count: int) -> None:
    async def grow() -> None:
        for number in range(count):
            await cb.current().add(M, number + 1)
            await anyio.sleep(1)

    result = await one_run(opens, grow)
    assert (time(result, "A/M-1"), time(result, "B")) == times(count, 2 * count)
    assert result.order[-1] == "B"


@pytest.mark.parametrize("after", [True, False])
async def test_b_never_starts_while_another_m_may_come(opens: Opens, after: bool) -> None:
    """All of them are done, and A still runs: it may create another one at any time."""

    async def grow() -> None:
        me = cb.current()
        await me.add(M, 1)
        await anyio.sleep(100)
        await me.add(M, 5)

    result = await one_run(opens, grow, after=after)
    starts = [time(result, name) for name in ("A/M-1", "A/M-2", "B")]
    assert tuple(starts) == times(100 if after else 0, 100, 105)


CLOSERS: dict[str, Callable[[Any], Any]] = {
    "no new M": lambda me: me.promise("no new M"),
    "no new tasks": lambda me: me.promise("no new tasks"),
    "sealed": lambda me: me.promise("sealed"),
    "at most 2 M": lambda me: me.promise("at most 2 M"),
    "exactly 2 M": lambda me: me.promise("exactly 2 M"),
    "only tasks N": lambda me: me.promise("only tasks N"),
    "no new M by A": lambda me: me.promise("no new M by A"),
    "close": lambda me: me.close("M"),
}


@pytest.mark.parametrize("how", CLOSERS)
async def test_said_early_that_no_more_comes_b_starts_when_the_present_ones_end(
    opens: Opens, how: str
) -> None:
    async def grow() -> None:
        me = cb.current()
        await me.add(M, 3)
        await me.add(M, 7)
        await CLOSERS[how](me)
        await anyio.sleep(1000)

    result = await one_run(opens, grow, after=False)
    assert (time(result, "A/M-1"), time(result, "A/M-2"), time(result, "B")) == times(0, 0, 7)
    assert result.tasks["A"].seconds == pytest.approx(1000)


@pytest.mark.parametrize("how", [how for how in CLOSERS if not how.endswith("2 M")])
async def test_said_before_the_first_one_b_starts_at_once(opens: Opens, how: str) -> None:
    async def grow() -> None:
        await CLOSERS[how](cb.current())
        await anyio.sleep(1000)

    result = await one_run(opens, grow, after=False)
    assert (time(result, "B"),) == times(0)


async def test_said_in_the_definition_it_is_the_same(opens: Opens) -> None:
    async def grow() -> None:
        await cb.current().add(M, 3)
        await anyio.sleep(1000)

    @cb.workflow
    def build(w: cb.Builder) -> None:
        a = w.add(grow, id="A")
        w.hole("M*", before=w.add(nothing, id="B"), owner=a)
        w.promise("at most 1 M")

    async with opens() as engine:
        result = await engine.run(build)
    assert (time(result, "B"),) == times(3)


async def test_two_sides_let_go_each_what_is_behind_it(opens: Opens) -> None:
    async def grow() -> None:
        me = cb.current()
        await me.add(M, 3)
        await me.add(N, 5)
        await me.promise("no new M")
        await anyio.sleep(100)

    @cb.workflow
    def build(w: cb.Builder) -> None:
        a = w.add(grow, id="A")
        w.hole("M*", before=w.add(nothing, id="m"), owner=a)
        w.hole("N*", before=w.add(nothing, id="n"), owner=a)

    async with opens() as engine:
        result = await engine.run(build)
    assert (time(result, "m"), time(result, "n")) == times(3, 100)


async def test_what_comes_in_rounds_starts_one_after_another(opens: Opens) -> None:
    async def grow() -> None:
        me = cb.current()
        for seconds in (2, 3, 4):
            await me.add(M, seconds)
        await me.promise("no new M")
        await anyio.sleep(100)

    result = await one_run(opens, grow, "loop(M)", after=False)
    starts = [time(result, name) for name in ("A/M-1", "A/M-2", "A/M-3", "B")]
    assert tuple(starts) == times(0, 2, 5, 9)
