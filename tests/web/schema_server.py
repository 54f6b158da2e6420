"""An application on a port of its own, until its input ends: what ``test_schema`` asks."""

from __future__ import annotations

import sys
from typing import Any

import anyio
import attrs
from starlette.requests import Request

import callboard as cb
from callboard import testing
from callboard.definitions import loads
from callboard.web import Who, _board
from callboard.web._serve import serve

FLOWS = (
    "workflow: small\ntasks: [{name: a}, {name: b, needs: [a]}]\n",
    "workflow: grows\ntasks: [{name: plan, external: {grows: true}}, {name: ask, input: {}}]\n",
)


async def everybody(_: Request) -> Who:
    """Whoever asks may do all."""
    return Who("schema", ("admin",))


async def main() -> None:
    """Serve, and say where."""
    flows = [loads(text, "flow.yaml") for text in FLOWS]
    played = testing.Script().executors("function", "python", "shell", "http", "container", "wait")
    until = anyio.Event()
    async with cb.Engine("memory:", workflows=flows, executors=played) as engine:
        first = _board._first

        async def first_soon(call: Any, asked: _board.Claiming) -> Any:
            # Nobody wants to wait here.
            return await first(call, attrs.evolve(asked, wait=min(asked.wait, 0.02)))

        _board._first = first_soon
        for flow in flows:
            await engine.start(flow, run_id=f"r-{flow.name}")
        app: Any = engine.asgi(authorize=everybody, rate=None, page=False)
        async with anyio.create_task_group() as group:
            urls = await group.start(serve, app, "127.0.0.1", 0, until)
            sys.stdout.write(urls[0].rpartition(" ")[2] + "\n")
            sys.stdout.flush()
            await anyio.to_thread.run_sync(sys.stdin.read)
            until.set()


if __name__ == "__main__":
    anyio.run(main)
