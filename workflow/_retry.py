"""When a failed attempt is followed by another: a function of the policy and of what happened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from ._definition import Failure, Retry


def next_delay(
    policy: Retry | None, failure: Failure, failures: int, elapsed: float, draw: float
) -> float | None:
    """Return the seconds to wait before the next attempt, or None to give up.

    Args:
        failures: How many attempts have failed, this one included.
        elapsed: Seconds since the first attempt began.
        draw: A random number from 0 to 1, for the jitter.

    ``jitter`` is "full jitter": a draw between zero and the computed wait.  The cap is applied
    last, so it holds whatever was asked for.
    """
    if policy is None or failures > policy.times or not _matches(policy, failure):
        return None
    delay = _delay(policy, failures)
    if policy.jitter:
        delay = min(delay, policy.cap) * draw
    delay = min(max(delay, failure.retry_after or 0.0), policy.cap)
    if policy.max_elapsed is not None and elapsed + delay > policy.max_elapsed:
        return None
    return delay


def _delay(policy: Retry, failures: int) -> float:
    match policy.backoff:
        case "fixed":
            return policy.delay
        case "linear":
            return policy.delay + policy.increment * (failures - 1)
        case "exponential":
            # 2.0 ** 1023 is the last double; the cap holds long before.
            return policy.delay * 2.0 ** min(failures - 1, 1000)


def _matches(policy: Retry, failure: Failure) -> bool:
    if failure.kind in policy.on:
        return True
    # A function's failure names the classes of its exception, base classes too.
    detail = cast("Mapping[str, Any] | None", failure.detail)
    names = detail.get("classes", ()) if isinstance(detail, dict) else ()
    return any(name in policy.on for name in names)
