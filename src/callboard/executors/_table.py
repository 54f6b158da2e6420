"""Which executor does which kind; what needs more than functions is imported at first need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from ..supervisor import Executor, Lease, Outcome
from ..workflow import TaskSpec
from ._function import FunctionExecutor


class _Executes(Protocol):
    async def execute(self, lease: Lease) -> Outcome: ...


class _Lazy:
    """An executor that is made when the first task needs it.

    Args:
        make: Makes it.
        check: Tells what can be told about a task before it is made.
    """

    def __init__(
        self, make: Callable[[], _Executes], check: Callable[[TaskSpec], None] | None = None
    ) -> None:
        self._make = make
        self._check = check
        self._made: _Executes | None = None

    def check(self, spec: TaskSpec) -> None:
        """Tell whether a task can be done here."""
        if self._check is not None:
            self._check(spec)

    async def execute(self, lease: Lease) -> Outcome:
        """Do one attempt with the executor, made now if it was not."""
        if self._made is None:
            self._made = self._make()
        return await self._made.execute(lease)


def executors_for(
    functions: FunctionExecutor, probes: FunctionExecutor, spawner: Callable[[], Any]
) -> Mapping[str, Executor]:
    """Return the executors of an engine.

    Args:
        functions: Does functions.
        probes: Does the probes of ``wait`` tasks; they take no slot, and so threads of their own.
        spawner: Gives the engine's spawner.
    """

    def python() -> _Executes:
        from ._python import PythonExecutor

        return PythonExecutor(spawner())

    def shell() -> _Executes:
        from ._shell import ShellExecutor

        return ShellExecutor(spawner())

    def wait() -> _Executes:
        from ._wait import WaitExecutor

        return WaitExecutor(probes)

    def check_probe(spec: TaskSpec) -> None:
        probes.check_path(str(spec.config["probe"]))

    return {
        "function": functions,
        "python": _Lazy(python),
        "shell": _Lazy(shell),
        "wait": _Lazy(wait, check_probe),
    }
