"""The board over REST: what is on it, and who gets what."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import AsyncGenerator
from typing import Any, TypeAlias

import anyio
import msgspec
import pytest

import callboard as cb
from callboard import testing
from callboard.storage import open_store
from callboard.workflow import StoreError

from .conftest import within
from .service import LOAN, ONE, Service, listening, serving, spec

MANY = """
workflow: many
pools: {blue: 5, red: 5}
tasks:
  - {name: a, priority: 1, pool: blue}
  - {name: b, priority: 3}
  - {name: c, priority: 2, pool: red}
  - {name: d, priority: 2, pool: blue}
"""


@pytest.fixture(params=testing.virtual_backends(), ids=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    """Waits take no time here."""
    return request.param


def tasks(leases: list[Any]) -> list[str]:
    return [each["task"] for each in leases]


async def test_the_board_is_listed_in_parts_the_next_one_first(store: str) -> None:
    async with serving(store, MANY) as service:
        await service.start("many", run_id="r")
        page = await service.get("/board")
        assert tasks(page["items"]) == ["b", "c", "d", "a"]
        assert page["total"] == 4
        first = page["items"][0]
        assert (first["run"], first["workflow"], first["priority"]) == ("r", "many", 3)
        part = await service.get("/board?limit=2&offset=1")
        assert (tasks(part["items"]), part["total"]) == (["c", "d"], 4)
        found = await service.get("/board?label=a&label=c&label=zzz")
        assert (tasks(found["items"]), found["total"]) == (["c", "a"], 2)
        assert (await service.get("/board?topic=t"))["total"] == 0
        assert (await service.get("/board?job=j"))["total"] == 0
        await service.claim(max=3)
        assert tasks((await service.get("/board"))["items"]) == ["a"]


async def test_a_claim_carries_all_that_a_worker_needs(store: str) -> None:
    async with serving(store, LOAN) as service:
        run = await service.start("loan", inputs={"amount": 5})
        first = await service.one(worker="ann", lease=30)
        assert (first["run"], first["workflow"], first["worker"]) == (run, "loan", "ann")
        assert (first["label"], first["task"]) == ("Open Loan Application", "open-loan-application")
        assert (first["run_inputs"], first["needs"], first["earlier"]) == ({"amount": 5.0}, {}, {})
        assert (first["lease"], first["attempt"], first["generation"], first["do"]) == (
            30.0,
            1,
            1,
            None,
        )
        await service.succeed(first, {"id": 8})
        second = await service.one(labels=["Review Credit"])
        assert second["needs"]["open-loan-application"]["output"] == {"id": 8}
        await service.succeed(second, 700)
        await service.succeed(await service.one())
        last = await service.one()
        assert list(last["earlier"]) == ["open-loan-application", "review-credit", "review-assets"]
        assert last["earlier"]["review-credit"] == {"label": "Review Credit", "output": 700}
        assert await service.get(f"/leases/{last['fence']}") == last


async def test_claims_by_label_pool_topic_and_job(store: str) -> None:
    async with serving(store, MANY) as service:
        await service.start("many")
        assert await service.claim(labels=["zzz"], wait=0) == []
        assert await service.claim(labels=[], wait=0) == []
        assert await service.claim(topic="t", wait=0) == []
        assert await service.claim(job="j", wait=0) == []
        assert tasks(await service.claim(pools=["blue"], max=5)) == ["d", "a"]
        assert tasks(await service.claim(labels=["b", "c"], pools=["red"], max=5)) == ["c"]
        tree = service.engine.tree
        await tree.start(spec(ONE), None, run_id="other", topic="t", job=None)
        (lease,) = await service.claim(topic="t", max=5)
        assert (lease["run"], lease["topic"]) == ("other", "t")


async def test_a_whole_number_may_be_written_with_a_point(store: str) -> None:
    async with serving(store, MANY) as service:
        await service.start("many")
        assert tasks(await service.claim(max=2.0)) == ["b", "c"]


async def test_no_more_are_claimed_than_asked_for(store: str) -> None:
    async with serving(store, MANY) as service:
        await service.start("many")
        assert tasks(await service.claim(max=2)) == ["b", "c"]
        assert tasks(await service.claim(max=100)) == ["d", "a"]


async def test_a_wait_that_is_over_gives_nothing(store: str) -> None:
    async with serving(store, ONE) as service:
        began = anyio.current_time()
        assert await service.claim(wait=30) == []
        assert 30 <= anyio.current_time() - began < 31
        began = anyio.current_time()
        assert await service.claim(wait=0) == []
        assert anyio.current_time() - began < 1


async def test_a_waiting_worker_hears_of_what_comes(store: str) -> None:
    got: list[Any] = []

    async with serving(store, ONE) as service, anyio.create_task_group() as group:

        async def work() -> None:
            got.extend(await service.claim(wait=60))
            assert anyio.current_time() - began < 21

        began = anyio.current_time()
        group.start_soon(work)
        await anyio.sleep(20)
        assert not got
        await service.start("one", run_id="late")
    assert [lease["run"] for lease in got] == ["late"]


async def test_no_two_workers_get_the_same_task(store: str) -> None:
    names = [f"t{number}" for number in range(40)]
    text = "workflow: wide\ntasks: [" + ", ".join(f"{{name: {name}}}" for name in names) + "]"
    got: Counter[str] = Counter()

    async with serving(store, text) as service:
        run = await service.start("wide")

        async def work(number: int) -> None:
            while leases := await service.claim(worker=f"w{number}", max=1 + number % 3, wait=1):
                for lease in leases:
                    got[lease["task"]] += 1
                    await service.succeed(lease, number)

        async with anyio.create_task_group() as group:
            for number in range(6):
                group.start_soon(work, number)
        assert (await service.get(f"/runs/{run}"))["state"] == "succeeded"
    assert got == Counter(names)


async def test_a_worker_that_hung_up_gets_nothing_and_loses_nothing(store: str) -> None:
    async with serving(store, ONE) as service:
        app = service.engine.asgi(page=False)
        body = msgspec.json.encode({"worker": "gone", "wait": 60})
        json = {"content-type": "application/json"}
        async with listening(app, "/board/claim", headers=json, body=body):
            await anyio.sleep(5)
        run = await service.start("one")
        lease = await service.one(worker="here")
        assert (lease["run"], lease["worker"], lease["attempt"]) == (run, "here", 1)


async def test_a_task_claimed_as_its_worker_hung_up_goes_back_at_once(store: str) -> None:
    async with serving(store, ONE) as service:
        app = service.engine.asgi(page=False)
        body = msgspec.json.encode({"worker": "gone", "wait": 60, "lease": 3600})
        json = {"content-type": "application/json"}
        async with listening(app, "/board/claim", headers=json, body=body) as listener:
            await anyio.sleep(1)
            await service.engine.start("one")
            listener.hang_up()
        began = anyio.current_time()
        lease = await service.one(worker="here", wait=60)
        assert lease["worker"] == "here"
        assert anyio.current_time() - began < 5, "and not when the lease is over"


@pytest.mark.parametrize(
    ("fields", "errors"),
    [
        ({"worker": ""}, ["worker must not be empty"]),
        ({"wait": -1}, ["wait must be from 0 to 60, not -1"]),
        ({"wait": 61, "max": 0, "lease": 0.5}, ["wait", "max", "lease"]),
        ({"max": 101}, ["max must be from 1 to 100, not 101"]),
        ({"max": 1.5}, ["max"]),
        ({"max": True}, ["max"]),
        ({"labels": "a"}, ["labels"]),
        ({"labels": [1, "a", None]}, ["labels[0]", "labels[2]"]),
        ({"wait": "1"}, ["wait"]),
        ({"worker": "a\0b"}, ["worker"]),
        ({"colour": "red", "workr": "x"}, ["colour", "workr"]),
    ],
)
async def test_claims_that_are_wrong(fields: dict[str, Any], errors: list[str]) -> None:
    async with serving("memory:", ONE) as service:
        await service.start("one")
        problem = await service.post("/board/claim", {"worker": "w", **fields}, status=400)
        assert len(problem["errors"]) == len(errors)
        for each in errors:
            assert each in problem["detail"]
        assert (await service.get("/board"))["total"] == 1


async def test_silence_loses_a_lease_and_a_late_word_is_refused(store: str) -> None:
    async with serving(store, ONE) as service:
        run = await service.start("one")
        first = await service.one(worker="slow", lease=10)
        for number in range(3):
            await anyio.sleep(8)
            await service.say(first["fence"], number, {"type": "heartbeat"})
        second = await service.one(worker="next", wait=60)
        assert (second["task"], second["attempt"]) == ("work", 2)
        assert second["key"] == first["key"], "the outside world sees one piece of work"
        problem = await service.say(first["fence"], 9, {"type": "success"}, status=409)
        assert problem["type"] == "urn:callboard:stale"
        await service.get(f"/leases/{first['fence']}", status=409)
        await service.succeed(second, "mine")
        shown = await service.get(f"/runs/{run}/tasks/work")
        assert (shown["output"], shown["attempts"]) == ("mine", 2)


async def test_every_word_keeps_a_lease_alive(store: str) -> None:
    async with serving(store, ONE) as service:
        await service.start("one")
        lease = await service.one(lease=10)
        words = ({"type": "log", "message": "x"}, {"type": "progress"}, {"type": "heartbeat"})
        for number, word in enumerate(words):
            await anyio.sleep(9)
            await service.say(lease["fence"], number, word)
        await anyio.sleep(9)
        await service.succeed(lease)


async def test_a_cancelled_run_refuses_its_workers_next_word(store: str) -> None:
    async with serving(store, ONE) as service:
        run = await service.start("one")
        lease = await service.one()
        await service.post(f"/runs/{run}/cancel")
        await (await service.engine.get(run)).result()
        problem = await service.say(lease["fence"], 0, {"type": "progress"}, status=409)
        assert problem["type"] == "urn:callboard:stale"
        assert (await service.get("/board"))["total"] == 0


async def test_a_released_task_is_on_the_board_again(store: str) -> None:
    async with serving(store, ONE) as service:
        await service.start("one")
        lease = await service.one(worker="a")
        said = await service.say(lease["fence"], 0, {"type": "release"})
        assert (said["results"], said["closed"]) == ([{"ok": True}], True)
        again = await service.one(worker="b", wait=10)
        assert (again["task"], again["worker"]) == ("work", "b")
        await service.succeed(again)


async def test_a_failed_task_is_retried_as_its_definition_says(store: str) -> None:
    text = "workflow: w\ntasks: [{name: work, retry: {times: 1, delay: 5s, jitter: false}}]"
    async with serving(store, text) as service:
        run = await service.start("w")
        error = {"type": "error", "message": "no luck", "kind": "weather"}
        await service.say((await service.one())["fence"], 0, error)
        assert await service.claim(wait=1) == []
        again = await service.one(wait=30)
        assert again["attempt"] == 2
        await service.say(again["fence"], 0, error)
        shown = await service.get(f"/runs/{run}")
        assert shown["state"] == "failed"
        assert shown["tasks"]["work"]["error"]["message"] == "no luck"


async def test_claims_end_when_the_engine_closes(store: str) -> None:
    got: list[Any] = []
    engine = cb.Engine(store)
    async with within(engine) as client, anyio.create_task_group() as group:
        service = Service(engine, client)

        async def work() -> None:
            got.append(await service.claim(wait=60))
            got.append(anyio.current_time() - began)

        async with engine:
            began = anyio.current_time()
            group.start_soon(work)
            await anyio.sleep(5)
    assert got[0] == []
    assert 5 <= got[1] < 6


Failing: TypeAlias = tuple[testing.FaultyStore, Service]


@pytest.fixture
async def failing(store: str, caplog: pytest.LogCaptureFixture) -> AsyncGenerator[Failing]:
    """Give a service whose commits can be made to fail."""
    faulty = testing.FaultyStore(open_store(store), mode="persistent", only=["commit"])
    with caplog.at_level(logging.CRITICAL, "callboard"):
        async with cb.Engine(faulty, workflows=[spec(ONE)]) as engine, within(engine) as client:
            yield faulty, Service(engine, client)


async def test_a_claim_that_cannot_be_stored_is_none_and_is_offered_again_with_its_run(
    failing: Failing,
) -> None:
    faulty, service = failing
    run = await service.start("one")
    faulty.calls, faulty.fail_on = [], 1
    assert await service.claim(wait=0) == []
    faulty.heal()
    await service.engine.resume(run)
    lease = await service.one()
    assert lease["run"] == run
    await service.succeed(lease)


async def test_what_was_claimed_before_a_store_failed_is_given(failing: Failing) -> None:
    faulty, service = failing
    runs = [await service.start("one") for _ in range(3)]
    faulty.calls, faulty.fail_on = [], 2
    (lease,) = await service.claim(max=3)
    assert lease["run"] == runs[0]
    faulty.heal()
    await service.succeed(lease)


async def bearer(service: Service, name: str, role: str, owner: str | None = None) -> Any:
    """Make a token and return the headers that say it."""
    secret = await service.engine.registry.tokens.add(name, [role], owner)
    return {"authorization": f"Bearer {secret}"}


async def test_a_worker_whose_token_is_removed_while_it_waits_gets_nothing(store: str) -> None:
    answers: list[int] = []
    async with serving(store, ONE, grace=0) as service, anyio.create_task_group() as group:
        tokens = service.engine.registry.tokens
        headers = await bearer(service, "w", "worker")
        await bearer(service, "other", "worker")

        async def wait() -> None:
            asked = {"worker": "w", "wait": 60}
            answer = await service.answer("POST", "/board/claim", asked, headers=headers)
            answers.append(answer.status_code)

        group.start_soon(wait)
        await anyio.sleep(2)
        await tokens.remove("w")
        await anyio.sleep(1)
        await service.engine.start("one")
        await anyio.sleep(1)
        assert answers == [401]
        assert [offer.lease.task for offer in service.engine.board()] == ["work"]
        group.start_soon(wait)
        await anyio.sleep(1)
        assert answers == [401, 401]


async def test_a_worker_whose_token_is_removed_waits_no_longer(store: str) -> None:
    async with serving(store, ONE, grace=0) as service, anyio.create_task_group() as group:
        headers = await bearer(service, "w", "worker")
        await bearer(service, "other", "worker")

        async def remove() -> None:
            await anyio.sleep(3)
            await service.engine.registry.tokens.remove("w")

        group.start_soon(remove)
        began = anyio.current_time()
        asked = {"worker": "w", "wait": 60}
        await service.post("/board/claim", asked, headers=headers, status=401)
        assert anyio.current_time() - began < 10


async def test_a_label_that_goes_to_others_while_a_worker_waits_is_theirs(store: str) -> None:
    got: dict[str, list[str]] = {}
    async with serving(store, MANY, grace=0) as service, anyio.create_task_group() as group:
        owners = service.engine.registry.owners
        await owners.create("ours", labels=["a"])
        await owners.create("theirs")

        async def wait(owner: str) -> None:
            got[owner] = tasks(await service.claim(owner=owner, wait=30, max=10))

        group.start_soon(wait, "ours")
        group.start_soon(wait, "theirs")
        await anyio.sleep(0.5)
        await owners.change("ours", 1, labels=["b"])
        await owners.change("theirs", 1, labels=["a"])
        await anyio.sleep(2)
        await service.start("many")
        await anyio.sleep(10)
        assert got == {"ours": ["b"], "theirs": ["a"]}
        left = [offer.lease.task for offer in service.engine.board()]
        assert left == ["c", "d"]


async def test_a_store_that_fails_while_a_worker_waits_is_503(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(store, ONE, grace=0) as service:

        async def broken(*_: Any, **__: Any) -> Any:
            raise StoreError("the disk is full")

        monkeypatch.setattr(service.engine.tree.board, "claim", broken)
        problem = await service.post("/board/claim", {"worker": "w"}, status=503)
        assert problem["detail"] == "the disk is full"
