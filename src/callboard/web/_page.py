"""The page: one HTML file and what it loads, plain files of this package.

Every address in it is relative to the document, so it works under whatever prefix the application
is mounted.  What it loads stands in a folder named after its content: browsers keep it for ever,
and a new version is another folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from .._frozen import frozen
from . import page

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What the page may load and do: only what comes from where it came from itself."""

KINDS: Final[Mapping[str, str]] = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
}
HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_FOR_EVER: Final = "public, max-age=31536000, immutable"
_INDEX: Final = "index.html"
_HERE: Final = "page/"
"""How the document names the folder that it loads from, before its content has a name."""


def page_routes() -> list[Route]:
    """Return the routes of the page: the document, and what it loads."""
    return [
        Route("/", _document, methods=["GET"]),
        Route("/page/{version}/{name}", _part, methods=["GET"]),
        Route("/favicon.ico", _icon, methods=["GET"]),
    ]


@frozen
class _Page:
    """The files of the page.

    Attributes:
        version: Changes with the content of any of them.
        document: The HTML, which names that version.
    """

    version: str
    document: bytes
    parts: Mapping[str, bytes]


@cache
def _page() -> _Page:
    """Read the files once: they do not change while a program runs."""
    found = {
        each.name: each.read_bytes()
        for each in files(page).iterdir()
        if each.name.rpartition(".")[2] in KINDS
    }
    digest = hashlib.blake2b(digest_size=8)
    for name, content in sorted(found.items()):
        digest.update(f"{name} {len(content)} ".encode() + content)
    version = digest.hexdigest()
    document = found.pop(_INDEX).replace(f'"{_HERE}'.encode(), f'"{_HERE}{version}/'.encode())
    return _Page(version, document, found)


def _answer(content: bytes, name: str, caching: str, tag: str, request: Request) -> Response:
    headers = {**HEADERS, "Cache-Control": caching, "ETag": f'"{tag}"'}
    if request.headers.get("if-none-match") == f'"{tag}"':
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type=KINDS[name.rpartition(".")[2]])


async def _document(request: Request) -> Response:
    """Give the document, which asks each time whether there is a newer one."""
    found = _page()
    return _answer(found.document, _INDEX, "no-cache", found.version, request)


async def _part(request: Request) -> Response:
    found = _page()
    name = request.path_params["name"]
    content = found.parts.get(name)
    if content is None or request.path_params["version"] != found.version:
        return Response("there is no such file in this version of the page", status_code=404)
    return _answer(content, name, _FOR_EVER, found.version, request)


async def _icon(request: Request) -> Response:
    """Lead whoever asks for an icon by the usual name to ours."""
    del request
    return RedirectResponse(f"page/{_page().version}/icon.svg")
