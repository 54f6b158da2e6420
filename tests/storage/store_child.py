"""A process that works on a store, for tests that kill it: ``BACKEND PATH ENGINE ACT [N]``.

It says on standard output what was acknowledged, one line each.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable

import anyio

from callboard.storage import EngineInfo, SqliteStore, Storage
from callboard.testing._store_conformance import created, step


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


async def write(store: SqliteStore, storage: Storage, engine: str, count: int) -> None:
    """Commit ``count`` runs of five events each, ten at a time."""
    limit = anyio.CapacityLimiter(10)

    async def run(name: str) -> None:
        async with limit:
            await storage.commit(created(name, engine))
            say(f"{name} 1")
            for version in range(1, 5):
                await storage.commit(step(name, version, engine))
                say(f"{name} {version + 1}")

    async with anyio.create_task_group() as tg:
        for number in range(count):
            tg.start_soon(run, f"{engine}-{number}")


async def hold(store: SqliteStore, storage: Storage, engine: str, count: int) -> None:
    """Own a run and stay."""
    await storage.commit(created("held", engine))
    say("held 1")
    await anyio.sleep_forever()


async def crash(store: SqliteStore, storage: Storage, engine: str, count: int) -> None:
    """Die of an error while everything is open."""
    await store.wait_changed(0)
    raise RuntimeError("crashed on purpose")


async def cancel(store: SqliteStore, storage: Storage, engine: str, count: int) -> None:
    """Be cancelled while reads and writes are under way."""
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tg:
            for number in range(20):
                tg.start_soon(storage.commit, created(f"r{number}", engine))
                tg.start_soon(store.unowned)
            tg.start_soon(store.wait_changed, 1)
            await store.unowned()
            scope.cancel()
    say("cancelled")


ACTS: dict[str, Callable[[SqliteStore, Storage, str, int], Awaitable[None]]] = {
    "write": write,
    "hold": hold,
    "crash": crash,
    "cancel": cancel,
}


async def main(path: str, engine: str, act: str, count: int) -> None:
    store = SqliteStore(path)
    info = EngineInfo(id=engine, host="thathost", pid=os.getpid(), started_at=1.0)
    async with store.opened(info):
        storage = Storage(store)
        async with anyio.create_task_group() as tg:
            await tg.start(storage.run)
            say("open")
            await ACTS[act](store, storage, engine, count)
            tg.cancel_scope.cancel()


if __name__ == "__main__":
    backend, path, engine, act, *rest = sys.argv[1:]
    anyio.run(main, path, engine, act, int(rest[0]) if rest else 0, backend=backend)
