"""Options that cannot be are refused where they are made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import callboard
from callboard.workflow import Stop, TaskOptions, UsageError, WorkflowSpec

cb: Any = callboard
stop: Any = Stop
options: Any = TaskOptions
workflow: Any = WorkflowSpec
"""Without their types, which already refuse these."""


async def work() -> None:
    """Do nothing."""


WRONG: list[tuple[Callable[[], Any], str]] = [
    (lambda: cb.task(work, retry=3), r"retry must be a Retry, like Retry\(times=3\), not 3"),
    (lambda: cb.task(work, retry={"times": 3}), "retry must be a Retry"),
    (lambda: cb.task(work, timeout="30s"), "timeout must be seconds as a number, .* not '30s'"),
    (lambda: cb.task(work, timeout=-1), "attempt must be seconds as a number, 0 or more, not -1"),
    (lambda: cb.task(work, timeout=True), "timeout must be seconds"),
    (lambda: cb.task(work, priority="high"), "priority must be a whole number, not 'high'"),
    (lambda: cb.task(work, pool=3), "pool must be a text, not 3"),
    (lambda: cb.task(work, critical="yes"), "critical must be True or False, not 'yes'"),
    (lambda: cb.task(work, lost="nope"), "lost must be one of retry, fail, ask, not 'nope'"),
    (lambda: cb.Retry(times=-1), "times must be at least 0, not -1"),
    (lambda: cb.Retry(times=1 << 70), "times must be"),
    (lambda: cb.Retry(delay="2s"), "delay must be seconds as a number, 0 or more, not '2s'"),
    (lambda: cb.Retry(delay=float("nan")), "delay must be seconds"),
    (lambda: cb.Retry(cap=float("inf")), "cap must be seconds"),
    (lambda: cb.Retry(on="error"), "on must be several texts, .* not 'error'"),
    (lambda: cb.Retry(on=[ValueError]), "on must be several texts"),
    (lambda: cb.Retry(backoff="slow"), "backoff must be one of exponential, linear, fixed"),
    (lambda: cb.Timeouts(total="1h"), "total must be seconds"),
    (lambda: stop(grace=None), "grace must be seconds"),
    (lambda: options(env={"A": 1}), "env must be a mapping of texts to texts"),
    (lambda: workflow(name="w", concurrency=0), "concurrency must be at least 1"),
    (lambda: workflow(name="w", timeout="1h"), "timeout must be seconds"),
    (lambda: cb.workflow(work, timeout="1h"), "timeout must be seconds"),
    (lambda: cb.workflow(work, concurrency="2"), "concurrency must be a whole number"),
    (lambda: cb.workflow(work, pools={"p": 0}), "pools must be numbers of slots"),
]


@pytest.mark.parametrize(("make", "told"), WRONG)
def test_a_wrong_option_is_refused_where_it_is_made(make: Callable[[], Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        make()


def test_what_may_be_left_out_may_be_none() -> None:
    assert cb.task(work, retry=None, timeout=None, pool=None).options == TaskOptions()
    assert cb.Timeouts(attempt=None, total=3).total == 3
