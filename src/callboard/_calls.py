"""The call that a task stands for, as it is stored: arguments as JSON, references in them noted."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from ._refs import HoleRef, TaskRef, encode_refs
from ._tasks import TaskFunction, is_task
from ._types import clash, name_of
from ._values import Signature
from .workflow import UsageError


def encode_call(
    fn: TaskFunction[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    refs: dict[str, None],
    task: str,
) -> dict[str, Any] | None:
    """Return the arguments of a task's call as JSON; None if it has none.

    Args:
        fn: What is called.
        args: Its arguments besides those that it is bound to.
        kwargs: Those by name.
        refs: Gets what is referred to, see :func:`encode_refs`.
        task: What the task is called in errors.

    Raises:
        UsageError: an argument cannot be stored, or refers to what cannot fit there.
    """
    all_args, all_kwargs = (*fn.args, *args), {**fn.kwargs, **kwargs}
    if not all_args and not all_kwargs:
        return None
    what = f"an argument of task {fn.name!r}"
    noted = len(refs)
    found = {
        "args": [encode_refs(each, refs, what) for each in all_args],
        "kwargs": {key: encode_refs(each, refs, what) for key, each in all_kwargs.items()},
    }
    if len(refs) > noted:
        _check_types(fn, all_args, all_kwargs, task)
    return found


def _check_types(
    fn: TaskFunction[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], task: str
) -> None:
    """Refuse references to what clearly is of another type than the parameter."""
    signature = fn.signature
    given: Iterable[tuple[str, Any, Any]] = [
        *(
            (signature.name_at(index), signature.parameter_at(index), each)
            for index, each in enumerate(args)
        ),
        *((name, signature.parameters.get(name, Any), each) for name, each in kwargs.items()),
    ]
    for name, takes, value in given:
        if takes is not inspect.Parameter.empty:
            _check(value, takes, f"its parameter {name!r}", task)


def _check(value: Any, takes: Any, what: str, task: str) -> None:
    if isinstance(value, TaskRef):
        gives = _gives(value)
        if clash(gives, takes):
            raise UsageError(
                f"task {task!r} cannot take what task {value.id!r} gives: {what} "
                f"is {name_of(takes)}, and {value.id!r} returns {name_of(gives)}"
            )
    elif isinstance(value, HoleRef):
        if clash(list, takes):
            raise UsageError(
                f"task {task!r} cannot take what the tasks in hole {value.id!r} give: "
                f"{what} is {name_of(takes)}, and that is a list"
            )
    elif type(value) in (list, tuple):
        items = typing.get_args(takes)
        if typing.get_origin(takes) is list and items:
            for each in cast("Sequence[Any]", value):
                _check(each, items[0], f"an item of {what}", task)


def _gives(ref: TaskRef) -> Any:
    function = ref.gives
    if function is None:
        return Any
    return (function.signature if is_task(function) else Signature.of(function)).returns
