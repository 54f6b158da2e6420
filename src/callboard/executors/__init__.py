"""Ways of doing a task: one executor for each kind, all behind the supervisor's small protocol."""

from __future__ import annotations

from ._function import (
    FunctionExecutor as FunctionExecutor,
    NotReady as NotReady,
    current_lease as current_lease,
)
from ._table import executors_for as executors_for
