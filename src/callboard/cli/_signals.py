"""The first signal asks to stop in order, the second one stops at once."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

import anyio
from anyio.abc import TaskStatus

from ._outcome import INTERRUPTED


def _wanted() -> list[signal.Signals]:
    wanted = [signal.SIGINT, signal.SIGTERM]
    if sys.platform != "win32" and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        wanted.append(signal.SIGHUP)  # Under nohup it stays ignored.
    return wanted


async def listen(
    first: Callable[[signal.Signals], None],
    last_words: Callable[[], None],
    second: Callable[[], None] | None = None,
    *,
    task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
) -> None:
    """Call ``first`` with the first signal; at the second one end this process where it stands.

    With ``second`` that is called at the second one, and the third one ends the process.

    That is safe at any moment: it is what a power cut does, too.  The helper that holds the
    processes of the tasks ends them when this process is gone.
    """
    if sys.platform == "win32":  # There Ctrl-C arrives as KeyboardInterrupt alone.
        task_status.started()
        return
    words: list[Callable[[], None]] = [] if second is None else [second]
    asked = False
    with anyio.open_signal_receiver(*_wanted()) as signals:
        task_status.started()
        async for number in signals:
            if not asked:
                asked = True
                first(number)
            elif words:
                words.pop()()
            else:
                try:
                    last_words()
                finally:
                    os._exit(INTERRUPTED)
