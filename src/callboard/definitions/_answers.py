"""``input: {schema: …}``: the JSON Schema of an answer, as far as answers are checked by it."""

from __future__ import annotations

from typing import Any, Final

from ._nodes import Mapping, Node, Scalar, Sequence, describe, node_of, plain
from ._problems import INVALID, Invalid, Place, Problems
from ._records import ListOf
from ._shapes import Choice, Flag, Json, Schema, Shape, Text

TYPES: Final = ("string", "number", "integer", "boolean", "array", "object", "null")


class _Number:
    """A limit."""

    def read(self, node: Node, place: Place) -> int | float | Invalid:
        value = node.value if isinstance(node, Scalar) else None
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return place.report(node.line, f"this must be a number, not {describe(node)}")
        return value

    def schema(self) -> Schema:
        return {"type": "number"}


_WORDS: Final[dict[str, Shape]] = {
    "type": ListOf(Choice(TYPES), single=True, least=1),
    "required": ListOf(Text("a key")),
    "enum": ListOf(Json(), least=1),
    "minimum": _Number(),
    "maximum": _Number(),
}


class AnswerSchema:
    """A JSON Schema; keywords that are not known here may hold anything."""

    def read(self, node: Node, place: Place) -> Any:
        """Give the schema as it is, if its keywords can be used."""
        if not isinstance(node, Mapping):
            return place.report(node.line, f"this must be a mapping, not {describe(node)}")
        read = [self._keyword(key, value, place.key(key)) for key, value in node.entries.items()]
        return INVALID if INVALID in read else plain(node)

    def _keyword(self, key: str, node: Node, place: Place) -> Any:
        if key in _WORDS:
            before = len(place.problems.found)
            _WORDS[key].read(node, place)
            return INVALID if len(place.problems.found) > before else None
        if key == "properties":
            if not isinstance(node, Mapping):
                return place.report(node.line, f"this must be a mapping, not {describe(node)}")
            read = [self.read(value, place.key(name)) for name, value in node.entries.items()]
            return INVALID if INVALID in read else None
        if key == "additionalProperties" and not isinstance(node, Mapping):
            return Flag().read(node, place)
        if key in ("items", "additionalProperties") and not isinstance(node, Sequence):
            return self.read(node, place)
        return None

    def schema(self) -> Schema:
        """Describe it, as the mapping that it is."""
        return {"type": "object"}


def schema_problems(schema: Any, what: str) -> list[str]:
    """Say what is wrong with a JSON Schema, as far as values are checked by it."""
    problems = Problems(what)
    AnswerSchema().read(node_of(schema), Place(problems))
    return [text.replace(f"{what}:1: ", f"{what}: ", 1) for text in problems.texts()]
