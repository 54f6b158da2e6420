"""Process tasks whose spawner dies, and those that never listen."""

from __future__ import annotations

import json
import os
import signal
import textwrap
from pathlib import Path
from typing import Any

import anyio
import pytest

import callboard as cb
from callboard.definitions import loads


def flow(folder: Path, **task: Any) -> cb.WorkflowSpec:
    return loads(json.dumps({"workflow": "w", "tasks": [{"name": "t", **task}]}), "w.json", folder)


async def until(path: Path) -> None:
    with anyio.fail_after(20):
        while not path.exists():  # noqa: ASYNC110, ASYNC240 - another process makes it
            await anyio.sleep(0.01)


async def end_with_dead_spawner(
    engine: cb.Engine, run: cb.RunHandle, folder: Path
) -> cb.TaskResult:
    """Kill the spawner once the task has begun, and return what became of the task."""
    await until(folder / "began")
    helper = engine._spawner.pid
    assert helper is not None
    os.kill(helper, signal.SIGKILL)
    with anyio.fail_after(20):
        return (await run.result()).tasks["t"]


@pytest.mark.parametrize("kind", ["shell", "python"])
async def test_an_attempt_whose_spawner_dies_is_lost(tmp_path: Path, kind: str) -> None:
    (tmp_path / "t.py").write_text(
        "import pathlib, time\npathlib.Path('began').touch()\ntime.sleep(60)\n"
    )
    said = {"shell": "touch began; sleep 60", "python": "t.py"}[kind]
    async with cb.Engine("memory:", board=False, grace=0.1) as engine:
        run = await engine.start(flow(tmp_path, **{kind: said}, lost="fail"))
        task = await end_with_dead_spawner(engine, run, tmp_path)
    assert task.error is not None
    assert task.error.kind == "lost"


async def test_a_python_task_that_reads_nothing_can_be_stopped(tmp_path: Path) -> None:
    (tmp_path / "t.py").write_text(
        "import pathlib, time\npathlib.Path('began').touch()\ntime.sleep(60)\n"
    )
    task = {
        "python": "t.py",
        "with": {"much": "x" * 1_000_000},
        "stop": {"grace": 0.1, "term": 0.1},
    }
    async with cb.Engine("memory:", board=False, grace=0.1) as engine:
        run = await engine.start(flow(tmp_path, **task))
        await until(tmp_path / "began")
        with anyio.fail_after(20):
            assert (await run.cancel_and_wait()).state == "cancelled"


TALKS: Any = {
    "asks for much and reads nothing": """
        import pathlib, sys, time
        sys.stdin.readline()
        print('{"type": "get", "id": 1, "task": "much"}', flush=True)
        pathlib.Path("began").touch()
        time.sleep(60)
    """,
    "asks before it has read how it starts": """
        import json, pathlib, sys, time
        print('{"type": "progress", "id": 1, "fraction": 0.1}', flush=True)
        time.sleep(0.3)
        start = json.loads(sys.stdin.readline())
        assert json.loads(sys.stdin.readline())["ok"]
        print(json.dumps({"type": "success", "output": len(start["inputs"]["much"])}), flush=True)
    """,
    "reads when it may": """
        import pathlib, select, sys, time
        select.select([sys.stdin], [], [])
        pathlib.Path("began").touch()
        while not pathlib.Path("go").exists():
            time.sleep(0.01)
        pathlib.Path("read").write_text(sys.stdin.readline())
    """,
}


def talks(folder: Path, how: str, **options: Any) -> cb.WorkflowSpec:
    (folder / "t.py").write_text(textwrap.dedent(TALKS[how]))
    much = {"name": "much", "shell": ["printf", "%0900000d", "0"]}
    task = {"name": "t", "needs": ["much"], "python": "t.py", **options}
    return loads(json.dumps({"workflow": "w", "tasks": [much, task]}), "w.json", folder)


async def test_a_task_that_does_not_read_its_answer_can_be_stopped(tmp_path: Path) -> None:
    spec = talks(tmp_path, "asks for much and reads nothing", stop={"grace": 0.1, "term": 0.1})
    async with cb.Engine("memory:", board=False, grace=0.1) as engine:
        run = await engine.start(spec)
        await until(tmp_path / "began")
        with anyio.fail_after(20):
            assert (await run.cancel_and_wait()).state == "cancelled"


async def test_a_reply_does_not_disturb_what_is_being_told(tmp_path: Path) -> None:
    much = {"much": "${{ tasks.much.output.stdout }}"}
    spec = talks(tmp_path, "asks before it has read how it starts", **{"with": much})
    async with cb.Engine("memory:", board=False, grace=0.1) as engine:
        with anyio.fail_after(20):
            result = await engine.run(spec)
    assert result.state == "succeeded", result.tasks["t"].error
    assert result.tasks["t"].output == 900_000


async def test_nothing_is_told_behind_a_line_that_was_cut_short(tmp_path: Path) -> None:
    spec = talks(
        tmp_path,
        "reads when it may",
        **{"with": {"much": "${{ tasks.much.output.stdout }}"}, "stop": {"grace": 2, "term": 5}},
    )
    async with cb.Engine("memory:", board=False, grace=0.1) as engine:
        run = await engine.start(spec)
        await until(tmp_path / "began")
        await run.cancel()
        await anyio.wait_all_tasks_blocked()  # Now the line is cut: what is read has no end.
        (tmp_path / "go").touch()
        with anyio.fail_after(20):
            assert (await run.result()).state == "cancelled"
    assert not (tmp_path / "read").exists()


@pytest.mark.parametrize("kind", ["shell", "python"])
async def test_what_its_spawner_lost_is_done_again(tmp_path: Path, kind: str) -> None:
    (tmp_path / "t.py").write_text(
        "import pathlib, time\n"
        "again = pathlib.Path('began').exists()\n"
        "pathlib.Path('began').touch()\n"
        "time.sleep(0 if again else 60)\n"
    )
    said = {"shell": "test -e began || { touch began; sleep 60; }", "python": "t.py"}[kind]
    async with cb.Engine("memory:", board=False, grace=0.1) as engine:
        run = await engine.start(flow(tmp_path, **{kind: said}))
        task = await end_with_dead_spawner(engine, run, tmp_path)
    assert (task.state, task.attempts) == ("succeeded", 2), task.error


@pytest.mark.parametrize("kind", ["shell", "python"])
async def test_what_cannot_be_started_at_all_is_a_mistake_in_the_definition(
    tmp_path: Path, kind: str
) -> None:
    (tmp_path / "t.py").touch()
    task = {"name": "t", kind: "t.py", "env": {"GIVEN": "${{ inputs.given }}"}}
    said = {"workflow": "w", "inputs": {"given": {"type": "string"}}, "tasks": [task]}
    spec = loads(json.dumps(said), "w.json", tmp_path)
    async with cb.Engine("memory:", board=False, grace=0.1) as engine:
        error = (await engine.run(spec, {"given": "a\0b"})).tasks["t"].error
    assert error is not None
    assert error.kind == "config"
    assert "NUL" in error.message
