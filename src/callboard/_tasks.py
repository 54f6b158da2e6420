"""Functions as tasks: ``@task``, ``bind``, and how a function is found again."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FunctionType
from typing import Any, Generic, ParamSpec, TypeGuard, TypeVar, cast, overload

import attrs

from ._values import FILE_MODULE, Signature
from .workflow import DEFAULT_OPTIONS, Retry, TaskOptions, Timeouts, UsageError

P = ParamSpec("P")
R = TypeVar("R")

RESERVED = ("id", "key", "after", "before", "into")
"""Keywords of ``add``: a function whose parameter is called like one of them must be bound
first.
"""


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

    @functools.cached_property
    def signature(self) -> Signature:
        """What the function takes and gives, as far as it says."""
        return Signature.of(self.function)


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

    Raises:
        UsageError: an option cannot be what was given.
    """
    if isinstance(timeout, (int, float)) and not isinstance(timeout, bool):
        timeout = Timeouts(attempt=float(timeout))
    options = TaskOptions(
        retry=retry,
        timeout=cast("Timeouts | None", timeout),
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


def known_task(fn: Callable[..., Any]) -> tuple[TaskFunction[..., Any], str]:
    """Return a function as a task, checked, and its reference.

    Raises:
        UsageError: its parameters cannot be told from keywords of ``add``.
    """
    return (_remembered if _holds_only_code(fn) else _as_task)(fn)


def _as_task(fn: Callable[..., Any]) -> tuple[TaskFunction[..., Any], str]:
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


def slug(name: str) -> str:
    """Return a name as an id."""
    return re.sub(r"[^a-z0-9_.]+", "-", name.lower()).strip("-") or "task"
