"""The client against a server on a port: every word, every refusal, on both backends."""

from __future__ import annotations

from typing import Any

import anyio
import httpx2
import pytest

import callboard as cb
from callboard.client import Client, ClientLease, Denied, Unreachable
from callboard.definitions import loads
from callboard.workflow import RunExists

from .conftest import FLOW, Served
from .processes import until


async def test_a_run_from_its_start_to_its_end(served: Served) -> None:
    async with served() as client:
        run = (await client.start("demo", {"amount": 5}, topic="loans")).run
        assert [each.label for each in (await client.board()).items] == ["Open"]
        async with client.claim(["Open"], worker="ann") as lease:
            assert lease is not None
            assert (lease.run, lease.task, lease.label, lease.attempt) == (run, "open", "Open", 1)
            assert (lease.inputs, lease.run_inputs) == ({"amount": 5}, {"amount": 5})
            assert lease.key == f"{run}:open:1"
            await lease.progress(0.5, "half way", {"colour": "red"})
            await lease.log("hello")
            view = await client.task(run, "open")
            assert (view.worker, view.data["colour"]) == ("ann", "red")
            await lease.success({"n": 1})
            assert lease.closed
        waiting = await client.task(run, "ask")
        assert waiting.wait is not None
        assert waiting.wait.message == "Good?"
        with pytest.raises(cb.CallboardError, match="boolean"):
            await client.answer(run, "ask", "no boolean")
        await client.answer(run, "ask", value=True)
        async with client.claim("Close", wait=10) as lease:
            assert lease is not None
            assert lease.needs["ask"].output is True
            assert lease.earlier["open"].output == {"n": 1}
            await lease.success()
        result = (await client.result(run)).raise_for_state()
        assert result.order == ("open", "ask", "close")
        assert result.tasks["open"].output == {"n": 1}
        lines = [(each.task, each.stream, each.text) async for each in client.logs(run)]
        assert lines == [("open", "progress", "half way"), ("open", "log", "hello")]
        assert (await client.picture(run, "dot")).startswith(b"digraph")
        assert (await client.runs(topic="loans")).total == 1
        page = await client.runs(limit=1)
        assert (len(page.items), page.next_offset) == (1, None)


async def test_acts_on_runs(served: Served) -> None:
    async with served() as client:
        first = await client.start("demo", run_id="r", key="k")
        assert (await client.start("demo", key="k")).run == "r"
        with pytest.raises(cb.Refused, match="k"):
            await client.start("demo", key="k", on_existing="fail")
        with pytest.raises(RunExists):
            await client.start("demo", run_id="r")
        assert (await client.pause("r")).paused
        with pytest.raises(cb.Refused) as caught:
            await client.unpause("r", expected=first.version)
        assert caught.value.kind == "version"
        assert not (await client.unpause("r")).paused
        await client.promise("r", "no new tasks")
        with pytest.raises(cb.PromiseRefused):
            await client.promise("r", "at most 0 Open")
        await client.settle("r", "open", "succeeded", 4)
        assert (await client.task("r", "open")).output == 4
        await client.restart("r", "open")
        assert (await client.task("r", "open")).generation == 2
        reasons = await client.why("r", "ask")
        assert reasons
        assert (await client.cancel("r", "enough")).reason == "enough"
        assert (await client.result("r")).state == "cancelled"


async def test_what_is_refused_is_raised_as_the_engine_raises_it(served: Served) -> None:
    async with served() as client:
        run = (await client.start("demo")).run
        with pytest.raises(cb.UnknownRun):
            await client.run("none")
        with pytest.raises(cb.Refused, match="none"):
            await client.task(run, "none")
        with pytest.raises(cb.CallboardError, match="amount"):
            await client.start("demo", {"amount": "much"})
        with pytest.raises(cb.DefinitionError) as caught:
            await client.upload("tasks: [{name: A, needs: [B]}, {name: C, needs: [D]}]")
        assert len(caught.value.errors) == 2
        with pytest.raises(Denied):
            await client.delete(run)
        async with Client(client.http.url, token="wrong") as stranger:
            with pytest.raises(Denied, match="token"):
                await stranger.runs()


async def test_definitions_are_uploaded_and_listed(served: Served) -> None:
    async with served() as client:
        uploaded = await client.upload("workflow: other\ntasks: [{name: A}, {name: B}]")
        assert (uploaded.name, uploaded.tasks) == ("other", 2)
        names = {each.name for each in (await client.workflows()).items}
        assert names == {"demo", "other"}
        assert (await client.workflow("other")).definition is not None
        assert (await client.start("other")).workflow == "other"


async def test_a_lease_changes_the_graph(served: Served) -> None:
    async with served() as client:
        run = (await client.start("demo")).run
        async with client.claim("Open") as lease:
            assert lease is not None
            async with lease.batch():
                first = await lease.add("Close", key="one", amount=1)
                await lease.add("Close", key="two", amount=first)
            hole = await lease.hole("Close*", after=[first])
            assert any(place.startswith(hole.id) for place in lease.holes)
            await lease.close(hole)
            with pytest.raises(cb.PromiseRefused):
                await lease.promise("at most 1 Close")
            await lease.success()
        tasks = (await client.run(run)).tasks
        assert tasks["open/two"].needs == ("open/one",)
        async with client.claim("Close") as one:
            assert one is not None
            assert (one.task, one.inputs) == ("open/one", {"amount": 1})
            await one.success({"given": 1})
        async with client.claim("Close") as two:
            assert two is not None
            assert two.inputs == {"amount": {"given": 1}}


async def test_a_block_that_is_left_without_a_word_gives_the_task_back(served: Served) -> None:
    async with served() as client:
        run = (await client.start("demo")).run
        async with client.claim("Open") as lease:
            assert lease is not None
        assert (await client.task(run, "open")).state == "ready"
        with pytest.raises(ZeroDivisionError):
            await _fail_in_a_claim(client, ZeroDivisionError("oh"))
        task = await client.task(run, "open")
        assert task.state == "failed"
        assert task.error is not None
        assert task.error.message == "ZeroDivisionError: oh"
        async with client.claim("Open") as lease:
            assert lease is None


async def _fail_in_a_claim(client: Client, error: Exception) -> None:
    async with client.claim("Open"):
        raise error


async def test_what_is_no_unicode_can_be_told_of_a_claim(served: Served) -> None:
    async with served() as client:
        run = (await client.start("demo")).run
        async with client.claim("Open") as lease:
            assert lease is not None
            await lease.log("opening caf\udce9.txt")
            await lease.progress(0.5, "reading caf\udce9.txt")
        with pytest.raises(FileNotFoundError):
            await _fail_in_a_claim(client, FileNotFoundError("caf\udce9.txt"))
        error = (await client.task(run, "open")).error
        assert error is not None
        assert error.message == r"FileNotFoundError: caf\udce9.txt"
        lines = [each.text async for each in client.logs(run)]
        assert lines == [r"opening caf\udce9.txt", r"reading caf\udce9.txt"]


async def test_a_task_that_is_cancelled_cancels_the_block(served: Served) -> None:
    async with served() as client:
        run = (await client.start("demo")).run
        with pytest.raises(cb.StaleFence):
            await _cancel_in_a_claim(client, run)


async def _cancel_in_a_claim(client: Client, run: str) -> None:
    async with client.claim("Open", lease_seconds=1):
        await client.cancel(run)
        await anyio.sleep_forever()


async def test_a_lease_is_renewed_while_its_block_is_entered(served: Served) -> None:
    async with served() as client:
        run = (await client.start("demo")).run
        async with client.claim("Open", lease_seconds=1) as lease:
            assert lease is not None
            heard = lease._speaker._said_at
            await until(lambda: lease._speaker._said_at >= heard + 1.5)
            await lease.success()
        assert (await client.task(run, "open")).state == "succeeded"


async def test_somebody_who_waits_for_a_task_gets_it_when_it_comes(served: Served) -> None:
    async with served() as client, anyio.create_task_group() as group:
        got: list[str] = []

        async def claim() -> None:
            async with client.claim("Open", wait=30) as lease:
                assert lease is not None
                got.append(lease.run)
                await lease.success()

        group.start_soon(claim)
        await anyio.wait_all_tasks_blocked()
        run = (await client.start("demo")).run
        async for event in client.events(run):
            if event.kind == "task_settled":
                break
        assert got == [run]


async def test_a_server_that_is_away_is_waited_for_and_then_given_up() -> None:
    async with Client("http://127.0.0.1:1", patience=0.3) as client:
        began = anyio.current_time()
        with pytest.raises(Unreachable, match="cannot be reached"):
            await client.runs()
        assert anyio.current_time() - began < 5


class Breaking(httpx2.AsyncBaseTransport):
    """Loses answers that the server has given, or parts of them."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self.inner = inner
        self.lose = 0
        self.asked: list[httpx2.Request] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        response = await self.inner.handle_async_request(request)
        if self.lose:
            self.lose -= 1
            await response.aclose()
            raise httpx2.ReadError("the connection broke", request=request)
        return response


async def test_what_was_answered_and_not_heard_is_done_once(served: Served) -> None:
    async with served() as near:
        broken = Breaking(httpx2.AsyncHTTPTransport())
        async with broken.inner, Client(near.http.url, transport=broken) as client:
            run = (await client.start("demo")).run
            async with client.claim("Open") as lease:
                assert isinstance(lease, ClientLease)
                broken.lose = 2
                await lease.add("Close", key="one")
                broken.lose = 1
                await lease.log("once")
                broken.lose = 1
                await lease.success(1)
            assert broken.lose == 0
            assert len((await client.run(run)).tasks) == 4
            await client.cancel(run)
            assert [line.text async for line in client.logs(run)] == ["once"]
            broken.lose = 1
            with pytest.raises(Unreachable, match="broke"):
                await client.start("demo")  # it may have begun: it is not begun twice
            assert (await client.runs()).total == 2


class Proxy(httpx2.AsyncBaseTransport):
    """Passes requests on, and says in place of some answers that it waited in vain."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self.inner = inner
        self.instead: list[httpx2.Response] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self.inner.handle_async_request(request)
        if not self.instead:
            return response
        await response.aclose()
        return self.instead.pop()


@pytest.mark.parametrize("status", [502, 503, 504])
async def test_what_a_proxy_waited_for_in_vain_is_not_begun_twice(
    served: Served, status: int
) -> None:
    async with served() as near:
        proxy = Proxy(httpx2.AsyncHTTPTransport())
        async with proxy.inner, Client(near.http.url, transport=proxy) as client:
            proxy.instead = [httpx2.Response(status, text="Gateway") for _ in range(3)]
            with pytest.raises(Unreachable, match=f"{status}; whether it was done is not known"):
                await client.start("demo")
            assert len(proxy.instead) == 2
            assert (await client.runs()).total == 1
            assert not proxy.instead, "what only looks is asked again"
            proxy.instead = [httpx2.Response(status)]
            await client.start("demo", key="k")
            assert (await client.runs()).total == 2


@pytest.mark.parametrize(("status", "kind"), [(429, "rate"), (503, "closed")])
async def test_what_was_not_done_is_asked_for_again(status: int, kind: str) -> None:
    asked: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.url.path)
        if len(asked) == 1:
            return httpx2.Response(status, json={"type": f"urn:callboard:{kind}"})
        return httpx2.Response(200, json={"state": "running", "paused": True})

    async with Client("http://away", transport=httpx2.MockTransport(answer)) as client:
        await client.http.call("POST", "/api/v1/runs/r/pause")
    assert asked == ["/api/v1/runs/r/pause"] * 2


class Cutting:
    """An application whose streams of events break off after a few of them."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.cuts = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        sent = 0

        async def few(message: Any) -> None:
            nonlocal sent
            sent += scope.get("path", "").endswith("/events")
            if sent == 6:
                self.cuts += 1
                raise OSError("the connection broke")
            await send(message)

        await self.app(scope, receive, few)


async def test_events_go_on_where_the_connection_broke(served: Served) -> None:
    cutting: list[Cutting] = []

    def wrap(app: Any) -> Cutting:
        cutting.append(Cutting(app))
        return cutting[0]

    async with served(wrap=wrap) as client:
        run = (await client.start("demo")).run
        await client.settle(run, "open", "succeeded")
        await client.answer(run, "ask", value=True)
        await client.settle(run, "close", "succeeded")
        numbers = [event.number async for event in client.events(run)]
        assert numbers == list(range(1, len(numbers) + 1))
        assert cutting[0].cuts > 1


async def test_a_client_within_the_process_of_its_engine() -> None:
    async with cb.Engine("memory:", workflows=[loads(FLOW)], grace=0) as engine:
        transport = httpx2.ASGITransport(engine.asgi(page=False), client=("127.0.0.1", 1))
        async with Client("http://localhost", transport=transport) as client:
            assert (await client.status())["engine"] == engine.tree.id
