"""Server-sent events: a run as it changes, logs as they come, and that anything has changed.

Whoever was cut off says the number of the last event that it had (``Last-Event-ID``), and misses
nothing: events and lines come from the store, by number.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final

import anyio
import msgspec
from starlette.responses import StreamingResponse
from starlette.types import Send

from .._following import changes_of
from ..storage import Store
from ..supervisor import NOTHING
from ..workflow import Event, Run, Task, events as ev
from ._endpoint import Call
from ._graph import structure_of
from ._problems import Problem, bad_request
from ._views import event_view, item_of, line_view, task_item

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from ..engine import Engine

BEAT_SECONDS: Final = 15.0
"""After how long a word is said that means nothing, so that both sides see the other is there."""

RETRY_MS: Final = 2_000
"""After how long a client that was cut off asks again."""

TASKS_MAX: Final = 2_000
"""A run of more tasks is told by counts when a stream of it begins."""

CHANGES_SECONDS: Final = 0.25
"""How often it is told at most that runs have changed."""

LOGS_SECONDS: Final = 0.25
"""How often new lines are looked for."""

OTHERS_SECONDS: Final = 2.0
"""How often it is told at most that others have written something."""

ADMITTED_SECONDS: Final = 0.5
"""How long whoever reads a stream is not asked again whether they may."""

BURST_SECONDS: Final = 0.05
"""How long what follows upon a burst of events is gathered."""

_BURST: Final = 500


def _sse(name: str | None, data: Any, number: int | None = None) -> bytes:
    lines: list[bytes] = []
    if number is not None:
        lines.append(b"id: %d" % number)
    if name is not None:
        lines.append(b"event: " + name.encode())
    # JSON has no line breaks of its own.
    lines.append(b"data: " + msgspec.json.encode(data))
    return b"\n".join(lines) + b"\n\n"


class _Stream(StreamingResponse):
    """A stream whose source is closed when its reader is gone: Starlette leaves it lying."""

    def __init__(self, chunks: AsyncGenerator[bytes]) -> None:
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        super().__init__(chunks, media_type="text/event-stream", headers=headers)
        self._chunks = chunks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            with anyio.CancelScope(shield=True):
                await self._chunks.aclose()


def _stream(call: Call[None], chunks: AsyncGenerator[bytes]) -> StreamingResponse:
    return _Stream(_admitted(call, chunks))


async def _admitted(call: Call[None], chunks: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    """Give chunks as long as whoever reads them may; end with the engine."""
    yield b"retry: %d\n\n" % RETRY_MS
    admitted = anyio.current_time()
    async with aclosing(chunks):
        async for chunk in chunks:
            now = anyio.current_time()
            if now - admitted >= ADMITTED_SECONDS:
                admitted = now
                try:
                    await call.admit()
                except Problem:
                    return  # Asking again they are told why.
            yield chunk
            if call.engine.tree.closing.is_set():
                return


def _last(call: Call[None]) -> int:
    """Return the number behind which a stream goes on."""
    text = call.request.headers.get("last-event-id", "").strip()
    if not text:
        return int(call.query["after"])
    if not (text.isascii() and text.isdecimal() and len(text) < 16):  # noqa: PLR2004
        raise bad_request([f"Last-Event-ID must be the number of an event, not {text!r}"])
    return int(text)


# --- a run ----------------------------------------------------------------------------------------


def run_stream(call: Call[None], run: str) -> StreamingResponse:
    """Return a run's events as they come, and after each burst what has changed by them."""
    return _stream(call, _run_chunks(call.engine, run, _last(call)))


async def _run_chunks(engine: Engine, run_id: str, after: int) -> AsyncGenerator[bytes]:
    tree, seen, whole = engine.tree, NOTHING, True
    while not tree.closing.is_set():
        live = tree.live.get(run_id)
        # Whatever comes after this moment is noticed: nothing is missed between two looks.
        with changes_of(live) as changed:
            events = await engine.store.events(run_id, after, _BURST)
            for number, event in events:
                after = number
                yield _sse(event.kind, event_view(number, event), number)
            if whole or events:
                run = await (await engine.get(run_id)).run()
                told = _state(run, [event for _, event in events], whole=whole)
                yield _sse("state", {**told, "structure": structure_of(run)})
                whole = False
                if run.ended and after >= run.version:
                    yield _sse("end", {"run": item_of(run)})
                    return
                # Many commits in a moment are told together: what is told costs more than a commit.
                await anyio.sleep(BURST_SECONDS)
                continue
            woken = False
            with anyio.move_on_after(BEAT_SECONDS):
                if live is None or live.done.is_set():
                    seen = await tree.stirring.wait(seen)
                else:
                    await changed.wait()
                woken = True
        if not woken:
            yield b": beat\n\n"


def _state(run: Run, events: list[Event], *, whole: bool) -> dict[str, Any]:
    """Return a run and those of its tasks that have changed, or counts where these are too many."""
    told: dict[str, Any] = {"run": item_of(run)}
    if whole and len(run.tasks) > TASKS_MAX:
        told["counts"] = {str(state): number for state, number in run.counts.items() if number}
        return told
    names = dict.fromkeys(run.tasks) if whole else _touched(run, events)
    told["tasks"] = {name: task_item(run.tasks[name]) for name in names if name in run.tasks}
    return told


def _touched(run: Run, events: list[Event]) -> dict[str, None]:
    """Return the tasks that events may have changed: their own, and those behind them."""
    found: dict[str, None] = {}
    for event in events:
        task = getattr(event, "task", None)
        if task is not None:
            found[task] = None
        found.update(dict.fromkeys(getattr(event, "tasks", ())))
        new = getattr(event, "new", None)
        if new is not None:
            found[new.id] = None
    for name in list(found):
        known = run.tasks.get(name)
        if known is not None:
            found.update((each.id, None) for each in _behind(known))
    return found


def _behind(task: Task) -> list[Task]:
    """Return the tasks directly behind one, also those behind a hole."""
    found: list[Task] = []
    stack, seen = list(task.after), set(task.after)
    while stack:
        each = stack.pop()
        if isinstance(each, Task):
            found.append(each)
            continue
        for later in each.after:
            if later not in seen:
                seen.add(later)
                stack.append(later)
    return found


# --- logs -----------------------------------------------------------------------------------------


def log_stream(call: Call[None], run: str) -> StreamingResponse:
    """Return what tasks write as it comes; it ends with the run."""
    return _stream(call, _log_chunks(call.engine, run, call.query["task"], _last(call)))


async def _log_chunks(
    engine: Engine, run_id: str, task: str | None, after: int
) -> AsyncGenerator[bytes]:
    run = await (await engine.get(run_id)).run()
    ended, version, quiet = run.ended, run.version, 0.0
    while not engine.tree.closing.is_set():
        # Asked in this order: what a run wrote before its end is there when its end is.
        for number, event in await engine.store.events(run_id, version):
            version, ended = number, isinstance(event, ev.RunEnded)
        lines = await engine.store.logs(run_id, task, after, _BURST)
        for line in lines:
            after = line.number
            yield _sse("line", line_view(line), line.number)
        if len(lines) == _BURST:
            continue
        if ended:
            yield _sse("end", {})
            return
        # Lines ride on commits and wake nobody: they are looked for.
        await anyio.sleep(LOGS_SECONDS)
        quiet = 0.0 if lines else quiet + LOGS_SECONDS
        if quiet >= BEAT_SECONDS:
            quiet = 0.0
            yield b": beat\n\n"


# --- anything -------------------------------------------------------------------------------------


def change_stream(call: Call[None]) -> StreamingResponse:
    """Return that runs have changed, at most a few times a second."""
    return _stream(call, _change_chunks(call.engine))


async def _change_chunks(engine: Engine) -> AsyncGenerator[bytes]:
    tree = engine.tree
    told, seen, looked, spoken = -1, 0, -math.inf, anyio.current_time()
    while not tree.closing.is_set():
        now, before = anyio.current_time(), (told, seen)
        # What this engine changes it counts; of others it is known only that they have written.
        told = tree.changes
        if now - looked >= OTHERS_SECONDS:
            looked, seen = now, await _written(engine.store, seen)
        if (told, seen) != before:
            spoken = now
            yield _sse("changed", {})
        elif now - spoken >= BEAT_SECONDS:
            spoken = now
            yield b": beat\n\n"
        await anyio.sleep(CHANGES_SECONDS)


async def _written(store: Store, seen: int) -> int:
    """Return another number than ``seen`` if others have written since; it waits for nothing."""
    with anyio.move_on_after(0):
        return await store.wait_changed(seen)
    return seen
