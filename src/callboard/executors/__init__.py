"""Ways of doing a task: one executor for each kind, all behind the supervisor's small protocol."""

from __future__ import annotations

from ._function import FunctionExecutor as FunctionExecutor
from ._function import NotReady as NotReady
from ._function import current_lease as current_lease
from ._table import executors_for as executors_for
