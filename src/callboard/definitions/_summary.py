"""What ``validate`` says of a valid workflow: its size, its levels, what looks forgotten."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import attrs

from .._frozen import frozen
from ..workflow import HoleSpec, WorkflowSpec
from ._order import Needs, invert


@frozen(kw_only=True)
class Summary:
    """A workflow in numbers; every task is named by its id, a hole by its id behind a ``#``.

    Attributes:
        tasks: How many tasks there are at the start.
        levels: Tasks and holes that can run side by side, in the order in which they can.
        critical_path: A longest chain of tasks and holes, each counted alike.
        kinds: How many tasks there are of each kind.
        lonely: Tasks that nothing leads to or from, in a workflow of several tasks.
        parts: Groups of tasks without a way from one to another; one group in most workflows.
        holes: Where tasks may still come.
        templates: What is described for them, by name.
        promises: What holds from the start.
        closed: Whether tasks come only into the holes.
    """

    workflow: str
    tasks: int
    edges: int
    levels: tuple[tuple[str, ...], ...]
    critical_path: tuple[str, ...]
    kinds: dict[str, int]
    lonely: tuple[str, ...]
    parts: tuple[tuple[str, ...], ...]
    holes: tuple[HoleSpec, ...] = ()
    templates: tuple[str, ...] = ()
    promises: tuple[str, ...] = ()
    closed: bool = False

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON."""
        lists = {
            "levels": [list(level) for level in self.levels],
            "critical_path": list(self.critical_path),
            "lonely": list(self.lonely),
            "parts": [list(part) for part in self.parts],
            "holes": [
                {**attrs.asdict(hole), "after": list(hole.after), "before": list(hole.before)}
                for hole in self.holes
            ],
            "templates": list(self.templates),
            "promises": list(self.promises),
        }
        return {**attrs.asdict(self), **lists}


def summarise(spec: WorkflowSpec) -> Summary:
    """Describe a valid workflow."""
    needs = _needs(spec)
    depths = _depths(needs)
    levels: list[list[str]] = [[] for _ in range(max(depths.values(), default=-1) + 1)]
    for vertex, depth in depths.items():
        levels[depth].append(vertex)
    return Summary(
        workflow=spec.name,
        tasks=len(spec.tasks),
        edges=sum(map(len, needs.values())),
        levels=tuple(tuple(level) for level in levels),
        critical_path=_longest_chain(needs, depths),
        kinds=dict(Counter(task.kind for task in spec.tasks)),
        lonely=lonely_tasks(spec),
        parts=separate_parts(spec),
        holes=spec.holes,
        templates=tuple(template.name for template in spec.templates),
        promises=spec.promises,
        closed=spec.flow,
    )


def _needs(spec: WorkflowSpec) -> dict[str, Sequence[str]]:
    """Give what is directly in front of each task and hole."""
    needs: dict[str, Sequence[str]] = {task.id: task.needs for task in spec.tasks}
    for hole in spec.holes:
        needs[f"#{hole.id}"] = hole.after
        for task in hole.before:
            needs[task] = (*needs[task], f"#{hole.id}")
    return needs


def lonely_tasks(spec: WorkflowSpec) -> tuple[str, ...]:
    """Give the tasks that stand alone beside others."""
    needs = _needs(spec)
    joined = {need for before in needs.values() for need in before}
    alone = (task.id for task in spec.tasks if not needs[task.id] and task.id not in joined)
    return tuple(alone) if len(spec.tasks) > 1 else ()


def separate_parts(spec: WorkflowSpec) -> tuple[tuple[str, ...], ...]:
    """Give the groups of tasks that hang together, in the order of the file."""
    needs = _needs(spec)
    followers = invert(needs)
    part_of: dict[str, int] = {}
    for number, first in enumerate(needs):
        open_vertices = [first]
        while open_vertices:
            vertex = open_vertices.pop()
            if vertex not in part_of:
                part_of[vertex] = number
                open_vertices += [*needs[vertex], *followers[vertex]]
    parts: dict[int, list[str]] = {}
    for task in spec.tasks:
        parts.setdefault(part_of[task.id], []).append(task.id)
    return tuple(tuple(part) for part in parts.values())


def _depths(needs: Needs) -> dict[str, int]:
    """Count for everything, in the order of the file, the longest way to it."""
    followers = invert(needs)
    missing = {vertex: len(before) for vertex, before in needs.items()}
    depths = dict.fromkeys(needs, 0)
    free = [vertex for vertex, count in missing.items() if count == 0]
    while free:
        vertex = free.pop()
        for follower in followers[vertex]:
            depths[follower] = max(depths[follower], depths[vertex] + 1)
            missing[follower] -= 1
            if missing[follower] == 0:
                free.append(follower)
    return depths


def _longest_chain(needs: Needs, depths: dict[str, int]) -> tuple[str, ...]:
    chain: list[str] = []
    vertex = max(depths, key=depths.__getitem__, default=None)
    while vertex is not None:
        chain.append(vertex)
        vertex = max(needs[vertex], key=depths.__getitem__, default=None)
    return tuple(reversed(chain))
