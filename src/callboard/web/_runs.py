"""Runs: start, look, and act on them."""

from __future__ import annotations

from typing import Any, Final, Literal
from urllib.parse import quote

from starlette.responses import Response

from .._frozen import frozen
from ..storage import RunQuery
from ..workflow import Command, Refused, Run, RunState, commands as c
from . import _schemas as schemas
from ._endpoint import PAGING, Answer, Call, Endpoint, Param, json_response, limited, page_of
from ._problems import Problem
from ._views import event_view, item_of, run_item, run_view

_TAG: Final = "runs"
_RUN: Final = "/api/v1/runs/{run}"
AFTER: Final = Param("after", "The number of the last one that is not wanted.", "number", 0)
MANY: Final = Param("limit", "How many at most.", "number", 200, least=1, most=1000)


# --- looking --------------------------------------------------------------------------------------


async def _list(call: Call[None]) -> Response:
    query = call.query
    states = frozenset(RunState(each) for each in query["state"]) or None
    wanted = RunQuery(
        states=states,
        workflow=query["workflow"],
        topic=query["topic"],
        job=query["job"],
        search=query["search"],
        limit=query["limit"],
        offset=query["offset"],
    )
    store = call.engine.store
    rows = await store.runs(wanted)
    total = sum((await store.run_counts(wanted)).values())
    return json_response(page_of([run_item(row) for row in rows], total, query))


async def _get(call: Call[None]) -> Response:
    run = await (await call.engine.get(call.path["run"])).run()
    etag = f'"{run.version}"'
    if matches(call.request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers={"etag": etag})
    return json_response(run_view(run, brief=call.query["brief"]), headers={"etag": etag})


def matches(given: str | None, etag: str) -> bool:
    """Whether ``If-None-Match`` names a version, as one of several, weakly, or as any."""
    if given is None:
        return False
    names = [each.strip().removeprefix("W/") for each in given.split(",")]
    return etag in names or names == ["*"]


async def _events(call: Call[None]) -> Response:
    run = await call.engine.full_id(call.path["run"])
    if "text/event-stream" in call.request.headers.get("accept", ""):
        from ._streams import run_stream

        return run_stream(call, run)
    query = call.query
    events = await call.engine.store.events(run, query["after"], query["limit"])
    return json_response({"items": [event_view(number, event) for number, event in events]})


async def _why(call: Call[None]) -> Response:
    handle = await call.engine.get(call.path["run"])
    reasons = await handle.why(call.query["task"])
    return json_response({"items": [each.to_json() for each in reasons]})


# --- starting -------------------------------------------------------------------------------------


@frozen(kw_only=True)
class Start:
    """What is to be run.

    Attributes:
        workflow: The name of a workflow that this server knows.
        version: Which version of it; the newest if not given.
        inputs: What it is given.
        run_id: The id that the run gets; made up if not given.
        topic: The topic that it belongs to.
        job: The job that it belongs to.
        key: Makes it the same start when it is asked for again.
        on_existing: What happens if there is a run with this key: it is answered, refused, or
            cancelled and replaced.
    """

    workflow: str
    version: int | None = None
    inputs: dict[str, Any] | None = None
    run_id: str | None = limited(None, minLength=1)
    topic: str | None = None
    job: str | None = None
    key: str | None = None
    on_existing: Literal["existing", "fail", "replace"] = "existing"


async def _start(call: Call[Start]) -> Response:
    asked = call.body
    handle = await call.engine.start_by_name(
        asked.workflow,
        asked.inputs,
        version=asked.version,
        run_id=asked.run_id,
        topic=asked.topic,
        job=asked.job,
        key=asked.key,
        on_existing=asked.on_existing,
    )
    run = await handle.run()
    status = 201 if handle.created else 200
    headers = {"etag": f'"{run.version}"'}
    if handle.created:
        headers["location"] = quote(f"{call.request.scope['path']}/{run.id}")
    return json_response(item_of(run), status, headers)


# --- acting ---------------------------------------------------------------------------------------


@frozen(kw_only=True)
class Cancelling:
    """Why; the run keeps it."""

    reason: str = "cancelled"


@frozen(kw_only=True)
class PromiseText:
    """A promise about how the graph may still grow, such as ``no new tasks``."""

    text: str


async def _said(call: Call[Any], command: Command) -> Response:
    engine = call.engine
    run_id = await engine.full_id(call.path["run"])
    try:
        await engine.command(run_id, command, expected=call.expected)
    except Refused as refused:
        if refused.kind != "version":
            raise
        raise Problem(412, str(refused), kind="version") from refused
    run = await (await engine.get(run_id)).run()
    return json_response(item_of(run), headers={"etag": f'"{run.version}"'})


async def _pause(call: Call[None]) -> Response:
    return await _said(call, c.Pause(by=call.by))


async def _unpause(call: Call[None]) -> Response:
    return await _said(call, c.Unpause(by=call.by))


async def _cancel(call: Call[Cancelling]) -> Response:
    return await _said(call, c.Cancel(reason=call.body.reason, by=call.by))


async def _promise(call: Call[PromiseText]) -> Response:
    return await _said(call, c.Grow(commands=(c.Promise(text=call.body.text),)))


async def _delete(call: Call[None]) -> Response:
    await call.engine.remove(await call.engine.full_id(call.path["run"]))
    return Response(status_code=204)


# --- pictures -------------------------------------------------------------------------------------


async def _picture(call: Call[None]) -> Response:
    from ._pictures import picture_response

    run = await run_at(call)
    return await picture_response(run, call)


async def _graph(call: Call[None]) -> Response:
    from ._graph import Graphs

    run = await run_at(call)
    graphs: Graphs = call.shared.graphs
    return json_response(await graphs.of(run, each=not call.query["fold"]))


async def run_at(call: Call[None]) -> Run:
    """Return a run as it is, or as it was after an event."""
    handle = await call.engine.get(call.path["run"])
    number = call.query["at"]
    return await (handle.run() if number is None else handle.run_at(number))


def _act(name: str, about: str, handler: Any, body: type[Any] | None = None) -> Endpoint:
    return Endpoint(
        method="POST",
        path=f"{_RUN}/{name}",
        name=f"{name}_run",
        about=about,
        handler=handler,
        tag=_TAG,
        role="operate",
        body=body,
        body_required=body is PromiseText,
        answers={200: Answer(about="The run now.", schema=schemas.RUN_ITEM)},
        problems=(404, 409, 412, 504),
        versioned=True,
        audited=True,
    )


_AT: Final = Param("at", "As it was after the event with this number.", "number", least=1)

ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/api/v1/runs",
        name="list_runs",
        about="List runs, newest first.",
        handler=_list,
        tag=_TAG,
        query=(
            Param("state", "In one of these states.", "texts", (), choices=tuple(RunState)),
            Param("workflow", "Of this workflow."),
            Param("topic", "In this topic."),
            Param("job", "In this job."),
            Param("search", "With this in its id or in its workflow's name."),
            *PAGING,
        ),
        answers={200: Answer(about="Runs.", schema=schemas.listed(schemas.RUN_ITEM))},
    ),
    Endpoint(
        method="POST",
        path="/api/v1/runs",
        name="start_run",
        about="Start a run; with a key, only if there is none with that key.",
        handler=_start,
        tag=_TAG,
        role="operate",
        body=Start,
        answers={
            201: Answer(about="The run was started.", schema=schemas.RUN_ITEM),
            200: Answer(about="There was one with this key.", schema=schemas.RUN_ITEM),
        },
        problems=(404, 409, 504),
        audited=True,
    ),
    Endpoint(
        method="GET",
        path=_RUN,
        name="get_run",
        about="Show a run with its tasks. The unique beginning of its id serves.",
        handler=_get,
        tag=_TAG,
        query=(
            Param("brief", "Without tasks and all that grows with them.", "flag", default=False),
        ),
        answers={
            200: Answer(about="The run.", schema=schemas.RUN),
            304: Answer(about="It has the version that If-None-Match names."),
        },
        problems=(404,),
    ),
    Endpoint(
        method="DELETE",
        path=_RUN,
        name="delete_run",
        about="Forget a run that has ended, with all that is known of it.",
        handler=_delete,
        tag=_TAG,
        role="admin",
        answers={204: Answer(about="It is gone.")},
        problems=(404, 409),
        audited=True,
    ),
    _act("pause", "Start nothing more until it is unpaused; what runs goes on.", _pause),
    _act("unpause", "Start tasks again.", _unpause),
    _act("cancel", "Stop all that runs and end the run as cancelled.", _cancel, Cancelling),
    _act("promise", "Promise how the graph may still grow.", _promise, PromiseText),
    Endpoint(
        method="GET",
        path=f"{_RUN}/events",
        name="list_events",
        about="Tell what happened; as text/event-stream, live, with Last-Event-ID.",
        handler=_events,
        tag=_TAG,
        query=(AFTER, MANY),
        answers={200: Answer(about="Events in order.", schema=schemas.items(schemas.EVENT))},
        problems=(404,),
    ),
    Endpoint(
        method="GET",
        path=f"{_RUN}/why",
        name="why",
        about="Tell of each task that is not running why it is not.",
        handler=_why,
        tag=_TAG,
        query=(Param("task", "Of this task alone."),),
        answers={200: Answer(about="Reasons.", schema=schemas.items(schemas.REASON))},
        problems=(404,),
    ),
    Endpoint(
        method="GET",
        path=f"{_RUN}/picture",
        name="get_picture",
        about="Draw a run: what is there, and what may still come.",
        handler=_picture,
        tag=_TAG,
        query=(
            Param("format", "The format.", default="svg", choices=tuple(schemas.PICTURES)),
            _AT,
            Param("unfold", "Also draw how this hole may be filled; `all` is each.", "texts", ()),
        ),
        answers={200: Answer(about="The picture.", media=tuple(schemas.PICTURES.values()))},
        problems=(404, 501),
    ),
    Endpoint(
        method="GET",
        path=f"{_RUN}/graph",
        name="get_graph",
        about="Give a run's graph laid out, as the page draws it.",
        handler=_graph,
        tag=_TAG,
        query=(
            _AT,
            Param("fold", "Fold equal siblings into one.", "flag", default=True),
        ),
        answers={200: Answer(about="The graph.", schema=schemas.GRAPH)},
        problems=(404, 501),
    ),
)
