"""Changing the graph of a run while it runs: what is allowed, refused, or breaks a promise.

A batch is all or nothing.  Each of its commands is checked and takes effect, the question whether
the run can still be finished is asked once at its end; what was refused or broke a promise is taken
back by building the graph again without it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from . import commands as c, events as ev
from ._ambiguity import ambiguities
from ._complete import is_below, speaks_freely
from ._deciding import Deciding
from ._definition import TaskSpec
from ._errors import PromiseRefused, Refused, UsageError
from ._evolve_growth import can_speak, chain_of, guard_of, shape_of
from ._failing import break_run
from ._found_again import given_before, opened_before
from ._graph import CycleError, path
from ._guard_text import Closed, Rounds, TaskGuard
from ._guards import Chain
from ._intervals import TooEntangled
from ._keeping import (
    IN_VAIN,
    Broken,
    Mark,
    check_growth,
    is_hopeless,
    keep_promises,
    limiting,
    look_at_all,
)
from ._parts import segment
from ._passing_on import blocks, pass_on, pass_on_to
from ._placing import Place, find_place
from ._restarting import stop_held
from ._run import Hole, Part, Run, Task
from ._shapes import Lab
from ._states import PENDING, READY, SETTLED

AGAIN_MAX: Final = 1_000
"""How often a task may be begun anew by ``again`` if no promise says less."""


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


# --- tasks ----------------------------------------------------------------------------------------


def _add_task(d: Deciding, creator: Task | None, command: c.AddTask) -> str:
    run = d.run
    key = _key(run, creator, command)
    name = key if creator is None else f"{creator.id}/{key}"
    there = run.tasks.get(name)
    if there is not None:
        return _same(run, there, command)
    for other in (*command.after, *command.before):
        run.vertex(other)
    chain = chain_of(run, None if creator is None else creator.id)
    place = find_place(run, creator, command)
    if place is None:
        _check_free(d, creator, command, chain)
        _check_edges(d, command, chain)
    elif place.wild:
        _check_dots(d, place, command, chain)
    broken = run.growth.guards.exceeded(command.name, chain)
    if broken is not None:
        raise Broken(broken, f"a task {command.name!r} more would be too much")
    add_at(d, creator, _spec_of(run, command, name, place), place, command.before)
    return name


def add_at(
    d: Deciding,
    creator: Task | None,
    spec: TaskSpec,
    place: Place | None,
    before: Sequence[str] = (),
    *,
    certain: bool = False,
) -> None:
    """Let a task come into the graph."""
    d.emit(
        ev.TaskAdded(
            at=d.now,
            new=spec,
            by=None if creator is None else creator.id,
            before=tuple(before) if place is None or place.wild else (),
            part=None if place is None else place.part.address,
            path=() if place is None else place.path,
            certain=certain,
        )
    )
    run = d.run
    task = run.tasks[spec.id]
    if task.open:
        pass_on_to(d, (task,))
    keep_promises(run, task, place)
    add_certain(d)


def add_certain(d: Deciding) -> None:
    """In a flow, let names that have become certain become tasks."""
    run = d.run
    fresh, run.growth.fresh = run.growth.fresh, []
    if not run.growth.flow:
        return
    for part in fresh:
        if part in run.growth.open and isinstance(part.shape, Lab) and part.owners:
            owner, label = part.owners[0], part.shape.label
            command = c.AddTask(name=label)
            place = Place(part, (), 0, label)
            name = f"{owner.id}/{_key(run, owner, command)}"
            add_at(d, owner, _spec_of(run, command, name, place), place, certain=True)


def _key(run: Run, creator: Task | None, command: c.AddTask) -> str:
    if command.key is not None:
        return command.key
    if creator is None:
        return command.name
    if creator.named is None:
        creator.named = dict(run.growth.certain.get(creator.id, ()))
    number = creator.named[command.name] = creator.named.get(command.name, 0) + 1
    return f"{command.name}-{number}"


def _same(run: Run, there: Task, command: c.AddTask) -> str:
    """Return the task that an earlier attempt created under the same key."""
    if there.spec.name != command.name:
        raise Refused(
            f"run {run.id!r} has a task {there.id!r} already: it is a {there.spec.name!r}, not a "
            f"{command.name!r}; give the new one another key",
            kind="exists",
        )
    part = there.part
    if command.into is not None and (
        part is None
        or (
            command.into not in (part.hole.name, part.address, part.inside)
            and not command.into.startswith(f"{part.inside}/")
            and not part.address.startswith(f"{command.into}/")
        )
    ):
        raise Refused(
            f"run {run.id!r} has a task {there.id!r} already, in another place than "
            f"{command.into!r}; give the new one another key",
            kind="exists",
        )
    return there.id


def _spec_of(run: Run, command: c.AddTask, name: str, place: Place | None) -> TaskSpec:
    known = command.new or template(run, command.name)
    needs = command.after if place is None or place.wild else ()
    if known is None:
        return TaskSpec(id=name, name=command.name, needs=needs, inputs=command.inputs)
    # Field by field: attrs.evolve takes four times as long, and this is done for every creation.
    return TaskSpec(
        id=name,
        name=command.name,
        kind=known.kind,
        needs=needs,
        config=known.config,
        inputs=known.inputs if command.inputs is None else command.inputs,
        when=known.when,
        options=known.options,
    )


def template(run: Run, label: str) -> TaskSpec | None:
    """Return how the definition says that tasks with this label are done."""
    templates = run.growth.templates
    found = templates.get(label)
    if found is None:
        found = next((each for each in run.spec.tasks if each.name == label), None)
        if found is not None:
            templates[label] = found
    return found


def _refuse_begun(run: Run, vertex: Task | Hole) -> None:
    if isinstance(vertex, Task):
        begun = vertex.state not in (PENDING, READY)
    else:
        begun = vertex.released or bool(vertex.tasks)
    if begun:
        raise Refused(
            f"nothing can be put in front of {vertex.id!r} of run {run.id!r}: it has begun or is "
            "settled",
            kind="started",
        )


def _check_free(d: Deciding, creator: Task | None, command: c.AddTask, chain: Chain) -> None:
    """Check that a creation for which there is no hole may come at all."""
    run = d.run
    if command.into is not None:
        known = command.into.split("/")[0] in run.holes
        what = f"has no place for a {command.name!r} there" if known else "is not known"
        if _is_over(run, creator, command):
            raise Refused(
                f"a {command.name!r} cannot come into {command.into!r} any more: it is closed",
                kind="closed",
            )
        if not known:
            raise Refused(
                f"run {run.id!r} has no hole {command.into!r}; it has: {_holes(run)}",
                kind="unknown",
            )
        raise _no_place(run, command.name, chain, f"{command.into!r} {what}")
    if creator is None:
        if run.growth.closed:
            raise Broken(_closing_text(run), f"there is no hole for a {command.name!r}")
    elif not speaks_freely(run, creator):
        if _is_over(run, creator, command):
            raise Refused(
                f"a {command.name!r} of task {creator.id!r} cannot come any more: an earlier "
                "attempt closed its place, and what follows has begun",
                kind="closed",
            )
        message = f"task {creator.id!r} has no place for a {command.name!r}"
        raise _no_place(run, command.name, chain, message)
    befores, afters = [[run.vertex(n) for n in names] for names in (command.before, command.after)]
    for vertex in befores:
        _refuse_begun(run, vertex)
    way = path(befores, set(afters))
    if way:
        raise CycleError([command.name, *(each.id for each in way), command.name])


def _check_dots(d: Deciding, place: Place, command: c.AddTask, chain: Chain) -> None:
    """Check the edges that a creation in a ``...`` names to other tasks in it."""
    run, part = d.run, place.part
    for name in command.before:
        vertex = run.vertex(name)
        if isinstance(vertex, Task) and vertex.part is part:
            _refuse_begun(run, vertex)
            _check_edge(d, command.name, vertex.spec.name, chain)
    for name in command.after:
        vertex = run.vertex(name)
        if isinstance(vertex, Task) and vertex.part is part:
            _check_edge(d, vertex.spec.name, command.name, chain)
    way = path([run.vertex(n) for n in command.before], {run.vertex(n) for n in command.after})
    if way:
        raise CycleError([command.name, *(each.id for each in way), command.name])


def _is_over(run: Run, creator: Task | None, command: c.AddTask) -> bool:
    """Return whether an earlier attempt of the creator closed where this would have gone."""
    if creator is None or creator.attempt < 2:  # noqa: PLR2004 - the first attempt had none before
        return False
    return any(
        isinstance(event, ev.HoleClosed)
        and event.by == creator.id
        and command.name in run.growth.parts[event.hole].shape.labels
        for event in run.growth.log.values()
    )


def _holes(run: Run) -> str:
    return ", ".join(map(repr, run.holes)) or "none"


def _no_place(run: Run, label: str, chain: Chain, message: str) -> Broken:
    """Return what is broken by a creation without a place: that it is closed says the least."""
    exceeded = run.growth.guards.exceeded(label, chain)
    if exceeded is not None:
        return Broken(exceeded, f"a task {label!r} more would be too much")
    texts = limiting(run) if _was_taken_away(run, label) else []
    if texts:
        what = " and ".join(map(repr, texts))
        return Broken(texts[0], f"{message}: {what} leave no room for it")
    return Broken(_closing_text(run), message)


def _was_taken_away(run: Run, label: str) -> bool:
    """Return whether a place for a label was closed early because nothing could come any more."""
    parts = run.growth.parts
    return any(
        isinstance(event, (ev.HoleClosed, ev.HoleNarrowed))
        and (event.reason or "").startswith(IN_VAIN)
        and event.hole in parts
        and label in parts[event.hole].hole.shape.labels
        for event in run.growth.log.values()
    )


def _closing_text(run: Run) -> str:
    for promise in run.growth.promises:
        if isinstance(promise.spec, Closed):
            return promise.text
    return "closed"


# --- edges and holes ------------------------------------------------------------------------------


def _check_edges(d: Deciding, command: c.AddTask | c.OpenHole, chain: Chain) -> None:
    """Check the edges that a command names against the promises about edges."""
    own = command.name if isinstance(command, c.AddTask) else ""
    for name in command.after:
        _check_edge(d, _label(d.run, name), own, chain)
    for name in command.before:
        _check_edge(d, own, _label(d.run, name), chain)


def _check_edge(d: Deciding, source: str, target: str, chain: Chain) -> None:
    broken = d.run.growth.guards.forbids_edge(source, target, chain)
    if broken is not None:
        raise Broken(broken, f"an edge {source or 'a hole'} → {target or 'a hole'} is ruled out")


def _label(run: Run, name: str) -> str:
    vertex = run.vertex(name)
    return vertex.spec.name if isinstance(vertex, Task) else ""


def _add_edge(d: Deciding, creator: Task | None, command: c.AddEdge) -> None:
    run = d.run
    source, target = run.task(command.source), run.task(command.target)
    if source in target.before:
        return
    _refuse_begun(run, target)
    way = path([target], {source})
    if way:
        raise CycleError([source.id, *(each.id for each in way)])
    if not _share_dots(creator, source, target):
        _check_may_shape(run, creator, f"the edge {source.id} → {target.id}")
    chain = chain_of(run, None if creator is None else creator.id)
    _check_edge(d, source.spec.name, target.spec.name, chain)
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
        raise Broken(_closing_text(run), f"{what} was never promised")


def _open_hole(d: Deciding, creator: Task | None, command: c.OpenHole) -> str:
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
    name = command.hole or _free_name(run, segment(shape))
    for other in command.after:
        run.vertex(other)
    _check_may_shape(run, creator, f"the hole {name!r}")
    for other in command.before:
        _refuse_begun(run, run.vertex(other))
    chain = chain_of(run, None if creator is None else creator.id)
    _check_edges(d, command, chain)
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
    pass_on_to(d, (run.holes[name],))
    look_at_all(run)
    return name


def _free_name(run: Run, base: str) -> str:
    name, number = base, 1
    while name in run.holes:
        number += 1
        name = f"{base}-{number}"
    return name


def parts_at(run: Run, address: str) -> list[Part]:
    """Return the parts at and below an address.

    Raises:
        Refused: there is nothing there.
    """
    below = [
        part
        for part in run.growth.parts.values()
        if address in (part.address, part.inside) or part.address.startswith(f"{address}/")
    ]
    if not below and address not in run.holes:
        raise Refused(
            f"run {run.id!r} has no hole {address!r}; it has: {_holes(run)}", kind="unknown"
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


def _give(d: Deciding, creator: Task | None, command: c.GiveHole) -> None:
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
    look_at_all(run)


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


def _close(d: Deciding, creator: Task | None, command: c.CloseHole) -> None:
    run = d.run
    owned = _owned_at(run, creator, command.hole, "close")
    for part in owned:
        if isinstance(part.shape, Lab) and creator is None:
            raise Refused(f"{part.address!r} cannot be closed: a task must still come into it")
        if not part.residual.nullable and creator is not None:
            raise Broken(
                f"{part.hole.shape} in {part.hole.name!r}",
                f"{part.address!r} was closed, and {part.residual} must still come into it",
            )
        if creator is not None and len(part.owners) > 1:
            d.emit(ev.HoleLeft(at=d.now, hole=part.address, by=creator.id))
            continue
        by = None if creator is None else creator.id
        d.emit(ev.HoleClosed(at=d.now, hole=part.address, by=by))
    if owned:
        run.growth.doubtful = True


# --- promises and the rest ------------------------------------------------------------------------


def _promise(d: Deciding, creator: Task | None, command: c.Promise) -> None:
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
        other.spec.name == spec.pattern and is_below(run, other, task)
        for other in run.tasks.values()
    )
    return there < spec.lo


def _style(d: Deciding, creator: Task | None, command: c.Style) -> None:
    run = d.run
    for name in (command.target,) if isinstance(command.target, str) else command.target:
        run.vertex(name)
    d.emit(
        ev.Styled(
            at=d.now,
            target=command.target,
            label=command.label,
            color=command.color,
            by=None if creator is None else creator.id,
        )
    )


def _again(d: Deciding, creator: Task | None, command: c.Again) -> None:
    run = d.run
    if creator is None:
        raise Refused("only a task's attempt says again; a person restarts the task")
    target = run.task(command.task)
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


_GROW: Final[dict[type[Any], Callable[[Deciding, Task | None, Any], Any]]] = {
    c.AddTask: _add_task,
    c.AddEdge: _add_edge,
    c.OpenHole: _open_hole,
    c.GiveHole: _give,
    c.CloseHole: _close,
    c.Promise: _promise,
    c.Style: _style,
    c.Again: _again,
}
