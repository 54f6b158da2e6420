"""When a failed attempt is followed by another: a function of the policy and of what happened."""

from __future__ import annotations

from ._definition import Failure, Retry


def next_delay(
    policy: Retry | None, failure: Failure, failures: int, elapsed: float, draw: float
) -> float | None:
    """Return the seconds to wait before the next attempt, or None to give up.

    Args:
        failures: How many attempts have failed, this one included.
        elapsed: Seconds since the first attempt began.
        draw: A random number from 0 to 1, for the jitter.

    The formulas are the usual ones; ``jitter`` is "full jitter" (a draw between zero and the computed wait),
    and is applied before the cap could be exceeded, so ``cap`` always holds.
    """
    if policy is None or failures > policy.times or not _matches(policy, failure):
        return None
    delay = min(policy.cap, _delay(policy, failures))
    if policy.jitter:
        delay *= draw
    if failure.retry_after is not None:
        delay = max(delay, failure.retry_after)
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
    detail = failure.detail
    names = detail.get("classes", ()) if isinstance(detail, dict) else ()
    return any(name in policy.on for name in names)
