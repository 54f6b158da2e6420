"""A transition that changes nothing of the run's row is written short, and checked the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest

from callboard.storage import Conflict, EngineInfo, RunRow, SqliteStore, Transition
from callboard.workflow import RunState, WorkflowSpec
from callboard.workflow.events import Event, RunCreated, RunPaused, RunUnpaused

ENGINE = EngineInfo(id="e", host="h", pid=1, started_at=0.0)
ROW = RunRow(run="r", workflow="w", state=RunState.RUNNING, created_at=1.0, owner="e")


def step(version: int, event: Event, **changes: Any) -> Transition:
    made = Transition(run="r", version=version, engine="e", events=[event], row=ROW)
    return attrs.evolve(made, **changes)


async def test_it_is_checked_like_any_other_and_may_stand_beside_one(tmp_path: Path) -> None:
    """Also when two transitions of one run are written at once, the short one last or first."""
    store = SqliteStore(tmp_path / "s.db")
    async with store.opened(ENGINE):
        created = RunCreated(at=1.0, run="r", spec=WorkflowSpec(name="w"))
        await store.commit([step(0, created)])
        await store.commit([step(1, RunPaused(at=2.0), only_version=True)])
        with pytest.raises(Conflict):
            await store.commit([step(1, RunPaused(at=2.0), only_version=True)])
        with pytest.raises(Conflict):
            await store.commit([step(2, RunPaused(at=2.0), only_version=True, engine="other")])
        paused = attrs.evolve(ROW, paused=True)
        await store.commit(
            [
                step(2, RunUnpaused(at=3.0), row=paused),
                step(3, RunPaused(at=4.0), row=paused, only_version=True),
            ]
        )
        stored = await store.load("r")
        assert stored is not None
        assert (stored.row.version, stored.row.paused) == (4, True)
        assert [event.kind for event in stored.events][1:] == [
            "run_paused",
            "run_unpaused",
            "run_paused",
        ]
