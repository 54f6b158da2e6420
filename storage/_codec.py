"""Events to JSON and back, for every store that writes them down.

An event becomes its ``kind`` and a JSON object of its fields.  Two things stand apart, under the
hash of their content, and ``refs`` names them: the workflow of a run, which many runs share, and
any field whose JSON is large.  What was once written is read for ever: a class may gain fields with
defaults, never lose one.
"""

from __future__ import annotations

import functools
import hashlib
import typing
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

import attrs
import msgspec

from ..workflow import DEFAULT_OPTIONS, EVENTS, Event, StoreError, TaskSpec, WorkflowSpec
from ..workflow.events import RunCreated
from ._protocol import Json

INLINE_MAX: Final = 64 * 1024
"""Bytes of JSON that an event may have before its large fields move out."""

SPEC_FIELD: Final = "spec"
"""The one field that refers to a workflow, not to a blob."""

_encode_json = msgspec.json.Encoder().encode
_decode_json = msgspec.json.Decoder().decode


class Encoded(NamedTuple):
    """An event as it is stored; ``moved`` says what stands apart: field, hash and JSON."""

    kind: str
    body: str
    refs: str | None = None
    moved: Sequence[tuple[str, str, str]] = ()


Fetch = Callable[[str, str], str]
"""From a field's name and a hash to the JSON that was moved out."""


def encode(event: Event) -> Encoded:
    """Return the event as it is stored.

    Raises:
        TypeError: it holds something that is no JSON value.
        UnicodeEncodeError: it holds text that is not Unicode.
    """
    if isinstance(event, RunCreated):
        return _encode_apart(event)
    body = _encode_json(event)
    if len(body) > INLINE_MAX:
        return _encode_apart(event)
    return Encoded(event.kind, body.decode())


def _encode_apart(event: Event) -> Encoded:
    """Encode field by field, and move out the workflow and what is large."""
    names = [field.name for field in attrs.fields(cast("type[attrs.AttrsInstance]", type(event)))]
    fields: dict[str, Any] = {name: getattr(event, name) for name in names}
    moved: list[tuple[str, str, str]] = []
    if isinstance(event, RunCreated):
        del fields[SPEC_FIELD]
        moved.append((SPEC_FIELD, *_spec_text(event.spec)))
    body = _encode_json(fields)
    if len(body) > INLINE_MAX:
        for name, value in fields.items():
            text = _encode_json(value)
            fields[name] = msgspec.Raw(text)
            if len(text) > INLINE_MAX:
                moved.append((name, *_hashed(text)))
        apart = {name for name, _, _ in moved}
        body = _encode_json({name: each for name, each in fields.items() if name not in apart})
    refs = {name: digest for name, digest, _ in moved}
    return Encoded(event.kind, body.decode(), encode_value(refs) if refs else None, moved)


def _hashed(text: bytes) -> tuple[str, str]:
    return hashlib.sha256(text).hexdigest(), text.decode()


_spec_texts: Final[dict[int, tuple[weakref.ref[WorkflowSpec], tuple[str, str]]]] = {}


def _spec_text(spec: WorkflowSpec) -> tuple[str, str]:
    """Return a workflow's hash and JSON; many runs share one, and it is encoded once."""
    key = id(spec)
    known = _spec_texts.get(key)
    if known is not None and known[0]() is spec:
        return known[1]
    found = _hashed(_encode_json(plain_spec(spec)))
    if len(found[1]) <= INLINE_MAX:
        gone = weakref.ref(spec, lambda _: _spec_texts.pop(key, None))
        _spec_texts[key] = (gone, found)
    return found


def plain_spec(spec: WorkflowSpec) -> dict[str, Any]:
    """Return a workflow as JSON values, its tasks without what they leave unsaid.

    A workflow may have a million tasks that say no more than their name; read back, they share the
    defaults.
    """
    plain = attrs.asdict(spec, recurse=False)
    plain["tasks"] = [_plain_task(task) for task in spec.tasks]
    return plain


def _plain_task(task: TaskSpec) -> dict[str, Any]:
    plain: dict[str, Any] = {"id": task.id, "name": task.name, "kind": task.kind}
    if task.needs:
        plain["needs"] = task.needs
    if task.config:
        plain["config"] = task.config
    if task.inputs is not None:
        plain["inputs"] = task.inputs
    if task.when is not None:
        plain["when"] = task.when
    if task.options != DEFAULT_OPTIONS:
        plain["options"] = task.options
    return plain


def decode(kind: str, body: str, refs: str | None, fetch: Fetch) -> Event:
    """Return the event that was stored.

    Raises:
        StoreError: a newer version wrote it, or it is damaged.
    """
    event_type: type[Event] | None = EVENTS.get(kind)
    if event_type is None:
        raise _newer(f"an event of the kind {kind!r}")
    try:
        fields = _decode_json(body)
        if refs is not None:
            for name, digest in _decode_json(refs).items():
                fields[name] = _decode_json(fetch(name, digest))
        _known_fields(cast("type", event_type), kind)(fields)
        return msgspec.convert(fields, event_type)
    except msgspec.MsgspecError as error:
        raise StoreError(
            f"an event of the kind {kind!r} cannot be read ({error}): it is damaged, or a newer "
            f"version of callboard wrote it; upgrade callboard, or restore the store from a copy"
        ) from error


def encode_value(value: Json) -> str:
    """Return a value as JSON text."""
    return _encode_json(value).decode()


def json_of(value: Json, what: str) -> str:
    """Return a value as JSON text.

    Raises:
        StoreError: it is not a JSON value.
    """
    try:
        return encode_value(value)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise StoreError(f"{what} is no JSON value: {error}") from error


def decode_value(text: str) -> Json:
    """Return the value of a JSON text."""
    return _decode_json(text)


# ---------------------------------------------------------------------- unknown fields

_Check = Callable[[Any], None]


@functools.cache
def _known_fields(cls: type, name: str) -> _Check:
    """Return a function that refuses fields that the class does not have, however deep."""
    hints = typing.get_type_hints(cls)
    names = frozenset(field.name for field in attrs.fields(cls))
    nested = {field: found for field in names if (found := _nested(hints[field], field))}

    def check(fields: Any) -> None:
        if not isinstance(fields, dict):
            return  # conversion says what is wrong
        known = cast("dict[str, Any]", fields)
        if not known.keys() <= names:
            raise _newer(f"{min(known.keys() - names)!r} in {name!r}")
        for field, check_field in nested.items():
            if known.get(field) is not None:
                check_field(known[field])

    return check


def _nested(hint: Any, name: str) -> _Check | None:
    """Return the check for the one attrs class that a type mentions, if it does."""
    if attrs.has(hint):
        return _known_fields(hint, name)
    checks = [check for part in typing.get_args(hint) if (check := _nested(part, name))]
    if not checks:
        return None
    origin = typing.get_origin(hint)
    if origin is tuple:
        return lambda values: _each(checks[0], values)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return lambda values: _each(checks[0], values.values())
    return checks[0]


def _each(check: _Check, values: Any) -> None:
    for value in values:
        check(value)


def _newer(what: str) -> StoreError:
    return StoreError(
        f"the store holds {what}, which this version of callboard does not know: a newer version "
        f"wrote it; upgrade callboard"
    )
