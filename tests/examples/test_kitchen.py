"""The kitchen serves every dish, roasts again what burns, and has two ovens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TypeAlias

import pytest

import callboard as cb
from callboard.workflow import events as ev

Load: TypeAlias = Callable[[str], ModuleType]
Start: TypeAlias = Callable[..., list[str]]

ROASTS = ["roast", "roast-2", "roast-3", "roast-4"]
DISHES = ["duck", "lamb", "trout", "celery"]
SERVED = [f"{dish} with chopped carrots and chopped herbs" for dish in DISHES]


@pytest.mark.parametrize("durable", [False, True], ids=["memory", "sqlite"])
async def test_all_dishes_are_served_together(
    load_example: Load, tmp_path: Path, durable: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    store = f"sqlite:///{tmp_path / 'kitchen.db'}" if durable else "memory:"
    result: cb.RunResult = await load_example("kitchen/kitchen.py").main(store)
    assert result.output == SERVED
    assert [result.tasks[name].attempts for name in ROASTS] == [3, 2, 1, 1]
    assert result.order[-1] == "serve"
    assert len(capsys.readouterr().out.splitlines()) == len(DISHES) + len(result.tasks) + 1


async def test_there_are_two_ovens(load_example: Load) -> None:
    kitchen = load_example("kitchen/kitchen.py")
    async with cb.Engine("memory:") as engine:
        run = await engine.start(kitchen.dinner, dict.fromkeys(DISHES, 50))
        await run.result()
        happened = [event async for _, event in run.events()]
    inside: set[str] = set()
    most = 0
    for event in happened:
        match event:
            case ev.AttemptStarted(task=task) if task in ROASTS:
                inside.add(task)
                most = max(most, len(inside))
            case ev.RetryScheduled(task=task) | ev.TaskSettled(task=task):
                inside.discard(task)
            case _:
                pass
    assert most == 2


def test_as_a_program(start_example: Start) -> None:
    printed = start_example("kitchen/kitchen.py", "sqlite:///kitchen.db")
    assert "the duck was in the oven for 40 minutes" in printed
    assert "roast    succeeded, attempts: 3" in printed
    assert printed[-1] == "served: " + ", ".join(SERVED)
