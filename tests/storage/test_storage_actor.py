"""The storage actor writes for all runs at once, and tells only the guilty one."""

from __future__ import annotations

from collections.abc import Sequence

import anyio
import anyio.lowlevel
import pytest

from callboard.storage import Conflict, CrashPoint, LogLine, MemoryStore, Storage, Transition
from callboard.storage._crash import crash_hook, never_crash
from callboard.testing._store_conformance import created, line, step
from callboard.workflow import StoreError, UsageError


class RecordingStore(MemoryStore):
    """A memory store that counts its commits, can be held, and can fail."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[list[str]] = []
        self.line_counts: list[int] = []
        self.gate = anyio.Event()
        self.gate.set()
        self.entered = anyio.Event()
        self.failures: list[Exception] = []

    async def commit(
        self, transitions: Sequence[Transition], lines: Sequence[LogLine] = ()
    ) -> None:
        self.entered.set()
        await self.gate.wait()
        self.batches.append([each.run for each in transitions])
        self.line_counts.append(len(lines))
        if self.failures:
            raise self.failures.pop(0)
        await super().commit(transitions, lines)


async def test_what_waits_is_written_in_one_commit() -> None:
    """While one commit is under way the next ones gather."""
    store = RecordingStore()
    storage = Storage(store)
    async with anyio.create_task_group() as tg:
        await tg.start(storage.run)
        store.gate = anyio.Event()
        async with anyio.create_task_group() as writers:
            writers.start_soon(storage.commit, created("first"))
            await store.entered.wait()
            for i in range(20):
                writers.start_soon(storage.commit, created(f"r{i}"))
            await anyio.wait_all_tasks_blocked()
            store.gate.set()
        tg.cancel_scope.cancel()
    assert [len(batch) for batch in store.batches] == [1, 20]


async def test_who_comes_a_little_later_joins_the_commit() -> None:
    """A commit costs more than a few rounds of the loop: who is about to come is waited for."""
    store = RecordingStore()
    storage = Storage(store)

    async def write(run: str, rounds: int) -> None:
        for _ in range(rounds):
            await anyio.lowlevel.checkpoint()
        await storage.commit(created(run))

    async with anyio.create_task_group() as tg:
        await tg.start(storage.run)
        async with anyio.create_task_group() as writers:
            for rounds in range(4):
                writers.start_soon(write, f"r{rounds}", rounds)
        tg.cancel_scope.cancel()
    assert len(store.batches) == 1


async def test_only_the_guilty_run_is_told() -> None:
    """A batch that fails is replayed run by run; later steps of the guilty run fail with it."""
    store = RecordingStore()
    storage = Storage(store)
    outcomes: dict[str, Exception | None] = {}

    async def write(name: str, transition: Transition) -> None:
        try:
            await storage.commit(transition)
        except Exception as error:  # noqa: BLE001
            outcomes[name] = error
        else:
            outcomes[name] = None

    async with anyio.create_task_group() as tg:
        async with anyio.create_task_group() as writers:
            writers.start_soon(write, "good", created("good"))
            await anyio.wait_all_tasks_blocked()
            writers.start_soon(write, "bad", step("bad", 7))
            await anyio.wait_all_tasks_blocked()
            writers.start_soon(write, "bad, later", step("bad", 8))
            await anyio.wait_all_tasks_blocked()
            writers.start_soon(write, "good, later", step("good", 1))
            await anyio.wait_all_tasks_blocked()
            await tg.start(storage.run)
        tg.cancel_scope.cancel()
    assert outcomes["good"] is None
    assert outcomes["good, later"] is None
    assert isinstance(outcomes["bad"], Conflict)
    assert isinstance(outcomes["bad, later"], Conflict)
    assert store.batches[1:] == [["good", "good"], ["bad", "bad"]]


async def test_a_failed_write_is_told_and_the_actor_lives_on() -> None:
    store = RecordingStore()
    storage = Storage(store)
    async with anyio.create_task_group() as tg:
        await tg.start(storage.run)
        store.failures = [StoreError("the disk is full")]
        with pytest.raises(StoreError, match="disk is full"):
            await storage.commit(created("r"))
        await storage.commit(created("r"))
        tg.cancel_scope.cancel()


async def test_too_much_waits_outside() -> None:
    """Who asks for more than fits waits for room, or is told at once."""
    store = RecordingStore()
    storage = Storage(store, pending_max=2)
    done: list[str] = []

    async def write(run: str) -> None:
        await storage.commit(created(run))
        done.append(run)

    async with anyio.create_task_group() as tg:
        async with anyio.create_task_group() as writers:
            for i in range(7):
                writers.start_soon(write, f"r{i}")
            await anyio.wait_all_tasks_blocked()
            with pytest.raises(anyio.WouldBlock):
                storage.commit_nowait(created("more"), lambda _: None)
            await tg.start(storage.run)
        tg.cancel_scope.cancel()
    assert len(done) == 7
    assert max(len(batch) for batch in store.batches) <= 2


async def test_a_reply_may_be_called_back() -> None:
    storage = Storage(MemoryStore())
    replies: list[Exception | None] = []
    async with anyio.create_task_group() as tg:
        storage.commit_nowait(created("r"), replies.append)
        storage.commit_nowait(step("q", 3), replies.append)
        await tg.start(storage.run)
        await storage.commit(step("r", 1))
        tg.cancel_scope.cancel()
    assert replies[0] is None
    assert isinstance(replies[1], Conflict)


async def test_log_lines_ride_on_the_next_commit() -> None:
    """Those that come with no commit are written soon, and at the latest when the actor ends."""
    store = RecordingStore()
    storage = Storage(store)
    async with anyio.create_task_group() as tg:
        await tg.start(storage.run)
        storage.note(line("r", "a", "1"))
        await storage.commit(created("r"))
        assert store.line_counts == [1]
        store.entered = anyio.Event()
        storage.note(line("r", "a", "2"))
        with anyio.fail_after(5):
            await store.entered.wait()
        storage.note(line("r", "a", "3"))
        tg.cancel_scope.cancel()
    assert [each.text for each in await store.logs("r")] == ["1", "2", "3"]


async def test_in_memory_too_a_commit_brings_the_log_lines_before_it() -> None:
    store = MemoryStore()
    storage = Storage(store)
    async with anyio.create_task_group() as tg:
        await tg.start(storage.run)
        await storage.commit(created("r"))
        storage.note(line("r", "a", "what the task said"))
        with pytest.raises(Conflict):
            await storage.commit(step("r", 7))
        assert [each.text for each in await store.logs("r")] == ["what the task said"]
        tg.cancel_scope.cancel()


async def test_lost_lines_are_counted_where_they_are_missing() -> None:
    store = MemoryStore()
    storage = Storage(store, lines_max=2)
    for i in range(5):
        storage.note(line("r", "a", str(i)))
    async with anyio.create_task_group() as tg:
        await tg.start(storage.run)
        tg.cancel_scope.cancel()
    texts = [each.text for each in await store.logs("r")]
    assert texts[:2] == ["0", "1"]
    assert texts[2].startswith("[3 lines were dropped")


async def test_log_lines_that_cannot_be_stored_harm_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = RecordingStore()
    storage = Storage(store)
    store.failures = [StoreError("no"), StoreError("no lines")]
    async with anyio.create_task_group() as tg:
        storage.note(line("r", "a", "1"))
        storage.commit_nowait(created("r"), lambda _: None)
        await tg.start(storage.run)
        await storage.commit(step("r", 1))
        tg.cancel_scope.cancel()
    assert "1 log lines could not be stored: no lines" in caplog.text


async def test_what_is_pending_at_the_end_is_written_and_then_nothing_more() -> None:
    store = MemoryStore()
    storage = Storage(store)
    async with anyio.create_task_group() as tg:
        await tg.start(storage.run)
        storage.commit_nowait(created("r"), lambda _: None)
        tg.cancel_scope.cancel()
    assert await store.load("r") is not None
    with pytest.raises(StoreError, match="has stopped"):
        await storage.commit(created("q"))


async def test_crash_points_are_passed_in_order() -> None:
    passed: list[CrashPoint] = []
    storage = Storage(MemoryStore(), crash=passed.append)
    async with anyio.create_task_group() as tg:
        await tg.start(storage.run)
        await storage.commit(created("r"))
        tg.cancel_scope.cancel()
    assert passed == [
        CrashPoint.BEFORE_COMMIT,
        CrashPoint.AFTER_COMMIT_BEFORE_REPLY,
        CrashPoint.AFTER_REPLY,
    ]


def test_a_crash_point_that_is_not_known_is_refused() -> None:
    assert crash_hook({}) is never_crash
    for wrong in ("nowhere:1", "before_commit:x"):
        with pytest.raises(UsageError, match="before_commit"):
            crash_hook({"CALLBOARD_CRASH_AT": wrong})


async def test_those_who_were_answered_together_write_together_again() -> None:
    """A run that comes out of step does not split the group for ever."""
    store = RecordingStore()
    storage = Storage(store)

    async def write(run: str) -> None:
        await storage.commit(created(run))
        for version in range(1, 10):
            await storage.commit(step(run, version))

    async with anyio.create_task_group() as tg:
        await tg.start(storage.run)
        store.gate = anyio.Event()
        async with anyio.create_task_group() as writers:
            writers.start_soon(write, "early")
            await store.entered.wait()
            for i in range(20):
                writers.start_soon(write, f"r{i}")
            await anyio.wait_all_tasks_blocked()
            store.gate.set()
        tg.cancel_scope.cancel()
    assert sum(len(batch) for batch in store.batches) == 210
    assert len(store.batches) < 20  # 21 if the early one stayed by itself


async def test_one_run_alone_keeps_its_order_and_its_errors() -> None:
    """Whoever writes, the actor or the run itself."""
    store = RecordingStore()
    storage = Storage(store)
    async with anyio.create_task_group() as tg:
        await tg.start(storage.run)
        await storage.commit(created("r"))
        for version in range(1, 5):
            storage.note(line("r", "a", str(version)))
            await storage.commit(step("r", version))
        with pytest.raises(Conflict, match="'r'"):
            await storage.commit(step("r", 1))
        await storage.commit(step("r", 5))
        tg.cancel_scope.cancel()
    assert [each.text for each in await store.logs("r")] == ["1", "2", "3", "4"]
    assert len(await store.events("r")) == 6
