"""What one run costs does not grow with how many others there are."""

from __future__ import annotations

from typing import Any

from callboard.supervisor import Clock
from callboard.supervisor._timers import Timers


class _Counted(dict[Any, Any]):
    """A dictionary that counts how often all of it is gone through."""

    scans = 0

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
