"""JSON Schemas: what a workflow takes, and whether given inputs fit those of a topic."""

from __future__ import annotations

import inspect
from typing import Any

from .._workflows import Workflow
from ..workflow import InputSpec, UsageError, WorkflowSpec


def inputs_schema(workflow: Workflow | WorkflowSpec) -> dict[str, Any]:
    """Return the JSON Schema of a workflow's inputs."""
    if isinstance(workflow, WorkflowSpec):
        properties = {name: _property(each) for name, each in workflow.inputs.items()}
        required = [name for name, each in workflow.inputs.items() if each.required]
        closed = True
    else:
        properties, required, closed = _parameters(workflow)
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if required:
        schema["required"] = required
    if closed:
        schema["additionalProperties"] = False
    return schema


def _property(declared: InputSpec) -> dict[str, Any]:
    found: dict[str, Any] = {} if declared.type == "any" else {"type": declared.type}
    if declared.description is not None:
        found["description"] = declared.description
    if declared.enum is not None:
        found["enum"] = list(declared.enum)
    if declared.default is not None:
        found["default"] = declared.default
    return found


def _parameters(workflow: Workflow) -> tuple[dict[str, dict[str, Any]], list[str], bool]:
    """Return what the function of a workflow in Python takes besides its builder."""
    properties: dict[str, dict[str, Any]] = {}
    required: list[str] = []
    closed = True
    for each in list(inspect.signature(workflow.function).parameters.values())[1:]:
        if each.kind in (each.VAR_POSITIONAL, each.POSITIONAL_ONLY):
            continue
        if each.kind is each.VAR_KEYWORD:
            closed = False
            continue
        properties[each.name] = {}
        if each.default is each.empty:
            required.append(each.name)
        elif each.default is None or isinstance(each.default, (str, int, float, bool)):
            properties[each.name]["default"] = each.default
    return properties, required, closed


def check_schema(schema: Any, what: str) -> None:
    """Refuse a JSON Schema by which nothing can be checked.

    Raises:
        UsageError: all that is wrong with it.
    """
    from ..definitions._answers import schema_problems

    try:
        problems = schema_problems(schema, what)
    except RecursionError:
        problems = [f"{what} is too deep"]
    if problems:
        raise UsageError("\n".join(problems))


def misfits(schema: Any, value: Any, what: str) -> list[str]:
    """Return what of a value does not fit a schema."""
    from .._answers import problems_of

    return [] if schema is None else problems_of(schema, value, what)
