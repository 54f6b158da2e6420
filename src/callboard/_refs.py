"""References to tasks and holes: what stands for their outputs until these are there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, TypeAlias, cast

from ._values import encode

TASK: Final = "$task"
HOLE: Final = "$hole"
VALUE: Final = "$value"

DATA: Final = "$refs"
"""Marks the inputs of a task that was created while its run went on: references and plain data,
never expressions, whatever the run's definition may hold.
"""


class TaskRef:
    """A task of the graph; as an argument of another task it is a data edge.

    Lists, tuples and dicts may hold it, but no object: to JSON it is none of the known types.

    Args:
        id: The task's id.
        gives: A function whose annotation tells what the task gives, if that is known.
    """

    __slots__ = ("gives", "id")

    def __init__(self, id: str, gives: Callable[..., Any] | None = None) -> None:
        self.id = id
        self.gives = gives

    def __repr__(self) -> str:
        return f"<TaskRef {self.id!r}>"


class HoleRef:
    """A hole of the graph; as an argument of a task it is the list of what its tasks give.

    The list holds their outputs in the order of their creation, and the task waits for the hole:
    until nothing more comes into it and all that has come is done.

    Args:
        id: The hole's id.
    """

    __slots__ = ("id",)

    def __init__(self, id: str) -> None:
        self.id = id

    def __repr__(self) -> str:
        return f"<HoleRef {self.id!r}>"


Ref: TypeAlias = TaskRef | HoleRef

TaskLike: TypeAlias = TaskRef | str
"""A task: its reference or its id."""

HoleLike: TypeAlias = HoleRef | str
"""A hole, an instance in it or a place: its reference or its address."""

NodeLike: TypeAlias = TaskRef | HoleRef | str
"""A task or a hole; the id of a hole stands behind a ``#``."""


def node_id(node: NodeLike) -> str:
    """Return the id of a task, or of a hole behind a ``#``."""
    if isinstance(node, HoleRef):
        return f"#{node.id}"
    return node.id if isinstance(node, TaskRef) else node


def node_ids(nodes: NodeLike | Iterable[NodeLike]) -> tuple[str, ...]:
    """Return the ids of one node, or of several, each once."""
    if nodes == ():
        return ()
    if isinstance(nodes, (TaskRef, HoleRef, str)):
        return (node_id(nodes),)
    return tuple(dict.fromkeys(map(node_id, nodes)))


def task_id(task: TaskLike) -> str:
    """Return a task's id."""
    return task.id if isinstance(task, TaskRef) else task


def hole_id(hole: HoleLike) -> str:
    """Return a hole's id, or the address of what stands in it."""
    return hole.id if isinstance(hole, HoleRef) else hole.removeprefix("#")


def encode_refs(value: Any, refs: dict[str, None], what: str) -> Any:
    """Return a value as JSON, references as ``{"$task": id}`` or ``{"$hole": id}``.

    What they refer to is noted in ``refs``, holes behind a ``#``.
    """
    if isinstance(value, TaskRef):
        refs[value.id] = None
        return {TASK: value.id}
    if isinstance(value, HoleRef):
        refs[f"#{value.id}"] = None
        return {HOLE: value.id}
    if type(value) in (list, tuple):
        return [encode_refs(each, refs, what) for each in value]
    if type(value) is dict:
        pairs = cast("dict[Any, Any]", value)
        found = {
            str(encode(key, what)): encode_refs(each, refs, what) for key, each in pairs.items()
        }
        return _escaped(found)
    return escape(encode(value, what))


def escape(value: Any) -> Any:
    """Keep keys of data that look like ours from being taken for ours."""
    if isinstance(value, list):
        items = cast("list[Any]", value)
        return [escape(each) for each in items]
    if isinstance(value, dict):
        pairs = cast("dict[str, Any]", value)
        return _escaped({key: escape(each) for key, each in pairs.items()})
    return value


def _escaped(found: dict[str, Any]) -> dict[str, Any]:
    return {VALUE: found} if any(key.startswith("$") for key in found) else found


def resolve_refs(
    value: Any, output_of: Callable[[str], Any], outputs_in: Callable[[str], list[Any]]
) -> Any:
    """Return what :func:`encode_refs` made with each reference replaced by what it stands for.

    Args:
        value: What was encoded.
        output_of: Gives a task's output.
        outputs_in: Gives the outputs of a hole's tasks.
    """
    if isinstance(value, list):
        items = cast("list[Any]", value)
        return [resolve_refs(each, output_of, outputs_in) for each in items]
    if isinstance(value, dict):
        pairs = cast("dict[str, Any]", value)
        if TASK in pairs:
            return output_of(pairs[TASK])
        if HOLE in pairs:
            return outputs_in(pairs[HOLE])
        if VALUE in pairs:
            pairs = pairs[VALUE]
        return {key: resolve_refs(each, output_of, outputs_in) for key, each in pairs.items()}
    return value
