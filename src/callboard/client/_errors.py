"""What a server tells of a problem, as the errors that the engine itself raises."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..workflow import (
    CallboardError,
    DefinitionError,
    InternalError,
    PromiseBroken,
    PromiseRefused,
    Refused,
    RunOwned,
    StaleFence,
    StoreError,
    UnknownRun,
    UsageError,
)


class Unreachable(CallboardError):
    """The server did not answer, or had no time, for as long as the client waits for it.

    What may not be done twice is asked for once only, unless it is sure that it was not done:
    whether it was, the message says.
    """


class Denied(UsageError):
    """The server does not know who asks, or they may not: the token is wrong or has no such role.

    Attributes:
        status: 401 or 403.
    """

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


_KIND: Final = "urn:callboard:"
_INVALID: Final = frozenset(("usage", "invalid", "method", "media_type", "too_large"))


def kind_of(problem: Mapping[str, Any]) -> str:
    """Return the word for programs of a problem of the server."""
    return str(problem.get("type", "")).removeprefix(_KIND)


def error_of(status: int, problem: Mapping[str, Any], more: str = "") -> CallboardError:
    """Return the error that a problem of the server stands for.

    Args:
        status: The HTTP status.
        problem: The body, RFC 9457.
        more: What else there is to say of what the server did not say all about.
    """
    kind = kind_of(problem)
    detail = str(problem.get("detail") or problem.get("title") or f"the server answered {status}")
    if status in (401, 403):
        return Denied(detail, status=status)
    if kind == "definition":
        return DefinitionError([str(each) for each in problem.get("errors", [detail])])
    if kind == "unknown_run":
        return UnknownRun(detail)
    if kind in ("owned", "unanswered"):
        return RunOwned(detail, run_id="", owner="", posted=kind == "unanswered")
    if kind in _INVALID or status in (400, 405, 413, 415, 422):
        return UsageError(detail)
    if kind == "store":
        return StoreError(detail + more)
    if status in (429, 502, 503, 504):
        return Unreachable(detail + more)
    if status < 500 and kind:  # noqa: PLR2004
        return refusal_of(kind, detail)
    return InternalError(f"the server answered {status}: {detail}")


def refusal_of(kind: str, message: str, run: str = "") -> CallboardError:
    """Return the refusal of one command.

    Args:
        kind: The word for programs that came with it.
        message: Why.
        run: The run that it was said to.
    """
    match kind:
        case "stale":
            return StaleFence(message)
        case "promise_refused":
            return PromiseRefused(message)
        case "promise_broken":
            return PromiseBroken(message, run_id=run)
        case _:
            return Refused(message, kind=kind)
