"""Topics: what they let in, and what their jobs, runs and tasks come to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import callboard as cb
from callboard.registry import TaskTotals
from callboard.workflow import InputSpec, TaskSpec, WorkflowSpec

NewEngine = Callable[..., cb.Engine]

SCHEMA = {
    "type": "object",
    "properties": {"amount": {"type": "number", "minimum": 1}, "to": {"type": "string"}},
    "required": ["amount"],
}
LOAN = WorkflowSpec(
    name="loan",
    tasks=(TaskSpec(id="a", name="a"), TaskSpec(id="ask", name="ask", kind="input", needs=("a",))),
    inputs={
        "amount": InputSpec(type="number", default=5.0, required=False),
        "to": InputSpec(required=False),
    },
)


@cb.task
async def step() -> None:
    """Do nothing."""


async def test_a_topic_is_changed_by_who_saw_it_last(new_engine: NewEngine) -> None:
    async with new_engine() as engine:
        topics = engine.registry.topics
        made = await topics.create("loans", title="Loans", inputs=SCHEMA)
        assert (made.version, made.title, made.inputs) == (1, "Loans", SCHEMA)
        assert await topics.get("loans") == made
        with pytest.raises(cb.VersionConflict, match="topic 'loans' exists already"):
            await topics.create("loans")
        changed = await topics.change("loans", 1, title="All loans")
        assert (changed.version, changed.title, changed.inputs) == (2, "All loans", None)
        with pytest.raises(cb.VersionConflict, match="version 2 and you had version 1"):
            await topics.change("loans", 1, title="late")
        with pytest.raises(cb.UnknownRecord, match="no topic 'x'"):
            await topics.change("x", 1)
        nameless = await topics.create()
        assert nameless.id
        assert nameless.title == nameless.id
        page = await topics.list(limit=1)
        assert page.total == 2
        assert len(page.items) == 1


@pytest.mark.parametrize(
    "schema", [{"type": "text"}, {"required": "a"}, {"properties": {"a": {"minimum": "x"}}}]
)
async def test_a_schema_that_checks_nothing_is_refused(schema: Any, new_engine: NewEngine) -> None:
    async with new_engine() as engine:
        with pytest.raises(cb.UsageError, match="the schema of a topic's inputs"):
            await engine.registry.topics.create("t", inputs=schema)
        assert (await engine.registry.topics.list()).total == 0


async def test_a_run_in_a_topic_is_given_what_fits(new_engine: NewEngine) -> None:
    """With defaults, from a file as from Python; all that does not fit is said at once."""

    @cb.workflow
    def python(w: cb.Builder, amount: Any = None) -> None:
        w.add(step)

    async with new_engine(board=False) as engine:
        await engine.registry.topics.create("loans", inputs=SCHEMA)
        await engine.start(LOAN, topic="loans")
        await engine.start(LOAN, {"amount": 2}, topic="loans")
        with pytest.raises(cb.UsageError, match=r"does not take this: .*at least 1; .*null"):
            await engine.start(LOAN, {"amount": 0.5, "to": None}, topic="loans")
        await engine.start(python, amount=3, topic="loans")
        with pytest.raises(cb.UsageError, match="lacks 'amount'"):
            await engine.start(python, topic="loans")
        await engine.start(LOAN, {"amount": 0.5}, topic="a word that nobody made a topic")
        assert len(await engine.runs()) == 4


async def test_a_deprecated_topic_takes_nothing_new(new_engine: NewEngine) -> None:
    async with new_engine() as engine:
        topics = engine.registry.topics
        await topics.create("loans")
        handle = await engine.start(LOAN, topic="loans")
        await engine.registry.jobs.create("j", topic="loans")
        assert (await topics.deprecate("loans", 1)).deprecated
        for start in (
            engine.start(LOAN, topic="loans"),
            engine.start(LOAN, job="j"),
            engine.registry.jobs.create("k", topic="loans"),
        ):
            with pytest.raises(cb.Refused, match="topic 'loans' is deprecated"):
                await start
        assert (await engine.registry.jobs.list()).total == 1
        assert (await engine.registry.jobs.list(drafts=True)).total == 0
        assert (await handle.snapshot()).state == "running"


async def test_totals_are_counted(new_engine: NewEngine) -> None:
    async with new_engine(board=False) as engine:
        await engine.registry.topics.create("loans")
        jobs = engine.registry.jobs
        for name in ("done", "going", "stopped", "empty"):
            await jobs.create(name, topic="loans")
        done = await engine.start(LOAN, job="done")
        await done.settle("ask", "succeeded")
        await done.result()
        going = await engine.start(LOAN, job="going")
        await engine.start(LOAN, job="stopped")
        await jobs.cancel("stopped", "no more")
        await engine.start(LOAN, topic="other")
        await (await engine.get((await engine.runs())[1].run)).result()
        while (await going.snapshot()).tasks["ask"].state != "waiting":
            await engine.store.wait_changed(0)
        totals = await engine.registry.topic_totals("loans")
        assert totals.topic.id == "loans"
        assert totals.jobs == {"completed": 1, "running": 1, "cancelled": 1, "open": 1}
        assert totals.runs == {"running": 1, "succeeded": 1, "cancelled": 1}
        assert totals.units.total == 6
        assert (totals.units.pause, totals.units.pending) == (1, 0)
        assert totals.tasks["waiting"] == 1
        with pytest.raises(cb.UnknownRecord):
            await engine.registry.topic_totals("other")
        assert TaskTotals(completed=1, pending=2, error=3, pause=4).total == 10
