"""Tasks over REST: look, restart, answer, settle; what they wrote."""

from __future__ import annotations

from typing import Any

import pytest

from callboard.workflow import TaskSpec, WorkflowSpec

from .service import LOAN, ONE, Service, serving, task_path

ASKS = """
workflow: asks
tasks:
  - name: ask
    input:
      message: Well?
      schema: {type: object, properties: {ok: {type: boolean}}, required: [ok]}
  - name: after
    needs: [ask]
"""

GROWS = """
workflow: grows
tasks:
  - name: plan
    external: {grows: true}
"""

STRANGE = (
    "a/b",
    "a/b/restart",
    "ends/tasks",
    "#hash",
    "100%",
    "a b",
    "ä→ü",
    "a?b=c",
    "a%2Fb",
    "x;y",
)


async def ended(service: Service, run: str) -> Any:
    return await (await service.engine.get(run)).result()


async def waits(service: Service, run: str, task: str, state: str) -> None:
    """Return when a task is in a state."""
    handle = await service.engine.get(run)
    async for _ in handle.events(follow=True):
        if (await handle.snapshot()).tasks[task].state == state:
            return


async def test_tasks_are_listed_by_state_label_and_search(store: str) -> None:
    async with serving(store, LOAN) as service:
        run = await service.start("loan")
        lease = await service.one()
        for query, names in (
            ("", ["open-loan-application", "review-credit", "review-assets", "send-email"]),
            ("state=running", ["open-loan-application"]),
            ("state=pending&state=running&limit=2", ["open-loan-application", "review-credit"]),
            ("state=pending&offset=2", ["send-email"]),
            ("label=Send+Email", ["send-email"]),
            ("label=send-email", []),
            ("search=REVIEW", ["review-credit", "review-assets"]),
        ):
            page = await service.get(f"/runs/{run}/tasks?{query}")
            assert (query, [each["id"] for each in page["items"]]) == (query, names)
        assert (await service.get(f"/runs/{run}/tasks?limit=1"))["total"] == 4
        (item,) = (await service.get(f"/runs/{run}/tasks?state=running"))["items"]
        assert (item["worker"], item["attempts"], item["generation"]) == ("w", 1, 1)
        await service.succeed(lease)


async def test_a_task_with_what_its_progress_told_folded_over_its_inputs(store: str) -> None:
    text = "workflow: w\ntasks: [{name: work, external: {}, with: {disk: sda, size: 1}}]"
    async with serving(store, text) as service:
        run = await service.start("w")
        lease = await service.one()
        assert lease["inputs"] == {"disk": "sda", "size": 1}
        path = task_path(run, "work")
        assert (await service.get(path))["data"] == {"disk": "sda", "size": 1}
        said = (
            {"type": "progress", "fraction": 0.2, "data": {"size": 2}},
            {"type": "progress", "fraction": 0.4, "data": {"ip": "10.0.0.1"}},
            {"type": "log", "message": "hello"},
            {"type": "progress", "fraction": 0.5, "data": "no object"},
            {"type": "progress", "message": "only words"},
        )
        await service.say(lease["fence"], 0, *said)
        task = await service.get(path)
        assert task["data"] == {"disk": "sda", "size": 2, "ip": "10.0.0.1"}
        assert task["inputs"] == {"disk": "sda", "size": 1}, "the original stays"
        assert (task["kind"], task["worker"], task["state"]) == ("external", "w", "running")
        await service.say(lease["fence"], 1, {"type": "success"})
        assert (await service.get(path))["data"] == task["data"]


async def test_data_is_folded_from_every_line(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("callboard.web._tasks._LINES_AT_ONCE", 3)
    async with serving(store, "workflow: w\ntasks: [{name: work, external: {}}]") as service:
        run = await service.start("w")
        lease = await service.one()
        told = [{"type": "progress", "data": {str(n): n, "last": n}} for n in range(7)]
        await service.say(lease["fence"], 0, *told)
        data = (await service.get(task_path(run, "work")))["data"]
        assert data == {**{str(n): n for n in range(7)}, "last": 6}


async def test_inputs_are_shown_as_the_task_gets_them_without_secrets(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIN", "1234")
    text = """
workflow: w
inputs: {disk: {type: string}}
tasks:
  - {name: a, external: {}, with: {disk: "${{ inputs.disk }}", pin: "${{ secrets.PIN }}"}}
  - {name: b, needs: [a], external: {}, with: {size: "${{ tasks.a.output.size }}"}}
"""
    async with serving(store, text) as service:
        run = await service.start("w", inputs={"disk": "sda"})
        path = task_path(run, "b")
        assert (await service.get(path))["inputs"] == {"size": "${{ tasks.a.output.size }}"}
        lease = await service.one()
        assert lease["inputs"] == {"disk": "sda", "pin": "1234"}
        shown = await service.get(task_path(run, "a"))
        assert shown["inputs"] == shown["data"] == {"disk": "sda", "pin": "***"}
        await service.succeed(lease, {"size": 7})
        assert (await service.get(path))["inputs"] == {"size": 7}


@pytest.mark.parametrize(
    "last",
    [
        {"type": "success", "output": ["swordfish"]},
        {"type": "error", "message": "not swordfish", "detail": {"pin": "swordfish"}},
        {"type": "not_ready", "message": "not swordfish"},
        {"type": "pause", "message": "not swordfish"},
        {"type": "wait", "input": {"const": "swordfish"}, "message": "not swordfish"},
    ],
    ids=lambda last: last["type"],
)
async def test_secrets_are_masked_in_what_a_worker_says(
    store: str, monkeypatch: pytest.MonkeyPatch, last: dict[str, Any]
) -> None:
    monkeypatch.setenv("PIN", "swordfish")
    text = "workflow: w\ntasks: [{name: a, external: {}, with: {pin: '${{ secrets.PIN }}'}}]"
    async with serving(store, text) as service:
        run = await service.start("w")
        lease = await service.one()
        log = {"type": "log", "message": "swordfish", "level": "swordfish"}
        progress = {"type": "progress", "message": "swordfish", "data": {"pin": ["swordfish"]}}
        await service.say(lease["fence"], 0, log, progress, last)
        task = await service.get(task_path(run, "a"))
        assert task["data"] == {"pin": ["***"]}
        told = [
            task,
            (await service.get(f"/runs/{run}/logs"))["items"],
            (await service.get(f"/runs/{run}/events"))["items"],
        ]
        assert "***" in repr(told[-1])
        assert "swordfish" not in repr(told)


async def test_a_restart_begins_the_data_anew(store: str) -> None:
    text = "workflow: w\ntasks: [{name: work}, {name: more}]"
    async with serving(store, text) as service:
        run = await service.start("w")
        lease = await service.one(labels=["work"])
        progress = {"type": "progress", "data": {"done": 1}}
        await service.say(lease["fence"], 0, progress, {"type": "success", "output": 1})
        path = task_path(run, "work")
        assert (await service.get(path))["data"] == {"done": 1}
        shown = await service.post(f"{path}/restart")
        assert (shown["generation"], shown["data"], shown["output"]) == (2, {}, None)
        again = await service.one(labels=["work"])
        assert (again["generation"], again["attempt"]) == (2, 1)
        assert again["key"] != lease["key"]


async def test_an_answer_is_checked_and_lets_the_run_go_on(store: str) -> None:
    async with serving(store, ASKS) as service:
        run = await service.start("asks")
        await waits(service, run, "ask", "waiting")
        path = task_path(run, "ask")
        wait = (await service.get(path))["wait"]
        assert (wait["kind"], wait["message"]) == ("input", "Well?")
        assert wait["schema"]["required"] == ["ok"]
        (item,) = (await service.get(f"/runs/{run}/tasks?state=waiting"))["items"]
        assert item["wait"] == wait
        response = await service.answer("POST", f"{path}/answer", {"value": {"ok": "yes"}})
        assert response.status_code in (400, 409)
        assert "ok" in response.json()["detail"]
        problem = await service.post(f"{path}/answer", {}, status=400)
        assert problem["errors"] == ["value is missing"]
        shown = await service.post(f"{path}/answer", {"value": {"ok": True}})
        assert (shown["state"], shown["output"], shown["wait"]) == ("succeeded", {"ok": True}, None)
        problem = await service.post(f"{path}/answer", {"value": {"ok": True}}, status=409)
        assert "'ask'" in problem["detail"]


async def test_a_task_is_settled_by_hand(store: str) -> None:
    async with serving(store, LOAN) as service:
        run = await service.start("loan")
        shown = await service.post(
            task_path(run, "open-loan-application", "/settle"),
            {"state": "succeeded", "output": {"id": 3}},
        )
        assert (shown["state"], shown["output"]) == ("succeeded", {"id": 3})
        leases = await service.claim(max=5)
        assert {each["task"] for each in leases} == {"review-credit", "review-assets"}
        assert leases[0]["earlier"] == {
            "open-loan-application": {"label": "Open Loan Application", "output": {"id": 3}}
        }
        settle = task_path(run, "review-credit", "/settle")
        problem = await service.post(settle, {"state": "failed"}, status=409)
        assert "somebody works on it" in problem["detail"]
        body = {"state": "running", "outptu": 1}
        problem = await service.post(task_path(run, "send-email", "/settle"), body, status=400)
        assert len(problem["errors"]) == 2


async def test_ids_with_every_sign_are_found_in_paths(store: str) -> None:
    flow = WorkflowSpec(
        name="strange", tasks=tuple(TaskSpec(id=each, name=each, kind="step") for each in STRANGE)
    )
    async with serving(store) as service:
        handle = await service.engine.start(flow)
        for name in STRANGE:
            assert (await service.get(task_path(handle.id, name)))["id"] == name
            body = {"state": "succeeded", "output": name}
            shown = await service.post(task_path(handle.id, name, "/settle"), body)
            assert (shown["id"], shown["output"]) == (name, name)
        assert (await handle.result()).state == "succeeded"


async def test_what_can_be_done_is_not_looked_at() -> None:
    flow = WorkflowSpec(
        name="w", tasks=tuple(TaskSpec(id=each, name=each, kind="step") for each in ("a", "answer"))
    )
    async with serving("memory:") as service:
        run = (await service.engine.start(flow)).id
        for act in ("restart", "answer", "settle"):
            response = await service.answer("GET", f"/runs/{run}/tasks/a/{act}")
            assert response.status_code == 405
            assert response.headers["allow"] == "POST"
        assert (await service.get(f"/runs/{run}/tasks/answer"))["id"] == "answer"


async def test_tasks_that_a_worker_created_are_found_by_their_paths(store: str) -> None:
    async with serving(store, GROWS) as service:
        run = await service.start("grows")
        plan = await service.one()
        said = await service.say(
            plan["fence"], 0, {"type": "add_task", "name": "unit", "key": "u", "external": {}}
        )
        assert said["results"] == [{"ok": True, "task": "plan/u"}]
        shown = await service.get(task_path(run, "plan/u"))
        assert (shown["id"], shown["created_by"], shown["label"]) == ("plan/u", "plan", "unit")
        await service.get(task_path(run, "plan"))
        await service.get(task_path(run, "u"), status=404)


@pytest.mark.parametrize(
    ("act", "body"), [("restart", None), ("answer", {"value": 1}), ("settle", {"state": "failed"})]
)
async def test_acts_on_a_task_that_is_not_there(store: str, act: str, body: Any) -> None:
    async with serving(store, ONE) as service:
        run = await service.start("one")
        problem = await service.post(task_path(run, "nothing", f"/{act}"), body, status=404)
        assert "nothing" in problem["detail"]


async def test_logs_by_task_and_number(store: str) -> None:
    text = "workflow: w\ntasks: [{name: a}, {name: b}]"
    async with serving(store, text) as service:
        run = await service.start("w")
        leases = {each["task"]: each["fence"] for each in await service.claim(max=2)}
        for number in range(3):
            for task, fence in leases.items():
                message = {"type": "log", "level": "warning", "message": f"{task}{number}"}
                await service.say(fence, number, message)
        lines = (await service.get(f"/runs/{run}/logs"))["items"]
        assert [line["text"] for line in lines] == ["a0", "b0", "a1", "b1", "a2", "b2"]
        numbers = [line["number"] for line in lines]
        assert numbers == sorted(set(numbers))
        assert lines[0]["data"] == {"level": "warning"}
        assert (lines[0]["stream"], lines[0]["attempt"]) == ("log", 1)
        only = (await service.get(f"/runs/{run}/logs?task=b&after={numbers[1]}&limit=1"))["items"]
        assert [line["text"] for line in only] == ["b1"]
        assert (await service.get(f"/runs/{run}/logs?task=zzz"))["items"] == []
