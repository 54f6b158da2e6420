"""How the tasks of a file stand to each other: ids, needs, cycles, and what runs before what."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from ._drafts import Draft
from ._nodes import Sequence as ListNode, shorten
from ._problems import Problems

CYCLES_MAX = 20
"""How many cycles are named; a file with more is wrong enough."""

Needs = Mapping[str, Sequence[str]]


def derive_id(name: str) -> str:
    """Make an id of a name: lower case, and ``-`` for what is no letter, digit, ``_`` or ``.``."""
    return re.sub(r"[^\w.]+", "-", name.casefold() if name.isascii() else name.lower()).strip("-")


def assign_ids(drafts: Iterable[Draft]) -> None:
    """Give every task its id; names and ids must be unique in the file."""
    names: dict[str, Draft] = {}
    ids: dict[str, Draft] = {}
    for draft in drafts:
        if not draft.name:
            continue
        place = draft.place.key("name")
        if draft.name in names:
            first = names[draft.name].line("name")
            message = f'two tasks are named "{draft.name}" (the first in line {first})'
            place.report(draft.line("name"), message)
            continue
        names[draft.name] = draft
        draft.id = draft.found.get("id") or derive_id(draft.name)
        if not draft.id:
            message = f'no id can be made of the name "{draft.name}"; give the task an id:'
            place.report(draft.line("name"), message)
            draft.id = _stand_in(draft, ids)
        elif draft.id in ids:
            other = ids[draft.id]
            message = (
                f'"{draft.name}" and "{other.name}" (line {other.line("name")}) would both have '
                f'the id "{draft.id}"; give one of them another id:'
            )
            place.report(draft.line("name"), message)
            draft.id = _stand_in(draft, ids)
        ids[draft.id] = draft


def _stand_in(draft: Draft, ids: Mapping[str, Draft]) -> str:
    """Return an id for a task that got none, so that what names it is not said to be wrong."""
    name = f"{draft.id}?"
    while name in ids:
        name += "?"
    return name


def resolve_needs(drafts: Sequence[Draft], problems: Problems) -> None:
    """Turn the names and ids in ``needs`` into ids; unknown ones are errors."""
    by_name = {draft.name: draft for draft in drafts if draft.name}
    by_id = {draft.id: draft for draft in drafts if draft.id}
    for draft in drafts:
        needs: dict[str, None] = {}
        for index, need in enumerate(draft.found.get("needs", ())):
            named, identified = by_name.get(need), by_id.get(need)
            message = _need_problem(draft, need, named, identified)
            target = named or identified
            if message is None and target is None:
                near = problems.suggest(need, by_name)
                message = f'unknown task "{shorten(need)}" in needs of "{draft.name}"{near}'
            elif message is None and target and target.id and target.id in needs:
                message = f'"{shorten(need)}" stands twice in needs of "{draft.name}"'
            if message is not None:
                draft.place.key("needs").item(index).report(_need_line(draft, index), message)
            elif target and target.id:
                needs[target.id] = None
        draft.needs = tuple(needs)


def _need_problem(
    draft: Draft, need: str, named: Draft | None, identified: Draft | None
) -> str | None:
    if named and identified and named is not identified:
        return (
            f'"{shorten(need)}" in needs of "{draft.name}" is the name of one task and the id of '
            f'another ("{identified.name}"); rename one of them'
        )
    return None


def _need_line(draft: Draft, index: int) -> int:
    node = draft.node.entries["needs"]
    if isinstance(node, ListNode) and index < len(node.items):
        return node.items[index].line
    return node.line


def report_cycles(drafts: Sequence[Draft]) -> bool:
    """Name every cycle whole, and say whether there is one."""
    by_id = {draft.id: draft for draft in drafts if draft.id}
    cycles = find_cycles({draft.id: draft.needs for draft in by_id.values()})
    for cycle in cycles:
        first = by_id[cycle[0]]
        names = " → ".join(by_id[task].name for task in [*cycle, cycle[0]])
        message = f"these tasks wait for each other in a cycle: {names}"
        first.place.key("needs").report(first.line("needs"), message)
    return bool(cycles)


def find_cycles(needs: Needs) -> list[list[str]]:
    """Find cycles that share no task, each in running order from its first task in the file."""
    order = {task: number for number, task in enumerate(needs)}
    core = _entangled(needs)
    cycles: list[list[str]] = []
    while core and len(cycles) < CYCLES_MAX:
        cycle = _walk_back(min(core, key=order.__getitem__), needs, core)
        start = cycle.index(min(cycle, key=order.__getitem__))
        cycles.append(cycle[start:] + cycle[:start])
        rest = core.difference(cycle)
        core = _entangled({task: [n for n in needs[task] if n in rest] for task in rest})
    return cycles


def _entangled(needs: Needs) -> set[str]:
    """Give the tasks that can never start, because a cycle stands before each."""
    open_needs = {task: len(needs[task]) for task in needs}
    followers = invert(needs)
    free = [task for task, count in open_needs.items() if count == 0]
    while free:
        task = free.pop()
        del open_needs[task]
        for follower in followers[task]:
            open_needs[follower] -= 1
            if open_needs[follower] == 0:
                free.append(follower)
    return set(open_needs)


def _walk_back(task: str, needs: Needs, core: set[str]) -> list[str]:
    """Follow needs from a task until one comes again; give that cycle in running order."""
    seen: dict[str, int] = {}
    while task not in seen:
        seen[task] = len(seen)
        task = next(need for need in needs[task] if need in core)
    cycle = list(seen)[seen[task] :]
    return cycle[::-1]


def invert(needs: Needs) -> dict[str, list[str]]:
    """Give the tasks that run after each task."""
    followers: dict[str, list[str]] = {task: [] for task in needs}
    for task, before in needs.items():
        for need in before:
            followers[need].append(task)
    return followers


def ancestors(task: str, needs: Needs) -> set[str]:
    """Give all the tasks that a task runs after, directly or not.

    Where the definition has other faults, one of them may be no task: nothing is before that.
    """
    found: set[str] = set()
    open_tasks = list(needs.get(task, ()))
    while open_tasks:
        current = open_tasks.pop()
        if current not in found:
            found.add(current)
            open_tasks.extend(needs.get(current, ()))
    return found
