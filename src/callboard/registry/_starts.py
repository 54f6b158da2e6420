"""Starting: where a run belongs, and that a key starts one run however often it is used.

A key is a record that names its run, written before the run is started: whoever finds it knows
which run is meant, and starts it under that id if nobody has.  However many do so at once, in
however many processes, the store lets one of them create it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, Literal, TypeAlias, get_args

import anyio

from .._frozen import frozen
from ..storage import Record, Store
from ..supervisor import Live, new_run_id
from ..workflow import (
    KeyTaken,
    Refused,
    RunExists,
    UnknownRun,
    UsageError,
    VersionConflict,
    check_id,
    check_name,
)
from ._host import Host, Prepared
from ._jobs import Jobs
from ._shelf import Body, Shelf, Wall
from ._topics import Topics

OnExisting: TypeAlias = Literal["existing", "fail", "replace"]
"""What follows when there is a run with this key: it is the answer, or an error is, or it is
cancelled and another one takes its place."""

Prepare: TypeAlias = Callable[[], Awaitable[Prepared]]

_WAYS: Final = get_args(OnExisting)


@frozen(kw_only=True)
class Wish:
    """What somebody wants of a run besides its workflow and its inputs.

    Attributes:
        run_id: Its id.
        topic: What it is about.
        job: The group of runs it belongs to.
        key: Makes this and every other start with the same key one.
        on_existing: What follows when there is a run with this key.
    """

    run_id: str | None = None
    topic: str | None = None
    job: str | None = None
    key: str | None = None
    on_existing: OnExisting = "existing"


@frozen(kw_only=True)
class Started:
    """A run, and whether it was started just now.

    Attributes:
        live: Its actor and state, if it was started here.
    """

    run: str
    created: bool
    live: Live | None = None


class Starts:
    """Starts runs that belong somewhere, or that a key makes unique.

    Args:
        store: Where the keys are.
        wall: Gives the time of a start.
        topics: The topics of the same store.
        jobs: The jobs of the same store.
        host: The engine.
    """

    def __init__(self, store: Store, wall: Wall, topics: Topics, jobs: Jobs, host: Host) -> None:
        self._store = store
        self._wall = wall
        self._keys = Shelf(store, wall, "start_key", "key")
        self._topics = topics
        self._jobs = jobs
        self._host = host

    async def start(self, prepare: Prepare, wish: Wish) -> Started:
        """Start a run, unless its key says that it was started already.

        Args:
            prepare: Makes it ready; called only if a run is to be started.
            wish: What is wanted.

        Raises:
            DefinitionError, UsageError: it cannot be started.
            Refused: its job or topic does not take it.
            RunExists: its id is taken.
            KeyTaken: there is a run with this key, and ``on_existing`` is ``fail``.
        """
        if wish.on_existing not in _WAYS:
            raise UsageError(f"on_existing must be one of {', '.join(_WAYS)}")
        if wish.run_id is not None:
            check_id("the id of a run", wish.run_id)
        if wish.key is not None:
            return await self._start_keyed(prepare, wish, check_name("a key", wish.key))
        prepared = await prepare()
        topic = await self._place(prepared, wish)
        live = await self._host.launch(prepared, run_id=wish.run_id, topic=topic, job=wish.job)
        if wish.job is not None:
            with anyio.CancelScope(shield=True):
                await self._jobs.joined(wish.job, live.id)
        return Started(run=live.id, created=True, live=live)

    async def _place(self, prepared: Prepared, wish: Wish) -> str | None:
        """Return the topic of the run."""
        name = wish.topic if wish.job is None else await self._jobs.place(wish.job, wish.topic)
        topic = None if name is None else await self._topics.find(name)
        if topic is not None:
            topic.refuse_new()
            topic.check_inputs(prepared.given)
        return name

    # ------------------------------------------------------------------ keys

    async def _start_keyed(self, prepare: Prepare, wish: Wish, key: str) -> Started:
        while True:
            found = await self._keys.find(key)
            if found is not None and wish.on_existing != "replace":
                run = found.body["run"]
                if await self._exists(run):
                    return _existing(key, run, wish)
            prepared = await prepare()
            topic = await self._place(prepared, wish)
            try:
                reserved = await self._reserve(found, wish, key)
            except VersionConflict:
                continue  # Somebody else was faster: what he did decides what this one does.
            return await self._fulfil(reserved, prepared, topic, wish)

    async def _exists(self, run: str) -> bool:
        return run in await self._store.find(run)

    async def _reserve(self, found: Record | None, wish: Wish, key: str) -> Record:
        """Return the record of a run that is to be started now."""
        if found is not None and wish.on_existing != "replace":
            return found  # Whoever wrote it has not come to start its run.
        run = wish.run_id or new_run_id(self._wall())
        if wish.run_id is not None and await self._exists(run):
            raise RunExists(run)
        replaced: list[str] = [] if found is None else [*found.body["replaces"], found.body["run"]]
        return await self._keys.put(
            self._keys.record(key, {"run": run, "replaces": replaced}),
            0 if found is None else found.version,
        )

    async def _fulfil(
        self, reserved: Record, prepared: Prepared, topic: str | None, wish: Wish
    ) -> Started:
        run: str = reserved.body["run"]
        for old in reserved.body["replaces"]:
            await self._cancel(old, f"replaced by run {run!r}")
        try:
            live = await self._host.launch(prepared, run_id=run, topic=topic, job=wish.job)
        except RunExists:
            return _existing(reserved.id, run, wish)
        with anyio.CancelScope(shield=True):
            await self._settle(reserved)
            if wish.job is not None:
                await self._jobs.joined(wish.job, run)
        return Started(run=run, created=True, live=live)

    async def _settle(self, reserved: Record) -> None:
        """Look again after a run was started: it may have been replaced before it was there."""
        run = reserved.body["run"]
        now = await self._keys.find(reserved.id)
        if now is None or now.body["run"] != run:
            await self._cancel(run, "replaced while it was being started")
        elif now.body["replaces"]:
            with suppress(VersionConflict):
                body: Body = {"run": run, "replaces": []}
                await self._keys.put(self._keys.record(reserved.id, body), now.version)

    async def _cancel(self, run: str, reason: str) -> None:
        with suppress(Refused, UnknownRun):  # It has ended, or never was.
            await self._host.cancel(run, reason)


def _existing(key: str, run: str, wish: Wish) -> Started:
    if wish.on_existing == "fail":
        raise KeyTaken(key, run)
    return Started(run=run, created=False)
