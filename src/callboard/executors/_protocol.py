"""The lines that the engine and a task's process say to each other: pure, no I/O.

A process that speaks the protocol writes one JSON object with a text ``type`` a line. Whatever else
it writes is output, and is kept. Three things are ``BadOutput``: a line that begins with
``{"type"`` and does not parse, a line over 4 MiB, and a message that is unknown or has something
wrong in it.

JSON is read strictly: UTF-8, no NaN or Infinity, no unpaired surrogates, since what is read here
is stored. Fields that a message does not know are ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import UnionType
from typing import Any, cast

import attrs
import msgspec

from .._frozen import frozen

PROTOCOL = 1
LINE_BYTES_MAX = 4 * 1024 * 1024
NEEDS_BYTES_MAX = 1024 * 1024

_BATCH_MAX = 100_000
_SHOWN_MAX = 80

MessageId = str | int


@frozen(kw_only=True)
class Message:
    """One thing that a task's process said.

    Args:
        type: What sort of message it is.
        id: What its reply carries; without one no reply is wanted.
        fields: All it says. Every field that the type knows is there, and is of its sort: one that
            was left out has its default. ``add_task`` keeps whatever else was said, which is its
            kind.
        commands: The messages of a ``batch``.
    """

    type: str
    id: MessageId | None = None
    fields: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    commands: tuple[Message, ...] = ()


@frozen
class PlainText:
    """A line that is no message: output, to be kept."""

    line: bytes


@frozen
class BadOutput:
    """A line that fails the attempt, and why, in one sentence."""

    reason: str


class _Wrong(Exception):
    """A message has something wrong in it."""


# What messages hold ------------------------------------------------------------------------------


@frozen
class _Field:
    """A field of a message: what it may be, in words and in types, and what it is when left out."""

    words: str
    types: type | UnionType
    default: Any = None  # shared between messages, which nobody changes
    required: bool = False
    check: Callable[[Any], bool] | None = None


def _is_texts(value: Sequence[object]) -> bool:
    return all(isinstance(item, str) for item in value)


def _is_duration(value: float) -> bool:
    return not isinstance(value, bool) and value >= 0


def _is_fraction(value: float) -> bool:
    return not isinstance(value, bool) and 0 <= value <= 1


def _is_stream(value: str) -> bool:
    return value in ("stdout", "stderr")


_ANY = _Field("anything", object)
_TEXT = _Field("text", str | None)
_NEEDED_TEXT = _Field("text", str, required=True)
_TEXTS = _Field("a list of texts", list, [], check=_is_texts)
_MAYBE_TEXTS = attrs.evolve(_TEXTS, types=list | None, default=None)
_SECONDS = _Field("a number of seconds", int | float | None, check=_is_duration)

_TYPES: Mapping[str, Mapping[str, _Field]] = {
    "success": {"output": _ANY},
    "error": {"message": _NEEDED_TEXT, "kind": _TEXT, "retry_after": _SECONDS, "detail": _ANY},
    "not_ready": {"message": _TEXT},
    "progress": {
        "fraction": _Field("a number from 0 to 1", int | float | None, check=_is_fraction),
        "message": _TEXT,
        "data": _ANY,
    },
    "log": {
        "level": _Field("text", str, "info"),
        "message": _NEEDED_TEXT,
        "stream": _Field("stdout or stderr", str | None, check=_is_stream),
    },
    "heartbeat": {},
    "get": {"task": _NEEDED_TEXT},
    "add_task": {
        "key": _TEXT,
        "name": _NEEDED_TEXT,
        "after": _MAYBE_TEXTS,
        "before": _TEXTS,
        "into": _TEXT,
        "with": _Field("an object", dict, {}),
        "refs": _Field("true or false", bool, default=False),
    },
    "add_edge": {"from": _NEEDED_TEXT, "to": _NEEDED_TEXT},
    "promise": {"text": _NEEDED_TEXT},
    "hole": {
        "shape": _NEEDED_TEXT,
        "name": _TEXT,
        "after": _TEXTS,
        "before": _TEXTS,
        "owner": _TEXT,
    },
    "give": {"hole": _NEEDED_TEXT, "to": _NEEDED_TEXT},
    "close": {"hole": _NEEDED_TEXT},
    "withdraw": {"task": _NEEDED_TEXT},
    "style": {"task": _TEXT, "edge": _MAYBE_TEXTS, "label": _TEXT, "color": _TEXT},
    "wait": {"input": _Field("a schema", dict | bool, {}), "message": _TEXT},
    "pause": {"message": _TEXT},
    "again": {"task": _NEEDED_TEXT},
    "batch": {"commands": _Field("a list of messages", list, required=True)},
}
_IN_A_BATCH = {"add_task", "add_edge", "promise", "hole", "give", "close", "style", "again"}
_WANT_A_REPLY = {"get"}


TYPES = tuple(_TYPES)
"""The sorts of messages."""


# Reading -----------------------------------------------------------------------------------------


def parse_line(line: bytes, mask: Callable[[str], str] = str) -> Message | PlainText | BadOutput:
    """Say what a line of a task's output is.

    Args:
        line: The line, without its end.
        mask: Takes secrets out of what is shown of it.
    """
    if len(line) > LINE_BYTES_MAX:
        return too_long(LINE_BYTES_MAX)
    if line.lstrip()[:1] != b"{":
        return PlainText(line)
    meant = line.lstrip().startswith(b'{"type"')
    try:
        value = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return (
            BadOutput(f"The line {_shown(line, mask)} is not JSON: {error}.")
            if meant
            else PlainText(line)
        )
    if not meant and not isinstance(value.get("type"), str):
        return PlainText(line)
    said = read_message(value)
    if isinstance(said, BadOutput):
        return BadOutput(f"The line {_shown(line, mask)} is no message: {mask(said.reason)}.")
    return said


def read_message(value: Mapping[str, Any]) -> Message | BadOutput:
    """Return a JSON object as a message, or what is wrong with it."""
    try:
        return _message(value)
    except _Wrong as error:
        return BadOutput(str(error))


def too_long(limit: int) -> BadOutput:
    """Return what is said of a line over the limit."""
    return BadOutput(
        f"A line is longer than {limit // 1024 // 1024} MiB: write large data to a file or a "
        "store, and say where it is."
    )


def _shown(line: bytes, mask: Callable[[str], str]) -> str:
    text = mask(line.decode(errors="backslashreplace"))
    return text if len(text) <= _SHOWN_MAX else text[:_SHOWN_MAX] + "…"


def _message(value: Mapping[str, Any]) -> Message:
    kind = value.get("type")
    if not isinstance(kind, str) or kind not in _TYPES:
        raise _Wrong(f"its type is {kind!r}, which is none of {', '.join(_TYPES)}")
    identity = value.get("id")
    if isinstance(identity, bool) or not isinstance(identity, str | int | None):
        raise _Wrong(f"the id of {kind!r} must be text or a whole number")
    if identity is None and kind in _WANT_A_REPLY:
        raise _Wrong(f"{kind!r} needs an id, which its reply will carry")
    fields: dict[str, Any] = {
        name: _checked(kind, name, field, value) for name, field in _TYPES[kind].items()
    }
    if kind == "add_task":
        rest = {name: given for name, given in value.items() if name not in ("type", "id")}
        fields = rest | fields
    commands = _commands(fields.pop("commands")) if kind == "batch" else ()
    return Message(type=kind, id=identity, fields=fields, commands=commands)


def _checked(kind: str, name: str, field: _Field, value: Mapping[str, Any]) -> object:
    """Return a field's value, or its default."""
    given = value.get(name)
    if given is None:
        if field.required:
            raise _Wrong(f"{kind!r} needs {name!r}, {field.words}")
        return field.default
    if not isinstance(given, field.types) or not (field.check is None or field.check(given)):
        raise _Wrong(f"{name!r} of {kind!r} must be {field.words}")
    return given


def _commands(given: Sequence[Any]) -> tuple[Message, ...]:
    if len(given) > _BATCH_MAX:
        raise _Wrong(f"a batch holds at most {_BATCH_MAX} commands")
    commands: list[Message] = []
    for number, item in enumerate(given):
        try:
            command = _message(_object(item))
            if command.type not in _IN_A_BATCH:
                raise _Wrong(f"{command.type!r} cannot stand in a batch")
        except _Wrong as error:
            raise _Wrong(f"in command {number} of its batch {error}") from None
        commands.append(command)
    return tuple(commands)


def _object(item: Any) -> Mapping[str, Any]:
    if isinstance(item, dict):
        return cast("Mapping[str, Any]", item)
    raise _Wrong("it is no object")


class LineReader:
    """Cuts chunks of output into lines, holding no more than one line and one chunk.

    A line over the limit comes out once, cut to one byte more than the limit: so ``parse_line``
    finds it too long, and whoever keeps it can see that it was cut. What follows in it is dropped.
    """

    def __init__(self, limit: int = LINE_BYTES_MAX) -> None:
        self._limit = limit
        self._held = bytearray()
        self._dropping = False

    def feed(self, data: bytes) -> list[bytes]:
        """Take a chunk and return the lines that it completes, without their ends."""
        *ended, rest = data.split(b"\n")
        lines: list[bytes] = []
        for part in ended:
            self._hold(part, lines)
            if not self._dropping:
                lines.append(bytes(self._held))
            self._held.clear()
            self._dropping = False
        self._hold(rest, lines)
        return lines

    def close(self) -> list[bytes]:
        """Return the last line if it had no end."""
        lines = [bytes(self._held)] if self._held else []
        self._held.clear()
        self._dropping = False
        return lines

    def _hold(self, part: bytes, lines: list[bytes]) -> None:
        if self._dropping:
            return
        self._held += part[: self._limit + 1 - len(self._held)]
        if len(self._held) > self._limit:
            lines.append(bytes(self._held))
            self._held.clear()
            self._dropping = True


# Writing -----------------------------------------------------------------------------------------


@frozen(kw_only=True)
class Start:
    """What a task's process is told first.

    Args:
        needs: The label and the output of each task in front, by id.
        key: The same for all attempts of a generation.
        answers: What earlier waits of this generation were told, in order.
    """

    run: str
    task: str
    label: str
    generation: int
    attempt: int
    fence: str | int
    key: str
    inputs: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    needs: Mapping[str, tuple[str, Any]] = attrs.field(factory=dict[str, tuple[str, Any]])
    holes: Sequence[Mapping[str, str]] = ()
    answers: Sequence[Any] = ()


def encode_start(start: Start) -> bytes:
    """Return the start line.

    Where the outputs in front make more than 1 MiB, the largest of them are replaced by a ``ref``,
    with which the process can ``get`` them.
    """
    return _line(
        {
            "type": "start",
            "protocol": PROTOCOL,
            "run": start.run,
            "task": start.task,
            "label": start.label,
            "generation": start.generation,
            "attempt": start.attempt,
            "fence": start.fence,
            "key": start.key,
            "inputs": start.inputs,
            "needs": _needs(start.needs),
            "holes": start.holes,
            "answers": start.answers,
        }
    )


def _needs(needs: Mapping[str, tuple[str, Any]]) -> dict[str, object]:
    outputs = {task: msgspec.json.encode(output) for task, (_, output) in needs.items()}
    total = sum(map(len, outputs.values()))
    for task in sorted(outputs, key=lambda task: len(outputs[task]), reverse=True):
        if total <= NEEDS_BYTES_MAX:
            break
        total -= len(outputs.pop(task))
    return {
        task: {"label": label, "output": msgspec.Raw(outputs[task])}
        if task in outputs
        else {"label": label, "ref": task}
        for task, (label, _) in needs.items()
    }


def encode_reply(id: MessageId, fields: Mapping[str, Any] | None = None) -> bytes:
    """Return the line that says yes to a message, with what it asked for."""
    return _line({"type": "reply", "id": id, "ok": True, **(fields or {})})


def encode_refusal(id: MessageId, *, kind: str, message: str) -> bytes:
    """Return the line that says no to a message, and why."""
    error = {"kind": kind, "message": message}
    return _line({"type": "reply", "id": id, "ok": False, "error": error})


def encode_cancel() -> bytes:
    """Return the line that tells a process that it will be stopped."""
    return _line({"type": "cancel"})


def _line(value: object) -> bytes:
    return msgspec.json.encode(value) + b"\n"
