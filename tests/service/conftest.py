"""An engine on a port, and a client of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import anyio
import pytest

import callboard as cb
from callboard.client import Client
from callboard.definitions import loads
from callboard.web import serve

Served = Callable[..., AbstractAsyncContextManager[Client]]

FLOW = """
workflow: demo
inputs: {amount: {type: number, default: 3}}
tasks:
  - name: Open
    external: {grows: true}
    with: {amount: "${{ inputs.amount }}"}
  - name: Ask
    needs: [Open]
    input: {schema: {type: boolean}, message: Good?}
  - name: Close
    needs: [Ask]
    external: {}
"""


@asynccontextmanager
async def _served(wrap: Callable[[Any], Any] = lambda app: app) -> AsyncGenerator[Client]:
    until = anyio.Event()
    async with (
        anyio.create_task_group() as group,
        cb.Engine("memory:", workflows=[loads(FLOW)], grace=0) as engine,
    ):
        urls = await group.start(serve, wrap(engine.asgi(page=False)), "127.0.0.1", 0, until)
        async with Client(urls[0]) as client:
            try:
                yield client
            finally:
                until.set()


@pytest.fixture
def served() -> Served:
    """Serve an engine on a port and give a client of it."""
    return _served
