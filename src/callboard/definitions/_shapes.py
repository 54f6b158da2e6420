"""What a value in a definition may be: each shape reads a node and describes itself as JSON Schema.

One table of shapes is both the reader and the published schema, so the two cannot drift apart.
"""

from __future__ import annotations

import re
from typing import Any, Literal, Protocol

from .._frozen import frozen
from ._durations import PATTERN as DURATION_PATTERN, SECONDS_MAX, parse_duration
from ._nodes import Mapping, Node, Scalar, Sequence, describe, plain, shorten
from ._problems import Invalid, Place

Schema = dict[str, Any]


class Shape(Protocol):
    """What a value may be."""

    def read(self, node: Node, place: Place) -> Any:
        """Give the value, or report what is wrong and give ``INVALID``."""
        ...

    def schema(self) -> Schema:
        """Describe the values as JSON Schema."""
        ...


@frozen
class Text:
    """A text; whatever scalar is written counts as one (``1`` is ``"1"``).

    Attributes:
        what: How messages name it.
        pattern: What the whole text must match.
        empty: Whether nothing is a text, too.
        expressions: Whether ``${{ }}`` may stand in it.
    """

    what: str = "a text"
    pattern: str | None = None
    empty: bool = False
    expressions: bool = False

    def read(self, node: Node, place: Place) -> str | Invalid:
        if not isinstance(node, Scalar):
            return place.report(node.line, f"this must be {self.what}, not {describe(node)}")
        if not self.empty and (node.value is None or not node.raw.strip()):
            return place.report(node.line, f"this must be {self.what}, not nothing")
        if "\0" in node.raw:
            return place.report(node.line, f"this must be {self.what}, and NUL stands in none")
        holds = "${{" in node.raw
        if holds and not self.expressions:
            return place.report(node.line, "no expression (${{ … }}) is allowed here")
        if self.pattern and not holds and not matches(self.pattern, node.raw):
            return place.report(node.line, f'"{shorten(node.raw)}" is not {self.what}')
        return node.raw

    def schema(self) -> Schema:
        schema: Schema = {"type": ["string", "number", "boolean"]}
        if self.pattern:
            pattern = rf"\$\{{\{{|{self.pattern}" if self.expressions else self.pattern
            schema["pattern"] = pattern
        elif not self.empty:
            schema["minLength"] = 1
        return schema


@frozen
class Flag:
    """``true`` or ``false``."""

    def read(self, node: Node, place: Place) -> bool | Invalid:
        if isinstance(node, Scalar) and isinstance(node.value, bool):
            return node.value
        return place.report(node.line, f"this must be true or false, not {describe(node)}")

    def schema(self) -> Schema:
        return {"type": "boolean"}


@frozen
class Whole:
    """An integer."""

    least: int | None = None
    most: int = 2**31

    def read(self, node: Node, place: Place) -> int | Invalid:
        value = node.value if isinstance(node, Scalar) else None
        if not isinstance(value, int) or isinstance(value, bool):
            return place.report(node.line, f"this must be a whole number, not {describe(node)}")
        least = -self.most if self.least is None else self.least
        if not least <= value <= self.most:
            message = f"this must be from {least} to {self.most}, not {shorten(str(value))}"
            return place.report(node.line, message)
        return value

    def schema(self) -> Schema:
        least = -self.most if self.least is None else self.least
        return {"type": "integer", "minimum": least, "maximum": self.most}


@frozen
class Duration:
    """Seconds, written as a number or as a text with units."""

    zero: bool = True

    def read(self, node: Node, place: Place) -> float | Invalid:
        value = node.value if isinstance(node, Scalar) else None
        match value:
            case bool() | None:
                message = f"this must be a duration like 30s or 5m, not {describe(node)}"
                return place.report(node.line, message)
            case str():
                try:
                    seconds = parse_duration(value.strip())
                except ValueError as error:
                    return place.report(node.line, shorten(str(error), 120))
            case _:
                seconds = float(value) if abs(value) <= SECONDS_MAX else SECONDS_MAX + 1
        least = "0" if self.zero else "more than 0"
        if not 0 <= seconds <= SECONDS_MAX or (seconds == 0 and not self.zero):
            message = f"a duration is from {least} seconds to ten years, not {describe(node)}"
            return place.report(node.line, message)
        return seconds

    def schema(self) -> Schema:
        limit = "minimum" if self.zero else "exclusiveMinimum"
        return {
            "anyOf": [
                {"type": "number", limit: 0, "maximum": SECONDS_MAX},
                {"type": "string", "pattern": DURATION_PATTERN},
            ]
        }


@frozen
class Choice:
    """One of some words."""

    words: tuple[str, ...]

    def read(self, node: Node, place: Place) -> str | Invalid:
        value = node.raw if isinstance(node, Scalar) else None
        if value in self.words:
            return value
        near = place.problems.suggest(value, self.words) if value else ""
        words = ", ".join(self.words)
        return place.report(node.line, f"this must be one of {words}, not {describe(node)}{near}")

    def schema(self) -> Schema:
        return {"enum": list(self.words)}


@frozen
class Json:
    """Any JSON value; ``wanted`` narrows it to one type."""

    wanted: Literal["object", "array"] | None = None

    def read(self, node: Node, place: Place) -> Any:
        kind = {"object": Mapping, "array": Sequence}.get(self.wanted or "")
        if kind and not isinstance(node, kind):
            what = "a mapping" if kind is Mapping else "a list"
            return place.report(node.line, f"this must be {what}, not {describe(node)}")
        return plain(node)

    def schema(self) -> Schema:
        return {"type": self.wanted} if self.wanted else {}


def matches(pattern: str, text: str) -> bool:
    """Say whether a text matches; ``$`` means the very end, as in JSON Schema."""
    return re.search(re.sub(r"\$$", r"\\Z", pattern), text) is not None
