"""Resolves what a definition left open until a task starts: references and expressions."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from ._refs import DATA, resolve_refs
from .supervisor import Settings
from .workflow import Refused, Run, Task, TaskState
from .workflow._adding import template

if TYPE_CHECKING:
    from .definitions import Expressions, Scope

_DONE = frozenset({TaskState.SUCCEEDED, TaskState.SKIPPED})


class Binder:
    """Binds inputs and conditions; the expression language is imported when the first one is met.

    Args:
        secrets: Gives a secret by its name; by default the environment, at the moment of asking.
    """

    def __init__(self, secrets: Callable[[str], str | None] = os.environ.get) -> None:
        self._secrets = secrets
        self._loaded: Expressions | None = None

    @property
    def _expressions(self) -> Expressions:
        if self._loaded is None:
            from .definitions import Expressions

            self._loaded = Expressions()
        return self._loaded

    def condition(self, run: Run, task: Task) -> bool:
        """Return whether a task's ``when`` holds."""
        assert task.spec.when is not None
        return self._expressions.condition(task.spec.when, self._scope(run))

    def inputs(self, run: Run, task: Task) -> Any:
        """Return a task's inputs with references and expressions resolved."""
        return self._resolve(run, task.spec.inputs)

    def settings(self, run: Run, task: Task) -> Settings:
        """Return a kind's own settings and environment with expressions resolved."""
        config, env = task.spec.config, task.spec.options.env
        if not (config or env or task.spec.inputs) or _says_its_own(run, task):
            return Settings(config, env)
        scope = self._scope(run)
        bind = self._expressions.bind
        inputs = None if _data_of(task.spec.inputs) else task.spec.inputs
        used = self._expressions.secrets([dict(config), dict(env or {}), inputs])
        return Settings(
            bind(dict(config), scope),
            {name: str(value) for name, value in bind(dict(env or {}), scope).items()},
            [value for name in used if (value := self._secrets(name))],
        )

    def output(self, run: Run) -> Any:
        """Return the output of a run that succeeded."""
        return self._resolve(run, run.spec.output)

    def _resolve(self, run: Run, value: Any) -> Any:
        data = _data_of(value)
        if data is None and run.spec.expressions:
            return self._expressions.bind(value, self._scope(run))
        return resolve_refs(
            value if data is None else data[DATA],
            lambda name: run.task(name).output,
            lambda name: _outputs_in(run, name),
        )

    def _scope(self, run: Run) -> Scope:
        from .definitions import Scope

        return Scope(
            inputs=run.inputs or {},
            tasks=_Outputs(run),
            holes=_HoleOutputs(run),
            run={"id": run.id, "workflow": run.spec.name},
            secrets=self._secrets,
        )


def _data_of(value: Any) -> Mapping[str, Any] | None:
    """Return inputs that say of themselves that they hold references and no expressions."""
    if isinstance(value, Mapping):
        marked = cast("Mapping[str, Any]", value)
        if DATA in marked:
            return marked
    return None


def _outputs_in(run: Run, name: str) -> list[Any]:
    hole = run.holes.get(name)
    if hole is None:
        raise Refused(f"run {run.id!r} has no hole {name!r}")
    return [run.tasks[task].output for task in hole.tasks if task in run.tasks]


def _says_its_own(run: Run, task: Task) -> bool:
    """Return whether a task's settings come from whoever created it, not from the definition."""
    if _data_of(task.spec.inputs) is None:
        return False
    known = template(run, task.spec.name)
    return known is None or known.config != task.spec.config


class _Outputs(Mapping[str, Any]):
    """The outputs of the tasks that are done, looked up when asked for."""

    def __init__(self, run: Run) -> None:
        self._tasks = run.tasks

    def __getitem__(self, name: str) -> Any:
        task = self._tasks[name]
        if task.state not in _DONE:
            raise KeyError(name)
        return task.output

    def __iter__(self) -> Iterator[str]:
        return (name for name, task in self._tasks.items() if task.state in _DONE)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class _HoleOutputs(Mapping[str, Any]):
    """The outputs of what came into each hole, in the order of its creation."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def __getitem__(self, name: str) -> list[Any]:
        tasks = self._run.tasks
        return [tasks[each].output for each in self._run.holes[name].tasks]

    def __iter__(self) -> Iterator[str]:
        return iter(self._run.holes)

    def __len__(self) -> int:
        return len(self._run.holes)
