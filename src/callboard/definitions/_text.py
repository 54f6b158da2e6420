"""From a file to nodes: size and encoding, and whether it is YAML or JSON."""

from __future__ import annotations

from pathlib import Path

from ..workflow import DefinitionError
from ._json import read_json
from ._nodes import BYTES_MAX, Node, TextProblem
from ._yaml import read_yaml


def read_bytes(path: Path, source: str) -> bytes:
    """Read a file that is not too large to be a definition."""
    try:
        with path.open("rb") as file:
            content = file.read(BYTES_MAX + 1)
    except FileNotFoundError:
        raise DefinitionError([f"{source}: there is no such file"]) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DefinitionError([f"{source}: the file cannot be read: {reason}"]) from None
    return content


def decode(content: bytes | str, source: str) -> str:
    """Give the text of a definition's bytes."""
    size = len(content) if isinstance(content, bytes) else len(content.encode("utf-8", "replace"))
    if size > BYTES_MAX:
        megabytes = BYTES_MAX // 2**20
        raise DefinitionError([f"{source}: a definition is at most {megabytes} MiB; split it"])
    if isinstance(content, str):
        return content.removeprefix("\ufeff")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DefinitionError([f"{source}:{line}: this is not UTF-8 text"]) from None


def parse(text: str, source: str) -> Node:
    """Read a text as JSON if it is called so or looks so, else as YAML."""
    try:
        if source.casefold().endswith(".json"):
            return read_json(text)
        if text.lstrip()[:1] == "{":
            return _json_or_yaml(text)
        return read_yaml(text)
    except TextProblem as problem:
        raise DefinitionError([f"{source}:{problem.line}: {problem.message}"]) from None


def _json_or_yaml(text: str) -> Node:
    try:
        return read_json(text)
    except TextProblem:
        return read_yaml(text)
