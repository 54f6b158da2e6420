"""Looking at runs: nothing here changes a store, makes one, or needs an engine."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from typing import Any, TypeVar, cast

import click

from .._why import explain
from ..storage import LogLine, RunQuery, RunRow, Store
from ..workflow import Event, Reason, Run, RunResult, events as ev
from . import _text as text
from ._event_text import describe, event_json
from ._loop import run_loop
from ._outcome import DONE
from ._reading import find_task, load_run, looking
from ._tables import print_run, print_runs
from ._tracebacks import without_us

_T = TypeVar("_T")

NAME_WIDTH_MAX = 30


def _in_store(url: str, backend: str, work: Callable[[Store], Awaitable[_T]]) -> _T:
    async def inside() -> _T:
        async with looking(url) as store:
            return await work(store)

    return run_loop(inside, backend=backend)


def list_runs(*, limit: int, store: str, backend: str, as_json: bool) -> int:
    """List runs, newest first."""

    async def work(opened: Store) -> tuple[Sequence[RunRow], set[str]]:
        return await opened.runs(RunQuery(limit=limit)), set(await opened.unowned())

    rows, left = _in_store(store, backend, work)
    if as_json:
        click.echo(text.dumps([_row_json(row) for row in rows]))
    elif rows:
        print_runs(rows, left)
    else:
        click.echo("there is no run in this store yet; `callboard run FILE` starts one")
    return DONE


def _row_json(row: RunRow) -> dict[str, Any]:
    return {
        "run": row.run,
        "workflow": row.workflow,
        "state": str(row.state),
        "paused": row.paused,
        "reason": row.reason,
        "parent": row.parent_run,
        "topic": row.topic,
        "job": row.job,
        "started_at": text.iso(row.started_at),
        "ended_at": text.iso(row.ended_at),
        "owner": row.owner,
    }


def show_run(run: str | None, *, store: str, backend: str, as_json: bool) -> int:
    """Show a run and its tasks."""
    found = _in_store(store, backend, lambda opened: load_run(opened, run))
    if as_json:
        click.echo(text.dumps(RunResult.of(found).to_json()))
    else:
        print_run(found)
    return DONE


# --- events and logs ----------------------------------------------------------------------------


def tell_events(run: str | None, *, follow: bool, store: str, backend: str, as_json: bool) -> int:
    """Tell what happened, one line an event."""

    async def work(opened: Store) -> int:
        loaded = await load_run(opened, run)
        await _say_each(_events(opened, loaded, follow=follow), line_of(loaded))
        return DONE

    def line_of(loaded: Run) -> Callable[[tuple[int, Event]], str]:
        def name_of(task: str) -> str:
            return loaded.tasks[task].spec.name if task in loaded.tasks else task

        def line(numbered: tuple[int, Event]) -> str:
            number, event = numbered
            if as_json:
                return text.dumps(event_json(number, event), indent=None)
            return f"{number:5}  {text.clock(event.at)}  {describe(event, name_of)}"

        return line

    return _in_store(store, backend, work)


async def _say_each(items: AsyncGenerator[_T], line: Callable[[_T], str]) -> None:
    async with aclosing(items):
        async for item in items:
            click.echo(line(item))
            sys.stdout.flush()


async def _events(store: Store, run: Run, *, follow: bool) -> AsyncGenerator[tuple[int, Event]]:
    after = seen = 0
    ended = run.ended
    while True:
        while batch := await store.events(run.id, after):
            for number, event in batch:
                after = number
                if number > run.version:
                    ended = isinstance(event, ev.RunEnded)
                yield number, event
        if ended or not follow:
            return
        seen = await store.wait_changed(seen)


def print_logs(
    run: str | None, task: str | None, *, follow: bool, store: str, backend: str, as_json: bool
) -> int:
    """Print what tasks wrote."""

    async def work(opened: Store) -> int:
        loaded = await load_run(opened, run)
        wanted = None if task is None else find_task(loaded, task)
        names = loaded.tasks if wanted is None else [wanted]
        width = min(NAME_WIDTH_MAX, max(map(len, names), default=0))

        def line(each: LogLine) -> str:
            if as_json:
                return text.dumps(_line_json(each), indent=None)
            return _line_text(each, width)

        await _say_each(_lines(opened, loaded, wanted, follow=follow), line)
        if not as_json:
            _tell_tracebacks(await load_run(opened, loaded.id), names, width)
        return DONE

    return _in_store(store, backend, work)


def _tell_tracebacks(run: Run, names: Iterable[str], width: int) -> None:
    """Print where functions that failed did so: they write no log themselves."""
    for name in names:
        task = run.tasks[name]
        detail: Any = None if task.error is None else task.error.detail
        if isinstance(detail, dict) and "traceback" in detail:
            at = text.clock(task.ended_at or run.created_at)
            for line in without_us(str(cast("dict[str, Any]", detail)["traceback"])):
                click.echo(f"{at}  {name:{width}}  {'failure':8}  {line}")


async def _lines(
    store: Store, run: Run, task: str | None, *, follow: bool
) -> AsyncGenerator[LogLine]:
    after = seen = 0
    ended, version = run.ended, run.version
    while True:
        # Whether the run has ended is asked before its lines are read: then none is missed.
        while batch := await store.events(run.id, version):
            version, last = batch[-1]
            ended = isinstance(last, ev.RunEnded)
        while lines := await store.logs(run.id, task, after):
            for line in lines:
                after = line.number
                yield line
        if ended or not follow:
            return
        seen = await store.wait_changed(seen)


def _line_text(line: LogLine, width: int) -> str:
    what = line.text
    if line.stream == "progress" and isinstance(data := line.data, dict):
        fraction: Any = cast("dict[str, Any]", data).get("fraction")
        if isinstance(fraction, (int, float)):
            what = f"{fraction:.0%} {what}".rstrip()
    who = f"{line.task}#{line.attempt}" if line.attempt > 1 else line.task
    return f"{text.clock(line.at)}  {who:{width}}  {line.stream:8}  {what}"


def _line_json(line: LogLine) -> dict[str, Any]:
    return {
        "number": line.number,
        "at": text.iso(line.at),
        "run": line.run,
        "task": line.task,
        "generation": line.generation,
        "attempt": line.attempt,
        "stream": line.stream,
        "text": line.text,
        "data": line.data,
    }


# --- why ----------------------------------------------------------------------------------------


def tell_why(run: str | None, task: str | None, *, store: str, backend: str, as_json: bool) -> int:
    """Tell why tasks are not running."""

    async def work(opened: Store) -> list[Reason]:
        loaded = await load_run(opened, run)
        wanted = None if task is None else find_task(loaded, task)
        return await explain(opened, loaded, wanted)

    for reason in (reasons := _in_store(store, backend, work)):
        if not as_json:
            click.echo(reason.reason)
    if as_json:
        click.echo(text.dumps([reason.to_json() for reason in reasons]))
    return DONE
