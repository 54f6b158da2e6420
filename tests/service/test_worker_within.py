"""The worker within this process, on both backends, with a server that is away when it hurts."""

from __future__ import annotations

import anyio
import httpx2

import callboard as cb
from callboard.client import Client
from callboard.definitions import loads
from callboard.worker import Wishes, Worker

from .processes import until


class Away(httpx2.AsyncBaseTransport):
    """The server is away whenever somebody speaks under a lease, as often as is said."""

    def __init__(self, engine: cb.Engine, times: int) -> None:
        self._inner = httpx2.ASGITransport(engine.asgi(page=False))
        self.times = times

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/commands") and self.times:
            self.times -= 1
            raise httpx2.ConnectError("gone")
        return await self._inner.handle_async_request(request)


async def test_a_worker_that_cannot_give_back_a_task_goes_on() -> None:
    flow = loads("workflow: w\ntasks: [{name: mine}]", "w.yaml")
    told: list[str] = []
    async with cb.Engine("memory:", workflows=[flow]) as engine:
        transport = Away(engine, 1)
        async with (
            Client("http://localhost", transport=transport, patience=0) as client,
            anyio.create_task_group() as group,
        ):
            worker = Worker(
                client, name="w", wishes=Wishes(labels=["mine"], lease=1), tell=told.append
            )
            group.start_soon(worker.run)
            await engine.start_by_name("w")
            # The lease of the first time ends by itself.
            await until(lambda: len(told) == 2)
            worker.stop()
    assert transport.times == 0
    assert all("cannot be done here" in line for line in told)
