"""A process that starts a run under each of some keys: ``URL BACKEND KEYS ON_EXISTING``.

It prints ``ready``, waits for a line, and then prints a JSON list: for each key the run's id and
whether it was started here.
"""

from __future__ import annotations

import json
import sys
from functools import partial

import anyio

import callboard as cb
from callboard.registry import OnExisting
from callboard.workflow import TaskSpec, WorkflowSpec

ASK = WorkflowSpec(name="ask", tasks=(TaskSpec(id="a", name="a", kind="input"),))


async def main(url: str, keys: int, on_existing: OnExisting) -> None:
    """Start them all, one after another."""
    found: list[tuple[str, bool]] = []
    async with cb.Engine(url, recover="none") as engine:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await anyio.to_thread.run_sync(sys.stdin.readline)
        for number in range(keys):
            try:
                handle = await engine.start(ASK, key=f"key {number}", on_existing=on_existing)
                found.append((handle.id, handle.created))
            except cb.KeyTaken as error:
                found.append((error.run_id, False))
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()
        await anyio.to_thread.run_sync(sys.stdin.readline)


if __name__ == "__main__":
    url, backend, keys, on_existing = sys.argv[1:]
    anyio.run(partial(main, url, int(keys), on_existing), backend=backend)  # type: ignore[arg-type]
