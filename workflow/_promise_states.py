"""How each promise stands: settled, holding, owed or broken."""

from __future__ import annotations

from ._complete import open_parts, speaks_freely
from ._evolve_growth import can_speak
from ._growth import Promise
from ._guard_text import TaskGuard, matches
from ._run import Run
from ._states import SETTLED as ENDS

SETTLED = "settled"
"""It can neither be broken any more nor is anything missing."""
HOLDING = "holding"
"""It is true, and could still be broken."""
OWED = "owed"
"""Something that was promised has not come yet, or never did."""
BROKEN = "broken"
"""It was broken, and the run was ended for it."""


def state_of(run: Run, promise: Promise) -> str:
    """Return how a promise stands."""
    if run.broken is not None and run.broken.text == promise.text:
        return BROKEN
    spec = promise.spec
    if isinstance(spec, TaskGuard):
        guard = run.growth.guards.tasks.get((spec.pattern, spec.by))
        if guard is not None and spec.lo is not None and guard.count < spec.lo:
            return OWED
        if not spec.no_new and spec.hi is None:
            return SETTLED
        return HOLDING if _may_come(run, spec.pattern) else SETTLED
    return HOLDING if _anybody_speaks(run) else SETTLED


def _may_come(run: Run, pattern: str) -> bool:
    """Return whether somebody might still try to create a task that matches."""
    if run.ended:
        return False
    for part in open_parts(run):
        if part.shape.has_wild or any(matches(pattern, label) for label in part.shape.labels):
            return True
    return any(speaks_freely(run, task) for task in run.tasks.values())


def _anybody_speaks(run: Run) -> bool:
    return not run.ended and any(
        task.state not in ENDS and can_speak(task) for task in run.tasks.values()
    )
