"""Promises that are made while a run goes on, rounds by ``again``, and looks."""

from __future__ import annotations

from typing import Final

from . import commands as c, events as ev
from ._complete import is_below, speaks_freely
from ._deciding import Deciding
from ._errors import PromiseRefused, Refused, UsageError
from ._evolve_growth import chain_of, guard_of
from ._guard_text import Rounds, TaskGuard
from ._keeping import (
    Broken,
    check_growth,
    is_hopeless,
    look_at_all,
)
from ._picture_looks import check_colour
from ._restarting import refuse_withdrawn
from ._run import Run, Task

AGAIN_MAX: Final = 1_000
"""How often a task may be begun anew by ``again`` if no promise says less."""


def make_promise(d: Deciding, creator: Task | None, command: c.Promise) -> None:
    run = d.run
    try:
        spec = guard_of(command.text)
    except UsageError as error:
        raise Refused(str(error), kind="invalid") from error
    if spec.by is not None:
        speaker = run.task(spec.by)
        if isinstance(spec, TaskGuard) and _lacks(run, speaker, spec):
            raise PromiseRefused(
                f"{command.text!r} cannot hold: task {speaker.id!r} has no place for it"
            )
    if isinstance(spec, Rounds) and run.growth.rounds.get(spec.task, 0) > spec.hi:
        raise PromiseRefused(f"{command.text!r} is untrue: there were more rounds already")
    d.emit(ev.PromiseMade(at=d.now, text=command.text, by=None if creator is None else creator.id))
    untrue = next(
        (g for g in run.growth.guards.tasks.values() if g.hi is not None and g.count > g.hi), None
    )
    if untrue is not None:
        raise PromiseRefused(
            f"{command.text!r} is untrue: run {run.id!r} has {untrue.count} such tasks already"
        )
    try:
        look_at_all(run)
        check_growth(d, creator)
    except Broken as broken:
        raise PromiseRefused(f"{command.text!r} cannot hold: {broken}") from broken
    if is_hopeless(run, spec):
        raise PromiseRefused(f"{command.text!r} cannot hold: nobody is left who could create it")


def _lacks(run: Run, task: Task, spec: TaskGuard) -> bool:
    """Return whether a task would have to create something and owns no place for it."""
    if spec.lo is None or speaks_freely(run, task) or run.growth.wilds.get(task.id):
        return False
    if (task.id, spec.pattern) in run.growth.places:
        return False
    there = sum(
        other.spec.name == spec.pattern and not other.withdrawn and is_below(run, other, task)
        for other in run.tasks.values()
    )
    return there < spec.lo


def style(d: Deciding, creator: Task | None, command: c.Style) -> None:
    run = d.run
    for name in (command.target,) if isinstance(command.target, str) else command.target:
        run.vertex(name)
    try:
        check_colour(command.color)
    except UsageError as error:
        raise Refused(str(error), kind="invalid") from error
    chain = chain_of(run, None if creator is None else creator.id)
    broken = run.growth.guards.forbids_looks(chain)
    if broken is not None:
        what = command.target if isinstance(command.target, str) else " → ".join(command.target)
        raise Broken(broken, f"{what} was to look different")
    d.emit(
        ev.Styled(
            at=d.now,
            target=command.target,
            label=command.label,
            color=command.color,
            by=None if creator is None else creator.id,
        )
    )


def again(d: Deciding, creator: Task | None, command: c.Again) -> None:
    run = d.run
    if creator is None:
        raise Refused("only a task's attempt says again; a person restarts the task")
    target = run.task(command.task)
    refuse_withdrawn(run, target, "done again")
    growth = run.growth
    limit = growth.rounds_max.get(target.id, AGAIN_MAX)
    if growth.sealed:
        raise Broken("sealed", f"task {target.id!r} cannot be done again")
    if growth.rounds.get(target.id, 0) >= limit and target.id not in creator.again:
        text = f"at most {limit} rounds of {target.id}"
        if target.id not in growth.rounds_max:
            text += " (the ceiling that every task has)"
        raise Broken(text, f"task {target.id!r} was begun anew {limit} times already")
    if target.id not in creator.again:
        d.emit(ev.AgainAsked(at=d.now, task=creator.id, target=target.id))
