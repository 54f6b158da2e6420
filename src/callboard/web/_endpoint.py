"""What an endpoint is: one row of a table that routes, checks and describes requests alike."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeAlias, TypeVar

import attrs
import msgspec
from starlette.requests import Request
from starlette.responses import Response

from .._frozen import frozen

if TYPE_CHECKING:
    from ..engine import Engine
    from ..registry import Who
    from ._shared import Shared

Role: TypeAlias = Literal["view", "operate", "worker", "admin"]
Method: TypeAlias = Literal["GET", "POST", "PUT", "DELETE"]
Schema: TypeAlias = Mapping[str, Any]

BODY_BYTES_MAX: Final = 8 * 1024 * 1024
"""How large the body of a request may be."""

_B = TypeVar("_B")


@frozen
class Param:
    """A parameter of the query.

    Attributes:
        kind: ``text``, ``texts`` (may be said several times), ``number`` (a whole one), ``flag``.
        choices: What a text may be.
        least: The smallest number.
        most: The largest number.
    """

    name: str
    about: str
    kind: Literal["text", "texts", "number", "flag"] = "text"
    default: Any = None
    choices: Sequence[str] = ()
    least: int = 0
    most: int = 2**53 - 1


LIMIT: Final = Param("limit", "How many at most.", "number", 50, least=1, most=1000)
OFFSET: Final = Param("offset", "How many are left out before.", "number", 0, most=2**31)
PAGING: Final = (LIMIT, OFFSET)


@frozen(kw_only=True)
class Answer:
    """What an endpoint may answer.

    Attributes:
        about: When it does.
        schema: The JSON that it holds; None for no body.
        media: What the body is, or what it may be.
    """

    about: str
    schema: Schema | None = None
    media: str | tuple[str, ...] = "application/json"


@attrs.frozen(eq=False)
class Call(Generic[_B]):
    """One request that was let in and read.

    Attributes:
        shared: What all requests of the application share.
        path: The parts of the path by name.
        query: All parameters by name, with their defaults.
        body: The body, of the endpoint's class.
        admit: Lets in again whoever asks, or raises a problem: what goes on for long asks it.
        expected: The version that ``If-Match`` names.
    """

    engine: Engine
    shared: Shared
    request: Request
    who: Who
    path: Mapping[str, str]
    query: Mapping[str, Any]
    body: _B
    admit: Callable[[], Awaitable[Who]]
    expected: int | None = None

    @property
    def by(self) -> str:
        """Who asks, as events and the audit trail name it."""
        return self.who.name


def limited(default: Any = attrs.NOTHING, *, factory: Any = None, **limits: Any) -> Any:
    """Return a field of a body with limits, in words of JSON Schema, that its handler checks."""
    return attrs.field(
        default=default if factory is None else attrs.Factory(factory), metadata={LIMITS: limits}
    )


LIMITS: Final = "limits"

Handler: TypeAlias = Callable[[Call[Any]], Awaitable[Response]]


@frozen(kw_only=True)
class Endpoint:
    """A method on a path.

    Attributes:
        name: Its name in the OpenAPI document.
        role: Who may, or several that may; None is everybody.
        body: The class that the body is read as; ``bytes`` for a text that is no JSON.
        answers: What it may answer, by status; problems are added.
        versioned: Whether ``If-Match`` with a version is heeded.
        audited: Whether who did it is kept.
    """

    method: Method
    path: str
    name: str
    about: str
    handler: Handler
    tag: str
    role: Role | tuple[Role, ...] | None = "view"
    query: Sequence[Param] = ()
    body: type[Any] | None = None
    body_required: bool = True
    answers: Mapping[int, Answer]
    problems: Sequence[int] = ()
    versioned: bool = False
    audited: bool = False
    body_max: int = BODY_BYTES_MAX


def json_response(
    value: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a JSON answer; what it holds changes, and is not kept by anybody between."""
    return Response(
        msgspec.json.encode(value),
        status,
        {"cache-control": "no-store", **(headers or {})},
        "application/json",
    )


def page_of(items: Sequence[Any], total: int, query: Mapping[str, Any]) -> dict[str, Any]:
    """Return a part of a list, and how long all of it is."""
    return {
        "items": list(items),
        "total": total,
        "limit": query["limit"],
        "offset": query["offset"],
    }
