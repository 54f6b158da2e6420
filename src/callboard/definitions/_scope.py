"""What expressions may name while a run goes on, and how the values are found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import attrs

from .._frozen import frozen
from ..workflow import UsageError
from ._cel_names import Reference
from ._guards import is_object


class ExpressionError(UsageError):
    """An expression is wrong, or cannot be evaluated with the values that it met."""


def no_secrets(name: str) -> str | None:  # noqa: ARG001 - a source of secrets takes their names
    """Know no secret."""
    return None


@frozen(kw_only=True)
class Scope:
    """What expressions may name.

    Attributes:
        inputs: The inputs of the run.
        tasks: The outputs of the tasks that are done, by id; null for one without output.
        holes: The outputs of the tasks that came into a hole, in the order in which they were
            created, by the id of the hole.
        run: Facts of the run: ``id`` and ``workflow``.
        secrets: Gives a secret by its name, or None where there is no such secret.
    """

    inputs: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    tasks: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    holes: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    run: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    secrets: Callable[[str], str | None] = no_secrets


def gather(references: Iterable[Reference], scope: Scope) -> dict[str, Any]:
    """Give the values that references lead to, and little else, as nested mappings."""
    variables: dict[str, Any] = {}
    for reference in sorted(references, key=lambda each: len(each.keys)):
        target = variables.setdefault(reference.root, {})
        match reference.root, reference.keys:
            case "secrets", (name, *_):
                target[name] = _secret(name, scope)
            case "tasks", (written, *keys):
                output = scope.tasks[resolve(reference, scope.tasks)]
                _copy({"output": output}, keys, target.setdefault(written, {}))
            case "holes", (written, *keys):
                outputs = scope.holes[resolve(reference, scope.holes)]
                _copy({"outputs": outputs}, keys, target.setdefault(written, {}))
            case "inputs", keys:
                _copy(scope.inputs, keys, target)
            case _, keys:
                _copy(scope.run, keys, target)
    return variables


def _secret(name: str, scope: Scope) -> str:
    value = scope.secrets(name)
    if value is None:
        raise ExpressionError(f'the secret "{name}" is not set in the environment')
    return value


def _copy(source: Mapping[str, Any], keys: Sequence[str], target: dict[str, Any]) -> None:
    """Copy what lies on a path, so that large values beside it are not converted."""
    if not keys:
        target.update(source)
        return
    first, *rest = keys
    if first not in source:
        return
    value = source[first]
    if not rest or not is_object(value):
        target[first] = value
    elif target.get(first) is not value:
        # The mapping itself is there where a shorter path has been copied before.
        _copy(value, rest, target.setdefault(first, {}))


def follow(reference: Reference, variables: Mapping[str, Any]) -> Any:
    """Give the value at the end of a path as it is, untouched by the language's types."""
    value: Any = variables.get(reference.root, {})
    for key in reference.keys:
        if not is_object(value):
            raise ExpressionError(f'{reference} leads nowhere: "{key}" is asked of no mapping')
        if key not in value:
            raise ExpressionError(f'{reference} leads nowhere: there is no "{key}"')
        value = value[key]
    return value


def resolve(reference: Reference, ids: Mapping[str, Any]) -> str:
    """Give the id of the task that a reference names, among those that are done.

    The spellings that are usual are tried first, since a run may have very many tasks.  They name
    tasks of the file; ids of tasks created later have a slash.

    Raises:
        ExpressionError: There is none, or more than one.
    """
    written = reference.keys[0]
    usual = (written, written.replace("_", "-")) if reference.dotted else (written,)
    for spelling in usual:
        if spelling in ids:
            return spelling
    found = [each for each in ids if dotted(each) == written] if reference.dotted else []
    return only(reference, [each for each in found if "/" not in each] or found)


def only(reference: Reference, found: Sequence[str]) -> str:
    """Give the one id that a reference can mean.

    Raises:
        ExpressionError: There is none, or more than one.
    """
    if len(found) == 1:
        return found[0]
    if found:
        ways = " or ".join(f'{reference.root}["{each}"]' for each in found)
        raise ExpressionError(f"{reference} can mean several {reference.root}; write {ways}")
    if reference.root == "holes":
        raise ExpressionError(f'there is no hole "{reference.keys[0]}"')
    raise ExpressionError(f'no task with the id "{reference.keys[0]}" is done')


def dotted(task_id: str) -> str:
    """Spell an id as it is written after a dot: ``_`` for each sign that a name cannot have."""
    return "".join(char if char.isascii() and char.isalnum() else "_" for char in task_id)
