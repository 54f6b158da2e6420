"""Jobs: groups of runs in a topic, and drafts, which are plans and nothing more.

A draft is a record of another kind: lists of jobs do not meet it.  Opening one is a few steps, each
of which can be done again: the draft is marked, the job is written, the draft is dropped, and every
planned run is started under an id that follows from the job's.  Whoever opens again what a crash
left half open goes on where it stopped.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, cast

import attrs

from .._frozen import frozen
from ..storage import Record, RunQuery, Store
from ..workflow import (
    ENDED,
    CallboardError,
    DefinitionError,
    Refused,
    RunExists,
    RunState,
    TaskState,
    UnknownRecord,
    UnknownRun,
    UsageError,
    VersionConflict,
    check_id,
)
from ._definitions import Definitions
from ._host import Host, Prepared
from ._shelf import MANY, PAGE, Body, Page, Shelf, Wall
from ._topics import Topic, Topics
from ._totals import JobState, job_state, named, percent

UNFINISHED = frozenset(set(RunState) - ENDED)


@frozen(kw_only=True)
class Planned:
    """A run that a draft will start."""

    workflow: str
    inputs: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    version: int | None = None


@frozen(kw_only=True)
class Job:
    """A group of runs.

    Attributes:
        topic: What it is about; None for a draft.
        version: How often it was changed.
        state: Where it stands, see :data:`JobState`.
        data: What belongs to it, a JSON object.
        plan: The runs that opening it starts, or has started.
        reason: Why it was cancelled.
        runs: How many runs are in each state.
        tasks: How many of their tasks are in each state.
        percent: How much of the known tasks has come to an end.
        changed_at: When it was changed last.
    """

    id: str
    topic: str | None
    version: int
    state: JobState
    data: Mapping[str, Any]
    plan: Sequence[Planned] = ()
    reason: str | None = None
    runs: Mapping[str, int] = attrs.field(factory=dict[str, int])
    tasks: Mapping[str, int] = attrs.field(factory=dict[str, int])
    percent: int = 0
    changed_at: float


class Jobs:
    """The jobs and drafts of a store.

    Args:
        store: Where they are.
        wall: Gives the time of a change.
        topics: The topics of the same store.
        definitions: The workflows that plans name.
        host: Starts and cancels runs.
    """

    def __init__(
        self, store: Store, wall: Wall, topics: Topics, definitions: Definitions, host: Host
    ) -> None:
        self._store = store
        self._jobs = Shelf(store, wall, "job")
        self._drafts = Shelf(store, wall, "draft", "job")
        self._topics = topics
        self._definitions = definitions
        self._host = host

    # ------------------------------------------------------------------ making and changing

    async def create(
        self,
        id: str | None = None,
        *,
        topic: str | None = None,
        data: Mapping[str, Any] | None = None,
        plan: Sequence[Planned] = (),
    ) -> Job:
        """Make a draft, or with a topic a job that is open at once.

        Raises:
            UnknownRecord: there is no such topic.
            Refused: the topic is deprecated.
            VersionConflict: there is a job with this id.
            UsageError, DefinitionError: with a topic: all that is wrong with the plan.
        """
        name = secrets.token_hex(6) if id is None else check_id("the id of a job", id)
        body = {"data": _object(data), "plan": [_plain(each) for each in plan], "topic": None}
        if topic is not None:
            await self._prepare(name, body, await self._open_topic(topic))
        await self._refuse_known(name)
        made = await self._drafts.add(name, body)
        try:
            await self._refuse_known(name)  # It may have been opened and dropped in between.
        except VersionConflict:
            await self._drafts.drop(name, made.version)
            raise
        return await self.open(name, topic) if topic is not None else _draft(made)

    async def _refuse_known(self, id: str) -> None:
        found = await self._jobs.find(id)
        if found is not None:
            raise VersionConflict("job", id, 0, _version(found))

    async def change(
        self,
        id: str,
        version: int,
        *,
        data: Mapping[str, Any] | None = None,
        plan: Sequence[Planned] | None = None,
    ) -> Job:
        """Replace what belongs to a job, or to a draft its plan, too; None leaves it as it is.

        Raises:
            UnknownRecord: there is no such job.
            Refused: the plan of an open job does not change.
            VersionConflict: it has another version.
        """
        record = await self._jobs.find(id)
        new: Body = {} if data is None else {"data": _object(data)}
        if record is None:
            if plan is not None:
                new["plan"] = [_plain(each) for each in plan]
            return _draft(await self._drafts.change(id, version, lambda body: _edited(body, new)))
        if plan is not None:
            raise Refused(f"job {id!r} is open: its plan was carried out; start runs in it instead")
        if _version(record) != version:
            raise VersionConflict("job", id, version, _version(record))
        raw = record.version
        return await self._job(await self._jobs.change(id, raw, lambda body: {**body, **new}))

    async def drop(self, id: str, version: int | None = None) -> None:
        """Remove a draft; nothing of it ever was.

        Raises:
            UnknownRecord: there is no such draft.
            VersionConflict: it has another version than the one that is given.
        """
        found = await self._drafts.get(id)
        await self._drafts.drop(id, found.version if version is None else version)

    async def drop_drafts(self, before: float) -> int:
        """Remove drafts that nobody has changed since then (wall time); return how many."""
        dropped = 0
        for each in await self._drafts.every():
            if each.changed_at < before:
                with suppress(VersionConflict):
                    await self._drafts.drop(each.id, each.version)
                    dropped += 1
        return dropped

    # ------------------------------------------------------------------ opening

    async def open(self, id: str, topic: str | None = None, version: int | None = None) -> Job:
        """Open a draft in a topic and start all that it plans; to do so again does no harm.

        Raises:
            UnknownRecord: there is no such job or topic.
            Refused: the job is open in another topic, or cancelled; or the topic is deprecated.
            UsageError, DefinitionError: all that is wrong with the plan; it stays a draft.
            VersionConflict: it has another version than the one that is given.
        """
        while (record := await self._jobs.find(id)) is None:
            try:
                record = await self._opened(id, topic, version)
                break
            except VersionConflict:
                if version is not None:
                    raise
            except UnknownRecord:
                if await self._jobs.find(id) is None:
                    raise
        if topic not in (None, record.parent):
            raise Refused(f"job {id!r} is open in topic {record.parent!r}, not in {topic!r}")
        _refuse_cancelled(record)
        if not record.body["started"]:
            await self._drop_opened(id)
            await self._start(record)
            record = await self._jobs.change(id, None, lambda body: {**body, "started": True})
        return await self._job(record)

    async def _opened(self, id: str, topic: str | None, version: int | None) -> Record:
        draft = await self._drafts.get(id)
        if version is not None and version != draft.version:
            raise VersionConflict("job", id, version, draft.version)
        chosen = draft.body["topic"] or topic  # One that is being opened has it already.
        if chosen is None:
            raise UsageError(f"job {id!r} is a draft: say in which topic it is to be opened")
        if topic not in (None, chosen):
            raise Refused(f"job {id!r} is being opened in topic {chosen!r}, not in {topic!r}")
        await self._prepare(id, draft.body, await self._open_topic(chosen))
        if draft.body["topic"] is None:
            # From here on nobody changes it: what is opened is what was read.
            draft = await self._drafts.change(
                id, draft.version, lambda body: {**body, "topic": chosen}
            )
        body = {
            "data": draft.body["data"],
            "plan": draft.body["plan"],
            "cancelled": False,
            "reason": None,
            "started": False,
            "before": draft.version,
        }
        try:
            record = await self._jobs.add(id, body, chosen)
        except VersionConflict:
            record = await self._jobs.get(id)  # Somebody else opens it, too.
        return record

    async def _drop_opened(self, id: str) -> None:
        draft = await self._drafts.find(id)
        if draft is not None:
            with suppress(VersionConflict):
                await self._drafts.drop(id, draft.version)

    async def _open_topic(self, topic: str) -> Topic:
        found = await self._topics.get(topic)
        found.refuse_new()
        return found

    async def _prepare(self, id: str, body: Mapping[str, Any], topic: Topic) -> list[Prepared]:
        """Return the planned runs, ready to be started.

        Raises:
            DefinitionError: all that is wrong with them.
        """
        ready: list[Prepared] = []
        errors: list[str] = []
        for number, each in enumerate(body["plan"], 1):
            planned = Planned(**each)
            try:
                workflow = await self._definitions.workflow(planned.workflow, planned.version)
                prepared = self._host.prepare(workflow, (), planned.inputs)
                topic.check_inputs(prepared.given)
                ready.append(prepared)
            except CallboardError as error:
                texts = error.errors if isinstance(error, DefinitionError) else [str(error)]
                errors += [f"planned run {number} of job {id!r}: {text}" for text in texts]
        if errors:
            raise DefinitionError(errors)
        return ready

    async def _start(self, record: Record) -> None:
        topic = await self._topics.get(cast("str", record.parent))
        for number, prepared in enumerate(await self._prepare(record.id, record.body, topic), 1):
            run = f"{record.id}-{number}"
            try:
                await self._host.launch(prepared, run_id=run, topic=topic.id, job=record.id)
            except RunExists as error:
                stored = await self._store.load(run)
                if stored is None or stored.row.job != record.id:
                    raise Refused(
                        f"job {record.id!r} cannot start its planned run {number}: another run "
                        f"has the id {run!r}; remove that one, and open the job again"
                    ) from error
            if not await self.joined(record.id, run):
                return

    # ------------------------------------------------------------------ runs that come later

    async def place(self, id: str, topic: str | None) -> str:
        """Return the topic of a run that is to be started in a job.

        Raises:
            UnknownRecord: there is no such job.
            Refused: it takes no runs, or belongs to another topic.
        """
        record = await self._jobs.find(id)
        if record is None:
            await self._drafts.get(id)
            raise Refused(f"job {id!r} is a draft: open it first, then start runs in it")
        _refuse_cancelled(record)
        found = cast("str", record.parent)
        if topic not in (None, found):
            raise Refused(f"job {id!r} belongs to topic {found!r}, not to {topic!r}")
        return found

    async def joined(self, id: str, run: str) -> bool:
        """Look again after a run was started in a job: one that was cancelled meanwhile takes none.

        Returns whether it takes runs.
        Whoever cancels writes that down first and then looks for runs; who starts one does so first
        and then looks at the job.  One of the two sees the other.
        """
        record = await self._jobs.get(id)
        if record.body["cancelled"]:
            await self._cancel_run(run, _why(record))
        return not record.body["cancelled"]

    async def cancel(self, id: str, reason: str = "cancelled", version: int | None = None) -> Job:
        """Cancel a job's unfinished runs and let no new ones in; to do so again does no harm.

        Raises:
            UnknownRecord: there is no such job.
            Refused: it is a draft.
            VersionConflict: it has another version than the one that is given.
        """
        found = await self._jobs.find(id)
        if found is None:
            await self._drafts.get(id)
            raise Refused(f"job {id!r} is a draft: nothing of it runs; drop it instead")
        if version is not None and not found.body["cancelled"] and version != _version(found):
            raise VersionConflict("job", id, version, _version(found))
        why = reason or "cancelled"

        def edit(body: Body) -> Body:
            return body if body["cancelled"] else {**body, "cancelled": True, "reason": why}

        record = await self._jobs.change(id, None, edit)
        for run in await self._unfinished(id):
            await self._cancel_run(run, _why(record))
        return await self._job(record)

    async def _unfinished(self, id: str) -> list[str]:
        found: list[str] = []
        seen = 0
        while True:
            # Of all its runs, newest first: one that ends meanwhile moves no other to a page that
            # was read already, as it would in a list of those that are unfinished.
            rows = await self._store.runs(RunQuery(job=id, limit=MANY, offset=seen))
            found += [row.run for row in rows if row.state in UNFINISHED]
            seen += len(rows)
            if len(rows) < MANY:
                return found

    async def _cancel_run(self, run: str, reason: str) -> None:
        with suppress(Refused, UnknownRun):  # It has ended meanwhile, or was removed.
            await self._host.cancel(run, reason)

    # ------------------------------------------------------------------ looking

    async def get(self, id: str) -> Job:
        """Return a job or a draft.

        Raises:
            UnknownRecord: there is none with this id.
        """
        record = await self._jobs.find(id)
        return await self._job(record) if record else _draft(await self._drafts.get(id))

    async def list(
        self,
        *,
        topic: str | None = None,
        drafts: bool = False,
        limit: int = PAGE,
        offset: int = 0,
    ) -> Page[Job]:
        """Return jobs in the order of their ids, of one topic or of all; or drafts instead."""
        shelf = self._drafts if drafts else self._jobs
        page = await shelf.page(limit, offset, topic)
        items = [_draft(each) if drafts else await self._job(each) for each in page.items]
        return Page(items=items, total=page.total, limit=limit, offset=offset)

    async def by_state(self, topic: str) -> Mapping[JobState, int]:
        """Return how many jobs of a topic are in each state."""
        runs = await self._store.job_counts(RunQuery(topic=topic))
        found: dict[JobState, int] = {}
        for record in await self._jobs.every(topic):
            state = job_state(runs.get(record.id, {}), cancelled=record.body["cancelled"])
            found[state] = found.get(state, 0) + 1
        return found

    async def _job(self, record: Record) -> Job:
        query = RunQuery(job=record.id)
        runs: Mapping[RunState, int] = await self._store.run_counts(query)
        tasks: Mapping[TaskState, int] = await self._store.task_counts(query)
        state = job_state(runs, cancelled=record.body["cancelled"])
        return Job(
            id=record.id,
            topic=record.parent,
            version=_version(record),
            state=state,
            data=record.body["data"],
            plan=_plan(record),
            reason=record.body["reason"],
            runs=named(runs),
            tasks=named(tasks),
            percent=percent(tasks, state),
            changed_at=record.changed_at,
        )


def _version(record: Record) -> int:
    """Return the version as people see it: it goes on counting when a draft is opened."""
    return record.version + int(record.body["before"])


def _why(record: Record) -> str:
    return f"its job {record.id!r} was cancelled: {record.body['reason']}"


def _refuse_cancelled(record: Record) -> None:
    if record.body["cancelled"]:
        raise Refused(
            f"job {record.id!r} was cancelled ({record.body['reason']}): it takes no runs; "
            "make another job"
        )


def _edited(body: Body, new: Body) -> Body:
    if body["topic"] is not None:
        raise Refused(
            f"this draft is being opened in topic {body['topic']!r}: it does not change any more; "
            "open it again to go on"
        )
    return {**body, **new}


def _object(data: Mapping[str, Any] | None) -> dict[str, Any]:
    if data is not None and not isinstance(cast("object", data), Mapping):
        raise UsageError(f"the data of a job must be a JSON object, not {data!r}")
    return dict(data or {})


def _plain(planned: Planned) -> dict[str, Any]:
    return {
        "workflow": planned.workflow,
        "inputs": dict(planned.inputs),
        "version": planned.version,
    }


def _plan(record: Record) -> tuple[Planned, ...]:
    return tuple(Planned(**each) for each in record.body["plan"])


def _draft(record: Record) -> Job:
    return Job(
        id=record.id,
        topic=None,
        version=record.version,
        state="draft",
        data=record.body["data"],
        plan=_plan(record),
        changed_at=record.changed_at,
    )
