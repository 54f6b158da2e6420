"""The public names are these, and no others: each is a promise to whoever uses it."""

from __future__ import annotations

import callboard

PUBLIC = """
BoardLease Builder CallboardError Current CurrentSync DefinitionError Engine Failure HoleRef
InternalError KeyTaken NotReady PromiseBroken PromiseRefused Refused Retry RunCancelled RunExists
RunFailed RunHandle RunOwned RunResult RunState StaleFence StoreError TaskFunction TaskRef
TaskResult TaskState Timeouts UnknownRecord UnknownRun UsageError VersionConflict Workflow
WorkflowSpec bind current current_sync load promises run_dag task workflow
"""


def test_the_public_names_are_exactly_these() -> None:
    assert callboard.__all__ == PUBLIC.split()
    assert set(PUBLIC.split()) <= set(dir(callboard))
