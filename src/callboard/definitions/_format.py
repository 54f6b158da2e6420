"""The definition format as tables: every key there is and what it may hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ..workflow import ERROR_KINDS, Retry, Stop, Timeouts
from ._expressions import condition_code
from ._kinds import KEYS, KINDS, NAME, VARIABLE
from ._nodes import Node, Scalar, shorten
from ._problems import Invalid, Place
from ._records import Either, ListOf, MapOf, Record, object_schema
from ._scope import ExpressionError
from ._shapes import Choice, Duration, Flag, Json, Schema, Shape, Text, Whole

NAMED: Final = Text("a name", r"^[^\x00-\x1f\x7f]{1,500}$")
ID: Final = Text("an id (letters, digits, _, - and .)", r"^[\w.][\w.-]{0,499}$")
NEVER_RETRIED: Final = ("cancelled", "promise_broken")
INPUT_TYPES: Final = ("string", "number", "integer", "boolean", "array", "object", "any")
INPUT_NAME: Final = r"^[^\W\d][\w-]*$"


class _RetriedError:
    """What ``retry: {on: …}`` lists: kinds of errors, or names of exception classes."""

    kinds: Sequence[str] = tuple(kind for kind in ERROR_KINDS if kind not in NEVER_RETRIED)

    def read(self, node: Node, place: Place) -> str | Invalid:
        text = Text("an error kind or an exception's name").read(node, place)
        if isinstance(text, Invalid) or text in self.kinds:
            return text
        if text in NEVER_RETRIED:
            return place.report(node.line, f"{text} is never retried")
        known_shape = Text("an exception's name", f"^{NAME}$").read(node, place)
        if isinstance(known_shape, str) and text.islower() and "." not in text:
            near = place.problems.suggest(text, self.kinds)
            return place.report(node.line, f'unknown error kind "{shorten(text)}"{near}')
        return known_shape

    def schema(self) -> Schema:
        return {"anyOf": [{"enum": list(self.kinds)}, {"type": "string", "pattern": f"^{NAME}$"}]}


class _Condition:
    """``when:``, an expression with or without its ``${{ }}``, or true or false."""

    def read(self, node: Node, place: Place) -> str | Invalid:
        if isinstance(node, Scalar) and isinstance(node.value, bool):
            return "true" if node.value else "false"
        text = Text("a condition", expressions=True).read(node, place)
        try:
            return text if isinstance(text, Invalid) else condition_code(text)
        except ExpressionError as error:
            return place.report(node.line, str(error))

    def schema(self) -> Schema:
        return {"type": ["string", "boolean"]}


def _attempt_timeout(seconds: float) -> Timeouts:
    return Timeouts(attempt=seconds)


class _Timeout:
    """``timeout:``, seconds for each attempt, or a mapping."""

    spans: Shape = Record(
        {key: Duration(zero=False) for key in ("attempt", "total", "queued")}, build=Timeouts
    )

    def read(self, node: Node, place: Place) -> Any:
        found = Either(self.spans, Duration(zero=False)).read(node, place)
        return _attempt_timeout(found) if isinstance(found, float) else found

    def schema(self) -> Schema:
        return Either(self.spans, Duration(zero=False)).schema()


RETRY: Final = Record(
    {
        "times": Whole(0, 1_000_000),
        "backoff": Choice(("fixed", "linear", "exponential")),
        "delay": Duration(),
        "increment": Duration(),
        "cap": Duration(),
        "jitter": Flag(),
        "max_elapsed": Duration(),
        "on": ListOf(_RetriedError(), single=True),
    },
    required=("times",),
    build=Retry,
)

OPTIONS: Final[dict[str, Shape]] = {
    "retry": RETRY,
    "timeout": _Timeout(),
    "lost": Choice(("retry", "fail", "ask")),
    "stop": Record({"grace": Duration(), "term": Duration()}, build=Stop),
    "priority": Whole(),
    "pool": Text("a pool's name"),
    "critical": Flag(),
    "cwd": Text("a folder"),
    "env": MapOf(Text(empty=True, expressions=True), VARIABLE, "an environment variable's name"),
}
"""How a task is supervised: the fields of ``TaskOptions``."""

TASK: Final[dict[str, Shape]] = {
    "name": NAMED,
    "id": ID,
    "needs": ListOf(NAMED, single=True),
    "with": Json("object"),
    "when": _Condition(),
    **OPTIONS,
    **{key: KINDS[kind].shape for key, kind in KEYS.items()},
}
"""The keys of one task."""

INPUT: Final = Record(
    {
        "type": Choice(INPUT_TYPES),
        "default": Json(),
        "required": Flag(),
        "description": Text(empty=True, expressions=True),
        "enum": ListOf(Json(), least=1),
    },
    blank=True,
)

MISPLACED: Final = {
    "flow": "flow: stands beside tasks:, not in a task",
    "owner": "owner: stands beside flow:, not in a task",
}
"""Keys of a file that are no keys of a task."""


class _Tasks:
    """``tasks:``, which is left as nodes here and read with the places that its errors need."""

    def read(self, node: Node, place: Place) -> Node:  # noqa: ARG002 - what a shape takes
        return node

    def schema(self) -> Schema:
        return {"type": "array", "items": {"$ref": "#/$defs/task"}}


WORKFLOW: Final[dict[str, Shape]] = {
    "workflow": NAMED,
    "description": Text(empty=True, expressions=True),
    "inputs": MapOf(INPUT, INPUT_NAME, "an input's name"),
    "concurrency": Whole(1, 1_000_000),
    "timeout": Duration(zero=False),
    "on_failure": Choice(("stop", "drain", "skip_downstream", "allow_partial")),
    "failure_workflow": Text("a workflow's name or file"),
    "pools": MapOf(Whole(1, 1_000_000)),
    "max_tasks": Whole(1),
    "output": Json(),
    "flow": Text("a flow, as in A -> B"),
    "owner": Either(MapOf(NAMED), NAMED),
    "promises": ListOf(Text("a promise")),
    "tasks": _Tasks(),
}
"""The keys of a file."""


def task_schema() -> Schema:
    """Describe one task: a name, and at most one of the keys that say how it is done."""
    schema = object_schema(TASK, ("name",))
    ways: list[Schema] = [{"required": [key]} for key in KEYS]
    return {**schema, "oneOf": [*ways, {"not": {"anyOf": ways}}]}


def build_schema() -> Schema:
    """Build the JSON Schema of definition files from the tables that read them."""
    schema = object_schema(WORKFLOW, ("tasks",))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "callboard workflow definition",
        **schema,
        "$defs": {"task": task_schema()},
    }
