"""Thirteen jobs that bring a small cluster up: ``python examples/infrastructure/cluster.py``.

The jobs are plain functions and the graph is a plain mapping: no store, no definition file.  A job
says *ready*, says *not ready* (what stands behind it is skipped, and that is no failure), or
raises.  As each job looks at the world first, a controller simply goes over all of them again.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import anyio

import callboard as cb

NEEDS: Mapping[str, list[str]] = {
    "network": [],
    "dns": ["network"],
    "certificates": ["network"],
    "storage": ["network"],
    "secrets": ["certificates"],
    "control-plane": ["dns", "secrets"],
    "nodes": ["control-plane", "storage"],
    "registry": ["nodes"],
    "ingress": ["nodes", "dns"],
    "database": ["nodes", "storage", "secrets"],
    "queue": ["nodes"],
    "api": ["database", "queue", "registry"],
    "site": ["api", "ingress"],
}


class Cloud:
    """A cloud that takes its time: a resource is ready when it was asked for often enough."""

    def __init__(self, patience: Mapping[str, int]) -> None:
        self.patience = patience
        self.asked = dict.fromkeys(NEEDS, 0)

    async def ensure(self, name: str) -> cb.NotReady | None:
        """Create a resource if it is missing, and tell whether it is ready."""
        await anyio.sleep(0.001)
        self.asked[name] += 1
        missing = self.patience.get(name, 1) - self.asked[name]
        return cb.NotReady(f"{name} is still being made") if missing > 0 else None


async def reconcile(cloud: Cloud) -> cb.RunResult:
    """Go over all jobs once, four at a time."""
    jobs = {name: partial(cloud.ensure, name) for name in NEEDS}
    return await cb.run_dag(jobs, NEEDS, concurrency=4, timeout=60)


async def main(pause: float = 0.01) -> int:
    """Reconcile until everything is ready, and return how many rounds that took."""
    cloud = Cloud({"nodes": 2, "database": 3})
    rounds = 1
    while not (result := await reconcile(cloud)).is_ready():
        result_is_no_failure(result)
        for front in result.frontier():
            behind = [name for name in front.subtree if name != front.task]
            why = result.tasks[front.task].reason
            print(f"round {rounds}: {why}; behind it: {', '.join(behind)}")
        await anyio.sleep(pause)
        rounds += 1
    print(f"round {rounds}: all {len(result.tasks)} jobs are ready")
    return rounds


def result_is_no_failure(result: cb.RunResult) -> None:
    """Raise what went wrong; *not ready* is fine."""
    if not result.is_not_ready():
        result.raise_for_state()


if __name__ == "__main__":
    anyio.run(main)
