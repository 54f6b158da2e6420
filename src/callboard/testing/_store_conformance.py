"""What every store must do, as tests that a user's own store can be put through.

::

    from callboard.testing import StoreConformance


    class TestMyStore(StoreConformance):
        def make_store(self):
            return MyStore("…")

Each test calls ``make_store`` once or more; within one test all stores it returns must hold the
same runs (a store that lives in memory returns the same object again), and each test begins with an
empty one.  Run them with anyio's pytest plugin (``anyio_mode = "auto"``), on every backend that the
store supports.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import anyio
import attrs

from ..storage import (
    Conflict,
    EngineInfo,
    LogLine,
    PoolLease,
    Receipt,
    RunQuery,
    RunRow,
    Store,
    TaskRow,
    Transition,
)
from ..workflow import (
    EVENTS,
    Event,
    Failure,
    InputSpec,
    Retry,
    RunOwned,
    RunState,
    TaskOptions,
    TaskSpec,
    TaskState,
    Timeouts,
    UnknownRun,
    WorkflowSpec,
)
from ..workflow.events import (
    AgainAsked,
    AttemptStarted,
    EdgeAdded,
    GrowthUndone,
    HoleClosed,
    HoleGiven,
    HoleLapsed,
    HoleLeft,
    HoleNarrowed,
    HoleOpened,
    PromiseMade,
    PromiseViolated,
    RestartRequested,
    RetryDue,
    RetryScheduled,
    RunCreated,
    RunDraining,
    RunEnded,
    RunPaused,
    RunStopping,
    RunUnpaused,
    Styled,
    TaskAdded,
    TaskAnswered,
    TaskReleased,
    TaskSettled,
    TasksRestarted,
    TasksSettled,
    TaskWaiting,
    TaskWithdrawn,
    Wait,
)
from ._store_conformance_records import RecordConformance

_SPEC = WorkflowSpec(
    name="loan",
    tasks=(
        TaskSpec(id="a", name="A", kind="shell", config={"command": ["true"]}),
        TaskSpec(
            id="b",
            name="B",
            needs=("a",),
            inputs={"x": 1},
            when="inputs.ok",
            options=TaskOptions(
                retry=Retry(times=3), timeout=Timeouts(attempt=5.0), env={"K": "V"}, pool="p"
            ),
        ),
    ),
    inputs={"amount": InputSpec(type="number", default=1.5, required=False)},
    pools={"p": 2},
    output="${{ tasks.b.output }}",
)


def engine(name: str) -> EngineInfo:
    """Return an engine as a test names it."""
    return EngineInfo(id=name, host="here", pid=1, started_at=1.0)


def run_row(run: str, state: RunState = RunState.RUNNING, **changes: Any) -> RunRow:
    """Return the row of a run."""
    values: dict[str, Any] = {"run": run, "workflow": "loan", "state": state, "created_at": 1.0}
    return RunRow(**(values | changes))


def task_row(run: str, task: str, state: TaskState = TaskState.READY, **changes: Any) -> TaskRow:
    """Return the row of a task."""
    values: dict[str, Any] = {
        "run": run,
        "task": task,
        "label": task.upper(),
        "kind": "shell",
        "state": state,
        "generation": 1,
        "attempt": 0,
        "changed_at": 1.0,
    }
    return TaskRow(**(values | changes))


def created(run: str, by: str | None = "e1", **changes: Any) -> Transition:
    """Return the transition that creates a run with two tasks."""
    return Transition(
        run=run,
        version=0,
        engine=by,
        events=[RunCreated(at=1.0, run=run, spec=_SPEC, inputs={"amount": 2})],
        row=run_row(run, **changes),
        tasks=[task_row(run, "b"), task_row(run, "a", TaskState.PENDING)],
    )


def step(run: str, version: int, by: str | None = "e1", **changes: Any) -> Transition:
    """Return a transition of one event."""
    values: dict[str, Any] = {
        "run": run,
        "version": version,
        "engine": by,
        "events": [RunPaused(at=float(version))],
        "row": run_row(run),
    }
    return Transition(**(values | changes))


def line(run: str, task: str, text: str) -> LogLine:
    """Return a log line."""
    return LogLine(
        run=run, task=task, generation=1, attempt=1, at=1.0, stream="stdout", text=text, data=[1]
    )


def every_event(large: int = 200_000) -> Sequence[Event]:
    """Return an event of each kind, with all that it can carry; one holds a text that is large."""
    failure = Failure(kind="exit", message="exit 1", detail={"code": 1}, retry_after=2.0)
    wait = Wait(kind="input", message="ok?", schema={"type": "boolean"}, until=9.0, child="r2")
    return [
        RunCreated(at=1.0, run="r", spec=_SPEC, inputs={"ä": [1, 2.5, None, True, "\n"]}),
        RunPaused(at=2.0, by="me"),
        RunUnpaused(at=3.0),
        AttemptStarted(at=4.0, task="a", attempt=1, fence="f1", worker="w"),
        TaskWaiting(at=5.0, task="a", wait=wait, attempt=1, fence="f1"),
        TaskAnswered(at=6.0, task="a", value={"deep": [{"er": 1}]}, by="you"),
        TaskReleased(at=7.0, task="a", reason="answered", lost=True),
        RetryScheduled(at=8.0, task="a", error=failure, retry_at=9.5),
        RetryDue(at=9.5, task="a"),
        TaskSettled(at=10.0, task="a", state=TaskState.FAILED, error=failure, reason="why", by="x"),
        TaskSettled(at=10.0, task="b", state=TaskState.SUCCEEDED, output="x" * large),
        TasksSettled(at=11.0, tasks=("b", "c"), state=TaskState.SKIPPED, reason="not ready"),
        RestartRequested(at=12.0, task="a", by="me"),
        TasksRestarted(at=13.0, task="a", tasks=("a", "b"), by="me"),
        HoleOpened(at=14.0, hole="h", shape="M*", owner=None, after=("a",), before=("b",)),
        HoleClosed(at=15.0, hole="h", reason="done"),
        TaskAdded(
            at=15.1,
            new=TaskSpec(id="a/M-1", name="M", kind="python", config={"python": "m.py"}),
            by="a",
            before=("b",),
            part="h",
            path=(0,),
        ),
        EdgeAdded(at=15.2, source="a", target="b", by="a"),
        HoleGiven(at=15.3, hole="h/a/M-1/N", to="a/M-1", by="a"),
        HoleLeft(at=15.4, hole="h", by="a"),
        HoleNarrowed(at=15.5, hole="h", shape="M?", by="a"),
        HoleLapsed(at=15.6, hole="h", by="a"),
        TaskWithdrawn(at=15.65, task="a/M-1", by="a"),
        PromiseMade(at=15.7, text="at most 5 M", by="a"),
        Styled(at=15.8, target=("a", "b"), label="then", color="#ff0000", by="a"),
        GrowthUndone(at=15.9, task="a", records=(16, 17)),
        AgainAsked(at=15.91, task="a", target="a"),
        PromiseViolated(
            at=15.92, text="at most 5 M", message="one more", task="a", attempt=2, fence="f1"
        ),
        RunDraining(at=16.0, reason="b failed"),
        RunStopping(at=17.0, state=RunState.CANCELLED, reason="asked", by="me"),
        RunEnded(at=18.0, state=RunState.CANCELLED, reason="asked", output={"n": 2**60}),
    ]


@contextmanager
def refuses(error: type[Exception], about: str) -> Generator[None]:
    """Expect an error whose text names the thing it is about."""
    try:
        yield
    except error as raised:
        assert about in str(raised), f"{raised} does not name {about}"
    else:
        raise AssertionError(f"{error.__name__} was expected")


class StoreConformance(RecordConformance):
    """The tests; give ``make_store`` in a subclass whose name begins with ``Test``."""

    def make_store(self) -> Store:
        """Return a store; within one test, every call gives one that holds the same runs."""
        raise NotImplementedError

    @asynccontextmanager
    async def opened(self, name: str = "e1") -> AsyncGenerator[Store]:
        """Open a store for an engine."""
        store = self.make_store()
        async with store.opened(engine(name)):
            yield store

    async def test_a_run_comes_back_as_it_was_written(self) -> None:
        """Every kind of event, large values too, and the row with version and owner."""
        events = every_event()
        assert {event.kind for event in events} == set(EVENTS)
        async with self.opened() as store:
            row = run_row(
                "r", topic="t", job="j", parent_run="p", parent_task="x", reason="z", paused=True
            )
            await store.commit(
                [Transition(run="r", version=0, engine="e1", events=events, row=row)]
            )
            stored = await store.load("r")
            assert stored is not None
            assert list(stored.events) == events
            assert stored.row == attrs.evolve(row, owner="e1", version=len(events))
            assert await store.load("other") is None

    async def test_events_are_numbered_from_one(self) -> None:
        """A follower asks for what is behind the last number it has seen."""
        async with self.opened() as store:
            await store.commit([created("r"), step("r", 1), step("r", 2), step("r", 3)])
            events = await store.events("r", 1, 2)
            assert [number for number, _ in events] == [2, 3]
            assert [event.kind for _, event in events] == ["run_paused", "run_paused"]
            assert await store.events("r", 4) == []
            assert list(await store.events("other")) == []

    async def test_a_run_is_created_once(self) -> None:
        """The second creation is a conflict that names the run, and changes nothing."""
        async with self.opened() as store:
            await store.commit([created("r")])
            with refuses(Conflict, "'r'"):
                await store.commit([created("r", topic="new")])
            stored = await store.load("r")
            assert stored is not None and stored.row.topic is None and stored.row.version == 1

    async def test_a_wrong_version_is_a_conflict(self) -> None:
        """Too low, too high, and a run that is not there."""
        async with self.opened() as store:
            await store.commit([created("r"), step("r", 1)])
            for wrong in (1, 3):
                with refuses(Conflict, "'r'"):
                    await store.commit([step("r", wrong)])
            with refuses(Conflict, "'gone'"):
                await store.commit([step("gone", 4)])
            assert len(await store.events("r")) == 2

    async def test_only_the_owner_writes(self) -> None:
        """Another engine and nobody are refused; after a release only nobody may write."""
        async with self.opened() as store:
            await store.commit([created("r")])
            for other in ("e2", None):
                with refuses(Conflict, "'r'"):
                    await store.commit([step("r", 1, other)])
            await store.commit([step("r", 1, release=True)])
            with refuses(Conflict, "'r'"):
                await store.commit([step("r", 2)])
            await store.commit([step("r", 2, None)])
            stored = await store.load("r")
            assert stored is not None and stored.row.owner is None and stored.row.version == 3

    async def test_a_batch_is_written_whole_or_not_at_all(self) -> None:
        """One guilty run in the middle keeps all others, their rows and their lines out."""
        async with self.opened() as store:
            await store.commit([created("r1"), created("r2")])
            batch = [
                step("r1", 1, tasks=[task_row("r1", "b", TaskState.RUNNING)]),
                step("r2", 7),
                created("r3"),
            ]
            try:
                await store.commit(batch, [line("r1", "b", "hello")])
            except Conflict as error:
                assert error.run == "r2"
            else:
                raise AssertionError("a conflict was expected")
            assert len(await store.events("r1")) == 1
            assert await store.load("r3") is None
            assert await store.running_tasks() == []
            assert list(await store.logs("r1")) == []

    async def test_transitions_of_one_run_in_a_batch_build_on_each_other(self) -> None:
        """Creation, steps and release in one commit; a gap among them is a conflict."""
        async with self.opened() as store:
            await store.commit([created("r"), step("r", 1), step("r", 2, release=True)])
            stored = await store.load("r")
            assert stored is not None and stored.row.version == 3 and stored.row.owner is None
            with refuses(Conflict, "'q'"):
                await store.commit([created("q"), step("q", 2)])
            with refuses(Conflict, "'r'"):
                await store.commit([step("r", 3, None), step("r", 4, "e1")])
            assert await store.load("q") is None

    async def test_tasks_stand_in_creation_order_with_their_last_row(self) -> None:
        """A row is replaced in place; who runs now is asked over all runs."""
        async with self.opened() as store:
            await store.commit([created("r"), created("q")])
            running = task_row(
                "r", "a", TaskState.RUNNING, fence="f", worker="w", pool="p", attempt=1, reason="x"
            )
            await store.commit([step("r", 1, tasks=[running, task_row("r", "c")])])
            rows = await store.tasks("r")
            assert [row.task for row in rows] == ["b", "a", "c"]
            assert rows[1] == running
            assert list(await store.running_tasks()) == [running]
            ended = task_row("r", "a", TaskState.SUCCEEDED)
            await store.commit([step("r", 2, tasks=[ended])])
            assert list(await store.running_tasks()) == []
            assert list(await store.tasks("other")) == []

    async def test_runs_are_found_by_the_beginning_of_their_id(self) -> None:
        """An exact id alone; else up to ten, in order; nothing is a wildcard."""
        async with self.opened() as store:
            await store.commit([created(f"ab{i:02}") for i in range(12)])
            await store.commit([created("ab"), created("a%"), created("é")])
            assert list(await store.find("ab")) == ["ab"]
            assert list(await store.find("ab1")) == ["ab10", "ab11"]
            assert len(await store.find("ab0")) == 10
            assert list(await store.find("a%")) == ["a%"]
            assert list(await store.find("_")) == []
            assert list(await store.find("é")) == ["é"]

    async def test_runs_are_listed_newest_first(self) -> None:
        """By state, workflow, topic and age, up to a limit."""
        async with self.opened() as store:
            for i in range(4):
                await store.commit([created(f"r{i}", created_at=float(i), topic=f"t{i % 2}")])
            await store.commit(
                [created("x", created_at=9.0, workflow="w2", state=RunState.SUCCEEDED)]
            )

            async def listed(**query: Any) -> list[str]:
                return [row.run for row in await store.runs(RunQuery(**query))]

            assert await listed() == ["x", "r3", "r2", "r1", "r0"]
            assert await listed(limit=2) == ["x", "r3"]
            assert await listed(topic="t1") == ["r3", "r1"]
            assert await listed(workflow="w2") == ["x"]
            assert await listed(before=2.0) == ["r1", "r0"]
            assert await listed(states=frozenset({RunState.RUNNING}), limit=1) == ["r3"]
            assert await listed(states=frozenset()) == []

    async def test_log_lines_keep_their_order(self) -> None:
        """With a transition or alone; by task; behind a number."""
        async with self.opened() as store:
            await store.commit([created("r")], [line("r", "a", "1"), line("q", "a", "other")])
            await store.commit([], [line("r", "b", "2"), line("r", "a", "3")])
            lines = await store.logs("r")
            assert [each.text for each in lines] == ["1", "2", "3"]
            assert lines[0] == attrs.evolve(line("r", "a", "1"), number=lines[0].number)
            assert lines[0].number < lines[1].number < lines[2].number
            assert [each.text for each in await store.logs("r", "a")] == ["1", "3"]
            assert [each.text for each in await store.logs("r", after=lines[1].number)] == ["3"]
            assert [each.text for each in await store.logs("r", limit=1)] == ["1"]

    async def test_an_answer_is_kept_with_what_it_answers(self) -> None:
        """Receipts and lines of a transition come with it, or not at all."""
        said = [Receipt(fence="f1", seq=7, part=part, answer={"n": part}) for part in (0, 1)]
        async with self.opened() as store:
            await store.commit([created("r1"), created("r2")])
            heard = line("r1", "a", "heard")
            await store.commit([step("r1", 1, receipts=said, lines=[heard])])
            silent = step("r1", 2, events=[], receipts=[attrs.evolve(said[0], seq=8)])
            await store.commit([silent])
            assert list(await store.receipts("f1", 7)) == said
            assert [each.answer for each in await store.receipts("f1", 8)] == [{"n": 0}]
            assert not await store.receipts("f2", 7)
            assert [each.text for each in await store.logs("r1")] == ["heard"]
            with refuses(Conflict, "r2"):
                await store.commit([step("r2", 9, receipts=[attrs.evolve(said[0], fence="f2")])])
            assert not await store.receipts("f2", 7)

    async def test_answers_go_with_their_run(self) -> None:
        """A run that is removed takes its receipts along."""
        said = Receipt(fence="f1", seq=1, part=0, answer={"ok": True})
        async with self.opened() as store:
            await store.commit([created("r1")])
            ended = run_row("r1", RunState.CANCELLED)
            await store.commit([step("r1", 1, row=ended, receipts=[said], release=True)])
            assert await store.receipts("f1", 1)
            await store.remove("r1")
            assert not await store.receipts("f1", 1)

    async def test_a_living_owner_is_respected_and_named(self) -> None:
        """Another engine cannot take its run; it can when the owner left."""
        async with self.opened("e2") as other:
            async with self.opened("e1") as store:
                await store.commit([created("r")])
                assert await other.unowned() == []
                found = await other.owner("r")
                assert found is not None and found[0].id == "e1" and found[1]
                with refuses(RunOwned, "e1"):
                    await other.take("r", "e2")
                assert await store.take("r", "e1") is None
                with refuses(UnknownRun, "gone"):
                    await store.take("gone", "e1")
            assert await other.owner("r") is None
            assert list(await other.unowned()) == ["r"]
            assert await other.take("r", "e2") is None
            assert await other.unowned() == []
            await other.commit([step("r", 1, "e2")])

    async def test_ended_runs_wait_for_nobody(self) -> None:
        """Only unfinished runs are offered, oldest first."""
        async with self.opened() as store:
            await store.commit([created("new", created_at=5.0), created("old", created_at=2.0)])
            await store.commit([created("done", state=RunState.FAILED)])
            for run in ("new", "old", "done"):
                await store.commit([step(run, 1, row=(await _row(store, run)), release=True)])
            assert list(await store.unowned()) == ["old", "new"]

    async def test_a_pool_has_so_many_slots(self) -> None:
        """Over all runs; a lease ends with its transition or with its engine."""

        def lease(fence: str, by: str) -> PoolLease:
            return PoolLease(pool="p", run="r", task="a", fence=fence, engine=by)

        async with self.opened("e1") as store:
            await store.commit([created("r")])
            async with self.opened("e2") as other:
                assert await store.lease_pool(lease("f1", "e1"), 2)
                assert await store.lease_pool(lease("f1", "e1"), 1)
                assert await other.lease_pool(lease("f2", "e2"), 2)
                assert not await other.lease_pool(lease("f3", "e2"), 2)
                assert {each.fence for each in await store.pool_leases("p")} == {"f1", "f2"}
                await store.commit([step("r", 1, pool_leases_released=["f1"])])
                assert list(await store.pool_leases("p")) == [lease("f2", "e2")]
                assert await store.lease_pool(lease("f4", "e1"), 2)
                await store.end_pool_leases(["f4", "unknown"])
                assert list(await store.pool_leases("p")) == [lease("f2", "e2")]
            assert await store.pool_leases("p") == []
            assert await store.pool_leases("other") == []

    async def test_commands_reach_the_owner_and_are_answered(self) -> None:
        """Oldest first, each answered once, each answer found by its number."""
        async with self.opened("e1") as store, self.opened("e2") as other:
            await store.commit([created("r"), created("q", "e2")])
            first = await other.post("r", {"type": "pause"}, by="me")
            second = await other.post("r", {"type": "unpause"})
            with refuses(UnknownRun, "gone"):
                await other.post("gone", {})
            posted = await store.inbox("e1")
            assert [each.id for each in posted] == [first, second]
            assert posted[0].run == "r" and posted[0].by == "me"
            assert posted[0].command == {"type": "pause"}
            assert await other.inbox("e2") == []
            assert await other.answer(first) is None
            await store.reply(first, {"ok": True})
            assert await other.answer(first) == {"ok": True}
            await other.reply(first, {"ok": False})
            assert await other.answer(first) == {"ok": True}, "the first answer stays"
            assert [each.id for each in await store.inbox("e1")] == [second]

    async def test_who_waits_is_woken_by_somebody_else(self) -> None:
        """At once the first time, then by a command; a change between two calls is not lost."""
        async with self.opened("e1") as store, self.opened("e2") as other:
            await store.commit([created("r")])
            seen = await store.wait_changed(0)
            async with anyio.create_task_group() as tg:
                tg.start_soon(store.wait_changed, seen)
                tg.start_soon(other.post, "r", {"type": "pause"})
            seen = await store.wait_changed(0)
            await other.post("r", {"type": "pause"})
            await store.wait_changed(seen)

    async def test_two_engines_write_side_by_side(self) -> None:
        """Many small commits from both; none is lost and none is refused."""

        async def work(store: Store, name: str) -> None:
            await store.commit([created(name, name)])
            for version in range(1, 20):
                await store.commit([step(name, version, name)])

        async with self.opened("e1") as one, self.opened("e2") as two:
            async with anyio.create_task_group() as tg:
                tg.start_soon(work, one, "e1")
                tg.start_soon(work, two, "e2")
            assert len(await one.events("e2")) == 20
            assert len(await two.events("e1")) == 20

    async def test_what_was_committed_outlives_the_store(self) -> None:
        """A durable store holds everything when it is opened again."""
        async with self.opened() as store:
            await store.commit([created("r")], [line("r", "a", "1")])
            if not store.durable:
                return
        async with self.opened("e2") as store:
            stored = await store.load("r")
            assert stored is not None and stored.row.version == 1 and stored.row.owner is None
            assert list(stored.events) == list(created("r").events)
            assert len(await store.tasks("r")) == 2
            assert len(await store.logs("r")) == 1


async def _row(store: Store, run: str) -> RunRow:
    stored = await store.load(run)
    assert stored is not None
    return stored.row
