"""Events are written down and read for ever."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from callboard.storage._codec import INLINE_MAX, Encoded, decode, encode
from callboard.testing._store_conformance import every_event
from callboard.workflow import (
    DEFAULT_OPTIONS,
    EVENTS,
    Event,
    StoreError,
    TaskSpec,
    TaskState,
    WorkflowSpec,
)
from callboard.workflow.events import RunCreated, TaskSettled

RECORDED = sorted(Path(__file__).parent.glob("events_schema_*.json"))
"""What released versions wrote: a new version adds a file, and leaves the others alone."""


def recorded() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for path in RECORDED:
        rows += json.loads(path.read_text())
    return rows


def read(encoded: Encoded) -> Event:
    moved = {digest: text for _, digest, text in encoded.moved}
    return decode(encoded.kind, encoded.body, encoded.refs, lambda _, digest: moved[digest])


def created(spec: WorkflowSpec) -> Event:
    return RunCreated(at=1.0, run="r", spec=spec)


@pytest.mark.parametrize("event", every_event(), ids=lambda event: event.kind)
def test_what_was_written_is_read(event: Event) -> None:
    assert read(encode(event)) == event


def test_every_kind_is_recorded() -> None:
    """Who adds a kind of event records one of it: see :data:`RECORDED`."""
    assert {row["kind"] for row in recorded()} == set(EVENTS)


@pytest.mark.parametrize("row", recorded(), ids=lambda row: row["kind"])
def test_what_was_written_long_ago_is_read(row: dict[str, Any]) -> None:
    """Every field has the value that was recorded."""
    apart: dict[str, str] = row["apart"]
    event = decode(row["kind"], row["body"], row["refs"], lambda _, digest: apart[digest])
    written = encode(event)
    body = json.loads(written.body)
    for field, value in json.loads(row["body"]).items():
        assert body[field] == value
    for field, digest in json.loads(row["refs"] or "{}").items():
        now = body[field] if field in body else json.loads(written.moved[0][2])
        then = json.loads(apart[digest])
        # A definition may have gained fields since, as an event may.
        assert (now | then if isinstance(then, dict) else then) == now


def test_only_large_fields_stand_apart() -> None:
    small = encode(
        TaskSettled(at=1.0, task="a", state=TaskState.SUCCEEDED, output="x" * (INLINE_MAX // 2))
    )
    assert small.refs is None
    large = encode(
        TaskSettled(at=1.0, task="a", state=TaskState.SUCCEEDED, output="x" * INLINE_MAX)
    )
    assert [field for field, _, _ in large.moved] == ["output"]
    assert len(large.body) < 200
    again = encode(
        TaskSettled(at=2.0, task="b", state=TaskState.SUCCEEDED, output="x" * INLINE_MAX)
    )
    assert again.moved == large.moved


def test_a_workflow_has_one_hash_whoever_starts_it() -> None:
    spec = WorkflowSpec(name="w", tasks=(TaskSpec(id="a", name="A"),))
    one = encode(created(spec))
    two = encode(RunCreated(at=2.0, run="q", spec=spec, inputs=[1]))
    assert one.moved == two.moved
    assert one.moved[0][0] == "spec"


def test_tasks_that_say_nothing_special_share_the_defaults() -> None:
    """A million tasks must not mean a million option objects."""
    event: Any = read(encode(created(WorkflowSpec(name="w", tasks=(TaskSpec(id="a", name="A"),)))))
    assert event.spec.tasks[0].options is DEFAULT_OPTIONS


@pytest.mark.parametrize(
    ("kind", "body", "names"),
    [
        ("task_teleported", "{}", "task_teleported"),
        ("run_paused", '{"at": 1.0, "why": "tea"}', "'why' in 'run_paused'"),
        (
            "retry_scheduled",
            '{"at": 1.0, "task": "a", "retry_at": 2.0, "error": {"kind": "exit", "mood": "bad"}}',
            "'mood' in 'error'",
        ),
        (
            "run_created",
            '{"at": 1.0, "run": "r", "spec": {"tasks": [{"options": {"colour": "red"}}]}}',
            "'colour' in 'options'",
        ),
        (
            "run_created",
            '{"at": 1.0, "run": "r", "spec": {"name": "w", "inputs": {"x": {"unit": "m"}}}}',
            "'unit' in 'inputs'",
        ),
        ("run_paused", '{"at": "noon"}', "run_paused"),
        ("run_paused", "{", "run_paused"),
        ("run_ended", '{"at": 1.0, "state": "exploded"}', "run_ended"),
    ],
)
def test_what_a_newer_version_wrote_is_refused(kind: str, body: str, names: str) -> None:
    with pytest.raises(StoreError, match="upgrade callboard") as caught:
        decode(kind, body, None, lambda _field, _digest: "")
    assert names in str(caught.value)
