"""The programs in the guide to actors do what it says."""

from __future__ import annotations

import re
from pathlib import Path

import anyio
import pytest

from callboard.actors import Channel, Mailbox
from callboard.supervisor._strategies import RestartIntensityExceeded

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "actors.md"


def program(number: int) -> dict[str, object]:
    source = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(source[number], str(GUIDE), "exec"), names)
    return names


def test_the_account_prints_its_balance(capsys: pytest.CaptureFixture[str]) -> None:
    program(0)
    assert capsys.readouterr().out == "70\n"


async def test_the_recorder_takes_a_batch(capsys: pytest.CaptureFixture[str]) -> None:
    inbox = Mailbox[str]()
    inbox.post("a")
    inbox.post("b")
    inbox.close()
    await program(1)["recorder"](inbox)  # type: ignore[operator]
    assert capsys.readouterr().out == "one commit for 2\n"


async def test_the_worker_takes_jobs(capsys: pytest.CaptureFixture[str]) -> None:
    jobs = Channel[int]()
    jobs.post(7)
    async with anyio.create_task_group() as group:
        group.start_soon(program(2)["worker"], jobs)  # type: ignore[arg-type]
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    assert capsys.readouterr().out == "job 7\n"


async def test_the_supervisor_gives_up(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RestartIntensityExceeded, match="'poller' failed with ConnectionError"):
        await program(3)["main"]()  # type: ignore[operator]
    assert capsys.readouterr().out == "polled\n" * 3
