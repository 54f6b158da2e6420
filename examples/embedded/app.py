"""A web application with an engine in its lifespan: orders wait for a person, then are packed.

``POST /orders?item=tea`` starts a run and answers when it is stored.  ``GET /orders/{id}`` tells
how it stands.  ``POST /orders/{id}/approval`` with ``true`` or ``false`` answers it.  Restart the
application whenever you like: unfinished orders are carried on.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

import callboard as cb

ORDER = cb.load(Path(__file__).with_name("order.yaml"))


def make_app(store: str) -> Starlette:
    """Return the application, with its runs in this store."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[dict[str, cb.Engine], None]:
        async with cb.Engine(store) as engine:
            yield {"engine": engine}

    return Starlette(
        routes=[
            Route("/orders", place, methods=["POST"]),
            Route("/orders/{order}", look),
            Route("/orders/{order}/approval", approve, methods=["POST"]),
        ],
        exception_handlers={
            cb.UsageError: error_as(400),
            cb.UnknownRun: error_as(404),
            cb.Refused: error_as(409),
        },
        lifespan=lifespan,
    )


async def place(request: Request) -> JSONResponse:
    """Start a run for a new order."""
    run = await engine_of(request).start(ORDER, dict(request.query_params))
    return JSONResponse({"order": run.id}, status_code=202)


async def look(request: Request) -> JSONResponse:
    """Tell how an order stands."""
    run = await engine_of(request).get(request.path_params["order"])
    return JSONResponse((await run.snapshot()).to_json())


async def approve(request: Request) -> JSONResponse:
    """Answer the question that the order waits for."""
    run = await engine_of(request).get(request.path_params["order"])
    await run.answer("approve", await request.json())
    return JSONResponse({"answered": True})


def engine_of(request: Request) -> cb.Engine:
    """Return the engine that the lifespan opened."""
    engine: cb.Engine = request.state.engine
    return engine


def error_as(status: int) -> Callable[[Request, Exception], JSONResponse]:
    """Return a handler for errors; an engine's errors are sentences for people."""

    def tell(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"error": str(error)}, status_code=status)

    return tell


app = make_app(os.environ.get("ORDERS", "sqlite:///orders.db"))
