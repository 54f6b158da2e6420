"""A command that is left for another engine is done once, by whoever comes to do it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable

import pytest

import callboard as cb
from callboard import testing
from callboard._posting import post_and_wait
from callboard.storage import Json, Store
from callboard.workflow import RunOwned, TaskSpec, WorkflowSpec, commands as c

NewStore = Callable[[], Store]

RUN = "r"
OWNED = RunOwned("it is another one's", run_id=RUN, owner="gone")


@pytest.fixture
async def store(new_store: NewStore) -> AsyncGenerator[Store]:
    """Give an open store with a run that nobody owns: an engine has answered and let it go."""
    ask = WorkflowSpec(name="ask", tasks=(TaskSpec(id="ask", name="ask", kind="input"),))
    store = new_store()
    async with store.opened():
        async with cb.Engine(new_store(), recover="none") as engine:
            await (await engine.start(ask, run_id=RUN)).cancel()
        assert await store.owner(RUN) is None
        yield store


async def test_what_nobody_is_there_to_do_is_withdrawn(store: Store) -> None:
    assert await post_and_wait(store, RUN, c.Pause(), OWNED) is None
    number = await store.post(RUN, {"type": "pause"}) - 1
    answer = await store.answer(number)
    assert answer is not None
    assert answer["error"]["message"] == "withdrawn: its sender acts itself"


async def test_who_was_faster_than_the_withdrawal_is_believed(store: Store) -> None:
    class Faster(testing.FaultyStore):
        async def reply(self, post: int, answer: Json) -> None:
            await self.inner.reply(post, {"ok": True})
            await self.inner.reply(post, answer)

    assert await post_and_wait(Faster(store), RUN, c.Pause(), OWNED) is True
