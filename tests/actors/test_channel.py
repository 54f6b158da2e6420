"""A channel gives each item to one consumer, wakes the warmest, and loses nothing."""

from __future__ import annotations

import asyncio
from collections import Counter

import anyio
import pytest
from anyio import wait_all_tasks_blocked
from anyio.lowlevel import checkpoint
from hypothesis import given, settings, strategies as st

from callboard.actors import Channel, ChannelStatistics
from callboard.actors._channel import FAIR


class Consumers:
    """Tasks that note what they receive."""

    def __init__(self, channel: Channel[int]) -> None:
        self.channel = channel
        self.got: list[tuple[str, int]] = []

    async def one(self, name: str, scope: anyio.CancelScope | None = None) -> None:
        with scope or anyio.CancelScope():
            self.got.append((name, await self.channel.receive()))

    @property
    def items(self) -> list[int]:
        return [item for _, item in self.got]


async def test_what_nobody_waits_for_is_queued_in_order() -> None:
    channel = Channel[int]()
    for item in range(100):
        channel.post(item)
    assert channel.statistics() == ChannelStatistics(queued=100, consumers_waiting=0)
    assert [await channel.receive() for _ in range(100)] == list(range(100))


async def test_an_item_goes_to_who_began_to_wait_last() -> None:
    it = Consumers(Channel[int]())
    async with anyio.create_task_group() as group:
        for name in "abc":
            group.start_soon(it.one, name)
            await wait_all_tasks_blocked()
        assert it.channel.statistics() == ChannelStatistics(queued=0, consumers_waiting=3)
        for item in range(3):
            it.channel.post(item)
            await wait_all_tasks_blocked()
    assert it.got == [("c", 0), ("b", 1), ("a", 2)]


async def test_a_cancelled_consumer_is_passed_over() -> None:
    it = Consumers(Channel[int]())
    scope = anyio.CancelScope()
    async with anyio.create_task_group() as group:
        group.start_soon(it.one, "stays")
        await wait_all_tasks_blocked()
        group.start_soon(it.one, "goes", scope)
        await wait_all_tasks_blocked()
        scope.cancel()
        await wait_all_tasks_blocked()
        assert it.channel.statistics().consumers_waiting == 1
        it.channel.post(1)
    assert it.got == [("stays", 1)]
    assert it.channel.statistics() == ChannelStatistics(queued=0, consumers_waiting=0)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("another_waits", [True, False])
async def test_what_a_task_was_woken_for_that_asyncio_cancels_goes_to_another(
    anyio_backend: str, another_waits: bool
) -> None:
    """A plain ``Task.cancel`` hits a task whose item is on its way."""
    it = Consumers(Channel[int]())
    other = asyncio.create_task(it.one("other"))
    await asyncio.sleep(0)
    task = asyncio.create_task(it.one("cancelled"))
    await asyncio.sleep(0)
    it.channel.post(1)
    if not another_waits:
        for item in (2, 3):
            it.channel.post(item)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await other
    assert it.got == [("other", 1)]
    rest = [await it.channel.receive() for _ in range(it.channel.statistics().queued)]
    assert rest == ([] if another_waits else [2, 3])


async def test_a_consumer_that_never_waits_lets_others_run() -> None:
    channel = Channel[int]()
    ran = False

    async def consume() -> None:
        while not ran:
            channel.post(await channel.receive())

    async def other() -> None:
        nonlocal ran
        ran = True

    channel.post(1)
    async with anyio.create_task_group() as group:
        group.start_soon(consume)
        await checkpoint()
        group.start_soon(other)
    assert ran


async def test_who_lets_others_run_may_find_that_they_took_everything() -> None:
    it = Consumers(Channel[int]())
    for item in range(FAIR + 1):
        it.channel.post(item)
    for _ in range(FAIR):
        await it.channel.receive()
    async with anyio.create_task_group() as group:
        group.start_soon(it.one, "")
        group.start_soon(it.one, "")
        await wait_all_tasks_blocked()
        assert it.items == [FAIR]
        it.channel.post(FAIR + 1)
    assert it.items == [FAIR, FAIR + 1]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@settings(deadline=None, max_examples=60)
@given(actions=st.lists(st.sampled_from(["join", "cancel", "post", "turn"]), max_size=40))
def test_every_item_reaches_exactly_one_consumer(backend: str, actions: list[str]) -> None:
    """Consumers join and are cancelled at any time, before and after they were given an item."""

    async def play() -> None:
        it = Consumers(Channel[int]())
        scopes: list[anyio.CancelScope] = []
        posted = 0
        async with anyio.create_task_group() as group:
            for action in actions:
                if action == "join":
                    scopes.append(anyio.CancelScope())
                    group.start_soon(it.one, "", scopes[-1])
                elif action == "cancel" and scopes:
                    scopes.pop(posted % len(scopes)).cancel()
                elif action == "post":
                    it.channel.post(posted)
                    posted += 1
                else:
                    await checkpoint()
            await wait_all_tasks_blocked()
            statistics = it.channel.statistics()
            assert not (statistics.queued and statistics.consumers_waiting)
            group.cancel_scope.cancel()
        left = [await it.channel.receive() for _ in range(it.channel.statistics().queued)]
        assert Counter(it.items + left) == Counter(range(posted))
        assert left == sorted(left)

    anyio.run(play, backend=backend)
