"""Finds what a person names: the store, a run by the beginning of its id, a task by its name."""

from __future__ import annotations

import difflib
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager

from ..storage import RunQuery, Store, open_store
from ..workflow import Run, UnknownRun, UsageError, fold
from ..workflow._texts import storable

LATEST = "latest"

NAMED_MAX = 10
"""How many runs or tasks are named where several may be meant."""


def open_existing(url: str) -> Store:
    """Return the store of a URL, which must be there already.

    Raises:
        UsageError: it is in memory, where another process finds nothing.
    """
    if url.startswith("memory:"):
        raise UsageError(
            "a store in memory ends with the process that made it, there is nothing to find in it; "
            "name another one with --store"
        )
    return open_store(url, create=False)


@asynccontextmanager
async def looking(url: str) -> AsyncGenerator[Store]:
    """Open a store to look, without an engine; a missing one is not made."""
    store = open_existing(url)
    async with store.opened(None):
        yield store


async def find_run(store: Store, given: str | None) -> str:
    """Return the id of the run that is meant: the latest, or the one whose id begins as given.

    Raises:
        UnknownRun: there is none, or more than one.
    """
    if given is None or given == LATEST:
        return await _latest(store)
    found = await store.find(storable(given))
    if len(found) == 1:
        return found[0]
    if found:
        raise UnknownRun(f"several runs begin with {given!r}: {_some(found)}")
    raise UnknownRun(f"there is no run {given!r} in this store; `callboard runs` lists them")


async def _latest(store: Store) -> str:
    rows = await store.runs(RunQuery(limit=100))
    if not rows:
        raise UnknownRun("there is no run in this store yet; `callboard run FILE` starts one")
    # A run that another one started is seldom the one that a person means.
    return next((row.run for row in rows if row.parent_run is None), rows[0].run)


async def load_run(store: Store, given: str | None, at: int | None = None) -> Run:
    """Return a run as it is stored, as of now or as it was after event ``at``."""
    name = await find_run(store, given)
    stored = await store.load(name)
    if stored is None:
        raise UnknownRun(f"there is no run {name!r} in this store any more")
    if at is not None and at > len(stored.events):
        raise UsageError(f"run {name!r} has {len(stored.events)} events, there is no event {at}")
    return fold(stored.events[:at])


def find_task(run: Run, given: str) -> str:
    """Return the id of the task that has this id, or this name if only one has.

    Raises:
        UsageError: there is none, or more than one.
    """
    if given in run.tasks:
        return given
    named = [task.id for task in run.tasks.values() if task.spec.name == given]
    if len(named) == 1:
        return named[0]
    if named:
        raise UsageError(f"several tasks are named {given!r}: {_some(named)}; give the id")
    raise UsageError(f"run {run.id!r} has no task {given!r}{_nearest(given, run)}")


def _some(names: Sequence[str]) -> str:
    return ", ".join([*names[:NAMED_MAX], *(["…"] if len(names) > NAMED_MAX else [])])


def _nearest(given: str, run: Run) -> str:
    known: Iterable[str] = [*run.tasks, *(task.spec.name for task in run.tasks.values())]
    near = difflib.get_close_matches(given, list(known)[:10_000], n=1)
    return f"; did you mean {near[0]!r}?" if near else "; `callboard show` lists them"
