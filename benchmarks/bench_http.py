"""Work over HTTP: claims, starts, and how soon a page hears of a commit.

The server is a process of its own.  The client says HTTP by hand, for a library's client costs more
than what is measured.  The limit is an endpoint on the same server that reads and answers.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import msgspec
from anyio.streams.buffered import BufferedByteReceiveStream
from benchmarks._harness import OURS, Figures, Row, Stopwatch

from callboard.storage._bridge import on_trio

BARE = "bare Starlette endpoint"
TASKS_EACH = 10
HEAD_BYTES_MAX = 65_536
APART_SECONDS = 0.1


class Connection:
    """One connection to a server, kept open as long as the server keeps it, and then another."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._stream: anyio.abc.SocketStream | None = None
        self.received: BufferedByteReceiveStream

    async def aclose(self) -> None:
        """Hang up."""
        if self._stream is not None:
            await self._stream.aclose()
            self._stream = None

    async def ask(self, method: str, path: str, body: Any = None, more: str = "") -> None:
        """Send a request."""
        if self._stream is None:
            self._stream = await anyio.connect_tcp("127.0.0.1", self._port)
            self.received = BufferedByteReceiveStream(self._stream)
        content = b"" if body is None else msgspec.json.encode(body)
        head = (
            f"{method} /api/v1{path} HTTP/1.1\r\nhost: localhost\r\n{more}"
            f"content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
        )
        await self._stream.send(head.encode() + content)

    async def head(self) -> bytes:
        """Return the head of an answer."""
        head = await self.received.receive_until(b"\r\n\r\n", HEAD_BYTES_MAX)
        assert head.split(b" ", 2)[1] in (b"200", b"201"), head
        return head.lower()

    async def post(self, path: str, body: Any) -> Any:
        """Send a request and return what is answered."""
        await self.ask("POST", path, body)
        head = await self.head()
        length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
        content = await self.received.receive_exactly(length)
        if b"\r\nconnection: close" in head:
            await self.aclose()
        return msgspec.json.decode(content)


@asynccontextmanager
async def server(way: str, folder: Path, runs: int, tasks: int) -> AsyncGenerator[int]:
    """Start a server and give its port."""
    program = Path(__file__).with_name("_http_server.py")
    backend = "trio" if on_trio() else "asyncio"
    command = [sys.executable, str(program), backend, way, str(folder), str(runs), str(tasks)]
    async with await anyio.open_process(command, stderr=None) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        url = (await BufferedByteReceiveStream(process.stdout).receive_until(b"\n", 200)).decode()
        try:
            yield int(url.rpartition(":")[2])
        finally:
            await process.stdin.aclose()
            await process.wait()


@asynccontextmanager
async def connected(port: int) -> AsyncGenerator[Connection]:
    """Give a connection."""
    async with aclosing(Connection(port)) as connection:
        yield connection


async def _at_once(port: int, connections: int, work: Any) -> None:
    async def on_one() -> None:
        async with connected(port) as connection:
            await work(connection)

    async with anyio.create_task_group() as group:
        for _ in range(connections):
            group.start_soon(on_one)


# --- rows -----------------------------------------------------------------------------------------


async def claims(way: str, connections: int, most: int, size: int, folder: Path) -> Figures:
    """Empty a board: claim tasks, and complete each of them."""
    claimed = 0

    async def work(connection: Connection) -> None:
        nonlocal claimed
        while claimed < size:
            body = {"worker": "w", "max": most, "wait": 0}
            leases = (await connection.post("/board/claim", body))["leases"]
            if not leases:
                return  # Others are at the last ones.
            if way == "bare":
                leases *= most
            claimed += len(leases)
            for lease in leases:
                said = {"seq": 0, "commands": [{"type": "success", "output": 1}]}
                await connection.post(f"/leases/{lease['fence']}/commands", said)

    watch = Stopwatch()
    async with server(way, folder, -(-size // TASKS_EACH), TASKS_EACH) as port:
        watch.start()
        await _at_once(port, connections, work)
        watch.stop()
    return watch.rate(claimed)


async def starts(way: str, connections: int, size: int, folder: Path) -> Figures:
    """Start runs of a few tasks."""
    left = iter(range(size))

    async def work(connection: Connection) -> None:
        for _ in left:
            await connection.post("/runs", {"workflow": "wide", "inputs": {}})

    watch = Stopwatch()
    async with server(way, folder, 0, TASKS_EACH) as port:
        watch.start()
        await _at_once(port, connections, work)
        watch.stop()
    return watch.rate(size)


async def latency(size: int, folder: Path) -> Figures:
    """The answer to a command → the event that it made, on a stream of the run.

    Half of the commands come apart from each other, the others one after another: a page is told of
    those together, a few times a second.
    """
    heard: dict[str, float] = {}
    arrived = anyio.Event()

    async def listen(port: int, run: str) -> None:
        nonlocal arrived
        async with connected(port) as connection:
            more = "accept: text/event-stream\r\n"
            await connection.ask("GET", f"/runs/{run}/events", more=more)
            await connection.head()
            while True:
                line = await connection.received.receive_until(b"\n", 1_000_000)
                if line.startswith(b"data: ") and b'"task_settled"' in line:
                    heard[msgspec.json.decode(line[6:])["task"]] = time.perf_counter()
                    arrived.set()
                    arrived = anyio.Event()

    delays: list[float] = []
    async with (
        server("ours", folder, 0, size) as port,
        connected(port) as worker,
        anyio.create_task_group() as group,
    ):
        run = (await worker.post("/runs", {"workflow": "chain"}))["run"]
        group.start_soon(listen, port, run)
        while len(delays) < size:
            (lease,) = (await worker.post("/board/claim", {"worker": "w", "wait": 5}))["leases"]
            if len(delays) < size // 2:
                await anyio.sleep(APART_SECONDS)  # The worker is at it.
            said = {"seq": 0, "commands": [{"type": "success"}]}
            await worker.post(f"/leases/{lease['fence']}/commands", said)
            answered = time.perf_counter()
            while lease["task"] not in heard:
                with suppress(TimeoutError):
                    await arrived.wait()
            delays.append(1000 * max(0.0, heard[lease["task"]] - answered))
        group.cancel_scope.cancel()
    apart, close = delays[: size // 2], delays[size // 2 :]
    notes = {"ms at most": max(apart), "ms one after another": statistics.median(close)}
    return Figures(statistics.median(apart), notes)


def _claim_row(connections: int, most: int) -> Row:
    many = f"{connections} connection{'s' if connections > 1 else ''}"
    each = "one at a time" if most == 1 else f"{most} with each claim"
    return Row(
        name=f"http-claim-{connections}" + (f"-by-{most}" if most > 1 else ""),
        title=f"claim and complete over HTTP, {many}, {each}, SQLite FULL",
        unit="tasks/s",
        ways={
            OURS: partial(claims, "ours", connections, most),
            BARE: partial(claims, "bare", connections, most),
        },
        size=2_000,
        quick=300,
        tiny=3,
    )


ROWS = [
    *(_claim_row(connections, most) for connections in (1, 16) for most in (1, 10)),
    Row(
        name="http-start",
        title="runs of 10 tasks started over HTTP, 16 connections, SQLite FULL",
        unit="runs/s",
        ways={OURS: partial(starts, "ours", 16), BARE: partial(starts, "bare", 16)},
        size=2_000,
        quick=300,
        tiny=3,
    ),
    Row(
        name="http-latency",
        title="a command over HTTP is answered → the page hears of it, ten a second",
        unit="ms",
        ways={OURS: latency},
        size=300,
        quick=50,
        tiny=3,
        less_is_better=True,
    ),
]
