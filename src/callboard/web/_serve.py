"""The application on a port, for as long as whoever serves it wants."""

from __future__ import annotations

import errno
import logging
import socket
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.abc

from .._extras import lacks_extra
from ..workflow import StoreError, UsageError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

GRACE_SECONDS: Final = 5.0
"""How long requests that are being served may take when the server closes."""


def bound(host: str, port: int) -> socket.socket:
    """Return a socket on an address; connections to it are refused until it is served.

    Raises:
        UsageError: there is no such address.
        StoreError: it cannot be had.
    """
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (socket.gaierror, UnicodeError) as error:
        raise UsageError(f"{host!r} is no address to listen on: {error}") from error
    listener = socket.socket(family, kind, proto)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise StoreError(_why_not(error, host, port)) from error
    return listener


def _why_not(error: OSError, host: str, port: int) -> str:
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    match error.errno:
        case errno.EADDRINUSE:
            return f"{where} is taken by another program: end that one, or choose another port"
        case errno.EADDRNOTAVAIL:
            return f"{where} cannot be listened on: {host} is no address of this machine"
        case _:
            return f"{where} cannot be listened on: {error.strerror or error}"


async def serve(
    app: ASGIApp,
    host: str,
    port: int,
    until: anyio.Event,
    *,
    listener: socket.socket | None = None,
    task_status: anyio.abc.TaskStatus[list[str]] = anyio.TASK_STATUS_IGNORED,
) -> None:
    """Serve an application until an event is set; started, it tells its URLs.

    Args:
        app: What is served.
        host: The name or the address that it listens on.
        port: The port; 0 is any that is free.
        until: When it ends.
        listener: What :func:`bound` gave for them, if that was called before; it is closed here.
        task_status: Hears of the URLs when connections are accepted.

    Raises:
        UsageError: the extra ``serve`` is not installed, or there is no such address.
        StoreError: the address cannot be had.
    """
    listener = listener or bound(host, port)
    try:
        import anycorn
    except ModuleNotFoundError as lacking:
        listener.close()
        raise lacks_extra(lacking, "serve") from lacking
    config = anycorn.Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.graceful_timeout = GRACE_SECONDS
    config.include_server_header = False
    config.accesslog = None
    config.errorlog = logging.getLogger("callboard.web")
    served: Any = _with_lifespan(app)
    server: Any = anycorn  # its types are not all there
    try:
        await server.serve(served, config, shutdown_trigger=until.wait, task_status=task_status)
    except OSError as error:
        raise StoreError(_why_not(error, host, port)) from error


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
