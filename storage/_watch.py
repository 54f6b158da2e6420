"""A thread that notices when somebody else has changed something, in real time.

Loop timers would not do: under a virtual clock they fire without end, and idle programs should not
wake.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

POLL_SECONDS: Final = 0.03


class Watch:
    """Calls ``notify`` in its thread whenever ``probe`` returns a new number.

    Args:
        probe: Returns a number, or None when it cannot tell now.
        notify: Must only hand the news on.
    """

    def __init__(self, probe: Callable[[], int | None], notify: Callable[[], None]) -> None:
        self._probe = probe
        self._notify = notify
        self._stop = threading.Event()
        self._last = probe()
        self._thread = threading.Thread(target=self._run, name="callboard-watch", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread and wait until it has ended."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(POLL_SECONDS):
            number = self._probe()
            if number is not None and number != self._last:
                self._last = number
                self._notify()
