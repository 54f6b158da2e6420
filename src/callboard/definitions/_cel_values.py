"""JSON values to those of the CEL library and back, and its operators where they fall short.

Imported with the first expression: it needs the library.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any, Final

import attrs
from celpy import celtypes
from celpy.evaluation import CELEvalError

from ._guards import is_array, is_object

STEPS_MAX: Final = 200_000
"""How many steps an evaluation may take, a second or two of work: a node of the syntax tree
visited, two values compared, or sixteen characters or items joined."""

INTEGER_MAX: Final = 2**63

_NUMBERS: Final = (celtypes.IntType, celtypes.UintType, celtypes.DoubleType)


class TooMuch(Exception):
    """An expression takes too long or makes too much."""


@attrs.define
class Budget:
    """What one evaluation may still do."""

    left: int = STEPS_MAX

    def take(self, steps: int = 1) -> None:
        """Pay for a piece of work."""
        self.left -= steps
        if self.left < 0:
            raise TooMuch(f"it takes more than {STEPS_MAX:,} steps; do part of it in a task")


def to_cel(value: Any) -> Any:
    """Give a JSON value as the library's; integers beyond 64 bits become doubles."""
    match value:
        case None:
            return None
        case bool():
            return celtypes.BoolType(value)
        case int() if -INTEGER_MAX <= value < INTEGER_MAX:
            return celtypes.IntType(value)
        case int() | float():
            return celtypes.DoubleType(value)
        case str():
            return celtypes.StringType(value)
        case _ if is_object(value):
            return celtypes.MapType({to_cel(str(k)): to_cel(v) for k, v in value.items()})
        case _ if is_array(value):
            return celtypes.ListType([to_cel(item) for item in value])
        case _:
            raise TypeError(f"a value of type {type(value).__name__} is no JSON")


def from_cel(value: Any) -> Any:
    """Give a value of the library as JSON."""
    match value:
        case None:
            return None
        case CELEvalError():
            raise value
        case celtypes.BoolType() | bool():
            return bool(value)
        case celtypes.TimestampType() | celtypes.DurationType():
            return str(value)
        case int():
            return int(value)
        case float() if math.isfinite(value):
            return float(value)
        case str():
            return str(value)
        case _ if is_object(value):
            return {_key(key): from_cel(each) for key, each in value.items()}
        case _ if is_array(value):
            return [from_cel(item) for item in value]
        case _:
            raise TypeError(f"the result is {kind_of(value)}, which JSON cannot hold")


def kind_of(value: Any) -> str:
    """Name the type of a value in the words of the language."""
    if value is None:
        return "null"
    name = type(value).__name__
    return name.removesuffix("Type").casefold() if name.endswith("Type") else f"a {name}"


def _key(key: Any) -> str:
    if isinstance(key, celtypes.BoolType):
        return "true" if key else "false"
    return str(key)


@attrs.define
class Operators:
    """The operators of one evaluation, which pay for what they do from its budget."""

    budget: Budget

    def table(self) -> dict[str, Callable[..., Any]]:
        """Give the operators and functions that replace the library's."""
        binary: dict[str, Callable[[Any, Any], Any]] = {
            "_==_": self.equal,
            "_!=_": lambda left, right: not self.equal(left, right),
            "_<_": lambda left, right: _ordered(operator.lt, left, right),
            "_<=_": lambda left, right: _ordered(operator.le, left, right),
            "_>_": lambda left, right: _ordered(operator.gt, left, right),
            "_>=_": lambda left, right: _ordered(operator.ge, left, right),
            "_in_": self.contained,
            "_+_": self.added,
            "_*_": _numeric(operator.mul),
            "_%_": _numeric(operator.mod),
        }
        lenient = {sign: _lenient(function) for sign, function in binary.items()}
        return {**lenient, "_?_:_": _chosen, "string": _as_string}

    def equal(self, left: Any, right: Any) -> bool:
        """Compare as the language says: numbers by value, other types only with their like."""
        self.budget.take()
        if isinstance(left, _NUMBERS) and isinstance(right, _NUMBERS):
            return _plain(left) == _plain(right)
        if is_object(left) and is_object(right):
            same = left.keys() == right.keys()
            return same and all(self.equal(left[key], right[key]) for key in left)
        if is_array(left) and is_array(right):
            pairs = zip(left, right, strict=False)
            return len(left) == len(right) and all(self.equal(a, b) for a, b in pairs)
        return type(left) is type(right) and bool(left == right)

    def contained(self, item: Any, container: Any) -> bool:
        """Look for an item of a list or a key of a mapping."""
        if is_object(container) and isinstance(item, str):
            return item in container
        if not (is_object(container) or is_array(container)):
            raise TypeError
        return any(self.equal(item, each) for each in container)

    def added(self, left: Any, right: Any) -> Any:
        """Add numbers, or join texts or lists."""
        result: Any = operator.add(left, right)
        if not (isinstance(result, (str, bytes)) or is_array(result)):
            return result
        self.budget.take(1 + len(result) // 16)
        if isinstance(result, str):
            return celtypes.StringType(result)
        return celtypes.ListType(result) if is_array(result) else result


def _plain(number: Any) -> int | float:
    return float(number) if isinstance(number, celtypes.DoubleType) else int(number)


def _ordered(compare: Callable[[Any, Any], Any], left: Any, right: Any) -> bool:
    if isinstance(left, _NUMBERS) and isinstance(right, _NUMBERS):
        return bool(compare(_plain(left), _plain(right)))
    if type(left) is not type(right) or isinstance(left, (list, dict)) or left is None:
        raise TypeError
    return bool(compare(left, right))


def _numeric(compute: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def checked(left: Any, right: Any) -> Any:
        if not (isinstance(left, _NUMBERS) and isinstance(right, _NUMBERS)):
            raise TypeError
        return compute(left, right)

    return checked


def _lenient(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Hand errors on as the library does: as values, so that ``||`` and ``&&`` can ignore them."""

    def wrapped(left: Any, right: Any) -> Any:
        for value in (left, right):
            if isinstance(value, CELEvalError):
                return value
        result = function(left, right)
        return celtypes.BoolType(result) if isinstance(result, bool) else result

    return wrapped


def _chosen(condition: Any, left: Any, right: Any) -> Any:
    if isinstance(condition, CELEvalError):
        return condition
    if not isinstance(condition, celtypes.BoolType):
        kind = kind_of(condition)
        return CELEvalError(f'what stands before "?" is {kind}, not true or false')
    return left if condition else right


def _as_string(value: Any) -> Any:
    if isinstance(value, celtypes.BoolType):
        return celtypes.StringType("true" if value else "false")
    if value is None or isinstance(value, (dict, list)):
        raise TypeError(f"string() does not work on {kind_of(value)}")
    return celtypes.StringType(value)
