"""The files that a definition names: they are there, and the workflows among them are valid."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from ..workflow import FAILURE_INPUTS, DefinitionError, WorkflowSpec
from ._drafts import Draft
from ._nodes import Mapping, shorten
from ._problems import Place, Problems

DEFINITION_ENDINGS = (".yaml", ".yml", ".json")

Load = Callable[[Path], WorkflowSpec | None]


class _Built(Protocol):
    @property
    def node(self) -> Mapping: ...
    @property
    def spec(self) -> WorkflowSpec: ...
    @property
    def drafts(self) -> list[Draft]: ...


def check_files(built: _Built, problems: Problems, folder: Path, load: Load) -> None:
    """Look for every file that a definition names, and read the workflows among them."""
    for draft in built.drafts:
        target = draft.found.get(draft.key) if draft.key else None
        place = draft.place.key(draft.key or "")
        if draft.kind == "python" and isinstance(target, str) and target.endswith(".py"):
            _check_exists(folder, target, place, draft.line(draft.key or ""))
        if draft.kind == "workflow" and isinstance(target, str):
            child = _check_workflow(folder, target, place, draft.line(draft.key or ""), load)
            if child is not None:
                _check_given(draft, child, problems)
    cleanup = built.spec.failure_workflow
    if cleanup is not None:
        line = built.node.lines["failure_workflow"]
        place = Place(problems, "failure_workflow")
        follower = _check_workflow(folder, cleanup, place, line, load)
        if follower is not None:
            _check_told(follower, place, line)


def _check_exists(folder: Path, target: str, place: Place, line: int) -> bool:
    try:
        found = (folder / target).is_file()
    except (OSError, ValueError):
        found = False
    if not found:
        place.report(line, f'there is no file "{shorten(target)}" in {folder}')
    return found


def _check_workflow(
    folder: Path, target: str, place: Place, line: int, load: Load
) -> WorkflowSpec | None:
    """Check a workflow's name: a file, ``flow.py:name``, or that of a registered one."""
    if script := re.fullmatch(r"(.+\.py):[^\W\d]\w*", target):
        _check_exists(folder, script[1], place, line)
        return None
    if not target.endswith(DEFINITION_ENDINGS):
        return None
    if not _check_exists(folder, target, place, line):
        return None
    try:
        return load(folder / target)
    except DefinitionError as error:
        if len(error.errors) == 1 and "cycle" in error.errors[0]:
            place.report(line, error.errors[0])
        else:
            place.report(line, f'the workflow "{shorten(target)}" is invalid')
            place.problems.foreign.extend(error.errors)
        return None


def _check_given(draft: Draft, child: WorkflowSpec, problems: Problems) -> None:
    given = draft.found.get("with", {})
    place, line = draft.place.key("with"), draft.line("with")
    for name in given:
        if name not in child.inputs:
            near = problems.suggest(name, child.inputs)
            place.report(line, f'workflow "{child.name}" has no input "{shorten(name)}"{near}')
    for name, declared in child.inputs.items():
        if declared.required and name not in given:
            place.report(line, f'input "{name}" of workflow "{child.name}" is missing')


def _check_told(follower: WorkflowSpec, place: Place, line: int) -> None:
    told = ", ".join(FAILURE_INPUTS)
    for name, declared in follower.inputs.items():
        if name in FAILURE_INPUTS:
            if declared.type not in ("string", "any"):
                place.report(
                    line,
                    f'the input "{name}" of workflow "{follower.name}" is declared as '
                    f"{declared.type}, and after a failure it is told a string",
                )
        elif declared.required:
            place.report(
                line,
                f'workflow "{follower.name}" needs the input "{shorten(name)}", and after a '
                f"failure it is told only {told}; give the input a default",
            )
