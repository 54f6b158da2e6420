"""A real browser, and the engine at which it looks through a line that can be cut."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.from_thread
import attrs
from playwright.async_api import Browser, Page, ViewportSize, async_playwright
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

import callboard as cb
from callboard.registry import Who
from callboard.web._serve import serve

ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--in-process-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
TOKEN = "a-token"
PATIENCE_MS = 10_000


class Line:
    """An application behind a line that can be cut: what streams ends, and nothing is served."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._scopes: set[anyio.CancelScope] = set()
        self.is_cut = False
        self.asked: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            query = scope["query_string"].decode()
            self.asked.append(f"{scope['method']} {scope['path']}{'?' if query else ''}{query}")
            if self.is_cut:
                await PlainTextResponse("cut", 503)(scope, receive, send)
                return
        with anyio.CancelScope() as cancel:
            self._scopes.add(cancel)
            try:
                await self._app(scope, receive, send)
            finally:
                self._scopes.discard(cancel)
        if cancel.cancelled_caught:
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    @property
    def streams(self) -> int:
        """How many requests are being served: those of pages that look on."""
        return len(self._scopes)

    def cut(self) -> None:
        """End what is being served, and serve nothing any more."""
        self.is_cut = True
        for each in self._scopes:
            each.cancel()

    def mend(self) -> None:
        """Serve again."""
        self.is_cut = False


@attrs.define(eq=False)
class Site:
    """An engine, where it is served, and the browser that looks at it."""

    portal: anyio.from_thread.BlockingPortal
    engine: cb.Engine
    line: Line
    url: str
    browser: Browser
    handles: list[cb.RunHandle] = attrs.field(factory=list[cb.RunHandle])

    @asynccontextmanager
    async def page(self, path: str = "", **options: Any) -> AsyncGenerator[Page]:
        """Open a page in a browser that knows nothing yet; whatever it complains of is an error."""
        wrong: list[str] = []
        given: dict[str, Any] = {"reduced_motion": "reduce", **options}
        size = ViewportSize(width=1280, height=800)
        context = await self.browser.new_context(viewport=size, **given)
        try:
            page = await context.new_page()
            page.set_default_timeout(PATIENCE_MS)
            page.on("pageerror", lambda error: wrong.append(str(error)))
            page.on(
                "console",
                lambda said: (
                    wrong.append(said.text)
                    if said.type in ("error", "warning") and "status of" not in said.text
                    else None
                ),
            )
            await page.goto(self.url + path)
            yield page
        finally:
            await context.close()
        assert not wrong, wrong

    async def start(self, name: str, *args: Any, **options: Any) -> cb.RunHandle:
        """Start a run, which ends with the test at the latest."""
        handle = await self.engine.start(name, *args, **options)
        self.handles.append(handle)
        return handle

    async def do(self, label: str, output: Any = None) -> None:
        """Do a task on the board, as a worker would."""
        async with self.engine.claim([label], wait=5) as lease:
            assert lease is not None, f"nobody may claim {label!r}"
            await lease.success(output)

    async def end(self) -> None:
        """End what a test has started, so that the next one finds an empty board."""
        self.line.mend()
        while self.handles:
            await self.handles.pop().cancel_and_wait()


async def _authorize(request: Any) -> Who | None:
    given = request.headers.get("authorization") == f"Bearer {TOKEN}"
    return Who("ada", ("operate",)) if given else None


async def _view(request: Any) -> Who | None:
    del request
    return Who("guest", ("view",))


@asynccontextmanager
async def open_site(
    portal: anyio.from_thread.BlockingPortal, workflows: Sequence[Any], chromium: str
) -> AsyncGenerator[Site]:
    """Serve an engine, and start the browser."""
    async with cb.Engine("memory:", workflows=workflows, grace=0.1, concurrency=8) as engine:
        app = Starlette(
            routes=[
                Mount("/flows", engine.asgi()),
                Mount("/guarded", engine.asgi(authorize=_authorize)),
                Mount("/viewed", engine.asgi(authorize=_view)),
                Mount("/", engine.asgi()),
            ]
        )
        line, until = Line(app), anyio.Event()
        async with anyio.create_task_group() as group:
            urls = await group.start(serve, line, "127.0.0.1", 0, until)
            url = urls[0].rpartition(" ")[2].rstrip("/") + "/"
            async with async_playwright() as playwright:
                browser = await playwright.chromium.launch(
                    executable_path=chromium, args=list(ARGUMENTS)
                )
                yield Site(portal, engine, line, url, browser)
                await browser.close()
            line.cut()
            until.set()


def in_browser(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Make a test of an asynchronous function that is run where the browser is, on asyncio."""

    @functools.wraps(test)
    def run(site: Site, **given: Any) -> None:
        async def inside() -> None:
            try:
                await test(site=site, **given)
            finally:
                await site.end()

        site.portal.call(inside)

    assert "site" in inspect.signature(test).parameters
    return run
