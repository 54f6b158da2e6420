"""The kernel: what a workflow is and what follows from what happened; pure, no I/O, no clock."""

from __future__ import annotations

from . import commands as commands
from . import events as events
from ._deadlines import queued_timers as queued_timers
from ._deadlines import resume as resume
from ._definition import (
    DEFAULT_OPTIONS as DEFAULT_OPTIONS,
)
from ._definition import (
    ERROR_KINDS as ERROR_KINDS,
)
from ._definition import (
    KINDS as KINDS,
)
from ._definition import (
    Failure as Failure,
)
from ._definition import (
    InputSpec as InputSpec,
)
from ._definition import (
    Retry as Retry,
)
from ._definition import (
    Stop as Stop,
)
from ._definition import (
    TaskOptions as TaskOptions,
)
from ._definition import (
    TaskSpec as TaskSpec,
)
from ._definition import (
    Timeouts as Timeouts,
)
from ._definition import (
    WorkflowSpec as WorkflowSpec,
)
from ._errors import (
    CallboardError as CallboardError,
)
from ._errors import (
    DefinitionError as DefinitionError,
)
from ._errors import (
    InternalError as InternalError,
)
from ._errors import (
    PromiseBroken as PromiseBroken,
)
from ._errors import (
    PromiseRefused as PromiseRefused,
)
from ._errors import (
    Refused as Refused,
)
from ._errors import (
    RunCancelled as RunCancelled,
)
from ._errors import (
    RunFailed as RunFailed,
)
from ._errors import (
    RunOwned as RunOwned,
)
from ._errors import (
    StaleFence as StaleFence,
)
from ._errors import (
    StoreError as StoreError,
)
from ._errors import (
    UnknownRun as UnknownRun,
)
from ._errors import (
    UsageError as UsageError,
)
from ._evolve import evolve as evolve
from ._evolve import fold as fold
from ._evolve import new_run as new_run
from ._graph import CycleError as CycleError
from ._machine import apply as apply
from ._machine import start as start
from ._picture import Node as Node
from ._picture import Picture as Picture
from ._picture import picture as picture
from ._picture import picture_of_spec as picture_of_spec
from ._results import FrontierItem as FrontierItem
from ._results import HoleResult as HoleResult
from ._results import (
    RunResult as RunResult,
)
from ._results import (
    TaskResult as TaskResult,
)
from ._run import Hole as Hole
from ._run import Run as Run
from ._run import Task as Task
from ._states import (
    ENDED as ENDED,
)
from ._states import (
    SETTLED as SETTLED,
)
from ._states import (
    TASK_MOVES as TASK_MOVES,
)
from ._states import (
    IllegalTransition as IllegalTransition,
)
from ._states import (
    RunState as RunState,
)
from ._states import (
    TaskState as TaskState,
)
from ._why import Reason as Reason
from ._why import why as why
from .commands import (
    Command as Command,
)
from .commands import (
    Effect as Effect,
)
from .commands import (
    SetTimer as SetTimer,
)
from .commands import (
    StopAttempt as StopAttempt,
)
from .events import EVENTS as EVENTS
from .events import Event as Event
from .events import Wait as Wait
