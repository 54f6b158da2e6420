"""Topics, jobs and owners: the hierarchy for those who want one.

A topic holds jobs, a job holds runs, a run its tasks; owners are groups of workers, each with its
labels.  What all of it comes to is counted when it is asked for.
"""

from __future__ import annotations

from typing import Any, Final

import attrs
from starlette.responses import Response

from .._frozen import frozen
from ..registry import Job, Owner, Planned, Topic, TopicTotals
from ..workflow._results import iso
from . import _schemas as schemas
from ._endpoint import (
    PAGING,
    Answer,
    Call,
    Endpoint,
    Handler,
    Method,
    Param,
    json_response,
    limited,
    page_of,
)

_TAG: Final = "topics"


# --- topics ---------------------------------------------------------------------------------------


@frozen(kw_only=True)
class NewTopic:
    """A topic; its id is made up if not given.

    Attributes:
        title: What people call it.
        inputs: The JSON Schema that the inputs of its runs must fit.
    """

    id: str | None = limited(None, minLength=1)
    title: str | None = None
    description: str | None = None
    inputs: dict[str, Any] | None = None


@frozen(kw_only=True)
class ChangedTopic:
    """A topic as it is to be from now on.

    Attributes:
        version: The version that it had when it was read.
    """

    version: int
    title: str | None = None
    description: str | None = None
    inputs: dict[str, Any] | None = None


def _topic(topic: Topic) -> dict[str, Any]:
    return {**attrs.asdict(topic, recurse=False), "changed_at": iso(topic.changed_at)}


def _totals(totals: TopicTotals) -> dict[str, Any]:
    return {
        **_topic(totals.topic),
        "totals": {
            "jobs": totals.jobs,
            "runs": totals.runs,
            "tasks": totals.tasks,
            "units": {**attrs.asdict(totals.units), "total": totals.units.total},
        },
    }


async def _list_topics(call: Call[None]) -> Response:
    query = call.query
    page = await call.engine.registry.topics.list(limit=query["limit"], offset=query["offset"])
    return json_response(page_of([_topic(each) for each in page.items], page.total, query))


async def _create_topic(call: Call[NewTopic]) -> Response:
    body = call.body
    made = await call.engine.registry.topics.create(
        body.id, title=body.title, description=body.description, inputs=body.inputs
    )
    return json_response(_topic(made), 201)


async def _get_topic(call: Call[None]) -> Response:
    return json_response(_totals(await call.engine.registry.topic_totals(call.path["topic"])))


async def _change_topic(call: Call[ChangedTopic]) -> Response:
    body = call.body
    changed = await call.engine.registry.topics.change(
        call.path["topic"],
        body.version,
        title=body.title,
        description=body.description,
        inputs=body.inputs,
    )
    return json_response(_topic(changed))


async def _deprecate_topic(call: Call[None]) -> Response:
    return json_response(_topic(await call.engine.registry.topics.deprecate(call.path["topic"])))


# --- jobs -----------------------------------------------------------------------------------------


@frozen(kw_only=True)
class PlannedRun:
    """A run that opening a draft starts."""

    workflow: str
    inputs: dict[str, Any] | None = None
    version: int | None = None

    def planned(self) -> Planned:
        """Return it as the registry knows it."""
        return Planned(workflow=self.workflow, inputs=self.inputs or {}, version=self.version)


@frozen(kw_only=True)
class NewJob:
    """A job; without a topic it is a draft, and nothing of it runs.

    Attributes:
        id: Made up if not given.
        topic: The topic in which it is opened at once.
        data: What belongs to it.
        plan: The runs that opening it starts.
    """

    id: str | None = limited(None, minLength=1)
    topic: str | None = None
    data: dict[str, Any] | None = None
    plan: list[PlannedRun] = attrs.field(factory=list[PlannedRun])


@frozen(kw_only=True)
class ChangedJob:
    """A job as it is to be from now on; what is not said stays.

    Attributes:
        version: The version that it had when it was read.
        plan: For drafts only.
    """

    version: int
    data: dict[str, Any] | None = None
    plan: list[PlannedRun] | None = None


@frozen(kw_only=True)
class Opening:
    """Where a draft is opened."""

    topic: str | None = None
    version: int | None = None


@frozen(kw_only=True)
class CancelledJob:
    """Why a job is cancelled; its runs keep it."""

    reason: str = "cancelled"
    version: int | None = None


def _job(job: Job) -> dict[str, Any]:
    return {
        **attrs.asdict(job, recurse=False),
        "plan": [attrs.asdict(each) for each in job.plan],
        "runs": dict(job.runs),
        "tasks": dict(job.tasks),
        "changed_at": iso(job.changed_at),
    }


async def _list_jobs(call: Call[None]) -> Response:
    query = call.query
    page = await call.engine.registry.jobs.list(
        topic=query["topic"], drafts=query["drafts"], limit=query["limit"], offset=query["offset"]
    )
    return json_response(page_of([_job(each) for each in page.items], page.total, query))


async def _create_job(call: Call[NewJob]) -> Response:
    body = call.body
    plan = [each.planned() for each in body.plan]
    jobs = call.engine.registry.jobs
    made = await jobs.create(body.id, topic=body.topic, data=body.data, plan=plan)
    return json_response(_job(made), 201)


async def _get_job(call: Call[None]) -> Response:
    return json_response(_job(await call.engine.registry.jobs.get(call.path["job"])))


async def _change_job(call: Call[ChangedJob]) -> Response:
    body = call.body
    plan = None if body.plan is None else [each.planned() for each in body.plan]
    jobs = call.engine.registry.jobs
    return json_response(
        _job(await jobs.change(call.path["job"], body.version, data=body.data, plan=plan))
    )


async def _open_job(call: Call[Opening]) -> Response:
    body = call.body
    jobs = call.engine.registry.jobs
    return json_response(_job(await jobs.open(call.path["job"], body.topic, body.version)))


async def _cancel_job(call: Call[CancelledJob]) -> Response:
    body = call.body
    jobs = call.engine.registry.jobs
    return json_response(_job(await jobs.cancel(call.path["job"], body.reason, body.version)))


async def _drop_job(call: Call[None]) -> Response:
    await call.engine.registry.jobs.drop(call.path["job"])
    return Response(status_code=204)


# --- owners ---------------------------------------------------------------------------------------


@frozen(kw_only=True)
class NewOwner:
    """A group of workers; its id is made up if not given.

    Attributes:
        title: What people call it.
        labels: What only its workers do; each label has one owner at most.
    """

    id: str | None = limited(None, minLength=1)
    title: str | None = None
    labels: list[str] = limited(factory=list[str], items={"type": "string", "minLength": 1})


@frozen(kw_only=True)
class ChangedOwner:
    """An owner as it is to be from now on.

    Attributes:
        version: The version that it had when it was read.
    """

    version: int
    title: str | None = None
    labels: list[str] = limited(factory=list[str], items={"type": "string", "minLength": 1})


def _owner(owner: Owner) -> dict[str, Any]:
    return {
        **attrs.asdict(owner, recurse=False),
        "labels": list(owner.labels),
        "changed_at": iso(owner.changed_at),
    }


async def _list_owners(call: Call[None]) -> Response:
    query = call.query
    page = await call.engine.registry.owners.list(limit=query["limit"], offset=query["offset"])
    return json_response(page_of([_owner(each) for each in page.items], page.total, query))


async def _create_owner(call: Call[NewOwner]) -> Response:
    body = call.body
    owners = call.engine.registry.owners
    made = await owners.create(body.id, title=body.title, labels=body.labels)
    return json_response(_owner(made), 201)


async def _get_owner(call: Call[None]) -> Response:
    return json_response(_owner(await call.engine.registry.owners.get(call.path["owner"])))


async def _change_owner(call: Call[ChangedOwner]) -> Response:
    body = call.body
    owners = call.engine.registry.owners
    changed = await owners.change(
        call.path["owner"], body.version, title=body.title, labels=body.labels
    )
    return json_response(_owner(changed))


async def _deprecate_owner(call: Call[None]) -> Response:
    return json_response(_owner(await call.engine.registry.owners.deprecate(call.path["owner"])))


# --- the table ------------------------------------------------------------------------------------


def _look(path: str, name: str, about: str, handler: Handler, schema: schemas.Schema) -> Endpoint:
    return Endpoint(
        method="GET",
        path=path,
        name=name,
        about=about,
        handler=handler,
        tag=_TAG,
        answers={200: Answer(about="As it is now.", schema=schema)},
        problems=(404,),
    )


def _listed(
    path: str,
    name: str,
    about: str,
    handler: Handler,
    schema: schemas.Schema,
    *more: Param,
) -> Endpoint:
    return Endpoint(
        method="GET",
        path=path,
        name=name,
        about=about,
        handler=handler,
        tag=_TAG,
        query=(*more, *PAGING),
        answers={200: Answer(about="A part of the list.", schema=schemas.listed(schema))},
    )


def _act(
    path: str,
    name: str,
    about: str,
    handler: Handler,
    schema: schemas.Schema | None,
    *,
    body: type[Any] | None = None,
    method: Method = "POST",
    status: int = 200,
    needs_body: bool = True,
) -> Endpoint:
    return Endpoint(
        method=method,
        path=path,
        name=name,
        about=about,
        handler=handler,
        tag=_TAG,
        role="operate",
        body=body,
        body_required=needs_body,
        answers={status: Answer(about="It was done.", schema=schema)},
        problems=(404, 409, 504),
        audited=True,
    )


_TOPICS, _JOBS, _OWNERS = "/api/v1/topics", "/api/v1/jobs", "/api/v1/owners"
_A_TOPIC, _A_JOB, _AN_OWNER = f"{_TOPICS}/{{topic}}", f"{_JOBS}/{{job}}", f"{_OWNERS}/{{owner}}"

ENDPOINTS: Final = (
    _listed(_TOPICS, "list_topics", "List topics.", _list_topics, schemas.TOPIC),
    _act(
        _TOPICS,
        "create_topic",
        "Make a topic.",
        _create_topic,
        schemas.TOPIC,
        body=NewTopic,
        status=201,
    ),
    _look(
        _A_TOPIC,
        "get_topic",
        "Show a topic, and what its jobs, runs and tasks come to.",
        _get_topic,
        schemas.TOPIC_TOTALS,
    ),
    _act(
        _A_TOPIC,
        "change_topic",
        "Change a topic of this version.",
        _change_topic,
        schemas.TOPIC,
        body=ChangedTopic,
        method="PUT",
    ),
    _act(
        f"{_A_TOPIC}/deprecate",
        "deprecate_topic",
        "Let no new jobs and runs into a topic.",
        _deprecate_topic,
        schemas.TOPIC,
    ),
    _listed(
        _JOBS,
        "list_jobs",
        "List jobs with what they come to, or drafts instead.",
        _list_jobs,
        schemas.JOB,
        Param("topic", "In this topic."),
        Param("drafts", "Drafts, and no jobs.", "flag", default=False),
    ),
    _act(
        _JOBS,
        "create_job",
        "Make a job in a topic, or without one a draft of which nothing runs.",
        _create_job,
        schemas.JOB,
        body=NewJob,
        status=201,
    ),
    _look(_A_JOB, "get_job", "Show a job and what it comes to.", _get_job, schemas.JOB),
    _act(
        _A_JOB,
        "change_job",
        "Change a job or a draft of this version.",
        _change_job,
        schemas.JOB,
        body=ChangedJob,
        method="PUT",
    ),
    _act(
        _A_JOB,
        "drop_draft",
        "Remove a draft: nothing of it ever was.",
        _drop_job,
        None,
        method="DELETE",
        status=204,
    ),
    _act(
        f"{_A_JOB}/open",
        "open_job",
        "Open a draft in a topic, and start the runs that it plans.",
        _open_job,
        schemas.JOB,
        body=Opening,
        needs_body=False,
    ),
    _act(
        f"{_A_JOB}/cancel",
        "cancel_job",
        "Cancel a job's unfinished runs, and let no new ones in.",
        _cancel_job,
        schemas.JOB,
        body=CancelledJob,
        needs_body=False,
    ),
    _listed(_OWNERS, "list_owners", "List groups of workers.", _list_owners, schemas.OWNER),
    _act(
        _OWNERS,
        "create_owner",
        "Make a group of workers, whose labels are theirs alone.",
        _create_owner,
        schemas.OWNER,
        body=NewOwner,
        status=201,
    ),
    _look(_AN_OWNER, "get_owner", "Show a group of workers.", _get_owner, schemas.OWNER),
    _act(
        _AN_OWNER,
        "change_owner",
        "Change a group of workers of this version.",
        _change_owner,
        schemas.OWNER,
        body=ChangedOwner,
        method="PUT",
    ),
    _act(
        f"{_AN_OWNER}/deprecate",
        "deprecate_owner",
        "Take a group out of use: its labels are anybody's again.",
        _deprecate_owner,
        schemas.OWNER,
    ),
)
