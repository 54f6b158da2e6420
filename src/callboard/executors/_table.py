"""Which executor does which kind; what needs more than functions is imported when the first task needs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..supervisor import Executor, Lease, Outcome
from ._function import FunctionExecutor


class _Lazy:
    """An executor that is made when the first task needs it."""

    def __init__(self, make: Callable[[], Executor]) -> None:
        self._make = make
        self._made: Executor | None = None

    async def execute(self, lease: Lease) -> Outcome:
        """Do one attempt with the executor, made now if it was not."""
        if self._made is None:
            self._made = self._make()
        return await self._made.execute(lease)


def executors_for(functions: FunctionExecutor, spawner: Callable[[], Any]) -> Mapping[str, Executor]:
    """Return the executors of an engine.

    Args:
        functions: Does functions, and finds the probes of ``wait`` tasks.
        spawner: Gives the engine's spawner.
    """

    def python() -> Executor:
        from ._python import PythonExecutor

        return PythonExecutor(spawner())

    def shell() -> Executor:
        from ._shell import ShellExecutor

        return ShellExecutor(spawner())

    def wait() -> Executor:
        from ._wait import WaitExecutor

        return WaitExecutor(functions)

    return {
        "function": functions,
        "python": _Lazy(python),
        "shell": _Lazy(shell),
        "wait": _Lazy(wait),
    }
