"""A kitchen: cooks share two ovens, what burns is roasted again, all dishes are served together.

Run it with ``python examples/kitchen/kitchen.py``.  The engine lives in this program and remembers
nothing; give it a place, such as ``sqlite:///kitchen.db``, and an evening outlives the program.
"""

from __future__ import annotations

import sys

import anyio
import attrs

import callboard as cb

MINUTE = 0.001
"""How many seconds a minute in this kitchen takes."""


@attrs.frozen
class Dish:
    """What comes out of the kitchen; between tasks it travels as JSON."""

    name: str
    minutes: int
    garnish: tuple[str, ...] = ()


class BurntError(Exception):
    """The dish has to be roasted again."""


@cb.task
async def chop(what: str) -> str:
    """Cut the vegetables."""
    await anyio.sleep(10 * MINUTE)
    return f"chopped {what}"


@cb.task(
    pool="oven",
    retry=cb.Retry(times=3, backoff="fixed", delay=5 * MINUTE, on=("BurntError",)),
)
async def roast(what: str, minutes: int) -> Dish:
    """Roast it, each time a little shorter, until it is not burnt."""
    me = cb.current()
    minutes -= 10 * (me.attempt - 1)
    await anyio.sleep(minutes * MINUTE)
    if minutes > 45:
        raise BurntError(f"{minutes} minutes were too many for the {what}")
    me.log(f"the {what} was in the oven for {minutes} minutes")
    return Dish(what, minutes)


@cb.task
def plate(dish: Dish, *garnish: str) -> Dish:
    """Put it on a plate; this is a sync function, so it runs in a thread."""
    return attrs.evolve(dish, garnish=garnish)


@cb.task
async def serve(dishes: list[Dish]) -> list[str]:
    """Bring everything to the table."""
    return [f"{dish.name} with {' and '.join(dish.garnish)}" for dish in dishes]


@cb.workflow(pools={"oven": 2})
def dinner(w: cb.Builder, orders: dict[str, int]) -> cb.TaskRef:
    """Prepare each order, with what only has to be chopped once, and serve all of them together."""
    carrots, herbs = w.add(chop, "carrots"), w.add(chop, "herbs")
    roasts = [w.add(roast, what, minutes) for what, minutes in orders.items()]
    return w.add(serve, [w.add(plate, dish, carrots, herbs) for dish in roasts])


async def main(store: str = "memory:") -> cb.RunResult:
    """Cook one dinner."""
    async with cb.Engine(store) as engine:
        run = await engine.start(dinner, {"duck": 60, "lamb": 50, "trout": 20, "celery": 40})
        result = await run.result()
        for line in await run.logs():
            print(line.text)
    result.raise_for_state()
    for name, task in result.tasks.items():
        print(f"{name:8} {task.state}, attempts: {task.attempts}")
    print("served:", ", ".join(result.output))
    return result


if __name__ == "__main__":
    anyio.run(main, sys.argv[1] if sys.argv[1:] else "memory:")
