"""Runs over REST: start, look, act."""

from __future__ import annotations

from typing import Any

import pytest

from .service import LOAN, ONE, Service, serving, spec

TYPED = """
workflow: typed
inputs:
  amount: {type: number}
  name: {type: string}
tasks: [{name: work}]
"""

INSTANT = """
workflow: instant
tasks:
  - {name: nap, sleep: 0}
"""


async def ended(service: Service, run: str) -> Any:
    return await (await service.engine.get(run)).result()


async def test_a_run_is_started_shown_and_done(store: str) -> None:
    async with serving(store, LOAN) as service:
        response = await service.answer(
            "POST", "/runs", {"workflow": "loan", "inputs": {"amount": 7}, "run_id": "first"}
        )
        assert response.status_code == 201
        assert response.headers["location"] == "/api/v1/runs/first"
        item = response.json()
        assert (item["run"], item["workflow"], item["state"]) == ("first", "loan", "running")
        for task, output in (
            ("Open Loan Application", {"id": 1}),
            ("Review Credit", None),
            ("Review Assets", "ok"),
            ("Send Email", None),
        ):
            await service.succeed(await service.one(labels=[task]), output)
        assert (await ended(service, "first")).state == "succeeded"
        run = await service.get("/runs/first")
        assert run["inputs"] == {"amount": 7.0}
        assert run["tasks"]["open-loan-application"]["output"] == {"id": 1}
        assert run["tasks"]["send-email"]["needs"] == ["review-credit", "review-assets"]
        assert run["progress"] == {"percent": 100, "done": 4, "known": 4, "may_grow": False}
        brief = await service.get("/runs/fir?brief=true")
        assert "tasks" not in brief
        assert brief["state"] == "succeeded"


async def test_all_wrong_inputs_are_told_at_once(store: str) -> None:
    async with serving(store, TYPED) as service:
        problem = await service.post(
            "/runs",
            {"workflow": "typed", "inputs": {"amount": "much", "colour": 1}},
            status=400,
        )
        assert problem["type"] == "urn:callboard:usage"
        assert len(problem["errors"]) == 3
        told = "\n".join(problem["errors"])
        for name in ("amount", "colour", "name"):
            assert name in told
        assert (await service.get("/runs"))["total"] == 0


async def test_all_that_is_wrong_in_a_body_is_told_at_once(store: str) -> None:
    async with serving(store, ONE) as service:
        body = {"inputs": [], "topic": 3, "on_existing": "perhaps", "colour": "red"}
        problem = await service.post("/runs", body, status=400)
        assert problem["type"] == "urn:callboard:invalid"
        told = problem["errors"]
        assert "workflow is missing" in told
        assert any("'topic' must be text" in each for each in told)
        assert any("'inputs' must be an object" in each for each in told)
        assert any("unknown key 'colour'" in each for each in told)
        assert any("on_existing" in each for each in told)
        assert len(told) == 5


@pytest.mark.parametrize("body", [b"[]", b'"text"', b"1", b"null"])
async def test_a_body_must_be_an_object(body: bytes) -> None:
    async with serving("memory:", ONE) as service:
        response = await service.client.post(
            "/api/v1/runs", content=body, headers={"content-type": "application/json"}
        )
        assert response.status_code == 400
        assert response.json()["detail"] == "the body must be a JSON object"


async def test_an_id_that_is_taken_is_refused(store: str) -> None:
    async with serving(store, ONE) as service:
        await service.start("one", run_id="mine")
        body = {"workflow": "one", "run_id": "mine"}
        response = await service.answer("POST", "/runs", body)
        assert response.status_code in (400, 409)
        assert "mine" in response.json()["detail"]
        assert (await service.get("/runs"))["total"] == 1


async def test_a_workflow_that_nobody_knows(store: str) -> None:
    async with serving(store, ONE) as service:
        response = await service.answer("POST", "/runs", {"workflow": "oen"})
        assert response.status_code in (400, 404)
        assert "'oen'" in response.json()["detail"]
        assert "one" in response.json()["detail"]


async def test_lists_have_true_totals_whatever_part_is_asked_for(store: str) -> None:
    async with serving(store, ONE, INSTANT) as service:
        for number in range(5):
            await service.start("one", run_id=f"alpha-{number}")
        for number in range(3):
            await ended(service, await service.start("instant", run_id=f"beta-{number}"))
        page = await service.get("/runs?limit=2&offset=4")
        assert (page["total"], page["limit"], page["offset"]) == (8, 2, 4)
        assert len(page["items"]) == 2
        every = [
            item["run"]
            for offset in range(0, 8, 3)
            for item in (await service.get(f"/runs?limit=3&offset={offset}"))["items"]
        ]
        assert len(every) == len(set(every)) == 8
        assert every[0] == "beta-2", "newest first"
        assert (await service.get("/runs?offset=100"))["items"] == []
        assert (await service.get("/runs?offset=100"))["total"] == 8
        for query, total in (
            ("state=succeeded", 3),
            ("state=running", 5),
            ("state=running&state=succeeded", 8),
            ("state=failed", 0),
            ("workflow=one", 5),
            ("workflow=on", 0),
            ("search=alpha", 5),
            ("search=beta-1", 1),
            ("search=instant", 3),
            ("search=%25", 0),
            ("search=_", 0),
            ("workflow=one&state=succeeded", 0),
        ):
            found = await service.get(f"/runs?{query}&limit=1")
            assert (query, found["total"]) == (query, total)
            assert len(found["items"]) == min(1, total)


async def test_runs_by_topic_and_job(store: str) -> None:
    async with serving(store) as service:
        flow = spec(ONE)
        for topic, job in (("a", None), ("b", None), ("b", None)):
            await service.engine.tree.start(flow, None, run_id=None, topic=topic, job=job)
        assert (await service.get("/runs?topic=b"))["total"] == 2
        assert (await service.get("/runs?topic=c"))["total"] == 0
        assert (await service.get("/runs?job=x"))["total"] == 0


async def test_the_etag_is_the_version(store: str) -> None:
    async with serving(store, ONE) as service:
        run = await service.start("one")
        first = await service.answer("GET", f"/runs/{run}")
        tag = first.headers["etag"]
        assert tag == f'"{first.json()["version"]}"'
        same = await service.answer("GET", f"/runs/{run}", headers={"if-none-match": tag})
        assert same.status_code == 304
        await service.post(f"/runs/{run}/pause")
        other = await service.answer("GET", f"/runs/{run}", headers={"if-none-match": tag})
        assert other.status_code == 200
        assert other.headers["etag"] != tag


@pytest.mark.parametrize("given", ["W/{}", '{}, "999"', '"999", {}', "*"])
async def test_other_ways_to_say_if_none_match(given: str) -> None:
    async with serving("memory:", ONE) as service:
        run = await service.start("one")
        tag = (await service.answer("GET", f"/runs/{run}")).headers["etag"]
        headers = {"if-none-match": given.format(tag)}
        assert (await service.answer("GET", f"/runs/{run}", headers=headers)).status_code == 304


async def test_a_run_is_paused_unpaused_and_cancelled(store: str) -> None:
    async with serving(store, ONE) as service:
        run = await service.start("one")
        for _ in range(2):
            assert (await service.post(f"/runs/{run}/pause"))["paused"] is True
        assert await service.claim(wait=0) == []
        assert (await service.post(f"/runs/{run}/unpause"))["paused"] is False
        assert (await service.get("/board"))["total"] == 1
        await service.post(f"/runs/{run}/cancel", {"reason": "no money"})
        assert (await ended(service, run)).reason == "no money"
        shown = await service.get(f"/runs/{run}")
        assert (shown["state"], shown["reason"]) == ("cancelled", "no money")
        problem = await service.post(f"/runs/{run}/pause", status=409)
        assert run in problem["detail"]


async def test_acts_on_another_version_are_refused(store: str) -> None:
    async with serving(store, ONE) as service:
        run = await service.start("one")
        tag = (await service.answer("GET", f"/runs/{run}")).headers["etag"]
        done = await service.answer("POST", f"/runs/{run}/pause", headers={"if-match": tag})
        assert done.status_code == 200
        for act in ("pause", "unpause", "cancel"):
            late = await service.answer("POST", f"/runs/{run}/{act}", headers={"if-match": tag})
            assert late.status_code == 412
            assert late.json()["type"] == "urn:callboard:version"
        shown = await service.get(f"/runs/{run}")
        assert shown["paused"] is True
        assert shown["state"] == "running"
        new = done.headers["etag"]
        assert new == f'"{shown["version"]}"'
        again = await service.answer("POST", f"/runs/{run}/unpause", headers={"if-match": new})
        assert again.status_code == 200


@pytest.mark.parametrize(
    "tag", ["seven", 'W/"7"', '"-1"', '"1" "2"', '""', '"٣"', '"99999999999999999999"']
)
async def test_an_if_match_that_is_no_version(tag: str) -> None:
    async with serving("memory:", ONE) as service:
        run = await service.start("one")
        url = f"/api/v1/runs/{run}/pause"
        response = await service.client.post(url, headers={b"if-match": tag.encode()})
        assert response.status_code == 400
        assert "If-Match must be a version" in response.json()["detail"]


async def test_promises_are_made_and_their_text_is_checked(store: str) -> None:
    async with serving(store, ONE) as service:
        run = await service.start("one")
        await service.post(f"/runs/{run}/promise", {"text": "no new tasks"})
        promises = (await service.get(f"/runs/{run}"))["promises"]
        assert [each["text"] for each in promises] == ["no new tasks"]
        problem = await service.post(f"/runs/{run}/promise", {"text": "be nice"}, status=409)
        assert "be nice" in problem["detail"]
        await service.post(f"/runs/{run}/promise", status=415)
        await service.post(f"/runs/{run}/promise", {}, status=400)


async def test_only_a_run_that_has_ended_is_deleted(store: str) -> None:
    from callboard.web import Who

    async def admin(_: Any) -> Who:
        return Who("root", ("admin",))

    async with serving(store, ONE, asgi={"authorize": admin}) as service:
        run = await service.start("one")
        problem = await service.call("DELETE", f"/runs/{run}", status=409)
        assert "cancel" in problem["detail"] or "end" in problem["detail"]
        await service.post(f"/runs/{run}/cancel")
        await ended(service, run)
        await service.call("DELETE", f"/runs/{run}", status=204)
        await service.get(f"/runs/{run}", status=404)
        await service.call("DELETE", f"/runs/{run}", status=404)
        assert (await service.get("/runs"))["total"] == 0


async def test_the_beginning_of_an_id_must_be_unique(store: str) -> None:
    async with serving(store, ONE) as service:
        await service.start("one", run_id="abc-1")
        await service.start("one", run_id="abc-2")
        assert (await service.get("/runs/abc-1"))["run"] == "abc-1"
        problem = await service.get("/runs/abc", status=404)
        assert "abc-1" in problem["detail"]
        problem = await service.get("/runs/zzz", status=404)
        assert "'zzz'" in problem["detail"]


@pytest.mark.parametrize(
    "path",
    ["", "/tasks", "/tasks/x", "/events", "/logs", "/why", "/picture?format=dot"],
)
async def test_nothing_is_known_of_a_run_that_is_not_there(store: str, path: str) -> None:
    async with serving(store, ONE) as service:
        problem = await service.get(f"/runs/nowhere{path}", status=404)
        assert problem["type"] == "urn:callboard:unknown_run"
        assert "nowhere" in problem["detail"]


@pytest.mark.parametrize("act", ["/pause", "/unpause", "/cancel", "/tasks/x/restart"])
async def test_nothing_is_done_to_a_run_that_is_not_there(store: str, act: str) -> None:
    async with serving(store, ONE) as service:
        await service.post(f"/runs/nowhere{act}", status=404)


async def test_why_tells_what_each_task_waits_for(store: str) -> None:
    async with serving(store, LOAN) as service:
        run = await service.start("loan")
        reasons = (await service.get(f"/runs/{run}/why"))["items"]
        by_task = {each["task"]: each for each in reasons}
        assert "open-loan-application" in by_task["review-credit"]["blockers"]
        one = (await service.get(f"/runs/{run}/why?task=send-email"))["items"]
        assert {each["task"] for each in one} == {"send-email"}
        await service.get(f"/runs/{run}/why?task=nothing", status=404)


@pytest.mark.parametrize(
    ("kind", "media", "begins"),
    [
        ("svg", "image/svg+xml", b"<"),
        ("png", "image/png", b"\x89PNG"),
        ("pdf", "application/pdf", b"%PDF"),
        ("dot", "text/vnd.graphviz", b"digraph"),
        ("mmd", "text/vnd.mermaid", b"flowchart"),
        ("json", "application/json", b"{"),
    ],
)
async def test_pictures_in_every_format(kind: str, media: str, begins: bytes) -> None:
    async with serving("memory:", LOAN) as service:
        run = await service.start("loan")
        response = await service.answer("GET", f"/runs/{run}/picture?format={kind}")
        assert response.status_code == 200
        assert response.headers["content-type"].partition(";")[0] == media
        assert begins in response.content[:200]
        earlier = await service.answer("GET", f"/runs/{run}/picture?format={kind}&at=1")
        assert earlier.status_code == 200


async def test_pictures_that_cannot_be(store: str) -> None:
    async with serving(store, LOAN) as service:
        run = await service.start("loan")
        problem = await service.get(f"/runs/{run}/picture?format=gif&at=x&size=3", status=400)
        assert len(problem["errors"]) == 3
        problem = await service.get(f"/runs/{run}/picture?format=dot&at=10000", status=400)
        assert "no event 10000" in problem["detail"]
        problem = await service.get(f"/runs/{run}/picture?format=dot&unfold=nothing", status=400)
        assert "nothing" in problem["detail"]


async def test_events_go_on_behind_a_number(store: str) -> None:
    async with serving(store, ONE) as service:
        run = await service.start("one")
        await service.succeed(await service.one())
        await ended(service, run)
        events = (await service.get(f"/runs/{run}/events"))["items"]
        numbers = [each["number"] for each in events]
        assert numbers == list(range(1, len(numbers) + 1))
        assert events[0]["kind"] == "run_created"
        assert events[0]["workflow"] == "one"
        assert events[-1]["kind"] == "run_ended"
        part = (await service.get(f"/runs/{run}/events?after=2&limit=2"))["items"]
        assert part == events[2:4]
        version = (await service.get(f"/runs/{run}"))["version"]
        assert version == numbers[-1]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=1001",
        "limit=x",
        "limit=1.5",
        "limit=-1",
        "limit=1_0",
        "limit=%D9%A3",
        "limit=1&limit=2",
        "offset=-1",
        "offset=99999999999999999999",
        "state=sleeping",
        "colour=red",
        "workflow=a%00b",
        "search=%00",
    ],
)
async def test_parameters_that_are_wrong(query: str) -> None:
    async with serving("memory:", ONE) as service:
        problem = await service.get(f"/runs?{query}", status=400)
        assert problem["type"] == "urn:callboard:invalid"
        name = query.partition("=")[0]
        assert f"parameter '{name}'" in problem["detail"]


async def test_all_wrong_parameters_are_told_at_once(store: str) -> None:
    async with serving(store, ONE) as service:
        problem = await service.get("/runs?limit=0&offset=x&state=a&colour=red", status=400)
        assert len(problem["errors"]) == 4
        assert "known here: state, workflow" in problem["detail"]


async def test_head_is_get_without_a_body(store: str) -> None:
    async with serving(store, ONE) as service:
        run = await service.start("one")
        for path in (f"/runs/{run}", "/runs", "/status", "/board"):
            got = await service.answer("GET", path)
            head = await service.answer("HEAD", path)
            assert head.status_code == 200
            assert head.content == b""
            assert head.headers.get("etag") == got.headers.get("etag")
        assert (await service.answer("HEAD", "/runs/nowhere")).status_code == 404


@pytest.mark.parametrize("run_id", ["a/b", "..", ".", "", "a\nb", "x" * 3_000_000])
async def test_an_id_that_no_address_can_hold_is_refused(store: str, run_id: str) -> None:
    async with serving(store, ONE) as service:
        for more in ({}, {"key": "k"}):
            asked = {"workflow": "one", "run_id": run_id, **more}
            problem = await service.post("/runs", asked, status=400)
            assert "the id of a run" in problem["detail"]
            assert len(problem["detail"]) < 200
        assert (await service.get("/runs"))["total"] == 0
        await service.start("one", key="k")


@pytest.mark.parametrize("path", ["/topics", "/jobs", "/owners"])
@pytest.mark.parametrize("name", ["a/b", ".."])
async def test_names_that_no_address_can_hold_are_refused(store: str, path: str, name: str) -> None:
    async with serving(store, ONE) as service:
        problem = await service.post(path, {"id": name}, status=400)
        assert "slash" in problem["detail"]
        assert (await service.get(path))["total"] == 0


async def test_a_name_of_a_workflow_that_no_address_can_hold_is_refused(store: str) -> None:
    async with serving(store) as service:
        answer = await service.client.post(
            "/api/v1/workflows",
            content="workflow: a/b\ntasks: [{name: x}]\n",
            headers={"content-type": "application/yaml"},
        )
        assert answer.status_code == 400
        assert "slash" in answer.json()["detail"]


async def test_child_runs_may_be_deep_below_a_long_id(store: str) -> None:
    text = "workflow: outer\ntasks: [{name: in, workflow: one}]\n"
    async with serving(store, ONE, text) as service:
        run = await service.start("outer", run_id="x" * 200)
        await service.succeed(await service.one())
        assert (await ended(service, run)).state == "succeeded"
