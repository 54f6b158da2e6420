"""An engine behind its REST application: called in this process, or on a port."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

import callboard as cb
from callboard.web._serve import serve

from .conforming import conforms

Client = httpx2.AsyncClient
Opened = Callable[..., AbstractAsyncContextManager[Client]]


def within(engine: cb.Engine, *, client: str = "127.0.0.1", **options: Any) -> Client:
    """Return a client of an engine's application, without a port between.

    Each answer that it gets is compared with the OpenAPI document.
    """
    options.setdefault("page", False)
    transport = httpx2.ASGITransport(engine.asgi(**options), client=(client, 1))
    return httpx2.AsyncClient(
        transport=transport, base_url="http://localhost", event_hooks={"response": [conforms]}
    )


@asynccontextmanager
async def served(engine: cb.Engine, **options: Any) -> AsyncGenerator[Client]:
    """Serve an engine on a port of this machine, and give a client of it."""
    options.setdefault("page", False)
    until = anyio.Event()
    async with anyio.create_task_group() as group:
        urls = await group.start(serve, engine.asgi(**options), "127.0.0.1", 0, until)
        url = urls[0].rpartition(" ")[2]
        try:
            async with httpx2.AsyncClient(base_url=url, timeout=30) as client:
                yield client
        finally:
            until.set()


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store."""
    return "memory:" if request.param == "memory" else f"sqlite:///{tmp_path}/runs.db"
