"""One trial: start ``callboard run``, kill it at some moment, resume, and check.

As a program it tries many random moments: ``python tests/crash/crash_trial.py 200``.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

from callboard.storage import open_store
from callboard.workflow import Event, RunState, TaskState, UsageError, fold
from callboard.workflow.events import AttemptStarted, TaskSettled

HERE = Path(__file__).parent
RUN_SECONDS = 60.0


class BrokenPromise(AssertionError):
    """What the runtime promises did not hold; the message tells what."""


def write_flow(folder: Path) -> Path:
    """Write the workflow of a trial: a fan of processes, some with a grandchild."""
    tasks: list[dict[str, Any]] = []
    for layer in range(3):
        for place in range(4):
            name = f"t{layer}{place}"
            kind = {"python": "work.py"} if place % 2 else {"shell": [sys.executable, "work.py"]}
            env = {
                "PROBE": str(folder),
                "NAME": name,
                "SECONDS": "0.15",
                "LEAVE": "1" if place < 2 else "",
            }
            needs = [f"t{layer - 1}{p}" for p in range(4) if (p + place) % 2] if layer else []
            tasks.append({"name": name, "needs": needs, "env": env, **kind})
    (folder / "work.py").write_text((HERE / "work.py").read_text())
    flow = folder / "flow.json"
    flow.write_text(json.dumps({"workflow": "crash", "concurrency": 3, "tasks": tasks}))
    return flow


def command(*args: str) -> list[str]:
    """Return a callboard command line."""
    return [sys.executable, "-m", "callboard", *args]


async def trial(
    folder: Path,
    *,
    after: float | None = None,
    crash_at: str | None = None,
    backend: str = "asyncio",
) -> str:
    """Kill one run and resume it; return in a word where the kill met it.

    Args:
        after: Seconds after the beginning of the first task at which the process is killed.
        crash_at: Or the named crash point at which it kills itself (``name:n``).

    Raises:
        BrokenPromise: something that is promised did not hold.
    """
    run = f"crash-{os.getpid()}-{random.randrange(16**8):08x}"
    flow, store = write_flow(folder), f"sqlite:///{folder}/trial.db"
    env = dict(os.environ)
    if crash_at is not None:
        env["CALLBOARD_CRASH_AT"] = crash_at
    options = ["--store", store, "--backend", backend]
    errors = folder / "stderr"
    with errors.open("wb") as stderr:
        first = subprocess.Popen(  # noqa: ASYNC220 - it is to be killed by its id
            command("run", str(flow), "--run-id", run, "--no-progress", *options),
            env=env,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
        )
    if after is not None:
        await _begun(folder, first)
        with anyio.move_on_after(after):
            await _ended(first)
        first.kill()  # nothing, if it ended meanwhile
    await _ended(first)
    if first.returncode not in (-signal.SIGKILL, 0):
        raise BrokenPromise(
            f"the first process ended with {first.returncode}: {errors.read_text()}"
        )
    await anyio.sleep(1.0)
    _nothing_carries(run, "one second after the kill")
    before = await _events(run, store)
    if not before:
        return "before it was stored"
    done_before = _done(before)
    resumed = await anyio.to_thread.run_sync(
        lambda: subprocess.run(
            command("resume", run, "--no-progress", *options),
            capture_output=True,
            timeout=RUN_SECONDS,
            check=False,
        )
    )
    if resumed.returncode != 0:
        raise BrokenPromise(f"resume ended with {resumed.returncode}: {resumed.stderr.decode()}")
    _nothing_carries(run, "after the resume")
    _check(await _events(run, store), done_before, folder)
    return f"with {len(done_before)} of 12 done"


async def _begun(folder: Path, process: subprocess.Popen[bytes]) -> None:
    """Return when the first task has begun: how long a start takes says nothing of the run."""
    while process.poll() is None and not any(folder.glob("*.lock")):  # noqa: ASYNC110, ASYNC240
        await anyio.sleep(0.005)


async def _ended(process: subprocess.Popen[bytes]) -> None:
    await anyio.to_thread.run_sync(process.wait, abandon_on_cancel=True)


def carriers(run: str) -> list[int]:
    """Return the processes that carry a run's id in their environment."""
    mark = f"CALLBOARD_RUN={run}".encode()
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def _nothing_carries(run: str, when: str) -> None:
    if left := carriers(run):
        raise BrokenPromise(f"{when} these processes still carry run {run}: {left}")


async def _events(run: str, store: str) -> list[Event]:
    """Return what is stored of a run; nothing, if it was killed before anything was."""
    try:
        reader = open_store(store, create=False)
        async with reader.opened(None):
            stored = await reader.load(run)
    except UsageError:
        return []  # there is no store yet
    return [] if stored is None else [*stored.events]


def _done(events: list[Event]) -> set[str]:
    """Return the tasks that have succeeded."""
    tasks = fold(events).tasks.values()
    return {task.id for task in tasks if task.state is TaskState.SUCCEEDED}


def _check(events: list[Event], done_before: set[str], folder: Path) -> None:
    whole = fold(events)
    if whole.state is not RunState.SUCCEEDED or _done(events) != set(whole.tasks):
        raise BrokenPromise(f"the resumed run is not whole: {events}")
    succeeded: dict[str, int] = {}
    for event in events:
        if isinstance(event, AttemptStarted) and event.task in done_before & set(succeeded):
            raise BrokenPromise(f"{event.task} was done and was begun again")
        if isinstance(event, TaskSettled) and event.state is TaskState.SUCCEEDED:
            succeeded[event.task] = succeeded.get(event.task, 0) + 1
    if any(count != 1 for count in succeeded.values()) or len(succeeded) != len(whole.tasks):
        raise BrokenPromise(f"tasks must succeed exactly once: {succeeded}")
    if (folder / "overlaps").exists():
        raise BrokenPromise(f"two attempts lived at once: {(folder / 'overlaps').read_text()}")


def say(text: str) -> None:
    """Tell whoever watches."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def many(times: int, seed: int) -> None:
    """Try random moments, and say where each kill met the run."""
    source = random.Random(seed)
    met: dict[str, int] = {}
    for number in range(times):
        after = source.uniform(0.0, 0.9)
        with tempfile.TemporaryDirectory() as folder:
            backend = source.choice(("asyncio", "trio"))
            where = await trial(Path(folder), after=after, backend=backend)
        met[where] = met.get(where, 0) + 1
        say(f"{number + 1}/{times}: killed after {after:.3f} s on {backend}, {where}: fine")
    say(f"{times} kills, nothing lost, nothing done twice: {dict(sorted(met.items()))}")


if __name__ == "__main__":
    anyio.run(
        many,
        int(sys.argv[1]) if len(sys.argv) > 1 else 200,
        int(sys.argv[2]) if len(sys.argv) > 2 else 0,
    )
