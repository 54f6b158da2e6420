"""The page about the life of a task shows the moves that the kernel has."""

from __future__ import annotations

import importlib.util
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_page_is_drawn_from_the_table() -> None:
    """Write it anew with ``python docs/make_lifecycle.py``."""
    spec = importlib.util.spec_from_file_location(
        "make_lifecycle", ROOT / "docs" / "make_lifecycle.py"
    )
    assert spec is not None
    assert spec.loader is not None
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    assert maker.PAGE.read_text() == maker.page(maker.PAGE.read_text())
