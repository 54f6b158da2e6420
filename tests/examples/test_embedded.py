"""An application with an engine in its lifespan: what it was asked for outlives it."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import anyio
import attrs
import pytest
from starlette.applications import Starlette
from starlette.types import Message, Scope

import callboard as cb

Answer: TypeAlias = tuple[int, Any]
Load: TypeAlias = Callable[[str], ModuleType]


@attrs.frozen
class Client:
    """Calls an ASGI application as a server would, without one."""

    app: Starlette
    state: dict[str, Any]

    async def call(self, method: str, target: str, body: object = None) -> Answer:
        """Make one request; return its status and what its JSON says."""
        path, _, query = target.partition("?")
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        scope: Scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": [],
            "state": self.state,
        }
        await self.app(scope, receive, send)
        return sent[0]["status"], json.loads(b"".join(part["body"] for part in sent[1:]))

    async def look_when_ended(self, order: str) -> Any:
        """Return what the application tells of an order once its run has ended."""
        engine: cb.Engine = self.state["engine"]
        with anyio.fail_after(10):
            await (await engine.get(order)).result()
        status, found = await self.call("GET", f"/orders/{order}")
        assert status == 200
        return found


@asynccontextmanager
async def serving(app: Starlette) -> AsyncGenerator[Client, None]:
    """Take an application through its lifespan."""
    state: dict[str, Any] = {}
    started, stop = anyio.Event(), anyio.Event()
    phases = iter(["lifespan.startup", "lifespan.shutdown"])

    async def receive() -> Message:
        phase = next(phases)
        if phase == "lifespan.shutdown":
            await stop.wait()
        return {"type": phase}

    async def send(message: Message) -> None:
        assert message["type"].endswith(".complete"), message
        started.set()

    async with anyio.create_task_group() as group:
        group.start_soon(app, {"type": "lifespan", "state": state}, receive, send)
        await started.wait()
        yield Client(app, state)
        stop.set()


@pytest.fixture
def store(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'orders.db'}"


async def test_an_order_outlives_the_application(load_example: Load, store: str) -> None:
    """It is placed before a restart, and approved and packed after it."""
    make_app = load_example("embedded/app.py").make_app
    async with serving(make_app(store)) as client:
        status, placed = await client.call("POST", "/orders?item=tea")
        assert status == 202
        order = placed["order"]
    async with serving(make_app(store)) as client:
        _, found = await client.call("GET", f"/orders/{order}")
        assert found["state"] == "running"
        assert found["tasks"]["approve"]["state"] == "waiting"
        answered = await client.call("POST", f"/orders/{order}/approval", body=True)
        assert answered == (200, {"answered": True})
        found = await client.look_when_ended(order)
        assert (found["state"], found["output"]) == ("succeeded", "one tea in a box")
        again, refusal = await client.call("POST", f"/orders/{order}/approval", body=True)
        assert again == 409
        assert "approve" in refusal["error"]


async def test_an_order_that_is_not_approved_is_not_packed(load_example: Load, store: str) -> None:
    async with serving(load_example("embedded/app.py").make_app(store)) as client:
        _, placed = await client.call("POST", "/orders?item=tea")
        await client.call("POST", f"/orders/{placed['order']}/approval", body=False)
        found = await client.look_when_ended(placed["order"])
    assert found["tasks"]["pack"]["state"] == "skipped"
    assert (found["state"], found["output"]) == ("succeeded", None)


@pytest.mark.parametrize(
    ("method", "target", "expected"),
    [
        ("POST", "/orders?itme=tea", (400, "item")),
        ("GET", "/orders/nobody", (404, "nobody")),
    ],
)
async def test_a_wrong_request_is_told_what_is_wrong(
    load_example: Load, store: str, method: str, target: str, expected: tuple[int, str]
) -> None:
    async with serving(load_example("embedded/app.py").make_app(store)) as client:
        status, answer = await client.call(method, target)
    assert status == expected[0]
    assert expected[1] in answer["error"]
