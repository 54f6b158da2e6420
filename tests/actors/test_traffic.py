"""Whoever is cancelled, and wherever: a mailbox delivers what it accepted, once and in order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import cycle

import anyio
import attrs
import pytest
from anyio.lowlevel import checkpoint
from hypothesis import given, settings, strategies as st

from callboard.actors import Mailbox, MailboxClosed, Reply


@attrs.frozen
class Letter:
    sender: int
    number: int
    reply: Reply[None] | None = None


class Traffic:
    """Several producers and one receiver, all of whom may be cancelled."""

    def __init__(self, limit: int) -> None:
        self.inbox = Mailbox[Letter](limit)
        self.accepted: set[tuple[int, int]] = set()
        self.asked: set[tuple[int, int]] = set()
        self.arrived: list[Letter] = []

    async def flow(
        self,
        producers: list[list[str]],
        patience: list[int | None],
        receiver: list[str],
        interruptions: list[int],
    ) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(self.receive, cycle(receiver), interruptions)
            async with anyio.create_task_group() as senders:
                for sender, steps in enumerate(producers):
                    work = partial(self.produce, sender, steps)
                    senders.start_soon(interrupted, work, patience[sender])
            self.inbox.close()

    async def produce(self, sender: int, steps: list[str]) -> None:
        for number, step in enumerate(steps):
            if step == "post":
                assert self.inbox.post(Letter(sender, number))
            elif step == "send":
                await self.inbox.send(Letter(sender, number))
            elif step == "ask":
                self.asked.add((sender, number))
                await self.inbox.ask(partial(Letter, sender, number))
            else:
                await checkpoint()
                continue
            self.accepted.add((sender, number))

    async def receive(self, steps: Iterator[str], interruptions: list[int]) -> None:
        for after in interruptions:
            await interrupted(partial(self.receive_on, steps), after)
        with suppress(MailboxClosed):
            await self.receive_on(steps)

    async def receive_on(self, steps: Iterator[str]) -> None:
        for step in steps:
            if step == "one":
                self.take(await self.inbox.receive())
            elif step == "all":
                self.take(*await self.inbox.receive_all())
            else:
                await checkpoint()
                with suppress(anyio.WouldBlock):
                    self.take(self.inbox.receive_nowait())

    def take(self, *letters: Letter) -> None:
        self.arrived += letters
        for letter in letters:
            if letter.reply is not None:
                letter.reply.send(None)


async def interrupted(work: Callable[[], Awaitable[None]], after: int | None) -> None:
    """Do the work, and cancel it after so many turns of the loop."""
    done = False

    async def interrupt() -> None:
        for _ in range(after or 0):
            await checkpoint()
        if after is not None and not done:
            group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(interrupt)
        with suppress(MailboxClosed):
            await work()
        done = True


STEPS = st.lists(st.sampled_from(["post", "send", "ask", "pause"]), max_size=12)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@settings(deadline=None, max_examples=60)
@given(
    producers=st.lists(STEPS, min_size=1, max_size=4),
    patience=st.lists(st.none() | st.integers(0, 6), min_size=4, max_size=4),
    receiver=st.lists(st.sampled_from(["one", "all", "nowait"]), min_size=1),
    interruptions=st.lists(st.integers(0, 3), max_size=6),
    limit=st.integers(1, 4),
)
def test_whatever_is_accepted_arrives_once_and_in_order(
    *,
    backend: str,
    producers: list[list[str]],
    patience: list[int | None],
    receiver: list[str],
    interruptions: list[int],
    limit: int,
) -> None:
    """Producers and the receiver are cancelled at any of their waits."""
    traffic = Traffic(limit)
    anyio.run(traffic.flow, producers, patience, receiver, interruptions, backend=backend)
    arrived = [(letter.sender, letter.number) for letter in traffic.arrived]
    assert len(set(arrived)) == len(arrived)
    # An asker may be cancelled when its question was queued already: that one arrives as well.
    assert traffic.accepted <= set(arrived) <= traffic.accepted | traffic.asked
    for sender in range(len(producers)):
        numbers = [number for who, number in arrived if who == sender]
        assert numbers == sorted(numbers)
