"""Timers follow the wall clock, whatever it does."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from callboard import testing
from callboard.supervisor import Clock
from callboard.supervisor._timers import Timers


@pytest.fixture(params=testing.virtual_backends(), ids=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param


class Wall:
    """A wall clock that can be set."""

    def __init__(self) -> None:
        self.offset = 0.0

    def __call__(self) -> float:
        return 1_000_000.0 + anyio.current_time() + self.offset


@asynccontextmanager
async def serving(wall: Wall) -> AsyncGenerator[Timers]:
    timers = Timers(Clock(wall))
    async with anyio.create_task_group() as group:
        group.start_soon(timers.serve)
        yield timers
        group.cancel_scope.cancel()


async def test_they_fire_in_order_and_once() -> None:
    fired: list[tuple[str, float]] = []
    wall = Wall()

    def fire(name: str) -> Callable[[], None]:
        return lambda: fired.append((name, wall()))

    async with serving(wall) as timers:
        for name, after in (("c", 30), ("a", 10), ("b", 20), ("past", -5)):
            timers.set("g", name, wall() + after, fire(name))
        await anyio.sleep(100)
        assert len(timers) == 0
    assert [name for name, _ in fired] == ["past", "a", "b", "c"]
    assert [at - 1_000_000 for _, at in fired] == pytest.approx([0, 10, 20, 30])


async def test_one_set_anew_replaces_the_other_and_a_group_is_forgotten() -> None:
    fired: list[str] = []
    wall = Wall()
    async with serving(wall) as timers:
        timers.set("g", 1, wall() + 10, lambda: fired.append("old"))
        timers.set("g", 1, wall() + 20, lambda: fired.append("new"))
        timers.set("g", 2, wall() + 10, lambda: fired.append("cleared"))
        timers.set("h", 1, wall() + 10, lambda: fired.append("forgotten"))
        timers.clear("g", 2)
        timers.clear("g", "never set")
        timers.clear_group("h")
        await anyio.sleep(100)
    assert fired == ["new"]


async def test_a_clock_that_is_set_back_delays_and_never_loses_a_timer() -> None:
    fired: list[float] = []
    wall = Wall()
    async with serving(wall) as timers:
        timers.set("g", 1, wall() + 10, lambda: fired.append(anyio.current_time()))
        await anyio.sleep(5)
        wall.offset = -60
        await anyio.sleep(20)
        assert fired == []
        await anyio.sleep(100)
    assert fired == pytest.approx([70])
