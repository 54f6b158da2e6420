"""Whether what one task gives can be what another takes, as far as both say it.

Values travel as JSON, so two annotations clash where no JSON fits both, where their items do, or
where they are different classes of records.  What is not known here clashes with nothing.
"""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import functools
import inspect
import types
import typing
import uuid
from collections import abc
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from ._frozen import frozen

ARRAY: Final = "array"
OBJECT: Final = "object"
NUMBERS: Final = frozenset({"integer", "number"})

_SCALARS: Final[dict[Any, frozenset[str]]] = {
    None: frozenset({"null"}),
    types.NoneType: frozenset({"null"}),
    bool: frozenset({"boolean"}),
    int: frozenset({"integer"}),
    float: NUMBERS,
    decimal.Decimal: NUMBERS | {"text"},
    **dict.fromkeys(
        (str, bytes, dt.datetime, dt.date, dt.time, dt.timedelta, uuid.UUID), frozenset({"text"})
    ),
}
_ARRAYS: Final = frozenset(
    {list, tuple, set, frozenset, abc.Sequence, abc.MutableSequence, abc.Set, abc.MutableSet}
)
_MAPPINGS: Final = frozenset({dict, abc.Mapping, abc.MutableMapping})
_AWAITED: Final = {abc.Awaitable: 0, abc.Coroutine: 2}


@frozen
class _Side:
    """What is known of an annotation that is no union.

    Attributes:
        kinds: As what JSON it travels.
        item: What an array or a mapping holds, if that is said.
        record: The class, if it is one with fields.
    """

    kinds: frozenset[str]
    item: Any = Any
    record: type | None = None


def clash(gives: Any, takes: Any) -> bool:
    """Return whether no value that is annotated ``gives`` can become one annotated ``takes``."""
    try:
        return _clash(gives, takes)
    except TypeError:  # An annotation that is no key of a dictionary.
        return False


@functools.lru_cache(maxsize=1024)
def _clash(gives: Any, takes: Any) -> bool:
    sources, targets = _sides(gives), _sides(takes)
    if not sources or not targets:
        return False
    return all(_apart(source, target) for source in sources for target in targets)


def _apart(source: _Side, target: _Side) -> bool:
    common = source.kinds & target.kinds
    if not common:
        return True
    if source.record is not None and target.record is not None:
        related = issubclass(source.record, target.record) or issubclass(
            target.record, source.record
        )
        return not related
    one_record = source.record is not None or target.record is not None
    return common <= {ARRAY, OBJECT} and not one_record and _clash(source.item, target.item)


def _sides(annotation: Any) -> list[_Side]:
    """Return the members of a union, or the one annotation; nothing if one is not known."""
    annotation = plain(annotation)
    members: Iterable[Any] = (annotation,)
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        members = typing.get_args(annotation)
    sides = [_side(plain(member)) for member in members]
    known = [side for side in sides if side is not None]
    return known if len(known) == len(sides) else []


def plain(annotation: Any) -> Any:
    """Return an annotation without what says nothing about values."""
    while True:
        origin = typing.get_origin(annotation)
        if origin is typing.Annotated:
            annotation = typing.get_args(annotation)[0]
        elif origin in _AWAITED and len(typing.get_args(annotation)) > _AWAITED[origin]:
            annotation = typing.get_args(annotation)[_AWAITED[origin]]
        elif isinstance(annotation, typing.NewType):
            annotation = annotation.__supertype__
        else:
            return annotation


def _side(annotation: Any) -> _Side | None:
    origin = typing.get_origin(annotation)
    args = typing.get_args(annotation)
    if origin is typing.Literal:
        return _of_values(args)
    if annotation in _SCALARS:
        return _Side(_SCALARS[annotation])
    kind = origin or annotation
    if kind in _ARRAYS:
        return _Side(frozenset({ARRAY}), _item(kind, args))
    if kind in _MAPPINGS:
        return _Side(frozenset({OBJECT}), args[1] if args else Any)
    if not inspect.isclass(annotation):
        return None
    if issubclass(annotation, enum.Enum):
        return _of_values([each.value for each in annotation])
    return _Side(frozenset({OBJECT}), record=annotation) if is_record(annotation) else None


def _item(kind: Any, args: tuple[Any, ...]) -> Any:
    if kind is tuple:
        return args[0] if args[1:] == (...,) else Any
    return args[0] if args else Any


def _of_values(values: Iterable[Any]) -> _Side | None:
    kinds = [_SCALARS.get(type(value)) for value in values]
    if not kinds or None in kinds:
        return None
    return _Side(frozenset[str]().union(*(each for each in kinds if each is not None)))


def is_record(annotation: type[Any]) -> bool:
    """Return whether a class has fields that travel as an object's."""
    if issubclass(annotation, msgspec.Struct):
        return not annotation.__struct_config__.array_like
    marks = ("__dataclass_fields__", "__attrs_attrs__", "model_validate")
    return any(hasattr(annotation, mark) for mark in marks)


def name_of(annotation: Any) -> str:
    """Return an annotation as people write it."""
    return annotation.__name__ if inspect.isclass(annotation) else str(annotation)
