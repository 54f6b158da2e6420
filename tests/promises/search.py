"""Search for a difference between the kernel and the oracle: ``search.py SEED SCENARIOS``."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    Search = importlib.import_module("promises.searching").Search
    seed, number = (int(each) for each in sys.argv[1:3])
    for way in ("verdicts", "pictures"):
        search = Search(seed)
        getattr(search, way)(number)
        sys.stdout.write("\n\n".join([*search.found[:5], ""]))
