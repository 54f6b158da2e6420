"""The trio program ends one run and gives the other up, with its clean-up."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import TypeAlias

import pytest
import trio

Load: TypeAlias = Callable[[str], ModuleType]
Start: TypeAlias = Callable[..., list[str]]

PRINTED = ["mean: 5.67", "listen: cleaned up", "average succeeded, endless cancelled"]


def test_it_leaves_nothing_running(load_example: Load, capsys: pytest.CaptureFixture[str]) -> None:
    states = trio.run(load_example("trio_program.py").main)
    assert sorted(states) == ["cancelled", "succeeded"]
    assert capsys.readouterr().out.splitlines() == PRINTED


def test_as_a_program(start_example: Start) -> None:
    assert start_example("trio_program.py") == PRINTED
