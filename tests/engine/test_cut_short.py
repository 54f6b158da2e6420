"""Whatever is cut short where it hurts: by anyio, and by asyncio's own cancellation of tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path
from typing import Any

import anyio
import pytest

import callboard as cb
from callboard.actors._finishing import finish_waiting
from callboard.workflow import TaskSpec, WorkflowSpec

Opens = Callable[..., AbstractAsyncContextManager[cb.Engine]]

ASK = WorkflowSpec(name="ask", tasks=(TaskSpec(id="ask", name="ask", kind="input"),))
STEP = WorkflowSpec(name="step", tasks=(TaskSpec(id="a", name="a", kind="step"),))
STEPS = 12
"""How far at most what is cut short is let come."""


@pytest.mark.parametrize("act", ["resume", "settle", "pause"])
async def test_what_takes_a_run_up_is_not_cut_short_in_the_middle(
    opens: Opens, durable: bool, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    if not durable:
        return
    async with opens() as engine:
        await engine.start(ASK, run_id="it")
    async with opens() as engine:
        handle = await engine.get("it")
        load = engine.store.load

        async def slow(run_id: str) -> Any:
            await anyio.sleep(1)
            return await load(run_id)

        asked: dict[str, Callable[[], Awaitable[Any]]] = {
            "resume": lambda: engine.resume("it"),
            "settle": lambda: handle.settle("ask", "succeeded", 5),
            "pause": handle.pause,
        }
        monkeypatch.setattr(engine.store, "load", slow)
        with anyio.move_on_after(0.5) as scope:
            await asked[act]()
        assert scope.cancelled_caught
        monkeypatch.setattr(engine.store, "load", load)
        await anyio.sleep(5)
        owner = await engine.store.owner("it")
        assert ("it" in engine.tree.live) == (act == "resume")
        assert (owner is not None) == (act == "resume")
        run = await handle.run()
        assert (run.ended, run.paused) == (act == "settle", act == "pause")
        if act == "resume":
            await handle.cancel_and_wait()


class TestByAsyncio:
    """asyncio cancels a whole task once, and heeds no shield of anyio."""

    @pytest.fixture(params=["memory", "sqlite"])
    def url(self, request: pytest.FixtureRequest, tmp_path: Path) -> str:
        return "memory:" if request.param == "memory" else f"sqlite:///{tmp_path}/runs.db"

    def test_a_claim(self, url: str) -> None:
        async def main() -> None:
            async with cb.Engine(url) as engine:
                handle = await engine.start(STEP)
                for steps in range(STEPS):

                    async def claim() -> None:
                        async with engine.claim(wait=5, lease_seconds=1_000):
                            await asyncio.sleep(100)

                    await _cancelled_after(steps, claim())
                    async with engine.claim(wait=5) as lease:
                        assert lease is not None, f"lost after {steps} steps"
                async with engine.claim(wait=5) as lease:
                    assert lease is not None
                    await lease.success()
                assert (await handle.result()).state == "succeeded"
                assert engine.tree.board.claims == {}

        asyncio.run(main())

    def test_a_run(self, url: str) -> None:
        async def main() -> None:
            async with cb.Engine(url) as engine:
                for steps in range(STEPS):
                    await _cancelled_after(steps, engine.run(STEP, run_id=f"r{steps}"))
                taken = await engine.start(STEP, run_id="taken")
                for steps in range(STEPS):
                    with suppress(cb.RunExists):
                        await _cancelled_after(steps, engine.run(STEP, run_id="taken"))
                assert not (await taken.run()).ended, "it is somebody else's"
                await taken.cancel_and_wait()
                states = {row.state for row in await engine.runs()}
                assert states == {"cancelled"}

        asyncio.run(main())

    def test_a_creation_keeps_its_number(self, url: str) -> None:
        made: list[str] = []

        @cb.task
        async def item(name: str) -> None:
            made.append(name)

        @cb.task
        async def create() -> None:
            me = cb.current()
            try:
                async with asyncio.timeout(0):
                    await me.add(item, "first")
            except TimeoutError:
                pass
            await me.add(item, "second")

        @cb.workflow
        def flow(w: cb.Builder) -> None:
            w.add(create)

        async def main() -> None:
            async with cb.Engine(url) as engine:
                result = await engine.run(flow)
                assert result.state == "succeeded"
                assert set(result.tasks) >= {"create", "create/item-2"}

        asyncio.run(main())
        assert "second" in made

    def test_waiting_to_the_end(self) -> None:
        async def main() -> None:
            done = anyio.Event()
            task = asyncio.create_task(finish_waiting(done.wait))
            for _ in range(3):
                await asyncio.sleep(0)
                task.cancel()
            await asyncio.sleep(0)
            assert not task.done()
            done.set()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(main())


async def _cancelled_after(steps: int, work: Any) -> None:
    task = asyncio.create_task(work)
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
