"""Values at the borders of tasks: what goes in and comes out is JSON, on every store alike."""

from __future__ import annotations

import inspect
import math
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, cast

import msgspec

from ._frozen import frozen
from ._types import is_record, name_of, plain
from .workflow import UsageError

FILE_MODULE: Final = "callboard_file_"
"""How the names begin under which files are imported that are named by their paths."""

_INT_MAX: Final = 2**63

_encode_json = msgspec.json.Encoder().encode
_decode_json = msgspec.json.Decoder().decode


def encode(value: Any, what: str = "a value") -> Any:
    """Return a value as plain JSON types.

    Dataclasses, attrs and msgspec classes, pydantic models, enums, dates, UUIDs and decimals are
    known.

    Raises:
        UsageError: it has a part that is none of these; the message names ``what``.
    """
    if value is None or type(value) is bool:
        return value
    if type(value) is int and -_INT_MAX < value < _INT_MAX:
        return value
    try:
        # Once through JSON: what comes out is what any store would give back.
        plain = msgspec.to_builtins(value, str_keys=True, enc_hook=_encode_other)
        json = _decode_json(_encode_json(plain))
    except (TypeError, NotImplementedError, RecursionError, ValueError, OverflowError) as error:
        raise UsageError(f"{what} cannot be stored as JSON: {error}") from error
    if json != plain and not _is_finite(plain):
        raise UsageError(f"{what} cannot be stored as JSON: it holds a number that is not finite")
    return json


def _is_finite(plain: Any) -> bool:
    if isinstance(plain, float):
        return math.isfinite(plain)
    if isinstance(plain, dict):
        return all(map(_is_finite, cast("dict[str, Any]", plain).values()))
    if isinstance(plain, (list, tuple)):
        return all(map(_is_finite, cast("list[Any]", plain)))
    return True


def _encode_other(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        return dump(mode="json")
    if isinstance(value, Mapping):
        return dict(cast("Mapping[Any, Any]", value))
    raise TypeError(
        f"{type(value).__module__}.{type(value).__qualname__} is no JSON, dataclass, attrs …"
    )


def decode(value: Any, annotation: Any, what: str) -> Any:
    """Return JSON as the annotated type.

    Raises:
        UsageError: it does not fit; the message names ``what`` and where in it.
    """
    if annotation is Any or annotation is _EMPTY or annotation is object:
        return value
    try:
        return msgspec.convert(value, annotation, dec_hook=_decode_other, str_keys=True)
    except (msgspec.ValidationError, NotImplementedError) as error:
        raise UsageError(f"{what}: {error}") from error
    except TypeError:
        return value  # An annotation that says nothing about data, a type variable for instance.


def _decode_other(annotation: Any, value: Any) -> Any:
    validate = getattr(annotation, "model_validate", None)
    if callable(validate):
        return validate(value)
    if isinstance(value, annotation):
        return value
    raise NotImplementedError(f"JSON cannot become {annotation!r}")


_EMPTY: Final = inspect.Parameter.empty


@frozen
class Signature:
    """What a function takes and gives, as far as it says.

    Attributes:
        parameters: The annotations of those with names.
        positional: The names of those that may be given by position.
        rest: The annotation of all further ones.
        returns: What calling it gives.
        result: What its task gives: what there is when that was awaited.
        plain_class: That, if it is a class whose instances need no further look.
        signature: All of it, as Python knows it.
    """

    parameters: Mapping[str, Any]
    positional: tuple[str, ...]
    rest: Any
    returns: Any
    result: Any
    plain_class: type[Any] | None
    signature: inspect.Signature

    @classmethod
    def of(cls, function: Callable[..., Any]) -> Signature:
        """Read a function's annotations; what cannot be resolved counts as untyped."""
        signature = inspect.signature(function)
        try:
            hints = typing.get_type_hints(inspect.unwrap(function), include_extras=True)
        except (NameError, TypeError, AttributeError):
            hints = {}
        empty = inspect.Parameter.empty
        kinds = inspect.Parameter
        parameters = {
            name: hints.get(name, empty)
            for name, each in signature.parameters.items()
            if each.kind not in (kinds.VAR_POSITIONAL, kinds.VAR_KEYWORD)
        }
        rest = next(
            (
                hints.get(n, empty)
                for n, p in signature.parameters.items()
                if p.kind is kinds.VAR_POSITIONAL
            ),
            empty,
        )
        positional = tuple(
            name
            for name, each in signature.parameters.items()
            if each.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD)
        )
        returns = hints.get("return", empty)
        result = plain(returns)
        own = _plain_class(result)
        return cls(parameters, positional, rest, returns, result, own, signature)

    def arguments(self, inputs: Any, told: Any = None) -> tuple[list[Any], dict[str, Any]]:
        """Return the arguments that stored inputs stand for, in their types.

        Args:
            inputs: Those inputs, with nothing left open in them.
            told: The inputs as they were defined: they tell where an argument comes from.
        """
        if inputs is None:
            return [], {}
        args, kwargs = inputs.get("args", ()), inputs.get("kwargs", {})
        return (
            [self._argument(each, self.parameter_at(i), i, told) for i, each in enumerate(args)],
            {
                name: self._argument(each, self.parameters.get(name, Any), name, told)
                for name, each in kwargs.items()
            },
        )

    def _argument(self, value: Any, annotation: Any, place: int | str, told: Any) -> Any:
        try:
            return decode(value, annotation, "")
        except UsageError as error:
            raise UsageError(f"{_Where(place, told)}{error}") from error

    def check_result(self, result: Any, output: Any, path: str) -> None:
        """Refuse a result that is not what the function says it returns.

        Args:
            result: What it returned.
            output: The same as JSON.
            path: What the function is called in errors.

        Raises:
            UsageError: it does not fit; the message says where in it.
        """
        if self.plain_class is not None and isinstance(result, self.plain_class):
            return
        try:
            decode(output, self.result, "")
        except UsageError as error:
            says = f"is not the {name_of(self.result)} that it says it returns"
            raise UsageError(f"what {path!r} returned {says}{error}") from error

    def parameter_at(self, index: int) -> Any:
        """Return the annotation of what takes a positional argument."""
        if index < len(self.positional):
            return self.parameters[self.positional[index]]
        return self.rest

    def name_at(self, index: int) -> str:
        """Return what takes a positional argument."""
        if index < len(self.positional):
            return self.positional[index]
        kind = inspect.Parameter.VAR_POSITIONAL
        return next((n for n, p in self.signature.parameters.items() if p.kind is kind), "?")


def _plain_class(annotation: Any) -> type[Any] | None:
    """Return a class that has no fields to look at: what it becomes as JSON need not come back."""
    if not inspect.isclass(annotation) or is_record(annotation):
        return None
    anything: Any = None
    try:
        isinstance(anything, annotation)
    except TypeError:  # It cannot be asked whether something is one: nothing is known then.
        return object
    return annotation


class _Where(NamedTuple):
    """An argument of a call, as errors name it."""

    place: int | str
    told: Any

    def __str__(self) -> str:
        place = self.place
        number = place + 1 if isinstance(place, int) else repr(place)
        return f"argument {number}{self._origin()}"

    def _origin(self) -> str:
        """Return which task or hole it comes from, if it is all that one gave."""
        try:
            source = self.told["args" if isinstance(self.place, int) else "kwargs"][self.place]
        except (TypeError, LookupError):
            return ""
        if isinstance(source, dict):
            for sign, kind in (("$task", "output of task"), ("$hole", "outputs in hole")):
                if sign in source:
                    return f", the {kind} {source[sign]!r}"
        return ""


def check_same(one: Callable[..., Any], other: Callable[..., Any], path: str) -> None:
    """Refuse two functions that share a path and are not the same code that captures nothing.

    Raises:
        UsageError: tasks of one would call the other.
    """
    if one is other:
        return
    first, second = (inspect.unwrap(each) for each in (one, other))
    traits = ("__code__", "__closure__", "__defaults__", "__kwdefaults__")
    facts = [[getattr(each, trait, each) for trait in traits] for each in (first, second)]
    if facts[0] != facts[1] or facts[0][1] is not None:
        raise UsageError(
            f"two functions are called {path!r}, and a stored task could not tell which is its "
            "own: define them at the level of a module, under names of their own, and pass what "
            "differs as arguments"
        )


def is_async(function: Callable[..., Any]) -> bool:
    """Return whether calling this gives a coroutine."""
    if inspect.iscoroutinefunction(inspect.unwrap(function)):
        return True
    call = getattr(function, "__call__", None)  # noqa: B004 - the method itself is looked at
    return isinstance(call, types.MethodType) and inspect.iscoroutinefunction(call.__func__)
