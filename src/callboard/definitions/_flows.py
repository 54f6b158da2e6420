"""``flow:``, ``owner:`` and ``promises:``: what a file says of tasks that come while it runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import attrs

from .._frozen import frozen
from ..workflow import HoleSpec, TaskSpec, UsageError
from ..workflow._flow import Flow, between, compile_flow
from ..workflow._guard_text import GuardSpec, Rounds, parse_promise
from ..workflow._shape_text import parse_shape
from ..workflow._shapes import Alt, Empty, Lab, Loop, Map, Par, Seq, Shape, Wild
from ._drafts import Draft
from ._nodes import Mapping as MappingNode, Scalar, Sequence as ListNode, shorten
from ._problems import INVALID, Place


@frozen(kw_only=True)
class Growth:
    """What of a workflow is not a task that always exists.

    Attributes:
        later: The tasks that come into holes only.
        flow: Whether ``flow:`` says the order.
    """

    holes: tuple[HoleSpec, ...] = ()
    promises: tuple[str, ...] = ()
    later: Sequence[Draft] = ()
    flow: bool = False


@attrs.define
class _Names:
    """The tasks of a file, by what they may be called."""

    drafts: Sequence[Draft]
    by_name: dict[str, Draft] = attrs.field(init=False)
    by_id: dict[str, Draft] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.by_name = {draft.name: draft for draft in self.drafts if draft.id}
        self.by_id = {draft.id: draft for draft in self.drafts if draft.id}

    def find(self, called: str) -> Draft | None:
        return self.by_name.get(called) or self.by_id.get(called)

    def spell(self, shape: Shape) -> Shape:
        """Return a shape in which tasks that are called by their ids have their names."""
        match shape:
            case Lab(label):
                known = None if label in self.by_name else self.by_id.get(label)
                return shape if known is None else attrs.evolve(shape, label=known.name)
            case Seq(items) | Par(items) | Alt(items):
                return attrs.evolve(shape, items=tuple(map(self.spell, items)))
            case Map(item) | Loop(item):
                return attrs.evolve(shape, item=self.spell(item))
            case Wild() | Empty():
                return shape


def read_growth(
    node: MappingNode, found: dict[str, Any], drafts: Sequence[Draft] | None, place: Place
) -> Growth:
    """Read the order of a file, and its promises; drafts get what they need.

    Args:
        node: All of the file.
        found: What was read of it; what belongs here is taken out.
        drafts: Its tasks; None if there is no list of them, which was reported.
        place: Where errors are reported.
    """
    text, owner = found.pop("flow", None), found.pop("owner", None)
    found.pop("promises", None)
    if drafts is None:
        return Growth()
    names = _Names(drafts)
    owners = _owners(owner, names)
    later: list[Draft] = []
    holes: list[HoleSpec] = []
    if isinstance(text, str):
        flow, later = _read_flow(text, node, names, owners, place)
        holes += flow.holes
    kept: list[str] = []
    certain = {draft.name: draft for draft in drafts if draft.id}
    for draft in later:
        del certain[draft.name]
    for index, line, promise in _promises(node):
        spot = place.key("promises").item(index)
        read = _read_promise(promise, _Promised(names, certain, later, owners, holes), spot, line)
        if isinstance(read, str):
            kept.append(read)
        elif read is not None:
            holes += read.holes
    _check_owners(node, owner, holes, place)
    return Growth(holes=tuple(holes), promises=tuple(kept), later=later, flow=isinstance(text, str))


# --- owner: ---------------------------------------------------------------------------------------


def _owners(owner: Any, names: _Names) -> str | dict[str, str] | None:
    def named(called: str) -> str:
        known = names.find(called)
        return called if known is None else known.name

    if isinstance(owner, str):
        return named(owner)
    if isinstance(owner, Mapping):
        said = cast("Mapping[str, str]", owner)
        return {hole: named(called) for hole, called in said.items()}
    return None


def _check_owners(node: MappingNode, owner: Any, holes: Sequence[HoleSpec], place: Place) -> None:
    if "owner" not in node.entries or owner is INVALID:
        return
    spot, line = place.key("owner"), node.lines["owner"]
    if not holes:
        spot.report(line, "there is no hole; owner: says which task fills the holes of flow:")
        return
    ids = [hole.id for hole in holes]
    entries = node.entries["owner"]
    for hole in cast("Mapping[str, str]", owner) if isinstance(owner, Mapping) else ():
        if hole not in ids:
            at = entries.lines[hole] if isinstance(entries, MappingNode) else line
            near = place.problems.suggest(hole, ids)
            spot.key(hole).report(at, f'unknown hole "{shorten(hole)}"{near}')


# --- flow: ----------------------------------------------------------------------------------------


def _read_flow(
    text: str,
    node: MappingNode,
    names: _Names,
    owners: str | Mapping[str, str] | None,
    place: Place,
) -> tuple[Flow, list[Draft]]:
    spot, line = place.key("flow"), node.lines["flow"]
    for draft in names.drafts:
        if "needs" in draft.node.entries:
            message = "flow: says what runs after what; take needs: away, or flow:"
            draft.place.key("needs").report(draft.line("needs"), message)
        draft.needs = ()
    try:
        shape = names.spell(parse_shape(text))
    except UsageError as error:
        spot.report(line, str(error))
        return Flow(), []
    described = {draft.name: draft.spec() for draft in names.by_name.values()}
    unknown = sorted(shape.labels - described.keys())
    for label in unknown:
        near = place.problems.suggest(label, [n for n in described if n not in shape.labels])
        spot.report(line, f'"{shorten(label)}" stands in flow: and not in tasks:{near}')
    for name, draft in names.by_name.items():
        if name not in shape.labels:
            near = place.problems.suggest(name, unknown)
            message = f'"{shorten(name)}" stands in tasks: and not in flow:{near}'
            draft.place.key("name").report(draft.line("name"), message)
    # So that what else is wrong can be seen, a task that is not described may create others.
    stand_ins = {label: TaskSpec(id=label, name=label, kind="python") for label in unknown}
    flow = compile_flow(shape, {**described, **stand_ins}, owners)
    _report(flow, spot, line)
    _take_needs(flow, names)
    certain = {spec.name for spec in flow.tasks}
    return flow, [draft for name, draft in names.by_name.items() if name not in certain]


def _report(flow: Flow, spot: Place, line: int) -> None:
    for error in flow.errors:
        spot.report(line, error)


def _take_needs(flow: Flow, names: _Names) -> None:
    for spec in flow.tasks:
        if spec.name in names.by_name:
            names.by_name[spec.name].needs = spec.needs


# --- promises: ------------------------------------------------------------------------------------


@frozen
class _Promised:
    """What a promise may be about."""

    names: _Names
    certain: Mapping[str, Draft]
    later: Sequence[Draft]
    owners: str | Mapping[str, str] | None
    holes: Sequence[HoleSpec]


def _promises(node: MappingNode) -> Iterator[tuple[int, int, str]]:
    """Give each promise with its number and its line; what is none was reported before."""
    listed = node.entries.get("promises")
    for index, item in enumerate(listed.items if isinstance(listed, ListNode) else ()):
        if isinstance(item, Scalar) and item.raw.strip():
            yield index, item.line, item.raw


def _read_promise(text: str, known: _Promised, spot: Place, line: int) -> str | Flow | None:
    """Return a guard as its text, a shape as holes, and nothing if it is neither."""
    try:
        promise = parse_promise(text)
    except UsageError as error:
        spot.report(line, str(error))
        return None
    if isinstance(promise, (Lab, Seq, Par, Alt, Map, Loop, Wild, Empty)):
        return _read_shape(promise, known, spot, line)
    return _with_ids(text, promise, known, spot, line)


def _read_shape(shape: Shape, known: _Promised, spot: Place, line: int) -> Flow:
    described = {name: draft.spec() for name, draft in known.certain.items()}
    later = {draft.name: draft.spec() for draft in known.later}
    taken = [hole.id for hole in known.holes]
    found = between(known.names.spell(shape), described, known.owners, taken, later)
    _report(found, spot, line)
    _take_needs(found, known.names)
    return found


def _with_ids(text: str, guard: GuardSpec, known: _Promised, spot: Place, line: int) -> str:
    """Return a guard that names tasks by their ids."""

    def id_of(called: str) -> str:
        draft = known.names.find(called)
        if draft is not None and draft.name in known.certain:
            return draft.id
        why = "is no task"
        if draft is not None:
            why = "is no task yet when this is promised: it comes into a hole"
        near = "" if draft else spot.problems.suggest(called, known.certain)
        spot.report(line, f'"{shorten(called)}" in "{shorten(text)}" {why}{near}')
        return called

    said = guard
    if guard.by is not None:
        guard = attrs.evolve(guard, by=id_of(guard.by))
    if isinstance(guard, Rounds):
        guard = attrs.evolve(guard, task=id_of(guard.task))
    return text if guard == said else str(guard)
