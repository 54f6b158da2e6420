"""`callboard serve`: what it refuses, how it stops, and that nothing it has answered is lost."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import anyio.to_thread
import attrs
import httpx2
import pytest

from callboard.client import Client, ClientLease

from .processes import Command, Service, service, until

FLOW = """
workflow: flow
tasks:
  - name: job
    external: {}
"""


@pytest.fixture(autouse=True)
def flow(tmp_path: Path) -> Path:
    """Write a workflow that is done by others."""
    file = tmp_path / "flow.yaml"
    file.write_text(FLOW)
    return file


@pytest.fixture
def anyio_backend() -> str:
    """Run what looks at the processes on one backend; the processes run on both."""
    return "asyncio"


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Callable[..., Command]]:
    """Start commands in the folder of the test."""
    opened: list[Command] = []

    def start(*words: str) -> Command:
        opened.append(Command(*words, folder=tmp_path))
        return opened[-1]

    yield start
    for each in opened:
        each.close()


def test_without_a_token_only_this_machine_is_served(command: Callable[..., Command]) -> None:
    words = ("serve", "flow.yaml", "--port", "0", "--no-page", "--host", "0.0.0.0")
    refused = command(*words)
    assert refused.end() == 2
    assert "callboard token add" in refused.text
    added = command("token", "add", "ann", "--role", "view")
    assert added.end() == 0, added.text
    serving = command(*words)
    serving.expect("callboard serves on")
    serving.signal(signal.SIGTERM)
    assert serving.end() == 0


def test_what_cannot_be_served_is_said_in_a_sentence(
    command: Callable[..., Command], tmp_path: Path
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        refused = command("serve", "flow.yaml", "--port", str(taken.getsockname()[1]))
        assert refused.end() == 4
        assert "is taken by another program" in refused.text
    refused = command("serve", "flow.yaml", "--port", "0", "--store", "sqlite:///none/x.db")
    assert refused.end() == 4
    (tmp_path / "bad.yaml").write_text("tasks: [{name: A, needs: [B]}]")
    (tmp_path / "same.yaml").write_text(FLOW)
    refused = command("serve", ".", "--port", "0")
    assert refused.end() == 2
    assert 'unknown task "B"' in refused.text
    assert "workflow 'flow' is in flow.yaml, too" in refused.text
    assert "Traceback" not in refused.text


class Telling(httpx2.AsyncHTTPTransport):
    """Tells when a claim has been sent: a server reads that before whatever is sent later."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = anyio.Event()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/claim"):
            request.extensions["trace"] = self._trace
        return await super().handle_async_request(request)

    async def _trace(self, name: str, _: object) -> None:
        if name.endswith("send_request_body.complete"):
            self.sent.set()


@pytest.mark.parametrize(
    ("number", "code", "backend"),
    [(signal.SIGTERM, 0, "trio"), (signal.SIGINT, 130, "asyncio")],
)
async def test_a_signal_ends_it_in_order(
    tmp_path: Path, number: signal.Signals, code: int, backend: str
) -> None:
    """Who waits for a task is answered, who follows a run hears the end, the run goes on later."""
    (tmp_path / "long.yaml").write_text("tasks: [{name: long, shell: sleep 300, stop: {grace: 0}}]")
    options = ("--grace", "0.2", "--backend", backend)
    with service(tmp_path, "flow.yaml", "long.yaml", options=options) as served:
        transport = Telling()
        async with Client(served.url, patience=0, transport=transport) as client:
            claimed: list[int] = []
            run = "the-run"

            async def claim() -> None:
                claimed.append(len(await client.claim_all(["none"], worker="w", wait=60)))

            async with anyio.create_task_group() as group:
                group.start_soon(claim)
                await transport.sent.wait()
                await client.start("long", run_id=run)
                events = client.events(run)
                async for event in events:
                    if event.kind == "attempt_started":
                        served.server.signal(number)
                        break
                await events.aclose()
            assert claimed == [0]
        assert await anyio.to_thread.run_sync(served.server.end) == code, served.server.text
        await anyio.to_thread.run_sync(served.start)
        async with Client(served.url) as client:
            again = await client.run(run)
            assert again.state == "running"
            assert (await client.cancel(run)).run == run
            assert (await client.result(run)).state == "cancelled"


@attrs.define
class Load:
    """What clients were answered while the server was restarted again and again."""

    started: set[str] = attrs.field(factory=set[str])
    done: dict[str, str] = attrs.field(factory=dict[str, str])
    ended: int = 0


async def _work(client: Client, name: str, load: Load, enough: anyio.Event) -> None:
    number = 0
    while not enough.is_set():
        number += 1
        run = await client.start("flow", key=f"{name}-{number}")
        load.started.add(run.run)
        async with client.claim("job", worker=name, wait=1, lease_seconds=60) as lease:
            if lease is not None:
                await lease.log(f"{name} does it")
                await lease.success(f"{name}-{number}")
                load.done[lease.run] = f"{name}-{number}"


async def _restart(served: Service, load: Load, number: signal.Signals) -> None:
    aim = len(load.done) + 15
    await until(lambda: len(load.done) >= aim)
    served.server.signal(number)
    await anyio.to_thread.run_sync(served.server.end)
    await anyio.to_thread.run_sync(served.start)


async def test_a_restart_under_load_loses_nothing_that_was_answered(tmp_path: Path) -> None:
    load, enough, numbers = Load(), anyio.Event(), list[int]()
    with service(tmp_path, "flow.yaml", options=("--grace", "1")) as served:
        async with Client(served.url) as client:
            followed = (await client.start("flow", run_id="followed")).run
            lease = (await client.claim_all(["job"], worker="slow", lease_seconds=120))[0]
            assert lease.run == followed

            async def follow() -> None:
                numbers.extend([event.number async for event in client.events(followed)])

            async with anyio.create_task_group() as group:
                group.start_soon(follow)
                for name in ("ann", "bob", "cleo"):
                    group.start_soon(_work, client, name, load, enough)
                for each in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
                    await _restart(served, load, each)
                # It was claimed four servers ago, and still is.
                await ClientLease(client.http, lease).success()
                enough.set()
            assert numbers == list(range(1, len(numbers) + 1))
            for run in load.started:
                found = await client.run(run)
                if run in load.done:
                    assert found.tasks["job"].state == "succeeded"
                    assert found.tasks["job"].output == load.done[run]
                    assert [line.text async for line in client.logs(run)] == [
                        f"{load.done[run].partition('-')[0]} does it"
                    ]
            assert (await client.runs()).total == len(load.started) + 1
            assert len(load.done) >= 45
