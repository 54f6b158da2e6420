"""The rule of virtual time: it stands still while anything is under way, then it jumps.

The two loops (``_clock_asyncio``, ``_clock_trio``) tell it what they are doing and obey.  A loop in
which every task waits is in one of three situations:

* Outside work is under way (``busy``, or a worker thread): wait for it really, while time stands
  still.  A jump would report timeouts of calls that take milliseconds.
* Otherwise, a timer is set: jump to it.
* Otherwise only an unannounced event could help: wait a little for one, and then say that this is a
  deadlock.

No real wait lasts longer than ``patience``, so that nothing hangs in silence.
"""

from __future__ import annotations

import math
import signal
from collections.abc import Iterable
from typing import Final

import attrs

from ..actors._busy import BusyCount

DEFAULT_PATIENCE: Final = 60.0
# Long enough for a thread that wakes the loop unannounced, short enough for a deadlocked test.
DEADLOCK_GRACE: Final = 1.0
LONGEST_REAL_WAIT: Final = 86400.0  # operating systems refuse much longer ones
NAMES_MAX: Final = 10


@attrs.define(kw_only=True, eq=False)
class VirtualTime:
    """The time of one loop.

    Attributes:
        start: Wall time at which the loop began, in seconds since the epoch.
        patience: How many real seconds to wait for outside work before giving up.
        now: The loop's own time, ``anyio.current_time()``: seconds since it began.
        outside: Counts the waits for outside work.
    """

    start: float
    patience: float = DEFAULT_PATIENCE
    now: float = attrs.field(default=0.0, init=False)
    outside: BusyCount = attrs.field(factory=BusyCount, init=False)

    def wall_time(self) -> float:
        """Return the virtual wall time in seconds since the epoch; any thread may ask."""
        return self.start + self.now

    def real_wait(self, *, deadline: float, threads: int, sockets: int) -> float:
        """Return for how many real seconds an idle loop waits; 0 tells it to jump instead.

        Args:
            deadline: When the loop's next timer is due; infinity without one.
            threads: Worker threads under way.
            sockets: Files and sockets that a task waits for.
        """
        longest = min(self.patience, LONGEST_REAL_WAIT)
        if self._is_busy(threads):
            return longest
        if deadline < math.inf:
            return 0.0
        may_be_woken = sockets > 0 or _signals_are_handled()
        return longest if may_be_woken else min(longest, DEADLOCK_GRACE)

    def stuck(self, *, threads: int, tasks: Iterable[str]) -> RuntimeError:
        """Return the error that ends a loop whose real wait was in vain."""
        names = sorted(set(tasks))
        more = ["…"] if len(names) > NAMES_MAX else []
        waiting = ", ".join(names[:NAMES_MAX] + more)
        if self._is_busy(threads):
            return RuntimeError(
                f"Virtual time stood still at {self.now:g} s, because outside work (busy: "
                f"{self.outside.count}, worker threads: {threads}) did not end within "
                f"{self.patience:g} real seconds; waiting: {waiting}. A thread must not wait for "
                "virtual time to pass, except through callboard.testing.not_busy(); slow work "
                "needs more patience."
            )
        return RuntimeError(
            f"There is a deadlock under virtual time at {self.now:g} s: every task waits and no "
            f"timer is set; waiting: {waiting}. If something outside the loop is to end the wait, "
            "wait for it inside callboard.testing.busy()."
        )

    def _is_busy(self, threads: int) -> bool:
        return self.outside.count + threads > 0


def _signals_are_handled() -> bool:
    """Tell whether the program handles a signal beyond Ctrl-C, and so may be waiting for one."""
    signals = signal.valid_signals() - {signal.SIGINT}
    return any(callable(signal.getsignal(number)) for number in signals)
