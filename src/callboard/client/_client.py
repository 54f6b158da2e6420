"""The client: runs, tasks, definitions and the board of a server."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeVar
from urllib.parse import quote

import httpx2
import msgspec

from .._frozen import frozen
from .._values import encode
from ..workflow import Refused, RunExists, RunState, TaskState
from ._http import Http, value_of
from ._lease import ClientLease
from ._records import (
    Event,
    Json,
    LeaseRecord,
    Line,
    Offer,
    Page,
    Reason,
    RunItem,
    RunView,
    TaskItem,
    TaskView,
    WorkflowItem,
)
from ._stream import Stream

_T = TypeVar("_T")

PATIENCE_SECONDS: Final = 60.0


@frozen(kw_only=True)
class _Leases:
    leases: list[LeaseRecord]


@frozen(kw_only=True)
class _Items:
    items: list[dict[str, Any]]
    total: int = 0
    limit: int = 0
    offset: int = 0


def _run(run: str) -> str:
    return f"/api/v1/runs/{quote(run, safe='')}"


def _task(run: str, task: str) -> str:
    return f"{_run(run)}/tasks/{quote(task, safe='')}"


class Client:
    """A client of a server: ``async with Client("http://127.0.0.1:8700") as client``.

    Args:
        url: Where the server is, with its path if it is mounted in another application.
        token: The token, if the server needs one.
        patience: Seconds for which a request is made again while the server is away.  What might
            happen twice by that is made again only if the server has certainly not seen it.
        transport: Carries requests some other way than over the network.
        connections: How many requests may be under way at once; a stream of events is one.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        patience: float = PATIENCE_SECONDS,
        transport: httpx2.AsyncBaseTransport | None = None,
        connections: int = 100,
    ) -> None:
        self.http = Http(url, token, patience, transport, connections)

    async def __aenter__(self) -> Self:
        await self.http.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.http.__aexit__(kind, error, trace)

    async def status(self) -> dict[str, Json]:
        """Return what the engine is at, and who asks."""
        response = await self.http.call("GET", "/api/v1/status", again=True)
        return value_of(response, dict[str, Json])

    # --- definitions ------------------------------------------------------------------------------

    async def workflows(self, *, limit: int = 50, offset: int = 0) -> Page[WorkflowItem]:
        """Return the workflows that the server knows."""
        query = {"limit": limit, "offset": offset}
        return await self._page("/api/v1/workflows", query, WorkflowItem)

    async def workflow(self, name: str, *, version: int | None = None) -> WorkflowItem:
        """Return one workflow, with its text."""
        path = f"/api/v1/workflows/{quote(name, safe='')}"
        response = await self.http.call("GET", path, query={"version": version}, again=True)
        return value_of(response, WorkflowItem)

    async def upload(self, definition: str) -> WorkflowItem:
        """Store a definition, YAML or JSON, as a new version unless it is there as it stands.

        Raises:
            DefinitionError: ``errors`` says all that is wrong.
            Denied: it has tasks that run code on the server, and the token is no administrator's.
        """
        response = await self.http.call(
            "POST",
            "/api/v1/workflows",
            content=definition.encode(),
            headers={"content-type": "application/yaml"},
            again=True,
        )
        return value_of(response, WorkflowItem)

    async def deprecate(self, workflow: str) -> None:
        """Let nobody start a workflow any more."""
        path = f"/api/v1/workflows/{quote(workflow, safe='')}"
        await self.http.call("DELETE", path, again=True)

    # --- runs -------------------------------------------------------------------------------------

    async def start(
        self,
        workflow: str,
        inputs: Mapping[str, Any] | None = None,
        *,
        version: int | None = None,
        run_id: str | None = None,
        topic: str | None = None,
        job: str | None = None,
        key: str | None = None,
        on_existing: Literal["existing", "fail", "replace"] = "existing",
    ) -> RunItem:
        """Start a run and return it when it is stored.

        Args:
            workflow: The name of a workflow that the server knows.
            inputs: What it is given.
            version: Which version of it; the newest if not given.
            run_id: Its id; made up if not given.
            topic: The topic that it belongs to.
            job: The job that it belongs to.
            key: Makes it the same start when it is asked for again, by this client too when the
                connection breaks.
            on_existing: What happens if there is a run with this key: it is returned, this is
                refused, or it is cancelled and replaced.

        Raises:
            DefinitionError, UsageError: the inputs are wrong, or there is no such workflow.
            RunExists: the id is taken.
            Refused: there is a run with this key.
        """
        asked = {
            "workflow": workflow,
            "version": version,
            "inputs": encode(dict(inputs or {})),
            "run_id": run_id,
            "topic": topic,
            "job": job,
        }
        body = {name: value for name, value in asked.items() if value is not None}
        if key is not None:
            body |= {"key": key, "on_existing": on_existing}
        again = key is not None and on_existing == "existing"
        try:
            response = await self.http.call("POST", "/api/v1/runs", body=body, again=again)
        except Refused as refused:
            if refused.kind == "exists" and run_id is not None:
                raise RunExists(run_id) from refused
            raise
        return value_of(response, RunItem)

    async def runs(
        self,
        *,
        state: Sequence[RunState | str] = (),
        workflow: str | None = None,
        topic: str | None = None,
        job: str | None = None,
        search: str | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> Page[RunItem]:
        """Return a page of the list of runs, newest first."""
        query = {
            "state": [str(each) for each in state] or None,
            "workflow": workflow,
            "topic": topic,
            "job": job,
            "search": search,
            "limit": limit,
            "offset": offset,
        }
        return await self._page("/api/v1/runs", query, RunItem)

    async def run(self, run: str, *, brief: bool = False) -> RunView:
        """Return what a run has come to so far.

        Args:
            run: Its id, or the unique beginning of it.
            brief: Without its tasks and all that grows with them.

        Raises:
            UnknownRun: there is none, or more than one.
        """
        query = {"brief": "true" if brief else None}
        response = await self.http.call("GET", _run(run), query=query, again=True)
        return value_of(response, RunView)

    async def result(self, run: str) -> RunView:
        """Return what a run came to when it has ended."""
        async with self.events(run) as events:
            async for _ in events:
                pass
        return await self.run(run)

    async def pause(self, run: str, *, expected: int | None = None) -> RunItem:
        """Start nothing more of a run until it is unpaused.

        Args:
            run: The run.
            expected: The version that it must have; any, if not given.

        Raises:
            Refused: it does not fit, or the run has another version (kind ``version``).
        """
        return await self._act(run, "pause", expected)

    async def unpause(self, run: str, *, expected: int | None = None) -> RunItem:
        """Start tasks of a run again; see :meth:`pause`."""
        return await self._act(run, "unpause", expected)

    async def cancel(
        self, run: str, reason: str = "cancelled", *, expected: int | None = None
    ) -> RunItem:
        """Stop all that runs and end the run as cancelled; see :meth:`pause`."""
        return await self._act(run, "cancel", expected, {"reason": reason})

    async def promise(self, run: str, text: str, *, expected: int | None = None) -> RunItem:
        """Promise how a run's graph may still grow.

        Raises:
            PromiseRefused: it is untrue already, or leaves no way to finish; nothing changed.
        """
        return await self._act(run, "promise", expected, {"text": text})

    async def _act(
        self, run: str, act: str, expected: int | None, body: Mapping[str, Any] | None = None
    ) -> RunItem:
        headers = {} if expected is None else {"if-match": f'"{expected}"'}
        path = f"{_run(run)}/{act}"
        response = await self.http.call("POST", path, body=body, headers=headers)
        return value_of(response, RunItem)

    async def delete(self, run: str) -> None:
        """Forget a run that has ended.

        Raises:
            Refused: it has not ended.
        """
        await self.http.call("DELETE", _run(run))

    # --- looking into a run -----------------------------------------------------------------------

    def events(self, run: str, after: int = 0) -> Stream[Event]:
        """Give a run's events as they come, until it has ended; cut off, it goes on by itself.

        Args:
            run: The run.
            after: The number of the last event that is not wanted.
        """
        return self._stream(f"{_run(run)}/events", {}, after, _event)

    def logs(self, run: str, task: str | None = None, after: int = 0) -> Stream[Line]:
        """Give the lines that tasks of a run write as they come, until it has ended.

        Args:
            run: The run.
            task: A task's id; all tasks if not given.
            after: The number of the last line that is not wanted.
        """
        query = {"task": task}
        return self._stream(f"{_run(run)}/logs", query, after, _line)

    def _stream(
        self, path: str, query: Mapping[str, Any], after: int, read: Callable[[int, Any], _T]
    ) -> Stream[_T]:
        return Stream(self.http, path, query, after, read)

    async def why(self, run: str, task: str | None = None) -> list[Reason]:
        """Tell of each task that is not running (or of one task) why it is not."""
        path = f"{_run(run)}/why"
        response = await self.http.call("GET", path, query={"task": task}, again=True)
        return [_made(each, Reason) for each in value_of(response, _Items).items]

    async def picture(self, run: str, format: str = "svg", *, at: int | None = None) -> bytes:
        """Return the picture of a run as of now, or as it was after an event.

        Args:
            run: The run.
            format: svg, png, pdf, dot, mmd or json.
            at: The number of the event.
        """
        query = {"format": format, "at": at}
        path = f"{_run(run)}/picture"
        return (await self.http.call("GET", path, query=query, again=True)).content

    async def tasks(
        self,
        run: str,
        *,
        state: Sequence[TaskState | str] = (),
        label: str | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> Page[TaskItem]:
        """Return a page of a run's tasks in the order of their creation."""
        states = [str(each) for each in state] or None
        query = {"state": states, "label": label, "limit": limit, "offset": offset}
        return await self._page(f"{_run(run)}/tasks", query, TaskItem)

    async def task(self, run: str, task: str) -> TaskView:
        """Return all about a task.

        Raises:
            Refused: the run has no such task.
        """
        return value_of(await self.http.call("GET", _task(run, task), again=True), TaskView)

    async def restart(self, run: str, task: str) -> TaskView:
        """Do a task and all behind it anew, in whatever state the run is."""
        return await self._act_on(run, task, "restart")

    async def answer(self, run: str, task: str, value: Any) -> TaskView:
        """Tell a waiting task what it waits for; the first answer counts."""
        return await self._act_on(run, task, "answer", {"value": encode(value)})

    async def settle(
        self, run: str, task: str, state: TaskState | str, output: Any = None
    ) -> TaskView:
        """Set a task's outcome by hand."""
        body = {"state": str(state), "output": encode(output)}
        return await self._act_on(run, task, "settle", body)

    async def _act_on(
        self, run: str, task: str, act: str, body: Mapping[str, Any] | None = None
    ) -> TaskView:
        response = await self.http.call("POST", f"{_task(run, task)}/{act}", body=body)
        return value_of(response, TaskView)

    # --- the board --------------------------------------------------------------------------------

    async def board(
        self,
        labels: Collection[str] = (),
        *,
        topic: str | None = None,
        job: str | None = None,
        owner: str | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> Page[Offer]:
        """Return a page of the tasks that may be claimed, the next one first."""
        query = {
            "label": list(labels) or None,
            "topic": topic,
            "job": job,
            "owner": owner,
            "limit": limit,
            "offset": offset,
        }
        return await self._page("/api/v1/board", query, Offer)

    async def claim_all(
        self,
        labels: Collection[str] | None = None,
        *,
        worker: str,
        pools: Collection[str] | None = None,
        owner: str | None = None,
        topic: str | None = None,
        job: str | None = None,
        wait: float = 0.0,
        lease_seconds: float = 60.0,
        limit: int = 1,
        patience: float | None = None,
    ) -> list[LeaseRecord]:
        """Claim tasks and return them as they are: whoever calls renews and ends the leases."""
        asked = {
            "worker": worker,
            "labels": None if labels is None else list(labels),
            "pools": None if pools is None else list(pools),
            "owner": owner,
            "topic": topic,
            "job": job,
        }
        body: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
        body |= {"wait": wait, "lease": lease_seconds, "max": limit}
        response = await self.http.call(
            "POST", "/api/v1/board/claim", body=body, again=True, slow=wait, patience=patience
        )
        return value_of(response, _Leases).leases

    def claim(
        self,
        labels: Collection[str] | str | None = None,
        *,
        worker: str = "client",
        pools: Collection[str] | None = None,
        owner: str | None = None,
        topic: str | None = None,
        job: str | None = None,
        wait: float = 0.0,
        lease_seconds: float = 60.0,
    ) -> AbstractAsyncContextManager[ClientLease | None]:
        """Claim a task: ``async with client.claim(...) as lease``; None if there is none.

        While the block is entered its lease is renewed.  If that is refused, because the task was
        cancelled or given to somebody else, the block is cancelled and StaleFence raised.  Leaving
        it without having said how it went releases the task; by an exception, fails it.

        Args:
            labels: What tasks are called; all if not given.
            worker: Who claims.
            pools: Only tasks of these pools.
            owner: The group of workers that it belongs to.
            topic: Only tasks of this topic.
            job: Only tasks of this job.
            wait: Seconds to wait for a task at most.
            lease_seconds: How long the claim lives without a word.
        """
        wanted = [labels] if isinstance(labels, str) else labels
        return self._claimed(
            wanted,
            worker=worker,
            pools=pools,
            owner=owner,
            topic=topic,
            job=job,
            wait=wait,
            lease_seconds=lease_seconds,
        )

    @asynccontextmanager
    async def _claimed(
        self, labels: Collection[str] | None, **asked: Any
    ) -> AsyncGenerator[ClientLease | None]:
        found = await self.claim_all(labels, **asked)
        if not found:
            yield None
            return
        async with ClientLease(self.http, found[0]).held() as lease:
            yield lease

    # --- lists ------------------------------------------------------------------------------------

    async def _page(self, path: str, query: Mapping[str, Any], of: type[_T]) -> Page[_T]:
        found = value_of(await self.http.call("GET", path, query=query, again=True), _Items)
        return Page(
            items=[_made(each, of) for each in found.items],
            total=found.total,
            limit=found.limit,
            offset=found.offset,
        )


def _event(number: int, said: dict[str, Any]) -> Event:
    return Event(number=number, kind=str(said["kind"]), fields=said)


def _line(_: int, said: dict[str, Any]) -> Line:
    return _made(said, Line)


def _made(value: Any, of: type[_T]) -> _T:
    return msgspec.convert(value, of)
