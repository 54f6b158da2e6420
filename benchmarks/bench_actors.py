"""Actors beside bare anyio memory streams: questions and answers, messages, and a standing pool."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import anyio
import attrs
from benchmarks._harness import OURS, Figures, Goal, Row, Stopwatch, Way

from callboard.actors import Channel, Mailbox, Reply, spawn

CONSUMERS = 64
LIMIT = 1000


@attrs.frozen
class Question:
    number: int
    reply: Reply[int]


async def ask_and_reply(size: int, _folder: Path) -> Figures:
    async def echo(inbox: Mailbox[Question]) -> None:
        async for question in inbox:
            question.reply.send(question.number)

    watch = Stopwatch()
    async with anyio.create_task_group() as group:
        ref = spawn(group, echo, name="echo").ref
        watch.start()
        for number in range(size):
            assert await ref.ask(partial(Question, number)) == number
        watch.stop()
        group.cancel_scope.cancel()
    return watch.rate(size)


async def stream_ping_pong(size: int, _folder: Path) -> Figures:
    there, inbox = anyio.create_memory_object_stream[int](1)
    back, answers = anyio.create_memory_object_stream[int](1)

    async def echo() -> None:
        async for number in inbox:
            await back.send(number)

    watch = Stopwatch()
    async with anyio.create_task_group() as group, there, inbox, back, answers:
        group.start_soon(echo)
        watch.start()
        for number in range(size):
            await there.send(number)
            assert await answers.receive() == number
        watch.stop()
        group.cancel_scope.cancel()
    return watch.rate(size)


async def one_way(
    behaviour: Callable[[Mailbox[int]], Awaitable[None]], size: int, _folder: Path
) -> Figures:
    watch = Stopwatch()
    async with anyio.create_task_group() as group:
        actor = spawn(group, behaviour, name="sink", limit=LIMIT)
        watch.start()
        for number in range(size):
            await actor.ref.send(number)
        actor.stop()
        await actor.wait_stopped()
        watch.stop()
    return watch.rate(size)


async def one_by_one(inbox: Mailbox[int]) -> None:
    async for _ in inbox:
        pass


async def in_batches(inbox: Mailbox[int]) -> None:
    async for batch in inbox.batches():
        for _ in batch:
            pass


async def one_way_stream(size: int, _folder: Path) -> Figures:
    into, out = anyio.create_memory_object_stream[int](LIMIT)

    async def sink() -> None:
        async with out:
            async for _ in out:
                pass

    watch = Stopwatch()
    watch.start()
    async with anyio.create_task_group() as group:
        group.start_soon(sink)
        async with into:
            for number in range(size):
                await into.send(number)
    watch.stop()
    return watch.rate(size)


async def channel(size: int, _folder: Path) -> Figures:
    """Keep as many items under way as there are consumers, as a scheduler does."""
    items = Channel[int]()
    left, done = size, anyio.Event()

    async def consumer() -> None:
        nonlocal left
        while True:
            number = await items.receive()
            left -= 1
            if number + CONSUMERS < size:
                items.post(number + CONSUMERS)
            if not left:
                done.set()

    watch = Stopwatch()
    async with anyio.create_task_group() as group:
        for _ in range(CONSUMERS):
            group.start_soon(consumer)
        await anyio.wait_all_tasks_blocked()
        watch.start()
        for number in range(CONSUMERS):
            items.post(number)
        await done.wait()
        watch.stop()
        group.cancel_scope.cancel()
    return watch.rate(size)


async def channel_stream(size: int, _folder: Path) -> Figures:
    into, out = anyio.create_memory_object_stream[int](size)
    left, done = size, anyio.Event()

    async def consumer() -> None:
        nonlocal left
        while True:
            number = await out.receive()
            left -= 1
            if number + CONSUMERS < size:
                into.send_nowait(number + CONSUMERS)
            if not left:
                done.set()

    watch = Stopwatch()
    async with anyio.create_task_group() as group, into, out:
        for _ in range(CONSUMERS):
            group.start_soon(consumer)
        await anyio.wait_all_tasks_blocked()
        watch.start()
        for number in range(CONSUMERS):
            into.send_nowait(number)
        await done.wait()
        watch.stop()
        group.cancel_scope.cancel()
    return watch.rate(size)


async def channel_idle(size: int, _folder: Path) -> Figures:
    """Wake an idle consumer for every item and be woken by it: nobody ever finds one queued."""
    items, results = Channel[int](), Channel[int]()

    async def consumer() -> None:
        while True:
            results.post(await items.receive())

    watch = Stopwatch()
    async with anyio.create_task_group() as group:
        for _ in range(CONSUMERS):
            group.start_soon(consumer)
        await anyio.wait_all_tasks_blocked()
        watch.start()
        for number in range(size):
            items.post(number)
            await results.receive()
        watch.stop()
        group.cancel_scope.cancel()
    return watch.rate(size)


async def channel_idle_stream(size: int, _folder: Path) -> Figures:
    into, out = anyio.create_memory_object_stream[int](CONSUMERS)
    back, results = anyio.create_memory_object_stream[int](CONSUMERS)

    async def consumer() -> None:
        while True:
            back.send_nowait(await out.receive())

    watch = Stopwatch()
    async with anyio.create_task_group() as group, into, out, back, results:
        for _ in range(CONSUMERS):
            group.start_soon(consumer)
        await anyio.wait_all_tasks_blocked()
        watch.start()
        for number in range(size):
            into.send_nowait(number)
            await results.receive()
        watch.stop()
        group.cancel_scope.cancel()
    return watch.rate(size)


def _row(name: str, title: str, ours: Way, bare: Way, size: int) -> Row:
    return Row(
        name=name,
        title=title,
        unit="/s",
        ways={OURS: ours, STREAM: bare},
        size=size,
        quick=size // 10,
        tiny=CONSUMERS + 3,
        rounds=5,
        goal=Goal(value=0.8, of=STREAM),
    )


STREAM = "anyio memory stream"
ONE_WAY = partial(one_way, one_by_one)
BATCHES = partial(one_way, in_batches)
QUEUED = f"a channel, {CONSUMERS} consumers, items queued"
IDLE = f"a channel, {CONSUMERS} consumers, idle ones woken"

ROWS = [
    _row("ask", "ask and reply", ask_and_reply, stream_ping_pong, 5_000),
    _row("one-way", "one-way messages, one by one", ONE_WAY, one_way_stream, 50_000),
    _row("one-way-batches", "one-way messages, in batches", BATCHES, one_way_stream, 50_000),
    _row("channel", QUEUED, channel, channel_stream, 20_000),
    _row("channel-idle", IDLE, channel_idle, channel_idle_stream, 20_000),
]
