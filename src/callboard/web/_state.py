"""How the server is: health, status, figures, and the document of all this."""

from __future__ import annotations

from importlib.metadata import version
from typing import Final

from starlette.responses import Response

from ..storage import RunQuery
from . import _schemas as schemas
from ._endpoint import Answer, Call, Endpoint, json_response
from ._figures import MEDIA

_TAG: Final = "state"


async def _health(call: Call[None]) -> Response:
    engine = call.engine
    if not engine.is_open:
        return json_response({"status": "closing", "detail": "it takes nothing up any more"}, 503)
    trouble = await call.shared.health.trouble(engine)
    if trouble is not None:
        return json_response({"status": "stuck", "detail": trouble}, 503)
    return json_response({"status": "ok", "detail": "the store answers, and work goes on"})


async def _status(call: Call[None]) -> Response:
    engine, tree, who = call.engine, call.engine.tree, call.who
    counts = await engine.store.run_counts(RunQuery())
    return json_response(
        {
            "engine": tree.id,
            "version": version("callboard"),
            "store": type(engine.store).__name__,
            "slots": {"limit": tree.slots.limit, "used": tree.slots.in_use},
            "runs": {str(state): number for state, number in counts.items()},
            "board": len(tree.board.offers),
            "claims": len(tree.board.claims),
            "who": {"name": who.name, "roles": list(who.roles), "owner": who.owner},
        }
    )


async def _metrics(call: Call[None]) -> Response:
    return Response(await call.shared.figures.text(call.engine), media_type=MEDIA)


async def _changes(call: Call[None]) -> Response:
    from ._streams import change_stream

    return change_stream(call)


async def _document(call: Call[None]) -> Response:
    from ._openapi import document

    return json_response(document(call.request.scope.get("root_path", "")))


async def _docs(call: Call[None]) -> Response:
    from ._openapi import browsable

    return browsable(call.request.scope.get("root_path", ""))


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/health",
        name="health",
        about="Tell whether the server's work goes on: its store answers and takes commits.",
        handler=_health,
        tag=_TAG,
        role=None,
        answers={
            200: Answer(about="It does.", schema=schemas.HEALTH),
            503: Answer(about="It does not.", schema=schemas.HEALTH),
        },
    ),
    Endpoint(
        method="GET",
        path="/metrics",
        name="metrics",
        about="Give figures in the text format of Prometheus.",
        handler=_metrics,
        tag=_TAG,
        answers={200: Answer(about="Figures.", media="text/plain")},
    ),
    Endpoint(
        method="GET",
        path="/api/v1/status",
        name="status",
        about="Tell what the engine is at, and who asks.",
        handler=_status,
        tag=_TAG,
        role=("view", "worker"),
        answers={200: Answer(about="The status.", schema=schemas.STATUS)},
    ),
    Endpoint(
        method="GET",
        path="/api/v1/events",
        name="changes",
        about="Tell, as text/event-stream, that runs have changed: whoever lists runs asks again.",
        handler=_changes,
        tag=_TAG,
        answers={200: Answer(about="Changes.", media="text/event-stream")},
    ),
    Endpoint(
        method="GET",
        path="/api/v1/openapi.json",
        name="openapi",
        about="Give this document.",
        handler=_document,
        tag=_TAG,
        role=None,
        answers={200: Answer(about="OpenAPI 3.1.", schema=schemas.OBJECT)},
    ),
    Endpoint(
        method="GET",
        path="/api/v1/docs",
        name="docs",
        about="Show this document to people.",
        handler=_docs,
        tag=_TAG,
        role=None,
        answers={200: Answer(about="A page.", media="text/html")},
    ),
)
