"""Jobs and drafts: nothing of a draft exists, and opening one can be done again at any point."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

import callboard as cb
from callboard import testing
from callboard.registry import Planned
from callboard.registry._totals import job_state, percent
from callboard.storage import RunQuery, RunRow, Store
from callboard.workflow import InputSpec, RunState, TaskSpec, TaskState, WorkflowSpec

NewEngine = Callable[..., cb.Engine]
NewStore = Callable[[], Store]

ASK = WorkflowSpec(
    name="ask",
    tasks=(TaskSpec(id="a", name="a", kind="input"),),
    inputs={"n": InputSpec(type="integer", default=0, required=False)},
)
STEP = WorkflowSpec(name="step", tasks=(TaskSpec(id="a", name="a"), TaskSpec(id="b", name="b")))


@pytest.fixture
def opened(new_engine: NewEngine) -> Callable[..., Any]:
    """Give a function that opens an engine with two workflows and a topic."""

    @asynccontextmanager
    async def open_engine(store: Store | None = None, **options: Any) -> AsyncGenerator[cb.Engine]:
        options.setdefault("board", False)
        async with new_engine(store, workflows=[ASK, STEP], **options) as engine:
            if await engine.registry.topics.find("t") is None:
                await engine.registry.topics.create("t")
            yield engine

    return open_engine


async def test_a_draft_is_invisible_and_harmless(opened: Any) -> None:
    async with opened() as engine:
        jobs = engine.registry.jobs
        draft = await jobs.create("d", data={"x": 1}, plan=[Planned(workflow="ask")])
        assert (draft.state, draft.topic, draft.version, draft.data) == ("draft", None, 1, {"x": 1})
        assert await jobs.get("d") == draft
        assert (await jobs.list()).items == []
        assert (await jobs.list(topic="t")).total == 0
        assert [each.id for each in (await jobs.list(drafts=True)).items] == ["d"]
        assert await engine.runs() == []
        assert (await engine.registry.topic_totals("t")).jobs == {}
        for act in (jobs.cancel("d"), engine.start(ASK, job="d")):
            with pytest.raises(cb.Refused, match="job 'd' is a draft"):
                await act
        with pytest.raises(cb.UsageError, match="say in which topic"):
            await jobs.open("d")
        changed = await jobs.change("d", 1, data={"y": 2}, plan=[])
        assert (changed.version, changed.data, changed.plan) == (2, {"y": 2}, ())
        with pytest.raises(cb.VersionConflict, match="job 'd' has version 2"):
            await jobs.change("d", 1, data={})
        with pytest.raises(cb.VersionConflict, match="job 'd' exists already"):
            await jobs.create("d")
        with pytest.raises(cb.VersionConflict):
            await jobs.drop("d", 1)
        await jobs.drop("d")
        with pytest.raises(cb.UnknownRecord, match="no job 'd'"):
            await jobs.get("d")


async def test_old_drafts_are_dropped_and_jobs_are_not(opened: Any) -> None:
    now = [100.0]
    async with opened(wall=lambda: now[0]) as engine:
        jobs = engine.registry.jobs
        await jobs.create("old")
        await jobs.create("job", topic="t")
        now[0] = 200.0
        await jobs.create("young")
        assert await jobs.drop_drafts(before=150.0) == 1
        assert [each.id for each in (await jobs.list(drafts=True)).items] == ["young"]
        assert (await jobs.list()).total == 1


async def test_opening_starts_what_was_planned(opened: Any) -> None:
    async with opened() as engine:
        jobs = engine.registry.jobs
        plan = [Planned(workflow="ask", inputs={"n": 3}), Planned(workflow="step")]
        await jobs.create("j", plan=plan)
        job = await jobs.open("j", "t", version=1)
        assert (job.state, job.topic, job.version > 1, job.plan) == (
            "running",
            "t",
            True,
            tuple(plan),
        )
        rows = await engine.store.runs(RunQuery(job="j"))
        assert {(row.run, row.workflow, row.topic, row.job) for row in rows} == {
            ("j-1", "ask", "t", "j"),
            ("j-2", "step", "t", "j"),
        }
        assert (await engine.tree.load("j-1")).inputs == {"n": 3}
        again = await jobs.open("j")
        assert again.version == job.version
        assert len(await engine.runs()) == 2
        with pytest.raises(cb.Refused, match="open in topic 't', not in 'u'"):
            await jobs.open("j", "u")
        with pytest.raises(cb.Refused, match="its plan was carried out"):
            await jobs.change("j", job.version, plan=[])
        changed = await jobs.change("j", job.version, data={"z": 1})
        assert (changed.version, changed.data) == (job.version + 1, {"z": 1})
        with pytest.raises(cb.VersionConflict):
            await jobs.change("j", job.version, data={})
        with pytest.raises(cb.VersionConflict):
            await jobs.create("j")
        # A run that was removed later is not started again.
        await (await engine.get("j-2")).result()
        await engine.store.remove("j-2")
        await jobs.open("j")
        assert len(await engine.runs()) == 1


async def test_a_wrong_plan_stays_a_draft(opened: Any) -> None:
    """All that is wrong is said at once, and nothing has been started."""
    async with opened() as engine:
        jobs = engine.registry.jobs
        plan = [
            Planned(workflow="ask", inputs={"n": "x", "m": 1}),
            Planned(workflow="step"),
            Planned(workflow="nope"),
        ]
        await jobs.create("j", plan=plan)
        with pytest.raises(cb.DefinitionError) as caught:
            await jobs.open("j", "t")
        text = "\n".join(caught.value.errors)
        assert "planned run 1 of job 'j'" in text
        assert 'no input "m"' in text
        assert 'input "n" must be' in text
        assert "planned run 3 of job 'j': there is no workflow 'nope'" in text
        assert (await jobs.get("j")).state == "draft"
        with pytest.raises(cb.UnknownRecord, match="no topic 'u'"):
            await jobs.open("j", "u")
        with pytest.raises(cb.DefinitionError):
            await jobs.create("k", topic="t", plan=plan)
        assert await engine.runs() == []
        assert (await jobs.list(drafts=True)).total == 1
        await jobs.change("j", 1, plan=plan[1:2])
        assert (await jobs.open("j", "t")).state in ("running", "completed")


async def test_a_crash_at_any_point_of_opening_is_repaired_by_opening_again(
    opened: Any, new_store: NewStore
) -> None:
    """The store fails before or after each single call; then another engine opens it again.

    An engine that leaves a store in memory cancels its runs: they are counted in any state.
    """
    plan = [Planned(workflow="ask", inputs={"n": n}) for n in range(3)]
    point = 0
    crashed = True
    while crashed:
        point += 1
        for when in ("before", "after"):
            name = f"j{point}{when}"
            faulty = testing.FaultyStore(new_store(), when=when)
            async with opened(faulty) as engine:
                await engine.registry.jobs.create(name, plan=plan)
                faulty.fail_on = len(faulty.calls) + point
                faulty.mode = "persistent"
                try:
                    await engine.registry.jobs.open(name, "t")
                    crashed = False
                except cb.StoreError:
                    crashed = True
                faulty.heal()
            async with opened() as engine:
                job = await engine.registry.jobs.open(name, "t")
                assert sum(job.runs.values()) == 3, f"{when} call {point}"
                assert (await engine.registry.jobs.list(drafts=True)).total == 0
                rows = await engine.store.runs(RunQuery(job=name))
                assert {row.run for row in rows} == {f"{name}-{n}" for n in (1, 2, 3)}
    assert point > 10


async def test_many_who_open_at_once_start_each_run_once(opened: Any) -> None:
    plan = [Planned(workflow="step") for _ in range(5)]
    async with opened() as one, opened() as two:
        await one.registry.jobs.create("j", plan=plan)
        async with anyio.create_task_group() as group:
            for number in range(8):
                group.start_soon((one, two)[number % 2].registry.jobs.open, "j", "t")
        assert len(await one.store.runs(RunQuery(job="j"))) == 5
        for number in range(1, 6):
            await (await one.get(f"j-{number}")).result()
        assert (await two.registry.jobs.get("j")).state == "completed"


async def test_runs_join_an_open_job(opened: Any) -> None:
    async with opened() as engine:
        jobs = engine.registry.jobs
        job = await jobs.create("j", topic="t")
        assert (job.state, job.percent) == ("open", 0)
        handle = await engine.start("step", job="j")
        await handle.result()
        (row,) = await engine.runs()
        assert (row.job, row.topic) == ("j", "t")
        job = await jobs.get("j")
        assert (job.state, job.percent, job.runs) == ("completed", 100, {"succeeded": 1})
        assert job.tasks == {"succeeded": 2}
        await engine.start(ASK, job="j", topic="t")
        job = await jobs.get("j")
        assert (job.state, job.percent) == ("running", 66)
        with pytest.raises(cb.Refused, match="belongs to topic 't', not to 'u'"):
            await engine.start("step", job="j", topic="u")
        with pytest.raises(cb.UnknownRecord, match="no job 'k'"):
            await engine.start("step", job="k")
        assert len(await engine.runs()) == 2


async def test_a_cancelled_job_has_its_runs_cancelled_and_takes_no_more(opened: Any) -> None:
    async with opened() as one, opened() as two:
        jobs = one.registry.jobs
        await jobs.create("j", topic="t")
        handles = [await engine.start(ASK, job="j") for engine in (one, two, one)]
        done = await one.start(STEP, job="j")
        await done.result()
        job = await jobs.cancel("j", "not needed")
        assert (job.state, job.reason) == ("cancelled", "not needed")
        for handle in handles:
            result = await handle.result()
            assert result.state == "cancelled"
            assert result.reason is not None
            assert "its job 'j' was cancelled: not needed" in result.reason
        assert (await done.snapshot()).state == "succeeded"
        for act in (two.start(STEP, job="j"), two.registry.jobs.open("j")):
            with pytest.raises(cb.Refused, match=r"'j' was cancelled \(not needed\)"):
                await act
        again = await two.registry.jobs.cancel("j", "other words", version=1)
        assert (again.reason, again.version) == ("not needed", job.version)


class Between(testing.FaultyStore):
    """Does something between the first page of runs and the second."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self.act: Callable[[], Awaitable[object]] | None = None

    async def runs(self, query: RunQuery) -> Sequence[RunRow]:
        found = await super().runs(query)
        if self.act is not None:
            act, self.act = self.act, None
            await act()
        return found


async def test_a_run_that_ends_while_its_job_is_cancelled_hides_no_other(
    opened: Any, new_store: NewStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callboard.registry._jobs.MANY", 2)
    store = Between(new_store())
    async with opened(store) as engine:
        await engine.registry.jobs.create("j", topic="t")
        handles = [await engine.start(ASK, job="j") for _ in range(5)]
        newest = handles[-1]

        async def end() -> None:
            await newest.answer("a", 1)
            await newest.result()

        store.act = end
        await engine.registry.jobs.cancel("j")
        with anyio.fail_after(10):
            states = [(await each.result()).state for each in handles]
        assert states == ["cancelled"] * 4 + ["succeeded"]


async def test_whoever_starts_while_a_job_is_cancelled_leaves_nothing_running(opened: Any) -> None:
    """However the two meet: every run of the job is cancelled in the end."""
    async with opened() as one, opened() as two:
        for number in range(5):
            name = f"j{number}"
            await one.registry.jobs.create(name, topic="t")

            async def start(engine: cb.Engine, job: str) -> None:
                try:
                    await engine.start(ASK, job=job)
                except cb.Refused:
                    return

            async with anyio.create_task_group() as group:
                for each in range(6):
                    group.start_soon(start, (one, two)[each % 2], name)
                group.start_soon(two.registry.jobs.cancel, name)
            with anyio.fail_after(10):
                for row in await one.store.runs(RunQuery(job=name)):
                    assert (await (await one.get(row.run)).result()).state == "cancelled"


def test_where_a_job_stands_follows_from_its_runs() -> None:
    def state(*runs: str) -> str:
        return job_state({RunState(each): 1 for each in runs}, cancelled=False)

    assert state() == "open"
    assert state("running", "failed", "succeeded") == "running"
    assert state("pending") == "running"
    assert state("succeeded") == "completed"
    for bad in ("failed", "timed_out", "not_ready", "promise_broken"):
        assert state("succeeded", bad, "cancelled") == "failed"
    assert state("succeeded", "cancelled") == "cancelled"
    assert job_state({RunState.RUNNING: 1}, cancelled=True) == "cancelled"
    assert job_state({RunState.RUNNING: 0}, cancelled=False) == "open"


def test_percent_is_rounded_down_and_whole_at_the_end() -> None:
    assert percent({TaskState.SUCCEEDED: 6}, "completed") == 100
    assert percent({TaskState.SUCCEEDED: 2, TaskState.READY: 1}, "running") == 66
    assert percent({TaskState.SUCCEEDED: 999, TaskState.RUNNING: 1}, "running") == 99
    assert percent({}, "open") == 0
    assert percent({}, "completed") == 100
