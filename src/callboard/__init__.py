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
    from ._current import Current as Current
    from ._current import current as current
    from ._current import current_sync as current_sync
    from ._dag import run_dag as run_dag
    from ._loading import load as load
    from ._tasks import Builder as Builder
    from ._tasks import TaskFunction as TaskFunction
    from ._tasks import TaskRef as TaskRef
    from ._tasks import Workflow as Workflow
    from ._tasks import bind as bind
    from ._tasks import task as task
    from .engine import BoardLease as BoardLease
    from .engine import Engine as Engine
    from .engine import RunHandle as RunHandle
    from .executors import NotReady as NotReady
    from .workflow import CallboardError as CallboardError
    from .workflow import DefinitionError as DefinitionError
    from .workflow import Failure as Failure
    from .workflow import InternalError as InternalError
    from .workflow import PromiseBroken as PromiseBroken
    from .workflow import PromiseRefused as PromiseRefused
    from .workflow import Refused as Refused
    from .workflow import Retry as Retry
    from .workflow import RunCancelled as RunCancelled
    from .workflow import RunFailed as RunFailed
    from .workflow import RunOwned as RunOwned
    from .workflow import RunResult as RunResult
    from .workflow import RunState as RunState
    from .workflow import StaleFence as StaleFence
    from .workflow import StoreError as StoreError
    from .workflow import TaskResult as TaskResult
    from .workflow import TaskState as TaskState
    from .workflow import Timeouts as Timeouts
    from .workflow import UnknownRun as UnknownRun
    from .workflow import UsageError as UsageError
    from .workflow import WorkflowSpec as WorkflowSpec

    # After the subpackage of the same name, or type checkers take `callboard.workflow` for that.
    from ._tasks import workflow as workflow  # isort: skip

_HOMES = {
    "_current": ("Current", "current", "current_sync"),
    "_dag": ("run_dag",),
    "_loading": ("load",),
    "_tasks": ("Builder", "TaskFunction", "TaskRef", "Workflow", "bind", "task", "workflow"),
    "engine": ("BoardLease", "Engine", "RunHandle"),
    "executors": ("NotReady",),
    "workflow": (
        "CallboardError",
        "DefinitionError",
        "Failure",
        "InternalError",
        "PromiseBroken",
        "PromiseRefused",
        "Refused",
        "Retry",
        "RunCancelled",
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
        "UnknownRun",
        "UsageError",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME_OF)  # noqa: PLE0605 - the table is the list


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'callboard' has no attribute {name!r}")
    return getattr(importlib.import_module(f".{home}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(types.ModuleType):
    """Keeps ``callboard.workflow`` the decorator, which the subpackage's import would replace."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name == "workflow" and isinstance(value, types.ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
