"""Edges that may still be added to an open run."""

from __future__ import annotations

from typing import Final

from ._complete import speaks_freely
from ._evolve_growth import chain_of
from ._graph import Vertex, followers
from ._run import Run, Task
from ._states import PENDING, READY

EXACT_MAX: Final = 100
"""Up to how many tasks may-edges are listed one by one."""


def may_edges(run: Run) -> list[tuple[str, str]] | None:
    """Return between which tasks an edge may still come that says something new.

    There may be one from u to v if v has not started, v is not in front of u nor u in front of v
    already, and some living task w that may create anything is neither v nor behind v, and no
    promise forbids it this edge.  They need not all come together.

    Returns:
        Pairs of ids; None if there are too many tasks to look at each pair.
    """
    if run.ended or run.growth.closed or run.stopping is not None:
        return []
    speakers = [task for task in run.tasks.values() if speaks_freely(run, task)]
    targets = [task for task in run.tasks.values() if task.state in (PENDING, READY)]
    if not speakers or not targets:
        return []
    if len(run.tasks) > EXACT_MAX:
        return None
    behind = {task: _behind(task) for task in run.tasks.values()}
    found: list[tuple[str, str]] = []
    for target in targets:
        later = behind[target]
        able = [each for each in speakers if each is not target and each not in later]
        if able:
            found += [
                (source.id, target.id)
                for source in run.tasks.values()
                if source is not target
                and source not in later
                and target not in behind[source]
                and any(_allowed(run, source, target, speaker) for speaker in able)
            ]
    return found


def _allowed(run: Run, source: Task, target: Task, speaker: Task) -> bool:
    chain = chain_of(run, speaker.id)
    return run.growth.guards.forbids_edge(source.spec.name, target.spec.name, chain) is None


def _behind(start: Vertex) -> set[Vertex]:
    """Return everything that must come later than a vertex, along edges and bonds."""
    seen: set[Vertex] = set()
    stack = list(followers(start))
    while stack:
        vertex = stack.pop()
        if vertex not in seen:
            seen.add(vertex)
            stack.extend(followers(vertex))
    return seen
