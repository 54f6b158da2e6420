"""Thirteen jobs that bring a small cluster up, with readiness checks: ``python examples/infrastructure/cluster.py``.

The jobs are plain functions and the graph a plain mapping: no store, no definition file.  A job says *ready*,
*not ready* (what is below is skipped, and a later call goes on from there: jobs here look at the world first)
or raises.  A controller calls :func:`reconcile` again and again until everything is ready.
"""

from __future__ import annotations

import anyio

import callboard as cb

NEEDS = {
    "network": [],
    "dns": ["network"],
    "certificates": ["network"],
    "storage": ["network"],
    "secrets": ["certificates"],
    "control-plane": ["dns", "certificates", "secrets"],
    "nodes": ["control-plane", "storage"],
    "registry": ["nodes"],
    "ingress": ["nodes", "dns"],
    "database": ["nodes", "storage", "secrets"],
    "queue": ["nodes"],
    "api": ["database", "queue", "registry"],
    "site": ["api", "ingress"],
}


class Cloud:
    """A cloud in which everything takes some time: a resource is ready after it was asked for often enough."""

    def __init__(self, patience: dict[str, int] | None = None) -> None:
        self.patience = {"nodes": 2, "database": 3} if patience is None else patience
        self.asked: dict[str, int] = {}

    async def ensure(self, name: str) -> bool | cb.NotReady:
        """Create a resource if it is missing, and tell whether it is ready."""
        await anyio.lowlevel.checkpoint()
        self.asked[name] = self.asked.get(name, 0) + 1
        wanted = self.patience.get(name, 1)
        if self.asked[name] >= wanted:
            return True
        return cb.NotReady(f"{name} was asked for {self.asked[name]} of {wanted} times")


class Resource:
    """One job: it has a name, and ``do`` says how it went."""

    def __init__(self, cloud: Cloud, name: str) -> None:
        self.cloud = cloud
        self.name = name

    async def do(self) -> bool | cb.NotReady:
        """Bring the resource up."""
        return await self.cloud.ensure(self.name)


async def reconcile(cloud: Cloud) -> cb.RunResult:
    """Try to bring everything up once."""
    return await cb.run_dag([Resource(cloud, name) for name in NEEDS], NEEDS, concurrency=4, timeout=60)


async def main() -> int:
    """Reconcile until the cluster is ready; return how many rounds it took."""
    cloud = Cloud()
    for round_ in range(1, 20):
        result = await reconcile(cloud)
        if result.is_ready():
            print(f"round {round_}: all {len(result.tasks)} jobs are ready")
            return round_
        blocked = result.first_in_progress()
        skipped = sum(task.state == "skipped" for task in result.tasks.values())
        print(f"round {round_}: {blocked.id if blocked else '?'} is not ready, {skipped} jobs wait behind it")
        await anyio.sleep(0)
    raise SystemExit("the cluster did not come up")


if __name__ == "__main__":
    anyio.run(main)
