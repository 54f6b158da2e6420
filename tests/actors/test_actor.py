"""An actor is found by its reference, ends in three ways, and leaves nobody waiting."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import anyio
import attrs
import pytest
from anyio import wait_all_tasks_blocked
from anyio.lowlevel import checkpoint

from callboard.actors import Actor, ActorStopped, Mailbox, Reply, Undelivered, spawn


@attrs.frozen(kw_only=True)
class Double:
    number: int
    reply: Reply[int]


def double(number: int) -> Callable[[Reply[int]], Double]:
    return lambda reply: Double(number=number, reply=reply)


unheard = Double(number=1, reply=Reply("", lambda _: None))


async def doubler(inbox: Mailbox[Double]) -> None:
    async for message in inbox:
        message.reply.send(message.number * 2)


async def deaf(inbox: Mailbox[Any]) -> None:
    """Take messages and answer none."""
    async for _ in inbox:
        pass


async def sleeper(_inbox: Mailbox[Any]) -> None:
    """Take nothing."""
    await anyio.sleep_forever()


async def test_ask_returns_what_the_actor_answers() -> None:
    async with anyio.create_task_group() as group:
        actor = spawn(group, doubler, name="doubler")
        assert [await actor.ref.ask(double(n)) for n in range(5)] == [0, 2, 4, 6, 8]
        assert actor.ref.name == "doubler"
        actor.stop()


async def test_ask_raises_what_the_actor_fails_with() -> None:
    async def fails(inbox: Mailbox[Double]) -> None:
        async for message in inbox:
            message.reply.fail(LookupError("no number"))

    async with anyio.create_task_group() as group:
        actor = spawn(group, fails, name="fails")
        with pytest.raises(LookupError, match="no number"):
            await actor.ref.ask(double(1))
        actor.stop()


async def test_an_answer_given_while_the_question_is_made_is_not_lost() -> None:
    def make(reply: Reply[int]) -> Double:
        reply.send(7)
        return Double(number=0, reply=reply)

    async with anyio.create_task_group() as group:
        actor = spawn(group, deaf, name="deaf")
        assert await actor.ref.ask(make) == 7
        actor.stop()


async def test_an_unanswered_ask_ends_by_its_timeout(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="callboard.actors")
    replies: list[Reply[int]] = []

    async def keeps(inbox: Mailbox[Double]) -> None:
        replies.append((await inbox.receive()).reply)
        await anyio.sleep_forever()

    async with anyio.create_task_group() as group:
        actor = spawn(group, keeps, name="keeps")
        with pytest.raises(TimeoutError, match=r"'keeps' did not answer within 0\.01 s"):
            await actor.ref.ask(double(1), timeout=0.01)
        assert actor.statistics().asks_open == 0
        replies[0].send(2)
        assert "the asker has gone" in caplog.text
        actor.kill()


async def test_a_second_answer_is_dropped_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def twice(inbox: Mailbox[Double]) -> None:
        async for message in inbox:
            message.reply.send(1)
            message.reply.send(2)
            message.reply.fail(ValueError())

    async with anyio.create_task_group() as group:
        actor = spawn(group, twice, name="twice")
        assert await actor.ref.ask(double(1)) == 1
        actor.stop()
    assert caplog.text.count("it was answered before") == 2


async def test_an_asker_that_is_cancelled_is_forgotten() -> None:
    async with anyio.create_task_group() as group:
        actor = spawn(group, deaf, name="deaf")
        async with anyio.create_task_group() as askers:
            askers.start_soon(actor.ref.ask, double(1))
            await wait_all_tasks_blocked()
            assert actor.statistics().asks_open == 1
            askers.cancel_scope.cancel()
        assert actor.statistics().asks_open == 0
        actor.stop()


async def fails_at_once(inbox: Mailbox[Double]) -> None:
    await inbox.receive()
    raise OSError("disk full")


@pytest.mark.parametrize(
    ("behaviour", "end", "reason"),
    [
        pytest.param(deaf, "stop", "it ended", id="taken, then stopped"),
        pytest.param(deaf, "kill", "it was killed", id="taken, then killed"),
        pytest.param(sleeper, "kill", "it was killed", id="still queued, then killed"),
    ],
)
async def test_an_open_ask_is_told_that_the_actor_stopped(
    behaviour: Callable[[Mailbox[Any]], Any], end: str, reason: str
) -> None:
    told: list[ActorStopped] = []

    async def ask(actor: Actor[Any]) -> None:
        with pytest.raises(ActorStopped) as caught:
            await actor.ref.ask(double(1))
        told.append(caught.value)

    async with anyio.create_task_group() as group:
        actor = spawn(group, behaviour, name="x", undelivered=lambda _: None)
        group.start_soon(ask, actor)
        await wait_all_tasks_blocked()
        getattr(actor, end)()
    assert [(error.actor, error.reason) for error in told] == [("x", reason)]


async def test_an_open_ask_is_told_that_the_actor_failed() -> None:
    actor = Actor(fails_at_once, name="x")

    async def live() -> None:
        with pytest.raises(OSError, match="disk full"):
            await actor.run()

    async with anyio.create_task_group() as group:
        group.start_soon(live)
        with pytest.raises(ActorStopped, match="'x' does not answer: it failed with OSError"):
            await actor.ref.ask(double(1))


async def test_an_ask_that_waits_for_room_is_told_too() -> None:
    async def asks(actor: Actor[Double]) -> None:
        with pytest.raises(ActorStopped):
            await actor.ref.ask(double(1))

    async with anyio.create_task_group() as group:
        actor = spawn(group, sleeper, name="x", limit=1, undelivered=lambda _: None)
        for _ in range(3):
            group.start_soon(asks, actor)
        await wait_all_tasks_blocked()
        assert (actor.statistics().queued, actor.statistics().senders_waiting) == (1, 2)
        actor.kill()


async def test_an_ended_actor_answers_nobody(caplog: pytest.LogCaptureFixture) -> None:
    actor = Actor(doubler, name="gone")
    actor.stop()
    await actor.run()
    with pytest.raises(ActorStopped):
        await actor.ref.ask(double(1))
    with pytest.raises(ActorStopped):
        await actor.ref.send(unheard)
    assert not actor.ref.tell(unheard)
    (record,) = caplog.records
    assert record.name == "callboard.actors"
    assert record.message == "1 undelivered message (Double) for actor 'gone': it ended."


async def test_cancelling_the_parent_ends_the_actor_and_tells_its_askers() -> None:
    actor = Actor(deaf, name="x")
    told = anyio.Event()

    async def ask() -> None:
        with pytest.raises(ActorStopped, match="it was cancelled"):
            await actor.ref.ask(double(1))
        told.set()

    async with anyio.create_task_group() as others:
        async with anyio.create_task_group() as parent:
            parent.start_soon(actor.run)
            others.start_soon(ask)
            await wait_all_tasks_blocked()
            parent.cancel_scope.cancel()
        await told.wait()
        await actor.wait_stopped()


class Recording:
    """An actor that works on each message until it is let go."""

    def __init__(self) -> None:
        self.handled: list[str] = []
        self.undelivered: list[Undelivered] = []
        self.go_on = anyio.Event()
        self.actor = Actor(self.behave, name="x", undelivered=self.undelivered.append)

    async def behave(self, inbox: Mailbox[str]) -> None:
        async for message in inbox:
            await self.go_on.wait()
            self.handled.append(message)

    @property
    def lost(self) -> list[object]:
        return [undelivered.message for undelivered in self.undelivered]


async def test_stop_finishes_the_mailbox_and_takes_nothing_new() -> None:
    it = Recording()
    async with anyio.create_task_group() as group:
        group.start_soon(it.actor.run)
        for message in "abc":
            it.actor.ref.tell(message)
        await wait_all_tasks_blocked()
        it.actor.stop()
        it.actor.stop()
        assert not it.actor.ref.tell("late")
        with pytest.raises(ActorStopped):
            await it.actor.ref.send("late too")
        it.go_on.set()
        await it.actor.wait_stopped()
    assert (it.handled, it.lost) == (["a", "b", "c"], ["late"])


async def test_kill_drops_the_mailbox_and_reports_it() -> None:
    it = Recording()
    async with anyio.create_task_group() as group:
        group.start_soon(it.actor.run)
        for message in "abc":
            it.actor.ref.tell(message)
        await wait_all_tasks_blocked()
        it.actor.kill()
        it.actor.kill()
        await it.actor.wait_stopped()
    assert (it.handled, it.lost) == ([], ["b", "c"])
    assert {undelivered.reason for undelivered in it.undelivered} == {"it was killed"}


async def test_kill_before_the_first_step_drops_everything() -> None:
    began: list[bool] = []
    undelivered: list[Undelivered] = []

    async def begins(_inbox: Mailbox[str]) -> None:
        began.append(True)

    actor = Actor(begins, name="x", undelivered=undelivered.append)
    actor.ref.tell("a")
    actor.kill()
    await actor.run()
    await actor.wait_stopped()
    assert not began
    assert undelivered == [Undelivered(message="a", to="x", reason="it was killed")]


async def test_kill_lets_shielded_clean_up_finish() -> None:
    cleaned: list[bool] = []

    async def careful(_inbox: Mailbox[Any]) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await checkpoint()
                cleaned.append(True)

    async with anyio.create_task_group() as group:
        actor = spawn(group, careful, name="x")
        await wait_all_tasks_blocked()
        actor.kill()
        await actor.wait_stopped()
        assert cleaned == [True]


async def test_drain_refuses_requests_and_ends_when_every_ask_is_answered() -> None:
    """The answer depends on an event that arrives while the actor drains."""
    handled: list[str] = []
    answers: list[int] = []

    async def waits_for_event(inbox: Mailbox[Double | str]) -> None:
        asked: list[Double] = []
        async for message in inbox:
            if isinstance(message, Double):
                asked.append(message)
            else:
                handled.append(message)
                asked.pop().reply.send(42)

    async with anyio.create_task_group() as group:
        actor = spawn(group, waits_for_event, name="x", undelivered=lambda _: None)

        async def ask() -> None:
            answers.append(await actor.ref.ask(double(1)))

        group.start_soon(ask)
        await wait_all_tasks_blocked()
        actor.drain()
        await wait_all_tasks_blocked()
        with pytest.raises(ActorStopped, match="it finishes what it has begun"):
            await actor.ref.ask(double(2))
        assert actor.ref.tell("event")
        await actor.wait_stopped()
        assert not actor.ref.tell("late")
    assert (handled, answers) == (["event"], [42])


async def test_drain_ends_an_idle_actor_and_one_whose_last_asker_goes() -> None:
    async with anyio.create_task_group() as group:
        idle = spawn(group, deaf, name="idle")
        busy = spawn(group, deaf, name="busy")
        async with anyio.create_task_group() as askers:
            askers.start_soon(busy.ref.ask, double(1))
            await wait_all_tasks_blocked()
            idle.drain()
            busy.drain()
            await idle.wait_stopped()
            await wait_all_tasks_blocked()
            assert busy.statistics().receiver_waits
            askers.cancel_scope.cancel()
        await busy.wait_stopped()


async def test_a_second_life_begins_behind_the_same_reference() -> None:
    lives: list[str] = []
    undelivered: list[Undelivered] = []

    async def lives_once(inbox: Mailbox[str]) -> None:
        lives.append(await inbox.receive())
        raise ValueError(lives[-1])

    actor = Actor(lives_once, name="x", undelivered=undelivered.append)
    actor.ref.tell("one")
    actor.ref.tell("lost with the first life")
    with pytest.raises(ValueError, match="one"):
        await actor.run()
    assert not actor.ref.tell("between two lives")
    async with anyio.create_task_group() as group:

        async def again() -> None:
            with pytest.raises(ValueError, match="two"):
                await actor.run()

        group.start_soon(again)
        await wait_all_tasks_blocked()
        actor.ref.tell("two")
        await actor.wait_stopped()
    assert lives == ["one", "two"]
    assert len(undelivered) == 2


async def test_one_life_at_a_time() -> None:
    async with anyio.create_task_group() as group:
        actor = spawn(group, sleeper, name="x")
        await wait_all_tasks_blocked()
        with pytest.raises(RuntimeError, match="'x' runs already"):
            await actor.run()
        actor.kill()


async def test_what_a_behaviour_raises_cancels_its_siblings() -> None:
    async def parent() -> None:
        async with anyio.create_task_group() as group:
            spawn(group, sleeper, name="sibling")
            spawn(group, fails_at_once, name="x").ref.tell(unheard)

    with pytest.raises(ExceptionGroup) as caught:
        await parent()
    assert caught.group_contains(OSError, match="disk full")
