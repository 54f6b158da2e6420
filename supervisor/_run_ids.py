"""Ids for runs that nobody named."""

from __future__ import annotations

import secrets
from typing import Final

_TICKS_A_SECOND: Final = 64
_TICKS: Final = 16**5  # they come round after four and a half hours


def new_run_id(wall: float) -> str:
    """Return an id that no other run has, beginning with the time.

    Runs that live at the same time stand side by side in a store then, and a commit for many of
    them writes a few pages instead of one or more for each.  The time is fine enough that runs of
    different seconds differ after a few digits, which is what people type.
    """
    return f"{int(wall * _TICKS_A_SECOND) % _TICKS:05x}{secrets.randbits(36):09x}"
