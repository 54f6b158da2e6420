"""What reading a text gives: a tree of JSON values that remember their lines."""

from __future__ import annotations

import json
from typing import Any, TypeAlias

import attrs

from ._guards import is_array, is_object

DEPTH_MAX = 100
"""How deep lists and mappings may stand inside each other."""

ALIASED_NODES_MAX = 100_000
"""How many nodes the aliases of a file may repeat: a small file must not become huge."""

BYTES_MAX = 16 * 1024 * 1024
"""The longest definition that is read."""


class TextProblem(Exception):
    """A text cannot be read at all; ``line`` counts from one."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


@attrs.define(eq=False)
class Scalar:
    """One value without parts; ``raw`` is how it was written, which is what names are read from."""

    line: int
    value: str | int | float | bool | None
    raw: str
    size: int = 1


@attrs.define(eq=False)
class Sequence:
    """A list."""

    line: int
    items: list[Node] = attrs.field(factory=list["Node"])
    size: int = 1

    def add(self, node: Node) -> None:
        """Append one item."""
        self.items.append(node)
        self.size += node.size


@attrs.define(eq=False)
class Mapping:
    """An object; ``lines`` says where each key stands."""

    line: int
    entries: dict[str, Node] = attrs.field(factory=dict[str, "Node"])
    lines: dict[str, int] = attrs.field(factory=dict[str, int])
    size: int = 1

    def add(self, key: str, line: int, node: Node) -> None:
        """Append one entry; a key that is there already is an error."""
        if key in self.entries:
            first = self.lines[key]
            raise TextProblem(f'the key "{key}" stands here twice (first in line {first})', line)
        self.entries[key] = node
        self.lines[key] = line
        self.size += node.size


Node: TypeAlias = Scalar | Sequence | Mapping


def node_of(value: Any, line: int = 1) -> Node:
    """Give a JSON value as a node; it has no lines of its own."""
    if is_object(value):
        mapping = Mapping(line)
        for key, each in value.items():
            mapping.add(key, line, node_of(each, line))
        return mapping
    if is_array(value):
        sequence = Sequence(line)
        for each in value:
            sequence.add(node_of(each, line))
        return sequence
    if isinstance(value, str):
        return Scalar(line, value, value)
    return Scalar(line, value, "" if value is None else json.dumps(value))


def plain(node: Node) -> Any:
    """Give the JSON value of a node."""
    match node:
        case Scalar():
            return node.value
        case Sequence():
            return [plain(item) for item in node.items]
        case Mapping():
            return {key: plain(value) for key, value in node.entries.items()}


def describe(node: Node) -> str:
    """Name a node in an error message."""
    match node:
        case Sequence():
            return "a list"
        case Mapping():
            return "a mapping"
        case Scalar(value=None):
            return "nothing"
        case Scalar(value=str() as text):
            return f'the text "{shorten(text)}"'
        case Scalar(raw=raw):
            return shorten(raw)


def shorten(text: str, size: int = 60) -> str:
    """Cut a text that is too long for a message, and keep it on one line."""
    flat = " ".join(text.split())
    return flat if len(flat) <= size else f"{flat[: size - 1]}…"


def sound(text: str) -> bool:
    """Say whether a text can be stored: escapes can spell half a surrogate pair, which cannot."""
    return text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text)
