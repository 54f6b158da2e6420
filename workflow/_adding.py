"""Creating tasks: under which id, where, and what keeps one from coming."""

from __future__ import annotations

from collections.abc import Sequence

from . import commands as c, events as ev
from ._complete import speaks_freely
from ._deciding import Deciding
from ._definition import TaskSpec
from ._errors import Refused
from ._evolve_growth import CEILING, chain_of
from ._graph import CycleError, path
from ._guard_text import Closed
from ._guards import Chain
from ._keeping import (
    IN_VAIN,
    Broken,
    keep_promises,
    limiting,
    shape_text,
)
from ._passing_on import pass_on_to
from ._placing import Place, find_place
from ._run import Hole, Run, Task
from ._shapes import Lab
from ._states import PENDING, READY
from ._texts import storable


def add_task(d: Deciding, creator: Task | None, command: c.AddTask) -> str:
    run = d.run
    key = _key(run, creator, command)
    if storable(key) != key or storable(command.name) != command.name:
        raise Refused(f"{storable(key)!r} is no key: it holds what is no Unicode", kind="invalid")
    name = key if creator is None else f"{creator.id}/{key}"
    there = run.tasks.get(name)
    if there is not None:
        return _same(run, creator, there, command)
    for other in (*command.after, *command.before):
        run.vertex(other)
    chain = chain_of(run, None if creator is None else creator.id)
    place = find_place(run, creator, command)
    if place is None:
        _check_free(d, creator, command, chain)
        check_edges(d, command, chain)
    elif place.wild:
        _check_dots(d, place, command, chain)
    broken = run.growth.guards.exceeded(command.name, chain)
    if broken is None and len(run.tasks) >= max(run.spec.max_tasks, len(run.spec.tasks)):
        broken = CEILING.format(run.spec.max_tasks)  # what was withdrawn takes room as well
    if broken is not None:
        raise Broken(broken, f"one more {command.name!r} would be too many")
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
    keep_promises(run, spec.name, place)
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


def _same(run: Run, creator: Task | None, there: Task, command: c.AddTask) -> str:
    """Return the task that was created under the same key: by an earlier attempt, or by itself."""
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
    if creator is not None and there.withdrawn > creator.since:
        raise Refused(
            f"run {run.id!r} has a task {there.id!r} already, which was {there.reason}; give the "
            "new one another key",
            kind="exists",
        )
    if there.id in run.growth.by_itself and _asks_for_more(there.spec, command):
        raise Refused(
            f"run {run.id!r} has a task {there.id!r} already: it came by itself when its name had "
            "become certain, done as the definition says, and what it is given now would have no "
            "effect; say it in the definition (with: may name what stands in front), or leave "
            "this creation out",
            kind="exists",
        )
    return there.id


def _asks_for_more(there: TaskSpec, command: c.AddTask) -> bool:
    """Return whether a creation says how a task is done, or what it is given, in another way."""
    new = command.new
    inputs = command.inputs if new is None or command.inputs is not None else new.inputs
    otherwise = new is not None and (new.kind, new.config) != (there.kind, there.config)
    return otherwise or inputs not in (None, there.inputs)


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


def refuse_begun(run: Run, vertex: Task | Hole) -> None:
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
                f"run {run.id!r} has no hole {command.into!r}; it has: {hole_names(run)}",
                kind="unknown",
            )
        raise no_place(run, command.name, chain, f"{command.into!r} {what}")
    if creator is None:
        if run.growth.closed:
            raise Broken(closing_text(run), f"there is no hole for a {command.name!r}")
    elif not speaks_freely(run, creator):
        if _is_over(run, creator, command):
            raise Refused(
                f"a {command.name!r} of task {creator.id!r} cannot come any more: an earlier "
                "attempt closed its place, and what follows has begun",
                kind="closed",
            )
        message = f"task {creator.id!r} has no place for a {command.name!r}"
        raise no_place(run, command.name, chain, message)
    befores, afters = [[run.vertex(n) for n in names] for names in (command.before, command.after)]
    for vertex in befores:
        refuse_begun(run, vertex)
    way = path(befores, set(afters))
    if way:
        raise CycleError([command.name, *(each.id for each in way), command.name])


def _check_dots(d: Deciding, place: Place, command: c.AddTask, chain: Chain) -> None:
    """Check the edges that a creation in a ``...`` names to other tasks in it."""
    run, part = d.run, place.part
    for name in command.before:
        vertex = run.vertex(name)
        if isinstance(vertex, Task) and vertex.part is part:
            refuse_begun(run, vertex)
            check_edge(d, command.name, vertex.spec.name, chain)
    for name in command.after:
        vertex = run.vertex(name)
        if isinstance(vertex, Task) and vertex.part is part:
            check_edge(d, vertex.spec.name, command.name, chain)
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


def hole_names(run: Run) -> str:
    return ", ".join(map(repr, run.holes)) or "none"


def no_place(run: Run, label: str, chain: Chain, message: str) -> Broken:
    """Return what is broken by a creation without a place: that it is closed says the least."""
    exceeded = run.growth.guards.exceeded(label, chain)
    if exceeded is not None:
        return Broken(exceeded, f"one more {label!r} would be too many")
    texts = limiting(run) if _was_taken_away(run, label) else []
    if texts:
        what = " and ".join(map(repr, texts))
        return Broken(texts[0], f"{message}: {what} leave no room for it")
    full = next((hole for hole in run.holes.values() if label in hole.shape.labels), None)
    if full is not None:
        why = f"nothing more may come into {full.name!r}{_came_by_itself(run, label)}"
        return Broken(shape_text(full), f"{message}: {why}")
    known = sorted({name for hole in run.holes.values() for name in hole.shape.labels})
    hint = f"; holes are for: {', '.join(map(repr, known))}" if known else ""
    return Broken(closing_text(run), f"{message}{hint}")


def _came_by_itself(run: Run, label: str) -> str:
    """Say which tasks with a label came without being created, if some did."""
    came = [name for name in run.growth.by_itself if run.tasks[name].spec.name == label]
    if not came:
        return ""
    more = f" and {len(came) - 1} more" if len(came) > 1 else ""
    return f" ({came[0]!r}{more} came by itself, as all does in a flow that has become certain)"


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


def closing_text(run: Run) -> str:
    for promise in run.growth.promises:
        if isinstance(promise.spec, Closed):
            return promise.text
    return "closed"


def check_edges(d: Deciding, command: c.AddTask | c.OpenHole, chain: Chain) -> None:
    """Check the edges that a command names against the promises about edges."""
    own = command.name if isinstance(command, c.AddTask) else ""
    for name in command.after:
        check_edge(d, label_of(d.run, name), own, chain)
    for name in command.before:
        check_edge(d, own, label_of(d.run, name), chain)


def check_edge(d: Deciding, source: str, target: str, chain: Chain) -> None:
    broken = d.run.growth.guards.forbids_edge(source, target, chain)
    if broken is not None:
        raise Broken(broken, f"an edge {source or 'a hole'} → {target or 'a hole'} is ruled out")


def label_of(run: Run, name: str) -> str:
    vertex = run.vertex(name)
    return vertex.spec.name if isinstance(vertex, Task) else ""
