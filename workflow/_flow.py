"""From a shape that is all of a workflow, or a part of it, to tasks, edges and holes.

A name that always exists, not under a choice, map, loop or ``?``, is a task at once.  What is left
are holes: each largest choice, map, loop or ``...`` is one of its own, which runs after what stands
directly in front of it, tasks or other holes, and closes independently of those beside it.  A hole
belongs to the nearest task in front of it that always exists, across holes in between.

Everything here is about one expression and the tasks that it names; what is wrong is collected.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

import attrs

from .._frozen import frozen
from ._ambiguity import ambiguities
from ._definition import HoleSpec, TaskSpec, speaks
from ._parts import segment
from ._promise_tokens import did_you_mean, shortened
from ._shapes import EMPTY, Alt, Empty, Lab, Loop, Map, Par, Seq, Shape, Wild, alt, par, seq

EDGES_MAX: Final = 100_000
"""How many edges the text of one shape may make: a short one could ask for very many."""

Owners = str | Mapping[str, str] | None
"""Who fills the holes: one task for all, or tasks by the ids of holes; the rest is derived."""


@frozen(kw_only=True)
class Flow:
    """What a shape says of a workflow.

    Attributes:
        tasks: Those that always exist, with what they need; without what the holes stand before.
        holes: In an order in which each comes after those that it names.
        templates: How the tasks are done that come into holes, where no task of that name exists.
        errors: What is wrong, each in a sentence; the rest is then of no use.
    """

    tasks: tuple[TaskSpec, ...] = ()
    holes: tuple[HoleSpec, ...] = ()
    templates: tuple[TaskSpec, ...] = ()
    errors: tuple[str, ...] = ()


def compile_flow(
    shape: Shape, described: Mapping[str, TaskSpec], owners: Owners = None, *, advise: bool = True
) -> Flow:
    """Turn a shape into a workflow whose tasks come only into its holes.

    Args:
        shape: All of it.
        described: How tasks are done, by name; their order is the order among equals.
        owners: Who fills the holes, by name; see :data:`Owners`.
        advise: Whether to look for parentheses that would help.
    """
    reading = _Reading(shape, described)
    reading.read()
    reading.refuse_repeated()
    holes = reading.finished(owners, (), reading.certain)
    errors = reading.errors
    if reading.lost and advise:
        errors.extend(_parentheses(shape, described, owners))
    certain = [each for name, each in described.items() if name in reading.certain]
    certain += [TaskSpec(id=n, name=n) for n in reading.certain if n not in described]
    named = shape.labels - reading.certain.keys()
    return Flow(
        tasks=tuple(attrs.evolve(each, needs=reading.needs(each.name)) for each in certain),
        holes=holes,
        templates=tuple(each for name, each in described.items() if name in named),
        errors=tuple(errors),
    )


def between(
    shape: Shape,
    described: Mapping[str, TaskSpec],
    owners: Owners = None,
    taken: Collection[str] = (),
    templates: Mapping[str, TaskSpec] | None = None,
) -> Flow:
    """Turn a shape that is promised while registering into holes between tasks that exist.

    Args:
        shape: It begins and ends with tasks that exist, and its certain names are such tasks.
        described: The tasks that exist, by name; an id that is nobody's name serves, too.
        owners: Who fills the holes, by name; see :data:`Owners`.
        taken: Ids of holes that exist.
        templates: How tasks that do not exist yet are done, by name, for error messages.

    Returns:
        The tasks that it names, with needs that they did not have added; and its holes.
    """
    by_id = {each.id: each for each in described.values()}
    reading = _Reading(shape, {**by_id, **described})
    reading.read()
    reading.refuse_repeated()
    reading.refuse_unknown(templates or {})
    if not reading.errors:
        reading.refuse_open_ends()
    holes = reading.finished(owners, taken, reading.described)
    changed: list[TaskSpec] = []
    for name in reading.certain:
        known = reading.described.get(name)
        if known is not None:
            needs = dict.fromkeys((*known.needs, *reading.needs(name)))
            changed.append(attrs.evolve(known, needs=tuple(needs)))
    return Flow(tasks=tuple(changed), holes=holes, errors=tuple(reading.errors))


@attrs.define(eq=False)
class _Region:
    """A hole as it is found: what is in front are names of tasks, and regions."""

    shape: Shape
    front: tuple[str | _Region, ...]
    id: str = ""
    before: list[str] = attrs.field(factory=list[str])
    owner: str | None = None


_Front = tuple[str | _Region, ...]


@attrs.define(eq=False)
class _Reading:
    """One shape while it is taken apart.

    Attributes:
        certain: The tasks that always exist, with what stands directly in front of them.
        lost: Whether a hole has no task in front of it.
    """

    shape: Shape
    described: Mapping[str, TaskSpec]
    certain: dict[str, _Front] = attrs.field(factory=dict[str, "_Front"], init=False)
    regions: list[_Region] = attrs.field(factory=list[_Region], init=False)
    times: Counter[str] = attrs.field(factory=Counter[str], init=False)
    ends: _Front = ()
    edges: int = 0
    lost: bool = False
    errors: list[str] = attrs.field(factory=list[str], init=False)

    def read(self) -> None:
        """Find tasks and holes."""
        self.ends = self._walk(self.shape, ())
        if self.edges > EDGES_MAX:
            self.errors.append(
                f'"{shortened(str(self.shape))}" makes more than {EDGES_MAX:,} edges; put a task '
                "between what is side by side in front and what is side by side behind"
            )

    def _walk(self, shape: Shape, front: _Front) -> _Front:
        if self.edges > EDGES_MAX:
            return front
        match shape:
            case Empty():
                return front
            case Seq(items):
                for item in items:
                    front = self._walk(item, front)
                return front
            case Par(items):
                sides = [self._walk(item, front) for item in items]
                return tuple(dict.fromkeys(each for side in sides for each in side))
            case Lab(label):
                return (self._task(label, front),)
            case Alt() | Map() | Loop() | Wild():
                self.edges += len(front)
                region = _Region(shape, front)
                self.regions.append(region)
                return (region,)

    def _task(self, label: str, front: _Front) -> str:
        self.edges += len(front)
        self.times[label] += 1
        if label not in self.certain:
            self.certain[label] = front
            for each in front:
                if isinstance(each, _Region):
                    each.before.append(label)
        return label

    def needs(self, name: str) -> tuple[str, ...]:
        """Return the ids of the tasks directly in front of one."""
        return tuple(self._id(each) for each in self.certain[name] if isinstance(each, str))

    def _id(self, name: str) -> str:
        known = self.described.get(name)
        return name if known is None else known.id

    # --- what is wrong with it --------------------------------------------------------------------

    def refuse_repeated(self) -> None:
        """Refuse a name that would always exist more than once."""
        self.errors += [
            f'"{name}" stands at {times} places where it always exists, and it is one task; '
            "for rounds say loop(...), for several at once *, and give other tasks other names"
            for name, times in self.times.items()
            if times > 1
        ]

    def refuse_unknown(self, templates: Mapping[str, TaskSpec]) -> None:
        """Refuse a certain name that is no task."""
        for name in self.certain:
            if name not in self.described:
                hint = did_you_mean(name, [each.name for each in self.described.values()])
                if name in templates:
                    hint = f'say "{name}?" or "{name}*" for tasks that come later'
                self.errors.append(
                    f'"{name}" always exists in "{shortened(str(self.shape))}", and there is no '
                    f"such task{hint and f'; {hint}'}"
                )

    def refuse_open_ends(self) -> None:
        """Refuse a shape that does not begin and end with tasks."""
        ends = [each for each in self.ends if isinstance(each, _Region)]
        starts = [each for each in self.regions if not each.front]
        for words, regions in (("begins", starts), ("ends", ends)):
            if regions:
                self.errors.append(
                    f'"{shortened(str(self.shape))}" {words} with "{regions[0].shape}"; a shape '
                    "that is promised begins and ends with tasks that exist"
                )
        if not self.regions and not self.errors:
            self.errors.append(
                f'"{shortened(str(self.shape))}" leaves no place for tasks to come; say the order '
                "of tasks that exist with edges"
            )

    # --- holes ------------------------------------------------------------------------------------

    def finished(
        self, owners: Owners, taken: Collection[str], owning: Collection[str]
    ) -> tuple[HoleSpec, ...]:
        """Return the holes with ids and owners.

        Args:
            owners: Who fills them, as far as it is said.
            taken: Ids of other holes.
            owning: The tasks that may be said to fill them.
        """
        if self.edges > EDGES_MAX:
            return ()
        self._name_regions(taken)
        self._refuse_unknown_owners(owners, owning)
        for region in self.regions:
            self._choose_owner(region, owners, owning)
        self._refuse_unclear()
        return tuple(
            HoleSpec(
                id=region.id,
                shape=str(region.shape),
                owner=None if region.owner is None else self._id(region.owner),
                after=tuple(
                    self._id(each) if isinstance(each, str) else f"#{each.id}"
                    for each in region.front
                ),
                before=tuple(map(self._id, region.before)),
            )
            for region in self.regions
        )

    def _name_regions(self, taken: Collection[str]) -> None:
        used = set(taken)
        for region in self.regions:
            base = segment(region.shape)
            name, number = base, 1
            while name in used:
                number += 1
                name = f"{base}-{number}"
            used.add(name)
            region.id = name

    def _refuse_unknown_owners(self, owners: Owners, owning: Collection[str]) -> None:
        names = owners.values() if isinstance(owners, Mapping) else [owners] if owners else []
        for name in dict.fromkeys(names):
            if name not in owning:
                hint = did_you_mean(name, owning)
                self.errors.append(
                    f'owner: names "{name}", which is no task that always exists'
                    f"{hint and f'; {hint}'}"
                )

    def _choose_owner(self, region: _Region, owners: Owners, owning: Collection[str]) -> None:
        said = owners.get(region.id) if isinstance(owners, Mapping) else owners
        if said is None:
            self._derive_owner(region)
        elif said in owning:
            region.owner = said
            if region in self._in_front(said):
                self.errors.append(
                    f'{_called(region)} cannot belong to "{said}", which runs after it'
                )
            elif not self._speaks(said):
                self.errors.append(f"{_called(region)} cannot belong to {self._mute(said)}")

    def _derive_owner(self, region: _Region) -> None:
        found = self._nearest(region)
        match found:
            case []:
                self.lost = True
                self.errors.append(
                    f"{_called(region)} has no task in front of it that always exists; "
                    f"{self._advice(region)}"
                )
            case [name]:
                region.owner = name
                if not self._speaks(name):
                    self.errors.append(
                        f"{_called(region)} would belong to {self._mute(name)}; let owner: name "
                        "one that can"
                    )
            case _:
                self.errors.append(
                    f"{_called(region)} has several tasks directly in front of it: "
                    f"{_listed(found)}; say which of them creates what comes there, "
                    f"{_as_in(region, found[0])}"
                )

    def _advice(self, region: _Region) -> str:
        for name in self.certain:
            if region not in self._in_front(name) and self._speaks(name):
                return f"say which task creates what comes there, {_as_in(region, name)}"
        return "put one in front of it that creates what comes there"

    def _nearest(self, region: _Region) -> list[str]:
        """Return the tasks in front of a hole that have none of the others behind them."""
        found: dict[str, None] = {}
        seen: set[_Region] = set()
        stack = list(region.front)
        while stack:
            each = stack.pop(0)
            if isinstance(each, str):
                found[each] = None
            elif each not in seen:
                seen.add(each)
                stack.extend(each.front)
        if len(found) > 1:
            farther = set[str | _Region]().union(*map(self._in_front, found))
            return [name for name in found if name not in farther]
        return list(found)

    def _in_front(self, name: str) -> set[str | _Region]:
        seen: set[str | _Region] = set()
        stack = list(self.certain.get(name, ()))
        while stack:
            each = stack.pop()
            if each not in seen:
                seen.add(each)
                stack.extend(self.certain[each] if isinstance(each, str) else each.front)
        return seen

    def _speaks(self, name: str) -> bool:
        return name in self.described and speaks(self.described[name])

    def _mute(self, name: str) -> str:
        kind = self.described[name].kind if name in self.described else "step"
        more = " without grows: true" if kind == "external" else ""
        return (
            f'"{name}", and a task of kind {kind}{more} cannot create tasks (function, python, and '
            "external with grows: true can)"
        )

    def _refuse_unclear(self) -> None:
        """Refuse what leaves open where a creation of an owner goes."""
        for owner in dict.fromkeys(region.owner for region in self.regions):
            self.errors += ambiguities(self._owned(self.shape, owner, iter(self.regions)))

    def _owned(self, shape: Shape, owner: str | None, regions: Iterator[_Region]) -> Shape:
        """Return a shape without its certain tasks, and without what others own.

        Args:
            shape: All of it, or a part.
            owner: Who fills what is kept.
            regions: The holes in it, in their order.
        """
        match shape:
            case Seq(items):
                return seq([self._owned(item, owner, regions) for item in items])
            case Par(items):
                return par([self._owned(item, owner, regions) for item in items])
            case Alt() | Map() | Loop() | Wild():
                return shape if next(regions).owner == owner else EMPTY
            case Lab() | Empty():
                return EMPTY


def _called(region: _Region) -> str:
    return f'the hole "{region.id}" ({shortened(str(region.shape))})'


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _as_in(region: _Region, name: str) -> str:
    return f'as in owner: {{"{region.id}": "{name}"}}'


# --- parentheses ----------------------------------------------------------------------------------


def _parentheses(shape: Shape, described: Mapping[str, TaskSpec], owners: Owners) -> list[str]:
    """Suggest to put parentheses around a choice, or around sides, where that would do."""
    if not isinstance(shape, Alt | Par):
        return []
    first, *others = shape.items
    last = others[-1] if others else EMPTY
    if not isinstance(first, Seq) and not isinstance(last, Seq):
        return []
    head = first.items if isinstance(first, Seq) else (first,)
    tail = last.items if isinstance(last, Seq) else (last,)
    inner = (head[-1], *others[:-1], tail[0])
    whole = seq([*head[:-1], alt(inner) if isinstance(shape, Alt) else par(inner), *tail[1:]])
    if compile_flow(whole, described, owners, advise=False).errors:
        return []
    sign = "|" if isinstance(shape, Alt) else "&"
    return [f'"->" binds tighter than "{sign}"; did you mean "{shortened(str(whole))}"?']
