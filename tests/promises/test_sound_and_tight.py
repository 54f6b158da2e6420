"""The kernel against the oracle: the same verdicts, and pictures that are sound and tight.

At each moment of random small workflows, the final graphs that search can reach are those that the
picture denotes.  More of it: ``python tests/promises/search.py SEED SCENARIOS``.
"""

from __future__ import annotations

import pytest

from .searching import Search


@pytest.mark.parametrize("seed", range(101, 105))
def test_the_kernel_says_what_the_oracle_says(seed: int) -> None:
    """Verdicts, tasks, order and readiness, after every move."""
    search = Search(seed)
    search.verdicts(80)
    assert not search.found, search.report()
    assert search.counts["moves"] > 300


@pytest.mark.parametrize("seed", range(201, 204))
def test_a_picture_denotes_the_graphs_that_the_run_can_end_with(seed: int) -> None:
    """Soundness and tightness of closed runs, at every moment."""
    search = Search(seed)
    search.pictures(60)
    assert not search.found, search.report()
    assert search.counts["moments"] > 100
    assert search.counts["graphs"] > 300
