"""Tasks of a run: look, and act on one."""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

from starlette.responses import Response

from .._frozen import frozen
from ..storage import Store
from ..workflow import Refused, Run, Task, TaskState
from . import _schemas as schemas
from ._endpoint import PAGING, Answer, Call, Endpoint, Param, json_response, page_of
from ._runs import AFTER, MANY
from ._views import line_view, task_item, task_view, told_by

_TAG: Final = "tasks"
_RUN: Final = "/api/v1/runs/{run}"
_TASK: Final = "/api/v1/runs/{run}/tasks/{task}"
_LINES_AT_ONCE: Final = 10_000
"""How many lines of a task are read from the store at a time."""


async def _list(call: Call[None]) -> Response:
    run = await (await call.engine.get(call.path["run"])).run()
    query = call.query
    states = {TaskState(each) for each in query["state"]}
    found = [
        task
        for task in run.tasks.values()
        if (not states or task.state in states)
        and query["label"] in (None, task.spec.name)
        and (query["search"] is None or query["search"].lower() in task.id.lower())
    ]
    part = found[query["offset"] : query["offset"] + query["limit"]]
    return json_response(page_of([task_item(task) for task in part], len(found), query))


async def _get(call: Call[None]) -> Response:
    handle = await call.engine.get(call.path["run"])
    return await _shown(call, await handle.run())


async def _shown(call: Call[Any], run: Run) -> Response:
    task = _task(run, call.path["task"])
    headers = {"etag": f'"{run.version}"'}
    told = await _told(call.engine.store, run, task)
    return json_response(task_view(run, task, told), headers=headers)


async def _told(store: Store, run: Run, task: Task) -> dict[str, Any]:
    """Return what the progress of a task's present generation has told of its data."""
    told: dict[str, Any] = {}
    after = 0
    while lines := await store.logs(run.id, task.id, after, _LINES_AT_ONCE):
        after = lines[-1].number
        for line in lines:
            if line.generation == task.generation:
                told.update(told_by(line))
    return told


def _task(run: Run, name: str) -> Task:
    task = run.tasks.get(name)
    if task is None:
        raise Refused(f"run {run.id!r} has no task {name!r}", kind="unknown")
    return task


async def _logs(call: Call[None]) -> Response:
    run = await call.engine.full_id(call.path["run"])
    query = call.query
    if "text/event-stream" in call.request.headers.get("accept", ""):
        from ._streams import log_stream

        return log_stream(call, run)
    lines = await call.engine.store.logs(run, query["task"], query["after"], query["limit"])
    return json_response({"items": [line_view(line) for line in lines]})


# --- acting ---------------------------------------------------------------------------------------


Settled: TypeAlias = Literal["succeeded", "not_ready", "failed", "skipped", "cancelled"]


@frozen(kw_only=True)
class Value:
    """What a waiting task is told."""

    value: Any


@frozen(kw_only=True)
class Outcome:
    """What became of a task, and its output."""

    state: Settled
    output: Any = None


async def _restart(call: Call[None]) -> Response:
    handle = await call.engine.get(call.path["run"])
    await handle.restart(call.path["task"], by=call.by)
    return await _shown(call, await handle.run())


async def _answer(call: Call[Value]) -> Response:
    handle = await call.engine.get(call.path["run"])
    await handle.answer(call.path["task"], call.body.value, by=call.by)
    return await _shown(call, await handle.run())


async def _settle(call: Call[Outcome]) -> Response:
    handle = await call.engine.get(call.path["run"])
    body = call.body
    await handle.settle(call.path["task"], body.state, body.output, by=call.by)
    return await _shown(call, await handle.run())


def _act(name: str, about: str, handler: Any, body: type[Any] | None) -> Endpoint:
    return Endpoint(
        method="POST",
        path=f"{_TASK}/{name}",
        name=f"{name}_task",
        about=about,
        handler=handler,
        tag=_TAG,
        role="operate",
        body=body,
        answers={200: Answer(about="The task now.", schema=schemas.TASK)},
        problems=(404, 409, 504),
        audited=True,
    )


ENDPOINTS: Final = (
    Endpoint(
        method="GET",
        path=f"{_RUN}/tasks",
        name="list_tasks",
        about="List a run's tasks in the order of their creation.",
        handler=_list,
        tag=_TAG,
        query=(
            Param("state", "In one of these states.", "texts", (), choices=tuple(TaskState)),
            Param("label", "With this label."),
            Param("search", "With this in its id."),
            *PAGING,
        ),
        answers={200: Answer(about="Tasks.", schema=schemas.listed(schemas.TASK_ITEM))},
        problems=(404,),
    ),
    Endpoint(
        method="GET",
        path=_TASK,
        name="get_task",
        about="Show all about a task; `data` is what progress has told, over its inputs.",
        handler=_get,
        tag=_TAG,
        answers={200: Answer(about="The task.", schema=schemas.TASK)},
        problems=(404,),
    ),
    _act("restart", "Do a task and all behind it anew.", _restart, None),
    _act("answer", "Tell a waiting task what it waits for.", _answer, Value),
    _act("settle", "Set a task's outcome by hand.", _settle, Outcome),
    Endpoint(
        method="GET",
        path=f"{_RUN}/logs",
        name="list_logs",
        about="Give what tasks wrote, oldest first; as text/event-stream, live.",
        handler=_logs,
        tag=_TAG,
        query=(Param("task", "Of this task alone."), AFTER, MANY),
        answers={200: Answer(about="Lines.", schema=schemas.items(schemas.LINE))},
        problems=(404,),
    ),
)
