"""The board: what may be claimed, claiming it, and what its holder says afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final

import anyio
from starlette.requests import Request
from starlette.responses import Response

from .._frozen import frozen
from ..registry import Who, runs_code
from ..supervisor import Board, Claim, Offer, Wanted
from ..workflow import CallboardError, Creation, Refused, StaleFence, commands as c
from . import _schemas as schemas
from ._endpoint import PAGING, Answer, Call, Endpoint, Param, json_response, limited, page_of
from ._kept import KEPT_SECONDS
from ._problems import bad_request
from ._saying import COMMANDS_MAX, say_all
from ._views import lease_view

_TAG: Final = "board"
WAIT_SECONDS_MAX: Final = 60.0
AGAIN_SECONDS: Final = 5.0
"""How often it is looked again for whom a waiting worker may claim."""

LEASE_SECONDS_MAX: Final = 86_400.0
CLAIMS_MAX: Final = 100
SEQ_MAX: Final = 2**53 - 1
"""The largest whole number that every reader of JSON knows."""


# --- the board ------------------------------------------------------------------------------------


async def _list(call: Call[None]) -> Response:
    query = call.query
    owners = await call.shared.owners()
    owner = call.who.owner or query["owner"]
    wanted = Wanted(
        labels=query["label"] or None,
        topic=query["topic"],
        job=query["job"],
        fits=None if owner is None else lambda each: owners.get(_label(each)) == owner,
    )
    found = [each for each in call.engine.tree.board.offers if wanted.matches(each)]
    part = found[query["offset"] : query["offset"] + query["limit"]]
    items = [_offer(each, owners.get(_label(each))) for each in part]
    return json_response(page_of(items, len(found), query))


def _label(offer: Offer) -> str:
    return offer.lease.spec.name


def _offer(offer: Offer, owner: str | None) -> dict[str, Any]:
    run, spec = offer.actor.run, offer.lease.spec
    return {
        "run": run.id,
        "task": offer.task.id,
        "label": spec.name,
        "kind": spec.kind,
        "workflow": run.spec.name,
        "topic": run.topic,
        "job": run.job,
        "pool": spec.options.pool,
        "priority": spec.options.priority,
        "owner": owner,
    }


# --- claiming -------------------------------------------------------------------------------------


@frozen(kw_only=True)
class Claiming:
    """What a worker can do, and for how long it asks.

    Attributes:
        worker: What it is called.
        labels: Labels of tasks; all if not given.
        pools: Only tasks of these pools.
        owner: The group of workers that it belongs to; tasks of other groups are not for it.
        topic: Only tasks of this topic.
        job: Only tasks of this job.
        wait: Seconds that the answer may take if there is nothing to do yet.
        lease: Seconds that the claim lives without a word from the worker.
        max: How many tasks at most.
    """

    worker: str = limited(minLength=1)
    labels: list[str] | None = None
    pools: list[str] | None = None
    owner: str | None = None
    topic: str | None = None
    job: str | None = None
    wait: float = limited(0.0, minimum=0, maximum=WAIT_SECONDS_MAX)
    lease: float = limited(60.0, minimum=1, maximum=LEASE_SECONDS_MAX)
    max: int = limited(1, minimum=1, maximum=CLAIMS_MAX)


def _check(asked: Claiming) -> None:
    errors = [
        f"{name} must be from {least:g} to {most:g}, not {value:g}"
        for name, value, least, most in (
            ("wait", asked.wait, 0, WAIT_SECONDS_MAX),
            ("lease", asked.lease, 1, LEASE_SECONDS_MAX),
            ("max", asked.max, 1, CLAIMS_MAX),
        )
        if not least <= value <= most
    ]
    if not asked.worker:
        errors.append("worker must not be empty")
    if errors:
        raise bad_request(errors)


async def _claim(call: Call[Claiming]) -> Response:
    asked = call.body
    _check(asked)
    board, closing = call.engine.tree.board, call.engine.tree.closing
    claims: list[Claim] = []
    failure: CallboardError | None = None
    gone = anyio.Event()
    async with anyio.create_task_group() as group:
        group.start_soon(_until_gone, call.request, gone)
        group.start_soon(_until_set, gone, group.cancel_scope)
        group.start_soon(_until_set, closing, group.cancel_scope)
        try:
            await _gather(call, asked, claims)
        except CallboardError as error:
            failure = error
        group.cancel_scope.cancel()
    if failure is not None and not claims:
        raise failure
    if gone.is_set():
        await _give_back(board, claims, "its worker hung up")
    return json_response({"leases": [_lease(call, each) for each in claims]})


async def _gather(call: Call[Claiming], asked: Claiming, claims: list[Claim]) -> None:
    """Claim what there is, and wait for the first of it."""
    claims += await _first(call, asked)
    while 0 < len(claims) < asked.max:
        wanted = await _wanted(call, asked)
        another = await call.engine.tree.board.claim(wanted, asked.worker, 0.0, asked.lease)
        if another is None:
            return
        claims.append(another)


async def _wanted(call: Call[Claiming], asked: Claiming) -> Wanted:
    owners = await call.shared.owners()
    owner = call.who.owner or asked.owner
    return Wanted(
        labels=asked.labels,
        pools=asked.pools,
        topic=asked.topic,
        job=asked.job,
        fits=lambda each: owners.get(_label(each)) == owner,
    )


async def _first(call: Call[Claiming], asked: Claiming) -> list[Claim]:
    """Return one claim, or none when the wait is over.

    Meanwhile labels may have gone to other owners, and who asks may be known no more: it is asked
    every now and then, and before anything is given.
    """
    board, until = call.engine.tree.board, anyio.current_time() + asked.wait
    while True:
        wanted = await _wanted(call, asked)
        began = anyio.current_time()
        wait = min(until - began, AGAIN_SECONDS)
        claim = await board.claim(wanted, asked.worker, wait, asked.lease)
        if claim is None:
            if began + wait >= until:
                return []
            await call.admit()
        elif anyio.current_time() - began < KEPT_SECONDS or await _is_still_for(call, asked, claim):
            return [claim]


async def _is_still_for(call: Call[Claiming], asked: Claiming, claim: Claim) -> bool:
    """Whether a claim may be given to who asked for it a while ago; if not it is given back.

    Raises:
        Problem: who asks is known no more.
    """
    label, mine = claim.lease.spec.name, False
    try:
        owners = await call.shared.owners()
        who = await call.admit()
        mine = owners.get(label) == (who.owner or asked.owner)
    finally:
        if not mine:
            with anyio.CancelScope(shield=True):
                await _give_back(call.engine.tree.board, [claim], "it is not for this worker")
    return mine


async def _until_gone(request: Request, gone: anyio.Event) -> None:
    """Hear that a worker has hung up: nobody waits any more."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    gone.set()


async def _until_set(event: anyio.Event, scope: anyio.CancelScope) -> None:
    await event.wait()
    scope.cancel()


async def _give_back(board: Board, claims: Sequence[Claim], why: str) -> None:
    """Put back what a worker got that must not have it."""
    for claim in claims:
        lease = claim.lease
        back = c.Stopped(task=lease.task, fence=lease.fence, note=why)
        # What cannot be given back goes back by itself, when its lease is over.
        with suppress(CallboardError):
            await board.say(lease.fence, back)


def _lease(call: Call[Any], claim: Claim) -> dict[str, Any]:
    lease = claim.lease
    does: dict[str, Any] | None = None
    if call.engine.tree.is_elsewhere(lease.spec):
        options = lease.spec.options
        does = {
            "kind": lease.spec.kind,
            "config": dict(lease.config),
            "env": None if lease.env is None else dict(lease.env),
            "folder": lease.workflow.folder,
            "cwd": options.cwd,
            "stop": {"grace": options.stop.grace, "term": options.stop.term},
            # They are in what it is given anyway; so it can keep them out of what it tells.
            "secrets": list(lease.secrets.values),
        }
    return lease_view(claim, does=does)


# --- what its holder says -------------------------------------------------------------------------


@frozen(kw_only=True)
class Saying:
    """What the holder of a lease says.

    Attributes:
        seq: A number of its own, larger with each; said again it gets the first answer.
        commands: Messages, as a task's process says them, in order; or ``release``.
    """

    seq: int = limited(minimum=0, maximum=SEQ_MAX)
    commands: list[dict[str, Any]] = limited(items=schemas.COMMAND, maxItems=COMMANDS_MAX)


async def _check_owner(call: Call[Any]) -> None:
    """Refuse a worker of one group what another group holds."""
    claim = call.engine.tree.board.claims.get(call.path["fence"])
    if claim is None or call.who.owner is None:
        return
    owners = await call.shared.owners()
    if owners.get(claim.lease.spec.name) != call.who.owner:
        raise StaleFence(f"this lease is not one of owner {call.who.owner!r}")


async def _show(call: Call[None]) -> Response:
    await _check_owner(call)
    return json_response(_lease(call, call.engine.tree.board.holder(call.path["fence"])))


async def _say(call: Call[Saying]) -> Response:
    if not 0 <= call.body.seq <= SEQ_MAX:
        raise bad_request(["seq must be a whole number from 0 on"])
    await _check_owner(call)
    engine, fence, body = call.engine, call.path["fence"], call.body
    results = await say_all(engine, fence, body.seq, body.commands, partial(_may_create, call.who))
    closed = fence not in engine.tree.board.claims
    return json_response({"seq": call.body.seq, "results": results, "closed": closed})


def _may_create(who: Who, commands: Sequence[Creation]) -> None:
    """Refuse tasks that would run code on this machine, unless they come from an administrator."""
    if who.may("admin"):
        return
    for each in commands:
        if isinstance(each, c.AddTask) and each.new is not None and runs_code(each.new):
            raise Refused(
                f"task {each.name!r} is done by {each.new.kind!r} on the server: only an "
                "administrator may create that; create one that the definition describes",
                kind="forbidden",
            )


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path="/api/v1/board",
        name="list_board",
        about="List the tasks that may be claimed, the next one first.",
        handler=_list,
        tag=_TAG,
        role=("view", "worker"),
        query=(
            Param("label", "With one of these labels.", "texts", ()),
            Param("topic", "In this topic."),
            Param("job", "In this job."),
            Param("owner", "For this group of workers."),
            *PAGING,
        ),
        answers={200: Answer(about="Tasks.", schema=schemas.listed(schemas.OFFER))},
    ),
    Endpoint(
        method="POST",
        path="/api/v1/board/claim",
        name="claim",
        about="Claim tasks; waits until there is one, or the wait is over.",
        handler=_claim,
        tag=_TAG,
        role="worker",
        body=Claiming,
        answers={200: Answer(about="What was claimed.", schema=schemas.CLAIMED)},
    ),
    Endpoint(
        method="GET",
        path="/api/v1/leases/{fence}",
        name="get_lease",
        about="Give a lease again.",
        handler=_show,
        tag=_TAG,
        role="worker",
        answers={200: Answer(about="The lease.", schema=schemas.LEASE)},
        problems=(409,),
    ),
    Endpoint(
        method="POST",
        path="/api/v1/leases/{fence}/commands",
        name="say",
        about="Report on a task, change its run's graph, end the lease; any word keeps it alive.",
        handler=_say,
        tag=_TAG,
        role="worker",
        body=Saying,
        answers={200: Answer(about="What came of it.", schema=schemas.SAID)},
        problems=(409,),
    ),
)
