"""Resolves what a definition left open until a task starts: references of Python workflows, and expressions."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ._tasks import resolve_refs
from .workflow import Run, Task, TaskState

if TYPE_CHECKING:
    from .definitions import Expressions, Scope


class Binder:
    """Binds inputs and conditions; the expression language is imported when the first one is met."""

    def __init__(self, secrets: Mapping[str, str] | None = None) -> None:
        self._secrets = os.environ if secrets is None else secrets
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
        return self._expressions.condition(task.spec.when, self._scope(run, task))

    def inputs(self, run: Run, task: Task) -> Any:
        """Return a task's inputs with references and expressions resolved."""
        inputs = task.spec.inputs
        if task.spec.kind == "function" and _is_call(inputs):
            return resolve_refs(inputs, lambda name: _output(run, name))
        return self._expressions.bind(inputs, self._scope(run, task))

    def output(self, run: Run) -> Any:
        """Return the output of a run that succeeded."""
        output = run.spec.output
        if run.spec.folder is None:
            return resolve_refs(output, lambda name: _output(run, name))
        return self._expressions.bind(output, self._scope(run, None))

    def settings(self, run: Run, task: Task, value: Any) -> Any:
        """Return a kind's own settings with expressions resolved."""
        return self._expressions.bind(value, self._scope(run, task))

    def _scope(self, run: Run, task: Task | None) -> Scope:
        from .definitions import Scope

        del task
        return Scope(
            inputs=run.inputs or {},
            tasks={
                each.id: each.output
                for each in run.tasks.values()
                if each.state in (TaskState.SUCCEEDED, TaskState.SKIPPED)
            },
            run={"id": run.id, "workflow": run.spec.name},
            secrets=self._secrets,
        )


def _is_call(inputs: Any) -> bool:
    return isinstance(inputs, dict) and inputs.keys() == {"args", "kwargs"}


def _output(run: Run, name: str) -> Any:
    return run.tasks[name].output
