"""When a failed attempt is followed by another."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from callboard.workflow import Failure, Retry
from callboard.workflow._retry import next_delay

ERROR = Failure(kind="error", message="bad")


def delays(count: int, **policy: Any) -> list[float | None]:
    options: dict[str, Any] = {"jitter": False, "times": 100, **policy}
    retry = Retry(**options)
    return [next_delay(retry, ERROR, n, 0.0, 1.0) for n in range(1, count + 1)]


def test_fixed_waits_the_same_each_time() -> None:
    assert delays(3, backoff="fixed", delay=2) == [2, 2, 2]


def test_linear_adds_the_increment_each_time() -> None:
    assert delays(4, backoff="linear", delay=2, increment=3) == [2, 5, 8, 11]


def test_exponential_doubles_each_time() -> None:
    assert delays(5, backoff="exponential", delay=2) == [2, 4, 8, 16, 32]


def test_nothing_follows_after_the_last_time_or_without_a_policy() -> None:
    assert delays(4, backoff="fixed", delay=1, times=2) == [1, 1, None, None]
    assert next_delay(None, ERROR, 1, 0.0, 1.0) is None
    assert next_delay(Retry(), ERROR, 1, 0.0, 1.0) is None


def test_jitter_draws_between_nothing_and_the_whole_wait() -> None:
    retry = Retry(times=9, delay=8, backoff="fixed")
    assert [next_delay(retry, ERROR, 1, 0.0, draw) for draw in (0.0, 0.25, 1.0)] == [0, 2, 8]


def test_the_task_may_ask_for_a_longer_wait_as_far_as_the_cap_allows() -> None:
    retry = Retry(times=9, delay=1, cap=60, jitter=False)
    asked = [Failure(kind="error", message="busy", retry_after=after) for after in (0.5, 30, 90)]
    assert [next_delay(retry, each, 1, 0.0, 1.0) for each in asked] == [1, 30, 60]


@given(
    backoff=st.sampled_from(["fixed", "linear", "exponential"]),
    delay=st.floats(0, 1e9),
    increment=st.floats(0, 1e9),
    cap=st.floats(0, 1e6),
    failures=st.integers(1, 100_000),
    draw=st.floats(0, 1),
    after=st.none() | st.floats(0, 1e9),
    jitter=st.booleans(),
)
def test_no_wait_exceeds_the_cap_or_is_negative(
    *,
    backoff: Any,
    delay: float,
    increment: float,
    cap: float,
    failures: int,
    draw: float,
    after: float | None,
    jitter: bool,
) -> None:
    policy = Retry(
        times=100_000, backoff=backoff, delay=delay, increment=increment, cap=cap, jitter=jitter
    )
    failure = Failure(kind="error", message="x", retry_after=after)
    wait = next_delay(policy, failure, failures, 0.0, draw)
    assert wait is not None
    assert 0 <= wait <= cap


@pytest.mark.parametrize(("elapsed", "wait"), [(0, 10), (50, 10), (50.1, None), (1000, None)])
def test_no_retry_begins_after_the_longest_time(elapsed: float, wait: float | None) -> None:
    retry = Retry(times=9, delay=10, backoff="fixed", jitter=False, max_elapsed=60)
    assert next_delay(retry, ERROR, 1, elapsed, 1.0) == wait


@pytest.mark.parametrize(
    ("on", "failure", "retried"),
    [
        (("error",), ERROR, True),
        (("timeout",), ERROR, False),
        (("exit", "timeout"), Failure(kind="timeout", message="x"), True),
        (("builtins.OSError",), ERROR, False),
        (
            ("OSError",),
            Failure(kind="error", message="x", detail={"classes": ["PermissionError", "OSError"]}),
            True,
        ),
        (
            ("ValueError",),
            Failure(kind="error", message="x", detail={"classes": ["PermissionError", "OSError"]}),
            False,
        ),
        (("ValueError",), Failure(kind="error", message="x", detail=[1]), False),
        (Retry().on, Failure(kind="bad_output", message="x"), False),
        (Retry().on, Failure(kind="cancelled", message="x"), False),
    ],
)
def test_only_what_the_policy_names_is_retried(
    on: tuple[str, ...], failure: Failure, retried: bool
) -> None:
    retry = Retry(times=1, on=on, jitter=False)
    assert (next_delay(retry, failure, 1, 0.0, 1.0) is not None) == retried
