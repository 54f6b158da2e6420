"""What of a workflow would run code on the machine of the engine, or give its secrets away.

Whoever sends a definition from elsewhere may have the engine do that only if they may.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from .._catalog import names_a_file
from .._frozen import frozen
from ..workflow import TaskSpec, WorkflowSpec

RUNS_CODE: Final = frozenset({"function", "python", "shell", "container", "http", "wait"})
"""Kinds of tasks that execute, read or call something where the engine is."""

_SECRETS: Final = re.compile(r"\bsecrets\b")


@frozen
class Code:
    """A part of a workflow that is not harmless.

    Attributes:
        task: The task's id; None for the workflow's ``failure_workflow`` or ``output``.
        kind: What it does: the task's kind, ``file`` for a workflow that is read from a file, or
            ``secrets`` for what is handed secrets of the server.
    """

    task: str | None
    kind: str

    def __str__(self) -> str:
        where = "the workflow itself" if self.task is None else f"task {self.task!r}"
        return f"{where} ({self.kind})"


def runs_code(spec: WorkflowSpec | TaskSpec) -> list[Code]:
    """Return what of a workflow, or of one task, is not harmless; nothing if all of it is."""
    if isinstance(spec, TaskSpec):
        return list(_of_task(spec))
    found = [code for task in (*spec.tasks, *spec.templates) for code in _of_task(task)]
    if spec.failure_workflow is not None and names_a_file(spec.failure_workflow):
        found.append(Code(None, "file"))
    if spec.expressions and _asks_secrets(spec.output):
        found.append(Code(None, "secrets"))
    return found


def _of_task(task: TaskSpec) -> Iterator[Code]:
    if task.kind in RUNS_CODE:
        yield Code(task.id, task.kind)
    elif task.kind == "workflow" and names_a_file(str(task.config.get("workflow"))):
        yield Code(task.id, "file")
    if _asks_secrets([task.config, task.inputs, task.options.env]):
        yield Code(task.id, "secrets")


def _asks_secrets(value: Any) -> bool:
    """Whether an expression in it may read a secret; a text that only looks like one counts."""
    if isinstance(value, str):
        return "${{" in value and _SECRETS.search(value) is not None
    if isinstance(value, Mapping):
        return any(map(_asks_secrets, cast("Mapping[str, Any]", value).values()))
    if isinstance(value, (list, tuple)):
        return any(map(_asks_secrets, cast("list[Any]", value)))
    return False
