"""Pictures of runs and workflows, in all formats of the command line."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.responses import Response

from .._drawing import FORMATS, can_draw, draw
from ..workflow import Picture, Run, UsageError, picture
from ._endpoint import Call
from ._problems import Problem
from ._schemas import PICTURES


async def picture_response(run: Run, call: Call[Any]) -> Response:
    """Return the picture of a run."""
    return await drawn(picture(run, unfold=call.query["unfold"]), call.query["format"])


async def drawn(shown: Picture, kind: str) -> Response:
    """Return a picture in a format.

    Raises:
        Problem: nothing here draws that.
    """
    headers = {
        "cache-control": "no-store",
        "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
    }
    if kind in FORMATS:
        try:
            can_draw(kind)
        except UsageError as lacking:
            raise Problem(501, str(lacking), kind="no_drawing") from lacking
        body = await draw(shown.to_dot(), kind)
    elif kind == "json":
        body = msgspec.json.encode(shown.to_json())
    else:
        body = (shown.to_mermaid() if kind == "mmd" else shown.to_dot()).encode()
    return Response(body, headers=headers, media_type=PICTURES[kind])
