"""The application: the table of endpoints behind its gates, and the page beside it."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import anyio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from ..registry import Who
from ..workflow import CallboardError
from . import _endpoints
from ._access import NOBODY, Access, Authorize, check_site, require
from ._endpoint import Call, Endpoint
from ._figures import Figures
from ._graph import Graphs
from ._health import Health
from ._kept import Kept, kept_one
from ._problems import Problem, closing, cut_short, problem_of
from ._rates import Rates
from ._reading import read_body, read_query, read_version
from ._shared import Shared

if TYPE_CHECKING:
    from ..engine import Engine

_log: Final = logging.getLogger("callboard.web")

_Serve = Callable[[Request], Awaitable[Response]]

RATE: Final = 2_000.0
"""Requests a second that one client may make, if nothing else is said."""


def asgi(
    engine: Engine,
    *,
    authorize: Authorize | None = None,
    rate: float | None = RATE,
    page: bool = True,
) -> Starlette:
    """Return an application that serves an engine; it needs no lifespan, only an open engine.

    Args:
        engine: What is served.
        authorize: Tells who asks, instead of callboard's own tokens: the host's login decides.
        rate: Requests a second that one client may make before it is told 429; None is any number.
        page: Whether the live page is served, too.
    """
    registry = engine.registry
    known: Kept[str, Who | None] = Kept(registry.tokens.find)
    access = Access(known, kept_one(registry.tokens.any), authorize)
    shared = Shared(Figures(), Health(), Graphs(), kept_one(registry.owners.by_label))
    gates = _Gates(engine, shared, access, Rates(rate))
    app = Starlette(
        routes=_routes(gates, page=page),
        exception_handlers={HTTPException: _no_route, Exception: _broken},
    )
    # What is not in the table is not there, with one more slash or with one less.
    app.router.redirect_slashes = False
    return app


def _routes(gates: _Gates, *, page: bool) -> list[Route]:
    by_path: dict[str, dict[str, Endpoint]] = {}
    for each in _endpoints.ENDPOINTS:
        by_path.setdefault(each.path, {})[each.method] = each
    # The longer path first: what is in a task's id may look like what can be done with a task.
    paths = sorted(by_path, key=lambda path: (-path.count("/"), path.count("{"), path))
    routes = [_route(path, by_path[path], gates) for path in paths]
    if page:
        from ._page import page_routes

        routes += page_routes()
    return routes


def _route(path: str, endpoints: Mapping[str, Endpoint], gates: _Gates) -> Route:
    async def serve(request: Request) -> Response:
        if path.endswith("{task}") and _names_act(request):
            raise HTTPException(405, headers={"Allow": "POST"})
        endpoint = endpoints["GET" if request.method == "HEAD" else request.method]
        return await gates.serve(endpoint, request)

    return Route(path.replace("{task}", "{task:path}"), serve, methods=list(endpoints))


_ACTS: Final = frozenset(
    each.path.rpartition("/")[2] for each in _endpoints.ENDPOINTS if "{task}/" in each.path
)


def _names_act(request: Request) -> bool:
    """Whether what was taken for the end of a task's id is what can be done with the task.

    In an id it would be encoded, and the slash before it, too.
    """
    last = request.scope.get("raw_path", b"").rpartition(b"/")[2].decode("latin-1")
    return last in _ACTS and str(request.path_params["task"]).endswith(f"/{last}")


class _Gates:
    """What each request goes through before it is served, and how errors become answers."""

    def __init__(self, engine: Engine, shared: Shared, access: Access, rates: Rates) -> None:
        self.engine = engine
        self._shared = shared
        self._access = access
        self._rates = rates

    async def serve(self, endpoint: Endpoint, request: Request) -> Response:
        began = time.perf_counter()
        try:
            response = await self._served(endpoint, request)
        except Problem as problem:
            response = problem.response()
        except CallboardError as error:
            response = self._told(endpoint, error)
        except ClientDisconnect:
            response = Response(status_code=400)
        self._shared.figures.count(endpoint, response.status_code, time.perf_counter() - began)
        return response

    def _told(self, endpoint: Endpoint, error: CallboardError) -> Response:
        if not self.engine.is_open:
            # It let go of its runs in the middle of this: what it says of them means nothing.
            return cut_short().response()
        problem = problem_of(error)
        if problem.status >= 500:  # noqa: PLR2004
            _log.warning("%s %s: %s", endpoint.method, endpoint.path, error, exc_info=error)
        return problem.response()

    async def _served(self, endpoint: Endpoint, request: Request) -> Response:
        engine = self.engine
        if not engine.is_open and endpoint.role is not None:
            raise closing()
        check_site(request)
        call = await self._call(endpoint, request)
        response = await endpoint.handler(call)
        if endpoint.audited:
            await self._audit(endpoint, call, response.status_code)
        return response

    async def _call(self, endpoint: Endpoint, request: Request) -> Call[Any]:
        self._rates.check(self._access.client(request))
        admit = partial(self._admit, endpoint, request)
        return Call(
            self.engine,
            self._shared,
            request,
            await admit(),
            request.path_params,
            read_query(endpoint.query, request),
            await read_body(endpoint, request),
            admit,
            read_version(request) if endpoint.versioned else None,
        )

    async def _admit(self, endpoint: Endpoint, request: Request) -> Who:
        if endpoint.role is None:
            return NOBODY
        who = await self._access.who(request)
        require(who, endpoint.role)
        return who

    async def _audit(self, endpoint: Endpoint, call: Call[Any], status: int) -> None:
        target = "/".join(call.path.values())
        with anyio.CancelScope(shield=True):
            try:
                await self.engine.registry.audit.note(
                    who=call.by, action=endpoint.name, target=target, outcome=str(status)
                )
            except CallboardError as error:
                # It is done, and whoever asked must hear that: told that it failed, they ask again.
                _log.error(
                    "the audit trail lacks this, it could not be written (%s): %r did %r to %r: %s",
                    error,
                    call.by,
                    endpoint.name,
                    target,
                    status,
                )


async def _no_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:  # noqa: PLR2004
        allowed = (error.headers or {}).get("Allow", "")
        problem = Problem(
            405,
            f"{request.method} is not served here; {allowed} is",
            kind="method",
            headers={"allow": allowed},
        )
    else:
        problem = Problem(
            error.status_code,
            f"there is nothing at {request.scope['path']}; /api/v1/docs lists what is",
            kind="unknown",
        )
    return problem.response()


async def _broken(request: Request, error: Exception) -> Response:
    _log.error("%s %s failed", request.method, request.scope["path"], exc_info=error)
    return Problem(
        500,
        "this is a bug in callboard: its log holds the traceback; nothing that was stored is lost",
        kind="internal",
    ).response()
