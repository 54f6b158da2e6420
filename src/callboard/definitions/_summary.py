"""What ``validate`` says of a valid workflow: its size, its levels, what looks forgotten."""

from __future__ import annotations

from collections import Counter
from typing import Any

import attrs

from ..workflow import WorkflowSpec
from ._order import invert


@attrs.frozen(kw_only=True)
class Summary:
    """A workflow in numbers; every task is named by its id.

    Attributes:
        levels: Tasks that can run side by side, in the order in which they can.
        critical_path: A longest chain of tasks, each counted alike.
        kinds: How many tasks there are of each kind.
        lonely: Tasks that nothing leads to or from, in a workflow of several tasks.
        parts: Groups of tasks without a way from one to another; one group in most workflows.
    """

    workflow: str
    tasks: int
    edges: int
    levels: tuple[tuple[str, ...], ...]
    critical_path: tuple[str, ...]
    kinds: dict[str, int]
    lonely: tuple[str, ...]
    parts: tuple[tuple[str, ...], ...]

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON."""
        lists = {
            "levels": [list(level) for level in self.levels],
            "critical_path": list(self.critical_path),
            "lonely": list(self.lonely),
            "parts": [list(part) for part in self.parts],
        }
        return {**attrs.asdict(self), **lists}


def summarise(spec: WorkflowSpec) -> Summary:
    """Describe a valid workflow."""
    depths = _depths(spec)
    levels: list[list[str]] = [[] for _ in range(max(depths.values(), default=-1) + 1)]
    for task, depth in depths.items():
        levels[depth].append(task)
    return Summary(
        workflow=spec.name,
        tasks=len(spec.tasks),
        edges=sum(len(task.needs) for task in spec.tasks),
        levels=tuple(tuple(level) for level in levels),
        critical_path=_longest_chain(spec, depths),
        kinds=dict(Counter(task.kind for task in spec.tasks)),
        lonely=lonely_tasks(spec),
        parts=separate_parts(spec),
    )


def lonely_tasks(spec: WorkflowSpec) -> tuple[str, ...]:
    """Give the tasks that stand alone beside others."""
    joined = {need for task in spec.tasks for need in task.needs}
    alone = (task.id for task in spec.tasks if not task.needs and task.id not in joined)
    return tuple(alone) if len(spec.tasks) > 1 else ()


def separate_parts(spec: WorkflowSpec) -> tuple[tuple[str, ...], ...]:
    """Give the groups of tasks that hang together, in the order of the file."""
    needs = {task.id: task.needs for task in spec.tasks}
    followers = invert(needs)
    part_of: dict[str, int] = {}
    for number, first in enumerate(needs):
        open_tasks = [first]
        while open_tasks:
            task = open_tasks.pop()
            if task not in part_of:
                part_of[task] = number
                open_tasks += [*needs[task], *followers[task]]
    parts: dict[int, list[str]] = {}
    for task in needs:
        parts.setdefault(part_of[task], []).append(task)
    return tuple(tuple(part) for part in parts.values())


def _depths(spec: WorkflowSpec) -> dict[str, int]:
    """Count for every task, in the order of the file, the longest way to it."""
    needs = {task.id: task.needs for task in spec.tasks}
    followers = invert(needs)
    missing = {task: len(before) for task, before in needs.items()}
    depths = dict.fromkeys(needs, 0)
    free = [task for task, count in missing.items() if count == 0]
    while free:
        task = free.pop()
        for follower in followers[task]:
            depths[follower] = max(depths[follower], depths[task] + 1)
            missing[follower] -= 1
            if missing[follower] == 0:
                free.append(follower)
    return depths


def _longest_chain(spec: WorkflowSpec, depths: dict[str, int]) -> tuple[str, ...]:
    needs = {task.id: task.needs for task in spec.tasks}
    chain: list[str] = []
    task = max(depths, key=depths.__getitem__, default=None)
    while task is not None:
        chain.append(task)
        task = max(needs[task], key=depths.__getitem__, default=None)
    return tuple(reversed(chain))
