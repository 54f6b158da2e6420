"""Who may: tokens, and the trail of who did what."""

from __future__ import annotations

from typing import Any, Final, Literal

import attrs
from starlette.responses import Response

from .._frozen import frozen
from ..workflow._results import iso
from . import _schemas as schemas
from ._endpoint import PAGING, Answer, Call, Endpoint, json_response, limited, page_of

_TAG: Final = "access"


@frozen(kw_only=True)
class NewToken:
    """A token.

    Attributes:
        name: What events and the audit trail call whoever has it.
        roles: What they may.
        owner: The group of workers that they belong to.
    """

    name: str = limited(minLength=1)
    roles: list[Literal["view", "operate", "worker", "admin"]] = limited(minItems=1)
    owner: str | None = None


async def _list(call: Call[None]) -> Response:
    query = call.query
    page = await call.engine.registry.tokens.list(limit=query["limit"], offset=query["offset"])
    items: list[dict[str, Any]] = [
        {
            "name": each.name,
            "roles": list(each.roles),
            "owner": each.owner,
            "created_at": iso(each.created_at),
        }
        for each in page.items
    ]
    return json_response(page_of(items, page.total, query))


async def _add(call: Call[NewToken]) -> Response:
    body = call.body
    secret = await call.engine.registry.tokens.add(body.name, body.roles, body.owner)
    told = {"name": body.name, "roles": list(body.roles), "owner": body.owner, "token": secret}
    return json_response(told, 201)


async def _remove(call: Call[None]) -> Response:
    await call.engine.registry.tokens.remove(call.path["name"])
    return Response(status_code=204)


async def _audit(call: Call[None]) -> Response:
    query = call.query
    page = await call.engine.registry.audit.list(limit=query["limit"], offset=query["offset"])
    items = [{**attrs.asdict(each), "at": iso(each.at)} for each in page.items]
    return json_response(page_of(items, page.total, query))


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/api/v1/tokens",
        name="list_tokens",
        about="List tokens, without their secrets.",
        handler=_list,
        tag=_TAG,
        role="admin",
        query=PAGING,
        answers={200: Answer(about="Tokens.", schema=schemas.listed(schemas.TOKEN))},
    ),
    Endpoint(
        method="POST",
        path="/api/v1/tokens",
        name="add_token",
        about="Make a token; its secret is told this once.",
        handler=_add,
        tag=_TAG,
        role="admin",
        body=NewToken,
        answers={201: Answer(about="The token.", schema=schemas.NEW_TOKEN)},
        problems=(404, 409),
        audited=True,
    ),
    Endpoint(
        method="DELETE",
        path="/api/v1/tokens/{name}",
        name="remove_token",
        about="Remove a token; within a second nobody gets in with it.",
        handler=_remove,
        tag=_TAG,
        role="admin",
        answers={204: Answer(about="It is gone.")},
        problems=(404,),
        audited=True,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/audit",
        name="list_audit",
        about="List who did what, the newest first.",
        handler=_audit,
        tag=_TAG,
        role="admin",
        query=PAGING,
        answers={200: Answer(about="Notes.", schema=schemas.listed(schemas.NOTE))},
    ),
)
