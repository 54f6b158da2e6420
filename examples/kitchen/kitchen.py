"""A kitchen brigade: cooks share two ovens, a burnt dish is cooked again, the chef tastes before it is served.

Run it with ``python examples/kitchen/kitchen.py``.  Everything is in one file and one process: the engine is
embedded, the runs are kept in ``kitchen.db`` beside it; leave it out of the store's URL (``memory:``) and
nothing is kept.
"""

from __future__ import annotations

import random
from datetime import timedelta

import anyio
import attrs

import callboard as cb

SECOND = 0.02
"""How long a second in the kitchen takes here."""


@attrs.frozen
class Dish:
    """What comes out of the kitchen."""

    name: str
    minutes: float
    garnish: tuple[str, ...] = ()


class Burnt(Exception):
    """The dish has to be cooked again."""


@cb.task
async def chop(what: str) -> str:
    """Cut the vegetables."""
    await anyio.sleep(SECOND)
    return f"chopped {what}"


@cb.task(pool="oven", retry=cb.Retry(times=5, backoff="fixed", delay=SECOND, jitter=False, on=("Burnt",)))
async def roast(what: str) -> Dish:
    """Roast it; now and then it burns, and is roasted again."""
    me = cb.current()
    minutes = random.Random(f"{what}{me.attempt}").uniform(20, 60)  # noqa: S311 - a kitchen, not a cipher
    await anyio.sleep(minutes / 20 * SECOND)
    if minutes > 45:
        raise Burnt(f"{what} was in the oven for {minutes:.0f} minutes")
    me.log(f"{what}: {timedelta(minutes=round(minutes))} in the oven")
    return Dish(what, round(minutes))


@cb.task
def plate(dish: Dish, *garnish: str) -> Dish:
    """Put it on a plate; a sync function, so it runs in a thread."""
    return attrs.evolve(dish, garnish=garnish)


@cb.task(critical=True)
async def serve(dishes: list[Dish]) -> str:
    """Bring it to the table."""
    return " · ".join(f"{dish.name} with {' and '.join(dish.garnish)}" for dish in dishes)


@cb.workflow(pools={"oven": 2}, on_failure="drain")
def dinner(w: cb.Builder, orders: list[str]) -> cb.TaskRef:
    """One dish for each order, all of them served together."""
    carrots, herbs = w.add(chop, "carrots"), w.add(chop, "herbs")
    plates = [w.add(plate, w.add(roast, order), carrots, herbs) for order in orders]
    return w.add(serve, plates)


async def main(store: str = "memory:") -> str:
    """Cook one dinner and return what was served."""
    async with cb.Engine(store, concurrency=6) as engine:
        result = await engine.run(dinner, ["duck", "lamb", "trout", "celery"])
        result.raise_for_state()
        for name, task in result.tasks.items():
            print(f"{name:12} {task.state:10} {task.attempts} attempt(s)")
        print(result.output)
        return str(result.output)


if __name__ == "__main__":
    anyio.run(main)
