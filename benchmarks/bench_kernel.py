"""How fast the kernel decides, and how much a task weighs: no engine, no store, no event loop.

python benchmarks/bench_kernel.py [TASKS]
"""

from __future__ import annotations

import resource
import statistics
import sys
import time

from callboard.workflow import (
    Run,
    RunState,
    TaskSpec,
    WorkflowSpec,
    apply,
    commands as c,
    events as ev,
    new_run,
)

TASKS = 100_000
ROUNDS = 3


def spec_of(tasks: int) -> WorkflowSpec:
    """Return a graph in which each task runs after two others."""
    names = [f"task-{number}" for number in range(tasks)]
    return WorkflowSpec(
        name="bench",
        tasks=tuple(
            TaskSpec(
                id=name,
                name=name,
                kind="function",
                needs=(names[place - 7], names[place - 13]) if place >= 13 else (),
            )
            for place, name in enumerate(names)
        ),
    )


def create(spec: WorkflowSpec) -> tuple[Run, float]:
    created = ev.RunCreated(at=0.0, run="bench", spec=spec)
    began = time.perf_counter()
    run = new_run(created)
    return run, time.perf_counter() - began


def run_through(run: Run) -> float:
    """Begin and settle every task as one engine would, and return the seconds it took."""
    stops: dict[str, str] = {}
    began = time.perf_counter()
    while (task := run.pop_ready()) is not None:
        name = task.id
        apply(run, c.Begin(task=name, fence="f"), 1.0, stops=stops)
        apply(run, c.Succeed(task=name, fence="f"), 2.0, stops=stops)
        if len(run.changed) >= 64:
            run.take_changed()
    seconds = time.perf_counter() - began
    assert run.state is RunState.SUCCEEDED
    return seconds


def resident_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def main() -> None:
    tasks = int(sys.argv[1]) if len(sys.argv) > 1 else TASKS
    before = resident_bytes()
    run, seconds = create(spec_of(tasks))
    weight = (resident_bytes() - before) / tasks
    creating, deciding = [seconds], [run_through(run)]
    for _ in range(ROUNDS - 1):
        run, seconds = create(spec_of(tasks))
        creating.append(seconds)
        deciding.append(run_through(run))
    print(f"{tasks:,} tasks, 2 edges each; medians of {ROUNDS}")
    print(f"  creating a task            {statistics.median(creating) / tasks * 1e6:6.2f} µs")
    print(f"  beginning and settling it  {statistics.median(deciding) / tasks * 1e6:6.2f} µs")
    print(f"  definition, task and edges {weight:6.0f} bytes")


if __name__ == "__main__":
    main()
