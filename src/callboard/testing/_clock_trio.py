"""Virtual time on trio: a clock that is also an instrument, to see what the loop did with it.

Trio asks its clock how long to wait, polls for I/O, calls ``after_io_wait`` and only then looks at
the clock for what is due.  So the jump happens in ``after_io_wait``, if the poll brought nothing.

Trio has no public way for a custom clock to see who waits for the loop to be idle, nor to end a
deadlocked run, so the last functions look inside it.
"""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NoReturn

import trio
import trio.testing

from ..actors._busy import BusyCount
from ._virtual_time import VirtualTime

if TYPE_CHECKING:
    from trio._core._run import Runner


class VirtualClock(trio.abc.Clock, trio.abc.Instrument):
    """A clock that lives in virtual time; each run that it is given to begins anew.

    Args:
        make: Makes the time of a run.
    """

    def __init__(self, make: Callable[[], VirtualTime]) -> None:
        self._make = make
        self.start_over()

    def start_over(self) -> None:
        """Forget the last run."""
        self.virtual_time = self._make()
        self._jump_to = math.inf  # where to, if the poll brings nothing
        self._give_up_at = math.inf  # in real time
        self._in_vain = False

    @property
    def callboard_busy(self) -> BusyCount:
        """What ``busy()`` counts on."""
        return self.virtual_time.outside

    def start_clock(self) -> None:
        """Begin a run."""
        self.start_over()
        trio.lowlevel.add_instrument(self)

    def current_time(self) -> float:
        """Return the virtual time."""
        return self.virtual_time.now

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Return how many real seconds an idle loop waits for I/O."""
        self._jump_to = self._give_up_at = math.inf
        if self._in_vain:
            self._give_up()
            return 0
        if deadline <= self.virtual_time.now:
            return 0
        seconds = self.virtual_time.real_wait(
            deadline=deadline, threads=_threads_under_way(), sockets=_sockets_waited_for()
        )
        if seconds == 0 and not _runner().waiting_for_idle:
            self._jump_to = deadline
            return 0
        # A task in wait_all_tasks_blocked goes before timers: trio wakes it if the wait is not 0.
        seconds = seconds or math.inf
        self._give_up_at = time.monotonic() + seconds
        return seconds

    def after_io_wait(self, timeout: float) -> None:  # noqa: ARG002 - trio's signature
        """Jump, if the wait brought nothing; an error here would only be logged, so do no more."""
        idle = trio.lowlevel.current_statistics().tasks_runnable == 0
        if idle and self._jump_to < math.inf:
            self.virtual_time.now = self._jump_to
        self._in_vain = idle and time.monotonic() >= self._give_up_at

    def _give_up(self) -> None:
        """Raise the error in the main task, as trio does with KeyboardInterrupt."""
        main = _runner().main_task
        tasks = () if main is None else _with_descendants(main)
        error = self.virtual_time.stuck(
            threads=_threads_under_way(), tasks=(task.name for task in tasks)
        )
        if main is None or main._abort_func is None:  # noqa: SLF001
            raise error  # it does not listen, or not a second time: end the run

        def raise_error() -> NoReturn:
            raise error

        main._attempt_abort(raise_error)  # noqa: SLF001


def _runner() -> Runner:
    root = trio.lowlevel.current_root_task()
    assert root is not None, "the clock is asked only while a run goes on"
    return root._runner  # noqa: SLF001


def _threads_under_way() -> int:
    """Count threads that a task waits for, and abandoned ones of the default limiter."""
    borrowed = trio.to_thread.current_default_thread_limiter().borrowed_tokens
    return max(borrowed, trio.testing.active_thread_count())


def _sockets_waited_for() -> int:
    statistics = trio.lowlevel.current_statistics().io_statistics
    names = ("tasks_waiting_read", "tasks_waiting_write", "tasks_waiting")
    own = 1  # trio waits for its own wake-up
    return sum(getattr(statistics, name, 0) for name in names) - own


def _with_descendants(task: trio.lowlevel.Task) -> Iterator[trio.lowlevel.Task]:
    yield task
    for nursery in task.child_nurseries:
        for child in nursery.child_tasks:
            yield from _with_descendants(child)
