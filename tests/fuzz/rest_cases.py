"""Mutated requests to a real application over a store in memory.

Each is made of an endpoint's path, parameters and body, with what is really there put in, and then
mutated.  Nothing that comes in runs code here: a script plays all tasks that would.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping
from random import Random
from typing import Any, Final, cast
from urllib.parse import quote, quote_from_bytes, urlencode

import anyio
import attrs

import callboard as cb
from callboard import testing
from callboard.web import Who
from callboard.web._endpoint import Endpoint
from callboard.web._endpoints import ENDPOINTS
from callboard.workflow import WorkflowSpec

from ..web.conforming import check
from .corpus import DEFINITIONS, MESSAGES, definition_files
from .fuzzing import CASE_SECONDS, SWELLING_BYTES, Found, TooLong, in_time, peak_bytes
from .mutation import Mutator

EPOCH_CASES: Final = 1_500
"""After how many requests an engine is closed and another one opened."""

HANG_UP_SECONDS: Final = 0.25
"""How long a client waits for an answer that goes on."""

CODE: Final = ("function", "python", "shell", "http", "container", "wait")

BODIES: Final[Mapping[str, Any]] = {
    "start_run": {
        "workflow": "rich",
        "inputs": {"amount": 2},
        "topic": "t",
        "job": "j",
        "key": "k",
        "on_existing": "existing",
    },
    "cancel_run": {"reason": "no money"},
    "promise_run": {"text": "no new tasks"},
    "answer_task": {"value": {"ok": True}},
    "settle_task": {"state": "succeeded", "output": {"a": 1}},
    "claim": {"worker": "w", "labels": ["plan", "a"], "pools": ["p"], "wait": 0.01, "max": 5},
    "create_topic": {"id": "t", "title": "T", "description": "d", "inputs": {"type": "object"}},
    "change_topic": {"version": 1, "title": "T2"},
    "create_job": {
        "id": "j",
        "topic": "t",
        "data": {"a": 1},
        "plan": [{"workflow": "small", "inputs": {}, "version": 1}],
    },
    "change_job": {"version": 1, "data": {"b": 1}, "plan": []},
    "open_job": {"topic": "t", "version": 1},
    "cancel_job": {"reason": "over", "version": 1},
    "create_owner": {"id": "o", "title": "O", "labels": ["plan"]},
    "change_owner": {"version": 1, "labels": ["a"]},
    "add_token": {"name": "n", "roles": ["view"], "owner": "o"},
}

PARAMS: Final[Mapping[str, tuple[str, ...]]] = {
    "number": ("0", "1", "5", "1000"),
    "flag": ("true", "false"),
    "text": ("small", "t", "j", "a"),
    "texts": ("running", "a", "all"),
}


@attrs.frozen
class Request:
    """What is sent.

    Attributes:
        found: Whether its path is one of the table's; a mutated one leads nowhere, or elsewhere.
    """

    method: str
    path: bytes
    query: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes
    found: bool = True


@attrs.define
class Answered:
    """What came of it."""

    status: int = 0
    media: str = ""
    content: bytes = b""


class Client:
    """Makes requests of what it has seen, and looks at the answers."""

    def __init__(self, app: Any, rng: Random) -> None:
        self.app = app
        self.mutator = Mutator(rng)
        self.seen: dict[str, list[str]] = {
            "run": [],
            "task": ["plan", "a", "b", "plan/new-1"],
            "fence": [],
            "name": ["small", "rich", "json", "n"],
            "topic": ["t"],
            "job": ["j"],
            "owner": ["o"],
        }
        self.seqs = 0

    def make(self) -> tuple[Endpoint, Request]:
        """Make one request."""
        rng = self.mutator.rng
        endpoint = rng.choice(ENDPOINTS)
        if rng.random() < 0.5:
            names = ("start_run", "claim", "say", "say", "store_workflow", "answer_task")
            name = rng.choice(names)
            endpoint = next(each for each in ENDPOINTS if each.name == name)
        method: str = endpoint.method
        if rng.random() < 0.02:
            method = rng.choice(("HEAD", "PUT", "PATCH", "OPTIONS", "DELETE", "TRACE"))
        headers = [(b"host", b"localhost"), (b"x-role", self._role())]
        body = self._body(endpoint)
        if body:
            media = "application/yaml" if endpoint.body is bytes else "application/json"
            headers.append((b"content-type", self._sometimes(media.encode())))
        if endpoint.versioned or rng.random() < 0.05:
            headers.append((b"if-match", self._sometimes(b'"3"')))
        if rng.random() < 0.1:
            headers.append((b"accept", b"text/event-stream"))
            headers.append((b"last-event-id", self._sometimes(b"2")))
        if rng.random() < 0.05:
            header = rng.choice((b"origin", b"if-none-match", b"content-length", b"authorization"))
            headers.append((header, self._sometimes(b'"3"')))
        path, found = self._path(endpoint)
        return endpoint, Request(method, path, self._query(endpoint), headers, body, found)

    def _role(self) -> bytes:
        return self.mutator.rng.choice((b"operate worker", b"operate worker", b"view", b"admin"))

    def _sometimes(self, raw: bytes) -> bytes:
        raw = self.mutator.raw(raw) if self.mutator.rng.random() < 0.1 else raw
        return raw.replace(b"\r", b"").replace(b"\n", b"")[:2_000]

    def _path(self, endpoint: Endpoint) -> tuple[bytes, bool]:
        rng = self.mutator.rng
        values = {
            name: quote(rng.choice(known or ["x"]), safe="") for name, known in self.seen.items()
        }
        path = endpoint.path.format(**values).encode()
        if rng.random() < 0.08:
            return quote_from_bytes(self.mutator.raw(path), safe="/%").encode(), False
        return path, True

    def _query(self, endpoint: Endpoint) -> bytes:
        rng = self.mutator.rng
        pairs: list[tuple[str, str]] = []
        for param in endpoint.query:
            if rng.random() < 0.3:
                choices = param.choices or PARAMS[param.kind]
                pairs.append((param.name, str(rng.choice(choices))))
        query = urlencode(pairs).encode()
        return self.mutator.raw(query)[:5_000] if rng.random() < 0.1 else query

    def _body(self, endpoint: Endpoint) -> bytes:
        rng = self.mutator.rng
        if endpoint.body is bytes:
            raw = rng.choice(definition_files())
            return self.mutator.raw(raw) if rng.random() < 0.7 else raw
        if endpoint.body is None:
            return b"{}" if rng.random() < 0.02 else b""
        value = self._said() if endpoint.name == "say" else dict(BODIES[endpoint.name])
        if endpoint.name == "start_run":
            value["workflow"] = rng.choice(self.seen["name"])
            value = {key: value[key] for key in value if key == "workflow" or rng.random() < 0.3}
        if endpoint.name == "claim":
            value = {key: value[key] for key in value if key == "worker" or rng.random() < 0.5}
        if rng.random() < 0.5:
            value = self.mutator.value(value, (*BODIES.values(), *MESSAGES))
        raw = json.dumps(value).encode()
        return self.mutator.raw(raw) if rng.random() < 0.1 else raw

    def _said(self) -> dict[str, Any]:
        rng = self.mutator.rng
        self.seqs += rng.random() < 0.9
        words = [
            self.mutator.value(word, MESSAGES) if rng.random() < 0.3 else word
            for word in (rng.choice(MESSAGES) for _ in range(rng.choice((1, 1, 2, 4))))
        ]
        return {"seq": self.seqs, "commands": words}

    # --- sending it ----------------------------------------------------------------------------

    async def send(self, request: Request) -> Answered:
        """Send a request and return its answer; hang up on what goes on."""
        answered, gone, asked = Answered(), anyio.Event(), False

        async def receive() -> Any:
            nonlocal asked
            if not asked:
                asked = True
                return {"type": "http.request", "body": request.body, "more_body": False}
            with anyio.move_on_after(HANG_UP_SECONDS):
                await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                answered.status = message["status"]
                answered.media = dict(message["headers"]).get(b"content-type", b"").decode()
                return
            answered.content += message.get("body", b"")
            if answered.media.startswith("text/event-stream"):
                gone.set()

        with anyio.fail_after(CASE_SECONDS):
            await self.app(self._scope(request), receive, send)
        return answered

    def _scope(self, request: Request) -> dict[str, Any]:
        from urllib.parse import unquote

        return {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": "http",
            "path": unquote(request.path.decode("ascii")),
            "raw_path": request.path,
            "query_string": request.query,
            "root_path": "",
            "headers": request.headers,
            "server": ("localhost", 80),
            "client": ("127.0.0.1", 1),
        }

    # --- looking at what came ------------------------------------------------------------------

    def look(self, endpoint: Endpoint, request: Request, answered: Answered) -> None:
        """Assert that an answer is one of those that may be, and remember what it tells."""
        assert answered.status, "no answer"
        assert answered.status < 500 or answered.status == 501, answered.content
        if answered.media.startswith("text/event-stream"):
            return
        if request.method == endpoint.method and request.found:
            path = request.path.decode()
            check(request.method, path, answered.status, answered.media, answered.content)
            if answered.media == "application/json":
                self._remember(endpoint.name, json.loads(answered.content))

    def _remember(self, name: str, told: Any) -> None:
        match name:
            case "start_run":
                self._add("run", told["run"])
            case "store_workflow":
                self._add("name", told["name"])
            case "claim":
                for lease in told["leases"]:
                    self._add("fence", lease["fence"])
            case "list_tasks":
                for task in told["items"]:
                    self._add("task", task["id"])
            case _:
                pass

    def _add(self, what: str, value: str) -> None:
        known = self.seen[what]
        if value not in known:
            known.append(value)
        # The newest are the ones in which something happens.
        del known[: -12 if what != "name" else -30]


async def by_header(request: Any) -> Who:
    """Believe whoever says who they are."""
    return Who("fuzz", tuple(request.headers.get("x-role", "").split()))


async def epoch(rng: Random, until: float, counts: Counter[str]) -> None:
    """Open an engine, send requests, and look at all runs at the end."""
    from callboard.definitions import loads

    flows: list[WorkflowSpec] = [loads(text, "f.yaml") for text in DEFINITIONS]
    script = testing.Script()
    with anyio.fail_after(6 * CASE_SECONDS):
        async with cb.Engine(
            "memory:", workflows=flows, executors=script.executors(*CODE)
        ) as engine:
            client = Client(engine.asgi(authorize=by_header, rate=None, page=False), rng)
            for _ in range(EPOCH_CASES):
                endpoint, request = client.make()
                try:
                    with in_time():
                        answered = await client.send(request)
                        client.look(endpoint, request, answered)
                except (Exception, TooLong) as error:
                    raise Found(f"{endpoint.name}: {request}: {error!r}") from error
                counts[str(answered.status)] += 1
                if time.monotonic() > until:
                    break
            await _look_at_runs(client)
            script.calls.clear()


async def _look_at_runs(client: Client) -> None:
    """Whatever was done to them, runs can be shown, explained and drawn."""
    for run in client.seen["run"]:
        for rest in ("", "/tasks", "/why", "/events", "/logs", "/picture?format=dot"):
            path, _, query = f"/api/v1/runs/{quote(run, safe='')}{rest}".partition("?")
            headers = [(b"host", b"localhost"), (b"x-role", b"view")]
            answered = await client.send(
                Request("GET", path.encode(), query.encode(), headers, b"")
            )
            if answered.status not in (200, 404):
                raise Found(f"GET {path}: {answered.status} {answered.content!r}")


def fuzz_rest(seconds: float, seed: int) -> Counter[str]:
    """Fuzz the application for so long, and return how its answers were."""
    counts: Counter[str] = Counter()
    before, until, number = peak_bytes(), time.monotonic() + seconds, 0
    while time.monotonic() < until:
        number += 1
        backend = ("asyncio", "trio")[number % 2]
        try:
            anyio.run(epoch, Random(f"rest:{seed}:{number}"), until, counts, backend=backend)
        except BaseException as error:
            found: Any = error
            while isinstance(found, BaseExceptionGroup):
                found = cast("Any", found).exceptions[0]
            raise Found(
                f"rest, seed {seed}, epoch {number} on {backend}: {str(found)[:2000]}"
            ) from error
    swollen = peak_bytes() - before
    assert swollen < SWELLING_BYTES, f"rest, seed {seed}: {swollen // 1024**2} MiB more memory"
    return counts
