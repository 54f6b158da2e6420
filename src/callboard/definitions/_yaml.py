"""YAML 1.2 read into nodes: the core schema, no tags, no duplicate keys, aliases within bounds.

The parser's events are composed here rather than by the library, so that depth and size are
bounded before anything is built and every key keeps its line.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, Final

import attrs

from ._nodes import (
    ALIASED_NODES_MAX,
    DEPTH_MAX,
    Mapping,
    Node,
    Scalar,
    Sequence,
    TextProblem,
    shorten,
    sound,
)

DIGITS_MAX = 1000

_WORDS: Final = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_DECIMAL: Final = re.compile(r"[-+]?[0-9]+")
_OCTAL: Final = re.compile(r"0o[0-7]+")
_HEXADECIMAL: Final = re.compile(r"0x[0-9a-fA-F]+")
_REAL: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE: Final = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


def read_yaml(text: str) -> Node:
    """Read one YAML document.

    Raises:
        TextProblem: The text is no YAML, or it is more than a definition may be.
    """
    composer = _Composer()
    for event in _events(text):
        composer.take(event)
    if composer.root is None:
        raise TextProblem("the file is empty; a definition needs tasks", 1)
    return composer.root


def resolve(raw: str, line: int) -> str | int | float | bool | None:
    """Give the value of an unquoted scalar by the core schema of YAML 1.2."""
    if raw in _WORDS:
        return _WORDS[raw]
    if len(raw) > DIGITS_MAX:
        return raw
    if _DECIMAL.fullmatch(raw):
        return int(raw)
    if _OCTAL.fullmatch(raw):
        return int(raw, 0)
    if _HEXADECIMAL.fullmatch(raw):
        return int(raw, 0)
    if _REAL.fullmatch(raw) and math.isfinite(number := float(raw)):
        return number
    if _REAL.fullmatch(raw) or _NOT_FINITE.fullmatch(raw):
        raise TextProblem(f"{shorten(raw)} is a number that JSON cannot hold; quote it", line)
    return raw


def _events(text: str) -> Iterator[Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError

    parser: Any = YAML(typ="safe", pure=True)
    try:
        yield from parser.parse(text)
    except MarkedYAMLError as error:
        facts: Any = error
        mark = facts.problem_mark or facts.context_mark
        reason = str(facts.problem or facts.context or "it cannot be parsed")
        line = mark.line + 1 if mark else 1
        raise TextProblem(f"this is not YAML: {shorten(reason, 200)}", line) from None
    except Exception as error:  # noqa: BLE001 - on texts that are no YAML it raises anything
        raise TextProblem(f"this is not YAML: {shorten(str(error), 200)}", 1) from None


@attrs.define
class _Open:
    """A list or mapping that has begun and not ended."""

    node: Sequence | Mapping
    anchor: str | None
    key: Scalar | None = None


@attrs.define
class _Composer:
    root: Node | None = None
    stack: list[_Open] = attrs.field(factory=list[_Open])
    anchors: dict[str, Node | None] = attrs.field(factory=dict[str, "Node | None"])
    documents: int = 0
    aliased: int = 0

    def take(self, event: Any) -> None:
        """Build on with the next event of the parser."""
        line = event.start_mark.line + 1
        match type(event).__name__:
            case "ScalarEvent":
                node = _scalar(event, line)
                self._anchor(event.anchor, node)
                self._place(node)
            case "SequenceStartEvent":
                self._begin(event, Sequence(line))
            case "MappingStartEvent":
                self._begin(event, Mapping(line))
            case "SequenceEndEvent" | "MappingEndEvent":
                self._end()
            case "AliasEvent":
                self._alias(event.anchor, line)
            case "DocumentStartEvent":
                self._document(line)
            case _:
                pass

    def _document(self, line: int) -> None:
        self.documents += 1
        if self.documents > 1:
            raise TextProblem("a second document begins here; a file holds one definition", line)

    def _begin(self, event: Any, node: Sequence | Mapping) -> None:
        _refuse_tag(event, node.line)
        if len(self.stack) >= DEPTH_MAX:
            raise TextProblem(f"this is nested more than {DEPTH_MAX} levels deep", node.line)
        if self.stack and isinstance(self.stack[-1].node, Mapping) and self.stack[-1].key is None:
            raise TextProblem("a key must be a plain text, not a list or mapping", node.line)
        self._anchor(event.anchor, None)
        self.stack.append(_Open(node, event.anchor))

    def _end(self) -> None:
        done = self.stack.pop()
        self._anchor(done.anchor, done.node)
        self._place(done.node)

    def _anchor(self, anchor: str | None, node: Node | None) -> None:
        if anchor is not None:
            self.anchors[anchor] = node

    def _alias(self, anchor: str, line: int) -> None:
        if anchor not in self.anchors:
            raise TextProblem(f"*{anchor} names no anchor that stands before it", line)
        node = self.anchors[anchor]
        if node is None:
            raise TextProblem(f"*{anchor} stands inside what it names", line)
        self.aliased += node.size
        if self.aliased > ALIASED_NODES_MAX:
            raise TextProblem(
                f"aliases repeat more than {ALIASED_NODES_MAX} values; write fewer of them", line
            )
        self._place(node, line)

    def _place(self, node: Node, line: int | None = None) -> None:
        if not self.stack:
            self.root = node
            return
        top = self.stack[-1]
        match top.node:
            case Sequence() as sequence:
                sequence.add(node)
            case Mapping() as mapping:
                if top.key is not None:
                    mapping.add(top.key.raw, top.key.line, node)
                    top.key = None
                elif isinstance(node, Scalar):
                    top.key = node if line is None else attrs.evolve(node, line=line)
                else:
                    raise TextProblem("a key must be a plain text", line or node.line)


def _scalar(event: Any, line: int) -> Scalar:
    _refuse_tag(event, line)
    raw = str(event.value)
    if not sound(raw):
        raise TextProblem("half a surrogate pair is no character", line)
    if event.style is None:
        return Scalar(line, resolve(raw, line), raw)
    return Scalar(line, raw, raw)


def _refuse_tag(event: Any, line: int) -> None:
    if event.tag is not None:
        raise TextProblem(f"tags like {shorten(str(event.tag))} are not allowed; remove it", line)
