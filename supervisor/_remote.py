"""Commands to a run that another engine owns: how they are written down and answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..workflow import (
    CallboardError,
    Command,
    PromiseRefused,
    Refused,
    TaskState,
    UsageError,
    VersionConflict,
    commands as c,
)


def encode_command(command: Command) -> dict[str, Any]:
    """Return a command that people give as JSON.

    Raises:
        UsageError: it is not one that may come from another process.
    """
    match command:
        case c.Pause(by=by):
            return {"type": "pause", "by": by}
        case c.Unpause(by=by):
            return {"type": "unpause", "by": by}
        case c.Cancel(by=by, reason=reason):
            return {"type": "cancel", "by": by, "reason": reason}
        case c.Restart(task=task, by=by):
            return {"type": "restart", "task": task, "by": by}
        case c.Answer(task=task, value=value, by=by):
            return {"type": "answer", "task": task, "value": value, "by": by}
        case c.Settle(task=task, state=state, output=output, by=by):
            return {"type": "settle", "task": task, "state": state, "output": output, "by": by}
        case c.Grow(commands=(c.Promise(text=text),), task=None):
            return {"type": "promise", "text": text}
        case _:
            raise UsageError(f"{type(command).__name__} is not a command for another process")


def decode_command(body: Mapping[str, Any]) -> Command:
    """Return the command that :func:`encode_command` wrote.

    Raises:
        UsageError: it is none that this version knows.
    """
    fields = {key: value for key, value in body.items() if key != "type"}
    makers: dict[str, Any] = {
        "pause": c.Pause,
        "unpause": c.Unpause,
        "cancel": c.Cancel,
        "restart": c.Restart,
        "answer": c.Answer,
        "settle": _settle,
        "promise": _promise,
    }
    maker = makers.get(str(body.get("type")))
    try:
        command: Command = maker(**fields) if maker else _unknown(body)
    except (TypeError, ValueError) as error:
        raise UsageError(f"the command {body!r} cannot be read: {error}") from error
    return command


def _settle(*, task: str, state: str, output: Any = None, by: str | None = None) -> Command:
    return c.Settle(task=task, state=TaskState(state), output=output, by=by)


def _promise(*, text: str) -> Command:
    return c.Grow(commands=(c.Promise(text=text),))


def _unknown(body: Mapping[str, Any]) -> Command:
    raise UsageError(f"unknown command {body.get('type')!r}")


def answer_of(error: CallboardError | None) -> dict[str, Any]:
    """Return what the sender of a command is told."""
    if error is None:
        return {"ok": True}
    return {"ok": False, "error": {"kind": type(error).__name__, "message": str(error)}}


def refusal_of(answer: Mapping[str, Any]) -> Refused:
    """Return the refusal that :func:`answer_of` wrote."""
    error = answer.get("error", {})
    message, name = str(error.get("message", "refused")), error.get("kind")
    if name == PromiseRefused.__name__:
        return PromiseRefused(message)
    return Refused(message, kind="version" if name == VersionConflict.__name__ else "refused")
