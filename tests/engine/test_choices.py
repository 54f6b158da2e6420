"""A word that is not known is refused where it is written, not when something has failed."""

from __future__ import annotations

import pytest

import callboard as cb
from callboard.workflow import TaskSpec, WorkflowSpec


def test_a_workflow_has_one_of_the_failure_policies() -> None:
    with pytest.raises(cb.UsageError, match=r"on_failure must be one of skip_downstream.*'drian'"):
        cb.workflow(on_failure="drian")


def test_a_lost_task_has_one_of_three_ways() -> None:
    with pytest.raises(cb.UsageError, match="lost must be one of retry, fail, ask, not 'aks'"):
        cb.task(lost="aks")


async def test_an_engine_that_is_not_open_says_so() -> None:
    engine = cb.Engine("memory:")
    spec = WorkflowSpec(name="w", tasks=(TaskSpec(id="t", name="t"),))
    with pytest.raises(cb.UsageError, match="not open: start runs inside `async with engine:`"):
        await engine.run(spec)
