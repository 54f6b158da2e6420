"""The holes of a workflow while it is being built: what stands around them, and who fills them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import attrs

from .workflow import DefinitionError, HoleSpec, TaskSpec, UsageError
from .workflow._ambiguity import ambiguities
from .workflow._flow import between
from .workflow._parts import segment
from .workflow._shape_text import parse_shape

Needs = Mapping[str, Iterable[str]]


@attrs.define(eq=False)
class Draft:
    """A hole as far as it is known; ids of holes stand behind a ``#``."""

    shape: str
    owner: str | None = None
    closed: bool = False
    after: dict[str, None] = attrs.field(factory=dict[str, None])
    before: dict[str, None] = attrs.field(factory=dict[str, None])


class Holes:
    """All holes of one workflow.

    Args:
        workflow: Its name, for errors.
    """

    def __init__(self, workflow: str) -> None:
        self._workflow = workflow
        self._drafts: dict[str, Draft] = {}

    def __contains__(self, name: str) -> bool:
        """Tell whether there is a hole of this id, which stands behind a ``#``."""
        return name.startswith("#") and name[1:] in self._drafts

    def get(self, name: str) -> Draft:
        """Return the hole with this id.

        Raises:
            UsageError: there is none.
        """
        found = self._drafts.get(name)
        if found is None:
            known = ", ".join(map(repr, self._drafts)) or "none"
            raise UsageError(
                f"workflow {self._workflow!r} has no hole {name!r}, it has: {known}; add it first"
            )
        return found

    def open(self, shape: str, owner: str | None) -> str:
        """Add a hole and return its id.

        Raises:
            UsageError: the shape cannot be read, or leaves open where a task goes.
        """
        parsed = parse_shape(shape)
        unclear = ambiguities(parsed)
        if unclear:
            raise UsageError("; ".join(unclear))
        base = name = segment(parsed)
        number = 1
        while name in self._drafts:
            number += 1
            name = f"{base}-{number}"
        self._drafts[name] = Draft(shape, owner)
        return name

    def close(self, name: str) -> None:
        """Let nothing come into a hole.

        Raises:
            UsageError: there is none, or a task must come into it.
        """
        draft = self.get(name)
        if not parse_shape(draft.shape).nullable:
            raise UsageError(
                f"hole {name!r} of workflow {self._workflow!r} cannot be closed: a task must "
                f"still come into it, it is {draft.shape}"
            )
        draft.shape, draft.closed = "()", True

    def link(self, source: str, target: str) -> None:
        """Let one run after the other, at least one of them a hole.

        Raises:
            UsageError: they are the same.
        """
        if source == target:
            raise UsageError(f"hole {source[1:]!r} cannot run after itself")
        holes = list(self._drafts)
        if source in self and target in self:
            # A run opens holes in their order, and each names those that are there by then.
            if holes.index(source[1:]) < holes.index(target[1:]):
                self._drafts[target[1:]].after[source] = None
            else:
                self._drafts[source[1:]].before[target] = None
        elif target in self:
            self._drafts[target[1:]].after[source] = None
        else:
            self._drafts[source[1:]].before[target] = None

    def put_between(self, text: str, tasks: Sequence[TaskSpec]) -> Mapping[str, Iterable[str]]:
        """Add the holes of a shape that begins and ends with tasks that exist.

        Returns:
            What tasks need besides what they needed already, by id.

        Raises:
            UsageError: the shape does not fit those tasks.
        """
        times = Counter(each.name for each in tasks)
        described = {(each.name if times[each.name] == 1 else each.id): each for each in tasks}
        flow = between(parse_shape(text), described, taken=self._drafts)
        if flow.errors:
            raise UsageError("; ".join(flow.errors))
        for hole in flow.holes:
            self._drafts[hole.id] = Draft(
                hole.shape,
                hole.owner,
                after=dict.fromkeys(hole.after),
                before=dict.fromkeys(hole.before),
            )
        return {each.id: each.needs for each in flow.tasks}

    # --- who fills them ---------------------------------------------------------------------------

    def finish(self, needs: Needs) -> tuple[HoleSpec, ...]:
        """Return the holes as they are, each with an owner.

        Args:
            needs: The tasks that each task runs after.

        Raises:
            DefinitionError: it is not clear who fills one; all of them are named.
        """
        if not self._drafts:
            return ()
        front: dict[str, list[str]] = {name: list(each) for name, each in needs.items()}
        for name, draft in self._drafts.items():
            front.setdefault(f"#{name}", []).extend(draft.after)
            for later in draft.before:
                front.setdefault(later, []).append(f"#{name}")
        errors: list[str] = []
        for name, draft in self._drafts.items():
            if draft.owner is None and not draft.closed:
                draft.owner = self._nearest(name, front, errors)
        if errors:
            raise DefinitionError(errors)
        return tuple(
            HoleSpec(
                id=name,
                shape=draft.shape,
                owner=draft.owner,
                after=tuple(draft.after),
                before=tuple(draft.before),
            )
            for name, draft in self._drafts.items()
        )

    def _nearest(self, name: str, front: Needs, errors: list[str]) -> str | None:
        """Return the one task in front of a hole that has none of the others behind it."""
        found = _tasks_in_front([f"#{name}"], front, beyond_tasks=False)
        if len(found) > 1:
            farther = _tasks_in_front(found, front, beyond_tasks=True)
            found = [each for each in found if each not in farther]
        if len(found) == 1:
            return found[0]
        say = 'say who fills it with owner=, or let it come behind one task with after="…"'
        if found:
            several = ", ".join(map(repr, found))
            errors.append(f"hole {name!r} has several tasks in front of it, {several}: {say}")
        else:
            errors.append(f"hole {name!r} has no task in front of it: {say}")
        return None


def _tasks_in_front(names: Iterable[str], front: Needs, *, beyond_tasks: bool) -> list[str]:
    """Return the tasks in front of some vertices, across holes, and perhaps across tasks."""
    seen: dict[str, None] = {}
    found = [each for name in names for each in front.get(name, ())]
    for each in found:
        if each not in seen:
            seen[each] = None
            if beyond_tasks or each.startswith("#"):
                found.extend(front.get(each, ()))
    return [each for each in seen if not each.startswith("#")]
