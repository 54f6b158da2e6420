"""What went wrong, as the client is told: RFC 9457 problems, with the texts of the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec
from starlette.responses import Response

from ..workflow import (
    CallboardError,
    DefinitionError,
    PromiseBroken,
    Refused,
    RunExists,
    RunOwned,
    StoreError,
    UnknownRecord,
    UnknownRun,
    UsageError,
)

PROBLEM: Final = "application/problem+json"

RETRY_SECONDS: Final = 2
"""After how many seconds a client may ask again while the engine or its store cannot answer."""


class Problem(CallboardError):
    """An answer that is no success.

    Args:
        status: The HTTP status.
        detail: What happened and what to do, in a sentence.
        kind: A word for programs.
        errors: All that is wrong, where it is several things.
        headers: What the answer says besides.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        kind: str | None = None,
        errors: Sequence[str] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.errors = tuple(errors)
        self.headers = dict(headers or {})

    def to_json(self) -> dict[str, Any]:
        """Return it as the body of the answer."""
        found: dict[str, Any] = {
            "type": "about:blank" if self.kind is None else f"urn:callboard:{self.kind}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": str(self),
        }
        if self.errors:
            found["errors"] = list(self.errors)
        return found

    def response(self) -> Response:
        """Return the answer."""
        return Response(
            msgspec.json.encode(self.to_json()),
            self.status,
            {"cache-control": "no-store", **self.headers},
            PROBLEM,
        )


def bad_request(errors: Sequence[str]) -> Problem:
    """Return the answer to a request in which these things are wrong."""
    return Problem(400, "; ".join(errors), kind="invalid", errors=errors)


_STATUS: Final[Mapping[str, int]] = {"unknown": 404, "forbidden": 403}
"""The statuses of refusals by their kind; any other does not fit how things are."""

_KINDS: Final[Sequence[tuple[type[CallboardError], int, str]]] = (
    (RunExists, 409, "exists"),
    (UsageError, 400, "usage"),
    (UnknownRun, 404, "unknown_run"),
    (UnknownRecord, 404, "unknown"),
    (PromiseBroken, 409, "promise_broken"),
    (RunOwned, 409, "owned"),
)


def problem_of(error: CallboardError) -> Problem:
    """Return how an error of the engine is told."""
    match error:
        case Problem():
            return error
        case DefinitionError(errors=errors):
            return Problem(400, str(error), kind="definition", errors=errors)
        case RunOwned(posted=True):
            return Problem(504, str(error), kind="unanswered")
        case StoreError():
            return _unavailable(str(error), "store")
        case Refused(kind=kind):
            return Problem(_STATUS.get(kind, 409), str(error), kind=kind)
        case _:
            for cls, status, kind in _KINDS:
                if isinstance(error, cls):
                    lines = str(error).splitlines() if status == 400 else []  # noqa: PLR2004
                    return Problem(status, str(error), kind=kind, errors=lines)
            return Problem(500, str(error), kind="internal")


def closing() -> Problem:
    """Return the answer of an engine that is not open."""
    return _unavailable(
        "the engine is not open: requests are served inside `async with Engine(...)`", "closed"
    )


def cut_short() -> Problem:
    """Return the answer of an engine that closed in the middle of what was asked."""
    return _unavailable(
        "the engine closed in the middle of this: whether it was done is not known; look, or ask "
        "again with the same key or number",
        "cut_short",
    )


def _unavailable(detail: str, kind: str) -> Problem:
    return Problem(503, detail, kind=kind, headers={"retry-after": str(RETRY_SECONDS)})
