"""The cluster comes up in the rounds that its slowest resources need."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import TypeAlias

import callboard as cb

Load: TypeAlias = Callable[[str], ModuleType]
Start: TypeAlias = Callable[..., list[str]]

PRINTED = [
    "round 1: nodes is still being made; behind it: api, database, ingress, queue, registry, site",
    "round 2: database is still being made; behind it: api, site",
    "round 3: database is still being made; behind it: api, site",
    "round 4: all 13 jobs are ready",
]


async def test_what_is_not_ready_holds_up_only_what_is_behind_it(load_example: Load) -> None:
    cluster = load_example("infrastructure/cluster.py")
    cloud = cluster.Cloud({"nodes": 2})
    first: cb.RunResult = await cluster.reconcile(cloud)
    assert first.is_not_ready()
    assert first.state == "not_ready"
    assert {name for name, asked in cloud.asked.items() if asked == 0} == set(
        first.descendants("nodes")
    )
    assert set(first.boundary()) == set(first.ancestors("nodes"))
    assert (await cluster.reconcile(cloud)).is_ready()


async def test_it_comes_up(load_example: Load) -> None:
    assert await load_example("infrastructure/cluster.py").main(pause=0) == 4


def test_as_a_program(start_example: Start) -> None:
    assert start_example("infrastructure/cluster.py") == PRINTED
