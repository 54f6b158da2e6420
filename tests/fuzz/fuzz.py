"""Fuzz definition files, protocol lines and REST requests: ``fuzz.py SECONDS SEED [TARGET]``.

Half of the time goes to REST.  The same seed makes the same cases; how many of them fit into the
time depends on the machine.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
    fuzzing = importlib.import_module("tests.fuzz.fuzzing")
    seconds, seed = float(sys.argv[1]), int(sys.argv[2])
    shares = {"definitions": 0.3, "protocol": 0.2, "rest": 0.5}
    chosen = {sys.argv[3]: 1.0} if len(sys.argv) > 3 else shares
    for target, share in chosen.items():
        counts = fuzzing.fuzz(target, seconds * share, seed)
        told = ", ".join(f"{number} {what}" for what, number in sorted(counts.items()))
        sys.stdout.write(f"{target}: {sum(counts.values())} cases of seed {seed}: {told}\n")
