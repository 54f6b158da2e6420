"""Functions that do the tasks of a label: those decorated with ``@callboard.task`` in a module."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .._tasks import TaskFunction, is_task
from ..executors._function import load_module
from ..workflow import UsageError


def labelled(modules: Iterable[str]) -> dict[str, TaskFunction[..., Any]]:
    """Return the tasks in modules by their labels.

    Args:
        modules: Files, ``flow.py``, or names of modules.

    Raises:
        UsageError: one cannot be loaded or holds no task, or two tasks have the same label.
    """
    found: dict[str, tuple[str, TaskFunction[..., Any]]] = {}
    for name in modules:
        tasks = _tasks_in(name)
        if not tasks:
            raise UsageError(f"{name} holds no task: decorate functions with @callboard.task")
        for label, task in tasks.items():
            earlier, known = found.setdefault(label, (name, task))
            if known.function is not task.function:
                raise UsageError(f"both {earlier} and {name} have a task {label!r}; rename one")
    return {label: task for label, (_, task) in found.items()}


def _tasks_in(name: str) -> Mapping[str, TaskFunction[..., Any]]:
    where = name
    if name.endswith(".py"):
        if not Path(name).is_file():
            raise UsageError(f"{name}: there is no such file")
        where = str(Path(name).resolve())
    try:
        module = load_module(where)
    except (Exception, SystemExit) as error:
        raise UsageError(f"{name} cannot be loaded: {type(error).__name__}: {error}") from error
    found: dict[str, TaskFunction[..., Any]] = {}
    names: Mapping[str, object] = module.__dict__
    for each in names.values():
        if callable(each) and is_task(each):
            known = found.setdefault(each.name, each)
            if known.function is not each.function:
                raise UsageError(f"{name} has two tasks {each.name!r}; rename one")
    return found
