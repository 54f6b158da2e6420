"""Values the house, speaking plain JSON lines: a task needs no helper of ours."""

from __future__ import annotations

import json
import time

ROOMS = {"kitchen": 180_000, "hall": 120_000, "study": 150_000}

for room, value in ROOMS.items():
    time.sleep(0.3)
    print(f"the {room} is worth {value:,}", flush=True)
print(json.dumps({"type": "success", "output": {"value": sum(ROOMS.values())}}), flush=True)
