"""A mailbox keeps the order, loses nothing, and holds back whoever asks for too much."""

from __future__ import annotations

import anyio
import pytest
from anyio import wait_all_tasks_blocked
from anyio.lowlevel import checkpoint

from callboard.actors import (
    ActorStopped,
    Mailbox,
    MailboxClosed,
    MailboxState,
    MailboxStatistics,
    Undelivered,
)


async def test_messages_come_out_in_the_order_they_went_in() -> None:
    inbox = Mailbox[int]()
    for number in range(100):
        assert inbox.post(number)
    assert [await inbox.receive() for _ in range(10)] == list(range(10))
    assert inbox.receive_nowait() == 10
    assert await inbox.receive_all() == list(range(11, 100))


async def test_iteration_ends_when_the_closed_mailbox_is_empty() -> None:
    inbox = Mailbox[str](name="x")
    inbox.post("a")
    inbox.post("b")
    inbox.close()
    assert [message async for message in inbox] == ["a", "b"]
    for receive in (inbox.receive, inbox.receive_all):
        with pytest.raises(MailboxClosed, match="'x' is closed: it was told to stop"):
            await receive()
    with pytest.raises(MailboxClosed):
        inbox.receive_nowait()


async def test_batches_take_everything_that_is_queued() -> None:
    inbox = Mailbox[int]()
    batches: list[list[int]] = []

    async def consume() -> None:
        batches.extend([batch async for batch in inbox.batches()])

    async with anyio.create_task_group() as group:
        group.start_soon(consume)
        await wait_all_tasks_blocked()
        for number in range(3):
            inbox.post(number)
        await wait_all_tasks_blocked()
        inbox.post(3)
        inbox.close()
    assert batches == [[0, 1, 2], [3]]


async def test_an_empty_mailbox_would_block() -> None:
    with pytest.raises(anyio.WouldBlock):
        Mailbox[int]().receive_nowait()


async def test_a_closing_mailbox_wakes_its_receiver() -> None:
    inbox = Mailbox[int]()

    async def consume() -> None:
        assert [message async for message in inbox] == []

    async with anyio.create_task_group() as group:
        group.start_soon(consume)
        await wait_all_tasks_blocked()
        inbox.close()


async def test_only_one_task_may_receive() -> None:
    inbox = Mailbox[int](name="x")
    async with anyio.create_task_group() as group:
        group.start_soon(inbox.receive)
        await wait_all_tasks_blocked()
        with pytest.raises(RuntimeError, match="Two tasks receive from mailbox 'x'"):
            await inbox.receive()
        inbox.post(1)


async def test_requests_wait_for_room_in_order_and_events_do_not() -> None:
    inbox = Mailbox[str](limit=2)
    async with anyio.create_task_group() as group:
        for message in ("a", "b"):
            await inbox.send(message)
        for message in ("c", "d", "e"):
            group.start_soon(inbox.send, message)
            await wait_all_tasks_blocked()
        assert inbox.post("event")
        assert inbox.statistics() == MailboxStatistics(
            state=MailboxState.OPEN,
            queued=3,
            limit=2,
            senders_waiting=3,
            asks_open=0,
            receiver_waits=False,
        )
        assert await inbox.receive() == "a"
        assert inbox.statistics().senders_waiting == 3
        assert await inbox.receive() == "b"
        assert inbox.statistics().senders_waiting == 2
        assert await inbox.receive_all() == ["event", "c"]
        assert await inbox.receive_all() == ["d", "e"]


async def test_a_sender_cancelled_while_it_waits_for_room_sends_nothing() -> None:
    inbox = Mailbox[str](limit=1)
    await inbox.send("a")
    async with anyio.create_task_group() as group:
        group.start_soon(inbox.send, "never")
        await wait_all_tasks_blocked()
        group.cancel_scope.cancel()
        await inbox.send("neither")
    assert inbox.statistics().senders_waiting == 0
    assert inbox.receive_nowait() == "a"
    assert inbox.statistics().queued == 0


async def test_a_sender_cancelled_in_the_same_step_as_room_appears_loses_no_place() -> None:
    inbox = Mailbox[str](limit=1)
    await inbox.send("a")
    scope = anyio.CancelScope()

    async def cancelled() -> None:
        with scope:
            await inbox.send("never")

    async with anyio.create_task_group() as group:
        group.start_soon(cancelled)
        await wait_all_tasks_blocked()
        group.start_soon(inbox.send, "b")
        await wait_all_tasks_blocked()
        scope.cancel()
        assert [await inbox.receive(), await inbox.receive()] == ["a", "b"]
    assert inbox.statistics().queued == 0


async def test_a_drained_mailbox_is_closed() -> None:
    inbox = Mailbox[str](undelivered=lambda _: None)
    inbox.post("a")
    inbox.drain()
    assert inbox.post("b")
    assert [message async for message in inbox] == ["a", "b"]
    assert not inbox.post("c")


@pytest.mark.parametrize("end", ["close", "drain", "abandon"])
async def test_a_sender_that_waits_for_room_is_told_when_the_mailbox_closes(end: str) -> None:
    inbox = Mailbox[str](limit=1, name="x", undelivered=lambda _: None)
    await inbox.send("a")

    async def send() -> None:
        with pytest.raises(ActorStopped, match="'x' does not answer"):
            await inbox.send("b")

    async with anyio.create_task_group() as group:
        group.start_soon(send)
        await wait_all_tasks_blocked()
        getattr(inbox, end)()
        if end != "abandon":
            assert await inbox.receive_all() == ["a"]  # not "b": its sender was told otherwise


async def test_a_receiver_cancelled_while_it_waits_loses_nothing() -> None:
    inbox = Mailbox[int]()
    got: list[int] = []

    async def consume(scope: anyio.CancelScope) -> None:
        with scope:
            got.append(await inbox.receive())

    async with anyio.create_task_group() as group:
        scope = anyio.CancelScope()
        group.start_soon(consume, scope)
        await wait_all_tasks_blocked()
        inbox.post(1)
        scope.cancel()
    assert got + ([] if got else [await inbox.receive()]) == [1]


async def test_a_receiver_that_never_waits_lets_others_run() -> None:
    inbox = Mailbox[int]()
    others = 0

    async def consume() -> None:
        async for number in inbox:
            inbox.post(number)
            if others:
                inbox.abandon("enough was seen")

    async def other() -> None:
        nonlocal others
        await checkpoint()
        others += 1

    inbox = Mailbox[int](undelivered=lambda _: None)
    inbox.post(1)
    async with anyio.create_task_group() as group:
        group.start_soon(consume)
        group.start_soon(other)
    assert others


def test_post_needs_no_event_loop_and_reports_what_is_undelivered() -> None:
    reports: list[Undelivered] = []
    inbox = Mailbox[str](name="x", undelivered=reports.append)
    assert inbox.post("a")
    inbox.abandon("it failed")
    assert not inbox.post("b")
    assert reports == [
        Undelivered(message="a", to="x", reason="it failed"),
        Undelivered(message="b", to="x", reason="it failed"),
    ]


def test_an_abandoned_mailbox_logs_one_line(caplog: pytest.LogCaptureFixture) -> None:
    inbox = Mailbox[object](name="x")
    for message in ("secret", 1, "secret"):
        inbox.post(message)
    inbox.abandon()
    (record,) = caplog.records
    assert record.message == "3 undelivered messages (int, str) for actor 'x': it ended."


async def test_an_abandoned_mailbox_can_be_reopened() -> None:
    inbox = Mailbox[int](undelivered=lambda _: None)
    inbox.reopen()
    inbox.post(1)
    assert inbox.statistics().queued == 1
    inbox.abandon()
    inbox.reopen()
    assert inbox.post(2)
    assert await inbox.receive() == 2


def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="limit of mailbox 'x' must be at least 1, not 0"):
        Mailbox[int](0, "x")
