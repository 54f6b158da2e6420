"""A service under test: an engine, and short words to call it with."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import quote

import anyio
import attrs
import httpx2
import msgspec

import callboard as cb
from callboard.definitions import loads
from callboard.workflow import WorkflowSpec

from .conftest import within

LOAN = """
workflow: loan
inputs:
  amount: {type: number, default: 1000000}
tasks:
  - name: Open Loan Application
  - name: Review Credit
    needs: [Open Loan Application]
  - name: Review Assets
    needs: [Open Loan Application]
  - name: Send Email
    needs: [Review Credit, Review Assets]
"""

ONE = "workflow: one\ntasks: [{name: work}]\n"


def spec(text: str) -> WorkflowSpec:
    """Return a definition."""
    return loads(text, "flow.yaml")


@attrs.frozen
class Service:
    """Calls a service, and asserts how it answers."""

    engine: cb.Engine
    client: httpx2.AsyncClient

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Call an endpoint and return the JSON of its answer."""
        response = await self.answer(method, path, body, headers=headers)
        assert response.status_code == status, response.text
        return response.json() if response.content else None

    async def answer(
        self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None
    ) -> httpx2.Response:
        """Call an endpoint and return its answer."""
        content = None if body is None else msgspec.json.encode(body)
        given = {} if body is None else {"content-type": "application/json"}
        return await self.client.request(
            method, f"/api/v1{path}", content=content, headers={**given, **(headers or {})}
        )

    async def get(self, path: str, **options: Any) -> Any:
        """Look."""
        return await self.call("GET", path, **options)

    async def post(self, path: str, body: Any = None, **options: Any) -> Any:
        """Act."""
        return await self.call("POST", path, body, **options)

    async def start(self, workflow: str, **fields: Any) -> str:
        """Start a run and return its id."""
        run = await self.post("/runs", {"workflow": workflow, **fields}, status=201)
        return str(run["run"])

    async def claim(self, **fields: Any) -> list[Any]:
        """Claim tasks and return the leases."""
        asked = {"worker": "w", "wait": 5, **fields}
        leases: list[Any] = (await self.post("/board/claim", asked))["leases"]
        return leases

    async def one(self, **fields: Any) -> Any:
        """Claim one task and return the lease."""
        (lease,) = await self.claim(**fields)
        return lease

    async def say(self, fence: str, seq: int, *commands: Any, status: int = 200) -> Any:
        """Say something about a lease."""
        body = {"seq": seq, "commands": list(commands)}
        return await self.post(f"/leases/{fence}/commands", body, status=status)

    async def succeed(self, lease: Any, output: Any = None, seq: int = 1000) -> None:
        """Report that a task is done."""
        said = await self.say(lease["fence"], seq, {"type": "success", "output": output})
        assert said["results"] == [{"ok": True}]
        assert said["closed"]


def task_path(run: str, task: str, act: str = "") -> str:
    """Return the path of a task, its id encoded."""
    return f"/runs/{run}/tasks/{quote(task, safe='')}{act}"


@asynccontextmanager
async def serving(
    store: str, *texts: str, asgi: Mapping[str, Any] | None = None, **options: Any
) -> AsyncGenerator[Service]:
    """Open an engine that knows these definitions, and give its service."""
    flows = [spec(text) for text in texts]
    async with (
        cb.Engine(store, workflows=flows, **options) as engine,
        within(engine, **(asgi or {})) as client,
    ):
        yield Service(engine, client)


# --- answers that go on ---------------------------------------------------------------------------


@attrs.frozen
class Said:
    """One message of a stream."""

    id: str | None
    event: str | None
    data: Any
    comment: str | None


class Listener:
    """Hears what an application answers as it comes, and hangs up when it is left."""

    def __init__(self, app: Any, path: str, headers: Mapping[str, str], body: bytes) -> None:
        self._app = app
        # As a server gives it: decoded once, in what is routed by.
        path, _, query = path.partition("?")
        self._scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST" if body else "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [
                (b"host", b"localhost"),
                *((name.encode(), value.encode()) for name, value in headers.items()),
            ],
            "server": ("localhost", 80),
            "client": ("127.0.0.1", 1),
        }
        self._body = body
        self._gone = anyio.Event()
        self._into, self._chunks = anyio.create_memory_object_stream[bytes](100_000)
        self._text = ""
        self.status = 0
        self.asked = False

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._chunks.close()

    async def run(self) -> None:
        """Serve it."""
        with self._into:
            await self._app(self._scope, self._receive, self._send)

    async def _receive(self) -> dict[str, Any]:
        if not self.asked:
            self.asked = True
            return {"type": "http.request", "body": self._body, "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if self._gone.is_set():
            return  # As servers do: what is sent to nobody is dropped.
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif message.get("body"):
            await self._into.send(message["body"])

    def hang_up(self) -> None:
        """Be gone."""
        self._gone.set()

    async def next(self) -> Said:
        """Return the next message."""
        while "\n\n" not in self._text:
            self._text += (await self._chunks.receive()).decode()
        block, _, self._text = self._text.partition("\n\n")
        fields: dict[str, str] = {}
        for line in block.split("\n"):
            name, _, value = line.partition(": ")
            fields[name or "comment"] = value
        data = msgspec.json.decode(fields["data"]) if "data" in fields else None
        comment = fields.get("comment", "" if block.startswith(":") else None)
        return Said(fields.get("id"), fields.get("event"), data, comment)

    async def until(self, event: str) -> list[Said]:
        """Return messages up to one of a kind, which is the last."""
        found: list[Said] = []
        while not found or found[-1].event != event:
            found.append(await self.next())
            beats = sum(each.comment is not None for each in found)
            assert beats < 20, f"{event} does not come"
        return found

    def forget(self) -> None:
        """Forget what has come so far."""
        self._text = ""
        with suppress(anyio.WouldBlock):
            while True:
                self._chunks.receive_nowait()

    async def rest(self) -> str:
        """Return what comes until nothing more does."""
        async for chunk in self._chunks:
            self._text += chunk.decode()
        return self._text

    async def is_over(self) -> bool:
        """Wait until nothing more comes; return whether nothing did."""
        return not (await self.rest()).strip()


@asynccontextmanager
async def listening(
    app: Any, path: str, *, headers: Mapping[str, str] | None = None, body: bytes = b""
) -> AsyncGenerator[Listener]:
    """Ask an application for something that goes on, and hang up at the end."""
    accept = {"accept": "text/event-stream", **(headers or {})}
    listener = Listener(app, f"/api/v1{path}", accept, body)
    with listener:
        async with anyio.create_task_group() as group:
            group.start_soon(listener.run)
            yield listener
            listener.hang_up()
