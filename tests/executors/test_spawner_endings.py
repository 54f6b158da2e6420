"""Nothing that an attempt or an engine has started outlives it, whoever ends first and however."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path

import anyio
import pytest

from callboard.executors._spawner import (
    Command,
    Exit,
    Process,
    ProcessLost,
    Spawner,
    kill_carriers,
)
from callboard.executors._spawner._callboard_helper import procfs

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and a subreaper")

# Grandchildren: in the group, in a session of its own, a daemon whose parents are gone, and one of
# another group in the same session without any environment.
BROOD = """
sleep 60 &
setsid sleep 60 &
setsid sh -c 'sleep 60 & setsid sleep 60 &' &
env -i PATH="$PATH" bash -m -c 'sleep 60 &'
echo ready
"""
BROOD_SLEEPERS = 5
ENGINE = """
import sys, anyio
from callboard.executors._spawner import Command, Spawner
async def main():
    async with Spawner(sys.argv[1]) as spawner:
        for number, text in enumerate(sys.argv[2:]):
            command = Command(argv=["bash", "-c", text], run="r", attempt=str(number))
            process = await spawner.start(command)
            assert await anext(process.stdout) == b"ready\\n"
        print(spawner.pid, flush=True)
        await anyio.sleep_forever()
anyio.run(main)
"""


@pytest.fixture
def engine_id(anyio_backend: str, request: pytest.FixtureRequest) -> str:
    return f"{request.node.name}-{os.getpid()}"


@pytest.fixture
async def spawner(engine_id: str) -> AsyncIterator[Spawner]:
    async with Spawner(engine_id) as spawner:
        yield spawner


def bash(text: str, attempt: str = "1") -> Command:
    return Command(argv=["bash", "-c", text], run="r", attempt=attempt)


def field(pid: str, name: str) -> bytes:
    """Look into ``/proc`` on our own: what is under test must not be what tests it."""
    try:
        return Path("/proc", pid, name).read_bytes()
    except OSError:
        return b""


def carriers(entry: str) -> list[int]:
    pids = [path.name for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [int(pid) for pid in pids if entry.encode() in field(pid, "environ").split(b"\0")]


def alive(pids: Iterable[int]) -> list[int]:
    """Return those that run; whether init has buried the others is its own affair."""
    stats = {pid: field(str(pid), "stat").rpartition(b")")[2].split() for pid in pids}
    return [pid for pid, stat in stats.items() if stat and stat[0] != b"Z"]


def below(root: int) -> list[int]:
    """Return the living descendants of a process."""
    pids = [path.name for path in Path("/proc").iterdir() if path.name.isdigit()]
    stats = {int(pid): field(pid, "stat").rpartition(b")")[2].split() for pid in pids}
    found = [root]
    for pid in found:
        found += [child for child, stat in stats.items() if stat[1:2] == [b"%d" % pid]]
    return alive(found[1:])


def sleepers(root: int) -> list[int]:
    return [pid for pid in below(root) if field(str(pid), "comm") == b"sleep\n"]


async def eventually(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(10):
        while not condition():  # noqa: ASYNC110 - nobody tells us of other people's processes
            await anyio.sleep(0.005)


async def started(spawner: Spawner, command: Command) -> Process:
    process = await spawner.start(command)
    assert await anext(process.stdout) == b"ready\n"
    return process


def helper_of(spawner: Spawner) -> int:
    assert spawner.pid is not None
    return spawner.pid


async def test_what_a_process_left_behind_ends_before_its_end_is_reported(spawner: Spawner) -> None:
    async with await started(spawner, bash(BROOD + "read line; exit 4")) as process:
        await eventually(lambda: len(sleepers(helper_of(spawner))) == BROOD_SLEEPERS)
        process.stdin.close()
        assert await process.wait() == Exit(4, None)
        assert below(helper_of(spawner)) == []


LEAVES_ONE_IN_ITS_EXECVE = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    os.execv("/bin/sleep", ["sleep", "60"])
until = time.perf_counter() + int(sys.argv[1]) * 3e-5
while time.perf_counter() < until:
    pass
os._exit(0)
"""


async def test_what_is_in_an_execve_as_its_attempt_ends_is_found(spawner: Spawner) -> None:
    """It has no environment just then: whose it is cannot be read for a moment."""

    async def leave_some(number: int) -> None:
        for spin in range(number, 120, 2):
            program = [sys.executable, "-S", "-E", "-c", LEAVES_ONE_IN_ITS_EXECVE, str(spin % 60)]
            command = Command(argv=program, run="r", attempt=f"a{spin}")
            async with await spawner.start(command) as process:
                await process.wait()

    async with anyio.create_task_group() as group:
        for number in range(2):
            group.start_soon(leave_some, number)
    assert below(helper_of(spawner)) == []


async def test_a_killed_process_takes_everything_with_it(spawner: Spawner) -> None:
    async with await started(spawner, bash(BROOD + "read line")) as process:
        await eventually(lambda: len(sleepers(helper_of(spawner))) == BROOD_SLEEPERS)
        await process.kill()
        assert await process.wait() == Exit(None, signal.SIGKILL)
        assert below(helper_of(spawner)) == []


async def test_killing_finds_descendants_that_hide(spawner: Spawner) -> None:
    """As long as their parents live, those without session and environment are found too."""
    text = "env -i setsid bash -c 'sleep 60; true' & echo ready; wait"
    async with await started(spawner, bash(text)) as process:
        await eventually(lambda: len(sleepers(helper_of(spawner))) == 1)
        await process.kill()
        await process.wait()
        await eventually(lambda: below(helper_of(spawner)) == [])


async def test_the_end_of_one_attempt_spares_the_others(spawner: Spawner) -> None:
    text = "setsid sleep 60 & echo ready; read line"
    first = await started(spawner, bash(text, "1"))
    async with await started(spawner, bash(text, "2")) as second:
        await eventually(lambda: len(sleepers(helper_of(spawner))) == 2)
        await first.aclose()
        assert len(sleepers(helper_of(spawner))) == 1
        assert carriers("CALLBOARD_ATTEMPT=1") == []
        assert second.pid in carriers("CALLBOARD_ATTEMPT=2")


async def test_a_living_attempt_keeps_its_daemons(spawner: Spawner) -> None:
    """An orphan belongs to its attempt until that ends, although another one ends meanwhile."""
    async with await started(spawner, bash("(setsid sleep 60 &); echo ready; read line")):
        await eventually(lambda: len(sleepers(helper_of(spawner))) == 1)
        other = await spawner.start(bash("true", "2"))
        await other.wait()
        await other.aclose()
        assert len(sleepers(helper_of(spawner))) == 1


async def test_output_ends_although_somebody_who_hides_holds_it_open(spawner: Spawner) -> None:
    text = "env -i setsid bash -c 'sleep 60; true' & echo one; echo two"
    async with await spawner.start(bash(text)) as process:
        with anyio.fail_after(10):
            assert b"".join([chunk async for chunk in process.stdout]) == b"one\ntwo\n"
        assert await process.wait() == Exit(0, None)


async def test_leaving_the_spawner_leaves_nothing(engine_id: str) -> None:
    async with Spawner(engine_id) as spawner:
        await started(spawner, bash("env -i setsid sleep 60 & " + BROOD + "read line"))
        await eventually(lambda: len(sleepers(helper_of(spawner))) == BROOD_SLEEPERS + 1)
        pids = [helper_of(spawner), *below(helper_of(spawner))]
    assert alive(pids) == []


async def engine_of(*argv: str) -> tuple[subprocess.Popen[bytes], int]:
    """Start an engine of its own and return it with its helper's process id."""
    argv = (sys.executable, "-W", "ignore", "-c", *argv)
    engine = subprocess.Popen(argv, stdout=subprocess.PIPE)  # noqa: ASYNC220 - it starts at once
    assert engine.stdout is not None
    await anyio.wait_readable(engine.stdout)
    with engine.stdout:
        return engine, int(engine.stdout.readline())


async def test_kill_9_of_the_engine_leaves_nothing(engine_id: str) -> None:
    hiding = "env -i setsid sleep 60 & echo ready; read line"
    stubborn = "trap '' TERM HUP INT; echo ready; while :; do sleep 60; done"
    engine, helper = await engine_of(ENGINE, engine_id, BROOD + "read line", hiding, stubborn)
    await eventually(lambda: len(sleepers(helper)) == BROOD_SLEEPERS + 2)
    pids = [helper, *below(helper)]
    engine.kill()
    engine.wait()
    with anyio.fail_after(1):
        await eventually(lambda: not alive(pids))
    assert carriers(f"CALLBOARD_ENGINE={engine_id}") == []


async def test_a_copy_of_the_engines_socket_elsewhere_does_not_keep_its_processes(
    engine_id: str,
) -> None:
    """What the user's own code has forked from the engine holds all its descriptors."""
    forking = ENGINE.replace(
        "await anyio.sleep_forever()",
        "import os, time; os.fork() or time.sleep(60)\n        os.wait()",
    )
    engine, helper = await engine_of(forking, engine_id, "echo ready; sleep 60")
    await eventually(lambda: len(below(engine.pid)) > len(below(helper)) + 1)
    (copy,) = set(below(engine.pid)) - {helper, *below(helper)}
    engine.kill()
    engine.wait()
    await eventually(lambda: carriers(f"CALLBOARD_ENGINE={engine_id}") == [])
    os.kill(copy, signal.SIGKILL)


async def test_a_dead_helper_loses_its_processes_and_is_replaced(spawner: Spawner) -> None:
    process = await started(spawner, bash(BROOD + "read line"))
    helper = helper_of(spawner)
    await eventually(lambda: len(sleepers(helper)) == BROOD_SLEEPERS)
    pids = below(helper)
    os.kill(helper, signal.SIGKILL)
    with pytest.raises(ProcessLost, match=rf"spawner \(process {helper}\) died") as caught:
        await process.wait()
    assert caught.value.kind == "lost"
    assert alive(pids) == []
    await process.aclose()
    async with await started(spawner, bash("echo ready")) as process:
        assert await process.wait() == Exit(0, None)
    assert helper_of(spawner) != helper


async def test_a_start_under_a_dying_helper_is_lost_or_served_by_the_next(spawner: Spawner) -> None:
    async with await started(spawner, bash("echo ready")):
        os.kill(helper_of(spawner), signal.SIGKILL)
        try:
            process = await spawner.start(bash("echo ready", "2"))
            await process.wait()
            await process.aclose()
        except ProcessLost:
            pass
    async with await started(spawner, bash("echo ready", "3")):
        pass


async def test_carriers_of_a_dead_engine_are_ended_with_its_helper(engine_id: str) -> None:
    """The second net: here the first one, the helper, is stopped and cannot act."""
    engine, helper = await engine_of(
        ENGINE, engine_id, "env -i setsid sleep 60 & " + BROOD + "read line"
    )
    await eventually(lambda: len(sleepers(helper)) == BROOD_SLEEPERS + 1)
    await eventually(lambda: len(below(helper)) == BROOD_SLEEPERS + 2)  # with the one that reads
    pids = {helper, *below(helper)}
    os.kill(helper, signal.SIGSTOP)
    engine.kill()
    engine.wait()
    assert await anyio.to_thread.run_sync(kill_carriers, engine_id + "-other") == []
    assert set(await anyio.to_thread.run_sync(kill_carriers, engine_id)) == pids
    await eventually(lambda: carriers(f"CALLBOARD_ENGINE={engine_id}") == [])
    assert kill_carriers(engine_id) == []


async def test_a_kernel_that_lists_no_children_is_searched(
    spawner: Spawner, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with await started(spawner, bash(BROOD + "read line")):
        await eventually(lambda: len(sleepers(helper_of(spawner))) == BROOD_SLEEPERS)
        monkeypatch.setattr(procfs, "has_children_files", lambda: False)
        # Those that have only started others may still be going.
        helper = helper_of(spawner)
        await eventually(lambda: sorted(procfs.descendants([helper])) == sorted(below(helper)))
        assert helper in procfs.own_children()


def test_no_id_ends_nothing() -> None:
    with pytest.raises(ValueError, match="engine's id is needed"):
        kill_carriers("")


async def test_an_engine_in_a_task_ends_with_it(spawner: Spawner, engine_id: str) -> None:
    """Its processes carry its own marks, and are found by descent or by its own helper."""
    inner = [sys.executable, "-c", ENGINE, engine_id + "-inner", BROOD + "read line"]
    command = Command(argv=inner, run="r", attempt="outer")
    async with await spawner.start(command) as process:
        inner_helper = int(await anext(process.stdout))
        await eventually(lambda: len(sleepers(inner_helper)) == BROOD_SLEEPERS)
        assert inner_helper not in carriers("CALLBOARD_ATTEMPT=outer")
        await process.kill()
        await process.wait()
    await eventually(lambda: below(helper_of(spawner)) == [])
