"""Workflows from files: YAML, JSON, and Python as ``flow.py:name`` or ``module:name``."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

import attrs

from ._workflows import Workflow
from .workflow import DefinitionError, WorkflowSpec


def load(path: str | Path) -> WorkflowSpec | Workflow:
    """Return the workflow in a file, or the one that ``flow.py:name`` or ``module:name`` names.

    Raises:
        DefinitionError: it cannot be read, or is wrong: ``errors`` lists everything.
    """
    text = str(path)
    head, colon, name = text.rpartition(":")
    if colon and name.isidentifier() and not Path(text).exists():
        return _load_python(head, name)
    if text.endswith(".py"):
        raise DefinitionError([f"{text}: name the workflow in it, as {text}:name"])
    from .definitions import load_file

    return load_file(Path(path))


def let_import(folder: str | None) -> None:
    """Let functions be found beside the file that names them, as Python does for a script."""
    if folder is not None and folder not in sys.path:
        sys.path.insert(0, folder)


def _load_python(head: str, name: str) -> Workflow:
    from .executors._function import load_object
    from .supervisor import NoExecutor

    where = str(Path(head).resolve()) if head.endswith(".py") else head
    if head.endswith(".py") and not Path(where).is_file():
        raise DefinitionError([f"{head}: there is no such file"])
    try:
        found = load_object(f"{where}:{name}")
    except NoExecutor as error:
        raise DefinitionError(
            [f"{head}:{name} {_why_not(error.__cause__ or error, name)}"]
        ) from error
    if not isinstance(found, Workflow):
        raise DefinitionError(
            [f"{head}:{name} is no workflow: decorate it with @callboard.workflow"]
        )
    if where != head:
        # What stands beside the file is found from there, in every process that runs it.
        settings = {"folder": str(Path(where).parent), **found.settings}
        return attrs.evolve(found, settings=settings)
    return found


def _why_not(error: BaseException, name: str) -> str:
    if isinstance(error, AttributeError) and error.name == name and inspect.ismodule(error.obj):
        known = [each for each, what in vars(error.obj).items() if isinstance(what, Workflow)]
        return f"does not exist; workflows there: {', '.join(known) or 'none'}"
    return f"cannot be loaded: {type(error).__name__}: {error}"
