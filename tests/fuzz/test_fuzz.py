"""A little fuzzing, in CI a minute of it; an hour is a command in CONTRIBUTING.md."""

from __future__ import annotations

import os

import pytest

from .fuzzing import TARGETS, fuzz

SECONDS = float(os.environ.get("FUZZ_SECONDS", "3"))
SEED = 4


@pytest.mark.parametrize("target", TARGETS)
def test_whatever_comes_in_is_taken_or_refused(target: str) -> None:
    counts = fuzz(target, SECONDS, SEED)
    assert sum(counts.values()) > 200, "and enough of it"
    assert len(counts) > 1, "taken as well as refused"
