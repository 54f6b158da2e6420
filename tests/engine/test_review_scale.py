"""What one run costs does not grow with how many others there are."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

import callboard as cb
from callboard.definitions import loads
from callboard.storage import Store
from callboard.supervisor import Clock
from callboard.supervisor._slots import Slots
from callboard.supervisor._timers import Timers

Opens = Callable[..., AbstractAsyncContextManager[cb.Engine]]
NewStore = Callable[[], Store]


class _Counted(dict[Any, Any]):
    """A dictionary that counts how often all of it is gone through."""

    scans = 0

    def __iter__(self) -> Any:
        type(self).scans += 1
        return super().__iter__()

    def values(self) -> Any:
        type(self).scans += 1
        return super().values()


async def test_setting_a_timer_does_not_go_through_all_runs() -> None:
    timers = Timers(Clock(lambda: 0.0))
    timers._groups = groups = _Counted()
    _Counted.scans = 0
    for number in range(2000):
        timers.set(f"run {number}", "rest", 1000.0 + number, lambda: None)
    assert groups.scans == 0
    assert len(timers) == 2000


async def test_timers_that_are_set_anew_for_ever_do_not_pile_up() -> None:
    timers = Timers(Clock(lambda: 0.0))
    for number in range(10_000):
        timers.set(f"run {number % 50}", "rest", 1000.0 + number, lambda: None)
        assert len(timers._heap) <= 200


async def test_a_long_line_for_slots_is_not_searched() -> None:
    slots = Slots(1)
    assert slots.take("first", "t", "f")
    called: list[int] = []
    slots._line = line = _Counted()
    _Counted.scans = 0
    for number in range(1000):
        slots.wait(f"run {number}", number % 3, partial(called.append, number))
    slots.wait("run 0", 9, partial(called.append, 0))  # It moves up.
    slots.leave("run 2")
    fence = "f"
    while True:
        slots.free(fence)
        if not slots._kept:
            break
        (run,) = slots._kept
        fence = run
        assert slots.take(run, "t", fence)
    ranks = sorted(range(1, 1000), key=lambda each: (-(each % 3), each))
    assert called == [0, *(each for each in ranks if each != 2)]
    assert line.scans == 0


async def test_standing_in_line_again_and_again_piles_nothing_up() -> None:
    slots = Slots(1)
    assert slots.take("first", "t", "f")
    for _ in range(1000):
        slots.wait("run", 0, lambda: None)
        slots.leave("run")
    assert len(slots._next) <= 100


async def test_what_a_dead_engine_left_running_is_ended_once(
    opens: Opens, new_store: NewStore
) -> None:
    spec = loads(json.dumps({"workflow": "w", "tasks": [{"name": "a", "input": {}}]}))
    store = new_store()
    async with opens(store) as engine:
        runs = [(await engine.start(spec)).id for _ in range(3)]
        if not store.durable:
            return  # Its runs have ended with it.
    async with store.opened():
        for run in runs:
            await store.take(run, "dead")
    ended: list[str] = []
    async with opens(new_store()) as engine:
        engine.tree.ownership._on_dead_engine = ended.append
        assert len(await engine.resume_all()) == 3
    assert ended == ["dead"]
