"""From a graph that is known before anything runs to one that is known when all has run.

Each of these workflows can be run and drawn from a shell; ``python examples/gradient/gradient.py``
runs all of them and tells what they came to::

    callboard run examples/gradient/gradient.py:squares --input 'numbers=[3, 4, 5]'
    callboard picture examples/gradient/gradient.py:squares -o squares.svg
"""

from __future__ import annotations

from collections.abc import Sequence

import anyio

import callboard as cb

# --- tasks: what they take and give is checked when the graph is built, and when they run ---------


@cb.task
async def square(number: int) -> int:
    return number * number


@cb.task
async def total(numbers: list[int]) -> int:
    return sum(numbers)


@cb.task
async def text(what: str) -> str:
    return what


# --- static: nothing more may come ----------------------------------------------------------------


@cb.workflow
def static(w: cb.Builder) -> cb.TaskRef:
    """Know every task and every edge beforehand."""
    three, four = w.add(square, 3, id="three"), w.add(square, 4, id="four")
    w.promise("sealed")
    return w.add(total, [three, four])


@cb.workflow(concurrency=3)
def parallel(w: cb.Builder, count: int = 6) -> None:
    """Do what has no order among itself side by side, three at a time."""
    for _ in range(count):
        w.add(anyio.sleep, 0.05)
    w.promise("sealed")


# --- a branch on an input: one of two comes -------------------------------------------------------

quick, thorough = cb.task(text.function, name="quick"), cb.task(text.function, name="thorough")


@cb.task
async def triage(amount: int) -> None:
    """Create one of two; that takes the choice, and the other can come no more."""
    kind = quick if amount < 1000 else thorough
    await cb.current().add(kind, f"a {kind.name} look at {amount}")


@cb.task
async def decide(looks: list[str]) -> str:
    return f"decided after {looks[0]}"


@cb.workflow
def branch(w: cb.Builder, amount: int = 500) -> cb.TaskRef:
    """Go one of two ways that are known, as an input says."""
    look = w.hole("quick | thorough", after=w.add(triage, amount))
    w.promise("closed")
    return w.add(decide, look)


# --- a map: from a collection to a collection -----------------------------------------------------


@cb.task
async def spread(numbers: list[int]) -> None:
    """Create a task for each number, and promise that these are all; it is all or nothing."""
    me = cb.current()
    async with me.batch():
        for number in numbers:
            await me.add(square, number)
        await me.promise("no new square")


@cb.workflow
def squares(w: cb.Builder, numbers: Sequence[int] = (1, 2, 3)) -> cb.HoleRef:
    """Square each number; wherever the hole is an argument it is the list of what came of that."""
    found = w.hole("square*", after=w.add(spread, list(numbers)))
    w.add(total, found)
    w.promise("closed")
    return found


# --- dynamic: only the first task is known --------------------------------------------------------


@cb.task
async def explore(depth: int) -> int:
    """Find out what is below, which nobody knew before; then have it added up."""
    me = cb.current()
    if depth == 0:
        return 1
    sides = ("left", "right")
    below = [await me.add(explore, depth - 1, key=side, after=me.task) for side in sides]
    summed = await me.add(total, below, key="sum")
    await me.style(summed, label=f"sum at {depth}", color="gold")
    await me.style((below[0], summed), label="first", color="orange")
    return 1 << depth


@cb.workflow
def dynamic(w: cb.Builder, depth: int = 2) -> None:
    """Know only the first task, and promise no more than that there is an end to it."""
    w.add(explore, depth)
    w.promise("only tasks explore, total")
    w.promise("at most 100 tasks")


# --- looks: what pictures show, and a promise that it stays so ------------------------------------


@cb.task
async def paint(coats: int) -> None:
    """Give what follows a look of its own, and promise that nothing looks different any more."""
    me = cb.current()
    summed = await me.add(total, [3, 4])
    await me.style(summed, label="three and four", color="gold")
    await me.promise("no new looks")
    if coats > 1:
        await me.style(summed, color="teal")


@cb.workflow
def looks(w: cb.Builder, coats: int = 1) -> None:
    """Paint once, and promise that it stays so: a second coat breaks that."""
    w.style(w.add(paint, coats), label="the painter", color="navy")


# --- a promise made while the run goes on ---------------------------------------------------------


@cb.task
async def forgetful() -> None:
    """Promise that no square comes, and forget it."""
    me = cb.current()
    await me.promise("no new square")
    await me.add(square, 5)


@cb.workflow
def broken(w: cb.Builder) -> None:
    """Break a promise: what was being done is stopped, and the run ends ``promise_broken``."""
    w.add(anyio.sleep, 3600, id="long")
    w.add(forgetful)


# --- types that do not fit ------------------------------------------------------------------------


@cb.workflow
def misfit(w: cb.Builder) -> None:
    """Give a text to what takes numbers: refused when the graph is built, before anything runs."""
    w.add(total, [w.add(text, "three")])


@cb.workflow
def late_misfit(w: cb.Builder, number: object = "three") -> None:
    """Give it a text that nobody knew to be one: the task fails instead of being called."""
    w.add(square, number)


async def main(store: str = "memory:") -> list[cb.RunResult]:
    """Run all that can run."""
    async with cb.Engine(store) as engine:
        results = [
            await engine.run(workflow)
            for workflow in (static, parallel, branch, squares, dynamic, looks, broken, late_misfit)
        ]
    for result in results:
        print(f"{result.workflow:12}{result.state:16}{len(result.tasks)} tasks")
    return results


if __name__ == "__main__":
    anyio.run(main)
