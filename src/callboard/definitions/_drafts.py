"""Tasks while their file is being read: what each one says, before it is known to fit."""

from __future__ import annotations

from typing import Any

import attrs

from ..workflow import DEFAULT_OPTIONS, TaskOptions, TaskSpec
from ._format import MISPLACED, OPTIONS, TASK
from ._kinds import KEYS, KINDS, STEP, VARIABLE, Kind
from ._nodes import Mapping, Node, Sequence, describe, shorten
from ._problems import INVALID, Place, listing
from ._records import read_fields
from ._shapes import matches


@attrs.define(eq=False)
class Draft:
    """One task as read.

    Attributes:
        found: The valid entries.
        key: The key that says how it is done, as spelled; None for a step.
        id: Its id, once that is known; empty if its name is invalid.
        needs: What it runs after, by id, once that is known.
    """

    node: Mapping
    place: Place
    found: dict[str, Any]
    name: str
    key: str | None = None
    id: str = ""
    needs: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """The kind's own name."""
        return KEYS[self.key] if self.key else "step"

    @property
    def way(self) -> Kind:
        """The kind's row in the table."""
        return KINDS[KEYS[self.key]] if self.key else STEP

    def line(self, key: str) -> int:
        """The line of one of its keys."""
        return self.node.lines.get(key, self.node.line)

    def spec(self) -> TaskSpec:
        """Make the finished task."""
        options = {key: self.found[key] for key in OPTIONS if key in self.found}
        return TaskSpec(
            id=self.id,
            name=self.name,
            kind=self.kind,
            needs=self.needs,
            config=self.way.config(self.found[self.key]) if self.key in self.found else {},
            inputs=self.found.get("with"),
            when=self.found.get("when"),
            options=TaskOptions(**options) if options else DEFAULT_OPTIONS,
        )


def read_drafts(node: Node, place: Place) -> list[Draft]:
    """Read the list of tasks."""
    if not isinstance(node, Sequence):
        place.report(node.line, f"this must be a list of tasks, not {describe(node)}")
        return []
    read = [read_draft(item, place.item(i)) for i, item in enumerate(node.items)]
    return [draft for draft in read if draft is not None]


def read_draft(node: Node, place: Place) -> Draft | None:
    """Read one task; None if it is none at all."""
    if not isinstance(node, Mapping):
        hint = f'; write "- name: {shorten(node.raw)}"' if not isinstance(node, Sequence) else ""
        place.report(node.line, f"a task must be a mapping, not {describe(node)}{hint}")
        return None
    found = read_fields(node, place, TASK, ("name",), MISPLACED)
    valid = {key: value for key, value in found.items() if value is not INVALID}
    draft = Draft(node, place, valid, valid.get("name", ""))
    _choose_kind(draft)
    _check_given(draft)
    _check_wait(draft)
    return draft


def _choose_kind(draft: Draft) -> None:
    keys = [key for key in draft.node.entries if key in KEYS]
    if len(keys) > 1:
        message = f"a task is done in one way, but this one has {listing(keys)}; keep one of them"
        draft.place.report(draft.line(keys[1]), message)
    draft.key = keys[0] if keys else None


def _check_given(draft: Draft) -> None:
    given = draft.found.get("with")
    if given is None:
        return
    kind, place = draft.kind, draft.place.key("with")
    if draft.way.given == "nothing":
        place.report(draft.line("with"), f"a task of kind {kind} has no use for with:")
    for name in given:
        if draft.way.given == "variables" and not matches(VARIABLE, name):
            message = f'"{shorten(name)}" is not an environment variable\'s name'
            place.report(draft.line("with"), message)
        if draft.way.given == "arguments" and not name.isidentifier():
            place.report(draft.line("with"), f'"{shorten(name)}" is not a keyword argument\'s name')


def _check_wait(draft: Draft) -> None:
    wait = draft.found.get("wait")
    if wait and "within" in wait and "every" not in wait:
        message = "within: needs every:, since without it there is one probe only"
        draft.place.key("wait").report(draft.line("wait"), message)
