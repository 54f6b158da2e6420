"""The spawner starts programs, passes their data, and says clearly why one could not be started."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from callboard.executors._spawner import (
    Command,
    Exit,
    Limits,
    OutputStream,
    Process,
    ProcessLost,
    Spawner,
    StartFailed,
)
from callboard.workflow import UsageError


@pytest.fixture
async def spawner() -> AsyncIterator[Spawner]:
    async with Spawner(f"engine-{os.getpid()}") as spawner:
        yield spawner


def program(*argv: str, env: dict[str, str] | None = None, cwd: str | None = None) -> Command:
    return Command(argv=argv, run="run-1", attempt="run-1/t/1", env=env or {}, cwd=cwd)


def shell(text: str) -> Command:
    return program("/bin/sh", "-c", text)


def alive(*pids: int) -> list[int]:
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def pids_in(folder: Path) -> list[int]:
    return [int(pid) for path in folder.iterdir() for pid in path.read_text().split()]


async def text_of(stream: OutputStream) -> str:
    return b"".join([chunk async for chunk in stream]).decode()


async def outcome(process: Process) -> tuple[Exit, str, str]:
    async with process:
        process.stdin.close()
        return await process.wait(), await text_of(process.stdout), await text_of(process.stderr)


async def test_a_program_runs_and_its_output_and_exit_code_come_back(spawner: Spawner) -> None:
    process = await spawner.start(shell("echo out; echo err >&2; exit 3"))
    assert await outcome(process) == (Exit(3, None), "out\n", "err\n")


async def test_a_signal_that_ended_a_process_is_named(spawner: Spawner) -> None:
    assert await outcome(await spawner.start(shell("kill -SEGV $$"))) == (
        Exit(None, signal.SIGSEGV),
        "",
        "",
    )


async def test_each_process_leads_its_own_session_and_carries_its_marks(spawner: Spawner) -> None:
    async with await spawner.start(shell("env; read line")) as process:
        assert os.getsid(process.pid) == process.pid == os.getpgid(process.pid)
        await process.stdin.write(b"\n")
        lines = (await text_of(process.stdout)).splitlines()
    assert f"CALLBOARD_ENGINE=engine-{os.getpid()}" in lines
    assert {"CALLBOARD_ATTEMPT=run-1/t/1", "CALLBOARD_RUN=run-1"} <= set(lines)
    assert not any(line.startswith("CALLBOARD_SLOT") for line in lines)


async def test_environment_and_working_directory_are_the_commands(
    spawner: Spawner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = program(
        "/bin/sh", "-c", 'pwd; echo "$GREETING"', env={"GREETING": "hé"}, cwd=str(tmp_path)
    )
    assert await outcome(await spawner.start(command)) == (Exit(0, None), f"{tmp_path}\nhé\n", "")


async def test_the_program_is_looked_up_on_its_own_path(spawner: Spawner, tmp_path: Path) -> None:
    (tmp_path / "greet").write_text("#!/bin/sh\necho hello\n")
    (tmp_path / "greet").chmod(0o755)
    command = program("greet", env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert await outcome(await spawner.start(command)) == (Exit(0, None), "hello\n", "")


async def test_a_megabyte_goes_in_and_comes_out(spawner: Spawner) -> None:
    data = os.urandom(1 << 20)
    async with await spawner.start(program("cat")) as process, anyio.create_task_group() as tasks:

        async def feed() -> None:
            await process.stdin.write(data)
            process.stdin.close()

        tasks.start_soon(feed)
        assert b"".join([chunk async for chunk in process.stdout]) == data


async def test_no_process_inherits_what_the_engine_or_the_helper_has_open(spawner: Spawner) -> None:
    async with await spawner.start(program("cat")):
        _, text, _ = await outcome(await spawner.start(program("ls", "/proc/self/fd")))
    assert text.split() == ["0", "1", "2", "3"]  # 3 is the folder that ls reads


async def test_signals_are_as_in_a_fresh_process(spawner: Spawner) -> None:
    _, text, _ = await outcome(
        await spawner.start(program("grep", "^Sig[BI]", "/proc/self/status"))
    )
    assert [int(line.split()[1], 16) for line in text.splitlines()] == [0, 0]  # blocked, ignored


async def test_limits_hold(spawner: Spawner) -> None:
    command = Command(
        argv=["/bin/sh", "-c", "ulimit -v; ulimit -t"],
        run="run-1",
        attempt="run-1/t/1",
        limits=Limits(memory=1 << 30, cpu_seconds=7),
    )
    assert await outcome(await spawner.start(command)) == (Exit(0, None), "1048576\n7\n", "")


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (program("no-such-program"), "'no-such-program': there is no such program."),
        (program("/etc/passwd"), "'/etc/passwd': it is not executable."),
        (
            program("true", cwd="/no"),
            "'true': its working directory '/no' cannot be entered (No such file or directory).",
        ),
        (
            Command(python="/no/such/file.py", run="r", attempt="a"),
            "'/no/such/file.py': there is no such file.",
        ),
    ],
)
async def test_what_cannot_be_started_says_why(
    spawner: Spawner, command: Command, reason: str
) -> None:
    with pytest.raises(StartFailed) as caught:
        await spawner.start(command)
    assert str(caught.value) == f"Cannot start {reason}"
    assert caught.value.kind == "config"


@pytest.mark.parametrize("limits", [{"memory": 0}, {"cpu_seconds": -1}, {"memory": 1 << 80}])
def test_a_limit_that_makes_no_sense_is_refused_at_once(limits: dict[str, int]) -> None:
    with pytest.raises(UsageError, match=f"{next(iter(limits))} limit"):
        Limits(**limits)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"argv": []},
        {"argv": ["true"], "python": "x.py"},
        {"argv": ["a\0b"]},
        {"argv": ["true"], "env": {"A=B": "1"}},
        {"argv": ["true"], "attempt": "a" * 5000},
    ],
)
def test_a_command_that_makes_no_sense_is_refused_at_once(options: dict[str, object]) -> None:
    fields: dict[str, object] = {"run": "r", "attempt": "a", **options}
    with pytest.raises(UsageError):
        Command(**fields)  # type: ignore[arg-type]


async def test_a_spawner_needs_its_block() -> None:
    spawner = Spawner(f"engine-{os.getpid()}")
    with pytest.raises(UsageError, match="async with"):
        await spawner.start(program("true"))
    async with spawner:
        assert spawner.pid is None  # nothing is started before it is needed
    with pytest.raises(UsageError, match="async with"):
        await spawner.start(program("true"))


async def test_stop_lets_a_process_end_by_itself_first(spawner: Spawner) -> None:
    async with await spawner.start(shell("read line; exit 7")) as process:
        process.stdin.close()
        assert await process.stop(grace=10, term=10)
        assert await process.wait() == Exit(7, None)


async def test_stop_terminates_the_whole_group(spawner: Spawner) -> None:
    async with await spawner.start(shell("sleep 60 & sleep 60")) as process:
        assert await process.stop(grace=0, term=10)
        assert await process.wait() == Exit(None, signal.SIGTERM)


async def test_what_ignores_sigterm_is_killed(spawner: Spawner) -> None:
    text = "trap '' TERM; echo ready; while :; do read line; sleep 60; done"
    async with await spawner.start(shell(text)) as process:
        assert await anext(process.stdout) == b"ready\n"
        assert await process.stop(grace=0, term=0.05)
        assert await process.wait() == Exit(None, signal.SIGKILL)
        await process.terminate()  # an ended process takes no harm from either
        await process.kill()


async def test_a_start_that_is_cancelled_leaves_nothing(spawner: Spawner, tmp_path: Path) -> None:
    async def start() -> None:
        # It may have come to its end just before it is cancelled.
        async with await spawner.start(shell(f"echo $$ >> {tmp_path}/pids; exec sleep 60")):
            await anyio.sleep_forever()

    await outcome(await spawner.start(program("true")))
    for steps in range(4):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(start)
            for _ in range(steps):
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
    assert alive(*pids_in(tmp_path)) == []


async def test_reading_and_writing_end_with_the_process(spawner: Spawner) -> None:
    async with await spawner.start(program("sleep", "60")) as process:
        async with anyio.create_task_group() as tasks:

            async def write() -> None:
                with pytest.raises(anyio.BrokenResourceError):
                    await process.stdin.write(bytes(1 << 20))

            tasks.start_soon(write)
            tasks.start_soon(text_of, process.stdout)
            await anyio.wait_all_tasks_blocked()
            await process.kill()
        with pytest.raises(anyio.ClosedResourceError):
            await process.stdin.write(b"x")


async def test_closing_a_stream_ends_its_reader(spawner: Spawner) -> None:
    process = await spawner.start(program("sleep", "60"))
    async with process, anyio.create_task_group() as tasks:
        tasks.start_soon(text_of, process.stdout)
        await anyio.wait_all_tasks_blocked()
        process.stdout.close()
        process.stdout.close()


async def test_leaving_the_spawner_ends_what_runs_and_says_so() -> None:
    async with Spawner(f"engine-{os.getpid()}") as spawner:
        process = await spawner.start(program("sleep", "60"))
        helper = spawner.pid
    with pytest.raises(ProcessLost, match="spawner was closed") as caught:
        await process.wait()
    assert caught.value.kind == "lost"
    assert helper is not None
    assert alive(helper, process.pid) == []
    await process.aclose()


async def test_a_cancelled_spawner_still_sees_processes_end() -> None:
    """Clean-up in a cancelled tree needs the spawner to go on until its block ends."""
    with anyio.CancelScope() as scope:
        async with Spawner(f"engine-{os.getpid()}") as spawner:
            process = await spawner.start(program("sleep", "60"))
            scope.cancel()
            with anyio.CancelScope(shield=True):
                assert await process.stop(grace=0, term=10)
                assert await process.wait() == Exit(None, signal.SIGTERM)
                await process.aclose()


async def test_two_hundred_processes_leave_no_descriptor_behind(spawner: Spawner) -> None:
    await outcome(await spawner.start(program("true")))
    before = descriptors()
    exits: list[Exit] = []

    async def one(number: int) -> None:
        process = await spawner.start(Command(argv=["true"], run="r", attempt=f"a{number}"))
        exits.append((await outcome(process))[0])

    async def twenty(first: int) -> None:
        for number in range(first, 200, 10):
            await one(number)

    async with anyio.create_task_group() as tasks:
        for first in range(10):
            tasks.start_soon(twenty, first)
    assert exits == [Exit(0, None)] * 200
    assert descriptors() == before
