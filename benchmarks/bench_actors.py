"""Actors beside bare anyio memory streams, in the same run: ``python benchmarks/bench_actors.py``.

Each number is the median of five rounds; ours and the bare one take turns, so that a noisy machine
is noisy for both. A ratio above 1 means that ours is faster.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Awaitable, Callable
from functools import partial

import anyio
import attrs

from callboard.actors import Channel, Mailbox, Reply, spawn

ROUNDS = 5
ASKS = 5_000
MESSAGES = 50_000
ITEMS = 20_000
CONSUMERS = 64
LIMIT = 1000

Measured = Callable[[], Awaitable[float]]


@attrs.frozen
class Question:
    number: int
    reply: Reply[int]


async def ask_and_reply() -> float:
    async def echo(inbox: Mailbox[Question]) -> None:
        async for question in inbox:
            question.reply.send(question.number)

    begin = end = time.perf_counter()
    async with anyio.create_task_group() as group:
        ref = spawn(group, echo, name="echo").ref
        begin = time.perf_counter()
        for number in range(ASKS):
            assert await ref.ask(partial(Question, number)) == number
        end = time.perf_counter()
        group.cancel_scope.cancel()
    return ASKS / (end - begin)


async def stream_ping_pong() -> float:
    there, inbox = anyio.create_memory_object_stream[int](1)
    back, answers = anyio.create_memory_object_stream[int](1)

    async def echo() -> None:
        async for number in inbox:
            await back.send(number)

    begin = end = time.perf_counter()
    async with anyio.create_task_group() as group, there, inbox, back, answers:
        group.start_soon(echo)
        begin = time.perf_counter()
        for number in range(ASKS):
            await there.send(number)
            assert await answers.receive() == number
        end = time.perf_counter()
        group.cancel_scope.cancel()
    return ASKS / (end - begin)


async def one_way(behaviour: Callable[[Mailbox[int]], Awaitable[None]]) -> float:
    begin = end = time.perf_counter()
    async with anyio.create_task_group() as group:
        actor = spawn(group, behaviour, name="sink", limit=LIMIT)
        begin = time.perf_counter()
        for number in range(MESSAGES):
            await actor.ref.send(number)
        actor.stop()
        await actor.wait_stopped()
        end = time.perf_counter()
    return MESSAGES / (end - begin)


async def one_by_one(inbox: Mailbox[int]) -> None:
    async for _ in inbox:
        pass


async def in_batches(inbox: Mailbox[int]) -> None:
    async for batch in inbox.batches():
        for _ in batch:
            pass


async def one_way_stream() -> float:
    into, out = anyio.create_memory_object_stream[int](LIMIT)

    async def sink() -> None:
        async with out:
            async for _ in out:
                pass

    begin = time.perf_counter()
    async with anyio.create_task_group() as group:
        group.start_soon(sink)
        async with into:
            for number in range(MESSAGES):
                await into.send(number)
    return MESSAGES / (time.perf_counter() - begin)


async def channel() -> float:
    """Keep as many items under way as there are consumers, as a scheduler does."""
    items = Channel[int]()
    left, done = ITEMS, anyio.Event()

    async def consumer() -> None:
        nonlocal left
        while True:
            number = await items.receive()
            left -= 1
            if number + CONSUMERS < ITEMS:
                items.post(number + CONSUMERS)
            if not left:
                done.set()

    begin = end = time.perf_counter()
    async with anyio.create_task_group() as group:
        for _ in range(CONSUMERS):
            group.start_soon(consumer)
        await anyio.wait_all_tasks_blocked()
        begin = time.perf_counter()
        for number in range(CONSUMERS):
            items.post(number)
        await done.wait()
        end = time.perf_counter()
        group.cancel_scope.cancel()
    return ITEMS / (end - begin)


async def channel_stream() -> float:
    into, out = anyio.create_memory_object_stream[int](ITEMS)
    left, done = ITEMS, anyio.Event()

    async def consumer() -> None:
        nonlocal left
        while True:
            number = await out.receive()
            left -= 1
            if number + CONSUMERS < ITEMS:
                into.send_nowait(number + CONSUMERS)
            if not left:
                done.set()

    begin = end = time.perf_counter()
    async with anyio.create_task_group() as group, into, out:
        for _ in range(CONSUMERS):
            group.start_soon(consumer)
        await anyio.wait_all_tasks_blocked()
        begin = time.perf_counter()
        for number in range(CONSUMERS):
            into.send_nowait(number)
        await done.wait()
        end = time.perf_counter()
        group.cancel_scope.cancel()
    return ITEMS / (end - begin)


async def channel_idle() -> float:
    """Wake an idle consumer for every item and be woken by it: nobody ever finds one queued."""
    items, results = Channel[int](), Channel[int]()

    async def consumer() -> None:
        while True:
            results.post(await items.receive())

    begin = end = time.perf_counter()
    async with anyio.create_task_group() as group:
        for _ in range(CONSUMERS):
            group.start_soon(consumer)
        await anyio.wait_all_tasks_blocked()
        begin = time.perf_counter()
        for number in range(ITEMS):
            items.post(number)
            await results.receive()
        end = time.perf_counter()
        group.cancel_scope.cancel()
    return ITEMS / (end - begin)


async def channel_idle_stream() -> float:
    into, out = anyio.create_memory_object_stream[int](CONSUMERS)
    back, results = anyio.create_memory_object_stream[int](CONSUMERS)

    async def consumer() -> None:
        while True:
            back.send_nowait(await out.receive())

    begin = end = time.perf_counter()
    async with anyio.create_task_group() as group, into, out, back, results:
        for _ in range(CONSUMERS):
            group.start_soon(consumer)
        await anyio.wait_all_tasks_blocked()
        begin = time.perf_counter()
        for number in range(ITEMS):
            into.send_nowait(number)
            await results.receive()
        end = time.perf_counter()
        group.cancel_scope.cancel()
    return ITEMS / (end - begin)


WORK: list[tuple[str, Measured, Measured]] = [
    ("ask and reply", ask_and_reply, stream_ping_pong),
    ("one way, one by one", partial(one_way, one_by_one), one_way_stream),
    ("one way, in batches", partial(one_way, in_batches), one_way_stream),
    (f"channel, {CONSUMERS} consumers, queued", channel, channel_stream),
    (f"channel, {CONSUMERS} consumers, idle", channel_idle, channel_idle_stream),
]


def main() -> None:
    print(f"{'':<32}{'backend':<9}{'ours/s':>11}{'stream/s':>11}{'ratio':>8}")
    for name, ours, bare in WORK:
        for backend in ("asyncio", "trio"):
            rates: tuple[list[float], list[float]] = ([], [])
            for _ in range(ROUNDS):
                for measured, into in zip((ours, bare), rates, strict=True):
                    into.append(anyio.run(measured, backend=backend))
            ours_rate, bare_rate = (statistics.median(values) for values in rates)
            ratio = ours_rate / bare_rate
            print(f"{name:<32}{backend:<9}{ours_rate:>11,.0f}{bare_rate:>11,.0f}{ratio:>8.2f}")


if __name__ == "__main__":
    main()
