"""The kernel: what a workflow is and what follows from what happened; pure, no I/O, no clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import commands as commands, events as events
from ._deadlines import queued_timers as queued_timers, resume as resume
from ._deciding import Deciding as Deciding
from ._definition import (
    DEFAULT_OPTIONS as DEFAULT_OPTIONS,
    ERROR_KINDS as ERROR_KINDS,
    FAILURE_INPUTS as FAILURE_INPUTS,
    KINDS as KINDS,
    Failure as Failure,
    HoleSpec as HoleSpec,
    InputSpec as InputSpec,
    Retry as Retry,
    Stop as Stop,
    StyleSpec as StyleSpec,
    TaskOptions as TaskOptions,
    TaskSpec as TaskSpec,
    Timeouts as Timeouts,
    WorkflowSpec as WorkflowSpec,
)
from ._errors import (
    CallboardError as CallboardError,
    DefinitionError as DefinitionError,
    InternalError as InternalError,
    KeyTaken as KeyTaken,
    PromiseBroken as PromiseBroken,
    PromiseRefused as PromiseRefused,
    Refused as Refused,
    RunCancelled as RunCancelled,
    RunExists as RunExists,
    RunFailed as RunFailed,
    RunOwned as RunOwned,
    StaleFence as StaleFence,
    StoreError as StoreError,
    UnknownRecord as UnknownRecord,
    UnknownRun as UnknownRun,
    UsageError as UsageError,
    VersionConflict as VersionConflict,
)
from ._evolve import evolve as evolve, fold as fold, new_run as new_run
from ._graph import CycleError as CycleError
from ._machine import apply as apply, decide as decide, start as start
from ._names import check_id as check_id, check_name as check_name
from ._results import (
    FrontierItem as FrontierItem,
    HoleResult as HoleResult,
    PromiseResult as PromiseResult,
    RunResult as RunResult,
    TaskResult as TaskResult,
)
from ._run import Hole as Hole, Part as Part, Run as Run, Task as Task
from ._states import (
    ENDED as ENDED,
    SETTLED as SETTLED,
    TASK_MOVES as TASK_MOVES,
    IllegalTransition as IllegalTransition,
    RunState as RunState,
    TaskState as TaskState,
)
from ._why import Reason as Reason, why as why
from .commands import (
    Command as Command,
    Creation as Creation,
    Effect as Effect,
    SetTimer as SetTimer,
    StopAttempt as StopAttempt,
)
from .events import EVENTS as EVENTS, Event as Event, Wait as Wait

# What draws is loaded where something is drawn: most commands and all workers do without.
if TYPE_CHECKING:
    from ._picture import picture as picture, picture_of_spec as picture_of_spec
    from ._picture_model import Edge as Edge, Node as Node, Picture as Picture
else:

    def __getattr__(name: str) -> Any:
        if name in ("picture", "picture_of_spec"):
            from . import _picture as home
        elif name in ("Edge", "Node", "Picture"):
            from . import _picture_model as home
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(home, name)
