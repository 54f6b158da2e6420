"""The application on a port, for as long as whoever serves it wants."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.abc

from ..workflow import StoreError, UsageError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

GRACE_SECONDS: Final = 5.0
"""How long requests that are being served may take when the server closes."""


async def serve(
    app: ASGIApp,
    host: str,
    port: int,
    until: anyio.Event,
    *,
    task_status: anyio.abc.TaskStatus[list[str]] = anyio.TASK_STATUS_IGNORED,
) -> None:
    """Serve an application until an event is set; started, it tells its URLs.

    Args:
        app: What is served.
        host: The name or the address that it listens on.
        port: The port; 0 is any that is free.
        until: When it ends.
        task_status: Hears of the URLs when connections are accepted.

    Raises:
        UsageError: ``callboard[serve]`` is not installed.
        StoreError: the address cannot be used.
    """
    try:
        import anycorn
    except ModuleNotFoundError as lacking:
        raise UsageError("anycorn is not installed: pip install 'callboard[serve]'") from lacking
    config = anycorn.Config()
    config.bind = [f"[{host}]:{port}" if ":" in host else f"{host}:{port}"]
    config.graceful_timeout = GRACE_SECONDS
    config.include_server_header = False
    config.accesslog = None
    config.errorlog = logging.getLogger("callboard.web")
    try:
        served: Any = _with_lifespan(app)
        await anycorn.serve(served, config, shutdown_trigger=until.wait, task_status=task_status)
    except OSError as error:
        raise StoreError(f"{config.bind[0]} cannot be listened on: {error}") from error


def _with_lifespan(app: ASGIApp) -> ASGIApp:
    """Return an application that says yes to being started and ended: ours has nothing to do."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await app(scope, receive, send)
            return
        kind = ""
        while kind != "lifespan.shutdown":
            kind = (await receive())["type"]
            await send({"type": f"{kind}.complete"})

    return call
