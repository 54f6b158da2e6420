"""Workflows in Python: ``@workflow`` makes a function that builds a graph one."""

from __future__ import annotations

import inspect
import traceback
import weakref
from collections.abc import Callable, Mapping
from typing import Any, overload

import attrs

from ._builder import Builder
from .workflow import CallboardError, DefinitionError, UsageError, WorkflowSpec
from .workflow._definition import MAX_TASKS

ON_FAILURE = ("skip_downstream", "stop", "drain", "allow_partial")


@attrs.frozen(eq=False)
class Workflow:
    """A workflow whose graph a function builds; made by :func:`workflow`."""

    function: Callable[..., Any]
    name: str
    settings: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    _last: list[weakref.ref[WorkflowSpec]] = attrs.field(
        factory=list["weakref.ref[WorkflowSpec]"], init=False, repr=False
    )

    def build(
        self, *args: Any, **kwargs: Any
    ) -> tuple[WorkflowSpec, dict[str, Callable[..., Any]]]:
        """Call the function once, with the real input, and return the graph and its functions.

        Raises:
            DefinitionError, UsageError: the graph cannot be, or the function raised something.
        """
        builder = Builder(self.name)
        try:
            output = self.function(builder, *args, **kwargs)
        except CallboardError:
            raise
        except (Exception, SystemExit) as error:
            words = " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")
            if isinstance(error, TypeError):
                words = self.misfit(*args, **kwargs) or words
            raise DefinitionError(
                [f"{self._place(error)}workflow {self.name!r} cannot be built: {words}"]
            ) from error
        return self._shared(builder.finish(output, self.settings)), builder.functions

    def misfit(self, *args: Any, **kwargs: Any) -> str | None:
        """Say why the function cannot be called with the builder and these inputs, if so."""
        signature = inspect.signature(self.function)
        try:
            signature.bind(None, *args, **kwargs)
        except TypeError as error:
            words = str(error)
        else:
            return None
        known = {name: value for name, value in kwargs.items() if name in signature.parameters}
        try:
            signature.bind_partial(None, *args, **known)
        except TypeError:
            # No input is missing or unknown: the builder stands in the place of one.
            words += "; its parameters must be the builder, then the run's inputs"
        return words

    def _place(self, error: BaseException) -> str:
        """Return where in the function's file an error came up, however far below it was raised."""
        code = getattr(inspect.unwrap(self.function), "__code__", None)
        if code is None:
            return ""
        lines = [
            line
            for frame, line in traceback.walk_tb(error.__traceback__)
            if frame.f_code.co_filename == code.co_filename
        ]
        return f"{code.co_filename}:{lines[-1] if lines else code.co_firstlineno}: "

    def _shared(self, spec: WorkflowSpec) -> WorkflowSpec:
        """Return the definition of a run that is alive, if it is the same: it is kept once.

        One that holds values is not compared: 1 would be the same as true.
        """
        if spec.output is not None or any(task.inputs is not None for task in spec.tasks):
            return spec
        last = self._last[0]() if self._last else None
        if last is not None and last == spec:
            return last
        self._last[:] = [weakref.ref(spec)]
        return spec


@overload
def workflow(fn: Callable[..., Any], /) -> Workflow: ...
@overload
def workflow(
    fn: None = None,
    *,
    name: str | None = None,
    concurrency: int | None = None,
    timeout: float | None = None,
    on_failure: str = "skip_downstream",
    failure_workflow: str | None = None,
    pools: Mapping[str, int] | None = None,
    max_tasks: int = MAX_TASKS,
) -> Callable[[Callable[..., Any]], Workflow]: ...
def workflow(
    fn: Callable[..., Any] | None = None,
    *,
    name: str | None = None,
    concurrency: int | None = None,
    timeout: float | None = None,
    on_failure: str = "skip_downstream",
    failure_workflow: str | None = None,
    pools: Mapping[str, int] | None = None,
    max_tasks: int = MAX_TASKS,
) -> Workflow | Callable[[Callable[..., Any]], Workflow]:
    """Make a function that builds a graph a workflow; a decorator, with or without arguments.

    The function is called once, when a run starts, with a :class:`Builder` and the run's real
    input; it runs
    nothing.  What it returns (a task's reference, or plain data with references in it) is the
    run's output.  ``max_tasks`` stops a run that would grow for ever.

    Raises:
        UsageError: a setting cannot be what was given, or the function is asynchronous.
    """
    settings: dict[str, Any] = {
        "concurrency": concurrency,
        "timeout": timeout,
        "on_failure": on_failure,
        "failure_workflow": failure_workflow,
        "pools": dict(pools or {}),
        "max_tasks": max_tasks,
    }
    WorkflowSpec(name="checked here, where the settings stand", **settings)

    def make(function: Callable[..., Any]) -> Workflow:
        if inspect.iscoroutinefunction(function):
            raise UsageError(
                f"workflow {name or function.__name__!r} is an async function; it only builds the"
                " graph, so write def instead of async def (its tasks may be async)"
            )
        return Workflow(function, name or function.__name__, settings)

    return make if fn is None else make(fn)
