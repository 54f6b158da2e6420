"""Definitions that are stored: versions, deprecation, what runs code, and who finds them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

import callboard as cb
from callboard.definitions import loads
from callboard.registry import runs_code
from callboard.workflow import TaskSpec, WorkflowSpec
from callboard.workflow.events import TaskWaiting

NewEngine = Callable[..., cb.Engine]

LOAN = """
workflow: loan
description: Lend money.
inputs:
  amount: {type: number, description: How much}
  urgent: {type: boolean, default: false}
tasks:
  - name: review
  - name: pay
    needs: [review]
"""
ASK = "workflow: ask\ntasks: [{name: wait, input: {message: Go on?}}]\n"


def known(name: str = "known", **settings: Any) -> WorkflowSpec:
    return WorkflowSpec(name=name, tasks=(TaskSpec(id="a", name="a", kind="input"),), **settings)


async def waiting(handle: cb.RunHandle, task: str) -> None:
    """Return when a task waits."""
    async for _, event in handle.events(follow=True):
        if isinstance(event, TaskWaiting) and event.task == task:
            return
    raise AssertionError(f"{task} never waited")


async def test_a_definition_is_stored_once_and_in_versions(new_engine: NewEngine) -> None:
    async with new_engine() as engine:
        definitions = engine.registry.definitions
        first, created = await definitions.store(LOAN, by="ada")
        assert created
        assert (first.name, first.version, first.tasks, first.by) == ("loan", 1, 2, "ada")
        assert first.source == "uploaded"
        assert first.inputs == {
            "type": "object",
            "properties": {
                "amount": {"type": "number", "description": "How much"},
                "urgent": {"type": "boolean", "default": False},
            },
            "required": ["amount"],
            "additionalProperties": False,
        }
        again, created = await definitions.store(LOAN)
        assert not created
        assert again == first
        changed = LOAN.replace("pay", "lend")
        second, created = await definitions.store(changed)
        assert (created, second.version) == (True, 2)
        back, created = await definitions.store(LOAN)
        assert (created, back.version, back.hash) == (True, 3, first.hash)
        assert [each.version for each in await definitions.versions("loan")] == [3, 2, 1]
        assert (await definitions.get("loan", 2)).text == changed
        assert (await definitions.get("loan")).text == LOAN
        for wrong in (0, 4):
            with pytest.raises(cb.UnknownRecord, match="has no version"):
                await definitions.get("loan", wrong)
        with pytest.raises(cb.UnknownRecord, match="'nope'"):
            await definitions.get("nope")


async def test_many_who_store_the_same_make_one_version(new_engine: NewEngine) -> None:
    """And many who store something else each make their own: nothing is lost."""
    async with new_engine() as one, new_engine() as two:
        made: list[bool] = []

        async def store(engine: cb.Engine, text: str) -> None:
            made.append((await engine.registry.definitions.store(text))[1])

        async with anyio.create_task_group() as group:
            for number in range(10):
                group.start_soon(store, (one, two)[number % 2], ASK)
        assert made.count(True) == 1
        async with anyio.create_task_group() as group:
            for number in range(10):
                text = ASK.replace("Go on?", f"Go on {number}?")
                group.start_soon(store, (one, two)[number % 2], text)
        versions = await one.registry.definitions.versions("ask")
        assert len(versions) == 11
        assert len({each.hash for each in versions}) == 11


async def test_all_that_is_wrong_is_said_at_once(new_engine: NewEngine) -> None:
    async with new_engine() as engine:
        store = engine.registry.definitions.store
        with pytest.raises(cb.DefinitionError) as caught:
            await store("workflow: x\ntasks: [{name: a, needs: [b]}, {nome: c}]")
        assert len(caught.value.errors) >= 2
        with pytest.raises(cb.DefinitionError, match="must say its name"):
            await store("tasks: [{name: a}]")
        with pytest.raises(cb.DefinitionError, match="look like a file"):
            await store("workflow: a.yaml\ntasks: [{name: a}]")
        assert (await store("workflow: definition\ntasks: [{name: a}]"))[1]
        assert (await store('{"workflow": "j", "tasks": [{"name": "a"}]}', "json"))[0].name == "j"


async def test_a_stored_workflow_is_started_by_its_name(new_engine: NewEngine) -> None:
    async with new_engine(board=False) as engine:
        await engine.registry.definitions.store(LOAN)
        handle = await engine.start("loan", {"amount": 5})
        result = await handle.result()
        assert (result.state, result.workflow) == ("succeeded", "loan")
        with pytest.raises(cb.UsageError, match='input "amount" is missing'):
            await engine.start("loan")
        with pytest.raises(cb.UsageError, match="there is no workflow 'lone'"):
            await engine.start("lone")
        await engine.registry.definitions.store(LOAN.replace("pay", "lend"))
        old = await engine.start_by_name("loan", {"amount": 1}, version=1)
        new = await engine.start_by_name("loan", {"amount": 1})
        assert set((await old.result()).tasks) == {"review", "pay"}
        assert set((await new.result()).tasks) == {"review", "lend"}


async def test_nobody_starts_what_is_deprecated_and_what_runs_goes_on(
    new_engine: NewEngine,
) -> None:
    parent = (
        "workflow: parent\ntasks: [{name: go, input: {}}, {name: c, needs: [go], workflow: ask}]\n"
    )
    child = "workflow: ask\ntasks: [{name: a}]\n"
    async with new_engine(board=False) as engine:
        definitions = engine.registry.definitions
        await definitions.store(child)
        await definitions.store(parent)
        running = await engine.start("parent")
        assert (await definitions.deprecate("ask")).deprecated
        with pytest.raises(cb.Refused, match="'ask' is deprecated"):
            await engine.start("ask")
        with pytest.raises(cb.Refused, match="'ask' is deprecated"):
            await engine.registry.workflow("ask", 1)
        assert (await definitions.get("ask")).deprecated
        # The run that names it was started before.
        await running.answer("go", None)
        assert (await running.result()).state == "succeeded"
        revived, created = await definitions.store(child)
        assert (revived.version, created, revived.deprecated) == (1, True, False)
        with pytest.raises(cb.UnknownRecord):
            await definitions.deprecate("nope")


async def test_what_the_program_knows_comes_first(new_engine: NewEngine) -> None:
    """In lists too, page by page, and what is hidden behind it is not listed twice."""

    @cb.workflow(name="python")
    def flow(w: cb.Builder, size: int, *, deep: bool = True) -> None:
        """Do it.

        And more of that.
        """

    async with new_engine() as plain:
        for name in ("known", "b", "a", "z", "m"):
            await plain.registry.definitions.store(ASK.replace(": ask", f": {name}"))
    workflows = [known(description="K"), known("own"), flow]
    async with new_engine(workflows=workflows) as engine:
        definitions = engine.registry.definitions
        names = ["known", "own", "python", "a", "b", "m", "z"]
        for size in (1, 2, 3, 7, 50):
            found: list[str] = []
            for offset in range(0, 12, size):
                page = await definitions.list(limit=size, offset=offset)
                assert page.total == len(names)
                found += [each.name for each in page.items]
            assert found == names
        shown = await definitions.get("python")
        assert (shown.source, shown.description, shown.tasks) == ("file", "Do it.", None)
        assert shown.inputs == {
            "type": "object",
            "properties": {"size": {}, "deep": {"default": True}},
            "required": ["size"],
            "additionalProperties": False,
        }
        assert await engine.registry.workflow("known") is workflows[0]
        with pytest.raises(cb.Refused, match="part of the program"):
            await definitions.store(ASK.replace(": ask", ": own"))
        with pytest.raises(cb.Refused, match="part of the program"):
            await definitions.deprecate("own")


RUNNING = {
    "function": "function: m:f",
    "python": "python: x.py",
    "shell": "shell: ls",
    "container": "container: {image: x}",
    "http": "http: {url: 'http://x'}",
    "wait": "wait: {probe: 'm:f'}",
    "file": "workflow: other.yaml",
    "secrets": "external: {}\n    with: {token: '${{ secrets.KEY }}'}",
}
HARMLESS = ["external: {}", "input: {}", "sleep: 5s", "workflow: other", "external: {grows: true}"]


@pytest.mark.parametrize("kind", RUNNING)
async def test_what_runs_code_is_known_and_can_be_refused(kind: str, new_engine: NewEngine) -> None:
    text = f"workflow: x\ntasks:\n  - name: t\n    {RUNNING[kind]}\n  - name: u\n"
    assert [(each.task, each.kind) for each in runs_code(loads(text))] == [("t", kind)]
    async with new_engine() as engine:
        with pytest.raises(cb.Refused, match=rf"'x' .*task 't' \({kind}\)") as caught:
            await engine.registry.definitions.store(text, may_run_code=False)
        assert caught.value.kind == "forbidden"
        stored, _ = await engine.registry.definitions.store(text)
        assert stored.code == (f"task 't' ({kind})",)


@pytest.mark.parametrize("said", HARMLESS)
def test_what_is_done_elsewhere_is_harmless(said: str) -> None:
    assert runs_code(loads(f"workflow: x\ntasks:\n  - name: t\n    {said}\n")) == []


def test_templates_clean_up_and_output_count_too() -> None:
    text = """
workflow: x
flow: a -> m*
owner: a
failure_workflow: clean.yaml
tasks:
  - {name: a, external: {grows: true}}
  - {name: m, shell: ls}
"""
    assert {(each.task, each.kind) for each in runs_code(loads(text))} == {
        ("m", "shell"),
        (None, "file"),
    }


async def test_a_name_is_never_read_as_a_file(
    new_engine: NewEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A definition that may not run code cannot have a file read either."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret").write_text("workflow: secret\ntasks: []\n")
    text = "workflow: x\ntasks: [{name: t, workflow: secret}]\n"
    async with new_engine() as engine:
        await engine.registry.definitions.store(text, may_run_code=False)
        result = await engine.run("x")
        assert result.tasks["t"].error is not None
        assert "there is no workflow 'secret'" in result.tasks["t"].error.message


async def test_a_child_and_a_clean_up_are_found_in_the_store(new_engine: NewEngine) -> None:
    """In the version that is the newest when they start."""
    child = "workflow: child\noutput: {}\ntasks: [{{name: t}}]\n"
    parent = """
workflow: parent
failure_workflow: clean
output: "${{ tasks.c.output }}"
tasks:
  - {name: c, workflow: child}
  - {name: hold, needs: [c], input: {}}
"""
    async with new_engine(board=False) as engine:
        store = engine.registry.definitions.store
        await store(child.format("1"))
        await store(child.format("2"))
        await store(parent)
        await store("workflow: clean\ninputs: {run: {}}\ntasks: [{name: sweep}]\n")
        handle = await engine.start("parent")
        await waiting(handle, "hold")
        await handle.settle("hold", "failed")
        result = await handle.result()
        assert result.state == "failed"
        assert result.tasks["c"].output == 2
        clean = await engine.get(f"{handle.id}.failure")
        assert (await clean.result()).workflow == "clean"
