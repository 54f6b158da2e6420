"""A web application with an engine of its own, in its lifespan: ``uvicorn examples.embedded.app:app``.

``POST /orders?item=tea`` starts a durable run and answers at once, ``GET /orders/{id}`` tells how it stands,
``POST /orders/{id}/approve`` answers the run that waits for a person.  Restart the application whenever you
like: unfinished orders are carried on.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

import callboard as cb

ORDER = cb.load(Path(__file__).with_name("order.yaml"))


def pack(item: str, approved: bool) -> dict[str, object]:
    """Pack what was ordered; named by order.yaml as ``app:pack``."""
    return {"item": item, "packed": approved}


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """Open the engine with the application, and close it with it."""
    async with cb.Engine(os.environ.get("ORDERS", "sqlite:///orders.db")) as engine:
        app.state.engine = engine
        yield


async def place(request: Request) -> JSONResponse:
    """Start a run for a new order."""
    engine: cb.Engine = request.app.state.engine
    run = await engine.start(ORDER, {"item": request.query_params["item"]})
    return JSONResponse({"order": run.id}, status_code=202)


async def look(request: Request) -> JSONResponse:
    """Tell how an order stands."""
    engine: cb.Engine = request.app.state.engine
    run = await engine.get(request.path_params["order"])
    result = await run.snapshot()
    states = {name: task.state for name, task in result.tasks.items()}
    return JSONResponse({"state": result.state, "tasks": states, "output": result.output})


async def approve(request: Request) -> JSONResponse:
    """Answer the question that the run waits for."""
    engine: cb.Engine = request.app.state.engine
    run = await engine.get(request.path_params["order"])
    await run.answer("approve", value=True)
    return JSONResponse({"approved": True})


app = Starlette(
    routes=[
        Route("/orders", place, methods=["POST"]),
        Route("/orders/{order}", look),
        Route("/orders/{order}/approve", approve, methods=["POST"]),
    ],
    lifespan=lifespan,
)
