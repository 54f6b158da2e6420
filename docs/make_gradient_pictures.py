"""Draws the pictures of ``guide/gradient.md``: ``python docs/make_gradient_pictures.py``.

They are drawn by the commands that the page names, from the files in ``examples/gradient``; a test
compares the words in them with those that are drawn now.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from pathlib import Path
from typing import Final

from callboard.cli import main

FOLDER: Final = Path(__file__).parent / "guide" / "pictures" / "gradient"
EXAMPLES: Final = Path(__file__).parents[1] / "examples" / "gradient"

BEFORE: Final = {
    "static": "predetermined.yaml",
    "branch": "a_or_b.yaml",
    "component": "component.yaml",
    "map": "map.yaml",
    "loop": "loop.yaml",
    "dynamic": "gradient.py:dynamic",
}
"""Definitions, before anything has run."""

UNFOLDED: Final = ("component",)
"""Those that show each way in which a hole may be filled."""

TWO_CREATED: Final = 4
"""The number of the event with which A, still running, has created its second M."""


def draw_all(folder: Path) -> list[Path]:
    """Draw each picture into a folder, and return the files."""
    for name, file in BEFORE.items():
        ways = ("--unfold", "all") if name in UNFOLDED else ()
        callboard("picture", f"{EXAMPLES / file}", "-o", f"{folder / name}.svg", *ways)
    with tempfile.TemporaryDirectory() as place:
        store = ("--store", f"sqlite:///{place}/map.db")
        told = ("--run-id", "example", "--no-progress")
        callboard("run", f"{EXAMPLES / 'map.yaml'}", "--input", "count=3", *told, *store)
        growing = ("--at", f"{TWO_CREATED}", "-o", f"{folder / 'map-growing'}.svg")
        callboard("picture", "example", *growing, *store)
    return sorted(folder.glob("*.svg"))


def callboard(*words: str) -> None:
    """Run a command, which must succeed, and keep what it says to itself."""
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        code = main(words)
    if code:
        sys.exit(f"callboard {' '.join(words)} ended with {code}")


if __name__ == "__main__":
    for path in draw_all(FOLDER):
        print(path.relative_to(FOLDER.parents[2]))
