"""Run recorded scientific workflows again, on as many slots as you like.

``python examples/recorded/recorded.py [FILE [SLOTS ...]]`` reads a workflow in WfFormat 1.5 (that
of the WfCommons collection), turns it into one whose tasks take as long as the recorded ones did,
and prints how long all of it takes: beside the critical path, which no number of slots can beat,
and beside what was recorded.  Time is virtual, so hours pass in a moment.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import anyio
import attrs
import msgspec

import callboard as cb
from callboard import testing

SMALL = Path(__file__).with_name("small.json")


@attrs.frozen
class Job:
    """One recorded task."""

    name: str
    needs: tuple[str, ...]
    seconds: float


@attrs.frozen
class Recorded:
    """A recorded workflow, and how many seconds all of it took."""

    name: str
    jobs: tuple[Job, ...]
    makespan: float


def read(path: Path) -> Recorded:
    """Read a WfFormat 1.5 file.

    Raises:
        ValueError: it is no such file.
    """
    try:
        found = msgspec.json.decode(path.read_bytes())
        workflow = found["workflow"]
        execution = workflow["execution"]
        seconds = {task["id"]: task["runtimeInSeconds"] for task in execution["tasks"]}
        jobs = tuple(
            Job(task["id"], tuple(task["parents"]), seconds[task["id"]])
            for task in workflow["specification"]["tasks"]
        )
        return Recorded(found["name"], jobs, execution["makespanInSeconds"])
    except (KeyError, TypeError, msgspec.DecodeError) as error:
        raise ValueError(f"{path} is no WfFormat 1.5 file: {error!r}") from error


@cb.task
async def work(seconds: float) -> None:
    """Take as long as the recorded task did."""
    await anyio.sleep(seconds)


@cb.workflow
def replay(w: cb.Builder, recorded: Recorded) -> None:
    """The recorded graph."""
    for job in recorded.jobs:
        w.add(work, job.seconds, id=job.name)
    for job in recorded.jobs:
        for need in job.needs:
            w.edge(need, job.name)


async def run(recorded: Recorded, slots: int) -> cb.RunResult:
    """Run it again with so many tasks at once."""
    async with cb.Engine("memory:", concurrency=slots, wall=testing.wall_time) as engine:
        result = await engine.run(replay, recorded)
    result.raise_for_state()
    return result


def makespan(result: cb.RunResult) -> float:
    """Return how many seconds a run took."""
    assert result.ended_at is not None
    return result.ended_at - result.started_at


def critical_seconds(result: cb.RunResult) -> float:
    """Return how many seconds the longest chain of tasks took."""
    return sum(result.tasks[name].seconds or 0.0 for name in result.critical_path())


def main(path: Path = SMALL, slots: Sequence[int] = ()) -> list[cb.RunResult]:
    """Replay a file with each number of slots and print a table."""
    recorded = read(path)
    slots = slots or (1, 2, 4, 8, 16, len(recorded.jobs))
    print(f"{recorded.name}: {len(recorded.jobs)} tasks, recorded in {recorded.makespan:,.0f} s")
    print("slots  makespan s  × critical path  × recorded")
    # Wall time that begins at zero is exact to far less than a microsecond.
    results = [testing.run(run, recorded, count, start=0) for count in slots]
    for count, result in zip(slots, results, strict=True):
        took = makespan(result)
        beside = took / critical_seconds(result), took / recorded.makespan
        print(f"{count:5}  {took:10,.1f}  {beside[0]:15.3f}  {beside[1]:10.3f}")
    print(f"critical path: {critical_seconds(results[-1]):,.1f} s")
    return results


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else SMALL, [int(each) for each in sys.argv[2:]])
