"""callboard: a durable, supervised runtime for work made of steps that depend on each other.

Every name is imported when it is first used, so that ``import callboard`` costs next to nothing
and a program
on asyncio never imports trio.
"""

from __future__ import annotations

import importlib
import sys
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import promises as promises
    from ._builder import Builder as Builder
    from ._current import (
        Current as Current,
        CurrentSync as CurrentSync,
        current as current,
        current_sync as current_sync,
    )
    from ._dag import run_dag as run_dag
    from ._loading import load as load
    from ._refs import HoleRef as HoleRef, TaskRef as TaskRef
    from ._tasks import TaskFunction as TaskFunction, bind as bind, task as task
    from ._workflows import Workflow as Workflow
    from .engine import BoardLease as BoardLease, Engine as Engine, RunHandle as RunHandle
    from .executors import NotReady as NotReady
    from .workflow import (
        CallboardError as CallboardError,
        DefinitionError as DefinitionError,
        Failure as Failure,
        InternalError as InternalError,
        KeyTaken as KeyTaken,
        PromiseBroken as PromiseBroken,
        PromiseRefused as PromiseRefused,
        Refused as Refused,
        Retry as Retry,
        RunCancelled as RunCancelled,
        RunExists as RunExists,
        RunFailed as RunFailed,
        RunOwned as RunOwned,
        RunResult as RunResult,
        RunState as RunState,
        StaleFence as StaleFence,
        StoreError as StoreError,
        TaskResult as TaskResult,
        TaskState as TaskState,
        Timeouts as Timeouts,
        UnknownRecord as UnknownRecord,
        UnknownRun as UnknownRun,
        UsageError as UsageError,
        VersionConflict as VersionConflict,
        WorkflowSpec as WorkflowSpec,
    )

    # After the subpackage of the same name, or type checkers take `callboard.workflow` for that.
    from ._workflows import workflow as workflow  # isort: skip

_HOMES = {
    "_builder": ("Builder",),
    "_current": ("Current", "CurrentSync", "current", "current_sync"),
    "_dag": ("run_dag",),
    "_loading": ("load",),
    "_refs": ("HoleRef", "TaskRef"),
    "_tasks": ("TaskFunction", "bind", "task"),
    "_workflows": ("Workflow", "workflow"),
    "engine": ("BoardLease", "Engine", "RunHandle"),
    "executors": ("NotReady",),
    "promises": ("promises",),
    "workflow": (
        "CallboardError",
        "DefinitionError",
        "Failure",
        "InternalError",
        "KeyTaken",
        "PromiseBroken",
        "PromiseRefused",
        "Refused",
        "Retry",
        "RunCancelled",
        "RunExists",
        "RunFailed",
        "RunOwned",
        "RunResult",
        "RunState",
        "StaleFence",
        "StoreError",
        "TaskResult",
        "WorkflowSpec",
        "TaskState",
        "Timeouts",
        "UnknownRecord",
        "UnknownRun",
        "UsageError",
        "VersionConflict",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "BoardLease",
    "Builder",
    "CallboardError",
    "Current",
    "CurrentSync",
    "DefinitionError",
    "Engine",
    "Failure",
    "HoleRef",
    "InternalError",
    "KeyTaken",
    "NotReady",
    "PromiseBroken",
    "PromiseRefused",
    "Refused",
    "Retry",
    "RunCancelled",
    "RunExists",
    "RunFailed",
    "RunHandle",
    "RunOwned",
    "RunResult",
    "RunState",
    "StaleFence",
    "StoreError",
    "TaskFunction",
    "TaskRef",
    "TaskResult",
    "TaskState",
    "Timeouts",
    "UnknownRecord",
    "UnknownRun",
    "UsageError",
    "VersionConflict",
    "Workflow",
    "WorkflowSpec",
    "bind",
    "current",
    "current_sync",
    "load",
    "promises",
    "run_dag",
    "task",
    "workflow",
]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'callboard' has no attribute {name!r}")
    module = importlib.import_module(f".{home}", __name__)
    return module if name == home else getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(types.ModuleType):
    """Keeps ``callboard.workflow`` the decorator, which the subpackage's import would replace."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name == "workflow" and isinstance(value, types.ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
