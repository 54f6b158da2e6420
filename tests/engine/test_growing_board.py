"""Whoever holds a task of the board changes the graph with the words of a function."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio
import pytest

import callboard as cb
from callboard.workflow import HoleSpec, TaskSpec, WorkflowSpec

Opens = Callable[..., AbstractAsyncContextManager[cb.Engine]]


async def page(number: int) -> int:
    return number * 10


async def total(numbers: list[int]) -> int:
    return sum(numbers)


def flow(*, grows: bool = True, **settings: Any) -> WorkflowSpec:
    return WorkflowSpec(
        name="board",
        tasks=(
            TaskSpec(id="A", name="A", kind="external", config={"grows": True} if grows else {}),
            TaskSpec(id="B", name="B", kind="step"),
        ),
        **settings,
    )


PAGES = HoleSpec(id="page", shape="page*", owner="A", after=("A",), before=("B",))


async def test_a_lease_has_the_words_that_create(opens: Opens) -> None:
    async with opens() as engine:
        handle = await engine.start(flow(holes=(PAGES,)))
        async with engine.claim(["A"]) as lease:
            assert lease is not None
            assert lease.holes == {"page": "page*"}
            refs = [await lease.add(page, number) for number in (1, 2)]
            async with lease.batch():
                sums = await lease.add(total, cb.HoleRef("page"), key="sum")
                await lease.withdraw(await lease.add(page, 3, after=sums))
                await lease.close("page")
                await lease.style(sums, label="Sum", color="green")
            await lease.promise("no new tasks")
            assert [ref.id for ref in (*refs, sums)] == ["A/page-1", "A/page-2", "A/sum"]
            await lease.success("done")
        async with engine.claim(["B"], wait=60) as lease:
            assert lease is not None
            await lease.success()
        result = await handle.result()
    assert result.state == "succeeded", result.reason
    assert result.tasks["A/sum"].output == 30
    assert result.tasks["A/page-3"].state == "skipped"
    assert [promise.text for promise in result.promises] == ["no new tasks"]


async def test_what_does_not_grow_is_told_so_and_its_run_goes_on(opens: Opens) -> None:
    async with opens() as engine:
        handle = await engine.start(flow(grows=False))
        for label in ("A", "B"):
            async with engine.claim([label]) as lease:
                assert lease is not None
                with pytest.raises(cb.UsageError, match="cannot change its graph: only an ext"):
                    await lease.add(page, 1)
                await lease.success()
        result = await handle.result()
    assert result.state == "succeeded"
    assert list(result.tasks) == ["A", "B"]


async def test_creating_keeps_the_claim_alive_and_ends_with_it(opens: Opens) -> None:
    async with opens() as engine:
        handle = await engine.start(flow())
        async with engine.claim(["A"], lease_seconds=10) as lease:
            assert lease is not None
            for number in range(4):
                await anyio.sleep(6)
                await lease.add(page, number)
            await anyio.sleep(20)
            with pytest.raises(cb.StaleFence):
                await lease.add(page, 5)
        snapshot = await handle.snapshot()
        assert snapshot.tasks["A/page-4"].state == "succeeded"
        assert "A/page-5" not in snapshot.tasks
        await handle.cancel()


async def test_a_lease_that_breaks_a_promise_is_told_and_has_ended(opens: Opens) -> None:
    async with opens() as engine:
        handle = await engine.start(flow(promises=("at most 1 page",)))
        async with engine.claim(["A"]) as lease:
            assert lease is not None
            await lease.add(page, 1)
            with pytest.raises(cb.Refused, match="another key"):
                await lease.add(total, [], key="page-1")
            with pytest.raises(cb.PromiseBroken) as broken:
                await lease.add(page, 2)
            assert broken.value.promise == "at most 1 page"
        result = await handle.result()
    assert result.state == "promise_broken"
    assert list(result.tasks) == ["A", "B", "A/page-1"]
    assert result.tasks["A"].error is not None
    assert result.tasks["A"].error.kind == "promise_broken"


async def test_a_second_worker_finds_again_what_the_first_one_created(opens: Opens) -> None:
    async with opens() as engine:
        handle = await engine.start(flow())
        for worker in ("one", "two"):
            async with engine.claim(["A"], worker=worker) as lease:
                assert lease is not None
                ref = await lease.add(page, 3)
                assert ref.id == "A/page-1"
                await anyio.sleep(1)
                await (lease.release() if worker == "one" else lease.success())
        async with engine.claim(["B"]) as lease:
            assert lease is not None
            await lease.success()
        result = await handle.result()
    assert list(result.tasks) == ["A", "B", "A/page-1"]
    assert result.tasks["A/page-1"].attempts == 1
