"""What the holder of a lease says: every message, each once, in order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest

from callboard.web import Who

from .service import ONE, Service, serving, task_path

GROWS = """
workflow: grows
tasks:
  - name: plan
    external: {grows: true}
  - name: unit
    external: {}
    needs: [plan]
    with: {size: 1}
"""

HOLES = """
workflow: holes
flow: "plan -> unit* -> report"
tasks:
  - {name: plan, external: {grows: true}}
  - {name: unit, external: {}}
  - {name: report, external: {}}
"""

FREE = "workflow: free\ntasks: [{name: plan, external: {grows: true}}]\n"


def kinds(said: Any) -> list[str]:
    """Return how each command was answered."""
    return ["ok" if each["ok"] else each["error"]["kind"] for each in said["results"]]


async def test_every_sort_of_word(store: str) -> None:
    async with serving(store, ONE) as service:
        run = await service.start("one")
        lease = await service.one()
        said = await service.say(
            lease["fence"],
            5,
            {"type": "heartbeat"},
            {"type": "log", "level": "error", "message": "first"},
            {"type": "progress", "fraction": 0.5, "message": "half", "data": {"a": 1}},
            {"type": "success", "output": [1, {"x": None}]},
        )
        assert (said["seq"], said["closed"], kinds(said)) == (5, True, ["ok"] * 4)
        lines = (await service.get(f"/runs/{run}/logs"))["items"]
        assert [(each["stream"], each["text"], each["data"]) for each in lines] == [
            ("log", "first", {"level": "error"}),
            ("progress", "half", {"fraction": 0.5, "data": {"a": 1}}),
        ]
        shown = await service.get(f"/runs/{run}")
        assert shown["state"] == "succeeded"
        assert shown["tasks"]["work"]["output"] == [1, {"x": None}]


@pytest.mark.parametrize(
    ("word", "state", "run_state"),
    [
        ({"type": "success"}, "succeeded", "succeeded"),
        ({"type": "error", "message": "no"}, "failed", "failed"),
        ({"type": "not_ready", "message": "later"}, "not_ready", "not_ready"),
        ({"type": "wait", "input": {"type": "integer"}, "message": "?"}, "waiting", "running"),
        ({"type": "pause", "message": "tea"}, "waiting", "running"),
    ],
)
async def test_words_that_end_a_lease(
    store: str, word: dict[str, Any], state: str, run_state: str
) -> None:
    async with serving(store, ONE) as service:
        run = await service.start("one")
        lease = await service.one()
        said = await service.say(lease["fence"], 0, word)
        assert (kinds(said), said["closed"]) == (["ok"], True)
        shown = await service.get(f"/runs/{run}")
        assert (shown["tasks"]["work"]["state"], shown["state"]) == (state, run_state)


async def test_an_answer_to_a_worker_that_waits_comes_with_the_next_lease(store: str) -> None:
    async with serving(store, ONE) as service:
        run = await service.start("one")
        lease = await service.one()
        await service.say(
            lease["fence"],
            0,
            {"type": "wait", "input": {"type": "integer"}, "message": "how many?"},
        )
        path = task_path(run, "work")
        assert (await service.get(path))["wait"]["message"] == "how many?"
        refused = await service.answer("POST", f"{path}/answer", {"value": "many"})
        assert refused.status_code in (400, 409)
        await service.post(f"{path}/answer", {"value": 3})
        again = await service.one()
        assert again["answers"] == [3]
        await service.succeed(again)


async def test_a_number_said_again_gets_its_first_answer(store: str) -> None:
    async with serving(store, FREE) as service:
        run = await service.start("free")
        lease = await service.one()
        words = [
            {"type": "log", "message": "once"},
            {"type": "add_task", "name": "new", "external": {}},
            {"type": "add_task", "name": "new", "key": "k", "after": ["nowhere"], "external": {}},
        ]
        first = await service.say(lease["fence"], 1, *words)
        assert kinds(first) == ["ok", "ok", "unknown"]
        for _ in range(3):
            assert await service.say(lease["fence"], 1, *words) == first
        assert len((await service.get(f"/runs/{run}/logs"))["items"]) == 1
        assert (await service.get(f"/runs/{run}/tasks"))["total"] == 2
        done = await service.say(lease["fence"], 2, {"type": "success", "output": 1})
        # Also when the lease has ended, and whatever the repetition holds.
        assert await service.say(lease["fence"], 2, {"type": "success", "output": 2}) == done
        assert await service.say(lease["fence"], 1, *words) == {**first, "closed": True}
        problem = await service.say(lease["fence"], 3, {"type": "heartbeat"}, status=409)
        assert problem["type"] == "urn:callboard:stale"
        assert (await service.get(task_path(run, "plan")))["output"] == 1


@pytest.mark.parametrize("ends", [{"type": "success"}, {"type": "log", "message": "x"}])
async def test_what_was_only_looked_at_is_answered_again_too(
    store: str, ends: dict[str, Any]
) -> None:
    text = "workflow: two\ntasks: [{name: a}, {name: b, needs: [a]}]\n"
    async with serving(store, text) as service:
        await service.start("two")
        await service.succeed(await service.one(), {"n": 1})
        lease = await service.one()
        words = [{"type": "heartbeat"}, {"type": "get", "id": 1, "task": "a"}, ends]
        first = await service.say(lease["fence"], 1, *words)
        assert kinds(first) == ["ok"] * 3
        assert first["results"][1]["output"] == {"n": 1}
        assert await service.say(lease["fence"], 1, *words) == first
        if not first["closed"]:
            await service.succeed(lease)
        assert await service.say(lease["fence"], 1, *words) == {**first, "closed": True}


async def test_numbers_are_answered_again_after_the_server_was_closed(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/runs.db"
    words = [{"type": "log", "message": "x"}, {"type": "add_task", "name": "n", "external": {}}]
    async with serving(store, FREE) as service:
        await service.start("free", run_id="r")
        lease = await service.one(lease=600)
        first = await service.say(lease["fence"], 0, *words)
    async with serving(store, FREE) as service:
        # The run is taken up again in the background; only the board tells when it is there.
        while lease["fence"] not in service.engine.tree.board.claims:  # noqa: ASYNC110
            await anyio.sleep(0.01)
        assert await service.say(lease["fence"], 0, *words) == first
        assert len((await service.get("/runs/r/logs"))["items"]) == 1
        # The lease lives on, too.
        done = await service.say(lease["fence"], 1, {"type": "success"})
        assert kinds(done) == ["ok"]
    async with serving(store, FREE) as service:
        assert await service.say(lease["fence"], 1, {"type": "success"}) == done
        await service.say(lease["fence"], 2, {"type": "success"}, status=409)


async def test_the_same_word_said_twice_at_once_is_done_once(store: str) -> None:
    said: list[Any] = []
    async with serving(store, FREE) as service:
        run = await service.start("free")
        lease = await service.one()

        async def say() -> None:
            word = {"type": "add_task", "name": "new", "external": {}}
            said.append(await service.say(lease["fence"], 0, word, {"type": "success"}))

        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(say)
        assert [kinds(each) for each in said] == [["ok", "ok"]] * 5
        assert (await service.get(f"/runs/{run}/tasks"))["total"] == 2


async def test_a_refusal_in_the_middle_skips_the_rest(store: str) -> None:
    async with serving(store, FREE) as service:
        run = await service.start("free")
        lease = await service.one()
        said = await service.say(
            lease["fence"],
            0,
            {"type": "log", "message": "before"},
            {"type": "add_edge", "from": "nowhere", "to": "plan"},
            {"type": "log", "message": "after"},
            {"type": "success"},
        )
        assert kinds(said)[0] == "ok"
        assert not said["results"][1]["ok"]
        assert "nowhere" in said["results"][1]["error"]["message"]
        assert kinds(said)[2:] == ["skipped", "skipped"]
        assert not said["closed"]
        lines = (await service.get(f"/runs/{run}/logs"))["items"]
        assert [each["text"] for each in lines] == ["before"]
        await service.succeed(lease)


async def test_nothing_is_done_behind_a_word_that_ended_the_lease(store: str) -> None:
    async with serving(store, ONE) as service:
        await service.start("one")
        lease = await service.one()
        said = await service.say(
            lease["fence"], 0, {"type": "success"}, {"type": "log", "message": "late"}
        )
        assert kinds(said) == ["ok", "stale"]
        again = await service.say(
            lease["fence"], 0, {"type": "success"}, {"type": "log", "message": "late"}
        )
        assert again == said


async def test_a_worker_grows_the_graph(store: str) -> None:
    async with serving(store, FREE) as service:
        run = await service.start("free")
        lease = await service.one()
        said = await service.say(
            lease["fence"],
            0,
            {"type": "add_task", "name": "a", "key": "x", "external": {}, "with": {"n": 1}},
            {"type": "add_task", "name": "b", "external": {}, "after": ["plan/x"]},
            {"type": "hole", "shape": "M*"},
            {"type": "style", "task": "plan/x", "label": "First", "color": "red"},
            {"type": "promise", "text": "no edges from b"},
        )
        assert kinds(said) == ["ok"] * 5
        assert said["results"][0]["task"] == "plan/x"
        assert said["results"][1]["task"] == "plan/b-1"
        hole = said["results"][2]["hole"]
        shown = await service.get(f"/runs/{run}")
        assert shown["tasks"]["plan/b-1"]["needs"] == ["plan/x"]
        assert [each["id"] for each in shown["holes"]] == [hole]
        said = await service.say(
            lease["fence"],
            1,
            {"type": "add_task", "name": "M", "into": hole, "external": {}},
            {"type": "add_edge", "from": "plan/x", "to": "plan/M-1"},
            {"type": "close", "hole": hole},
        )
        assert kinds(said) == ["ok"] * 3, said
        shown = await service.get(f"/runs/{run}")
        assert "plan/x" in shown["tasks"]["plan/M-1"]["needs"]
        assert not shown["holes"][0]["open"]
        await service.succeed(lease)
        unit = await service.one(labels=["a"])
        assert unit["inputs"] == {"n": 1}


async def test_a_batch_is_done_whole_or_not_at_all(store: str) -> None:
    async with serving(store, FREE) as service:
        run = await service.start("free")
        lease = await service.one()
        good = {"type": "add_task", "name": "a", "external": {}}
        bad = {"type": "add_edge", "from": "a", "to": "nowhere"}
        said = await service.say(lease["fence"], 0, {"type": "batch", "commands": [good, bad]})
        assert not said["results"][0]["ok"]
        assert (await service.get(f"/runs/{run}/tasks"))["total"] == 1
        said = await service.say(lease["fence"], 1, {"type": "batch", "commands": [good, good]})
        assert kinds(said) == ["ok"], said
        made = [each["task"] for each in said["results"][0]["results"]]
        assert len(set(made)) == 2
        assert (await service.get(f"/runs/{run}/tasks"))["total"] == 3


async def test_a_hole_of_a_flow_is_filled_over_rest(store: str) -> None:
    async with serving(store, HOLES) as service:
        run = await service.start("holes")
        plan = await service.one()
        (hole,) = plan["holes"]
        said = await service.say(
            plan["fence"],
            0,
            {"type": "add_task", "name": "unit", "into": hole["id"]},
            {"type": "add_task", "name": "unit", "into": hole["id"]},
            {"type": "success"},
        )
        assert kinds(said) == ["ok"] * 3, said
        for lease in await service.claim(labels=["unit"], max=5):
            await service.succeed(lease)
        await service.succeed(await service.one(labels=["report"]))
        shown = await service.get(f"/runs/{run}")
        assert (shown["state"], len(shown["tasks"])) == ("succeeded", 4)


async def test_a_broken_promise_is_told_and_stops_the_run(store: str) -> None:
    text = FREE + 'promises: ["no new tasks"]\n'
    async with serving(store, text) as service:
        run = await service.start("free")
        lease = await service.one()
        word = {"type": "add_task", "name": "a", "external": {}}
        said = await service.say(lease["fence"], 0, word)
        assert kinds(said) == ["promise_broken"]
        assert "no new tasks" in said["results"][0]["error"]["message"]
        await ended(service, run)
        assert (await service.get(f"/runs/{run}"))["state"] == "promise_broken"
        again = await service.say(lease["fence"], 0, word)
        assert again["results"] == said["results"]


async def test_a_task_that_does_not_grow_changes_no_graph(store: str) -> None:
    async with serving(store, ONE) as service:
        run = await service.start("one")
        lease = await service.one()
        said = await service.say(lease["fence"], 0, {"type": "add_task", "name": "a"})
        assert kinds(said) == ["mute"]
        assert "grows: true" in said["results"][0]["error"]["message"]
        assert (await service.get(f"/runs/{run}/tasks"))["total"] == 1


CODE: list[dict[str, Any]] = [
    {"shell": "touch /tmp/owned"},
    {"bash": "true"},
    {"python": "os:getcwd"},
    {"function": "os:getcwd"},
    {"http": {"method": "GET", "url": "http://localhost:1/"}},
    {"container": {"image": "x"}},
    {"wait": {"probe": "os:getcwd"}},
]


@pytest.mark.parametrize("kind", CODE, ids=lambda kind: next(iter(kind)))
async def test_a_worker_creates_nothing_that_runs_here(kind: dict[str, Any]) -> None:
    async with serving("memory:", FREE) as service:
        run = await service.start("free")
        lease = await service.one()
        task = {"type": "add_task", "name": "a", **kind}
        for number, word in enumerate((task, {"type": "batch", "commands": [task]})):
            said = await service.say(lease["fence"], number, word)
            assert kinds(said) == ["forbidden"]
            assert "administrator" in said["results"][0]["error"]["message"]
        assert (await service.get(f"/runs/{run}/tasks"))["total"] == 1


async def test_an_administrator_may(store: str) -> None:
    async def admin(_: Any) -> Who:
        return Who("root", ("admin",))

    async with serving(store, FREE, asgi={"authorize": admin}) as service:
        run = await service.start("free")
        lease = await service.one()
        word = {"type": "add_task", "name": "a", "shell": "echo hello"}
        said = await service.say(lease["fence"], 0, word, {"type": "success"})
        assert kinds(said) == ["ok", "ok"]
        assert (await (await service.engine.get(run)).result()).state == "succeeded"
        shown = await service.get(task_path(run, "plan/a-1"))
        assert shown["output"]["stdout"] == "hello\n"


async def test_get_gives_an_output_in_front(store: str) -> None:
    text = "workflow: w\ntasks: [{name: a}, {name: b, needs: [a]}]"
    async with serving(store, text) as service:
        await service.start("w")
        await service.succeed(await service.one(), {"big": "x" * 10})
        lease = await service.one()
        said = await service.say(lease["fence"], 0, {"type": "get", "id": 1, "task": "a"})
        assert said["results"] == [{"ok": True, "output": {"big": "x" * 10}}]
        said = await service.say(lease["fence"], 1, {"type": "get", "id": 1, "task": "zzz"})
        assert kinds(said) == ["unknown"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"seq": 0, "commands": [{"type": "dance"}]}, "commands[0]: its type is 'dance'"),
        ({"seq": 0, "commands": [{}]}, "commands[0]: its type is None"),
        ({"seq": 0, "commands": [{"type": "error"}]}, "'error' needs 'message'"),
        ({"seq": 0, "commands": [{"type": "progress", "fraction": 2}]}, "a number from 0 to 1"),
        ({"seq": -1, "commands": []}, "seq must be a whole number from 0 on"),
        ({"seq": 2**60, "commands": []}, "seq"),
        ({"seq": 0.5, "commands": []}, "seq"),
        ({"commands": []}, "seq is missing"),
        ({"seq": 1}, "commands is missing"),
        ({"seq": 0, "commands": [1]}, "commands[0]"),
        ({"seq": 0, "commands": [{"type": "heartbeat"}] * 1001}, "at most 1000"),
    ],
)
async def test_words_that_are_none(body: dict[str, Any], words: str) -> None:
    async with serving("memory:", ONE) as service:
        run = await service.start("one")
        lease = await service.one()
        path = f"/leases/{lease['fence']}/commands"
        problem = await service.post(path, body, status=400)
        assert words in problem["detail"]
        # All that is wrong at once, and nothing done.
        mixed = [{"type": "log", "message": "x"}, {"type": "a"}, {"type": "b"}]
        problem = await service.post(path, {"seq": 0, "commands": mixed}, status=400)
        assert len(problem["errors"]) == 2
        assert (await service.get(f"/runs/{run}/logs"))["items"] == []
        await service.succeed(lease)


async def test_nobodys_fence(store: str) -> None:
    async with serving(store, ONE) as service:
        await service.start("one")
        for fence in ("nothing", "0", "a%2Fb"):
            await service.say(
                fence, 0, {"type": "success"}, status=409 if "%" not in fence else 404
            )
        await service.get("/leases/nothing", status=409)


async def test_a_failed_task_takes_the_others_off_the_board(store: str) -> None:
    text = "workflow: w\non_failure: stop\ntasks: [{name: a}, {name: b}, {name: c, needs: [a]}]"
    async with serving(store, text) as service:
        run = await service.start("w")
        a = await service.one(labels=["a"])
        assert (await service.get("/board"))["total"] == 1
        await service.say(a["fence"], 0, {"type": "error", "message": "no"})
        await ended(service, run)
        assert (await service.get("/board"))["total"] == 0
        shown = await service.get(f"/runs/{run}")
        assert shown["state"] == "failed"
        assert shown["tasks"]["b"]["state"] == "cancelled"


async def ended(service: Service, run: str) -> Any:
    return await (await service.engine.get(run)).result()
