"""A board of many tasks, emptied by many workers, some of which are killed meanwhile."""

from __future__ import annotations

import functools
import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import anyio
import attrs

from callboard.client import Client, RunView
from callboard.storage import StoredRun, open_store
from callboard.workflow import events as ev, fold

from .processes import Service, service, until

JOBS = '''
import os

async def work(number, log):
    """Note on a line of its own that this task is done, and by whom."""
    handle = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(handle, f"{number} {os.getpid()}\\n".encode())
    os.close(handle)
    return number
'''
TRIAL_SECONDS = 1_200.0


@attrs.frozen
class Figures:
    """What a trial came to."""

    tasks: int
    workers: int
    kills: int
    seconds: float
    rate: float
    taken_over: int
    """Tasks that another worker did after the first one was killed."""

    done_twice: int
    """Of these, tasks that the first one had done, and not reported."""


def write_board(folder: Path, tasks: int) -> str:
    """Write a workflow of tasks side by side that are left to workers; return its file."""
    log = str(folder / "done.txt")
    (folder / "jobs.py").write_text(JOBS)
    (folder / "board.json").write_text(
        json.dumps(
            {
                "workflow": "board",
                "pools": {"board": 1_000_000},
                "tasks": [
                    {
                        "name": f"t{number}",
                        "function": "jobs:work",
                        "with": {"number": number, "log": log},
                        "pool": "board",
                        "lost": "retry",
                    }
                    for number in range(tasks)
                ],
            }
        )
    )
    return "board.json"


async def trial(
    folder: Path, tasks: int, workers: int, *, kills: int = 0, lease: float = 60.0, seed: int = 0
) -> Figures:
    """Have workers empty a board, and check that each task was completed once.

    Args:
        folder: An empty folder.
        tasks: How many tasks stand on the board.
        workers: How many processes work at a time.
        kills: How many of them are killed meanwhile, and replaced.
        lease: Seconds after which a killed worker's tasks are given to others.
        seed: Decides who is killed.
    """
    with service(
        folder, write_board(folder, tasks), options=("--elsewhere", "board", "--rate", "1000000")
    ) as served:
        for _ in range(workers):
            _start_worker(served, lease)
        for worker in served.workers:
            worker.expect("does all tasks")
        async with Client(served.url) as client:
            run = (await client.start("board", run_id="trial")).run
            began = time.monotonic()
            async with anyio.create_task_group() as group:
                group.start_soon(_kill_some, served, client, kills, lease, random.Random(seed))
                await _until(client, run, lambda now: now.ended)
                group.cancel_scope.cancel()
            seconds = time.monotonic() - began
            assert (await client.run(run, brief=True)).state == "succeeded"
        served.server.signal(signal.SIGTERM)
        assert served.server.end() == 0, served.server.text
        killed = sum(worker.process.poll() == -signal.SIGKILL for worker in served.workers)
    again = await _check(served.store, folder / "done.txt", tasks, killed)
    return Figures(tasks, workers, killed, seconds, tasks / seconds, *again)


def _start_worker(served: Service, lease: float) -> None:
    served.worker("--pool", "board", "--concurrency", "4", "--lease", f"{lease:g}")


def _has_done(number: int, run: RunView) -> bool:
    return run.progress.done >= number


async def _until(client: Client, run: str, holds: Callable[[RunView], bool]) -> None:
    """Look at a run again and again, without following all that happens in it."""

    async def now() -> bool:
        return holds(await client.run(run, brief=True))

    await until(now, TRIAL_SECONDS)


async def _kill_some(
    served: Service, client: Client, kills: int, lease: float, chance: random.Random
) -> None:
    """Kill workers that have something in their hands, one after another, and replace them."""
    living = list(served.workers)
    for _ in range(kills):
        aim = (await client.run("trial", brief=True)).progress.done + 20
        await _until(client, "trial", functools.partial(_has_done, aim))
        victim = living.pop(chance.randrange(len(living)))
        os.kill(victim.pid, signal.SIGKILL)
        _start_worker(served, lease)
        living.append(served.workers[-1])


async def _check(url: str, log: Path, tasks: int, kills: int) -> tuple[int, int]:
    """Check what is stored and what was done; return how many were taken over and done twice."""
    stored: StoredRun | None = None
    async with (store := open_store(url)).opened():
        stored = await store.load("trial")
    assert stored is not None
    run = fold(stored.events)
    names = {f"t{number}" for number in range(tasks)}
    assert set(run.tasks) == names
    settled: Counter[str] = Counter()
    for event in stored.events:
        if isinstance(event, ev.TaskSettled):
            settled[event.task] += 1
        elif isinstance(event, ev.TasksSettled):
            settled.update(event.tasks)
    assert settled == dict.fromkeys(names, 1), "a task was completed twice, or not at all"
    assert all(task.output == int(task.id[1:]) for task in run.tasks.values())
    lines = (await anyio.Path(log).read_text()).splitlines()
    done = Counter(int(line.split()[0]) for line in lines)
    assert set(done) == set(range(tasks)), "a task was completed and not done"
    again = sum(times > 1 for times in done.values())
    taken_over = sum(task.attempt > 1 for task in run.tasks.values())
    if not kills:
        assert (again, taken_over) == (0, 0), "a task was done twice though nobody was killed"
    return taken_over, again
