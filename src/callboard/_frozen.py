"""``@frozen``: classes that only hold data and are never changed, as ``attrs.frozen`` makes them.

All share one ``repr``, one ``==`` and one ``hash``.  attrs writes and compiles these anew for each
class, which is half of what making a class takes, and each start of a command makes two hundred.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar, cast

import attrs

if TYPE_CHECKING:
    from attrs import frozen as frozen
else:

    def frozen(cls: type | None = None, **options: Any) -> Any:
        """Make the class; for the options see ``attrs.frozen``."""
        make = partial(with_shared_methods, attrs.frozen, **options)
        return make if cls is None else make(cls)


_T = TypeVar("_T")


def with_shared_methods(make: Callable[..., Any], cls: type[_T], **options: Any) -> type[_T]:
    """Make a class by ``attrs.frozen`` or ``attrs.define``; what it has of its own is kept."""
    own: Any = cls
    if "__repr__" not in vars(cls):
        own.__repr__ = _repr
    if "__eq__" not in vars(cls):
        own.__eq__, own.__hash__ = _eq, _hash
    made: Any = make(cls, repr=False, eq=False, **options)
    compared = [field.name for field in attrs.fields(made) if field.eq]
    made.__compared__ = attrgetter(*compared) if compared else _nothing
    return cast("type[_T]", made)


def _nothing(_: object) -> tuple[()]:
    return ()


def _repr(self: Any) -> str:
    shown = (field.name for field in attrs.fields(self.__class__) if field.repr)
    held = ", ".join(f"{name}={getattr(self, name)!r}" for name in shown)
    return f"{self.__class__.__qualname__.rpartition('>.')[2]}({held})"


def _eq(self: Any, other: Any) -> Any:
    if other.__class__ is not self.__class__:
        return NotImplemented
    return self.__compared__(self) == other.__compared__(other)


def _hash(self: Any) -> int:
    return hash((self.__class__, self.__compared__(self)))
