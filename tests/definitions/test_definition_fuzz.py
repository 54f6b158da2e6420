"""Whatever a file holds, reading it gives a workflow or a DefinitionError, and soon."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from hypothesis import given, settings, strategies as st

import callboard.definitions
from callboard.definitions import ExpressionError, Expressions, Scope, build_schema, loads
from callboard.workflow import DefinitionError, WorkflowSpec

WORDS = st.sampled_from(
    [
        *("tasks", "name", "needs", "workflow", "inputs", "with", "when", "retry", "times", "A"),
        *("timeout", "shell", "sleep", "5m", "http", "url", "input", "wait", "pool", "pools"),
        *("${{ tasks.a.output }}", "${{ 1 +", "${{ inputs.x }}", "a", "type", "default", "enum"),
    ]
)
SCALARS = st.one_of(WORDS, st.none(), st.booleans(), st.integers(), st.floats(), st.text())
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.text(), inner, max_size=5)
    ),
    max_leaves=20,
)
TASKS = st.lists(st.dictionaries(WORDS, VALUES, max_size=5), max_size=4)
YAML_PARTS = st.sampled_from(
    [
        *("tasks:", "- ", "name: ", "\n", "  ", "a", "&a ", "*a", "[", "]", "{", "}", ",", ": "),
        *("|\n", ">-", "'", '"', "#", "---", "...", "%YAML 1.1\n", "!!", "!x ", "? ", "\t", "<<"),
        *("\\u", "\x00", "\x85", "\ufeff", "@", "`", "0x", "1e999", "\r", "!<", "%TAG"),
    ]
)


def read(text: str | bytes, source: str) -> None:
    """Read a text that may be anything."""
    errors: tuple[str, ...] = (source,)
    try:
        assert isinstance(loads(text, source), WorkflowSpec)
    except DefinitionError as error:
        errors = error.errors
    assert errors
    assert all(each.startswith(source) for each in errors)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes(content: bytes) -> None:
    """Bytes of any sort."""
    read(content, "f.yaml")
    read(content, "f.json")


@settings(max_examples=300, deadline=None)
@given(st.lists(YAML_PARTS, max_size=30))
def test_random_yaml(parts: list[str]) -> None:
    """Pieces of YAML in any order."""
    read("".join(parts), "f.yaml")


@settings(max_examples=80, deadline=None)
@given(st.dictionaries(WORDS, VALUES, max_size=4), TASKS)
def test_random_definitions(top: dict[str, Any], tasks: list[dict[str, Any]]) -> None:
    """Values of every shape under every key, as JSON and through the YAML reader."""
    text = json.dumps({**top, "tasks": tasks})
    read(text, "f.json")
    read("# not JSON\n" + text, "f.yaml")


CODE_PARTS = st.sampled_from(
    [
        *("inputs", ".a", "[", "]", '"b"', "(", ")", "+", "-", "1", "2.5", "?", ":", "==", "&&"),
        *("!", "{", "}", ",", ".map(x, x)", ".filter(", "x", "has(", "size(", " in ", '"', "\\"),
        *("'", "r", "1u", "true", "null", "é", "0x1", "1e9999", "\n", "//", ".matches(", "%", "*"),
        *("duration(", "timestamp(", '"5m"', "int(", "string(", "<", "/", "type(", "bytes("),
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(CODE_PARTS, max_size=9))
def test_random_expressions(parts: list[str]) -> None:
    """Pieces of expressions in any order give JSON or an ExpressionError."""
    scope = Scope(inputs={"a": {"b": [1, "x", None, 2.5, True]}, "b": "text"})
    with contextlib.suppress(ExpressionError):
        json.dumps(Expressions().bind("${{" + "".join(parts) + "}}", scope), allow_nan=False)


def test_the_shipped_schema_is_that_of_the_reader() -> None:
    """``python -m callboard.definitions._publish`` writes it anew."""
    shipped = Path(callboard.definitions.__file__).with_name("schema.json")
    assert json.loads(shipped.read_text(encoding="utf-8")) == build_schema()
    properties = build_schema()["$defs"]["task"]["properties"]
    assert {"name", "needs", "bash", "rest", "external", "retry"} <= properties.keys()
