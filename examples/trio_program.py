"""A trio program with an engine in it: ``python examples/trio_program.py``.

The engine lives in the program's own structured concurrency: leaving its block leaves nothing running, and
cancelling the scope around ``engine.run`` cancels the run with everything in it.
"""

from __future__ import annotations

import trio

import callboard as cb


@cb.task(timeout=5)
async def measure(station: str) -> float:
    """Ask one station; it takes a while."""
    await trio.sleep(0.01 * len(station))
    return float(len(station))


@cb.task
async def forever() -> None:
    """Wait for something that never comes."""
    try:
        await trio.sleep_forever()
    finally:
        print("cleaned up")


@cb.workflow
def average(w: cb.Builder, stations: list[str]) -> cb.TaskRef:
    """Ask all stations at once."""

    return w.add(mean, [w.add(measure, station) for station in stations])


@cb.task
def mean(values: list[float]) -> float:
    """Return the mean of what was measured."""
    return sum(values) / len(values)


@cb.workflow
def stuck(w: cb.Builder) -> None:
    """A run that would never end by itself."""
    w.add(forever)


async def main() -> float:
    """Run one workflow to its end, and give another up after a moment."""
    async with cb.Engine("memory:") as engine:
        result = await engine.run(average, ["north", "south", "harbour"])
        print(f"mean: {result.output:.2f}")
        with trio.move_on_after(0.1) as scope:
            await engine.run(stuck)
        print(f"gave up: {scope.cancelled_caught}; runs: {[row.state.value for row in await engine.runs()]}")
        return float(result.output)


if __name__ == "__main__":
    trio.run(main)
