"""A supervisor restarts whom it should, stops in order, and gives up when it is too often."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Self

import anyio
import attrs
import pytest
from anyio import wait_all_tasks_blocked
from anyio.lowlevel import checkpoint
from hypothesis import given, strategies as st

from callboard.actors import Actor, ActorStopped, Mailbox, Reply
from callboard.supervisor._strategies import (
    ChildSpec,
    Intensity,
    Restart,
    RestartIntensityExceeded,
    Strategy,
    is_restarted,
    recent_restarts,
    restarted_with,
)
from callboard.supervisor._supervise import supervise

NAMES = ["a", "b", "c", "d"]
GENEROUS = Intensity(restarts=100, seconds=1)


# --- decisions


@pytest.mark.parametrize(
    ("restart", "after_return", "after_failure"),
    [("permanent", True, True), ("transient", False, True), ("temporary", False, False)],
)
def test_which_ends_are_followed_by_a_restart(
    restart: Restart, *, after_return: bool, after_failure: bool
) -> None:
    assert is_restarted(restart, failed=False) is after_return
    assert is_restarted(restart, failed=True) is after_failure


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("one_for_one", ["b"]),
        ("one_for_all", ["a", "b", "c", "d"]),
        ("rest_for_one", ["b", "c", "d"]),
    ],
)
def test_whom_a_restart_concerns(strategy: Strategy, expected: list[str]) -> None:
    assert list(restarted_with(strategy, NAMES, "b")) == expected


def test_restarts_are_forgotten_after_their_time() -> None:
    two_in_ten = Intensity(restarts=2, seconds=10)
    times: list[float] = []
    counts: list[int] = []
    for now in (0, 5, 10, 14, 15.5, 100):
        times = recent_restarts(times, now, two_in_ten)
        counts.append(len(times))
    assert counts == [1, 2, 2, 3, 3, 1]


@given(st.lists(st.floats(0, 100), max_size=50), st.integers(1, 20))
def test_the_restarts_that_count_are_those_of_the_last_seconds(
    times: list[float], seconds: int
) -> None:
    intensity = Intensity(restarts=1, seconds=seconds)
    kept: list[float] = []
    for now in sorted(times):
        kept = recent_restarts(kept, now, intensity)
        assert kept == [at for at in sorted(times) if now - seconds < at < now] + [
            at for at in kept if at == now
        ]


def test_nonsense_is_refused() -> None:
    async def nothing() -> None:
        pass

    with pytest.raises(ValueError, match="sometimes"):
        ChildSpec(name="a", start=nothing, restart="sometimes")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="restarts"):
        Intensity(restarts=-1)


# --- supervising


@attrs.define(eq=False)
class Stage:
    """Children that note when they begin and end, and end when they are told to."""

    log: list[str] = attrs.field(factory=list[str])
    cues: dict[str, anyio.Event] = attrs.field(factory=dict[str, anyio.Event])
    failures: dict[str, Exception | None] = attrs.field(factory=dict[str, "Exception | None"])

    def child(self, name: str, restart: Restart = "permanent") -> ChildSpec:
        return ChildSpec(name=name, start=partial(self.play, name), restart=restart)

    async def play(self, name: str) -> None:
        self.log.append(f"+{name}")
        self.cues[name] = anyio.Event()
        try:
            await self.cues[name].wait()
            if (error := self.failures.get(name)) is not None:
                raise error
        finally:
            with anyio.CancelScope(shield=True):
                await checkpoint()  # an end takes its time, and yet nobody overtakes it
            self.log.append(f"-{name}")

    async def let_end(self, name: str, error: Exception | None = None) -> str:
        """End a child and tell what followed."""
        await wait_all_tasks_blocked()
        self.log.clear()
        self.failures[name] = error
        self.cues[name].set()
        await wait_all_tasks_blocked()
        return " ".join(self.log)


class Supervised:
    """A supervisor in the background, cancelled when the block is left."""

    def __init__(self, work: Callable[[], Awaitable[None]]) -> None:
        self.work = work
        self.group = anyio.create_task_group()
        self.ended = anyio.Event()
        self.error: Exception | None = None

    async def run(self) -> None:
        try:
            await self.work()
        except RestartIntensityExceeded as error:
            self.error = error
        finally:
            self.ended.set()

    async def __aenter__(self) -> Self:
        await self.group.__aenter__()
        self.group.start_soon(self.run)
        await wait_all_tasks_blocked()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.group.cancel_scope.cancel()
        await self.group.__aexit__(None, None, None)


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="callboard.supervisor")


async def test_children_start_left_to_right_and_stop_right_to_left() -> None:
    stage = Stage()
    async with Supervised(lambda: supervise([stage.child(name) for name in NAMES])):
        assert stage.log == ["+a", "+b", "+c", "+d"]
        stage.log.clear()
    assert stage.log == ["-d", "-c", "-b", "-a"]


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("one_for_one", "-b +b"),
        ("one_for_all", "-b -d -c -a +a +b +c +d"),
        ("rest_for_one", "-b -d -c +b +c +d"),
    ],
)
async def test_each_strategy_restarts_whom_it_should(strategy: Strategy, expected: str) -> None:
    stage = Stage()
    children = [stage.child(name) for name in NAMES]
    async with Supervised(lambda: supervise(children, strategy=strategy, intensity=GENEROUS)):
        for _ in range(3):
            assert await stage.let_end("b", ValueError("b")) == expected


@pytest.mark.parametrize(
    ("restart", "after_return", "after_failure"),
    [
        ("permanent", "-a +a", "-a +a"),
        ("transient", "-a", "-a +a"),
        ("temporary", "-a", "-a"),
    ],
)
@pytest.mark.parametrize("fails", [True, False])
async def test_each_restart_type_follows_its_rule(
    restart: Restart, after_return: str, after_failure: str, *, fails: bool
) -> None:
    stage = Stage()
    children = [stage.child("a", restart), stage.child("b")]
    async with Supervised(lambda: supervise(children, intensity=GENEROUS)) as supervised:
        followed = await stage.let_end("a", ValueError("a") if fails else None)
        assert followed == (after_failure if fails else after_return)
        assert not supervised.ended.is_set()


async def test_who_ended_for_good_and_who_is_temporary_stay_out_of_a_restart() -> None:
    stage = Stage()
    children = [stage.child("a", "transient"), stage.child("b", "temporary"), stage.child("c")]
    work = partial(supervise, children, strategy="one_for_all", intensity=GENEROUS)
    async with Supervised(work):
        assert await stage.let_end("a") == "-a"
        assert await stage.let_end("c") == "-c -b +c"


async def test_children_that_end_in_one_step_are_each_judged_once() -> None:
    stage = Stage()
    children = [stage.child("a"), stage.child("b", "transient"), stage.child("c", "temporary")]
    work = partial(supervise, children, strategy="one_for_all", intensity=GENEROUS)
    async with Supervised(work):
        stage.log.clear()
        for name in "abc":
            stage.cues[name].set()
        await wait_all_tasks_blocked()
        assert sorted(stage.log[:3]) == ["-a", "-b", "-c"]
        assert stage.log[3:] == ["+a"]


async def test_a_supervisor_returns_when_no_child_is_left() -> None:
    stage = Stage()
    children = [stage.child("a", "transient"), stage.child("b", "temporary")]
    async with Supervised(lambda: supervise(children)) as supervised:
        await stage.let_end("b", ValueError("b"))
        assert not supervised.ended.is_set()
        await stage.let_end("a")
        assert supervised.ended.is_set()
    await supervise([])


async def test_past_its_intensity_a_supervisor_stops_all_and_says_why() -> None:
    stage = Stage()
    children = [stage.child(name) for name in "abc"]
    async with Supervised(lambda: supervise(children)) as supervised:
        assert await stage.let_end("b", ValueError("one")) == "-b +b"
        assert await stage.let_end("b", OSError("two")) == "-b -c -a"
        error = supervised.error
    assert isinstance(error, RestartIntensityExceeded)
    assert (error.child, repr(error.reason)) == ("b", "OSError('two')")
    assert error.__cause__ is error.reason
    assert str(error) == (
        "Child 'b' failed with OSError('two'), and restarting it would be more than"
        " 1 restart in 5 s."
    )


async def test_a_restart_long_ago_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("callboard.supervisor._supervise.anyio.current_time", lambda: now)
    stage = Stage()
    async with Supervised(lambda: supervise([stage.child("a")])) as supervised:
        for now in (0.0, 5.0, 10.0):  # noqa: B007 - the clock reads it
            assert await stage.let_end("a") == "-a +a"
        now = 14.0
        assert await stage.let_end("a") == "-a"
        assert str(supervised.error).startswith("Child 'a' returned, and")


async def test_escalation_cancels_the_siblings_of_the_supervisor() -> None:
    cancelled: list[str] = []

    async def bystander() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            cancelled.append("bystander")

    async def fails() -> None:
        await checkpoint()
        raise ValueError("always")

    async def tree() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(bystander)
            group.start_soon(supervise, [ChildSpec(name="x", start=fails)])

    with pytest.raises(ExceptionGroup) as caught:
        await tree()
    assert caught.group_contains(RestartIntensityExceeded, match="'x' failed", depth=1)
    assert cancelled == ["bystander"]


async def test_a_tree_escalates_level_by_level() -> None:
    """The upper supervisor restarts the lower one once, then gives up as well."""
    lives = 0

    async def fails() -> None:
        nonlocal lives
        lives += 1
        raise ValueError("always")

    lower = partial(supervise, [ChildSpec(name="leaf", start=fails)])
    with pytest.raises(RestartIntensityExceeded) as caught:
        await supervise([ChildSpec(name="branch", start=lower)])
    assert caught.value.child == "branch"
    assert isinstance(caught.value.reason, RestartIntensityExceeded)
    assert caught.value.reason.child == "leaf"
    assert lives == 4


async def test_a_failure_during_a_stop_is_logged_and_stops_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stage = Stage()

    async def clumsy() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            raise LookupError("clumsy")

    children = [stage.child("a"), ChildSpec(name="b", start=clumsy)]
    async with Supervised(lambda: supervise(children)):
        stage.log.clear()
    assert stage.log == ["-a"]
    assert "Child 'b' failed while stopping." in caplog.text


async def test_a_supervisor_cancelled_during_a_restart_starts_nobody() -> None:
    stage = Stage()
    let_go = anyio.Event()

    async def slow() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await let_go.wait()

    children = [stage.child("a"), ChildSpec(name="slow", start=slow)]
    work = partial(supervise, children, strategy="one_for_all")
    async with Supervised(work) as supervised:
        assert await stage.let_end("a") == "-a"
        supervised.group.cancel_scope.cancel()
        let_go.set()
    assert stage.log == ["-a"]


async def test_a_child_is_told_to_stop_and_cancelled_when_it_does_not() -> None:
    log: list[str] = []

    async def child(name: str, told: anyio.Event, *, obeys: bool) -> None:
        try:
            await told.wait()
            log.append(f"{name} is told")
            if not obeys:
                await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            log.append(f"{name} is cancelled")
            raise

    def spec(name: str, *, obeys: bool) -> ChildSpec:
        told = anyio.Event()
        start = partial(child, name, told, obeys=obeys)
        return ChildSpec(name=name, start=start, stop=told.set, stop_seconds=0 if not obeys else 60)

    async with Supervised(lambda: supervise([spec("deaf", obeys=False), spec("good", obeys=True)])):
        pass
    assert log in (
        ["good is told", "deaf is told", "deaf is cancelled"],
        ["good is told", "deaf is cancelled"],
    )


async def test_a_child_that_cannot_be_told_is_cancelled(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage()

    def broken() -> None:
        raise LookupError("no way")

    children = [
        stage.child("a"),
        attrs.evolve(stage.child("b"), stop=broken, stop_seconds=math.inf),
    ]
    async with Supervised(lambda: supervise(children)):
        stage.log.clear()
    assert stage.log == ["-b", "-a"]
    assert "Child 'b' could not be told to stop" in caplog.text


class Abort(BaseException):
    """What no supervisor may take for an ordinary failure."""


async def test_an_abort_in_a_child_ends_everything_in_order() -> None:
    stage = Stage()

    async def aborts() -> None:
        await stage.play("b")
        raise Abort

    children = [stage.child("a"), ChildSpec(name="b", start=aborts), stage.child("c")]

    async def work() -> None:
        with pytest.raises(BaseExceptionGroup) as caught:
            await supervise(children)
        assert caught.group_contains(Abort)

    async with Supervised(work) as supervised:
        await stage.let_end("b")
        await supervised.ended.wait()
    assert stage.log == ["-b", "-c", "-a"]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_cancellation_that_asyncio_leaks_is_a_failure(anyio_backend: str) -> None:
    async def leaks() -> None:
        task = asyncio.create_task(asyncio.sleep(60))
        task.cancel()
        await task

    with pytest.raises(RestartIntensityExceeded, match="not by its supervisor"):
        await supervise([ChildSpec(name="x", start=leaks)])


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_supervisor_cancelled_twice_by_asyncio_still_ends(anyio_backend: str) -> None:
    stubborn = anyio.Event()
    log: list[str] = []

    async def slow() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await stubborn.wait()
            log.append("slow")

    stage = Stage()
    children = [stage.child("a"), ChildSpec(name="slow", start=slow)]
    task = asyncio.create_task(supervise(children))
    for _ in range(2):
        await wait_all_tasks_blocked()
        task.cancel()
    await wait_all_tasks_blocked()
    stubborn.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert log == ["slow"]
    assert stage.log == ["+a", "-a"]


async def test_names_are_unlike_each_other() -> None:
    stage = Stage()
    with pytest.raises(ValueError, match="Two children are named 'a'"):
        await supervise([stage.child("a"), stage.child("a")])


@attrs.frozen(kw_only=True)
class Divide:
    by: int
    reply: Reply[float]


async def test_a_supervised_actor_is_restarted_behind_its_reference() -> None:
    async def divider(inbox: Mailbox[Divide]) -> None:
        async for message in inbox:
            message.reply.send(1 / message.by)

    def divide(by: int) -> Callable[[Reply[float]], Divide]:
        return lambda reply: Divide(by=by, reply=reply)

    actor = Actor(divider, name="divider")
    child = ChildSpec(name="divider", start=actor.run, restart="transient", stop=actor.stop)
    async with Supervised(lambda: supervise([child])) as supervised:
        assert await actor.ref.ask(divide(2)) == 0.5
        with pytest.raises(ActorStopped, match="it failed with ZeroDivisionError"):
            await actor.ref.ask(divide(0))
        await wait_all_tasks_blocked()
        assert await actor.ref.ask(divide(4)) == 0.25
        actor.stop()
        await supervised.ended.wait()
    assert supervised.error is None
