"""The call that a task stands for, as it is stored: arguments as JSON, references in them noted."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

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
    for index, value in enumerate(args):
        if isinstance(value, _MAY_REFER):
            _check(value, signature.parameter_at(index), _Parameter(signature, index, task))
    for name, value in kwargs.items():
        if isinstance(value, _MAY_REFER):
            takes = signature.parameters.get(name, Any)
            _check(value, takes, _Parameter(signature, name, task))


_MAY_REFER: Final = (TaskRef, HoleRef, list, tuple)


class _Parameter(NamedTuple):
    """What takes an argument, as errors name it."""

    signature: Signature
    place: int | str
    task: str
    inside: str = ""

    def __str__(self) -> str:
        place = self.place
        name = place if isinstance(place, str) else self.signature.name_at(place)
        return f"{self.inside}its parameter {name!r}"


def _check(value: Any, takes: Any, at: _Parameter) -> None:
    if takes is inspect.Parameter.empty:
        return
    if isinstance(value, TaskRef):
        gives = _gives(value)
        if clash(gives, takes):
            raise UsageError(
                f"task {at.task!r} cannot take what task {value.id!r} gives: {at} is "
                f"{name_of(takes)}, and {value.id!r} returns {name_of(gives)}"
            )
    elif isinstance(value, HoleRef):
        if clash(list, takes):
            raise UsageError(
                f"task {at.task!r} cannot take what the tasks in hole {value.id!r} give: "
                f"{at} is {name_of(takes)}, and that is a list"
            )
    elif type(value) in (list, tuple):
        items = typing.get_args(takes)
        if typing.get_origin(takes) is list and items:
            for each in cast("Sequence[Any]", value):
                _check(each, items[0], at._replace(inside="an item of " + at.inside))


def _gives(ref: TaskRef) -> Any:
    function = ref.gives
    if function is None:
        return Any
    return (function.signature if is_task(function) else Signature.of(function)).returns
