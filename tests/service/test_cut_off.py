"""Whoever is cut off from the server lets go of the task before somebody else may get it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import attrs
import httpx2
import msgspec
import pytest

import callboard as cb
from callboard import testing
from callboard.client import Client, ClientLease
from callboard.definitions import loads
from callboard.worker import Wishes, Worker
from callboard.workflow import StaleFence

from .processes import until

LEASE = 10.0
CUT_AT = 12.5
"""Seconds after the begin; the lease was renewed by then, by whatever was said."""

LATENCY = 0.25
FLOW = loads(
    "workflow: w\ntasks: [{name: mine, external: {grows: true}}, {name: other, external: {}}]",
    "w.yaml",
)


@pytest.fixture(params=testing.virtual_backends(), ids=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    """Waits take no time here."""
    return request.param


async def _refused(request: httpx2.Request) -> None:
    raise httpx2.ConnectError("refused", request=request)


async def _swallowed(request: httpx2.Request) -> None:
    await anyio.sleep(30)
    raise httpx2.ReadTimeout("no answer", request=request)


Break = Callable[[httpx2.Request], Awaitable[None]]


class Wire(httpx2.AsyncBaseTransport):
    """A slow way to the engine, which may be cut; knows what was said under leases, and when."""

    def __init__(self, engine: cb.Engine) -> None:
        self._inner = httpx2.ASGITransport(engine.asgi(page=False), client=("127.0.0.1", 1))
        self.cut: Break | None = None
        self.said: list[tuple[float, str]] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/commands"):
            words = msgspec.json.decode(await request.aread())["commands"]
            self.said += [(anyio.current_time(), each["type"]) for each in words]
        await anyio.sleep(LATENCY)
        if self.cut is not None:
            await self.cut(request)
        response = await self._inner.handle_async_request(request)
        await anyio.sleep(LATENCY)
        if self.cut is not None:
            await self.cut(request)
        return response


async def _says_nothing(_: Any) -> None:
    await anyio.sleep_forever()


async def _logs(me: Any) -> None:
    await _said(me.log("still here"))


async def _tells_progress(me: Any) -> None:
    await _said(me.progress(0.5, "half"))


async def _creates(me: Any) -> None:
    await me.add("other", key=f"at-{anyio.current_time():g}")


async def _said(word: Any) -> None:
    if word is not None:
        await word


Habit = Callable[[Any], Awaitable[None]]
habits = pytest.mark.parametrize("habit", [_says_nothing, _logs, _tells_progress, _creates])
cuts = pytest.mark.parametrize("cut", [_refused, _swallowed])


@attrs.define
class Attempts:
    """Does the task with a habit; knows when each attempt began and ended."""

    habit: Habit
    spans: list[list[float]] = attrs.field(factory=list[list[float]])
    begun: anyio.Event = attrs.field(factory=anyio.Event)

    async def go_on(self, me: Any) -> None:
        """Do the task for ever."""
        self.spans.append([anyio.current_time()])
        self.begun.set()
        self.begun = anyio.Event()
        try:
            while True:
                await self.habit(me)
                await anyio.sleep(1)
        finally:
            self.spans[-1].append(anyio.current_time())


def _worker(client: Client, do: Callable[[Any], Awaitable[Any]], told: list[str]) -> Worker:
    @cb.task
    async def mine() -> Any:
        return await do(cb.current())

    return Worker(
        client,
        name="w",
        wishes=Wishes(labels=["mine"], lease=LEASE),
        functions={"mine": mine},
        tell=told.append,
    )


@asynccontextmanager
async def _engine() -> AsyncGenerator[cb.Engine]:
    async with cb.Engine("memory:", workflows=[FLOW], grace=0) as engine:
        await engine.start_by_name("w", run_id="r")
        yield engine


def _client(wire: Wire) -> Client:
    return Client("http://localhost", transport=wire)


def _check_given_up(attempts: Attempts, wire: Wire, cut_at: float) -> None:
    """Check that the first attempt ended in its lease's time, and with it all that was said."""
    ended = attempts.spans[0][1]
    assert cut_at < ended <= cut_at + LEASE
    assert ended >= cut_at + LEASE / 2, "what is given up early is done twice without need"
    assert max(at for at, _ in wire.said) <= ended


@cuts
@habits
async def test_a_worker_that_is_cut_off_stops_before_another_begins(
    habit: Habit, cut: Break
) -> None:
    attempts, told = Attempts(habit), list[str]()
    async with _engine() as engine:
        wire = Wire(engine)
        async with (
            _client(wire) as near,
            _client(Wire(engine)) as other,
            anyio.create_task_group() as group,
        ):
            group.start_soon(_worker(near, attempts.go_on, told).run)
            await attempts.begun.wait()
            group.start_soon(_worker(other, attempts.go_on, []).run)
            await anyio.sleep(CUT_AT)
            wire.cut, cut_at = cut, anyio.current_time()
            await attempts.begun.wait()
            taken_at = anyio.current_time()
            await anyio.sleep(9 * LEASE)
            _check_given_up(attempts, wire, cut_at)
            assert attempts.spans[0][1] <= taken_at
            assert len(attempts.spans) == 2
            group.cancel_scope.cancel()
    assert [line for line in told if "mine of run r is stopped: the lease of 10 s" in line]


@cuts
@habits
async def test_a_block_that_is_cut_off_is_left(habit: Habit, cut: Break) -> None:
    attempts = Attempts(habit)
    async with _engine() as engine, anyio.create_task_group() as group:
        wire = Wire(engine)

        async def hold() -> None:
            async with client.claim("mine", lease_seconds=LEASE) as lease:
                assert isinstance(lease, ClientLease)
                await attempts.go_on(lease)

        async def be_told() -> None:
            with pytest.raises(StaleFence, match="the lease of 10 s could not be renewed"):
                await hold()

        async with _client(wire) as client, _client(Wire(engine)) as other:
            group.start_soon(be_told)
            await attempts.begun.wait()
            await anyio.sleep(CUT_AT)
            wire.cut, cut_at = cut, anyio.current_time()
            async with other.claim("mine", wait=60) as lease:
                assert lease is not None
                assert len(attempts.spans[0]) == 2
                await anyio.sleep(9 * LEASE)
                _check_given_up(attempts, wire, cut_at)


@pytest.mark.parametrize("habit", [_says_nothing, _logs])
async def test_what_was_done_in_time_is_told_when_the_server_is_back(habit: Habit) -> None:
    """No lease ends the last word: nothing is done any more, and the server judges it."""
    told = list[str]()

    async def work(me: Any) -> str:
        await anyio.sleep(CUT_AT - 1)
        with anyio.move_on_after(6):  # It is being renewed, in vain, when this ends.
            while True:
                await habit(me)
                await anyio.sleep(0.5)
        return "done"

    async with _engine() as engine, anyio.create_task_group() as group:
        wire = Wire(engine)
        async with _client(wire) as client:
            worker = _worker(client, work, told)
            group.start_soon(worker.run)
            await anyio.sleep(CUT_AT)
            wire.cut = _refused
            (fence,) = engine.tree.board.claims
            for _ in range(20):
                await anyio.sleep(LEASE / 2)
                engine.tree.board.heartbeat(fence)  # As a server does that is started again.
            wire.cut = None
            await until(lambda: fence not in engine.tree.board.claims, LEASE)
            run = await (await engine.get("r")).run()
            assert run.tasks["mine"].output == "done"
            group.cancel_scope.cancel()
    assert told == []
