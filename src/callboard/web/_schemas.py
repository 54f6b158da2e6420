"""The JSON that is answered, as JSON Schema: for the OpenAPI document, and tests hold us to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..executors._protocol import TYPES
from ..workflow import RunState, TaskState

Schema = Mapping[str, Any]

TEXT: Final[Schema] = {"type": "string"}
MAYBE_TEXT: Final[Schema] = {"type": ["string", "null"]}
WHOLE: Final[Schema] = {"type": "integer"}
FLAG: Final[Schema] = {"type": "boolean"}
TIME: Final[Schema] = {"type": ["string", "null"], "format": "date-time"}
ANY: Final[Schema] = {}
OBJECT: Final[Schema] = {"type": "object"}
PICTURES: Final[Mapping[str, str]] = {
    "svg": "image/svg+xml",
    "png": "image/png",
    "pdf": "application/pdf",
    "dot": "text/vnd.graphviz",
    "mmd": "text/vnd.mermaid",
    "json": "application/json",
}
"""The formats of pictures, and what they are on the wire."""


def obj(properties: Mapping[str, Schema], *, optional: tuple[str, ...] = ()) -> Schema:
    """Return the schema of an object with these keys and no others."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def array(each: Schema) -> Schema:
    """Return the schema of a list."""
    return {"type": "array", "items": each}


def mapping(each: Schema) -> Schema:
    """Return the schema of an object whose keys are ids."""
    return {"type": "object", "additionalProperties": each}


def ref(name: str) -> Schema:
    """Return a reference to a component of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def listed(each: Schema) -> Schema:
    """Return the schema of a part of a list, with the length of all of it."""
    return obj({"items": array(each), "total": WHOLE, "limit": WHOLE, "offset": WHOLE})


def items(each: Schema) -> Schema:
    """Return the schema of what goes on behind a number."""
    return obj({"items": array(each)})


RUN_STATE: Final[Schema] = {"type": "string", "enum": [str(state) for state in RunState]}
TASK_STATE: Final[Schema] = {"type": "string", "enum": [str(state) for state in TaskState]}

_PROBLEM: Final = obj(
    {
        "type": TEXT,
        "title": TEXT,
        "status": WHOLE,
        "detail": TEXT,
        "errors": array(TEXT),
    },
    optional=("errors",),
)

_RUN_HEAD: Final = {
    "run": TEXT,
    "workflow": TEXT,
    "state": RUN_STATE,
    "paused": FLAG,
    "reason": MAYBE_TEXT,
    "topic": MAYBE_TEXT,
    "job": MAYBE_TEXT,
    "parent": MAYBE_TEXT,
    "started_at": TIME,
    "ended_at": TIME,
    "version": WHOLE,
}

_RUN_ITEM: Final = obj({**_RUN_HEAD, "created_at": TIME, "owner": MAYBE_TEXT})

_WAIT: Final = {
    "oneOf": [
        {"type": "null"},
        obj(
            {
                "kind": TEXT,
                "message": MAYBE_TEXT,
                "schema": ANY,
                "until": TIME,
                "run": MAYBE_TEXT,
            }
        ),
    ]
}

_ERROR: Final = {
    "oneOf": [{"type": "null"}, obj({"kind": TEXT, "message": TEXT, "detail": ANY})],
}

_TASK_RESULT: Final = {
    "name": TEXT,
    "label": TEXT,
    "state": TASK_STATE,
    "reason": MAYBE_TEXT,
    "generation": WHOLE,
    "attempts": WHOLE,
    "needs": array(TEXT),
    "created_by": MAYBE_TEXT,
    "output": ANY,
    "error": ref("Error"),
    "started_at": TIME,
    "ended_at": TIME,
}

_TASK: Final = obj(
    {
        **_TASK_RESULT,
        "id": TEXT,
        "kind": TEXT,
        "worker": MAYBE_TEXT,
        "wait": ref("Wait"),
        "inputs": ANY,
        "data": OBJECT,
    }
)

_TASK_ITEM: Final = obj(
    {
        "id": TEXT,
        "label": TEXT,
        "kind": TEXT,
        "state": TASK_STATE,
        "reason": MAYBE_TEXT,
        "generation": WHOLE,
        "attempts": WHOLE,
        "worker": MAYBE_TEXT,
        "created_by": MAYBE_TEXT,
        "started_at": TIME,
        "ended_at": TIME,
        "wait": ref("Wait"),
    }
)

_PROGRESS: Final = obj(
    {
        "percent": {"type": "integer", "minimum": 0, "maximum": 100},
        "done": WHOLE,
        "known": WHOLE,
        "may_grow": FLAG,
    }
)

_HOLE: Final = obj(
    {
        "id": TEXT,
        "shape": TEXT,
        "owner": MAYBE_TEXT,
        "tasks": array(TEXT),
        "open": FLAG,
        "state": TEXT,
    }
)

_PROMISE: Final = obj({"text": TEXT, "by": MAYBE_TEXT, "state": TEXT})

_FRONTIER: Final = obj(
    {"task": TEXT, "state": TASK_STATE, "blocked_by": array(TEXT), "subtree": array(TEXT)}
)

_RUN: Final = obj(
    {
        **_RUN_HEAD,
        "inputs": ANY,
        "output": ANY,
        "progress": ref("Progress"),
        "tasks": mapping(ref("TaskResult")),
        "order": array(TEXT),
        "holes": array(ref("Hole")),
        "promises": array(ref("PromiseState")),
        "frontier": array(ref("FrontierItem")),
        "boundary": array(TEXT),
    },
    optional=("tasks", "order", "holes", "promises", "frontier", "boundary"),
)

_EVENT: Final = {
    "type": "object",
    "properties": {"number": WHOLE, "kind": TEXT, "at": TIME},
    "required": ["number", "kind", "at"],
}

_LINE: Final = obj(
    {
        "number": WHOLE,
        "task": TEXT,
        "generation": WHOLE,
        "attempt": WHOLE,
        "at": TIME,
        "stream": TEXT,
        "text": TEXT,
        "data": ANY,
    }
)

_REASON: Final = obj(
    {"task": MAYBE_TEXT, "state": TEXT, "code": TEXT, "reason": TEXT, "blockers": array(TEXT)}
)

_OFFER: Final = obj(
    {
        "run": TEXT,
        "task": TEXT,
        "label": TEXT,
        "kind": TEXT,
        "workflow": TEXT,
        "topic": MAYBE_TEXT,
        "job": MAYBE_TEXT,
        "pool": MAYBE_TEXT,
        "priority": WHOLE,
        "owner": MAYBE_TEXT,
    }
)

_UPSTREAM: Final = obj({"label": TEXT, "output": ANY})

_LEASE: Final = obj(
    {
        "fence": TEXT,
        "run": TEXT,
        "task": TEXT,
        "label": TEXT,
        "kind": TEXT,
        "workflow": TEXT,
        "topic": MAYBE_TEXT,
        "job": MAYBE_TEXT,
        "generation": WHOLE,
        "attempt": WHOLE,
        "key": TEXT,
        "worker": TEXT,
        "lease": {"type": "number"},
        "inputs": ANY,
        "needs": mapping(ref("Upstream")),
        "holes": array(obj({"id": TEXT, "shape": TEXT})),
        "answers": array(ANY),
        "run_inputs": ANY,
        "earlier": mapping(ref("Upstream")),
        "do": {
            "oneOf": [
                {"type": "null"},
                obj(
                    {
                        "kind": TEXT,
                        "config": OBJECT,
                        "env": {"type": ["object", "null"]},
                        "folder": MAYBE_TEXT,
                        "cwd": MAYBE_TEXT,
                        "stop": obj({"grace": {"type": "number"}, "term": {"type": "number"}}),
                        "secrets": array(TEXT),
                    }
                ),
            ]
        },
    }
)

_RESULT: Final = {
    "type": "object",
    "properties": {
        "ok": FLAG,
        "error": obj({"kind": TEXT, "message": TEXT}),
        "task": TEXT,
        "hole": TEXT,
        "output": ANY,
        "results": array(OBJECT),
    },
    "required": ["ok"],
}

_GRAPH: Final = {
    "type": "object",
    "required": ["structure", "number", "width", "height", "nodes", "edges"],
    "properties": {
        "structure": TEXT,
        "number": WHOLE,
        "width": {"type": "number"},
        "height": {"type": "number"},
        "title": TEXT,
        "promises": array(
            obj(
                {
                    "text": TEXT,
                    "shown": TEXT,
                    "by": MAYBE_TEXT,
                    "scope": MAYBE_TEXT,
                    "state": MAYBE_TEXT,
                    "at_least": WHOLE,
                    "at_most": {"type": ["integer", "null"]},
                    "count": WHOLE,
                },
                optional=("at_least", "at_most", "count"),
            )
        ),
        "nodes": array(OBJECT),
        "edges": array(OBJECT),
    },
}

_COUNTS: Final = mapping(WHOLE)

_WORKFLOW: Final = obj(
    {
        "name": TEXT,
        "version": {"type": ["integer", "null"]},
        "hash": MAYBE_TEXT,
        "description": MAYBE_TEXT,
        "inputs": OBJECT,
        "tasks": {"type": ["integer", "null"]},
        "source": {"type": "string", "enum": ["file", "uploaded"]},
        "deprecated": FLAG,
        "code": array(TEXT),
        "stored_at": TIME,
        "by": MAYBE_TEXT,
        "definition": MAYBE_TEXT,
    },
    optional=("definition",),
)

_TOPIC: Final = {
    "id": TEXT,
    "version": WHOLE,
    "title": TEXT,
    "description": MAYBE_TEXT,
    "inputs": {"type": ["object", "null"]},
    "deprecated": FLAG,
    "changed_at": TIME,
}

_TOTALS: Final = obj(
    {
        "jobs": _COUNTS,
        "runs": _COUNTS,
        "tasks": _COUNTS,
        "units": obj(
            {
                "completed": WHOLE,
                "pending": WHOLE,
                "error": WHOLE,
                "pause": WHOLE,
                "total": WHOLE,
            }
        ),
    }
)

_JOB: Final = obj(
    {
        "id": TEXT,
        "topic": MAYBE_TEXT,
        "version": WHOLE,
        "state": {
            "type": "string",
            "enum": ["draft", "open", "running", "completed", "failed", "cancelled"],
        },
        "data": OBJECT,
        "plan": array(obj({"workflow": TEXT, "inputs": OBJECT, "version": ANY})),
        "reason": MAYBE_TEXT,
        "runs": _COUNTS,
        "tasks": _COUNTS,
        "percent": {"type": "integer", "minimum": 0, "maximum": 100},
        "changed_at": TIME,
    }
)

_OWNER: Final = obj(
    {
        "id": TEXT,
        "version": WHOLE,
        "title": TEXT,
        "labels": array(TEXT),
        "deprecated": FLAG,
        "changed_at": TIME,
    }
)

COMMAND: Final[Schema] = {
    "type": "object",
    "properties": {"type": {"type": "string", "enum": [*TYPES, "release"]}},
    "required": ["type"],
}
"""A message of a task's process; what else it holds depends on its type."""

COMPONENTS: Final[Mapping[str, Schema]] = {
    "Problem": _PROBLEM,
    "RunItem": _RUN_ITEM,
    "Run": _RUN,
    "Progress": _PROGRESS,
    "Hole": _HOLE,
    "PromiseState": _PROMISE,
    "FrontierItem": _FRONTIER,
    "TaskResult": obj(_TASK_RESULT),
    "TaskItem": _TASK_ITEM,
    "Task": _TASK,
    "Wait": _WAIT,
    "Error": _ERROR,
    "Event": _EVENT,
    "Line": _LINE,
    "Reason": _REASON,
    "Offer": _OFFER,
    "Upstream": _UPSTREAM,
    "Lease": _LEASE,
    "Result": _RESULT,
    "Graph": _GRAPH,
    "Workflow": _WORKFLOW,
    "Topic": obj(_TOPIC),
    "TopicTotals": obj({**_TOPIC, "totals": _TOTALS}),
    "Job": _JOB,
    "Owner": _OWNER,
}
"""The schemas by the names that they have in the document."""

PROBLEM: Final = ref("Problem")
RUN_ITEM: Final = ref("RunItem")
RUN: Final = ref("Run")
TASK_ITEM: Final = ref("TaskItem")
TASK: Final = ref("Task")
EVENT: Final = ref("Event")
LINE: Final = ref("Line")
REASON: Final = ref("Reason")
OFFER: Final = ref("Offer")
LEASE: Final = ref("Lease")
GRAPH: Final = ref("Graph")
WORKFLOW: Final = ref("Workflow")
TOPIC: Final = ref("Topic")
TOPIC_TOTALS: Final = ref("TopicTotals")
JOB: Final = ref("Job")
OWNER: Final = ref("Owner")
TOKEN: Final = obj({"name": TEXT, "roles": array(TEXT), "owner": MAYBE_TEXT, "created_at": TIME})
NEW_TOKEN: Final = obj({"name": TEXT, "roles": array(TEXT), "owner": MAYBE_TEXT, "token": TEXT})
NOTE: Final = obj(
    {
        "at": TIME,
        "who": TEXT,
        "action": TEXT,
        "target": TEXT,
        "outcome": TEXT,
        "detail": ANY,
    }
)
CLAIMED: Final = obj({"leases": array(LEASE)})
SAID: Final = obj({"seq": WHOLE, "results": array(ref("Result")), "closed": FLAG})
STATUS: Final = obj(
    {
        "engine": TEXT,
        "version": TEXT,
        "store": TEXT,
        "slots": obj({"limit": WHOLE, "used": WHOLE}),
        "runs": mapping(WHOLE),
        "board": WHOLE,
        "claims": WHOLE,
        "who": obj({"name": TEXT, "roles": array(TEXT), "owner": MAYBE_TEXT}),
    }
)
HEALTH: Final = obj(
    {"status": {"type": "string", "enum": ["ok", "closing", "stuck"]}, "detail": TEXT}
)
