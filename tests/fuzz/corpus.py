"""What is mutated: the examples, and one of each thing that can be said."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

ROOT: Final = Path(__file__).resolve().parents[2]

MESSAGES: Final[tuple[dict[str, Any], ...]] = (
    {"type": "success", "output": {"a": [1, None, "x"]}},
    {"type": "error", "message": "no", "kind": "weather", "retry_after": 0.01, "detail": {"a": 1}},
    {"type": "not_ready", "message": "later"},
    {"type": "progress", "fraction": 0.5, "message": "half", "data": {"size": 2}},
    {"type": "log", "level": "info", "message": "hello"},
    {"type": "heartbeat"},
    {"type": "release"},
    {"type": "get", "id": 1, "task": "a"},
    {"type": "add_task", "name": "new", "key": "k", "external": {}, "with": {"n": 1}},
    {"type": "add_task", "name": "new", "after": ["plan"], "before": [], "step": None},
    {"type": "add_task", "name": "unit", "into": "plan:unit*", "input": {"schema": {}}},
    {"type": "add_task", "name": "nap", "sleep": 0, "retry": {"times": 2}, "when": "${{ true }}"},
    {"type": "add_edge", "from": "plan/k", "to": "b"},
    {"type": "promise", "text": "no new tasks"},
    {"type": "promise", "text": "only edges plan -> *"},
    {"type": "hole", "shape": "M*", "after": ["plan"], "before": ["b"], "owner": "plan"},
    {"type": "give", "hole": "plan:M*", "to": "a"},
    {"type": "close", "hole": "plan:M*"},
    {"type": "style", "task": "plan", "label": "Plan", "color": "red"},
    {"type": "style", "edge": ["plan", "b"], "label": "then"},
    {"type": "wait", "input": {"type": "object", "required": ["ok"]}, "message": "well?"},
    {"type": "pause", "message": "tea"},
    {"type": "again", "task": "a"},
    {"type": "batch", "commands": [{"type": "heartbeat"}]},
    {
        "type": "batch",
        "commands": [
            {"type": "add_task", "name": "x", "key": "x", "external": {}},
            {"type": "add_edge", "from": "plan/x", "to": "b"},
        ],
    },
)

DEFINITIONS: Final = (
    "workflow: small\ntasks:\n  - name: a\n  - {name: b, needs: [a]}\n",
    """\
workflow: rich
inputs:
  amount: {type: number, default: 1}
  x: {type: string, enum: [a, b], default: a}
concurrency: 4
timeout: 1h
on_failure: drain
pools: {p: 2}
output: "${{ tasks.b.output }}"
tasks:
  - name: plan
    external: {grows: true}
  - name: a
    needs: [plan]
    external: {}
    with: {n: "${{ inputs.amount }}"}
    when: "${{ inputs.amount > 0.5 }}"
    retry: {times: 2, delay: 1ms, on: [error, timeout]}
    timeout: {attempt: 5m, total: 1h}
    priority: 3
    pool: p
  - name: b
    needs: [a]
    input: {schema: {type: object}, message: Well?}
    critical: true
promises: ["no new b"]
""",
    """\
workflow: flowing
flow: "plan -> unit* -> report"
tasks:
  - {name: plan, external: {grows: true}}
  - {name: unit, external: {}}
  - {name: report, external: {}}
""",
    "workflow: child\ntasks:\n  - {name: a, workflow: small}\n  - {name: nap, sleep: 1ms}\n",
    """\
workflow: choice
flow: "a -> (b | c?) -> d{1,3}"
tasks:
  - {name: a, external: {grows: true}}
  - {name: b, external: {grows: true}}
  - {name: c, sleep: 0}
  - {name: d, external: {}}
""",
    '{"workflow": "json", "tasks": [{"name": "a"}, {"name": "b", "needs": ["a"]}]}',
)


@cache
def definition_files() -> list[bytes]:
    """Return definitions as files hold them."""
    files = sorted(
        each
        for ending in ("yaml", "yml", "json")
        for each in (ROOT / "examples").rglob(f"*.{ending}")
        if each.stat().st_size < 100_000
    )
    return [*(each.read_bytes() for each in files), *(text.encode() for text in DEFINITIONS)]


@cache
def definition_values() -> list[Any]:
    """Return the same definitions as values."""
    yaml: Any = YAML(typ="safe", pure=True)
    return [yaml.load(raw.decode()) for raw in definition_files()]
