"""What an attempt says that an earlier one of the same task has said: it is done already.

Tasks are found again by their ids.  Holes that were given none are by their shape and their number:
the second ``page*`` of this attempt is the second one that the task has opened.
"""

from __future__ import annotations

from . import commands as c, events as ev
from ._errors import Refused
from ._run import Run, Task
from ._shapes import Shape


def opened_before(run: Run, creator: Task | None, command: c.OpenHole, shape: Shape) -> str | None:
    """Return the id of the hole that an earlier attempt opened; None if a new one is to be.

    Raises:
        Refused: somebody else's hole, or one for something else, has this id.
    """
    if command.hole is None:
        return _by_number(run, creator, command)
    there = run.holes.get(command.hole)
    if there is None:
        return None
    if creator is not None and there.shape == shape:
        ours = (there.name, creator.id)
        for event in run.growth.log.values():
            if isinstance(event, ev.HoleOpened) and (event.hole, event.by) == ours:
                return there.name
    raise Refused(f"run {run.id!r} has a hole {there.name!r} already", kind="exists")


def _by_number(run: Run, creator: Task | None, command: c.OpenHole) -> str | None:
    if creator is None:
        return None
    if creator.named is None:
        creator.named = {}
    mark = f"#{command.shape}"
    number = creator.named[mark] = creator.named.get(mark, 0) + 1
    if not _follows_another(creator):
        return None
    opened = [
        event.hole
        for event in run.growth.log.values()
        if isinstance(event, ev.HoleOpened)
        and (event.by, event.shape) == (creator.id, command.shape)
    ]
    return opened[number - 1] if len(opened) >= number else None


def given_before(run: Run, creator: Task | None, command: c.GiveHole) -> bool:
    """Return whether an earlier attempt has given this hole, or part of one, to this task."""
    if creator is None or not _follows_another(creator):
        return False
    parts = run.growth.parts
    return any(
        isinstance(event, ev.HoleGiven)
        and (event.by, event.to) == (creator.id, command.to)
        and command.hole in (event.hole, parts[event.hole].hole.name)
        for event in run.growth.log.values()
    )


def _follows_another(task: Task) -> bool:
    return task.attempt > 1
