"""Functions in the flow of a file: they create by the names that the file describes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

import callboard as cb
from callboard._tasks import reference
from callboard.definitions import loads

Opens = Callable[..., AbstractAsyncContextManager[cb.Engine]]


async def spread(count: int, words: str = "") -> str:
    me = cb.current()
    refs = [await me.add("fetch", number=number, text=words) for number in range(count)]
    if refs:
        await me.add("store", page=refs[-1])
    return words


async def fetch(number: int, text: str) -> list[Any]:
    return [number, text]


def store(page: list[Any], where: str = "here") -> str:
    return f"{page[0]} {page[1]} {where}"


async def add_by_function(count: int) -> None:
    me = cb.current()
    refs = [await me.add(fetch, number, "${{ 1 + 1 }}") for number in range(count)]
    await me.add(store, refs[-1], where="there")


def file(function: Callable[..., Any], *, ceiling: int = 1_000, **given: Any) -> cb.WorkflowSpec:
    arguments = "".join(f"\n      {name}: {value!r}" for name, value in given.items())
    return loads(
        f"""
flow: spread -> fetch* -> store? -> end
max_tasks: {ceiling}
inputs: {{count: {{type: integer, default: 2}}}}
output: "${{{{ tasks.end.output }}}}"
tasks:
  - name: spread
    function: {reference(function)}
    with:
      count: "${{{{ inputs.count }}}}"{arguments}
  - name: fetch
    function: {reference(fetch)}
    with: {{number: 0, text: described}}
  - name: store
    function: {reference(store)}
  - name: end
    function: {reference(collect)}
"""
    )


async def collect() -> int:
    return len(cb.current().needs)


@pytest.mark.parametrize("count", [0, 2])
async def test_what_is_created_by_name_is_done_as_the_file_says(opens: Opens, count: int) -> None:
    async with opens() as engine:
        result = await engine.run(file(spread, words="x"), count=count)
    assert result.state == "succeeded", result.reason
    stored = [task.output for task in result.tasks.values() if task.label == "store"]
    assert stored == (["1 x here"] if count else [])
    assert result.order[-1] == "end"


async def test_data_of_a_task_is_never_taken_for_an_expression(opens: Opens) -> None:
    async with opens() as engine:
        result = await engine.run(file(secretive))
    assert result.state == "succeeded", result.reason
    assert result.tasks["spread/store-1"].output == "1 ${{ inputs.count }} here"


async def secretive(count: int) -> None:
    await spread(count, "${{ inputs.count }}")


async def test_a_function_fills_a_files_hole_as_well(opens: Opens) -> None:
    async with opens() as engine:
        result = await engine.run(file(add_by_function))
    assert result.state == "succeeded", result.reason
    assert result.tasks["spread/store-1"].output == "1 ${{ 1 + 1 }} there"


async def test_the_ceiling_of_a_file_stops_what_grows_beyond_it(opens: Opens) -> None:
    spec = file(spread, ceiling=6)
    async with opens() as engine:
        below = await engine.run(spec, count=3)
        above = await engine.run(spec, count=4)
    assert (below.state, len(below.tasks)) == ("succeeded", 6)
    assert above.state == "promise_broken"
    assert "at most 6 tasks (the ceiling that every run has: max_tasks)" in str(above.reason)


async def give_more(count: int) -> str:
    me = cb.current()
    await me.add("fetch", number=count, text="")
    try:
        await me.add("store", page=[count, ""])
    except cb.Refused as refused:
        return str(refused)
    return "nothing was said"


async def test_a_task_that_came_by_itself_is_given_nothing_more(opens: Opens) -> None:
    text = f"""
flow: give_more -> (fetch -> store)? -> end
output: "${{{{ tasks.give_more.output }}}}"
tasks:
  - {{name: give_more, function: {reference(give_more)}, with: {{count: 1}}}}
  - {{name: fetch, function: {reference(fetch)}}}
  - {{name: store, function: {reference(store)}, with: {{page: [7, "x"]}}}}
  - {{name: end, function: {reference(collect)}}}
"""
    async with opens() as engine:
        result = await engine.run(loads(text))
    assert result.state == "succeeded", result.reason
    assert "'give_more/store-1' already: it came by itself" in str(result.output)
    assert result.tasks["give_more/store-1"].output == "7 x here"
