"""A key starts one run, whoever uses it, however often, and whatever crashes in between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import pytest

import callboard as cb
from callboard import testing
from callboard.registry import Prepared, Wish
from callboard.storage import Record, Store
from callboard.workflow import InputSpec, TaskSpec, WorkflowSpec

NewEngine = Callable[..., cb.Engine]
NewStore = Callable[[], Store]

ASK = WorkflowSpec(
    name="ask",
    tasks=(TaskSpec(id="a", name="a", kind="input"),),
    inputs={"n": InputSpec(type="integer", default=0, required=False)},
)


async def test_the_second_start_gives_the_first_run(new_engine: NewEngine) -> None:
    """Also when the run has ended, and whatever its inputs are then."""
    async with new_engine() as engine:
        first = await engine.start(ASK, {"n": 1}, key="k")
        again = await engine.start(ASK, {"n": 2}, key="k")
        other = await engine.start(ASK, key="l")
        assert (first.created, again.created, other.created) == (True, False, True)
        assert again.id == first.id != other.id
        await again.answer("a", None)
        result = await first.result()
        assert result.run == first.id
        assert (await (await engine.start(ASK, {"n": "x"}, key="k")).result()).run == first.id
        assert len(await engine.runs()) == 2


async def test_the_second_start_fails_if_it_is_to(new_engine: NewEngine) -> None:
    async with new_engine() as engine:
        first = await engine.start(ASK, key="k", on_existing="fail")
        with pytest.raises(cb.KeyTaken, match=f"'k' belongs to run '{first.id}'") as caught:
            await engine.start(ASK, key="k", on_existing="fail")
        assert (caught.value.run_id, caught.value.kind) == (first.id, "key_taken")
        assert isinstance(caught.value, cb.Refused)
        assert len(await engine.runs()) == 1


async def test_the_second_start_replaces_the_first(new_engine: NewEngine) -> None:
    async with new_engine() as one, new_engine() as two:
        first = await one.start(ASK, key="k")
        second = await two.start(ASK, key="k", on_existing="replace")
        assert second.created
        result = await first.result()
        assert (result.state, result.reason) == ("cancelled", f"replaced by run {second.id!r}")
        await second.answer("a", None)
        assert (await second.result()).state == "succeeded"
        third = await one.start(ASK, key="k", on_existing="replace")
        assert (await second.snapshot()).state == "succeeded"
        assert (await one.start(ASK, key="k")).id == third.id
        assert len(await one.runs()) == 3


async def test_what_is_wrong_reserves_nothing(new_engine: NewEngine) -> None:
    async with new_engine() as engine:
        with pytest.raises(cb.UsageError, match="must be"):
            await engine.start(ASK, {"n": "x"}, key="k", run_id="mine")
        with pytest.raises(cb.UnknownRecord):
            await engine.start(ASK, key="k", job="nope")
        with pytest.raises(cb.UsageError, match="a key"):
            await engine.start(ASK, key="")
        wrong: Any = "sometimes"
        with pytest.raises(cb.UsageError, match="existing, fail, replace"):
            await engine.start(ASK, key="k", on_existing=wrong)
        await engine.start(ASK, run_id="taken")
        with pytest.raises(cb.RunExists, match="'taken'"):
            await engine.start(ASK, key="k", run_id="taken")
        assert await engine.store.count_records("start_key") == 0
        assert (await engine.start(ASK, key="k", run_id="mine")).id == "mine"
        assert (await engine.start(ASK, key="k", run_id="another")).id == "mine"


async def test_a_key_works_in_a_job(new_engine: NewEngine) -> None:
    async with new_engine() as engine:
        await engine.registry.topics.create("t")
        await engine.registry.jobs.create("j", topic="t")
        first = await engine.start(ASK, job="j", key="k")
        assert (await engine.start(ASK, job="j", key="k")).id == first.id
        assert (await engine.registry.jobs.get("j")).runs == {"running": 1}


@pytest.mark.parametrize("on_existing", ["existing", "fail", "replace"])
async def test_of_many_at_once_one_starts(on_existing: Any, new_engine: NewEngine) -> None:
    """On two engines: one run goes on in the end, and everybody knows which, or that there is."""
    async with new_engine() as one, new_engine() as two:
        for number in range(3):
            key = f"k{number}"
            handles: list[cb.RunHandle] = []
            refused: list[str] = []

            async def start(engine: cb.Engine, key: str) -> None:
                try:
                    handle = await engine.start(ASK, key=key, on_existing=on_existing)
                    handles.append(handle)  # noqa: B023 - the tasks end with the round
                except cb.KeyTaken as error:
                    refused.append(error.run_id)  # noqa: B023

            async with anyio.create_task_group() as group:
                for each in range(8):
                    group.start_soon(start, (one, two)[each % 2], key)
            final = (await one.start(ASK, key=key)).id
            created = [each.id for each in handles if each.created]
            if on_existing == "replace":
                assert len(created) == len(set(created)) == 8
                for handle in handles:
                    if handle.id != final:
                        assert (await handle.result()).state == "cancelled"
            else:
                assert created == [final]
                assert {each.id for each in handles} | set(refused) == {final}
                assert len(handles) + len(refused) == 8
            running = [row.run for row in await one.runs() if row.state == "running"]
            assert running[0] == final
            assert len(running) == number + 1


@pytest.mark.parametrize("on_existing", ["existing", "fail", "replace"])
async def test_a_crash_at_any_point_is_repaired_by_starting_again(
    on_existing: Any, new_engine: NewEngine, new_store: NewStore
) -> None:
    """The store fails before or after each single call; then another engine starts with the key.

    Whoever starts again is not refused because of a run that never was; and never are there two.
    """
    point = 0
    crashed = True
    while crashed:
        point += 1
        for when in ("before", "after"):
            key = f"k{point}{when}"
            faulty = testing.FaultyStore(new_store(), when=when)
            async with new_engine(faulty) as engine:
                old = await engine.start(ASK, key=key) if on_existing == "replace" else None
                faulty.fail_on, faulty.mode = len(faulty.calls) + point, "persistent"
                try:
                    await engine.start(ASK, key=key, on_existing=on_existing)
                    crashed = False
                except cb.StoreError:
                    crashed = True
                faulty.heal()
                async with new_engine() as other:
                    try:
                        handle = await other.start(ASK, key=key, on_existing=on_existing)
                        final = handle.id
                    except cb.KeyTaken as taken:
                        final = taken.run_id
                    assert (await other.start(ASK, key=key)).id == final
                    record = await other.store.record("start_key", key)
                    assert record is not None
                    assert record.body == {"run": final, "replaces": []}
                    running = {row.run for row in await other.runs() if row.state == "running"}
                    assert running == {final}, f"{when} call {point}"
                    if old is not None:
                        assert (await (await other.get(old.id)).snapshot()).state == "cancelled"
                    await (await other.get(final)).cancel()
                    assert (await (await other.get(final)).result()).state == "cancelled"
    assert point > 3


async def test_one_that_is_replaced_before_it_is_there_is_cancelled(new_engine: NewEngine) -> None:
    """The first has reserved its key, the second replaces it, and then the first comes to start."""
    async with new_engine() as one, new_engine() as two:
        starts = one.registry.starts
        launch = one._starting.launch
        second: list[cb.RunHandle] = []

        async def late(*args: Any, **kwargs: Any) -> Any:
            second.append(await two.start(ASK, key="k", on_existing="replace"))
            return await launch(*args, **kwargs)

        one._starting.launch = late  # type: ignore[method-assign]

        async def prepare() -> Prepared:
            return one._starting.prepare(ASK, (), {})

        started = await starts.start(prepare, Wish(key="k"))
        with anyio.fail_after(10):
            first = await (await one.get(started.run)).result()
        assert first.state == "cancelled"
        assert first.reason == "replaced while it was being started"
        assert (await second[0].snapshot()).state == "running"
        assert (await two.start(ASK, key="k")).id == second[0].id


async def test_a_reserved_key_whose_run_never_came_is_used(new_engine: NewEngine) -> None:
    """Under the id that was reserved, so that whoever reserved it finds that run, too."""
    async with new_engine() as engine:
        for on_existing in ("existing", "fail"):
            body: dict[str, Any] = {"run": f"r-{on_existing}", "replaces": []}
            record = Record(kind="start_key", id=on_existing, body=body, changed_at=1.0)
            await engine.store.put(record, 0)
            handle = await engine.start(ASK, key=on_existing, on_existing=on_existing)
            assert (handle.id, handle.created) == (f"r-{on_existing}", True)


async def test_who_only_waits_for_a_run_does_not_cancel_it(new_engine: NewEngine) -> None:
    async with new_engine() as engine:
        first = await engine.start(ASK, key="k")
        with anyio.move_on_after(0.05):
            await engine.run(ASK, key="k")
        assert (await first.snapshot()).state == "running"
        with anyio.move_on_after(0.05):
            await engine.run(ASK, key="mine")
        mine = await engine.start(ASK, key="mine")
        assert (await mine.result()).state == "cancelled"
