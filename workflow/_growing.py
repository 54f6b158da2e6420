"""Changing the graph of a run while it runs: what is allowed, refused, or breaks a promise.

A batch is all or nothing.  Each of its commands is checked and takes effect, the question whether
the run can still be finished is asked once at its end; what was refused or broke a promise is taken
back by building the graph again without it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from . import commands as c
from ._adding import add_certain, add_task
from ._deciding import Deciding
from ._errors import Refused
from ._evolve_growth import can_speak
from ._failing import break_run
from ._graph import CycleError
from ._intervals import TooEntangled
from ._keeping import (
    Broken,
    Mark,
    check_growth,
)
from ._promising import again, make_promise, style
from ._restarting import stop_held
from ._run import Run, Task
from ._shaping import add_edge_between, close_hole, give_hole, open_new_hole
from ._withdrawing import withdraw


def grow(d: Deciding, command: c.Grow) -> None:
    """Change the graph as a batch of commands asks; ``d.answers`` gets what was made."""
    run = d.run
    creator = None if command.task is None else d.leased(command.task, command.fence or "")
    d.refuse_ended("changed")
    if d.closing:
        raise Refused(f"run {run.id!r} is being stopped: nothing can be added to it")
    if creator is not None and creator.id in run.held:
        raise Refused(f"task {creator.id!r} is about to be restarted: it can add nothing more")
    if creator is not None and not can_speak(creator):
        raise Refused(
            f"task {creator.id!r} of run {run.id!r} cannot change the graph: it is done by "
            f"{creator.spec.kind!r}, which only reports"
        )
    mark = Mark.of(d, creator)
    try:
        d.answers = [_GROW[type(each)](d, creator, each) for each in command.commands]
        check_growth(d, creator)
        add_certain(d)
    except Broken as broken:
        mark.take_back(d)
        if creator is None:
            message = f"run {run.id!r} promised {broken.text!r}: {broken}"
            raise Refused(message, kind="promise_broken") from broken
        break_run(d, creator, broken)
    except CycleError as error:
        mark.take_back(d)
        raise Refused(_cycle(run, error), kind="cycle") from error
    except TooEntangled as error:
        mark.take_back(d)
        message = f"run {run.id!r}: with this the promises are too entangled to keep exactly"
        raise Refused(message, kind="entangled") from error
    except Refused:
        mark.take_back(d)
        raise
    if run.restarting:
        stop_held(d)


def _cycle(run: Run, error: CycleError) -> str:
    # A hole and the one part that it begins as are one thing to whoever reads it.
    pairs = zip(error.cycle, ("", *error.cycle), strict=False)
    names = [name for name, last in pairs if name != last or not name.startswith("#")]
    return f"run {run.id!r} would get a cycle: {' → '.join(names)}"


_GROW: Final[dict[type[Any], Callable[[Deciding, Task | None, Any], Any]]] = {
    c.AddTask: add_task,
    c.AddEdge: add_edge_between,
    c.OpenHole: open_new_hole,
    c.GiveHole: give_hole,
    c.CloseHole: close_hole,
    c.Withdraw: withdraw,
    c.Promise: make_promise,
    c.Style: style,
    c.Again: again,
}
