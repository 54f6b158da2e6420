"""Shapes of lists and mappings, made of other shapes."""

from __future__ import annotations

from collections.abc import Mapping as ReadOnly
from types import MappingProxyType
from typing import Any

from .._frozen import frozen
from ._nodes import Mapping, Node, Scalar, Sequence, describe, shorten
from ._problems import INVALID, Invalid, Place
from ._shapes import Schema, Shape, matches


@frozen
class ListOf:
    """A list whose items have one shape; ``single`` also takes one item without its list."""

    of: Shape
    single: bool = False
    least: int = 0

    def read(self, node: Node, place: Place) -> tuple[Any, ...] | Invalid:
        if self.single and isinstance(node, Scalar) and node.value is not None:
            one = self.of.read(node, place)
            return INVALID if one is INVALID else (one,)
        if not isinstance(node, Sequence):
            return place.report(node.line, f"this must be a list, not {describe(node)}")
        if len(node.items) < self.least:
            return place.report(node.line, "this list must not be empty")
        values = [self.of.read(item, place.item(i)) for i, item in enumerate(node.items)]
        return tuple(value for value in values if value is not INVALID)

    def schema(self) -> Schema:
        schema: Schema = {"type": "array", "items": self.of.schema()}
        if self.least:
            schema["minItems"] = self.least
        return {"anyOf": [schema, self.of.schema()]} if self.single else schema


@frozen
class MapOf:
    """A mapping with free keys whose values have one shape."""

    of: Shape
    keys: str | None = None
    what: str = "a name"

    def read(self, node: Node, place: Place) -> dict[str, Any] | Invalid:
        if not isinstance(node, Mapping):
            return place.report(node.line, f"this must be a mapping, not {describe(node)}")
        found: dict[str, Any] = {}
        for key, value in node.entries.items():
            if self.keys and not matches(self.keys, key):
                place.report(node.lines[key], f'"{shorten(key)}" is not {self.what}')
                continue
            found[key] = self.of.read(value, place.key(key))
        return {key: value for key, value in found.items() if value is not INVALID}

    def schema(self) -> Schema:
        schema: Schema = {"type": "object", "additionalProperties": self.of.schema()}
        if self.keys:
            schema["propertyNames"] = {"pattern": self.keys}
        return schema


@frozen
class Record:
    """A mapping with known keys; any other key is an error.

    Attributes:
        fields: What each key's value may be.
        required: Keys that must be there.
        build: Makes the result of what was read; without it a dict is the result.
        blank: Whether nothing written means a mapping without entries.
    """

    fields: ReadOnly[str, Shape]
    required: tuple[str, ...] = ()
    build: Any = None
    blank: bool = False

    def read(self, node: Node, place: Place) -> Any:
        if self.blank and isinstance(node, Scalar) and node.value is None:
            node = Mapping(node.line)
        if not isinstance(node, Mapping):
            keys = ", ".join(self.fields)
            message = f"this must be a mapping of {shorten(keys, 120)}, not {describe(node)}"
            return place.report(node.line, message)
        found = read_fields(node, place, self.fields, self.required)
        if INVALID in found.values():
            return INVALID
        return self.build(**found) if self.build else found

    def schema(self) -> Schema:
        schema = object_schema(self.fields, self.required)
        return {"anyOf": [schema, {"type": "null"}]} if self.blank else schema


@frozen
class Either:
    """A mapping of one shape, or anything else of another."""

    mapping: Shape
    other: Shape

    def read(self, node: Node, place: Place) -> Any:
        return (self.mapping if isinstance(node, Mapping) else self.other).read(node, place)

    def schema(self) -> Schema:
        return {"anyOf": [self.other.schema(), self.mapping.schema()]}


def read_fields(
    node: Mapping,
    place: Place,
    fields: ReadOnly[str, Shape],
    required: tuple[str, ...] = (),
    refused: ReadOnly[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """Read the entries of a mapping with known keys; what is invalid is there as ``INVALID``.

    ``refused`` says of keys that are not allowed why.
    """
    found: dict[str, Any] = {}
    for key, value in node.entries.items():
        shape = fields.get(key)
        if key in refused:
            place.report(node.lines[key], refused[key])
        elif shape is None:
            near = place.problems.suggest(key, fields)
            place.report(node.lines[key], f'unknown key "{shorten(key)}"{near}')
        else:
            found[key] = shape.read(value, place.key(key))
    for key in required:
        if key not in node.entries:
            place.report(node.line, f'the key "{key}" is missing')
            found[key] = INVALID
    return found


def object_schema(fields: ReadOnly[str, Shape], required: tuple[str, ...] = ()) -> Schema:
    """Describe a mapping with known keys."""
    schema: Schema = {
        "type": "object",
        "properties": {key: shape.schema() for key, shape in fields.items()},
        "additionalProperties": False,
    }
    return {**schema, "required": list(required)} if required else schema
