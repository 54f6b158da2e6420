"""Python tasks are forks of the helper, and a file cannot tell that from ``python file.py``."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from callboard.executors._spawner import Command, Exit, Limits, Spawner

START: dict[str, Any] = {
    "type": "start",
    "protocol": 1,
    "run": "run-1",
    "task": "t",
    "label": "T",
    "generation": 1,
    "attempt": 1,
    "fence": "f",
    "key": "k",
    "inputs": {"a": 1, "b": 2},
    "needs": {},
    "holes": [],
    "answers": [],
}


@pytest.fixture
async def spawner() -> AsyncIterator[Spawner]:
    async with Spawner(f"engine-{os.getpid()}") as spawner:
        yield spawner


class Runner:
    """Writes files and runs them, as tasks and as programs."""

    def __init__(self, spawner: Spawner, folder: Path) -> None:
        self.spawner = spawner
        self.folder = folder

    def write(self, text: str, name: str = "job.py") -> str:
        (self.folder / name).write_text(text)
        return str(self.folder / name)

    async def run(self, python: str, given: str = "", **options: Any) -> tuple[Exit, str, str]:
        command = Command(python=python, run="run-1", attempt="run-1/t/1", **options)
        async with await self.spawner.start(command) as process:
            with contextlib.suppress(anyio.BrokenResourceError):  # not everybody reads it
                await process.stdin.write(given.encode())
            process.stdin.close()
            out = b"".join([chunk async for chunk in process.stdout])
            err = b"".join([chunk async for chunk in process.stderr])
            return await process.wait(), out.decode(), err.decode()


@pytest.fixture
def runner(spawner: Spawner, tmp_path: Path) -> Runner:
    return Runner(spawner, tmp_path)


FILES = {
    "output": "print('hi'); import sys; print('err', file=sys.stderr)",
    "unended": "import sys; sys.stdout.write('no newline')",
    "main": "assert __name__ == '__main__'; print(__file__, __doc__, __builtins__)",
    "classes": "import pickle\nclass A: x: int = 1\nprint(pickle.loads(pickle.dumps(A())).x)",
    "stdin": "print(input(), input())",
    "path": "import sys; print(sys.argv, sys.path)",
    "code": "raise SystemExit(7)",
    "text": "raise SystemExit('bad day')",
    "none": "import sys; sys.exit()",
    "minus": "import sys; sys.exit(-1)",
    "error": "def f():\n    1 / 0\n\nf()",
    "syntax": "def f(:\n    pass\n",
    "atexit": "import atexit; atexit.register(print, 'bye')",
    "thread": (
        "import threading, time\n"
        "def late():\n    go.wait(); print('late', name)\n"
        "go = threading.Event(); name = 'thread'\n"
        "threading.Thread(target=late).start(); threading.Timer(0.05, go.set).start()"
    ),
    "encoding": "# coding: latin-1\nprint(ascii('\\xe9'))",
    "modules": (
        "import sys\n"
        "print([m for m in sys.modules if m.split('.')[0] in ('anyio', 'attrs', 'attr', 'trio')])"
    ),
    "flags": "import sys; print(sys.flags, sys.prefix, sys.executable)",
    "signals": (
        "import signal\n"
        "print([signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGPIPE, signal.SIGCHLD)])"
    ),
    "descriptors": "import os; print(sorted(os.listdir('/proc/self/fd')))",
    "helper": "import importlib.util; print(importlib.util.find_spec('_spawner'))",
    "hook": "import sys; sys.excepthook = lambda *e: print('hooked', e[0]); 1 / 0",
    "fork": "import os\nif os.fork(): os.wait(); print('parent')\nelse: print('child')",
    "asyncio": (
        "import asyncio, sys\n"
        "async def main():\n"
        "    p = await asyncio.create_subprocess_exec(sys.executable, '-c', 'print(5)')\n"
        "    print(await p.wait())\n"
        "asyncio.run(main())"
    ),
    "processes": (
        "import multiprocessing\n"
        "def f(x): return x + 1\n"
        "if __name__ == '__main__':\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool: print(pool.map(f, [1]))"
    ),
}


@pytest.mark.parametrize("name", FILES)
async def test_a_file_does_what_it_does_under_an_interpreter(runner: Runner, name: str) -> None:
    path = runner.write(FILES[name])
    given = "one\ntwo\n"
    theirs = subprocess.run(  # noqa: ASYNC221 - nothing else runs
        [sys.executable, path], input=given, capture_output=True, text=True, check=False
    )
    ours = await runner.run(path, given)
    assert ours == (Exit(theirs.returncode, None), theirs.stdout, theirs.stderr)


async def test_plain_lines_come_as_they_are_printed(runner: Runner) -> None:
    path = runner.write("import json\nprint(json.dumps({'type': 'success'}))\ninput()")
    command = Command(python=path, run="r", attempt="a")
    async with await runner.spawner.start(command) as process:
        assert await anext(process.stdout) == b'{"type": "success"}\n'


async def test_an_interrupt_ends_it(runner: Runner) -> None:
    path = runner.write("import os, signal; os.kill(os.getpid(), signal.SIGINT); input()")
    assert (await runner.run(path))[0] == Exit(None, signal.SIGINT)


async def test_its_marks_are_where_proc_shows_them(runner: Runner) -> None:
    """Also those of what it forks without exec, which has only the memory of its parent."""
    text = (
        "import os\n"
        "if os.fork(): os.wait()\n"
        "print([e for e in open('/proc/self/environ').read().split('\\0') if 'CALLB' in e])\n"
        "print([e for e in os.environ if 'CALLB' in e])"
    )
    seen = f"['CALLBOARD_ENGINE=engine-{os.getpid()}', 'CALLBOARD_ATTEMPT=run-1/t/1', "
    seen += "'CALLBOARD_RUN=run-1']\n"
    names = "['CALLBOARD_ENGINE', 'CALLBOARD_ATTEMPT', 'CALLBOARD_RUN']\n"
    _, text, _ = await runner.run(runner.write(text))
    assert text == (seen + names) * 2


async def test_what_it_forked_without_exec_ends_with_it(runner: Runner) -> None:
    text = (
        "import os, time\n"
        "if not os.fork():\n"
        "    os.setsid(); print(os.getpid())\n"
        "    while True: time.sleep(60)\n"
        "input()"
    )
    command = Command(python=runner.write(text), run="r", attempt="a")
    async with await runner.spawner.start(command) as process:
        orphan = f"/proc/{int(await anext(process.stdout))}"
        process.stdin.close()
        assert (await process.wait()).code == 1  # input() at the end of the file
        assert not os.path.exists(orphan)  # noqa: ASYNC240, PTH110 - nothing else runs


async def test_one_task_does_not_see_another(runner: Runner) -> None:
    path = runner.write(
        "import sys, os, json\nprint(hasattr(json, 'mine'), 'M' in os.environ, len(sys.path))\n"
        "json.mine = 1; sys.path.append('x'); os.environ['M'] = '1'"
    )
    assert await runner.run(path) == await runner.run(path)


async def test_a_function_gets_its_inputs_and_returns_the_output(
    runner: Runner, tmp_path: Path
) -> None:
    runner.write("def add(a, b):\n    print('adding')\n    return {'sum': a + b}\n", "sums.py")
    ended, out, err = await runner.run(
        "sums:add", json.dumps(START) + "\n", sys_path=[str(tmp_path)]
    )
    assert (ended, json.loads(out)) == (Exit(0, None), {"type": "success", "output": {"sum": 3}})
    assert err == "adding\n"


@pytest.mark.parametrize(
    ("entry", "kind", "message"),
    [
        ("no_such_module:f", "ModuleNotFoundError", "No module named 'no_such_module'"),
        ("sums:nope", "AttributeError", "module 'sums' has no attribute 'nope'"),
        ("sums:slow", "TypeError", "sums:slow is async"),
        ("sums:bad", "TypeError", "unexpected keyword argument"),
        ("sums:thing", "TypeError", "not JSON serializable"),
    ],
)
async def test_a_function_that_cannot_be_called_says_why(
    runner: Runner, tmp_path: Path, entry: str, kind: str, message: str
) -> None:
    text = "async def slow(**k): pass\ndef bad(): pass\ndef thing(**k): return object()\n"
    runner.write(text, "sums.py")
    ended, out, err = await runner.run(entry, json.dumps(START) + "\n", cwd=str(tmp_path))
    said = json.loads(out)
    assert (ended.code, said["type"], said["kind"]) == (1, "error", "error")
    assert message in said["message"]
    assert said["detail"]["class"] == kind
    assert "never awaited" not in err


async def test_limits_hold_for_python_too(runner: Runner) -> None:
    path = runner.write("bytes(1 << 30)")
    ended, _, err = await runner.run(path, limits=Limits(memory=512 << 20))
    assert ended.code == 1
    assert err.endswith("MemoryError\n")
