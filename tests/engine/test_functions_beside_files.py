"""Functions that a definition names are found beside it, wherever the engine runs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import callboard as cb

Opens = Callable[..., AbstractAsyncContextManager[cb.Engine]]

FLOW = """
tasks:
  - {name: ask, wait: {probe: "steps:there"}}
  - {name: act, needs: [ask], function: "steps:act", with: {number: 3}}
"""
STEPS = """
import helper

def there():
    return True

def act(number):
    return [number, helper.NAME]
"""


def write(folder: Path, name: str) -> cb.WorkflowSpec:
    """Write a definition with a module and what that imports into a folder."""
    folder.mkdir()
    (folder / "flow.yaml").write_text(FLOW)
    (folder / "steps.py").write_text(
        STEPS if name == "one" else STEPS.replace("helper.NAME", "'two'")
    )
    (folder / "helper.py").write_text("NAME = 'one'")
    loaded = cb.load(folder / "flow.yaml")
    assert isinstance(loaded, cb.WorkflowSpec)
    return loaded


async def test_two_definitions_may_have_modules_of_one_name(opens: Opens, tmp_path: Path) -> None:
    """Each gets its own, without any change to the import path."""
    flows = [write(tmp_path / name, name) for name in ("one", "two")]
    async with opens() as engine:
        results = [await engine.run(flow) for flow in flows]
    assert [result.tasks["act"].output for result in results] == [[3, "one"], [3, "two"]]
