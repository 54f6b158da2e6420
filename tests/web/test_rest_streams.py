"""Server-sent events: nothing is missed and nothing comes twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import anyio
import pytest

from callboard import testing
from callboard.web import _streams
from callboard.workflow import TaskSpec, WorkflowSpec

from .service import LOAN, ONE, Said, Service, listening, serving


@pytest.fixture(params=testing.virtual_backends(), ids=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    """Beats come at once here."""
    return request.param


def numbers(said: Sequence[Said]) -> list[int]:
    return [int(each.id) for each in said if each.id is not None]


async def do(service: Service, *tasks: str) -> None:
    for task in tasks:
        await service.succeed(await service.one(labels=[task]))


async def test_a_run_is_followed_to_its_end(store: str) -> None:
    async with serving(store, LOAN) as service:
        run = await service.start("loan")
        app = service.engine.asgi(page=False)
        async with listening(app, f"/runs/{run}/events") as stream:
            assert (await stream.next()).event is None, "how long to wait before asking again"
            said = await stream.until("state")
            assert stream.status == 200
            assert [each.event for each in said] == ["run_created", "state"]
            assert said[0].data["number"] == int(said[0].id or 0) == 1
            state = said[-1].data
            assert state["run"]["run"] == run
            assert set(state["tasks"]) == {
                "open-loan-application",
                "review-credit",
                "review-assets",
                "send-email",
            }
            await do(service, "Open Loan Application")
            changed: dict[str, Any] = {}
            while changed.get("open-loan-application", {}).get("state") != "succeeded":
                said += await stream.until("state")
                changed |= said[-1].data["tasks"]
            assert changed["review-credit"]["state"] == "ready"
            assert "send-email" not in changed, "it is as it was"
            await do(service, "Review Credit", "Review Assets", "Send Email")
            said += await stream.until("end")
            assert await stream.is_over()
        assert said[-1].data["run"]["state"] == "succeeded"
        assert said[-2].event == "state"
        assert said[-2].data["run"]["state"] == "succeeded"
        events = (await service.get(f"/runs/{run}/events"))["items"]
        assert [each.data for each in said if each.id is not None] == events


@pytest.mark.parametrize("seen", [0, 1, 3, 5])
async def test_whoever_was_cut_off_goes_on_where_it_was(store: str, seen: int) -> None:
    async with serving(store, LOAN) as service:
        run = await service.start("loan")
        app = service.engine.asgi(page=False)
        await do(service, "Open Loan Application", "Review Credit")
        first: list[Said] = []
        async with listening(app, f"/runs/{run}/events") as stream:
            while len(numbers(first)) < seen:
                first.append(await stream.next())
        last = max(numbers(first), default=0)
        await do(service, "Review Assets")
        second: list[Said] = []
        headers = {"last-event-id": str(last)} if last else {}
        async with listening(app, f"/runs/{run}/events", headers=headers) as stream:
            second += await stream.until("state")
            assert len(second[-1].data["tasks"]) == 4, "all of it, to begin with"
            await do(service, "Send Email")
            second += await stream.until("end")
        version = (await service.get(f"/runs/{run}"))["version"]
        assert numbers(first) + numbers(second) == list(range(1, version + 1))
        # The header of a browser that comes again says more than the address that it had first.
        headers = {"last-event-id": str(version - 1)}
        async with listening(app, f"/runs/{run}/events?after=1", headers=headers) as stream:
            assert numbers(await stream.until("end")) == [version]


async def test_a_run_that_has_ended_is_told_whole(store: str) -> None:
    async with serving(store, ONE) as service:
        run = await service.start("one")
        await do(service, "work")
        app = service.engine.asgi(page=False)
        async with listening(app, f"/runs/{run}/events?after=10000") as stream:
            said = await stream.until("end")
            assert await stream.is_over()
        assert numbers(said) == []
        assert said[-2].data["tasks"]["work"]["state"] == "succeeded"


async def test_beats_come_while_nothing_happens(store: str) -> None:
    async with serving(store, ONE) as service:
        run = await service.start("one")
        app = service.engine.asgi(page=False)
        for path in (f"/runs/{run}/events", f"/runs/{run}/logs", "/events"):
            async with listening(app, path) as stream:
                said = await stream.next()
                while said.comment is None:
                    said = await stream.next()
                began = anyio.current_time()
                assert (await stream.next()).comment == "beat"
                assert 14 < anyio.current_time() - began < 17


async def test_logs_are_followed_and_taken_up_again(store: str) -> None:
    async with serving(store, ONE) as service:
        run = await service.start("one")
        lease = await service.one()
        app = service.engine.asgi(page=False)

        async def write(*numbers: int) -> None:
            for number in numbers:
                message = {"type": "log", "message": f"line {number}"}
                await service.say(lease["fence"], number, message)

        await write(1, 2)
        async with listening(app, f"/runs/{run}/logs") as stream:
            said = [*await stream.until("line"), *await stream.until("line")]
            await write(3)
            said += await stream.until("line")
        last = numbers(said)[-1]
        await write(4)
        headers = {"last-event-id": str(last)}
        async with listening(app, f"/runs/{run}/logs?task=work", headers=headers) as stream:
            said += await stream.until("line")
            await write(5)
            await service.succeed(lease)
            said += await stream.until("end")
            assert await stream.is_over()
        lines = [each for each in said if each.event == "line"]
        assert [each.data["text"] for each in lines] == [f"line {n}" for n in range(1, 6)]
        assert [each.data["number"] for each in lines] == numbers(said)


async def test_any_change_is_told_a_few_times_a_second(store: str) -> None:
    async with serving(store, ONE) as service:
        app = service.engine.asgi(page=False)
        async with listening(app, "/events") as stream:
            await stream.until("changed")
            began = anyio.current_time()
            await anyio.sleep(3)
            for _ in range(20):
                await service.start("one")
            await stream.until("changed")
            assert 3 <= anyio.current_time() - began <= 4


async def test_a_large_run_is_told_by_counts(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_streams, "TASKS_MAX", 3)
    flow = WorkflowSpec(
        name="wide", tasks=tuple(TaskSpec(id=f"t{n}", name=f"t{n}", kind="step") for n in range(4))
    )
    async with serving(store) as service:
        run = (await service.engine.start(flow)).id
        async with listening(service.engine.asgi(page=False), f"/runs/{run}/events") as stream:
            state = (await stream.until("state"))[-1].data
            assert state["counts"] == {"ready": 4}
            assert "tasks" not in state
            await do(service, "t0")
            state = (await stream.until("state"))[-1].data
            assert "t0" in state["tasks"], "what changes later is told one by one"


async def test_the_structure_changes_with_the_shape(store: str) -> None:
    text = "workflow: free\ntasks: [{name: plan, external: {grows: true}}]\n"
    async with serving(store, text) as service:
        run = await service.start("free")
        plan = await service.one()
        async with listening(service.engine.asgi(page=False), f"/runs/{run}/events") as stream:
            first = (await stream.until("state"))[-1].data["structure"]
            await service.say(plan["fence"], 0, {"type": "add_task", "name": "a", "external": {}})
            state = (await stream.until("state"))[-1].data
            assert state["structure"] != first
            assert state["tasks"]["plan/a-1"]["state"] in ("pending", "ready")


async def test_the_structure_stays_where_only_states_change(store: str) -> None:
    async with serving(store, LOAN) as service:
        run = await service.start("loan")
        async with listening(service.engine.asgi(page=False), f"/runs/{run}/events") as stream:
            said = await stream.until("state")
            await do(service, "Open Loan Application", "Review Credit", "Review Assets")
            tasks: dict[str, Any] = {}
            while tasks.get("review-assets", {}).get("state") != "succeeded":
                said += await stream.until("state")
                tasks |= said[-1].data["tasks"]
        assert len({each.data["structure"] for each in said if each.event == "state"}) == 1


async def test_streams_end_with_the_engine(store: str) -> None:
    import callboard as cb

    from .service import spec

    engine = cb.Engine(store, workflows=[spec(ONE)])
    app = engine.asgi(page=False)
    over: list[bool] = []
    began = 0.0
    async with anyio.create_task_group() as group:

        async def listen(path: str) -> None:
            async with listening(app, path) as stream:
                over.append(not await stream.is_over())

        async with engine:
            run = (await engine.start("one")).id
            for path in (f"/runs/{run}/events", f"/runs/{run}/logs", "/events"):
                group.start_soon(listen, path)
            await anyio.sleep(1)
            began = anyio.current_time()
    assert len(over) == 3
    assert anyio.current_time() - began < 2


@pytest.mark.parametrize("given", ["x", "-1", "1.5", "99999999999999999999"])
@pytest.mark.parametrize("what", ["events", "logs"])
async def test_a_last_event_id_that_is_none(given: str, what: str) -> None:
    async with serving("memory:", ONE) as service:
        run = await service.start("one")
        headers = {"accept": "text/event-stream", "last-event-id": given}
        problem = await service.get(f"/runs/{run}/{what}", headers=headers, status=400)
        assert "Last-Event-ID must be the number of an event" in problem["detail"]


@pytest.mark.parametrize("what", ["events", "logs"])
async def test_a_stream_of_nothing(what: str) -> None:
    async with serving("memory:", ONE) as service:
        headers = {"accept": "text/event-stream"}
        await service.get(f"/runs/nowhere/{what}", headers=headers, status=404)


@pytest.mark.parametrize("path", ["/runs/r/events", "/runs/r/logs", "/events"])
async def test_a_token_that_is_removed_reads_nothing_more(store: str, path: str) -> None:
    async with serving(store, ONE, grace=0) as service:
        tokens = service.engine.registry.tokens
        secret = await tokens.add("reader", ["view"])
        await service.engine.start("one", run_id="r")
        app = service.engine.asgi(page=False)
        headers = {"authorization": f"Bearer {secret}"}
        async with listening(app, path, headers=headers) as stream:
            await stream.next()
            await tokens.remove("reader")
            await anyio.sleep(2)
            async with service.engine.claim() as lease:
                assert lease is not None
                await lease.log("a secret of the bank")
                await lease.success("another one")
            with anyio.fail_after(30):
                told = await stream.rest()
            assert stream.status == 200
        assert "secret" not in told
        assert "succeeded" not in told
        async with listening(app, path, headers=headers) as stream:
            assert "urn:callboard:unauthorized" in await stream.rest()
            assert stream.status == 401


async def test_a_change_of_the_oldest_of_many_runs_is_told(store: str) -> None:
    async with serving(store, ONE, grace=0) as service:
        oldest = await service.start("one")
        for _ in range(250):
            await service.engine.start("one")
        async with listening(service.engine.asgi(page=False), "/events") as stream:
            await anyio.sleep(5)
            stream.forget()
            began = anyio.current_time()
            await service.post(f"/runs/{oldest}/pause")
            await stream.until("changed")
            assert anyio.current_time() - began < 1


async def test_what_others_have_written_is_told(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = 1

    async def wait_changed(seen: int) -> int:
        if seen == number:
            await anyio.sleep_forever()
        return number

    async with serving(store, ONE, grace=0) as service:
        monkeypatch.setattr(service.engine.store, "wait_changed", wait_changed)
        async with listening(service.engine.asgi(page=False), "/events") as stream:
            await stream.until("changed")
            await anyio.sleep(5)
            number += 1
            began = anyio.current_time()
            await stream.until("changed")
            assert anyio.current_time() - began < 3
            assert (await stream.next()).comment == "beat", "that was all"
