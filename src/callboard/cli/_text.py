"""How times, durations and commands are written for people."""

from __future__ import annotations

import json
import os
import shlex
import sys
from datetime import UTC, datetime
from typing import Any

from ._app import DEFAULT_STORE

MINUTE = 60


def duration(seconds: float) -> str:
    """Write a number of seconds so that it is read at a glance."""
    if round(seconds, 3) < 1:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    if seconds < MINUTE:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if not hours:
        return f"{minutes} min {rest} s"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if days else f"{hours} h {minutes} min"


def one_line(words: str) -> str:
    """Write a text that may hold line breaks in one line."""
    return " ".join(words.split())


def local(at: float | None) -> str:
    """Write a wall time with its date, as the clock on the wall shows it."""
    return "" if at is None else f"{_here(at):%Y-%m-%d %H:%M:%S}"


def clock(at: float) -> str:
    """Write the time of day, to the millisecond."""
    here = _here(at)
    return f"{here:%H:%M:%S}.{here.microsecond // 1000:03d}"


def _here(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC).astimezone()


def iso(at: float | None) -> str | None:
    """Write a wall time for machines."""
    if at is None:
        return None
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def dumps(value: Any, *, indent: int | None = 2) -> str:
    """Write JSON; what stdout may have no characters for is escaped as JSON has it."""
    unicode = "utf" in (sys.stdout.encoding or "").lower()
    return json.dumps(value, ensure_ascii=not unicode, indent=indent)


def count(number: int, word: str) -> str:
    """Write how many there are of something."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def command(*words: str, store: str) -> str:
    """Write a command line that can be pasted as it stands, with ``--store`` if it takes one."""
    usual = os.environ.get("CALLBOARD_STORE", DEFAULT_STORE)
    line = " ".join(["callboard", *map(shlex.quote, words)])
    return line if store == usual else f"{line} --store {shlex.quote(store)}"
