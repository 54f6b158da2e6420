"""A task that shows when two of its attempts live at once.

Hundreds are started: it imports little.
"""

import fcntl
import os
import select
import sys

folder, name, seconds = os.environ["PROBE"], os.environ["NAME"], float(os.environ["SECONDS"])


def opened(file: str) -> int:
    return os.open(f"{folder}/{file}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)


# The lock is held as long as this process lives, whoever kills it: who cannot get it overlaps with
# another.
try:
    fcntl.flock(opened(f"{name}.lock"), fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError:
    os.write(opened("overlaps"), f"{name}\n".encode())
    sys.exit(9)

if os.environ.get("LEAVE"):
    os.posix_spawnp("sleep", ["sleep", "60"], os.environ, setsid=True)

select.select([], [], [], seconds)  # Work that takes a while: what the trial kills.
os.write(opened("done"), f"{name} {os.environ['CALLBOARD_ATTEMPT']}\n".encode())
