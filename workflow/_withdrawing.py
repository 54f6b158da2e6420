"""Taking back a task that was created and has not begun: it counts as if it had never been needed.

It stays in the graph as skipped, so that what ran after it still runs after all that was in front
of it; it counts for no promise about numbers any more, and its place in a map is free again for as
long as that map is open.
"""

from __future__ import annotations

from . import commands as c, events as ev
from ._complete import is_below
from ._deciding import Deciding
from ._errors import Refused
from ._keeping import look_at_all
from ._run import Part, Run, Task
from ._shapes import Alt, Empty, Lab, Map
from ._states import PENDING, READY, SETTLED, SKIPPED


def withdraw(d: Deciding, creator: Task | None, command: c.Withdraw) -> None:
    """Take a task back; saying it twice is harmless.

    Raises:
        Refused: it is not the creator's, has begun, has its place in what needs it, or owns a hole
            that must still be filled.
    """
    run = d.run
    task = run.task(command.task)
    _check_creator(run, creator, task)
    if task.withdrawn:
        return
    if task.state not in (PENDING, READY) or task.first_at is not None:
        how = "settled already" if task.state in SETTLED else "begun already"
        raise _refused(run, task, f"it has {how}, it is {task.state}", "started")
    _check_place(run, task)
    owned = run.holes_of(task)
    for part in owned:
        if not part.residual.nullable:
            why = f"it owns {part.address!r}, into which {part.residual} must still come"
            raise _refused(run, task, why)
    by = None if creator is None else creator.id
    for part in owned:
        if len(part.owners) == 1:
            reason = f"its owner {task.id!r} was withdrawn"
            d.emit(ev.HoleClosed(at=d.now, hole=part.address, reason=reason, by=by))
    d.emit(ev.TaskWithdrawn(at=d.now, task=task.id, by=by))
    reason = f"withdrawn by {'a person' if by is None else repr(by)}"
    d.emit(ev.TaskSettled(at=d.now, task=task.id, state=SKIPPED, reason=reason))
    look_at_all(run)


def _refused(run: Run, task: Task, why: str, kind: str = "refused") -> Refused:
    return Refused(f"task {task.id!r} of run {run.id!r} cannot be withdrawn: {why}", kind=kind)


def _check_creator(run: Run, creator: Task | None, task: Task) -> None:
    if creator is None:
        if task.created_by is None and any(each.id == task.id for each in run.spec.tasks):
            why = "the definition has it from the start; settle it as skipped instead"
            raise _refused(run, task, why)
    elif not is_below(run, task, creator):
        why = f"it was not created by {creator.id!r}, nor by what that has created"
        raise _refused(run, task, why)


def _check_place(run: Run, task: Task) -> None:
    """Check that nothing that was promised needs a task where it stands."""
    part = task.part
    if part is None or part.is_wild:
        return
    where = f"it has its place in the hole {part.hole.name!r} ({part.hole.shape})"
    if not _is_alone(part):
        why = (
            "a step of a sequence, what a choice came to, and a round of a loop cannot be taken "
            "back; only what stands alone in a map (M*) or in ... can"
        )
        raise _refused(run, task, f"{where}, and {why}")
    shape = part.shape
    if isinstance(shape, Map) and part.closed and part.begun <= shape.lo:
        why = f"which is closed, and {shape.lo} must have come into it"
        raise _refused(run, task, f"{where}, {why}", "closed")


def _is_alone(part: Part) -> bool:
    """Return whether what comes into a part are single tasks, any number of them."""
    if not isinstance(part.shape, Map):
        return False
    item = part.shape.item
    if isinstance(item, Alt):
        return all(isinstance(each, (Lab, Empty)) for each in item.items)
    return isinstance(item, Lab)
