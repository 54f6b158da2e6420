"""The board: who claims what, how claims live and end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio
import anyio.lowlevel
import pytest

import callboard as cb
from callboard import testing
from callboard.storage import LogLine
from callboard.supervisor import Claim, Signed, Wanted
from callboard.workflow import (
    Refused,
    Retry,
    StaleFence,
    TaskOptions,
    TaskSpec,
    VersionConflict,
    WorkflowSpec,
    commands as c,
)

Opens = Callable[..., AbstractAsyncContextManager[cb.Engine]]


def task(name: str, *needs: str, kind: str = "shell", **options: Any) -> TaskSpec:
    fields = {key: options.pop(key) for key in ("config", "inputs", "when") if key in options}
    chosen = TaskOptions(**options)
    return TaskSpec(id=name, name=name, kind=kind, needs=needs, options=chosen, **fields)


def flow(*tasks: TaskSpec, **settings: Any) -> WorkflowSpec:
    return WorkflowSpec(name="flow", tasks=tasks, **settings)


def on_board(*names: str, **options: Any) -> WorkflowSpec:
    return flow(*(task(name, kind="external", **options) for name in names))


async def test_a_claim_is_done_and_its_output_stored(opens: Opens) -> None:
    spec = flow(task("a", kind="external", inputs={"x": 1}), task("b", "a", kind="step"))
    async with opens() as engine:
        handle = await engine.start(spec)
        async with engine.claim(["a"], worker="w1", wait=5) as lease:
            assert lease is not None
            assert (lease.task, lease.label, lease.run, lease.inputs) == (
                "a",
                "a",
                handle.id,
                {"x": 1},
            )
            assert (await handle.snapshot()).tasks["a"].state == "running"
            await lease.log("at it")
            await lease.progress(0.5, "half")
            await lease.success({"y": 2})
            assert lease.closed
        async with engine.claim("b", wait=5) as lease:
            assert lease is not None
            assert {name: need.output for name, need in lease.needs.items()} == {"a": {"y": 2}}
            await lease.success()
        result = await handle.result()
        lines = await handle.logs()
    assert result.state == "succeeded"
    assert result.tasks["a"].output == {"y": 2}
    assert [(line.stream, line.text) for line in lines] == [("log", "at it"), ("progress", "half")]


async def test_claims_come_by_priority_then_age_and_only_with_the_label(opens: Opens) -> None:
    tasks = [
        task("a", kind="external"),
        task("b", kind="external", priority=1),
        task("c", kind="step"),
    ]
    got: list[str] = []
    async with opens() as engine:
        handle = await engine.start(flow(*tasks))
        async with engine.claim(["zzz"], wait=1) as nothing:
            assert nothing is None
        assert [offer.lease.task for offer in engine.board()] == ["b", "a", "c"]
        for _ in range(3):
            async with engine.claim(wait=1) as lease:
                assert lease is not None
                got.append(lease.task)
                await lease.success()
        await handle.result()
    assert got == ["b", "a", "c"]


async def test_a_claimer_waits_for_what_comes(opens: Opens) -> None:
    script = testing.Script({"a": testing.succeed(after=20)})
    async with opens(executors=script.executors()) as engine:
        await engine.start(flow(task("a"), task("b", "a", kind="external")))
        async with engine.claim(wait=60) as lease:
            assert lease is not None
            assert anyio.current_time() == pytest.approx(20)
            await lease.success()


async def test_no_two_claimers_get_the_same_task(opens: Opens) -> None:
    names = [f"t{i}" for i in range(20)]
    got: list[str] = []

    async def work(engine: cb.Engine) -> None:
        while True:
            async with engine.claim(wait=3) as lease:
                if lease is None:
                    return
                got.append(lease.task)
                await anyio.sleep(0.1)
                await lease.success()

    async with opens() as engine:
        handle = await engine.start(on_board(*names))
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(work, engine)
        assert (await handle.result()).state == "succeeded"
    assert sorted(got) == sorted(names)


async def test_heartbeats_keep_a_claim_and_silence_loses_it(opens: Opens) -> None:
    async with opens() as engine:
        handle = await engine.start(on_board("a"))
        async with engine.claim(wait=1, lease_seconds=10) as slow:
            assert slow is not None
            for _ in range(5):
                await anyio.sleep(8)
                await slow.heartbeat()
            await anyio.sleep(11)
            assert slow.closed
            async with engine.claim(wait=1) as other:
                assert other is not None
                assert other.task == "a"
                with pytest.raises(StaleFence):
                    await slow.success("too late")
                with pytest.raises(StaleFence):
                    await slow.heartbeat()
                await other.success("in time")
        result = await handle.result()
    assert result.tasks["a"].output == "in time"
    assert result.tasks["a"].attempts == 2


async def test_a_released_task_is_on_the_board_again(opens: Opens) -> None:
    async with opens() as engine:
        handle = await engine.start(on_board("a"))
        for _ in range(3):
            async with engine.claim(wait=1) as lease:
                assert lease is not None
        async with engine.claim(wait=1) as lease:
            assert lease is not None
            await lease.release()
            with pytest.raises(StaleFence):
                await lease.release()
        async with engine.claim(wait=1) as lease:
            assert lease is not None
            await lease.success()
        assert (await handle.result()).tasks["a"].attempts == 5


async def test_how_a_worker_says_that_it_failed(opens: Opens) -> None:
    async with opens() as engine:
        handle = await engine.start(on_board("a", "b", "c"))
        async with engine.claim("a", wait=1) as lease:
            assert lease is not None
            await lease.error("no paper", kind="exit")
        with pytest.raises(ZeroDivisionError):
            async with engine.claim("b", wait=1) as lease:
                raise ZeroDivisionError("by zero")
        async with engine.claim("c", wait=1) as lease:
            assert lease is not None
            await lease.not_ready("tomorrow")
        result = await handle.result()
    errors = [result.tasks[name].error for name in ("a", "b")]
    assert [(e.kind, e.message) for e in errors if e] == [
        ("exit", "no paper"),
        ("error", "ZeroDivisionError: by zero"),
    ]
    assert result.tasks["c"].state == "not_ready"


async def test_a_failed_claim_is_retried_after_its_wait(opens: Opens) -> None:
    async with opens() as engine:
        handle = await engine.start(on_board("a", retry=Retry(times=1, delay=5, jitter=False)))
        async with engine.claim(wait=1) as lease:
            assert lease is not None
            await lease.error("once")
        async with engine.claim(wait=60) as lease:
            assert lease is not None
            assert anyio.current_time() == pytest.approx(5)
            await lease.success()
        assert (await handle.result()).state == "succeeded"


async def test_a_paused_or_cancelled_run_offers_nothing(opens: Opens) -> None:
    async with opens() as engine:
        handle = await engine.start(on_board("a", "b"))
        async with engine.claim("a", wait=1) as held:
            assert held is not None
            await handle.pause()
            async with engine.claim(wait=5) as lease:
                assert lease is None
            got: list[str] = []
            async with anyio.create_task_group() as group:

                async def claim_one() -> None:
                    async with engine.claim(wait=60) as lease:
                        assert lease is not None
                        got.append(lease.task)

                group.start_soon(claim_one)
                await anyio.sleep(1)
                await handle.unpause()
            assert got == ["b"]
            await handle.cancel()
            assert (await handle.result()).state == "cancelled"
            with pytest.raises(StaleFence):
                await held.success()
        assert engine.board() == []


async def test_a_restarted_task_is_offered_anew_and_the_old_claim_is_stale(opens: Opens) -> None:
    async with opens() as engine:
        handle = await engine.start(on_board("a", "b"))
        async with engine.claim("a", wait=1) as old:
            assert old is not None
            await handle.restart("a")
            async with engine.claim("a", wait=1) as new:
                assert new is not None
                with pytest.raises(StaleFence):
                    await old.success(1)
                await new.success(2)
        await handle.restart("b")
        async with engine.claim("b", wait=1) as lease:
            assert lease is not None
            await lease.success()
        result = await handle.result()
    assert result.tasks["a"].output == 2
    assert result.tasks["a"].generation == 2


async def test_a_claimer_that_is_cancelled_anywhere_loses_nothing(opens: Opens) -> None:
    """Each round, the claimer gets one more step of the loop before it is cancelled."""
    claimed = 0
    async with opens() as engine:
        handle = await engine.start(on_board("a"))
        for steps in range(25):
            async with anyio.create_task_group() as group:

                async def claim() -> None:
                    nonlocal claimed
                    async with engine.claim(wait=5) as lease:
                        claimed += lease is not None
                        await anyio.sleep(10)

                group.start_soon(claim)
                for _ in range(steps):
                    await anyio.lowlevel.checkpoint()
                group.cancel_scope.cancel()
            async with engine.claim(wait=5) as lease:
                assert lease is not None, f"lost after {steps} steps"
        async with engine.claim(wait=5) as lease:
            assert lease is not None
            await lease.success()
        assert (await handle.result()).state == "succeeded"
    assert claimed > 0


async def test_a_claim_expires_whatever_other_runs_are_called(opens: Opens) -> None:
    """The timers of the board are not those of a run with the id ``board``."""
    async with opens() as engine:
        handle = await engine.start(on_board("a"))
        async with engine.claim(["a"], wait=5, lease_seconds=30) as lease:
            assert lease is not None
            await engine.run(flow(task("b", kind="sleep", config={"seconds": 1})), run_id="board")
            await anyio.sleep(60)
            with pytest.raises(StaleFence):
                await lease.success(None)
        await handle.cancel()


async def test_of_all_labels_the_highest_priority_and_then_the_oldest_comes_first(
    opens: Opens,
) -> None:
    tasks = [
        task("a1", kind="external", priority=1),
        task("b1", kind="external", priority=5),
        task("a2", kind="external", priority=5),
        task("c1", kind="external", priority=1),
    ]
    spec = flow(*tasks)
    order: list[str] = []
    async with opens() as engine:
        handle = await engine.start(spec)
        for _ in tasks:
            async with engine.claim(wait=5) as lease:
                assert lease is not None
                order.append(lease.task)
                await lease.success()
        await handle.result()
    assert order == ["b1", "a2", "a1", "c1"]


async def test_a_claim_may_be_of_one_topic(opens: Opens) -> None:
    async with opens() as engine:
        await engine.registry.topics.create("red")
        await engine.registry.topics.create("blue")
        await engine.start(on_board("a"), topic="red")
        wanted = await engine.start(on_board("a"), topic="blue")
        claim = await engine.tree.board.claim(Wanted(topic="blue"), "w", 5, 60)
        assert claim is not None
        assert claim.lease.run == wanted.id
        assert await engine.tree.board.claim(Wanted(topic="green"), "w", 0, 60) is None


async def test_what_is_done_elsewhere_is_offered_whatever_its_kind(opens: Opens) -> None:
    spec = flow(
        task("here", config={"shell": "true"}, pool="cpu"),
        task("there", config={"shell": "true"}, pool="gpu"),
        task("named", config={"shell": "true"}),
    )
    async with opens(elsewhere=["gpu", "named"]) as engine:
        handle = await engine.start(spec)
        for name in ("there", "named"):
            async with engine.claim([name], wait=5) as lease:
                assert lease is not None
                await lease.success({"done": "elsewhere"})
        result = await handle.result()
    assert result.state == "succeeded"
    assert result.tasks["there"].output == {"done": "elsewhere"}
    assert result.tasks["here"].output != {"done": "elsewhere"}


async def test_what_a_worker_reports_is_stored_before_it_is_answered(opens: Opens) -> None:
    async with opens() as engine:
        handle = await engine.start(on_board("a"))
        board = engine.tree.board
        claim = await board.claim(Wanted(), "w", 5, 60)
        assert claim is not None
        fence = claim.lease.fence

        def signed(part: int) -> Signed:
            return Signed(fence, 1, part, lambda _, refused: {"refused": str(refused or "")})

        said = LogLine(
            run=handle.id, task="a", generation=1, attempt=1, at=1.0, stream="log", text="hello"
        )
        await board.note(fence, [said], signed(0))
        assert [line.text for line in await handle.logs()] == ["hello"]
        await board.say(fence, c.Succeed(task="a", fence=fence, output=1), signed(1))
        assert [each.answer for each in await engine.store.receipts(fence, 1)] == [
            {"refused": ""},
            {"refused": ""},
        ]
        with pytest.raises(StaleFence):
            await board.note(fence, [said])


async def test_a_refusal_is_an_answer_that_is_kept_too(opens: Opens) -> None:
    async with opens() as engine:
        await engine.start(flow(task("a", kind="external", config={"grows": True})))
        board = engine.tree.board
        claim = await board.claim(Wanted(), "w", 5, 60)
        assert claim is not None
        fence = claim.lease.fence
        signed = Signed(fence, 1, 0, lambda _, refused: {"refused": str(refused)})
        with pytest.raises(Refused, match="nobody"):
            await board.grow(fence, [c.AddEdge(source="nobody", target="a")], signed)
        (kept,) = await engine.store.receipts(fence, 1)
        assert "nobody" in kept.answer["refused"]


async def test_a_command_may_be_meant_for_one_version_only(opens: Opens) -> None:
    async with opens() as engine:
        handle = await engine.start(on_board("a"))
        version = (await handle.run()).version
        await engine.command(handle.id, c.Pause(), expected=version)
        with pytest.raises(VersionConflict, match="version"):
            await engine.command(handle.id, c.Unpause(), expected=version)
        assert (await handle.run()).paused


@pytest.mark.parametrize("act", ["restart", "cancel"])
async def test_a_claim_that_ends_in_the_turn_of_its_beginning_is_none(
    opens: Opens, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    """Its run's actor, busy with a commit, finds the claim and what ends it in its mailbox."""
    claims: list[Claim | None] = []
    async with opens() as engine, anyio.create_task_group() as group:
        handle = await engine.start(on_board("a", "b"))
        board, commit = engine.tree.board, engine.store.commit
        busy = await board.claim(Wanted(labels=["b"]), "w0", 5, 600)
        assert busy is not None

        async def slow(*given: Any) -> None:
            await anyio.sleep(1)
            await commit(*given)

        async def claim() -> None:
            claims.append(await board.claim(Wanted(labels=["a"]), "w1", 5, 600))

        monkeypatch.setattr(engine.store, "commit", slow)
        done = c.Succeed(task="b", fence=busy.lease.fence)
        group.start_soon(board.say, busy.lease.fence, done)
        await anyio.sleep(0.5)
        group.start_soon(claim)
        await anyio.sleep(0.1)
        assert engine.tree.live[handle.id].run.tasks["a"].state == "ready"
        await (handle.restart("a") if act == "restart" else handle.cancel())
        await anyio.sleep(10)
        (claimed,) = claims
        if act == "cancel":
            assert claimed is None
        else:
            assert claimed is not None
            assert claimed.lease.generation == 2
            await board.say(claimed.lease.fence, c.Succeed(task="a", fence=claimed.lease.fence))
        assert board.claims == {}
        await handle.result()


async def test_a_claim_keeps_its_length_when_another_engine_goes_on(
    opens: Opens, durable: bool
) -> None:
    if not durable:
        return
    async with opens() as engine:
        await engine.start(on_board("a"), run_id="it")
        held = await engine.tree.board.claim(Wanted(), "w", 5, 300)
        assert held is not None
        fence = held.lease.fence
    async with opens() as engine:
        handle, board = await engine.resume("it"), engine.tree.board
        await anyio.sleep(1)
        assert board.holder(fence).seconds == 300
        for _ in range(3):
            await anyio.sleep(290)
            board.heartbeat(fence)
        await board.say(fence, c.Succeed(task="a", fence=fence, output=1))
        result = await handle.result()
    assert (result.tasks["a"].output, result.tasks["a"].attempts) == (1, 1)


async def test_what_is_left_to_others_does_not_stand_behind_what_has_no_slot(
    opens: Opens, durable: bool
) -> None:
    spec = flow(
        *(task(f"here-{number}", kind="shell") for number in range(3)),
        task("there", kind="shell", pool="gpu"),
    )
    script = testing.Script({f"here-{number}": testing.succeed(after=60) for number in range(3)})
    settings: Any = {
        "concurrency": 1,
        "elsewhere": ["gpu"],
        "executors": script.executors(),
        "grace": 0,
    }
    async with opens(**settings) as engine:
        handle = await engine.start(spec, run_id="it")
        await anyio.sleep(1)
        assert [offer.lease.task for offer in engine.board()] == ["there"]
        if not durable:
            await handle.cancel_and_wait()
            return
    async with opens(**settings) as engine:
        handle = await engine.resume("it")
        await anyio.sleep(1)
        async with engine.claim(["there"]) as lease:
            assert lease is not None
            await lease.success()
        assert (await handle.result()).state == "succeeded"
