"""A trio program with an engine in it: ``python examples/trio_program.py``.

The engine is part of the program's own structured concurrency: leaving its block leaves nothing
running, and cancelling ``engine.run`` cancels the run with everything in it.
"""

from __future__ import annotations

import trio

import callboard as cb


@cb.task(timeout=5)
async def measure(station: str) -> float:
    """Ask one station; far ones take longer."""
    await trio.sleep(0.001 * len(station))
    return float(len(station))


@cb.task
def mean(values: list[float]) -> float:
    """Return the mean of what was measured."""
    return sum(values) / len(values)


@cb.workflow
def average(w: cb.Builder, stations: list[str]) -> cb.TaskRef:
    """Ask all stations at once."""
    return w.add(mean, [w.add(measure, station) for station in stations])


@cb.task
async def listen() -> None:
    """Wait for something that never comes."""
    try:
        await trio.sleep_forever()
    finally:
        print("listen: cleaned up")


@cb.workflow
def endless(w: cb.Builder) -> None:
    """A run that would never end by itself."""
    w.add(listen)


async def main() -> list[cb.RunState]:
    """See one run to its end, give another up, and return how they ended."""
    async with cb.Engine("memory:") as engine:
        result = await engine.run(average, ["north", "south", "harbour"])
        print(f"mean: {result.output:.2f}")
        with trio.move_on_after(0.1):
            await engine.run(endless)
        runs = {row.workflow: row.state for row in await engine.runs()}
    print(f"average {runs['average']}, endless {runs['endless']}")
    return list(runs.values())


if __name__ == "__main__":
    trio.run(main)
