"""The expressions of a file, checked before it runs: what they name is there when needed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import attrs

from .._frozen import frozen
from ..workflow import WorkflowSpec
from ..workflow._evolve_growth import shape_of
from ._cel_names import Reference
from ._drafts import Draft
from ._expressions import Expressions, codes_in
from ._nodes import Mapping as MappingNode, Node, Scalar, Sequence as ListNode
from ._order import ancestors
from ._problems import Place
from ._scope import ExpressionError, dotted, only
from ._template import OPENING

RUN_FACTS = ("id", "workflow")
"""What ``run`` has."""


@attrs.define
class _Checker:
    """What the expressions of one file may name."""

    spec: WorkflowSpec
    names: Mapping[str, str]
    needs: Mapping[str, Sequence[str]]
    stands: Mapping[str, Sequence[str]]
    expressions: Expressions = attrs.field(factory=Expressions)
    tasks: _Known = attrs.field(init=False)
    holes: _Known = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.tasks = _Known.of(self.names)
        self.holes = _Known.of(hole.id for hole in self.spec.holes)

    def check(self, code: str, place: Place, line: int, spot: _Spot) -> None:
        """Report what is wrong with one expression."""
        try:
            references = self.expressions.program(code).references
        except ExpressionError as error:
            place.report(line, str(error))
            return
        for reference in sorted(references, key=str):
            try:
                self.check_reference(reference, spot, place)
            except ExpressionError as error:
                place.report(line, str(error))

    def check_reference(self, reference: Reference, spot: _Spot, place: Place) -> None:
        """Raise what is wrong with one reference."""
        match reference.root:
            case "inputs":
                _check_known("input", reference, self.spec.inputs, place)
            case "run":
                _check_known("fact of the run", reference, RUN_FACTS, place)
            case "secrets":
                _check_secret(reference, spot)
            case "holes":
                self.check_hole(reference, spot, place)
            case _:
                self.check_task(reference, spot, place)

    def check_task(self, reference: Reference, spot: _Spot, place: Place) -> None:
        """Raise what is wrong with the naming of a task."""
        if not reference.keys:
            raise ExpressionError('say which task, as in tasks["review-credit"].output')
        task = self.tasks.find(reference, place, "task")
        if task not in self.needs:
            raise ExpressionError(
                f'{reference} cannot be had: "{self.names[task]}" comes into a hole, perhaps many '
                "times; write holes.<id>.outputs, where it runs before"
            )
        if reference.keys[1:2] != ("output",):
            raise ExpressionError(f"of a task only its output can be had; write {_output(task)}")
        if spot.task is not None and not self.is_before(task, spot.task):
            where = "say so in flow:" if self.spec.flow else "add that to its needs:"
            raise ExpressionError(
                f'{reference} is not there yet: "{self.names[spot.task]}" does not run after '
                f'"{self.names[task]}"; {where}'
            )

    def check_hole(self, reference: Reference, spot: _Spot, place: Place) -> None:
        """Raise what is wrong with the naming of a hole."""
        if not reference.keys:
            raise ExpressionError('say which hole, as in holes["fetch"].outputs')
        hole = self.holes.find(reference, place, "hole")
        if reference.keys[1:2] != ("outputs",):
            raise ExpressionError(
                f'of a hole only its outputs can be had; write holes["{hole}"].outputs'
            )
        if spot.task is not None and not self.is_before(f"#{hole}", spot.task):
            raise ExpressionError(
                f'{reference} are not there yet: "{self.names[spot.task]}" does not run after the '
                f'hole "{hole}"'
            )

    def is_before(self, vertex: str, task: str) -> bool:
        """Say whether a task runs after another one, or after a hole, wherever it stands."""
        return all(
            vertex in self.needs[place] or vertex in ancestors(place, self.needs)
            for place in self.stands[task]
        )


@frozen
class _Known:
    """What may be named, by its id and by how that is spelled after a dot."""

    ids: Mapping[str, Sequence[str]]
    spellings: Mapping[str, Sequence[str]]

    @classmethod
    def of(cls, ids: Iterable[str]) -> _Known:
        every = list(ids)
        spellings: dict[str, list[str]] = {}
        for each in every:
            spellings.setdefault(dotted(each), []).append(each)
        return cls({each: [each] for each in every}, spellings)

    def find(self, reference: Reference, place: Place, what: str) -> str:
        written = reference.keys[0]
        known = self.spellings if reference.dotted else self.ids
        if written not in known:
            near = place.problems.suggest(written, known)
            raise ExpressionError(f'unknown {what} "{written}" in {reference}{near}')
        return only(reference, known[written])


@frozen
class _Spot:
    """Where an expression stands: in which task, if any, and whether a secret may be there."""

    task: str | None
    secrets: str | None = None


def check_expressions(
    node: MappingNode, drafts: Collection[Draft], spec: WorkflowSpec, place: Place
) -> None:
    """Report everything that is wrong with the expressions of a file."""
    names = {draft.id: draft.name for draft in drafts if draft.id}
    checker = _Checker(spec, names, *_order(drafts, spec))
    for draft in drafts:
        if draft.id:
            _check_draft(draft, checker)
    if "output" in node.entries:
        spot = _Spot(None, "the output of a run is stored")
        _check_node(node.entries["output"], place.key("output"), checker, spot)


def _order(
    drafts: Collection[Draft], spec: WorkflowSpec
) -> tuple[dict[str, Sequence[str]], dict[str, list[str]]]:
    """Give what is directly in front of tasks and holes, and where each task may stand."""
    needs: dict[str, Sequence[str]] = {f"#{hole.id}": hole.after for hole in spec.holes}
    in_front: dict[str, list[str]] = {}
    for hole in spec.holes:
        for task in hole.before:
            in_front.setdefault(task, []).append(f"#{hole.id}")
    later = {template.id for template in spec.templates}
    stands: dict[str, list[str]] = {}
    places: dict[str, list[str]] = {}
    for hole in spec.holes:
        for label in shape_of(hole.shape).labels:
            places.setdefault(label, []).append(f"#{hole.id}")
    for draft in drafts:
        if draft.id:
            stands[draft.id] = list(places.get(draft.name, ()))
            if draft.id not in later:
                needs[draft.id] = (*draft.needs, *in_front.get(draft.id, ()))
                stands[draft.id].append(draft.id)
    return needs, stands


def _check_draft(draft: Draft, checker: _Checker) -> None:
    stored = None if draft.way.secrets else f"what a task of kind {draft.kind} is given is stored"
    keys = {"with", "env", draft.key} & draft.node.entries.keys() & draft.found.keys()
    for key in sorted(key for key in keys if key):
        spot = _Spot(draft.id, stored)
        _check_node(draft.node.entries[key], draft.place.key(key), checker, spot)
    if "when" in draft.found:
        spot = _Spot(draft.id, "when: is decided before an attempt starts")
        checker.check(draft.found["when"], draft.place.key("when"), draft.line("when"), spot)


def _check_node(node: Node, place: Place, checker: _Checker, spot: _Spot) -> None:
    for text, spotted in _texts(node, place):
        try:
            codes = list(codes_in(text.raw))
        except ExpressionError as error:
            spotted.report(text.line, str(error))
            continue
        for code in codes:
            checker.check(code, spotted, text.line, spot)


def _texts(node: Node, place: Place) -> Iterator[tuple[Scalar, Place]]:
    """Give the texts in a node that hold expressions, and where they stand."""
    match node:
        case Scalar(value=str()) if OPENING in node.raw:
            yield node, place
        case Scalar():
            pass
        case ListNode():
            for index, item in enumerate(node.items):
                yield from _texts(item, place.item(index))
        case MappingNode():
            for key, value in node.entries.items():
                if OPENING in key:
                    place.report(node.lines[key], "no expression is allowed in a key")
                yield from _texts(value, place.key(key))


def _check_known(what: str, reference: Reference, known: Collection[str], place: Place) -> None:
    if reference.keys and reference.keys[0] not in known:
        name = reference.keys[0]
        near = place.problems.suggest(name, known) or "; none is declared"
        raise ExpressionError(f'unknown {what} "{name}" in {reference}{near}')


def _check_secret(reference: Reference, spot: _Spot) -> None:
    if len(reference.keys) != 1:
        raise ExpressionError("a secret is a text, named as in secrets.API_TOKEN")
    if spot.secrets is not None:
        raise ExpressionError(f"no secret is allowed here, because {spot.secrets}")


def _output(task: str) -> str:
    return f"tasks.{task}.output" if dotted(task) == task else f'tasks["{task}"].output'
