"""Functions as tasks: what goes in, what comes out, what they see of themselves."""

from __future__ import annotations

import asyncio
import contextvars
import dataclasses
import datetime as dt
import decimal
import enum
import os
import uuid
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio
import attrs
import msgspec
import pytest

import callboard as cb
from callboard.workflow import TaskOptions, TaskSpec, WorkflowSpec

Opens = Callable[..., AbstractAsyncContextManager[cb.Engine]]


def task(name: str, *needs: str, kind: str = "shell", **options: Any) -> TaskSpec:
    fields = {key: options.pop(key) for key in ("config", "inputs", "when") if key in options}
    chosen = TaskOptions(**options)
    return TaskSpec(id=name, name=name, kind=kind, needs=needs, options=chosen, **fields)


def flow(*tasks: TaskSpec, **settings: Any) -> WorkflowSpec:
    return WorkflowSpec(name="flow", tasks=tasks, **settings)


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int
    y: float = 0.5


@attrs.frozen
class Order:
    id: uuid.UUID
    total: decimal.Decimal
    points: list[Point]
    colour: Colour = Colour.RED


class Letter(msgspec.Struct):
    day: dt.date
    at: dt.datetime | None = None


ORDER = Order(uuid.UUID(int=7), decimal.Decimal("1.10"), [Point(1)], Colour.RED)
LETTER = Letter(dt.date(2030, 1, 2), dt.datetime(2030, 1, 2, 3, tzinfo=dt.UTC))


async def run(opens: Opens, build: Callable[..., Any], *args: Any, **options: Any) -> Any:
    async with opens(**options) as engine:
        return await engine.run(cb.workflow(build), *args)


def output(result: Any) -> Any:
    assert result.state == "succeeded", result.reason
    return result.output


async def test_values_keep_their_types_from_task_to_task(opens: Opens) -> None:
    def first(order: Order, letter: Letter) -> tuple[Order, Letter]:
        assert order == ORDER
        assert letter == LETTER
        return order, letter

    async def second(both: tuple[Order, Letter], keys: dict[int, str], *rest: Point) -> list[Any]:
        assert both == (ORDER, LETTER)
        assert keys == {1: "one"}
        assert rest == (Point(1), Point(2))
        return [both[0].total + 1, both[1].day, Colour.RED, {Point(3).x}]

    def build(w: cb.Builder, order: Order) -> Any:
        both = w.add(first, order, letter=LETTER)
        return w.add(second, both, {1: "one"}, Point(1), Point(2))

    assert output(await run(opens, build, ORDER)) == ["2.10", "2030-01-02", "red", [3]]


async def test_references_may_stand_inside_lists_and_dicts(opens: Opens) -> None:
    def number(n: int) -> int:
        return n

    def add_up(parts: dict[str, list[int]], *more: int) -> int:
        return sum(parts["some"]) + sum(more)

    def build(w: cb.Builder) -> Any:
        one, two = w.add(number, 1), w.add(number, 2)
        total = w.add(add_up, {"some": [one, two, 10]}, w.add(number, n=100))
        return {"total": total, "all": (one, [two])}

    result = await run(opens, build)
    assert output(result) == {"total": 113, "all": [1, [2]]}
    assert set(result.tasks["add_up"].needs) == {"number", "number-2", "number-3"}


async def test_data_that_looks_like_a_reference_stays_data(opens: Opens) -> None:
    tricky = {"$task": "number", "$value": {"$task": [1, {"$value": 2}]}, "plain": {"$x": None}}

    @dataclasses.dataclass
    class Holder:
        data: dict[str, Any]

    def same(value: Any) -> Any:
        return value

    def build(w: cb.Builder) -> Any:
        first = w.add(same, tricky)
        return [first, w.add(same, [first, tricky]), w.add(same, Holder(tricky)), tricky]

    assert output(await run(opens, build)) == [tricky, [tricky, tricky], {"data": tricky}, tricky]


async def test_a_reference_inside_an_object_is_refused(opens: Opens) -> None:
    @dataclasses.dataclass
    class Holder:
        ref: Any

    def same(value: Any) -> Any:
        return value

    def build(w: cb.Builder) -> Any:
        w.add(same, Holder(w.add(same, 1)))

    with pytest.raises(cb.UsageError, match="TaskRef"):
        await run(opens, build)


@pytest.mark.parametrize(
    "value",
    [object(), lambda: 1, 2**70, "\ud800", {"a": {1, object()}}, b"\xff", float("inf")],
    ids=["object", "lambda", "integer", "surrogate", "set", "bytes", "infinity"],
)
async def test_what_is_no_json_is_bad_output_or_the_same_on_every_store(
    opens: Opens, value: Any
) -> None:
    def give() -> Any:
        return value

    def build(w: cb.Builder) -> Any:
        return w.add(give)

    result = await run(opens, build)
    if isinstance(value, (bytes, int)):
        alike = {bytes: "/w==", int: value}
        assert output(result) == alike[type(value)]
        return
    error = result.tasks["give"].error
    assert error.kind == "bad_output"
    assert "cannot be stored as JSON" in error.message


async def test_a_task_cannot_change_what_another_one_gave(opens: Opens) -> None:
    kept: list[int] = [1]

    def give() -> list[int]:
        return kept

    def spoil(values: list[int]) -> None:
        values.append(2)
        kept.append(3)

    def build(w: cb.Builder) -> Any:
        values = w.add(give)
        w.add(spoil, values)
        return values

    assert output(await run(opens, build)) == [1]


async def test_wrong_types_fail_with_a_sentence(opens: Opens) -> None:
    def wants(point: Point, n: int = 0) -> None:
        raise AssertionError((point, n))

    def build(w: cb.Builder) -> Any:
        w.add(wants, {"x": "one"}, id="type")
        w.add(wants, id="missing")
        w.add(wants, {"x": 1}, 1, 2, id="many")
        w.add(wants, {"x": 1}, m=1, id="unknown")

    result = await run(opens, build)
    errors = {name: each.error for name, each in result.tasks.items()}
    assert {each.kind for each in errors.values()} == {"config"}
    assert errors["type"].message == (
        f"task 'type' cannot call {wants.__qualname__!r}: "
        "argument 1: Expected `int`, got `str` - at `$.x`"
    )
    assert "missing a required argument: 'point'" in errors["missing"].message
    assert "too many positional arguments" in errors["many"].message
    assert "unexpected keyword argument 'm'" in errors["unknown"].message


async def test_an_item_of_another_type_is_refused_when_the_graph_is_built(opens: Opens) -> None:
    def gives() -> str:
        raise AssertionError

    def takes(numbers: list[int]) -> None:
        raise AssertionError(numbers)

    def build(w: cb.Builder) -> None:
        w.add(takes, [1, w.add(gives)])

    with pytest.raises(
        cb.UsageError, match="an item of its parameter 'numbers' is int, and 'gives' returns str"
    ):
        await run(opens, build)


async def test_annotations_that_cannot_be_resolved_count_as_none(opens: Opens) -> None:
    def odd(value: Missing, other: int) -> Any:  # type: ignore[name-defined]  # noqa: F821
        return [value, other]

    def build(w: cb.Builder) -> Any:
        return w.add(odd, {"a": 1}, 2)  # pyright: ignore[reportUnknownArgumentType]

    assert output(await run(opens, build)) == [{"a": 1}, 2]


async def test_parameters_called_like_keywords_of_add_are_refused_with_a_way_out(
    opens: Opens,
) -> None:
    def clash(key: str, value: int) -> Any:
        return [key, value]

    def build(w: cb.Builder) -> Any:
        with pytest.raises(cb.UsageError, match=r"callboard\.bind\(clash, key=…\)"):
            w.add(clash, 1)
        return w.add(cb.bind(clash, key="k"), value=1)

    assert output(await run(opens, build)) == ["k", 1]


async def test_a_task_sees_itself(opens: Opens) -> None:
    async def before() -> int:
        return 4

    @cb.task(retry=cb.Retry(times=1, delay=0))
    def sync_one() -> Any:
        me = cb.current_sync()
        me.log("hello")
        me.progress(0.5, "half", {"n": 1})
        if me.attempt == 1:
            raise ValueError("again")
        needs = {name: need.output for name, need in me.needs.items()}
        return [me.task, me.label, me.generation, me.attempt, me.key, me.run, needs]

    def build(w: cb.Builder) -> Any:
        return w.add(sync_one, after=w.add(before))

    async with opens() as engine:
        handle = await engine.start(cb.workflow(build), run_id="r")
        result = await handle.result()
        lines = await handle.logs()
    assert output(result) == ["sync_one", "sync_one", 1, 2, "r:sync_one:1", "r", {"before": 4}]
    assert [(line.attempt, line.stream, line.text) for line in lines] == [
        (1, "log", "hello"),
        (1, "progress", "half"),
        (2, "log", "hello"),
        (2, "progress", "half"),
    ]
    with pytest.raises(cb.UsageError, match="outside a task"):
        cb.current()


async def test_not_ready_is_no_failure(opens: Opens) -> None:
    def check() -> Any:
        from callboard.executors import NotReady

        return NotReady("tomorrow")

    def build(w: cb.Builder) -> Any:
        w.add(cb.task(anyio.sleep, name="after"), 0, after=w.add(check))

    result = await run(opens, build)
    assert result.state == "not_ready"
    assert result.tasks["check"].reason == "tomorrow"
    assert result.tasks["after"].state == "skipped"


async def test_an_exception_is_told_with_its_class_and_traceback(opens: Opens) -> None:
    def wrong() -> None:
        raise LookupError("nothing here")

    def build(w: cb.Builder) -> None:
        w.add(wrong)

    error = (await run(opens, build)).tasks["wrong"].error
    assert error.message == "LookupError: nothing here"
    assert error.detail["classes"][0] == "LookupError"
    assert "in wrong" in error.detail["traceback"]


async def test_cycles_and_unknown_tasks_are_errors_of_the_definition(opens: Opens) -> None:
    def build(w: cb.Builder) -> None:
        one = w.add(cb.task(anyio.sleep, name="one"), 0)
        two = w.add(cb.task(anyio.sleep, name="two"), 0, after=one)
        w.edge(two, one)

    with pytest.raises(cb.DefinitionError, match=r"one → two → one|two → one → two"):
        await run(opens, build)

    def unknown(w: cb.Builder) -> None:
        w.add(cb.task(anyio.sleep, name="one"), 0, after="nobody")

    with pytest.raises(cb.UsageError, match="no task 'nobody'"):
        await run(opens, unknown)


async def test_sync_functions_run_side_by_side_and_callables_may_be_objects(opens: Opens) -> None:
    import threading

    barrier = threading.Barrier(3, timeout=5)

    class Calls:
        def __init__(self, n: int) -> None:
            self.n = n
            self.__name__ = f"calls{n}"

        async def __call__(self) -> int:
            return self.n

    def meet() -> int:
        return barrier.wait()

    def build(w: cb.Builder) -> Any:
        return [w.add(Calls(1)), [w.add(meet) for _ in range(3)]]

    result = output(await run(opens, build, concurrency=3))
    assert result[0] == 1
    assert sorted(result[1]) == [0, 1, 2]


async def test_what_is_bound_is_stored_and_may_be_a_reference(opens: Opens) -> None:
    def join(key: str, *more: str) -> str:
        return "-".join([key, *more])

    def build(w: cb.Builder) -> Any:
        one = w.add(cb.bind(join, "a"), "x")
        return [one, w.add(cb.bind(join, one), "y"), w.add(cb.bind(join, key="b"))]

    assert output(await run(opens, build)) == ["a-x", "a-x-y", "b"]
    assert cb.bind(join, "a")("b") == "a-b"


async def test_functions_that_a_store_cannot_tell_apart_are_refused(opens: Opens) -> None:
    def in_a_loop(w: cb.Builder) -> None:
        for i in range(2):
            w.add(lambda i=i: i)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]

    def captures(w: cb.Builder, value: int) -> Any:
        async def inner() -> int:
            return value

        return w.add(inner)

    def captures_nothing(w: cb.Builder) -> Any:
        async def inner() -> int:
            return 5

        return [w.add(inner), w.add(inner)]

    async with opens() as engine:
        with pytest.raises(cb.UsageError, match="could not tell which"):
            await engine.run(cb.workflow(in_a_loop))
        assert output(await engine.run(cb.workflow(captures), 1)) == 1
        with pytest.raises(cb.UsageError, match="could not tell which"):
            await engine.run(cb.workflow(captures), 2)
        for _ in range(2):
            assert output(await engine.run(cb.workflow(captures_nothing))) == [5, 5]


@cb.task
def _one() -> int:
    return 1


def _plain(w: cb.Builder) -> None:
    w.add(_one)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (_plain, "_plain is a plain function: decorate it with @cb.workflow"),
        (_plain, "cb.run_dag"),
        (lambda: 1, "<lambda> is a plain function"),
        (_one, "_one is a task: add it to a workflow"),
        ({"a": _one}, "dict is no workflow: .*cb.load"),
    ],
)
async def test_what_is_no_workflow_is_refused_with_the_way_out(
    opens: Opens, given: Any, words: str
) -> None:
    async with opens() as engine:
        with pytest.raises(cb.UsageError, match=words):
            await engine.run(given, {"some": "input"})
        with pytest.raises(cb.UsageError, match=words):
            await engine.start(given)


async def test_texts_that_are_no_unicode_are_stored_as_escapes(opens: Opens) -> None:
    """Names of files are, where a disk holds bytes: what fails because of one says so."""
    bad = os.fsdecode(b"caf\xe9.txt")
    asked: list[str] = []

    @cb.task
    async def fails() -> None:
        cb.current().log(f"opening {bad}")
        raise ValueError(f"cannot open {bad}")

    @cb.task
    async def is_not_ready() -> cb.NotReady:
        return cb.NotReady(bad)

    @cb.task
    async def creates() -> None:
        try:
            await cb.current().add(fails, key=bad)
        except cb.Refused as refused:
            asked.append(str(refused))

    @cb.task
    async def waits() -> object:
        return await cb.current().wait({"type": "boolean"}, f"may {bad} go?")

    @cb.workflow
    def flow(w: cb.Builder) -> None:
        for each in (fails, is_not_ready, creates, waits):
            w.add(each)

    async with opens() as engine:
        handle = await engine.start(flow)
        await anyio.sleep(1)
        waiting = (await handle.run()).tasks["waits"].wait
        assert waiting is not None
        assert waiting.message == "may caf\\udce9.txt go?"
        await handle.cancel(reason=bad)
        result = await handle.result()
        lines = [line.text for line in await handle.logs()]
    assert result.tasks["fails"].error is not None
    assert result.tasks["fails"].error.message == "ValueError: cannot open caf\\udce9.txt"
    assert result.tasks["is_not_ready"].reason == "caf\\udce9.txt"
    assert (result.state, result.reason) == ("cancelled", "caf\\udce9.txt")
    assert lines == ["opening caf\\udce9.txt"]
    assert len(asked) == 1
    assert "no Unicode" in asked[0]


LEFT: contextvars.ContextVar[str | None] = contextvars.ContextVar("LEFT", default=None)


async def test_what_a_function_sets_in_its_context_the_next_one_does_not_see(
    opens: Opens,
) -> None:
    seen: list[str | None] = []

    @cb.task
    async def sets() -> None:
        seen.append(LEFT.get())
        LEFT.set("mine")
        await anyio.sleep(1)

    @cb.workflow
    def flow(w: cb.Builder) -> None:
        before = w.add(sets, id="first")
        w.add(sets, id="second", after=before)

    async with opens() as engine:
        for _ in range(2):
            assert (await engine.run(flow)).state == "succeeded"
    assert seen == [None] * 4


class OfAnotherLibrary(BaseException):
    """What is no Exception."""


@pytest.mark.parametrize("error", [OfAnotherLibrary("odd"), asyncio.CancelledError("odd")])
@pytest.mark.parametrize("threaded", [False, True])
async def test_what_is_no_exception_fails_its_attempt_alone(
    opens: Opens, error: BaseException, *, threaded: bool
) -> None:
    def raises() -> None:
        raise error

    async def raises_too() -> None:
        raise error

    async def raises_in_a_group() -> None:
        raise BaseExceptionGroup("of another library", [error, ValueError("and an error")])

    @cb.task
    async def other() -> int:
        await anyio.sleep(5)
        return 7

    @cb.workflow
    def flow(w: cb.Builder) -> None:
        w.add(cb.task(raises if threaded else raises_too), id="bad")
        w.add(cb.task(raises_in_a_group), id="group")
        w.add(other)

    async with opens() as engine:
        result = await engine.run(flow)
    assert result.tasks["bad"].state == "failed"
    assert result.tasks["group"].state == "failed"
    assert result.tasks["other"].output == 7


def test_a_cancellation_that_a_function_leaves_behind_ends_nothing_else() -> None:
    """Asyncio cancels tasks: the engine's own one is at nothing by then."""

    @cb.task
    async def careless() -> None:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_later(0.05, task.cancel)

    @cb.task
    async def other() -> int:
        await asyncio.sleep(0.2)
        return 7

    @cb.workflow
    def one(w: cb.Builder) -> None:
        w.add(careless)

    @cb.workflow
    def two(w: cb.Builder) -> None:
        w.add(other)

    async def main() -> None:
        async with cb.Engine("memory:") as engine:
            running = await engine.start(two)
            assert (await engine.run(one)).state == "succeeded"
            assert (await running.result()).tasks["other"].output == 7
            assert (await engine.run(two)).state == "succeeded"

    asyncio.run(main())
