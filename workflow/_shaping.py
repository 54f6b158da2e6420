"""Edges and holes that come while a run goes on; giving holes away, and closing them."""

from __future__ import annotations

from . import commands as c, events as ev
from ._adding import check_edge, check_edges, closing_text, hole_names, refuse_begun
from ._ambiguity import ambiguities
from ._complete import is_below, speaks_freely
from ._deciding import Deciding
from ._errors import Refused, UsageError
from ._evolve_growth import can_speak, chain_of, shape_of
from ._found_again import given_before, opened_before
from ._graph import CycleError, path
from ._keeping import (
    Broken,
    keep_promises,
    look_at_all,
    shape_text,
)
from ._parts import parts_below, segment
from ._passing_on import blocks, pass_on, pass_on_to
from ._run import Part, Run, Task
from ._shapes import Lab
from ._states import SETTLED


def add_edge_between(d: Deciding, creator: Task | None, command: c.AddEdge) -> None:
    run = d.run
    source, target = run.task(command.source), run.task(command.target)
    if source in target.before:
        return
    refuse_begun(run, target)
    way = path([target], {source})
    if way:
        raise CycleError([source.id, *(each.id for each in way)])
    if not _share_dots(creator, source, target):
        _check_may_shape(run, creator, f"the edge {source.id} → {target.id}")
    chain = chain_of(run, None if creator is None else creator.id)
    check_edge(d, source.spec.name, target.spec.name, chain)
    d.emit(
        ev.EdgeAdded(
            at=d.now,
            source=source.id,
            target=target.id,
            by=None if creator is None else creator.id,
        )
    )
    if blocks(source):
        pass_on(d, source)


def _share_dots(creator: Task | None, source: Task, target: Task) -> bool:
    """Return whether two tasks stand in one ``...`` of a shape that the creator owns, too."""
    part = source.part
    return (
        creator is not None
        and part is not None
        and part.is_wild
        and part is target.part
        and creator in part.owners
    )


def _check_may_shape(run: Run, creator: Task | None, what: str) -> None:
    """Check that somebody may add an edge or a hole: in a closed run nobody may."""
    if run.growth.closed if creator is None else not speaks_freely(run, creator):
        raise Broken(closing_text(run), f"{what} was never promised")


def open_new_hole(d: Deciding, creator: Task | None, command: c.OpenHole) -> str:
    run = d.run
    try:
        shape = shape_of(command.shape)
    except UsageError as error:
        raise Refused(str(error), kind="invalid") from error
    unclear = ambiguities(shape)
    if unclear:
        raise Refused("; ".join(unclear), kind="ambiguous")
    there = opened_before(run, creator, command, shape)
    if there is not None:
        return there
    base = segment(shape)
    number = 0 if command.hole is not None else _free_number(run, base)
    name = command.hole or _numbered(base, number)
    for other in command.after:
        run.vertex(other)
    _check_may_shape(run, creator, f"the hole {name!r}")
    for other in command.before:
        refuse_begun(run, run.vertex(other))
    chain = chain_of(run, None if creator is None else creator.id)
    check_edges(d, command, chain)
    owner = creator if command.owner is None else run.task(command.owner)
    if owner is not None and owner is not creator:
        _check_receiver(run, creator, owner)
    befores = [run.vertex(each) for each in command.before]
    way = path(befores, {run.vertex(each) for each in command.after})
    if way:
        raise CycleError([f"#{name}", *(each.id for each in way), f"#{name}"])
    d.emit(
        ev.HoleOpened(
            at=d.now,
            hole=name,
            shape=command.shape,
            owner=None if owner is None else owner.id,
            after=command.after,
            before=command.before,
            by=None if creator is None else creator.id,
        )
    )
    if number:
        run.growth.names[base] = number
    pass_on_to(d, (run.holes[name],))
    keep_promises(run, None, None)
    if run.growth.guards.only_tasks:
        look_at_all(run)  # it may be that nothing can come there
    return name


def _free_number(run: Run, base: str) -> int:
    """Return the first number with which no hole is called like this yet."""
    number = run.growth.names.get(base, 0) + 1
    while _numbered(base, number) in run.holes:
        number += 1
    return number


def _numbered(base: str, number: int) -> str:
    return base if number == 1 else f"{base}-{number}"


def parts_at(run: Run, address: str) -> list[Part]:
    """Return the parts at and below an address.

    Raises:
        Refused: there is nothing there.
    """
    below = parts_below(run, address)
    if not below and address not in run.holes:
        raise Refused(
            f"run {run.id!r} has no hole {address!r}; it has: {hole_names(run)}", kind="unknown"
        )
    return below


def _owned_at(run: Run, creator: Task | None, address: str, what: str) -> list[Part]:
    parts = [part for part in parts_at(run, address) if not part.closed and not part.lapsed]
    owned = [part for part in parts if creator is None or creator in (part.bound or ())]
    if parts and not owned:
        owners = ", ".join(repr(each.id) for part in parts for each in part.owners) or "nobody"
        by = "a person" if creator is None else f"task {creator.id!r}"
        raise Refused(f"{by} cannot {what} {address!r}: it belongs to {owners}")
    return owned


def give_hole(d: Deciding, creator: Task | None, command: c.GiveHole) -> None:
    run = d.run
    receiver = run.task(command.to)
    if given_before(run, creator, command):
        return
    _check_receiver(run, creator, receiver)
    owned = _owned_at(run, creator, command.hole, "give away")
    if not owned:
        raise Refused(f"{command.hole!r} cannot be given away: it is closed", kind="closed")
    for part in owned:
        d.emit(
            ev.HoleGiven(
                at=d.now,
                hole=part.address,
                to=receiver.id,
                by=None if creator is None else creator.id,
            )
        )
    if run.growth.guards.scoped:
        look_at_all(run)  # else it is all one who creates what comes


def _check_receiver(run: Run, creator: Task | None, receiver: Task) -> None:
    if receiver.state in SETTLED:
        why = f"it is {receiver.state}"
    elif not can_speak(receiver):
        why = f"whoever does it ({receiver.spec.kind}) cannot create tasks"
    elif creator is not None and not is_below(run, receiver, creator):
        why = f"it was not created by {creator.id!r}, nor by what that has created"
    else:
        return
    raise Refused(f"a hole cannot be given to task {receiver.id!r} of run {run.id!r}: {why}")


def close_hole(d: Deciding, creator: Task | None, command: c.CloseHole) -> None:
    run = d.run
    owned = _owned_at(run, creator, command.hole, "close")
    for part in owned:
        if isinstance(part.shape, Lab) and creator is None:
            raise Refused(f"{part.address!r} cannot be closed: a task must still come into it")
        if not part.residual.nullable and creator is not None:
            raise Broken(
                shape_text(part.hole),
                f"{part.address!r} was closed, and {part.residual} must still come into it",
            )
        if creator is not None and len(part.owners) > 1:
            d.emit(ev.HoleLeft(at=d.now, hole=part.address, by=creator.id))
            continue
        by = None if creator is None else creator.id
        d.emit(ev.HoleClosed(at=d.now, hole=part.address, by=by))
    guards = run.growth.guards
    if owned and guards.lower and guards.owed:
        run.growth.doubtful = True  # else a place less is in nobody's way
