"""A task that shows when two of its attempts live at once."""

import fcntl
import os
import sys
import threading
from pathlib import Path

folder, name, seconds = Path(os.environ["PROBE"]), os.environ["NAME"], float(os.environ["SECONDS"])

# The lock is held as long as this process lives, whoever kills it: who cannot get it overlaps with
# another.
lock = (folder / f"{name}.lock").open("w")
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError:
    with (folder / "overlaps").open("a") as overlaps:
        overlaps.write(f"{name}\n")
    sys.exit(9)

if os.environ.get("LEAVE"):
    os.posix_spawnp("sleep", ["sleep", "60"], os.environ, setsid=True)

threading.Event().wait(seconds)  # Work that takes a while: what the trial kills.
with (folder / "done").open("a") as done:
    done.write(f"{name} {os.environ['CALLBOARD_ATTEMPT']}\n")
