"""How commands and events are declared."""

from __future__ import annotations

from typing import Any, TypeVar, dataclass_transform

import attrs

_T = TypeVar("_T")


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(attrs.field,))
def message(cls: type[_T]) -> type[_T]:
    """Make a class that only holds data, given by name and never changed.

    Type checkers see it as frozen; at run time it is not.  Messages are made five times a task,
    and a frozen attrs class costs four times as much to make (0.9 µs against 0.2).  All share one
    ``repr`` and one ``==``: there are sixty of them, and each start of a command compiles what
    attrs writes for each.
    """
    if "__repr__" not in vars(cls):
        cls.__repr__ = _repr  # type: ignore[method-assign, assignment]
    cls.__eq__ = _eq  # type: ignore[method-assign, assignment]
    return attrs.define(cls, kw_only=True, weakref_slot=False, repr=False, eq=False)


def _repr(self: attrs.AttrsInstance) -> str:
    held = (f"{field.name}={getattr(self, field.name)!r}" for field in attrs.fields(type(self)))
    return f"{type(self).__qualname__}({', '.join(held)})"


def _eq(self: attrs.AttrsInstance, other: object) -> Any:
    if type(other) is not type(self):
        return NotImplemented
    names = (field.name for field in attrs.fields(type(self)))
    return all(getattr(self, name) == getattr(other, name) for name in names)
