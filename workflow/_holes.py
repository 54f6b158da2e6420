"""Opening and closing the places where tasks may still come."""

from __future__ import annotations

from . import commands as c, events as ev
from ._deciding import Deciding
from ._errors import Refused
from ._graph import path
from ._passing_on import pass_on_to
from ._restarting import stop_held
from ._run import Task
from ._states import PENDING, READY


def open_hole(d: Deciding, command: c.OpenHole) -> None:
    """Put a hole into the graph, if nothing behind it has begun and no cycle comes of it."""
    run = d.run
    d.refuse_ended("changed")
    if d.closing:
        raise Refused(f"run {run.id!r} is being stopped: no hole can be opened in it")
    if command.hole in run.holes:
        raise Refused(f"run {run.id!r} has a hole {command.hole!r} already")
    if command.owner is not None:
        run.task(command.owner)
    _refuse_begun_or_cycle(d, command)
    d.emit(
        ev.HoleOpened(
            at=d.now,
            hole=command.hole,
            shape=command.shape,
            owner=command.owner,
            after=command.after,
            before=command.before,
        )
    )
    followers = [run.vertex(name) for name in command.before]
    pass_on_to(d, [task for task in followers if isinstance(task, Task)])
    if run.restarting:
        stop_held(d)


def _refuse_begun_or_cycle(d: Deciding, command: c.OpenHole) -> None:
    earlier = [d.run.vertex(name) for name in command.after]
    followers = [d.run.vertex(name) for name in command.before]
    for follower in followers:
        begun = (
            follower.state not in (PENDING, READY)
            if isinstance(follower, Task)
            else follower.released
        )
        if begun:
            raise Refused(
                f"nothing can be put in front of {follower.id!r} of run {d.run.id!r}: "
                "it has begun or is settled"
            )
    way = path(followers, set(earlier))
    if way:
        names = " → ".join([f"#{command.hole}", *(each.id for each in way), f"#{command.hole}"])
        raise Refused(f"hole {command.hole!r} of run {d.run.id!r} would close a cycle: {names}")


def close_hole(d: Deciding, command: c.CloseHole) -> None:
    """Close a hole; saying it twice is harmless."""
    hole = d.run.holes.get(command.hole)
    if hole is None:
        raise Refused(f"run {d.run.id!r} has no hole {command.hole!r}")
    d.refuse_ended("changed")
    if not hole.closed:
        d.emit(ev.HoleClosed(at=d.now, hole=command.hole))
