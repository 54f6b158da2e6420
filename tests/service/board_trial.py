"""Workers empty a board, and each task is done once: ``board_trial.py TASKS WORKERS [--kill]``."""

from __future__ import annotations

import functools
import importlib
import os
import sys
import tempfile
from pathlib import Path

import anyio

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    trial = importlib.import_module("service.trials").trial
    tasks, workers = (int(each) for each in sys.argv[1:3])
    how = {"kills": 2 * workers, "lease": 5.0} if "--kill" in sys.argv else {}

    seed = int(os.environ.get("TRIAL_SEED", "1"))
    with tempfile.TemporaryDirectory() as folder:
        work = functools.partial(trial, Path(folder), tasks, workers, seed=seed, **how)
        sys.stdout.write(f"{anyio.run(work)}\n")
