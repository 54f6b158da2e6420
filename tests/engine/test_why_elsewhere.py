"""Why a task has not begun, asked of an engine that does not own its run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio

import callboard as cb
from callboard import testing
from callboard.storage import LogLine, Store, TaskRow, Transition
from callboard.workflow import TaskOptions, TaskSpec, WorkflowSpec

Opens = Callable[..., AbstractAsyncContextManager[cb.Engine]]
NewStore = Callable[[], Store]


def task(name: str, *needs: str, kind: str = "shell", **options: Any) -> TaskSpec:
    fields = {key: options.pop(key) for key in ("config",) if key in options}
    chosen = TaskOptions(**options)
    return TaskSpec(id=name, name=name, kind=kind, needs=needs, options=chosen, **fields)


def flow(*tasks: TaskSpec, **settings: Any) -> WorkflowSpec:
    return WorkflowSpec(name="flow", tasks=tasks, **settings)


class Noting(testing.FaultyStore):
    """Notes the rows of tasks that each commit writes."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self.commits: list[list[TaskRow]] = []

    async def commit(
        self, transitions: Sequence[Transition], lines: Sequence[LogLine] = ()
    ) -> None:
        if transitions:
            self.commits.append([row for each in transitions for row in each.tasks])
        await super().commit(transitions, lines)


async def why(engine: cb.Engine, run: str, name: str) -> tuple[str, str]:
    (reason,) = await (await engine.get(run)).why(name)
    return reason.code, reason.reason


async def test_what_an_engine_lacks_is_told_by_another_one(opens: Opens) -> None:
    script = testing.Script(default=testing.succeed(after=1), lacks=["b"])
    async with opens(executors=script.executors()) as owner, opens() as other:
        handle = await owner.start(flow(task("a"), task("b", "a")))
        await anyio.sleep(5)
        code, words = await why(other, handle.id, "b")
        assert code == "blocked"
        assert f"engine {owner.tree.id!r} (process" in words
        assert words.endswith("says: needs 'b', which this script lacks")
        assert (await why(owner, handle.id, "b"))[1].endswith(
            "not been started yet: needs 'b', which this script lacks"
        )
        script.lacks.clear()
        owner.tree.look()
        assert (await handle.result()).state == "succeeded"


async def test_a_reason_that_has_gone_is_not_told_any_more(opens: Opens) -> None:
    script = testing.Script({"long": testing.succeed(after=60)}, lacks=["b"])
    async with opens(executors=script.executors(), concurrency=1) as owner, opens() as other:
        handle = await owner.start(flow(task("first"), task("long", "first"), task("b")))
        await script.until_started("long")
        assert (await why(other, handle.id, "b"))[0] == "blocked"
        script.lacks.clear()
        owner.tree.look()
        # The reason leaves the store with the next commit, whatever that is for.
        await handle.pause()
        await handle.unpause()
        code, words = await why(other, handle.id, "b")
        assert (code, "lacks" in words) == ("slot", False)
        assert (await handle.result()).state == "succeeded"


async def test_the_reason_of_an_engine_that_is_gone_is_not_told(
    opens: Opens, durable: bool
) -> None:
    if not durable:
        return
    able, unable = testing.Script(default=testing.succeed(after=60)), testing.Script(lacks=["b"])
    async with opens(executors=unable.executors()) as first:
        run = (await first.start(flow(task("b")))).id
        await anyio.sleep(1)
    async with opens(executors=able.executors(), concurrency=1) as second, opens() as other:
        await second.start(flow(task("a")))
        await able.until_started("a")
        handle = await second.resume(run)
        code, words = await why(other, run, "b")
        assert (code, "lacks" in words) == ("slot", False)
        assert (await handle.result()).state == "succeeded"


async def test_who_takes_up_a_run_and_lacks_the_same_says_so_itself(
    opens: Opens, durable: bool
) -> None:
    if not durable:
        return
    script = testing.Script(lacks=["b"])
    async with opens(executors=script.executors()) as first:
        run = (await first.start(flow(task("b")))).id
        await anyio.sleep(1)
    async with opens(executors=script.executors()) as second, opens() as other:
        handle = await second.resume(run)
        await anyio.sleep(1)
        code, words = await why(other, run, "b")
        assert (code, f"engine {second.tree.id!r}" in words) == ("blocked", True)
        await handle.cancel()


async def test_a_task_settled_by_hand_while_it_could_not_begin_is_forgotten(opens: Opens) -> None:
    script = testing.Script(lacks=["b"])
    async with opens(executors=script.executors()) as engine:
        handle = await engine.start(flow(task("b"), task("ask", kind="input")))
        await handle.settle("b", "succeeded", 1)
        await anyio.sleep(60)
        assert engine.tree.live[handle.id].resting
        await handle.answer("ask", 1)
        assert (await handle.result()).state == "succeeded"


async def test_reasons_ride_on_commits_and_cost_none_of_their_own(
    opens: Opens, new_store: NewStore
) -> None:
    script = testing.Script(default=testing.succeed(after=1), lacks=["c"])
    plain, blocked = Noting(new_store()), Noting(new_store())
    async with opens(plain, executors=script.executors()) as engine:
        result = await engine.run(flow(task("a"), task("b", "a"), task("d", "b")))
    assert result.state == "succeeded"
    async with opens(blocked, executors=script.executors()) as engine:
        handle = await engine.start(flow(task("a"), task("b", "a"), task("d", "b"), task("c")))
        await anyio.sleep(60)
        rows = [row for commit in blocked.commits for row in commit]
        assert [row.reason for row in rows if row.task == "c"] == [
            "needs 'c', which this script lacks"
        ]
        assert len(blocked.commits) == len(plain.commits)
        await handle.cancel()
    assert {row.reason for commit in plain.commits for row in commit} == {None}
