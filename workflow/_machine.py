"""What follows from a command: ``apply(run, command, now) -> (events, effects)``.

Theory of operation.  A command is checked against the run's state; what it leads to is *emitted*:
folded into the run by :func:`~callboard.workflow._evolve.evolve` and returned as events, which the
caller commits before anything becomes visible.  Effects are what the caller has to do after the
commit.  A command that does not fit raises :class:`Refused` and changes nothing.

After each command two things may follow by themselves: a restart that waited for its scope to stop
begins, and a run with nothing left to settle ends.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from . import commands as c, events as ev
from ._adding import add_certain
from ._attempts import (
    begin,
    begin_wait,
    fail,
    lose,
    not_ready,
    skip,
    succeed,
    succeed_step,
    suspend,
)
from ._by_hand import answer, pause, settle, unpause
from ._deadlines import due, queued_timers, run_timer
from ._deciding import Deciding
from ._ending import OutputOf, end_if_over
from ._errors import PromiseRefused
from ._evolve import new_run
from ._growing import grow
from ._intervals import TooEntangled
from ._keeping import Broken, check_growth, look_at_all
from ._restarting import begin_anew, restart
from ._run import Run
from ._stopping import cancel, stopped
from .commands import Command, Effect
from .events import Event


def _longest() -> float:
    return 1.0


def apply(
    run: Run,
    command: Command,
    now: float,
    *,
    draw: Callable[[], float] = _longest,
    stops: dict[str, str] | None = None,
    output_of: OutputOf | None = None,
) -> tuple[list[Event], list[Effect]]:
    """Change a run as a command asks, and return what happened and what is to be done about it.

    Args:
        now: Wall time in seconds.
        draw: Gives random numbers from 0 to 1, for the jitter of retries.
        stops: Why attempts are being stopped, by fence; kept by the caller between calls.
        output_of: Computes the output of a run that has succeeded.

    Raises:
        Refused: the command does not fit the run's state; nothing changed.
        StaleFence: it came from an attempt that is not the current one; nothing changed.
    """
    d = Deciding(run, now, draw, {} if stops is None else stops, [], [])
    decide(d, command, output_of)
    return d.events, d.effects


def decide(d: Deciding, command: Command, output_of: OutputOf | None) -> None:
    """Do what :func:`apply` does, for whoever decides much: what follows is added to ``d``."""
    run = d.run
    _DECIDE[type(command)](d, command)
    if run.restarting:
        begin_anew(d)
    if not run.unsettled:
        end_if_over(d, output_of)


def start(
    created: ev.RunCreated, *, output_of: OutputOf | None = None
) -> tuple[Run, list[Event], list[Effect]]:
    """Return a new run, its first events (without tasks it ends at once), and its timers.

    Raises:
        Refused: the definition names a task twice or needs one that it does not have.
        CycleError: it has a cycle.
        PromiseRefused: what it promises cannot hold together.
    """
    run = new_run(created)
    d = Deciding(run, created.at, _longest, {}, [created], [])
    if run.holes or created.spec.promises:
        _check_promises(d)
    end_if_over(d, output_of)
    d.effects.extend([*run_timer(run), *queued_timers(run, run.tasks.values())])
    return run, d.events, d.effects


def _check_promises(d: Deciding) -> None:
    """Judge what a definition promises, all of it together."""
    run = d.run
    for promise in run.growth.promises:
        if promise.spec.by is not None and promise.spec.by not in run.tasks:
            raise PromiseRefused(
                f"{promise.text!r} cannot hold: there is no task {promise.spec.by!r}"
            )
    over = next(
        (g for g in run.growth.guards.tasks.values() if g.hi is not None and g.count > g.hi), None
    )
    if over is not None:
        raise PromiseRefused(f"{over.high_text!r} is untrue: there are {over.count} such tasks")
    look_at_all(run)
    try:
        check_growth(d, None)
    except Broken as broken:
        raise PromiseRefused(f"{broken.text!r} cannot hold: {broken}") from broken
    except TooEntangled as error:
        raise PromiseRefused("these promises are too entangled to keep exactly") from error
    add_certain(d)


_DECIDE: Final[dict[type[Any], Callable[[Deciding, Any], None]]] = {
    c.Begin: begin,
    c.BeginWait: begin_wait,
    c.Succeed: succeed,
    c.SucceedStep: succeed_step,
    c.NotReady: not_ready,
    c.Fail: fail,
    c.Suspend: suspend,
    c.Stopped: stopped,
    c.Lose: lose,
    c.Skip: skip,
    c.Due: due,
    c.Pause: pause,
    c.Unpause: unpause,
    c.Cancel: cancel,
    c.Restart: restart,
    c.Settle: settle,
    c.Answer: answer,
    c.Grow: grow,
}
