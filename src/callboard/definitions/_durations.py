"""Durations as people write them: ``250ms``, ``10s``, ``5m``, ``1h30m``, ``1d``, or seconds."""

from __future__ import annotations

import re
from typing import Final

_SECONDS: Final = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}

_AMOUNT: Final = r"[0-9]{1,9}(?:\.[0-9]{1,9})?"

PATTERN: Final = "^(?=[0-9])" + "".join(rf"(?:{_AMOUNT}{unit})?" for unit in _SECONDS) + "$"
"""What a duration's text looks like: each unit at most once, the longest first."""

_PARTS: Final = re.compile(rf"({_AMOUNT})(ms|[dhms])")

SECONDS_MAX: Final = 3_660 * 86_400.0
"""About ten years; more is a slip of the pen."""


def parse_duration(text: str) -> float:
    """Give the seconds that a duration's text means.

    Raises:
        ValueError: The text is no duration.
    """
    if not re.fullmatch(PATTERN, text):
        raise ValueError(f'"{text}" is no duration; write 250ms, 10s, 5m, 1h30m or 2d')
    return sum(float(amount) * _SECONDS[unit] for amount, unit in _PARTS.findall(text))
