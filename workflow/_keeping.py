"""Keeping promises: the run must be able to finish after every change, and no place stays in vain.

Most creations are decided by a few counters: one way to finish is remembered as the number of tasks
that it would still create for each guard, and a creation that leaves room for that, and for one
more of whatever is largest, needs no further look.  Otherwise the exact question is asked, and
every place that no way to finish leads through any more is taken away.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import attrs

from . import events as ev
from ._ambiguity import places
from ._complete import (
    Kind,
    Path,
    Question,
    anybody_fell_silent,
    conflict,
    conflicting,
    kind_of,
    kinds,
    least,
    size,
)
from ._deciding import Deciding
from ._definition import Failure
from ._evolve import roll_back
from ._guard_text import GuardSpec, TaskGuard
from ._guards import Guard
from ._placing import Place
from ._run import Hole, Run, Task
from ._shapes import EMPTY, Alt, Empty, Lab, Loop, Map, Par, Seq, Shape, Wild, children, normal

IN_VAIN: Final = "no more can come without breaking "
"""How the reason begins for which a part was closed or narrowed by itself."""


class Broken(Exception):
    """What was done is ruled out by a promise, whose text is ``text``."""

    def __init__(self, text: str, message: str) -> None:
        super().__init__(message)
        self.text = text


def too_entangled() -> Broken:
    """Return what is said where it cannot be told exactly whether promises can be kept."""
    return Broken("exactness", "its promises became too entangled to be kept exactly")


def shape_text(hole: Hole) -> str:
    """Return what is said of a hole where its shape is what was broken."""
    return f"{hole.shape} in {hole.name!r}"


@attrs.frozen(eq=False)
class Mark:
    """What a run and a decision were before something that may have to be taken back."""

    version: int
    told: int
    done: int
    creator: Task | None
    named: dict[str, int] | None
    again: tuple[str, ...]

    @classmethod
    def of(cls, d: Deciding, creator: Task | None) -> Mark:
        """Return a mark of now."""
        named = None if creator is None or creator.named is None else dict(creator.named)
        again = () if creator is None else creator.again
        d.run.growth.was_ready.clear()
        return cls(d.run.version, len(d.events), len(d.effects), creator, named, again)

    def take_back(self, d: Deciding) -> None:
        """Undo what was decided since, which is told nowhere yet."""
        if self.creator is not None:
            self.creator.named, self.creator.again = self.named, self.again
        del d.effects[self.done :]
        if d.run.version > self.version:
            settled = [
                name
                for event in d.events[self.told :]
                if isinstance(event, (ev.TaskSettled, ev.TasksSettled))
                for name in ((event.task,) if isinstance(event, ev.TaskSettled) else event.tasks)
            ]
            del d.events[self.told :]
            roll_back(d.run, self.version, settled, d.now)
            look_at_all(d.run)


def violation(run: Run) -> Failure:
    """Return how a promise was broken, as the failure of the task that did it."""
    broken = run.broken
    assert broken is not None
    message = f"broke the promise {broken.text!r}: {broken.message}"
    detail = {"promise": broken.text, "task": broken.task, "attempt": broken.attempt}
    return Failure(kind="promise_broken", message=message, detail=detail)


def look_at_all(run: Run) -> None:
    """Have the exact question asked at the next look."""
    run.growth.doubtful = True


def keep_promises(run: Run, label: str | None, place: Place | None) -> None:
    """Note what a creation means for the promises; tell whether they need an exact look.

    Args:
        run: The run.
        label: What was created; None for a hole.
        place: Where.
    """
    growth = run.growth
    planned = growth.planned
    choices = any(not isinstance(part.shape, Lab) for part in growth.fresh)
    needed = _needed(run)
    filled = place is not None and isinstance(place.part.shape, Lab)
    narrowing = place is not None and isinstance(place.part.shape, Alt)
    for guard in growth.guards.tasks.values():
        if not needed and not filled and guard.hi is not None and not guard.lo:
            # By far the most common: an instance that needs nothing more.
            if guard.count + planned.get(guard, 0) + growth.margin > guard.hi:
                growth.doubtful = True
            continue
        more = planned.get(guard, 0)
        for name, count in needed.items():
            if guard in growth.guards.matching(name):
                more += count
        if filled and label is not None and guard in growth.guards.matching(label):
            more = max(0, more - 1)
        planned[guard] = more
        if guard.hi is not None and guard.count + more + growth.margin > guard.hi:
            growth.doubtful = True
        if guard.owed and (narrowing or choices):
            growth.doubtful = True


def _needed(run: Run) -> dict[str, int]:
    """Return by label what the parts that have just come to be still need."""
    growth = run.growth
    needed: dict[str, int] = {}
    for part in growth.fresh:
        growth.margin = max(growth.margin, size(part.shape))
        for label, count in least(run, part.shape).items():
            needed[label] = needed.get(label, 0) + count
    if not growth.flow:
        growth.fresh.clear()
    return needed


def check_growth(d: Deciding, creator: Task | None) -> None:
    """Ask whether the run can still be finished, if that is in doubt.

    Raises:
        Broken: it cannot.
        TooEntangled: it cannot be told exactly.
    """
    growth = d.run.growth
    while growth.doubtful:
        growth.doubtful = False
        _ask(d.run)
        _take_away(d, creator)
        growth = d.run.growth


def _ask(run: Run) -> None:
    growth = run.growth
    planned = Question(run).answer()
    growth.excused = planned is None and anybody_fell_silent(run)
    if growth.excused:
        # Nobody who is left can be blamed for what a task that failed might have created.
        planned = Question(run, excused=True).answer()
    if planned is None:
        guards = conflicting(run) or growth.guards.tasks.values()
        text = next((guard.low_text for guard in guards if guard.owed), None)
        text = text or next((guard.high_text for guard in guards if _is_limit(guard)), "a hole")
        raise Broken(text, f"no way to finish would be left: {conflict(run)} cannot hold together")
    growth.planned = planned
    growth.margin = max((size(shape) for shape, _, _ in kinds(run)), default=1)


def is_hopeless(run: Run, spec: GuardSpec) -> bool:
    """Return whether a count cannot be reached any more, be it nobody's fault."""
    if not run.growth.excused or not isinstance(spec, TaskGuard) or spec.lo is None:
        return False
    guard = run.growth.guards.tasks[spec.pattern, spec.by]
    return Question(run, only=guard).answer() is None


def _is_limit(guard: Guard) -> bool:
    return (guard.hi is not None and guard.by is not None) or guard.pattern != "*"


# --- places in vain -------------------------------------------------------------------------------


def _take_away(d: Deciding, creator: Task | None) -> None:
    """Close and narrow parts in which nothing, or not everything, can come any more."""
    run = d.run
    if not _is_tight(run):
        return
    for kind in list(kinds(run)):
        dead = frozenset(_dead(run, kind))
        if not dead:
            continue
        parts = [part for part in run.growth.open if kind_of(run, part) == kind]
        reason = f"{IN_VAIN}{', '.join(map(repr, limiting(run)))}"
        for part in parts:
            if part not in run.growth.open:
                continue
            run.growth.doubtful = True
            by = None if creator is None else creator.id
            less = without(part.shape, dead)
            if less is None or isinstance(less, Empty):
                d.emit(ev.HoleClosed(at=d.now, hole=part.address, reason=reason, by=by))
            else:
                shape = str(less)
                d.emit(
                    ev.HoleNarrowed(at=d.now, hole=part.address, shape=shape, reason=reason, by=by)
                )


def limiting(run: Run) -> list[str]:
    """Return the promises that leave no room: those that are owed, then those that are used up."""
    growth = run.growth
    guards = growth.guards.tasks.values()
    texts = [guard.low_text for guard in guards if guard.owed]
    texts += [guard.high_text for guard in guards if _is_near(run, guard)]
    texts += [text for _, text in growth.guards.only_tasks]
    return [text for text in dict.fromkeys(texts) if text]


def _is_near(run: Run, guard: Guard) -> bool:
    """Return whether a creation more, and what that brings with it, may be too much."""
    if guard.hi is None:
        return False
    growth = run.growth
    return guard.count + growth.planned.get(guard, 0) + growth.margin > guard.hi


def _is_tight(run: Run) -> bool:
    guards = run.growth.guards
    return bool(guards.only_tasks) or any(
        guard.owed or _is_near(run, guard) for guard in guards.tasks.values()
    )


def _dead(run: Run, kind: Kind) -> Iterable[Path]:
    shape = kind[0]
    paths = [place.path for each in places(shape).values() for place in each]
    for path in [*paths, *_alternatives(shape, ())]:
        if Question(run, force=(kind, path), excused=run.growth.excused).answer() is None:
            yield path


def _alternatives(shape: Shape, at: Path) -> Iterator[Path]:
    """Give the alternatives that can be chosen with no task at all."""
    for side, item in enumerate(children(shape)):
        if isinstance(shape, Alt) and item.nullable:
            yield (*at, side)
        yield from _alternatives(item, (*at, side))


def without(shape: Shape, dead: frozenset[Path], at: Path = ()) -> Shape | None:
    """Return a shape without the places that nothing can come into; None if nothing is left."""
    match shape:
        case Lab():
            return None if at in dead else shape
        case Wild():
            return EMPTY if at in dead else shape
        case Seq(items) | Par(items):
            kept = [without(item, dead, (*at, side)) for side, item in enumerate(items)]
            left = [item for item in kept if item is not None]
            return normal(type(shape)(tuple(left))) if len(left) == len(kept) else None
        case Alt(items):
            kept = [
                None if (*at, side) in dead else without(item, dead, (*at, side))
                for side, item in enumerate(items)
            ]
            left = [item for item in kept if item is not None]
            return normal(Alt(tuple(left))) if left else None
        case Map(item, lo, hi) | Loop(item, lo, hi):
            inner = without(item, dead, (*at, 0))
            if inner is None:
                return EMPTY if lo == 0 else None
            return normal(type(shape)(inner, lo, hi))
        case Empty():
            return shape
