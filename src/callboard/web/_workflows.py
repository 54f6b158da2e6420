"""Workflows that can be started by their name: those of the program, and those that were stored."""

from __future__ import annotations

from typing import Any, Final

from starlette.responses import Response

from ..registry import Definition
from ..workflow import Picture, WorkflowSpec, picture_of_spec
from ..workflow._results import iso
from . import _schemas as schemas
from ._endpoint import PAGING, Answer, Call, Endpoint, Param, json_response, page_of
from ._pictures import drawn
from ._problems import Problem, bad_request

_TAG: Final = "workflows"
_NAME: Final = "/api/v1/workflows/{name}"
_VERSION: Final = Param(
    "version", "Which version of it; the newest if not given.", "number", least=1
)


def definition_view(found: Definition, *, whole: bool = False) -> dict[str, Any]:
    """Return a definition as JSON; whole: with its text."""
    view: dict[str, Any] = {
        "name": found.name,
        "version": found.version,
        "hash": found.hash,
        "description": found.description,
        "inputs": found.inputs,
        "tasks": found.tasks,
        "source": found.source,
        "deprecated": found.deprecated,
        "code": list(found.code),
        "stored_at": iso(found.stored_at),
        "by": found.by,
    }
    if whole:
        view["definition"] = found.text
    return view


async def _list(call: Call[None]) -> Response:
    query = call.query
    definitions = call.engine.registry.definitions
    page = await definitions.list(limit=query["limit"], offset=query["offset"])
    items = [definition_view(each) for each in page.items]
    return json_response(page_of(items, page.total, query))


async def _store(call: Call[bytes]) -> Response:
    try:
        text = call.body.decode()
    except UnicodeDecodeError as error:
        raise bad_request([f"the definition is not UTF-8: {error}"]) from error
    media = call.request.headers.get("content-type", "")
    found, created = await call.engine.registry.definitions.store(
        text,
        "json" if "json" in media else "yaml",
        call.by,
        may_run_code=call.who.may("admin"),
    )
    return json_response(definition_view(found, whole=True), 201 if created else 200)


async def _get(call: Call[None]) -> Response:
    found = await call.engine.registry.definitions.get(call.path["name"], call.query["version"])
    return json_response(definition_view(found, whole=True))


async def _versions(call: Call[None]) -> Response:
    found = await call.engine.registry.definitions.versions(call.path["name"])
    return json_response({"items": [definition_view(each) for each in found]})


async def _deprecate(call: Call[None]) -> Response:
    found = await call.engine.registry.definitions.deprecate(call.path["name"])
    return json_response(definition_view(found))


async def _picture(call: Call[None]) -> Response:
    name, version = call.path["name"], call.query["version"]
    workflow = await call.engine.registry.workflow(name, version)
    if not isinstance(workflow, WorkflowSpec):
        raise Problem(
            409,
            f"workflow {name!r} is made by a function when it is started: its runs have pictures",
            kind="made_at_start",
        )
    shown: Picture = picture_of_spec(workflow)
    return await drawn(shown, call.query["format"])


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/api/v1/workflows",
        name="list_workflows",
        about="List the workflows that can be started by name, each with its newest version.",
        handler=_list,
        tag=_TAG,
        query=PAGING,
        answers={200: Answer(about="Workflows.", schema=schemas.listed(schemas.WORKFLOW))},
    ),
    Endpoint(
        method="POST",
        path="/api/v1/workflows",
        name="store_workflow",
        about="Store a definition, YAML or JSON; the same text again is nothing new.",
        handler=_store,
        tag=_TAG,
        role="operate",
        body=bytes,
        answers={
            201: Answer(about="It is a new version.", schema=schemas.WORKFLOW),
            200: Answer(about="It was there.", schema=schemas.WORKFLOW),
        },
        problems=(409,),
        audited=True,
        body_max=16 * 1024 * 1024,
    ),
    Endpoint(
        method="GET",
        path=_NAME,
        name="get_workflow",
        about="Show a workflow with its text.",
        handler=_get,
        tag=_TAG,
        query=(_VERSION,),
        answers={200: Answer(about="The workflow.", schema=schemas.WORKFLOW)},
        problems=(404,),
    ),
    Endpoint(
        method="GET",
        path=f"{_NAME}/versions",
        name="list_versions",
        about="List all versions of a stored workflow, the newest first.",
        handler=_versions,
        tag=_TAG,
        answers={200: Answer(about="Versions.", schema=schemas.items(schemas.WORKFLOW))},
        problems=(404,),
    ),
    Endpoint(
        method="GET",
        path=f"{_NAME}/picture",
        name="get_workflow_picture",
        about="Draw a workflow as it would begin.",
        handler=_picture,
        tag=_TAG,
        query=(
            Param("format", "The format.", default="svg", choices=tuple(schemas.PICTURES)),
            _VERSION,
        ),
        answers={200: Answer(about="The picture.", media=tuple(schemas.PICTURES.values()))},
        problems=(404, 409, 501),
    ),
    Endpoint(
        method="DELETE",
        path=_NAME,
        name="deprecate_workflow",
        about="Let nobody start a workflow any more; its runs go on, and it stays to be seen.",
        handler=_deprecate,
        tag=_TAG,
        role="operate",
        answers={200: Answer(about="It is deprecated.", schema=schemas.WORKFLOW)},
        problems=(404, 409),
        audited=True,
    ),
)
