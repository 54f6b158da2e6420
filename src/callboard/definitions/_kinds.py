"""The ways of doing a task, as they are written: one row for each key that says how."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal

from .._frozen import frozen
from ._answers import AnswerSchema
from ._nodes import Node, Scalar
from ._problems import Invalid, Place
from ._records import ListOf, MapOf, Record
from ._shapes import Duration, Flag, Json, Schema, Shape, Text

NAME: Final = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
MODULE: Final = rf"^{NAME}:{NAME}$"
VARIABLE: Final = r"^[A-Za-z_][A-Za-z0-9_]*$"

With = Literal["arguments", "values", "variables", "nothing"]
"""What ``with:`` means: keyword arguments, free values, environment variables, or nothing."""


@frozen(kw_only=True)
class Kind:
    """One way of doing a task.

    Attributes:
        shape: What its key's value may be.
        config: Makes the task's ``config`` of the value.
        given: What ``with:`` means for it.
        secrets: Whether a secret may be handed to it without being stored.
    """

    shape: Shape
    config: Callable[[Any], dict[str, Any]]
    given: With = "arguments"
    secrets: bool = True


class _Command:
    """A shell's text, without expressions: what they give would be run as part of the program."""

    def read(self, node: Node, place: Place) -> str | Invalid:
        if isinstance(node, Scalar) and "${{" in node.raw:
            return place.report(
                node.line,
                "no expression is allowed in a shell text; "
                'pass it in env: or with: and use "$NAME", or write the command as a list',
            )
        return Text("a command", expressions=True).read(node, place)

    def schema(self) -> Schema:
        return {"type": "string", "minLength": 1}


_PROGRAM: Final = ListOf(Text("an argument", empty=True, expressions=True), least=1)


class _Shell:
    """A text for the shell, or a program and its arguments."""

    def read(self, node: Node, place: Place) -> Any:
        return (_Command() if isinstance(node, Scalar) else _PROGRAM).read(node, place)

    def schema(self) -> Schema:
        return {"anyOf": [_Command().schema(), _PROGRAM.schema()]}


def _only(key: str) -> Callable[[Any], dict[str, Any]]:
    return lambda value: _lists({key: value})


def _lists(value: dict[str, Any]) -> dict[str, Any]:
    tuples: dict[str, tuple[Any, ...]] = {k: v for k, v in value.items() if isinstance(v, tuple)}
    return {**value, **{key: list(items) for key, items in tuples.items()}}


_TEXT: Final = Text(expressions=True)
_ARGUMENTS: Final = ListOf(Text("an argument", empty=True, expressions=True), single=True)

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

_HTTP: Final = Record(
    {
        "method": Text("an HTTP method", "^(?:" + "|".join(METHODS) + ")$"),
        "url": Text("an address that begins with http:// or https://", "^https?://", False, True),
        "json": Json(),
        "headers": MapOf(_TEXT, r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$", "a header's name"),
    },
    required=("url",),
)
_CONTAINER: Final = Record(
    {
        "image": _TEXT,
        "command": _ARGUMENTS,
        "entrypoint": _ARGUMENTS,
        "workdir": _TEXT,
        "volumes": ListOf(_TEXT),
    },
    required=("image",),
)
_WAIT: Final = Record(
    {
        "probe": Text("a function as module:name", MODULE),
        "every": Duration(zero=False),
        "within": Duration(zero=False),
        "timeout": Duration(zero=False),
    },
    required=("probe",),
)
_PYTHON: Final = Text("a file.py or a function as module:name", rf"\.py$|{MODULE}")

KINDS: Final[dict[str, Kind]] = {
    "function": Kind(
        shape=Text("a function as module:name", MODULE),
        config=_only("function"),
    ),
    "python": Kind(shape=_PYTHON, config=_only("python"), given="values"),
    "shell": Kind(shape=_Shell(), config=_only("shell"), given="variables"),
    "http": Kind(shape=_HTTP, config=lambda value: {"method": "GET", **value}, given="nothing"),
    "container": Kind(shape=_CONTAINER, config=_lists, given="variables"),
    "workflow": Kind(
        shape=Text("a workflow's name or file"),
        config=_only("workflow"),
        given="values",
        secrets=False,
    ),
    "input": Kind(
        shape=Record({"schema": AnswerSchema(), "message": _TEXT}, blank=True),
        config=dict,
        given="nothing",
        secrets=False,
    ),
    "sleep": Kind(shape=Duration(), config=_only("seconds"), given="nothing"),
    "wait": Kind(shape=_WAIT, config=dict),
    "external": Kind(
        shape=Record({"grows": Flag()}, blank=True),
        config=lambda value: {"grows": False, **value},
        given="values",
    ),
}
"""Each kind by the key that says it."""

SPELLINGS: Final = {"bash": "shell", "py": "python", "rest": "http"}
"""Other spellings of some of those keys."""

KEYS: Final[dict[str, str]] = {**{kind: kind for kind in KINDS}, **SPELLINGS}
"""Every key that says how a task is done, and the kind it means."""

STEP: Final = Kind(shape=Json(), config=dict, given="values")
"""A task with none of those keys."""
