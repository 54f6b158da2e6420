"""What is measured over HTTP: ours with runs on its board, or an endpoint that does nothing.

    python benchmarks/_http_server.py BACKEND ours|bare FOLDER RUNS TASKS

It says its URL when it is ready, and ends with its input.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import callboard
from callboard.storage import SqliteStore
from callboard.web import serve
from callboard.workflow import TaskSpec, WorkflowSpec

ANSWER = b'{"leases":[{"fence":"0","needs":{}}],"results":[{"ok":true}],"closed":true}'


async def answer(request: Request) -> Response:
    """Read a request and answer what is always the same."""
    await request.body()
    return Response(ANSWER, media_type="application/json")


def flow(tasks: int, *, chained: bool) -> WorkflowSpec:
    """Return tasks for workers, side by side or one after another."""
    return WorkflowSpec(
        name="chain" if chained else "wide",
        tasks=tuple(
            TaskSpec(
                id=f"t{number}",
                name="work",
                kind="step",
                needs=(f"t{number - 1}",) if chained and number else (),
            )
            for number in range(tasks)
        ),
    )


@asynccontextmanager
async def _served(app: Any) -> AsyncGenerator[str]:
    until = anyio.Event()
    async with anyio.create_task_group() as group:
        urls = await group.start(serve, app, "127.0.0.1", 0, until)
        try:
            yield urls[0].rpartition(" ")[2]
        finally:
            until.set()


@asynccontextmanager
async def serving(way: str, folder: Path, runs: int, tasks: int) -> AsyncGenerator[str]:
    """Serve one of both until the block is left; give its URL."""
    if way == "bare":
        app = Starlette(routes=[Route("/{path:path}", answer, methods=["POST"])])
        async with _served(app) as url:
            yield url
        return
    flows = [flow(tasks, chained=False), flow(tasks, chained=True)]
    async with callboard.Engine(SqliteStore(folder / "store.db"), workflows=flows) as engine:
        for _ in range(runs):
            await engine.start("wide")
        async with _served(engine.asgi(rate=None, page=False)) as url:
            yield url


async def main(way: str, folder: Path, runs: int, tasks: int) -> None:
    """Serve until the input ends."""
    async with serving(way, folder, runs, tasks) as url:
        print(url, flush=True)
        await anyio.to_thread.run_sync(sys.stdin.read)


if __name__ == "__main__":
    backend, way, folder, runs, tasks = sys.argv[1:]
    anyio.run(main, way, Path(folder), int(runs), int(tasks), backend=backend)
