"""``kill -9`` at any moment loses nothing that was reported and repeats nothing that was done."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import pytest

from callboard.storage import CrashPoint

sys.path.insert(0, str(Path(__file__).parent))

from crash_trial import trial  # type: ignore[import-not-found]  # beside this file

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="looks for left-over processes in /proc"
)

SEED = int(os.environ.get("CRASH_SEED", "20261121"))
MOMENTS = [random.Random(SEED + n).uniform(0.0, 0.8) for n in range(10)]


@pytest.fixture(params=["asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Run the trial itself on one backend; the processes under trial run on both."""
    return str(request.param)


@pytest.mark.parametrize("number", [1, 4, 9])
@pytest.mark.parametrize("point", list(CrashPoint))
async def test_a_crash_beside_a_commit(point: CrashPoint, number: int, tmp_path: Path) -> None:
    """At every named crash point, early and late in the run."""
    backend = ("asyncio", "trio")[number % 2]
    await trial(tmp_path, crash_at=f"{point}:{number}", backend=backend)


@pytest.mark.parametrize("number", range(len(MOMENTS)))
async def test_a_kill_at_a_random_moment(number: int, tmp_path: Path) -> None:
    """Whenever the signal comes."""
    backend = ("asyncio", "trio")[number % 2]
    await trial(tmp_path, after=MOMENTS[number], backend=backend)
