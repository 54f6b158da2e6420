"""Ways of doing a task: one executor for each kind, all behind the supervisor's small protocol."""

from __future__ import annotations

from ._attempt import Attempt as Attempt, Waiting as Waiting, current_attempt as current_attempt
from ._function import FunctionExecutor as FunctionExecutor, NotReady as NotReady
from ._table import executors_for as executors_for
