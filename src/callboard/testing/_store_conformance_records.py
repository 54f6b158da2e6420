"""What every store must do with records, and with what is asked over many runs, as tests.

Part of :class:`StoreConformance`, which knows the rest.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any

import anyio
import attrs

from ..storage import LogLine, Record, RunQuery, RunRow, Store, TaskRow, Transition
from ..workflow import (
    Refused,
    RunState,
    StoreError,
    TaskState,
    UnknownRun,
    VersionConflict,
    WorkflowSpec,
)
from ..workflow.events import RunCreated


def record(id: str, **changes: Any) -> Record:
    """Return a record of the kind ``thing``."""
    values: dict[str, Any] = {"kind": "thing", "id": id, "body": {"id": id}, "changed_at": 1.0}
    return Record(**(values | changes))


@contextmanager
def conflicts(id: str, expected: int, found: int) -> Generator[None]:
    """Expect a conflict that tells which record it is about, and both versions."""
    try:
        yield
    except VersionConflict as error:
        assert (error.what, error.id) == ("thing", id)
        assert (error.expected, error.found) == (expected, found)
        assert repr(id) in str(error), f"{error} does not name {id!r}"
    else:
        raise AssertionError("a conflict was expected")


def _run(
    run: str, state: RunState = RunState.RUNNING, *, at: float = 1.0, **row: Any
) -> Transition:
    """Return the transition that creates a run with one task in each of two states."""
    workflow = row.pop("workflow", "loan")
    tasks = [
        TaskRow(
            run=run,
            task=each,
            label=each,
            kind="step",
            state=TaskState(each),
            generation=1,
            attempt=0,
            changed_at=at,
        )
        for each in ("succeeded", "ready")
    ]
    return Transition(
        run=run,
        version=0,
        engine="e1",
        events=[RunCreated(at=at, run=run, spec=WorkflowSpec(name=workflow))],
        row=RunRow(run=run, workflow=workflow, state=state, created_at=at, **row),
        tasks=tasks,
        release=state is not RunState.RUNNING,
    )


class RecordConformance:
    """The tests about records and about many runs; :class:`StoreConformance` holds them all."""

    def opened(self, name: str = "e1") -> AbstractAsyncContextManager[Store]:
        """Open a store for an engine."""
        raise NotImplementedError

    async def test_a_record_comes_back_as_it_was_written(self) -> None:
        """With a version that counts how often it was written; its body is any JSON value."""
        body = {"ä": [1, 2.5, None, True, "\n"], "large": "x" * 200_000}
        async with self.opened() as store:
            first = await store.put(record("a", body=body, parent="p", changed_at=2.0), 0)
            assert first == record("a", body=body, parent="p", changed_at=2.0, version=1)
            assert await store.record("thing", "a") == first
            second = await store.put(attrs.evolve(first, body=None, parent=None), 1)
            assert (
                await store.record("thing", "a")
                == second
                == record("a", body=None, version=2, changed_at=2.0)
            )
            assert await store.record("thing", "b") is None
            assert await store.record("other", "a") is None

    async def test_a_record_is_apart_from_what_was_given(self) -> None:
        """Who changes his value afterwards has changed nothing here; what is no JSON is refused."""
        body: dict[str, Any] = {"list": [1]}
        async with self.opened() as store:
            await store.put(record("a", body=body), 0)
            body["list"].append(2)
            found = await store.record("thing", "a")
            assert found is not None and found.body == {"list": [1]}
            try:
                await store.put(record("b", body={"no": object()}), 0)
            except StoreError as error:
                assert "'b'" in str(error)
            else:
                raise AssertionError("a value that is no JSON was stored")
            assert await store.record("thing", "b") is None

    async def test_only_who_saw_the_last_version_writes(self) -> None:
        """The loser learns what it expected and what it met, and changes nothing."""
        async with self.opened() as store:
            with conflicts("a", 1, 0):
                await store.put(record("a"), 1)
            one = await store.put(record("a"), 0)
            with conflicts("a", 0, 1):
                await store.put(record("a", body="mine"), 0)
            two = await store.put(attrs.evolve(one, body="two"), 1)
            for wrong in (1, 3):
                with conflicts("a", wrong, 2):
                    await store.put(record("a", body="late"), wrong)
                with conflicts("a", wrong, 2):
                    await store.drop("thing", "a", wrong)
            assert await store.record("thing", "a") == two
            await store.drop("thing", "a", 2)
            assert await store.record("thing", "a") is None
            with conflicts("a", 2, 0):
                await store.drop("thing", "a", 2)
            assert (await store.put(record("a"), 0)).version == 1

    async def test_of_many_who_write_at_once_one_wins(self) -> None:
        """Through two stores; everybody else is told."""
        won: list[int] = []
        lost: list[int] = []

        async def write(store: Store, number: int) -> None:
            try:
                await store.put(record("a", body=number), 0)
                won.append(number)
            except VersionConflict:
                lost.append(number)

        async with self.opened("e1") as one, self.opened("e2") as two:
            async with anyio.create_task_group() as tg:
                for number in range(20):
                    tg.start_soon(write, (one, two)[number % 2], number)
            found = await one.record("thing", "a")
            assert found is not None and [found.body] == won and len(lost) == 19

    async def test_records_are_listed_in_the_order_of_their_ids(self) -> None:
        """All of a kind or those of one parent, page by page, with true totals."""
        async with self.opened() as store:
            for each in ("b", "é", "a", "c", "B"):
                await store.put(record(each, parent="p" if each in "bc" else None), 0)
            await store.put(record("a", kind="other"), 0)

            async def listed(**page: Any) -> list[str]:
                return [each.id for each in await store.records("thing", **page)]

            assert await listed() == ["B", "a", "b", "c", "é"]
            assert await listed(limit=2, offset=1) == ["a", "b"]
            assert await listed(offset=5) == []
            assert await listed(parent="p") == ["b", "c"]
            assert await listed(parent="p", limit=5, offset=1) == ["c"]
            assert await store.count_records("thing") == 5
            assert await store.count_records("thing", "p") == 2
            assert await store.count_records("thing", "q") == 0
            assert await store.count_records("none") == 0
            await store.drop("thing", "b", 1)
            assert await listed(parent="p") == ["c"]
            assert await store.count_records("thing") == 4

    async def test_a_change_of_a_record_wakes_who_waits(self) -> None:
        """As anything that somebody else wrote."""
        async with self.opened("e1") as store, self.opened("e2") as other:
            seen = await store.wait_changed(0)
            await other.put(record("a"), 0)
            await store.wait_changed(seen)

    async def test_runs_are_found_by_job_and_by_a_part_of_a_name(self) -> None:
        """Nothing in the part is a wildcard, and small and capital letters are the same."""
        async with self.opened() as store:
            await store.commit(
                [
                    _run("ab1", at=1.0, job="j", topic="t"),
                    _run("xAbx", at=2.0, job="k", topic="t"),
                    _run("c", at=3.0, workflow="Grab it"),
                    _run("100%_d", at=4.0),
                ]
            )

            async def listed(**query: Any) -> list[str]:
                return [row.run for row in await store.runs(RunQuery(**query))]

            stored = await store.load("ab1")
            assert stored is not None and (stored.row.job, stored.row.topic) == ("j", "t")
            assert await listed(job="j") == ["ab1"]
            assert await listed(topic="t", job="k") == ["xAbx"]
            assert await listed(search="aB") == ["c", "xAbx", "ab1"]
            assert await listed(search="aB", topic="t", limit=1) == ["xAbx"]
            assert await listed(search="%") == ["100%_d"]
            assert await listed(search="0%_") == ["100%_d"]
            assert await listed(search="_") == ["100%_d"]
            assert await listed(search="\\") == []
            assert await listed(limit=2, offset=1) == ["c", "xAbx"]
            assert await listed(offset=4) == []

    async def test_runs_and_tasks_are_counted_by_state(self) -> None:
        """Over all runs that a query means, whatever its page."""
        async with self.opened() as store:
            await store.commit(
                [
                    _run("a", job="j", topic="t"),
                    _run("b", RunState.SUCCEEDED, job="j", topic="t"),
                    _run("c", RunState.SUCCEEDED, topic="t"),
                    _run("d", RunState.FAILED, topic="u"),
                ]
            )

            async def runs(**query: Any) -> dict[str, int]:
                counts = await store.run_counts(RunQuery(**query))
                return {str(state): count for state, count in counts.items() if count}

            async def tasks(**query: Any) -> dict[str, int]:
                counts = await store.task_counts(RunQuery(**query))
                return {str(state): count for state, count in counts.items() if count}

            assert await runs() == {"running": 1, "succeeded": 2, "failed": 1}
            assert await runs(topic="t", limit=1, offset=1) == {"running": 1, "succeeded": 2}
            assert await runs(job="j") == {"running": 1, "succeeded": 1}
            assert await runs(search="D") == {"failed": 1}
            assert await runs(states=frozenset({RunState.SUCCEEDED})) == {"succeeded": 2}
            assert await runs(job="none") == {}
            jobs = await store.job_counts(RunQuery(topic="t", limit=1, offset=1))
            assert {job: dict(counts) for job, counts in jobs.items()} == {
                "j": {RunState.RUNNING: 1, RunState.SUCCEEDED: 1}
            }
            assert await store.job_counts(RunQuery(topic="u")) == {}
            assert await tasks() == {"succeeded": 4, "ready": 4}
            assert await tasks(topic="t", limit=1, offset=1) == {"succeeded": 3, "ready": 3}
            assert await tasks(states=frozenset({RunState.FAILED})) == {"succeeded": 1, "ready": 1}
            assert await tasks(job="none") == {}

    async def test_a_run_that_has_ended_can_be_removed(self) -> None:
        """With all that belongs to it, and nothing else; one that has not ended stays."""
        async with self.opened() as store:
            line = LogLine(
                run="gone", task="a", generation=1, attempt=1, at=1.0, stream="log", text="1"
            )
            lines = [line, attrs.evolve(line, run="stays")]
            await store.commit([_run("gone", RunState.FAILED), _run("stays")], lines)
            number = await store.post("gone", {"type": "restart"})
            for run in ("stays", "other"):
                try:
                    await store.remove(run)
                except (Refused, UnknownRun) as error:
                    assert repr(run) in str(error)
                    assert isinstance(error, UnknownRun) == (run == "other")
                else:
                    raise AssertionError("a refusal was expected")
            await store.remove("gone")
            assert await store.load("gone") is None
            assert list(await store.find("gone")) == []
            assert list(await store.events("gone")) == []
            assert list(await store.tasks("gone")) == []
            assert await store.answer(number) is None
            assert [row.run for row in await store.runs(RunQuery())] == ["stays"]
            assert len(await store.tasks("stays")) == 2
            assert len(await store.logs("stays")) == 1
            await store.commit([_run("gone")])
            assert len(await store.events("gone")) == 1
            assert list(await store.logs("gone")) == []
