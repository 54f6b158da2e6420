"""`store check` and `store migrate`."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import anyio.to_thread
import attrs
import click

from ..storage import RunQuery, Store
from ..workflow import CallboardError, Run, fold
from . import _text as text
from ._loop import run_loop
from ._outcome import BROKEN, DONE
from ._reading import looking

RUNS_MAX = 1_000_000_000


@attrs.define
class _Found:
    runs: int = 0
    events: int = 0
    problems: list[str] = attrs.field(factory=list[str])


def check_store(*, store: str, backend: str, as_json: bool) -> int:
    """Read every run, fold its events anew, and compare with what the tables say."""
    found = run_loop(_check, store, backend=backend)
    if as_json:
        click.echo(text.dumps(attrs.asdict(found)))
    else:
        for problem in found.problems:
            click.echo(problem, err=True)
        verdict = "sound" if not found.problems else text.count(len(found.problems), "problem")
        runs, events = text.count(found.runs, "run"), text.count(found.events, "event")
        click.echo(f"{store}: {runs}, {events}: {verdict}")
    return BROKEN if found.problems else DONE


async def _check(url: str) -> _Found:
    found = _Found()
    async with looking(url) as store:
        found.problems.extend(await anyio.to_thread.run_sync(_damage, url))
        for row in await store.runs(RunQuery(limit=RUNS_MAX)):
            found.runs += 1
            try:
                await _check_run(store, row.run, found)
            except CallboardError as error:
                found.problems.append(f"run {row.run}: {error}")
    return found


def _damage(url: str) -> list[str]:
    """Return what SQLite itself finds wrong with its file."""
    if not url.startswith("sqlite:///"):
        return []
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as database:
        told = [str(line) for (line,) in database.execute("PRAGMA quick_check")]
    return [] if told == ["ok"] else told


async def _check_run(store: Store, name: str, found: _Found) -> None:
    stored = await store.load(name)
    if stored is None:
        return  # It was removed meanwhile.
    found.events += len(stored.events)
    run = fold(stored.events)
    if (run.state, run.paused) != (stored.row.state, stored.row.paused):
        found.problems.append(
            f"run {name}: its events say {run.state}, its row says {stored.row.state}"
        )
    if run.version == stored.row.version:
        # A living engine may have written in between; only what belongs together is compared.
        found.problems.extend(await _differences(store, run))


async def _differences(store: Store, run: Run) -> list[str]:
    rows = {row.task: row for row in await store.tasks(run.id)}
    again = await store.load(run.id)
    if again is None or again.row.version != run.version:
        return []
    problems = [f"run {run.id}: task {name} has no row" for name in run.tasks if name not in rows]
    for name, row in rows.items():
        task = run.tasks.get(name)
        if task is None or (task.state, task.generation) != (row.state, row.generation):
            state: Any = "nothing" if task is None else task.state
            problems.append(
                f"run {run.id}: task {name}: its events say {state}, its row says {row.state}"
            )
    return problems


def migrate_store(*, store: str, backend: str, as_json: bool) -> int:
    """Open the store, which brings its tables up to date."""
    run_loop(_open, store, backend=backend)
    if as_json:
        click.echo(text.dumps({"store": store, "current": True}))
    else:
        click.echo(f"{store} is up to date")
    return DONE


async def _open(url: str) -> None:
    async with looking(url):
        pass
