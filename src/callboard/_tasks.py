"""Workflows in Python: ``@task``, ``@workflow``, and the builder they are made with."""

from __future__ import annotations

import functools
import inspect
import re
import weakref
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import FunctionType
from typing import Any, Generic, ParamSpec, TypeAlias, TypeGuard, TypeVar, cast, overload

import attrs

from ._values import FILE_MODULE, check_same, encode
from .workflow import (
    DEFAULT_OPTIONS,
    Retry,
    TaskOptions,
    TaskSpec,
    Timeouts,
    UsageError,
    WorkflowSpec,
)

P = ParamSpec("P")
R = TypeVar("R")

RESERVED = ("id", "key", "after", "before", "into")
"""Keywords of ``add``: a function whose parameter is called like one of them must be bound
first.
"""

ON_FAILURE = ("skip_downstream", "stop", "drain", "allow_partial")
ON_LOST = ("retry", "fail", "ask")


class TaskRef:
    """A task of the workflow being built; as an argument of another task it is a data edge.

    Lists, tuples and dicts may hold it, but no object: to JSON it is none of the known types.
    """

    __slots__ = ("id",)

    def __init__(self, id: str) -> None:
        self.id = id

    def __repr__(self) -> str:
        return f"<TaskRef {self.id!r}>"


TaskLike: TypeAlias = TaskRef | str


@attrs.define(eq=False, slots=False)
class TaskFunction(Generic[P, R]):
    """A function with what a supervisor should know about it; calling it calls the function."""

    function: Callable[P, R]
    name: str
    options: TaskOptions = DEFAULT_OPTIONS
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = attrs.field(factory=dict[str, Any])

    def __attrs_post_init__(self) -> None:
        functools.update_wrapper(self, self.function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function itself, here and now."""
        function = cast("Callable[..., R]", self.function)
        return function(*self.args, *args, **{**self.kwargs, **kwargs})


def is_task(function: Callable[..., Any]) -> TypeGuard[TaskFunction[..., Any]]:
    """Return whether a function was made a task already."""
    return isinstance(function, TaskFunction)


@overload
def task(fn: Callable[P, R], /) -> TaskFunction[P, R]: ...
@overload
def task(
    fn: None = None,
    *,
    name: str | None = None,
    retry: Retry | None = None,
    timeout: float | Timeouts | None = None,
    pool: str | None = None,
    priority: int = 0,
    critical: bool = False,
    lost: str = "retry",
) -> Callable[[Callable[P, R]], TaskFunction[P, R]]: ...
@overload
def task(
    fn: Callable[P, R],
    *,
    name: str | None = None,
    retry: Retry | None = None,
    timeout: float | Timeouts | None = None,
    pool: str | None = None,
    priority: int = 0,
    critical: bool = False,
    lost: str = "retry",
) -> TaskFunction[P, R]: ...
def task(
    fn: Callable[P, R] | None = None,
    *,
    name: str | None = None,
    retry: Retry | None = None,
    timeout: float | Timeouts | None = None,
    pool: str | None = None,
    priority: int = 0,
    critical: bool = False,
    lost: str = "retry",
) -> Any:
    """Make a function a task; a decorator, with or without arguments, or a call.

    Args:
        name: Its label; the function's name if not given.
        retry: When a failed attempt is followed by another.
        timeout: Seconds for one attempt, or :class:`Timeouts`.
        pool: The pool it takes a slot of.
        priority: Higher starts first among what is ready.
        critical: Whether ``allow_partial`` runs need it.
        lost: What follows when the engine dies under it: retry, fail or ask.
    """
    check_choice("lost", lost, ON_LOST)
    if isinstance(timeout, (int, float)):
        timeout = Timeouts(attempt=float(timeout))
    options = TaskOptions(
        retry=retry,
        timeout=timeout,
        pool=pool,
        priority=priority,
        critical=critical,
        lost=cast("Any", lost),
    )
    if options == DEFAULT_OPTIONS:
        options = DEFAULT_OPTIONS

    def make(function: Callable[P, R]) -> TaskFunction[P, R]:
        if not callable(function):
            raise UsageError(f"task() takes a function, not {function!r}")
        label = name or str(getattr(function, "__name__", "task"))
        return TaskFunction(function, label, options)

    return make if fn is None else make(fn)


def check_choice(name: str, given: str, known: tuple[str, ...]) -> None:
    """Refuse a word that is none of those an option knows.

    Raises:
        UsageError: it names them.
    """
    if given not in known:
        raise UsageError(f"{name} must be one of {', '.join(known)}, not {given!r}")


def bind(fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> TaskFunction[..., Any]:
    """Return a task with some arguments fixed: the way out for parameters named like ``add``'s own.

    What is fixed is stored with the run as all arguments are, and may be a reference.
    """
    free = fn if is_task(fn) else task(fn)
    return attrs.evolve(free, args=(*free.args, *args), kwargs={**free.kwargs, **kwargs})


def reference(function: Callable[..., Any]) -> str:
    """Return the text under which a function is found again: import path, or file's path."""
    target = inspect.unwrap(function.function if is_task(function) else function)
    module = getattr(target, "__module__", None) or "?"
    name = getattr(target, "__qualname__", None) or getattr(target, "__name__", repr(target))
    if module == "__main__" or module.startswith(FILE_MODULE):
        # No other process could import it under this name.
        code = getattr(target, "__code__", None)
        path = Path(code.co_filename) if code is not None else None
        if path is not None and path.is_file():
            return f"{path.resolve()}:{name}"
    return f"{module}:{name}"


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
            DefinitionError, UsageError: the graph cannot be.
        """
        builder = Builder(self.name)
        output = self.function(builder, *args, **kwargs)
        return self._shared(builder.finish(output, self.settings)), builder.functions

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
) -> Workflow | Callable[[Callable[..., Any]], Workflow]:
    """Make a function that builds a graph a workflow; a decorator, with or without arguments.

    The function is called once, when a run starts, with a :class:`Builder` and the run's real
    input; it runs
    nothing.  What it returns (a task's reference, or plain data with references in it) is the
    run's output.
    """
    check_choice("on_failure", on_failure, ON_FAILURE)
    settings = {
        "concurrency": concurrency,
        "timeout": timeout,
        "on_failure": on_failure,
        "failure_workflow": failure_workflow,
        "pools": dict(pools or {}),
    }

    def make(function: Callable[..., Any]) -> Workflow:
        return Workflow(function, name or function.__name__, settings)

    return make if fn is None else make(fn)


class Builder:
    """What a workflow function adds its tasks to."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._tasks: dict[str, tuple[TaskFunction[..., Any], Mapping[str, Any], Any]] = {}
        self._after: dict[str, dict[str, None]] = {}
        self._labels: dict[str, tuple[str, int]] = {}
        self._promises: list[str] = []
        self._seen: dict[int, tuple[TaskFunction[..., Any], Mapping[str, Any]]] = {}
        self._kept: list[Callable[..., Any]] = []  # what was seen, or its id would be used again
        self.functions: dict[str, Callable[..., Any]] = {}

    def add(
        self,
        fn: Callable[..., Any],
        /,
        *args: Any,
        id: str | None = None,
        after: TaskLike | Iterable[TaskLike] = (),
        before: TaskLike | Iterable[TaskLike] = (),
        **kwargs: Any,
    ) -> TaskRef:
        """Add a task that calls ``fn(*args, **kwargs)``; a reference among them is a data edge.

        Args:
            id: Its id in the run; from the function's name if not given.
            after: Tasks it runs after, for order only.
            before: Tasks that run after it.

        Raises:
            UsageError: the function or an argument cannot be used.
        """
        spec_of, config = self._task_of(fn)
        name = self._new_id(spec_of.name, id)
        refs: dict[str, None] = {}
        all_args, all_kwargs = (*spec_of.args, *args), {**spec_of.kwargs, **kwargs}
        inputs = self._inputs(spec_of, all_args, all_kwargs, refs)
        self._tasks[name] = (spec_of, config, inputs)
        self._after[name] = refs
        for earlier in _ids(after):
            self.edge(earlier, name)
        for later in _ids(before):
            self.edge(name, later)
        return TaskRef(name)

    def _task_of(self, fn: Callable[..., Any]) -> tuple[TaskFunction[..., Any], Mapping[str, Any]]:
        """Return a function as a task, and its settings; each is looked at once."""
        seen = self._seen.get(id(fn))
        if seen is None:
            spec_of, path = (_remembered if _holds_only_code(fn) else _as_task)(fn)
            check_same(self.functions.setdefault(path, spec_of.function), spec_of.function, path)
            self._kept.append(fn)
            seen = self._seen[id(fn)] = (spec_of, {"function": path})
        return seen

    def _inputs(
        self, fn: TaskFunction[..., Any], args: Any, kwargs: Any, refs: dict[str, None]
    ) -> Any:
        if not args and not kwargs:
            return None
        what = f"an argument of task {fn.name!r}"
        found = {
            "args": [encode_refs(each, refs, what) for each in args],
            "kwargs": {key: encode_refs(each, refs, what) for key, each in kwargs.items()},
        }
        for name in refs:
            self._known(name)
        return found

    def edge(self, source: TaskLike, target: TaskLike) -> None:
        """Let one task run after another, for order only."""
        earlier, later = self._known(source), self._known(target)
        self._after[later][earlier] = None

    def promise(self, text: str) -> None:
        """Promise how the graph may still grow."""
        self._promises.append(text)

    def _known(self, name: TaskLike) -> str:
        found = name.id if isinstance(name, TaskRef) else name
        if found not in self._tasks:
            raise UsageError(f"workflow {self._name!r} has no task {found!r}; add it first")
        return found

    def _new_id(self, label: str, wanted: str | None) -> str:
        if wanted is not None:
            if wanted in self._tasks:
                raise UsageError(
                    f"workflow {self._name!r} has a task with the id {wanted!r} already"
                )
            return wanted
        base, number = self._labels.get(label) or (slug(label), 0)
        while True:
            number += 1
            name = base if number == 1 else f"{base}-{number}"
            if name not in self._tasks:
                self._labels[label] = (base, number)
                return name

    def finish(self, output: Any, settings: Mapping[str, Any]) -> WorkflowSpec:
        """Return the finished definition."""
        refs: dict[str, None] = {}
        tasks = tuple(
            TaskSpec(
                id=name,
                name=spec_of.name,
                kind="function",
                needs=tuple(self._after[name]),
                config=config,
                inputs=inputs,
                options=spec_of.options,
            )
            for name, (spec_of, config, inputs) in self._tasks.items()
        )
        return WorkflowSpec(
            name=self._name,
            tasks=tasks,
            output=encode_refs(output, refs, "the output"),
            promises=tuple(self._promises),
            **settings,
        )


def _as_task(fn: Callable[..., Any]) -> tuple[TaskFunction[..., Any], str]:
    """Return a function as a task, checked, and its reference."""
    spec_of = fn if is_task(fn) else task(fn)
    _check_parameters(spec_of)
    return spec_of, reference(spec_of)


_remembered = functools.lru_cache(maxsize=256)(_as_task)
"""For workflows that are built for one run after another, of the same functions."""


def _holds_only_code(fn: Callable[..., Any]) -> bool:
    """Return whether remembering a function keeps none of its caller's values in memory."""
    function = fn.function if is_task(fn) and not (fn.args or fn.kwargs) else fn
    return isinstance(function, FunctionType) and function.__closure__ is None


def _check_parameters(fn: TaskFunction[..., Any]) -> None:
    signature = inspect.signature(fn.function)
    try:
        fixed = signature.bind_partial(*fn.args, **fn.kwargs).arguments
    except TypeError as error:
        raise UsageError(f"task {fn.name!r} cannot take what it is bound to: {error}") from error
    clash = [each for each in RESERVED if each in signature.parameters and each not in fixed]
    if clash:
        raise UsageError(
            f"the parameter {clash[0]!r} of task {fn.name!r} is called like a keyword of "
            "add(); "
            f"rename it, or fix it with callboard.bind({fn.name}, {clash[0]}=…)"
        )


def _ids(tasks: TaskLike | Iterable[TaskLike]) -> list[TaskLike]:
    return [tasks] if isinstance(tasks, (TaskRef, str)) else list(tasks)


def slug(name: str) -> str:
    """Return a name as an id."""
    return re.sub(r"[^a-z0-9_.]+", "-", name.lower()).strip("-") or "task"


def encode_refs(value: Any, refs: dict[str, None], what: str) -> Any:
    """Return a value as JSON, with references as ``{"$task": id}``; they are noted in ``refs``."""
    if isinstance(value, TaskRef):
        refs[value.id] = None
        return {"$task": value.id}
    if type(value) in (list, tuple):
        return [encode_refs(each, refs, what) for each in value]
    if type(value) is dict:
        pairs = cast("dict[Any, Any]", value)
        found = {
            str(encode(key, what)): encode_refs(each, refs, what) for key, each in pairs.items()
        }
        return _escaped(found)
    return _escape(encode(value, what))


def _escape(value: Any) -> Any:
    """Keep keys of data that look like ours from being taken for ours."""
    if isinstance(value, list):
        items = cast("list[Any]", value)
        return [_escape(each) for each in items]
    if isinstance(value, dict):
        pairs = cast("dict[str, Any]", value)
        return _escaped({key: _escape(each) for key, each in pairs.items()})
    return value


def _escaped(found: dict[str, Any]) -> dict[str, Any]:
    return {"$value": found} if any(key.startswith("$") for key in found) else found


def resolve_refs(value: Any, output_of: Callable[[str], Any]) -> Any:
    """Return what :func:`encode_refs` made with each reference replaced by that task's output."""
    if isinstance(value, list):
        items = cast("list[Any]", value)
        return [resolve_refs(each, output_of) for each in items]
    if isinstance(value, dict):
        pairs = cast("dict[str, Any]", value)
        if "$task" in pairs:
            return output_of(pairs["$task"])
        if "$value" in pairs:
            pairs = pairs["$value"]
        return {key: resolve_refs(each, output_of) for key, each in pairs.items()}
    return value
