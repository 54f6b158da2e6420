"""What fuzzing has found, each once more."""

from __future__ import annotations

import json
from random import Random

import pytest

import callboard as cb
from callboard._answers import problems_of
from callboard.definitions import loads
from callboard.executors._protocol import BadOutput, parse_line
from callboard.workflow import DefinitionError

from .rest_cases import Client, Request

DEFINITIONS = [
    # A task of a flow that is described twice stood in for one that is not described at all.
    {
        "flow": "a -> b -> c -> (d | e)",
        "tasks": [
            {"name": "a", "shell": "true"},
            {"name": "b", "input": {}},
            {"name": "d", "shell": "true", "with": {"x": "${{ tasks.b.output }}"}},
            {"name": "d", "shell": "true"},
            {"name": "e", "shell": "true"},
        ],
    },
]


@pytest.mark.parametrize("definition", DEFINITIONS)
def test_definitions(definition: object) -> None:
    with pytest.raises(DefinitionError, match="stands in flow"):
        loads(json.dumps(definition), "f.json")


@pytest.mark.parametrize(
    "schema",
    [
        {"required": 5},
        {"type": 5},
        {"type": [[], {}]},
        {"required": [[]]},
        {"properties": ["a"]},
        {"properties": 3},
        {"enum": 5},
        {"minimum": "a", "maximum": []},
        {"items": 3},
    ],
)
@pytest.mark.parametrize("answer", [{"a": 1}, [1], 1, "a"])
def test_rules_for_an_answer_that_are_none(schema: object, answer: object) -> None:
    assert problems_of(schema, answer, "it") == []


@pytest.mark.parametrize("word", ["heartbeat", "log", "progress"])
def test_a_batch_holds_changes_of_the_graph_alone(word: str) -> None:
    line = {"type": "batch", "commands": [{"type": word, "message": "x"}]}
    said = parse_line(json.dumps(line).encode())
    assert isinstance(said, BadOutput)
    assert f"'{word}' cannot stand in a batch" in said.reason


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        (b"/api/v1/runs", b"state\xaa=\xfe", 400),
        (b"/nothing", b"\xaa", 404),
        (b"/api/v1/nothing", b"\xff", 404),
        (b"/api/v1/runs/%FF", b"", 404),
        (b"/api/v1/runs/", b"\xaa", 404),
    ],
)
async def test_requests_that_no_client_makes(path: bytes, query: bytes, status: int) -> None:
    async with cb.Engine("memory:") as engine:
        client = Client(engine.asgi(page=False), Random(0))
        request = Request("GET", path, query, [(b"host", b"localhost")], b"")
        answered = await client.send(request)
    assert answered.status == status, answered.content
    assert answered.media == "application/problem+json"
