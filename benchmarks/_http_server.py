"""What is measured over HTTP: ours with runs on its board, or an endpoint that does nothing.

    python benchmarks/_http_server.py BACKEND ours|bare FOLDER RUNS TASKS

It says its URL when it is ready, and ends with its input.
"""

from __future__ import annotations

import sys
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


async def serve_app(app: Any) -> None:
    """Serve until the input ends."""
    until = anyio.Event()
    async with anyio.create_task_group() as group:
        urls = await group.start(serve, app, "127.0.0.1", 0, until)
        print(urls[0].rpartition(" ")[2], flush=True)
        await anyio.to_thread.run_sync(sys.stdin.read)
        until.set()


async def main(way: str, folder: str, runs: int, tasks: int) -> None:
    """Serve one of both."""
    if way == "bare":
        await serve_app(Starlette(routes=[Route("/{path:path}", answer, methods=["POST"])]))
        return
    flows = [flow(tasks, chained=False), flow(tasks, chained=True)]
    store = SqliteStore(Path(folder) / "store.db")
    async with callboard.Engine(store, workflows=flows) as engine:
        for _ in range(runs):
            await engine.start("wide")
        await serve_app(engine.asgi(rate=None, page=False))


if __name__ == "__main__":
    backend, way, folder, runs, tasks = sys.argv[1:]
    anyio.run(main, way, folder, int(runs), int(tasks), backend=backend)
