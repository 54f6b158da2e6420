"""Whether a run can still be finished: every place that must be filled, within every guard.

What may still come is a sum of trees: how often each sub-expression of each open part is gone
through is a number, a choice splits its number among its alternatives, a map multiplies it by an
interval.  Since instances are independent, the counts of tasks that these numbers allow are exactly
those that some way to finish has; a guard is one more linear constraint.  So completability is the
question that :mod:`._intervals` answers, exactly or not at all.  Parts with the same expression and
the same scope are one tree with a number for its root: the cost does not grow with how many there
are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

import attrs

from . import events as ev
from ._evolve_growth import can_speak, chain_of
from ._graph import path
from ._guard_text import matches
from ._guards import Chain, Guard
from ._intervals import System
from ._run import Part, Run, Task
from ._shapes import Alt, Empty, Lab, Loop, Map, Par, Seq, Shape, Wild
from ._states import SETTLED, SUCCEEDED

Path: TypeAlias = tuple[int, ...]
Kind: TypeAlias = tuple[Shape, Chain, tuple[Guard, ...]]
"""What makes parts alike: what may come, whose creations it would be, who could be given it."""

_MANY: Final = 1 << 40


@attrs.define(eq=False)
class Question:
    """Can this run be finished, perhaps with a certain place taken?

    Attributes:
        run: The run.
        without: A guard that is left out, to see whether it matters.
        only: The one guard whose lower end counts, to see whether it can be reached.
        force: Of which parts, which place or alternative is to be taken at least once.
        excused: Whether tasks that ended without success count as if they could still create: what
            is missing because of them breaks no promise.
    """

    run: Run
    without: Guard | None = None
    only: Guard | None = None
    force: tuple[Kind, Path] | None = None
    excused: bool = False
    _system: System = attrs.field(factory=System, init=False)
    _scopes: set[str] = attrs.field(factory=set[str], init=False)
    _sums: dict[Guard, Counter[int]] = attrs.field(factory=dict[Guard, "Counter[int]"], init=False)

    def answer(self) -> dict[Guard, int] | None:
        """Return how many tasks one way to finish creates, by guard; None if there is no way.

        Raises:
            TooEntangled: it cannot be told exactly.
        """
        guards = [
            guard
            for guard in self.run.growth.guards.tasks.values()
            if guard is not self.without and (guard.hi is not None or guard.owed)
        ]
        self._sums = {guard: Counter() for guard in guards}
        all_guards = self.run.growth.guards
        self._scopes = {guard.by for guard in guards if guard.by is not None}
        self._scopes |= {only.by for only, _ in all_guards.only_tasks if only.by is not None}
        for kind, count in kinds(self.run).items():
            self._tree(kind, kind[0], self._system.variable(count, count), ())
        if self.excused:
            for kind, count in _lost_kinds(self.run).items():
                self._tree(kind, kind[0], self._system.variable(0, count), ())
        for guard in guards:
            if guard.owed:
                self._freely(guard)
        for guard in guards:
            hi = _MANY if guard.hi is None else guard.hi - guard.count
            lo = guard.lo - guard.count if self.only in (None, guard) else -_MANY
            self._system.require(self._sums[guard], lo, hi)
        found = self._system.solve()
        if found is None:
            return None
        return {
            guard: sum(factor * found[number] for number, factor in sums.items())
            for guard, sums in self._sums.items()
        }

    def _tree(self, kind: Kind, shape: Shape, number: int, at: Path) -> None:
        system = self._system
        match shape:
            case Lab(label):
                self._count(kind, label, number)
                if self.force == (kind, at):
                    system.require({number: 1}, 1, _MANY)
            case Seq(items) | Par(items):
                for side, item in enumerate(items):
                    self._tree(kind, item, number, (*at, side))
            case Alt(items):
                sides = [system.variable(0, _MANY) for _ in items]
                system.require({**dict.fromkeys(sides, 1), number: -1}, 0, 0)
                for side, item in enumerate(items):
                    if self.force == (kind, (*at, side)):
                        system.require({sides[side]: 1}, 1, _MANY)
                    self._tree(kind, item, sides[side], (*at, side))
            case Map(item, lo, hi) | Loop(item, lo, hi):
                inner = system.variable(0, _MANY)
                system.require({inner: 1, number: -lo}, 0, _MANY)
                most = min(_MANY, self._room()) if hi is None else hi
                system.require({inner: 1, number: -most}, -_MANY * most - _MANY, 0)
                self._tree(kind, item, inner, (*at, 0))
            case Wild():
                self._wild(kind, number)
                if self.force == (kind, at) and not self._anything_fits(kind[1]):
                    system.require({number: 0}, 1, 1)
            case Empty():
                pass

    def _room(self) -> int:
        """Return more than the number of tasks that may still come."""
        return self.run.spec.max_tasks + len(self.run.tasks) + 1

    def _count(self, kind: Kind, label: str, number: int) -> None:
        _, chain, gifts = kind
        guards = self.run.growth.guards
        if forbidden(self.run, label, chain):
            self._system.require({number: 1}, 0, 0)
        for guard in guards.matching(label):
            if guard not in self._sums:
                continue
            if guard.counts(chain):
                self._sums[guard][number] += 1
            elif guard in gifts:
                # Who owns it now may give it to the one for whom the guard counts.
                given = self._system.variable(0, _MANY)
                self._system.require({given: 1, number: -1}, -_MANY, 0)
                self._sums[guard][given] += 1

    def _wild(self, kind: Kind, number: int) -> None:
        for guard in self._sums:
            if guard.owed and guard.counts(kind[1]):
                self._any_number(guard, kind[1], number)

    def _freely(self, guard: Guard) -> None:
        """Let whoever may create anything create what a guard still needs."""
        if self.run.growth.closed:
            return
        seen: set[frozenset[str]] = set()
        for task in self.run.tasks.values():
            lost = self.excused and _fell_silent(task)
            if not speaks_freely(self.run, task, lost=lost):
                continue
            chain = chain_of(self.run, task.id)
            scopes = frozenset(name for name in self._scopes if name in chain)
            if scopes not in seen and guard.counts(chain):
                seen.add(scopes)
                self._any_number(guard, chain)

    def _any_number(self, guard: Guard, chain: Chain, within: int | None = None) -> None:
        if forbidden(self.run, guard.pattern, chain):
            return
        number = self._system.variable(0, guard.owed)
        if within is not None:
            self._system.require({number: 1, within: -guard.owed}, -_MANY, 0)
        for other in self.run.growth.guards.matching(guard.pattern):
            if other in self._sums and other.counts(chain):
                self._sums[other][number] += 1

    def _anything_fits(self, chain: Chain) -> bool:
        return anything_fits(self.run, chain)


def anything_fits(run: Run, chain: Chain) -> bool:
    """Return whether some label may still be created by whoever has these creators."""
    guards = run.growth.guards
    labels = {guard.pattern for guard in guards.tasks.values() if "*" not in guard.pattern}
    labels |= {p for only, _ in guards.only_tasks for p in only.patterns if "*" not in p}
    stars = [p.replace("*", "") for only, _ in guards.only_tasks for p in only.patterns]
    some = [*labels, *stars, "\0 a label that nobody has thought of"]
    return any(guards.exceeded(label, chain) is None for label in some)


def forbidden(run: Run, label: str, chain: Chain) -> bool:
    """Return whether a label may not be created at all, whatever the counts are."""
    return any(
        (only.by is None or only.by in chain)
        and not any(matches(pattern, label) for pattern in only.patterns)
        for only, _ in run.growth.guards.only_tasks
    )


def speaks_freely(run: Run, task: Task, *, lost: bool = False) -> bool:
    """Return whether a task may still create anything anywhere: it owns the wildcard of a run.

    Args:
        run: The run.
        task: The task.
        lost: Whether it is asked what it might have done.
    """
    growth = run.growth
    if growth.closed or not (lost or _will_speak(run, task)):
        return False
    return not growth.closed_by or growth.closed_by.isdisjoint(chain_of(run, task.id))


def _will_speak(run: Run, task: Task) -> bool:
    return task.state not in SETTLED and can_speak(task) and task is not run.growth.ending


# --- parts that are alike -------------------------------------------------------------------------


def open_parts(run: Run) -> Iterable[Part]:
    """Return the parts into which something may still come."""
    return run.growth.open


def kinds(run: Run) -> Counter[Kind]:
    """Return how many open parts there are of each kind."""
    growth = run.growth
    if not growth.guards.scoped:
        return Counter({(shape, (), ()): count for shape, count in growth.kinds.items()})
    return Counter(kind_of(run, part) for part in open_parts(run))


def _lost_kinds(run: Run) -> Counter[Kind]:
    """Return the same for parts whose owners ended without success."""
    lost = Counter(kind_of(run, part) for part in run.growth.parts.values() if part.lapsed)
    for event in run.growth.log.values():
        if isinstance(event, ev.HoleClosed) and event.by in run.tasks:
            owner = run.tasks[event.by]
            if _fell_silent(owner) and (part := run.growth.parts.get(event.hole)) is not None:
                lost[kind_of(run, part, owner)] += 1
    return lost


def anybody_fell_silent(run: Run) -> bool:
    """Return whether a task that could have created something ended without success."""
    settled = sum(run.counts[state] for state in SETTLED)
    return settled > run.counts[SUCCEEDED] and any(map(_fell_silent, run.tasks.values()))


def _fell_silent(task: Task) -> bool:
    ended = task.state in SETTLED and task.state is not SUCCEEDED and not task.withdrawn
    return ended and can_speak(task)


def kind_of(run: Run, part: Part, owner: Task | None = None) -> Kind:
    """Return what makes a part like others."""
    owner = owner or next(iter(part.owners), None)
    guards = run.growth.guards
    if owner is None or not guards.scoped:
        return part.residual, (), ()
    chain = chain_of(run, owner.id)
    scope = tuple(sorted({g.by for g in guards.tasks.values() if g.by in chain and g.by}))
    gifts = tuple(
        guard
        for guard in guards.tasks.values()
        if guard.owed and guard.by is not None and _could_get(run, part, owner, guard.by)
    )
    return part.residual, (*scope, *_only_scopes(run, chain)), gifts


def _only_scopes(run: Run, chain: Chain) -> list[str]:
    return sorted({o.by for o, _ in run.growth.guards.only_tasks if o.by in chain and o.by})


def _could_get(run: Run, part: Part, owner: Task, name: str) -> bool:
    """Return whether a part could be given to a task that its owner has created."""
    task = run.tasks.get(name)
    if task is None or not _will_speak(run, task):
        return False
    return is_below(run, task, owner) and not path([part], {task})


def is_below(run: Run, task: Task, creator: Task) -> bool:
    """Return whether a task was created by another one, or by what that has created."""
    while task.created_by is not None:
        if task.created_by == creator.id:
            return True
        above = run.tasks.get(task.created_by)
        if above is None:
            return False
        task = above
    return False


def size(shape: Shape) -> int:
    """Return at most how many tasks it takes to have one more of anything in a shape."""
    match shape:
        case Lab() | Wild():
            return 1
        case Seq(items) | Par(items):
            return sum(map(size, items))
        case Alt(items):
            return max(map(size, items), default=0)
        case Map(item, lo, _) | Loop(item, lo, _):
            return size(item) * max(1, lo)
        case Empty():
            return 0


def least(run: Run, shape: Shape) -> Counter[str]:
    """Return the labels of one cheap way to complete a shape, not always the cheapest."""
    match shape:
        case Lab(label):
            return Counter((label,))
        case Seq(items) | Par(items):
            return sum((least(run, item) for item in items), Counter[str]())
        case Alt(items):
            return min((least(run, item) for item in items), key=lambda each: each.total())
        case Map(item, lo, _) | Loop(item, lo, _):
            one = least(run, item) if lo else Counter[str]()
            return Counter({label: count * lo for label, count in one.items()})
        case Wild() | Empty():
            return Counter()


# --- explaining -----------------------------------------------------------------------------------


def conflicting(run: Run) -> list[Guard]:
    """Return the guards without any one of which the run could be finished."""
    excused = anybody_fell_silent(run)
    return [
        guard
        for guard in run.growth.guards.tasks.values()
        if Question(run, without=guard, excused=excused).answer() is not None
    ]


def conflict(run: Run) -> str:
    """Return what cannot hold together, in words: guards and holes."""
    texts = [
        text
        for guard in conflicting(run)
        for text in dict.fromkeys((guard.low_text if guard.owed else "", guard.high_text))
        if text
    ]
    owing = [
        f"the hole {part.address!r}, into which {part.residual} must still come"
        for part in open_parts(run)
        if not part.residual.nullable
    ]
    parts: Sequence[str] = [*(repr(text) for text in texts), *owing[:3]]
    more = [f"{len(owing) - 3} more holes"] if len(owing) > 3 else []  # noqa: PLR2004 - above
    return " and ".join([*parts, *more]) or "what was promised"
