"""`callboard worker`: what it does, how it is stopped, and that nothing of it stays behind."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

import callboard as cb
from callboard.client import Client, RunView, TaskView

from .processes import Command, Service, service, until

EXAMPLES = Path(__file__).parents[2] / "examples"

FLOW = {
    "workflow": "flow",
    "pools": {"far": 100},
    "tasks": [
        {"name": "function", "function": "jobs:double", "with": {"number": 4}, "pool": "far"},
        {
            "name": "shell",
            "shell": 'echo "token=$CALLBOARD_TOKEN"; echo oh >&2; exit 3',
            "pool": "far",
        },
        {
            "name": "python",
            "python": "jobs.py",
            "needs": ["function"],
            "with": {"given": "${{ tasks.function.output }}"},
            "pool": "far",
        },
        {"name": "mine", "external": {"grows": True}, "with": {"number": 1}},
        {"name": "step", "needs": ["mine"]},
    ],
}

JOBS = """
import callboard as cb
from callboard import child

def double(number):
    cb.current_sync().log("doubling")
    return 2 * number

if __name__ == "__main__":
    with child.connect() as task:
        print("printed")
        task.progress(0.5, "half", {"seen": True})
        task.add("mine", key="more", with_={"number": 5})
        task.success(task.inputs["given"] + task.needs["function"]["output"])
"""

MINE = """
import callboard as cb

@cb.task
async def mine(number: int) -> int:
    me = cb.current()
    if number == 1:
        created = await me.add("mine", key="child", number=7)
        assert created.id == "mine/child"
        if not await me.wait({"type": "boolean"}, "Sure?"):
            return cb.NotReady("not sure")
    return number

@cb.task
def step():
    return sorted(cb.current_sync().needs)
"""

SLEEPS = """
import os, pathlib, signal, sys, time
path = pathlib.Path("told.txt")
signal.signal(signal.SIGTERM, lambda *_: (path.write_text("terminated"), sys.exit(1)))
pathlib.Path("pid.txt").write_text(str(os.getpid()))
while True:
    signal.pause()
"""

SLEEPY = {
    "workflow": "sleepy",
    "tasks": [
        {
            "name": "sleep",
            "shell": [sys.executable, "sleeps.py"],
            "stop": {"grace": 0, "term": 10},
        }
    ],
}


@pytest.fixture
def anyio_backend() -> str:
    """Run what looks at the processes on one backend; the processes run on both."""
    return "asyncio"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Service]:
    """Serve a workflow whose tasks are done elsewhere."""
    (tmp_path / "flow.json").write_text(json.dumps(FLOW))
    (tmp_path / "sleepy.json").write_text(json.dumps(SLEEPY))
    (tmp_path / "jobs.py").write_text(JOBS)
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "sleeps.py").write_text(SLEEPS)
    elsewhere = ("--elsewhere", "far", "--elsewhere", "sleep")
    with service(tmp_path, "flow.json", "sleepy.json", options=elsewhere) as found:
        yield found


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
async def test_tasks_of_every_kind_are_done(served: Service, backend: str) -> None:
    token = await _token(served, "worker")
    admin = await _token(served, "admin")
    secret = {"CALLBOARD_TOKEN": token}
    served.worker("--pool", "far", "--backend", backend, env=secret)
    served.worker("--module", "mine.py", "--backend", backend, env=secret)
    async with Client(served.url, admin) as client:
        run = (await client.start("flow")).run
        asked = await _until_task(client, run, "mine", lambda task: task.wait is not None)
        assert asked.wait is not None
        assert asked.wait.message == "Sure?"
        await client.answer(run, "mine", value=True)
        result = await client.result(run)
        outputs = {name: task.output for name, task in result.tasks.items()}
        assert outputs == {
            "function": 8,
            "shell": None,
            "python": 16,
            "python/more": 5,
            "mine": 1,
            "mine/child": 7,
            "step": ["mine"],
        }
        error = result.tasks["shell"].error
        assert error is not None
        assert (error.kind, error.message) == ("exit", "exit code 3: oh")
        lines = {(each.task, each.stream, each.text) async for each in client.logs(run)}
        assert lines == {
            ("function", "log", "doubling"),
            ("shell", "stdout", "token="),
            ("shell", "stderr", "oh"),
            ("python", "stderr", "printed"),
            ("python", "progress", "half"),
        }
    for worker in served.workers:
        worker.signal(signal.SIGTERM)
        assert await anyio.to_thread.run_sync(worker.end) == 0, worker.text
        assert token not in worker.text


async def _token(served: Service, role: str) -> str:
    added = served.command("token", "add", role, "--role", role, "--store", served.store, "--json")
    assert await anyio.to_thread.run_sync(added.end) == 0, added.text
    return str(json.loads(added.text)["secret"])


async def _until_task(
    client: Client, run: str, name: str, holds: Callable[[TaskView], bool]
) -> TaskView:
    found: list[TaskView] = []

    async def now() -> bool:
        found[:] = [await client.task(run, name)]
        return holds(found[0])

    await until(now)
    return found[0]


async def _begun(served: Service, *words: str) -> tuple[Command, str, int]:
    """Start a worker that does a task which never ends; return it, the run, and the process."""
    worker = served.worker("--label", "sleep", *words)
    async with Client(served.url) as client:
        run = (await client.start("sleepy")).run
    pid = served.folder / "pid.txt"
    await until(lambda: pid.exists() and pid.read_text())
    return worker, run, int(pid.read_text())


async def _until_gone(pid: int) -> None:
    await until(lambda: not _runs(pid))


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def _run(served: Service, run: str) -> RunView:
    async with Client(served.url) as client:
        return await client.run(run)


async def test_a_worker_that_is_stopped_gives_back_what_it_could_not_finish(
    served: Service,
) -> None:
    worker, run, pid = await _begun(served, "--grace", "0.2")
    worker.signal(signal.SIGTERM)
    assert await anyio.to_thread.run_sync(worker.end) == 0, worker.text
    await _until_gone(pid)
    assert (served.folder / "told.txt").read_text() == "terminated"
    task = (await _run(served, run)).tasks["sleep"]
    assert (task.state, task.attempts) == ("ready", 1)


async def test_a_second_signal_hurries(served: Service) -> None:
    worker, run, pid = await _begun(served, "--grace", "1000")
    worker.signal(signal.SIGINT)
    await anyio.to_thread.run_sync(worker.expect, "claiming nothing more")
    worker.signal(signal.SIGINT)
    assert await anyio.to_thread.run_sync(worker.end) == 130, worker.text
    await _until_gone(pid)
    assert (await _run(served, run)).tasks["sleep"].state == "ready"


async def test_a_task_that_is_cancelled_is_stopped_in_its_steps(served: Service) -> None:
    worker, run, pid = await _begun(served, "--lease", "1")
    async with Client(served.url) as client:
        await client.cancel(run, "enough")
    await _until_gone(pid)
    assert (served.folder / "told.txt").read_text() == "terminated"
    await anyio.to_thread.run_sync(worker.expect, "sleep of run .* is stopped")
    assert worker.process.poll() is None


async def test_what_a_killed_worker_had_started_is_killed(served: Service) -> None:
    worker, run, pid = await _begun(served, "--lease", "1")
    worker.signal(signal.SIGKILL)
    await _until_gone(pid)
    async with Client(served.url) as client:
        await _until_task(client, run, "sleep", lambda task: task.state == "ready")


async def test_a_worker_goes_on_while_its_server_is_away(served: Service) -> None:
    (served.folder / "wait.py").write_text(
        "import callboard as cb, pathlib, time\n"
        "@cb.task\n"
        "def mine(number):\n"
        "    pathlib.Path('begun.txt').touch()\n"
        "    while not pathlib.Path('go.txt').exists():\n"
        "        time.sleep(0.02)\n"
        "    return 'done'\n"
    )
    worker = served.worker("--module", "wait.py")
    async with Client(served.url) as client:
        run = (await client.start("flow")).run
        await until((served.folder / "begun.txt").exists)
        served.server.signal(signal.SIGKILL)
        await anyio.to_thread.run_sync(served.server.end)
        (served.folder / "go.txt").touch()
        await anyio.to_thread.run_sync(worker.expect, "cannot be reached")
        await anyio.to_thread.run_sync(served.start)
        task = await _until_task(client, run, "mine", lambda task: task.state == "succeeded")
        assert (task.output, task.attempts) == ("done", 1)
    await anyio.to_thread.run_sync(worker.expect, "is back")


async def test_what_a_worker_cannot_do_it_gives_back(served: Service) -> None:
    (served.folder / "less.py").write_text("import callboard as cb\n@cb.task\ndef other(): ...\n")
    worker = served.worker("--label", "mine", "--module", "less.py")
    async with Client(served.url) as client:
        run = (await client.start("flow")).run
        await anyio.to_thread.run_sync(worker.expect, "mine of run .* cannot be done here")
        await _until_task(client, run, "mine", lambda task: task.state == "ready")


def test_a_worker_says_what_is_wrong(served: Service) -> None:
    for words, code, text in (
        ((), 2, "say which tasks this worker does"),
        (("--module", "none.py"), 2, "there is no such file"),
        (("--module", "jobs.py"), 2, "holds no task"),
        (("--label", "a", "--token", "wrong"), 2, "no such token"),
    ):
        worker = served.worker(*words)
        assert worker.end() == code, worker.text
        assert text in worker.text
        assert "Traceback" not in worker.text


async def test_a_worker_in_another_language(tmp_path: Path, program: Callable[[str], str]) -> None:
    node = program("node")
    folder = EXAMPLES / "node_worker"
    with service(tmp_path, str(folder)) as served:
        words = [node, str(folder / "worker.mjs"), "--server", served.url, "--lease", "3"]
        async with Client(served.url) as client, await anyio.open_process(words) as worker:
            try:
                good = (await client.start("images", {"width": 640})).run
                result = (await client.result(good)).raise_for_state()
                assert result.tasks["resize"].output == {"width": 640, "height": 480}
                lines = [each.text async for each in client.logs(good, "resize")]
                assert lines == ["step 1 of 3", "step 2 of 3", "step 3 of 3"]
                bad = (await client.start("images", {"width": -1})).run
                with pytest.raises(cb.RunFailed):
                    (await client.result(bad)).raise_for_state()
                error = (await client.run(bad)).tasks["resize"].error
                assert error is not None
                assert error.message == "Error: width must be more than 0, not -1"
                worker.terminate()
                assert await worker.wait() == 0
            finally:
                if worker.returncode is None:
                    worker.kill()
