"""Shell and Python tasks as users write them, how they fail, and that nothing is left."""

from __future__ import annotations

import json
import signal
import sys
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

import callboard as cb
from callboard.definitions import loads

Write = Callable[[str, str], str]


@pytest.fixture
async def engine() -> AsyncIterator[cb.Engine]:
    """An engine in memory; processes need real time."""
    async with cb.Engine("memory:", board=False, grace=0.1) as opened:
        yield opened


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file beside the definition and return its name."""

    def write_file(name: str, text: str) -> str:
        (tmp_path / name).write_text(textwrap.dedent(text))
        return name

    return write_file


def flow(folder: Path, *tasks: dict[str, Any], **settings: Any) -> cb.WorkflowSpec:
    """Return a definition with these tasks in this folder."""
    return loads(json.dumps({"workflow": "w", "tasks": list(tasks), **settings}), "w.json", folder)


async def one(engine: cb.Engine, folder: Path, **task: Any) -> tuple[cb.RunResult, cb.TaskResult]:
    """Run a single task and return the run's result and the task's."""
    with anyio.fail_after(30):
        result = await engine.run(flow(folder, {"name": "t", **task}))
    return result, result.tasks["t"]


async def until(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    """Return when something outside this process has come about."""
    while True:
        found = condition()
        if found if isinstance(found, bool) else await found:
            return
        await anyio.sleep(0.01)


async def lines(engine: cb.Engine, result: cb.RunResult, stream: str) -> list[str]:
    """Return what a run's tasks wrote to one stream."""
    await anyio.sleep(0.15)  # Lines ride on the next commit, 0.1 s later at most.
    found = await (await engine.get(result.run)).logs()
    return [line.text for line in found if line.stream == stream]


# --- shell ----------------------------------------------------------------------------------------


async def test_a_shell_text_gives_its_exit_code_and_output(
    engine: cb.Engine, tmp_path: Path
) -> None:
    """The output is what it wrote; inputs come as environment variables."""
    result, task = await one(
        engine, tmp_path, shell='echo "hello $NAME"; echo oops >&2', **{"with": {"NAME": "you"}}
    )
    assert task.output == {"exit_code": 0, "stdout": "hello you\n"}
    assert await lines(engine, result, "stderr") == ["oops"]


async def test_a_list_needs_no_shell(engine: cb.Engine, tmp_path: Path) -> None:
    """What stands in an argument is data, whatever it looks like."""
    _, task = await one(engine, tmp_path, shell=["printf", "%s", "$HOME; `id`"])
    assert task.output["stdout"] == "$HOME; `id`"


async def test_an_expression_is_an_argument(engine: cb.Engine, tmp_path: Path) -> None:
    """Outputs of earlier tasks are handed on as arguments."""
    spec = flow(
        tmp_path,
        {"name": "first", "shell": "printf 7"},
        {
            "name": "t",
            "needs": ["first"],
            "shell": ["printf", "%s!", "${{ tasks.first.output.stdout }}"],
        },
    )
    result = await engine.run(spec)
    assert result.tasks["t"].output["stdout"] == "7!"


async def test_a_non_zero_exit_fails_with_code_and_last_words(
    engine: cb.Engine, tmp_path: Path
) -> None:
    """The error names the exit code and what was last said on stderr."""
    result, task = await one(
        engine, tmp_path, shell="echo first >&2; echo no such planet >&2; exit 3"
    )
    assert result.state is cb.RunState.FAILED
    assert task.error is not None
    assert (task.error.kind, task.error.message) == ("exit", "exit code 3: no such planet")
    assert task.error.detail["exit_code"] == 3


async def test_a_missing_program_is_a_configuration_error(
    engine: cb.Engine, tmp_path: Path
) -> None:
    """It says which program is missing."""
    _, task = await one(engine, tmp_path, shell=["no-such-program-here"])
    assert task.error is not None
    assert task.error.kind == "config"
    assert "no-such-program-here" in task.error.message


async def test_a_crash_names_the_signal(engine: cb.Engine, tmp_path: Path) -> None:
    """A process that is killed from outside fails with the signal's number."""
    _, task = await one(engine, tmp_path, shell="kill -SEGV $$")
    assert task.error is not None
    assert task.error.kind == "exit"
    assert str(int(signal.SIGSEGV)) in task.error.message


async def test_output_is_cut_visibly(engine: cb.Engine, tmp_path: Path) -> None:
    """The first MiB is kept, and a mark says that there was more."""
    _, task = await one(engine, tmp_path, shell="head -c 3000000 /dev/zero | tr '\\0' x")
    kept = task.output["stdout"]
    assert len(kept) < 1_100_000
    assert kept.endswith("[cut here: more than 1048576 bytes]")


async def test_secrets_are_masked_in_the_log(
    engine: cb.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A secret reaches the process, and neither the log nor the events."""
    monkeypatch.setenv("TOKEN", "hunter2")
    result, task = await one(
        engine,
        tmp_path,
        shell='echo "token=$T" >&2; echo "${#T} $T"',
        env={"T": "${{ secrets.TOKEN }}"},
    )
    assert task.output["stdout"] == "7 ***\n"
    assert await lines(engine, result, "stderr") == ["token=***"]
    events = [event async for event in (await engine.get(result.run)).events()]
    assert "hunter2" not in repr(events)


async def test_each_line_of_a_secret_is_masked(
    engine: cb.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log is kept line by line, so none of it holds the whole of a key."""
    monkeypatch.setenv("KEY", "-----BEGIN KEY-----\nMIIEvQIBADAN\n-----END KEY-----\n")
    result, task = await one(
        engine,
        tmp_path,
        shell='echo "$K"; echo "$K" | sed "s/^/  /" >&2',
        env={"K": "${{ secrets.KEY }}"},
    )
    assert task.output["stdout"].strip() == "***"
    assert await lines(engine, result, "stdout") == ["***", "***", "***", ""]
    assert await lines(engine, result, "stderr") == ["  ***", "  ***", "  ***", "  "]


@pytest.mark.parametrize("seen", [1, 4, 7])
async def test_no_half_of_a_secret_is_left_where_stderr_is_cut(
    engine: cb.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seen: int
) -> None:
    """The error keeps the end of stderr; as it were to begin within a secret, it begins after it.

    A Python task's and a shell task's alike.
    """
    monkeypatch.setenv("TOKEN", "hunter2")
    rest = "z" * (4096 - seen)
    script = f"import os, sys; sys.stderr.write('x' * 99 + os.environ['T'] + {rest!r}); sys.exit(1)"
    (tmp_path / "fails.py").write_text(script)
    for how in ({"python": "fails.py"}, {"shell": [sys.executable, "-c", script]}):
        _, task = await one(engine, tmp_path, env={"T": "${{ secrets.TOKEN }}"}, **how)
        assert task.error is not None
        assert task.error.detail["stderr"].rpartition("\n")[2] in (rest, f"***{rest}")
        assert task.error.detail["stderr"].startswith("[cut here: more than 4096 bytes]\n")


async def test_no_half_of_a_secret_is_left_where_stdout_is_cut(
    engine: cb.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is kept of it ends before a secret that it would end within."""
    monkeypatch.setenv("TOKEN", "hunter2")
    _, task = await one(
        engine,
        tmp_path,
        shell="head -c 1048573 /dev/zero | tr '\\0' x; echo $T",
        env={"T": "${{ secrets.TOKEN }}"},
    )
    assert task.output["stdout"] == "x" * 1048573 + "\n[cut here: more than 1048576 bytes]"


async def test_no_half_of_a_secret_is_left_where_a_bad_line_is_cut(
    engine: cb.Engine, tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error shows the beginning of the line, and what is wrong with it."""
    monkeypatch.setenv("TOKEN", "hunter2")
    for line in ("""'{"type": ' + 'x' * 66 + T""", """'{"type": "' + T + '"}'"""):
        write("bad.py", f"import os; T = os.environ['T']; print({line})")
        _, task = await one(engine, tmp_path, python="bad.py", env={"T": "${{ secrets.TOKEN }}"})
        assert task.error is not None
        assert task.error.kind == "bad_output"
        assert "***" in task.error.message
        assert "hunt" not in task.error.message


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (65_536 - 7, "x" * 65_529 + "***"),
        (65_536 - 6, "x" * 65_530 + " [cut here: 7 more bytes]"),
        (65_536, "x" * 65_536 + " [cut here: 7 more bytes]"),
        (300_000, "x" * 65_536 + " [cut here: 234471 more bytes]"),
    ],
)
async def test_a_long_line_is_cut_once_in_the_log_with_a_mark(
    engine: cb.Engine, tmp_path: Path, write: Write, size: int, shown: str
) -> None:
    """What is left out of it is counted, the next line is whole, and no secret is cut in two."""
    script = f"import os; print('x' * {size} + os.environ['T']); print('end')"
    write("long.py", script)
    for how in ({"python": "long.py"}, {"shell": [sys.executable, "-c", script]}):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TOKEN", "hunter2")
            result, _ = await one(engine, tmp_path, env={"T": "${{ secrets.TOKEN }}"}, **how)
        assert await lines(engine, result, "stdout") == [shown, "end"]


SAYS = """
import json, os
T = os.environ["T"]
for said in (
    {"type": "log", "message": T, "level": f"l {T}"},
    {"type": "progress", "fraction": 0.5, "message": T, "data": {T: [T, {"n": 1}]}},
    {"type": "success", "output": {T: [f"a {T}", {"n": 1, "k": [T]}]}},
):
    print(json.dumps(said))
"""


async def test_secrets_are_masked_in_what_a_python_task_says(
    engine: cb.Engine, tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are in no line of the log, with its data, and in no output."""
    monkeypatch.setenv("TOKEN", "hunter2")
    write("says.py", SAYS)
    result, task = await one(engine, tmp_path, python="says.py", env={"T": "${{ secrets.TOKEN }}"})
    assert task.output == {"***": ["a ***", {"n": 1, "k": ["***"]}]}
    await anyio.sleep(0.15)
    log = await (await engine.get(result.run)).logs()
    assert [(line.text, line.data) for line in log] == [
        ("***", {"level": "l ***"}),
        ("***", {"fraction": 0.5, "data": {"***": ["***", {"n": 1}]}}),
    ]


@pytest.mark.parametrize(
    "says",
    [
        "print(json.dumps({'type': 'error', 'message': T, 'kind': T, 'detail': {'d': T}}))",
        "print(json.dumps({'type': 'give', 'hole': T, 'to': T}))",
    ],
)
async def test_secrets_are_masked_in_the_error_of_a_python_task(
    engine: cb.Engine, tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch, says: str
) -> None:
    """In its message and in its detail, whether it says so or is refused something."""
    monkeypatch.setenv("TOKEN", "hunter2")
    write("says.py", f"import json, os\nT = os.environ['T']\n{says}\n")
    _, task = await one(engine, tmp_path, python="says.py", env={"T": "${{ secrets.TOKEN }}"})
    assert task.error is not None
    assert "***" in task.error.message
    assert "hunter2" not in repr(task.error)


# --- stopping -------------------------------------------------------------------------------------


def _living(folder: Path) -> list[int]:
    """Return the processes that work in a folder."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if (entry / "cwd").readlink() == folder:
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("how", ["cancel", "timeout"])
async def test_stopping_a_shell_task_leaves_no_child(
    engine: cb.Engine, tmp_path: Path, how: str
) -> None:
    """Children, children's children and those in a session of their own end with their task."""
    text = "sleep 60 & (sleep 60 &) ; setsid sleep 60 & touch started; wait"
    stop = {"grace": 0, "term": "0.2s"}
    task = {
        "name": "t",
        "shell": text,
        "stop": stop,
        **({"timeout": "300ms"} if how == "timeout" else {}),
    }
    run = await engine.start(flow(tmp_path, task))
    with anyio.fail_after(20):
        await until((tmp_path / "started").exists)
        if how == "cancel":
            await until(lambda: len(_living(tmp_path)) >= 3)
            await run.cancel()
        result = await run.result()
    assert _living(tmp_path) == []
    expected = cb.TaskState.CANCELLED if how == "cancel" else cb.TaskState.FAILED
    assert result.tasks["t"].state is expected


async def test_a_task_that_ignores_sigterm_is_killed(
    engine: cb.Engine, tmp_path: Path, write: Write
) -> None:
    """Told, terminated, killed: each with its time, and the error says what happened."""
    name = write(
        "deaf.py",
        """
        import signal, time, pathlib
        signal.signal(signal.SIGTERM, lambda *_: pathlib.Path("told").touch())
        pathlib.Path("up").touch()
        while True: time.sleep(0.05)
        """,
    )
    stop = {"grace": "0.1s", "term": "0.2s"}
    _, task = await one(engine, tmp_path, python=name, timeout="700ms", stop=stop)
    assert task.error is not None
    assert task.error.kind == "timeout"
    assert (tmp_path / "told").exists()


async def test_a_python_task_is_told_before_it_is_terminated(
    engine: cb.Engine, tmp_path: Path, write: Write
) -> None:
    """It hears ``cancel`` and has its grace time to tidy up."""
    name = write(
        "polite.py",
        """
        import json, pathlib, sys
        sys.stdin.readline()
        pathlib.Path("up").touch()
        assert json.loads(sys.stdin.readline())["type"] == "cancel"
        pathlib.Path("tidied").touch()
        """,
    )
    run = await engine.start(
        flow(tmp_path, {"name": "t", "python": name, "stop": {"grace": 10, "term": 1}})
    )
    with anyio.fail_after(20):
        await until((tmp_path / "up").exists)
        await run.cancel()
        await run.result()
    assert (tmp_path / "tidied").exists()


# --- python ---------------------------------------------------------------------------------------


async def test_plain_json_lines_need_no_helper(
    engine: cb.Engine, tmp_path: Path, write: Write
) -> None:
    """A file that reads a line and prints a line is a task; other lines are kept as output."""
    name = write(
        "plain.py",
        """
        import json, sys
        start = json.loads(sys.stdin.readline())
        print("just a word")
        output = [start["inputs"]["n"], start["label"], start["attempt"]]
        print(json.dumps({"type": "success", "output": output}))
        """,
    )
    result, task = await one(engine, tmp_path, python=name, **{"with": {"n": 4}})
    assert task.output == [4, "t", 1]
    assert await lines(engine, result, "stdout") == ["just a word"]


async def test_the_helper_speaks_for_a_file(
    engine: cb.Engine, tmp_path: Path, write: Write
) -> None:
    """Inputs, needs, progress, log and success; print goes to the log."""
    name = write(
        "helped.py",
        """
        from callboard import child
        with child.connect() as task:
            print("printed")
            task.progress(0.5, "half way")
            task.log("said")
            task.success({"sum": task.inputs["a"] + task.needs["first"]["output"]["exit_code"]})
        """,
    )
    spec = flow(
        tmp_path,
        {"name": "first", "shell": "true"},
        {"name": "t", "needs": ["first"], "python": name, "with": {"a": 5}},
    )
    result = await engine.run(spec)
    assert result.tasks["t"].output == {"sum": 5}, result.tasks["t"].error
    assert await lines(engine, result, "stderr") == ["printed"]
    assert await lines(engine, result, "log") == ["said"]
    assert await lines(engine, result, "progress") == ["half way"]


@pytest.mark.parametrize(
    ("text", "kind", "says"),
    [
        ('print(\'{"type": "success", "output": \')', "bad_output", "not JSON"),
        ('print(\'{"type": "sing"}\')', "bad_output", "sing"),
        ('print("x" * (5 << 20))', "bad_output", "4 MiB"),
        ('print(\'{"type": "error", "message": "no money"}\')', "error", "no money"),
        ("raise SystemExit(7)", "exit", "exit code 7"),
        ("1 / 0", "exit", "ZeroDivisionError"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "exit", "signal 9"),
    ],
)
async def test_how_a_python_task_fails(
    engine: cb.Engine, tmp_path: Path, write: Write, *, text: str, kind: str, says: str
) -> None:
    """Whatever a process does, the error says it and the engine goes on."""
    _, task = await one(engine, tmp_path, python=write("bad.py", text))
    assert task.error is not None
    assert task.error.kind == kind
    assert says in task.error.message
    _, next_task = await one(engine, tmp_path, shell="true")
    assert next_task.state is cb.TaskState.SUCCEEDED


async def test_exit_0_without_a_word_is_success(
    engine: cb.Engine, tmp_path: Path, write: Write
) -> None:
    """A script that knows nothing of the protocol succeeds with no output."""
    _, task = await one(engine, tmp_path, python=write("quiet.py", "x = 1"))
    assert (task.state, task.output) == (cb.TaskState.SUCCEEDED, None)


async def test_success_counts_when_the_process_has_exited(
    engine: cb.Engine, tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that lingers after its success is ended, and has succeeded all the same."""
    monkeypatch.setattr("callboard.executors._python.LEAVE_SECONDS", 0.2)
    text = 'import time; print(\'{"type": "success", "output": 1}\', flush=True); time.sleep(60)'
    _, task = await one(engine, tmp_path, python=write("late.py", text))
    assert (task.state, task.output) == (cb.TaskState.SUCCEEDED, 1)


async def test_not_ready_skips_what_is_below(
    engine: cb.Engine, tmp_path: Path, write: Write
) -> None:
    """It is no failure, and the run ends not_ready."""
    name = write("not.py", 'print(\'{"type": "not_ready", "message": "not yet"}\')')
    spec = flow(
        tmp_path, {"name": "t", "python": name}, {"name": "u", "needs": ["t"], "shell": "true"}
    )
    result = await engine.run(spec)
    assert result.state is cb.RunState.NOT_READY
    assert result.tasks["u"].state is cb.TaskState.SKIPPED


async def test_a_wait_ends_the_process_and_the_answer_starts_it_again(
    engine: cb.Engine, tmp_path: Path, write: Write
) -> None:
    """No process sleeps while a person thinks; the answer comes with the next start."""
    name = write(
        "ask.py",
        """
        import json, sys
        start = json.loads(sys.stdin.readline())
        if not start["answers"]:
            schema = {"type": "integer"}
            print(json.dumps({"type": "wait", "input": schema, "message": "how many?"}))
        else:
            print(json.dumps({"type": "success", "output": start["answers"]}))
        """,
    )
    run = await engine.start(flow(tmp_path, {"name": "t", "python": name}))
    with anyio.fail_after(20):

        async def waits() -> bool:
            return (await run.snapshot()).tasks["t"].state is cb.TaskState.WAITING

        await until(waits)
        with pytest.raises(cb.UsageError, match="integer"):
            await run.answer("t", "many")
        await run.answer("t", 3)
        result = await run.result()
    assert result.tasks["t"].output == [3]


async def test_a_retry_by_the_tasks_own_word_for_its_error(
    engine: cb.Engine, tmp_path: Path, write: Write
) -> None:
    """``retry: on:`` may name what a task calls its error."""
    name = write(
        "again.py",
        """
        import json, sys
        start = json.loads(sys.stdin.readline())
        if start["attempt"] < 3:
            print(json.dumps({"type": "error", "message": "busy", "kind": "Busy"}))
        else:
            print(json.dumps({"type": "success", "output": start["key"]}))
        """,
    )
    retry = {"times": 3, "delay": "10ms", "jitter": False, "on": ["Busy"]}
    result, task = await one(engine, tmp_path, python=name, retry=retry)
    assert task.attempts == 3
    assert task.output == f"{result.run}:t:1"


async def test_a_function_as_module_and_name(
    engine: cb.Engine, tmp_path: Path, write: Write
) -> None:
    """``python: module:name`` calls the function with the inputs, in a process of its own."""
    write("sums.py", "import os\ndef add(a, b): return {'sum': a + b, 'pid': os.getpid()}\n")
    _, task = await one(engine, tmp_path, python="sums:add", **{"with": {"a": 2, "b": 3}})
    assert task.error is None
    assert task.output["sum"] == 5
