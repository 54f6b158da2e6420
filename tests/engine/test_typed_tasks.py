"""Types of what tasks give and take: compared when a task is added, and once more when it runs."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import typing
import uuid
from collections import abc
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Any, Literal, NewType, TypeVar

import attrs
import pytest

import callboard as cb
from callboard._types import clash

Opens = Callable[..., AbstractAsyncContextManager[cb.Engine]]

T = TypeVar("T")
Score = NewType("Score", int)


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Application:
    name: str


@dataclasses.dataclass
class LoanApplication(Application):
    amount: int = 0


@attrs.frozen
class Decision:
    good: bool


CLASHES = [
    (int, str),
    (str, int),
    (bool, int),
    (None, int),
    (int, list[int]),
    (str, list[str]),
    (list[int], list[str]),
    (tuple[int, ...], list[str]),
    (dict[str, int], dict[str, str]),
    (dict[str, int], list[int]),
    (list[list[int]], list[list[str]]),
    (list, int),
    (dict, int),
    (Application, Decision),
    (Application, str),
    (list[Application], list[Decision]),
    (Score, str),
    (Colour, int),
    (Literal["a"], int),
    (Annotated[int, "x"], str),
    (int | bool, str),
    (Awaitable[int], str),
    (abc.Sequence[int], set[str]),
]
FITS = [
    *((each, each) for each in (int, str, None, list[int], dict[str, int], Application, Colour)),
    (int, float),
    (float, int),
    (int, Any),
    (Any, int),
    (int, object),
    (int, T),
    (int | None, int),
    (int, int | None),
    (list, list[int]),
    (list[Any], list[int]),
    (dict, dict[str, int]),
    (str, uuid.UUID),
    (dt.datetime, str),
    (decimal.Decimal, float),
    (Colour, str),
    (Literal[1], int),
    (LoanApplication, Application),
    (Application, LoanApplication),
    (Application, dict[str, Any]),
    (dict[str, Any], Application),
    (tuple[int, str], list[str]),
    (Awaitable[int], int),
    (Score, int),
    (typing.NamedTuple, int),
    (Callable[..., int], int),
    (Annotated[Any, []], int),
]


@pytest.mark.parametrize(("gives", "takes"), CLASHES)
def test_what_no_value_can_be_clashes(gives: Any, takes: Any) -> None:
    assert clash(gives, takes)


@pytest.mark.parametrize(("gives", "takes"), FITS)
def test_what_might_fit_does_not_clash(gives: Any, takes: Any) -> None:
    assert not clash(gives, takes)


# --- when the graph is built


def number() -> int:
    return 1


def numbers() -> list[int]:
    return [1]


def application() -> Application:
    return Application("x")


def decide(name: str, /, *, what: Application | None = None) -> None: ...


def count(*rest: str) -> int:
    return len(rest)


def gather(parts: list[str]) -> None: ...


def show(anything: Any, untyped: object = None) -> None:
    """Take whatever comes."""


BAD: list[tuple[str, Callable[[cb.Builder], Any], str]] = [
    (
        "by position",
        lambda w: w.add(decide, w.add(number)),
        "'name' is str, and 'number' returns int",
    ),
    (
        "by name",
        lambda w: w.add(decide, "x", what=w.add(numbers)),
        "parameter 'what' is .*Application | None, and 'numbers' returns list",
    ),
    ("one of many", lambda w: w.add(count, "x", w.add(number)), "parameter 'rest' is str"),
    ("in a list", lambda w: w.add(gather, [w.add(number)]), "parameter 'parts' is str"),
    (
        "a hole",
        lambda w: w.add(decide, w.hole("number*", w.add(number))),
        "'name' is str, and that is a list",
    ),
    (
        "bound",
        lambda w: w.add(cb.bind(decide, w.add(number))),
        "task 'decide' cannot take what task 'number' gives",
    ),
]


@pytest.mark.parametrize(("build", "words"), [bad[1:] for bad in BAD], ids=[bad[0] for bad in BAD])
def test_an_edge_between_types_that_clash_is_refused_when_it_is_added(
    build: Callable[[cb.Builder], Any], words: str
) -> None:
    with pytest.raises(cb.UsageError, match=words):
        cb.workflow(build).build()


def test_what_is_not_known_is_left_to_the_run() -> None:
    def build(w: cb.Builder) -> None:
        one = w.add(number)
        w.add(show, one, one)
        w.add(show, [one, w.hole("number*", one)])
        w.add(gather, w.hole("number*", one))
        w.add(gather, w.add(show, 1).id)

    cb.workflow(build).build()


async def test_a_running_task_is_told_as_well(opens: Opens) -> None:
    async def grow() -> None:
        me = cb.current()
        with pytest.raises(
            cb.UsageError, match=r"'grow/decide' cannot take what .*'grow/number-1'"
        ):
            await me.add(decide, await me.add(number))

    def build(w: cb.Builder) -> Any:
        w.add(grow)

    async with opens() as engine:
        result = await engine.run(cb.workflow(build))
    assert result.state == "succeeded", result.reason
    assert list(result.tasks) == ["grow", "grow/number-1"]


# --- when it runs


async def test_an_argument_of_the_wrong_type_names_both_tasks(opens: Opens) -> None:
    def anything() -> Any:
        return "one"

    def wants(n: int, *, more: int = 0) -> int:
        return n

    def build(w: cb.Builder) -> Any:
        given = w.add(anything)
        w.add(wants, given, id="position")
        w.add(wants, 1, more=given, id="name")

    async with opens() as engine:
        result = await engine.run(cb.workflow(build))
    errors = {name: result.tasks[name].error for name in ("position", "name")}
    for name, error in errors.items():
        assert error is not None
        assert error.kind == "config"
        assert f"task {name!r} cannot call " in error.message
        assert "the output of task 'anything': Expected `int`, got `str`" in error.message
    assert errors["position"] is not None
    assert "argument 1, the" in errors["position"].message
    assert errors["name"] is not None
    assert "argument 'more', the" in errors["name"].message


def wrong_scalar() -> int:
    return "one"  # type: ignore[return-value]


def wrong_nothing() -> int:  # type: ignore[empty-body]
    """Forget to return anything."""


def wrong_items() -> list[int]:
    return [1, "two"]  # type: ignore[list-item]


def wrong_fields() -> Application:
    return Application(name=5)  # type: ignore[arg-type]


async def wrong_async() -> dict[str, int]:
    return {"a": "b"}  # type: ignore[dict-item]


def wrong_class() -> Application:
    return Decision(good=True)  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("gives", "words"),
    [
        (wrong_scalar, "is not the int that it says it returns: Expected `int`, got `str`"),
        (wrong_nothing, "Expected `int`, got `null`"),
        (wrong_items, r"list\[int\] that .* got `str` - at `\$\[1\]`"),
        (wrong_fields, r"the Application that .* got `int` - at `\$.name`"),
        (wrong_async, "got `str` - at"),
        (wrong_class, "missing required field `name`"),
    ],
)
async def test_an_output_that_is_not_what_was_said_is_bad_output(
    opens: Opens, gives: Callable[[], Any], words: str
) -> None:
    def build(w: cb.Builder) -> Any:
        w.add(gives, id="gives")

    async with opens() as engine:
        result = await engine.run(cb.workflow(build))
    error = result.tasks["gives"].error
    assert error is not None
    assert error.kind == "bad_output"
    assert "test_typed_tasks:wrong_" in error.message
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(error.message)


def not_ready() -> int | cb.NotReady:
    return cb.NotReady("not yet")


def a_subclass() -> Application:
    return LoanApplication("x", 5)


def a_number() -> float:
    return 3


class Shape:
    """Something that only its own subclasses can be."""


@attrs.frozen
class Circle(Shape):
    radius: int


def an_own_class() -> Shape:
    return Circle(1)


def a_set() -> set[int]:
    return {1}


def ids() -> tuple[uuid.UUID, dt.date, decimal.Decimal, Colour]:
    return uuid.UUID(int=1), dt.date(2030, 1, 2), decimal.Decimal("1.5"), Colour.RED


def a_generic(value: int = 5) -> T:  # type: ignore[type-var]
    return value  # type: ignore[return-value]


@pytest.mark.parametrize(
    "gives", [not_ready, a_subclass, a_number, an_own_class, a_set, ids, a_generic, application]
)
async def test_an_output_that_fits_is_taken(opens: Opens, gives: Callable[[], Any]) -> None:
    def build(w: cb.Builder) -> Any:
        w.add(gives, id="gives")

    async with opens() as engine:
        result = await engine.run(cb.workflow(build))
    assert result.tasks["gives"].state == ("not_ready" if gives is not_ready else "succeeded")
