"""Processes, started, watched and ended by one helper per engine, never forked from the engine.

``Spawner`` is the engine's side.  The helper (``_callboard_helper``) is a small single-threaded
Python process that executes programs and forks itself for Python tasks; it puts each in a session
of its own, is the reaper of all their orphans, reports their ends, and ends everything it holds
when the engine is gone, however that happened.

What is guaranteed on Linux:

- When a process has ended by itself or was killed, everything it left behind is killed before its
  end is reported: its process group, its session, and whatever carries its ``CALLBOARD_ATTEMPT`` in
  its environment, in a session of its own too.  So an attempt whose end was reported runs nowhere
  any more, and reading its output cannot hang.
- When the engine ends, ``kill -9`` included, everything below the helper and everything that
  carries its ``CALLBOARD_ENGINE`` is killed.
- Only what has left the session *and* emptied its environment outlives its attempt, until the
  engine ends.

On macOS process groups are ended, and that is all.
"""

from __future__ import annotations

from ._callboard_helper.procfs import kill_carriers as kill_carriers
from ._client import Spawner as Spawner
from ._command import (
    Command as Command,
    Exit as Exit,
    Limits as Limits,
    ProcessLost as ProcessLost,
    StartFailed as StartFailed,
)
from ._process import Process as Process
from ._streams import InputStream as InputStream, OutputStream as OutputStream
