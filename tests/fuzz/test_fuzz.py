"""A minute of fuzzing, on several cores; an hour of it is a command in CONTRIBUTING.md."""

from __future__ import annotations

import pytest

from .fuzzing import TARGETS, fuzz

SECONDS = 20.0
SEED = 4


@pytest.mark.parametrize("target", TARGETS)
def test_whatever_comes_in_is_taken_or_refused(target: str) -> None:
    counts = fuzz(target, SECONDS, SEED)
    assert sum(counts.values()) > 200, "and enough of it"
    assert len(counts) > 1, "taken as well as refused"
