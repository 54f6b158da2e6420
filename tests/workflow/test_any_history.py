"""Random graphs, random commands at random times: what always holds, however it goes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from callboard.workflow import (
    ENDED,
    SETTLED,
    Command,
    Effect,
    Event,
    Failure,
    Refused,
    Retry,
    Run,
    RunState,
    SetTimer,
    Task,
    TaskOptions,
    TaskSpec,
    TaskState,
    Timeouts,
    Wait,
    WorkflowSpec,
    apply,
    commands as c,
    events as ev,
    fold,
    resume,
    start,
)
from callboard.workflow._parts import parts_below
from callboard.workflow._run import TAKES_NO_SLOT, Part
from callboard.workflow._shapes import Lab

Facts: TypeAlias = Callable[[Run], dict[str, Any]]

IDS = "abcdefg"
LIMITS = st.none() | st.integers(1, 9)

options = st.builds(
    TaskOptions,
    retry=st.none()
    | st.builds(Retry, times=st.integers(0, 2), delay=st.integers(0, 3), jitter=st.just(False)),
    timeout=st.none() | st.builds(Timeouts, attempt=LIMITS, total=LIMITS, queued=LIMITS),
    lost=st.sampled_from(["retry", "fail", "ask"]),
    priority=st.integers(0, 1),
    critical=st.booleans(),
)


@st.composite
def workflows(draw: st.DrawFn) -> WorkflowSpec:
    names = draw(st.permutations(IDS[: draw(st.integers(1, len(IDS)))]))
    tasks = [
        TaskSpec(
            id=name,
            name=name,
            kind=draw(st.sampled_from(["function", "python", "input", "sleep", "wait", "step"])),
            needs=tuple(
                draw(st.lists(st.sampled_from(names[:place]), max_size=3)) if place else ()
            ),
            options=draw(options),
        )
        for place, name in enumerate(names)
    ]
    return WorkflowSpec(
        name="w",
        tasks=tuple(draw(st.permutations(tasks))),
        timeout=draw(st.none() | st.integers(5, 30)),
        on_failure=draw(st.sampled_from(["stop", "drain", "skip_downstream", "allow_partial"])),
    )


SHAPES = ["...", "M*", "N -> M", "(N -> M) | K", "loop(N -> K)", "(M?)+", "M{1,2}", "(N -> M*)*"]
PROMISES = [
    *("no new tasks", "no new edges", "sealed", "closed", "no new M", "only tasks M, N"),
    *("at most 3 M", "at least 1 N", "exactly 2 M", "at most 9 tasks", "no edges into b"),
    *("no new M by a", "at most 2 tasks by b", "at least 1 M by a", "at most 1 rounds of a"),
]


def creations(run: Run) -> st.SearchStrategy[c.Creation]:
    tasks = st.sampled_from(list(run.tasks)[:12])
    names = st.lists(tasks, max_size=2).map(tuple)
    parts = st.sampled_from(["nowhere", *run.holes, *run.growth.parts][:12])
    labels = st.sampled_from("MNK")
    new = TaskSpec(id="", name="", kind="function")
    return st.one_of(
        st.builds(c.AddTask, name=labels, new=st.just(new), after=names, before=names),
        st.builds(c.AddTask, name=labels, new=st.just(new), key=st.sampled_from("xy")),
        st.builds(c.AddTask, name=labels, new=st.just(new), into=parts),
        st.builds(c.AddTask, name=labels, new=st.just(new)),
        st.builds(c.AddEdge, source=tasks, target=tasks),
        st.builds(c.OpenHole, shape=st.sampled_from(SHAPES), after=names, before=names),
        st.builds(c.GiveHole, hole=parts, to=tasks),
        st.builds(c.CloseHole, hole=parts),
        st.builds(c.Withdraw, task=tasks),
        st.builds(c.Withdraw, task=st.sampled_from(list(run.tasks)[-4:])),
        st.builds(c.Promise, text=st.sampled_from(PROMISES)),
        st.builds(c.Again, task=tasks),
    )


class AnyHistory(RuleBasedStateMachine):
    """A run, an engine that dies now and then, and people who say what they like."""

    facts: Facts

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0
        self.fences = 0
        self.stops: dict[str, str] = {}
        self.to_stop: set[str] = set()
        self.timers: list[SetTimer] = []
        self.settled: dict[str, tuple[int, TaskState]] = {}

    @initialize(spec=workflows())
    def begin(self, spec: WorkflowSpec) -> None:
        created = ev.RunCreated(at=self.now, run="r", spec=spec)
        self.run, self.events, effects = start(created)
        self._heed(effects)

    # --- saying ---

    def create(self, command: c.Creation) -> bool:
        """Say it as a person."""
        return self.say(c.Grow(commands=(command,)))

    def say(self, command: Command) -> bool:
        """Say it; return whether it was accepted. What is refused must not change anything."""
        before = self.facts(self.run)
        barred = self.run.paused or self.run.draining or self.run.stopping or self.run.ended
        try:
            events, effects = apply(self.run, command, self.now, stops=self.stops)
        except Refused:
            assert self.facts(self.run) == before
            return False
        if barred:
            assert not any(isinstance(event, ev.AttemptStarted) for event in events)
        self._nothing_settled_moves(events)
        self.events += events
        self._heed(effects)
        return True

    def _heed(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, SetTimer):
                self.timers.append(effect)
            else:
                self.to_stop.add(effect.fence)

    def _nothing_settled_moves(self, events: list[Event]) -> None:
        by_hand = {e.task for e in events if isinstance(e, ev.TaskSettled) and e.by is not None}
        for name, (generation, state) in self.settled.items():
            task = self.run.tasks.get(name)
            if task is None:
                continue  # archived by a restart of what had created it
            if task.generation == generation and name not in by_hand:
                assert task.state is state
        self.settled = {
            task.id: (task.generation, task.state)
            for task in self.run.tasks.values()
            if task.state in SETTLED and not task.withdrawn  # that can be undone with its attempt
        }

    def fence(self) -> str:
        self.fences += 1
        return str(self.fences)

    def start_task(self, task: Task, way: int) -> bool:
        assert task.first_at is not None or all(each.released for each in task.before)
        if way == 0:
            return self.say(c.Skip(task=task.id, reason="when"))
        if way == 1:
            failure = Failure(kind="config", message="cannot")
            return self.say(c.Fail(task=task.id, failure=failure))
        if way == 2:
            return self.say(c.SucceedStep(task=task.id))
        if task.spec.kind in ("input", "sleep", "wait"):
            until = None if task.spec.kind == "input" else self.now + way
            wait = Wait(kind=task.spec.kind.replace("wait", "probe"), until=until)
            fence = self.fence() if task.spec.kind == "wait" else None
            return self.say(c.BeginWait(task=task.id, wait=wait, fence=fence))
        return self.say(c.Begin(task=task.id, fence=self.fence()))

    def report(self, task: Task, how: str) -> None:
        assert task.fence is not None
        fence, name = task.fence, task.id
        failure = Failure(kind="error", message="bad")
        wait = Wait(kind="input" if how == "ask" else "sleep", until=self.now + 2)
        said: dict[str, Command] = {
            "succeed": c.Succeed(task=name, fence=fence, output=1),
            "not_ready": c.NotReady(task=name, fence=fence),
            "fail": c.Fail(task=name, fence=fence, failure=failure),
            "ask": c.Suspend(task=name, fence=fence, wait=wait),
            "sleep": c.Suspend(task=name, fence=fence, wait=wait),
            "stop": c.Stopped(task=name, fence=fence),
            "lose": c.Lose(task=name, fence=fence, reason="gone"),
        }
        if how in ("ask", "sleep") and task.state is not TaskState.RUNNING:
            how = "fail"
        assert self.say(said[how])
        self.to_stop.discard(fence)

    # --- rules ---

    @rule(way=st.integers(0, 9))
    def start_next(self, way: int) -> None:
        task = self.run.pop_ready()
        if task is not None:
            assert self.start_task(task, way)

    @rule(data=st.data())
    def claim_by_name(self, data: st.DataObject) -> None:
        task = data.draw(st.sampled_from(list(self.run.tasks.values())))
        if task.state is TaskState.READY:
            self.say(c.Begin(task=task.id, fence=self.fence()))

    @precondition(lambda self: any(t.fence for t in self.run.active.values()))
    @rule(
        data=st.data(),
        how=st.sampled_from(["succeed", "fail", "not_ready", "ask", "sleep", "stop", "lose"]),
    )
    def an_attempt_ends(self, data: st.DataObject, how: str) -> None:
        live = [task for task in self.run.active.values() if task.fence is not None]
        self.report(data.draw(st.sampled_from(live)), how)

    @rule(seconds=st.integers(0, 6))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds
        for timer in [timer for timer in self.timers if timer.at <= self.now]:
            self.timers.remove(timer)
            assert self.say(c.Due(what=timer.what, task=timer.task))

    @rule(
        what=st.sampled_from(["attempt", "total", "queued", "retry", "sleep", "run"]),
        name=st.sampled_from(IDS),
    )
    def a_timer_fires_for_nothing(self, what: c.Deadline, name: str) -> None:
        assert self.say(c.Due(what=what, task=name))

    @rule(off=st.booleans())
    def pause(self, off: bool) -> None:
        self.say(c.Unpause() if off else c.Pause())

    @rule(state=st.sampled_from([RunState.CANCELLED, RunState.PROMISE_BROKEN]))
    def cancel(self, state: RunState) -> None:
        self.say(c.Cancel(state=state))

    @rule(name=st.sampled_from(IDS))
    def restart(self, name: str) -> None:
        self.say(c.Restart(task=name))

    @rule(name=st.sampled_from(IDS), state=st.sampled_from(TaskState))
    def settle(self, name: str, state: TaskState) -> None:
        self.say(c.Settle(task=name, state=state, by="me"))

    @rule(name=st.sampled_from(IDS), value=st.booleans())
    def answer(self, name: str, value: bool) -> None:
        self.say(c.Answer(task=name, value=value))

    @rule(
        hole=st.sampled_from("HJK"),
        owner=st.none() | st.sampled_from(IDS),
        after=st.lists(st.sampled_from([*IDS, "#H", "#J"]), max_size=2),
        before=st.lists(st.sampled_from([*IDS, "#H", "#J"]), max_size=2),
    )
    def open_hole(self, hole: str, owner: str | None, after: list[str], before: list[str]) -> None:
        said = c.OpenHole(
            hole=hole, shape="...", owner=owner, after=tuple(after), before=tuple(before)
        )
        self.create(said)

    @precondition(lambda self: any(t.fence for t in self.run.active.values()))
    @rule(data=st.data(), count=st.integers(1, 3))
    def an_attempt_grows_the_graph(self, data: st.DataObject, count: int) -> None:
        live = [task for task in self.run.active.values() if task.fence is not None]
        task = data.draw(st.sampled_from(live))
        commands = [data.draw(creations(self.run)) for _ in range(count)]
        self.say(c.Grow(task=task.id, fence=task.fence, commands=tuple(commands)))

    @rule(hole=st.sampled_from("HJK"))
    def close_hole(self, hole: str) -> None:
        self.create(c.CloseHole(hole=hole))

    @rule()
    def the_engine_dies(self) -> None:
        self.run = fold(self.events)
        self.stops.clear()
        self.timers.clear()
        self.to_stop.clear()
        self._heed(resume(self.run, self.now))

    # --- what always holds ---

    @invariant()
    def the_run_is_the_fold_of_its_events(self) -> None:
        assert self.facts(fold(self.events)) == self.facts(self.run)
        assert self.run.version == len(self.events)

    @invariant()
    def counters_are_what_counting_gives(self) -> None:
        run = self.run
        tasks = list(run.tasks.values())
        assert run.counts == {
            state: sum(task.state is state for task in tasks) for state in TaskState
        }
        assert run.unsettled == sum(task.state not in SETTLED for task in tasks)
        live = (TaskState.RUNNING, TaskState.WAITING)
        assert set(run.active) == {task.id for task in tasks if task.state in live}
        assert run.open_holes == sum(
            not hole.closed and not hole.abandoned for hole in run.holes.values()
        )
        for task in tasks:
            assert task.open == sum(not each.released for each in task.before)
            assert not task.released or task.state in (TaskState.SUCCEEDED, TaskState.SKIPPED)
        parts = run.growth.parts.values()
        for joint in (*run.holes.values(), *parts):
            own = isinstance(joint, Part) and not joint.closed
            assert joint.open == sum(not each.released for each in joint.before) + own
            assert joint.released == (joint.open == 0)
        told = Counter(part.residual for part in run.growth.open)
        assert run.growth.kinds == told
        for hole in run.holes.values():
            below = {part for part in parts if part.hole is hole}
            assert set(parts_below(run, hole.name)) == below
            assert hole.open_parts == sum(part.hole is hole and not part.closed for part in parts)
        assert run.held == {task.id for name in run.restarting for task in run.scope_of(name)}

    @invariant()
    def edges_go_up(self) -> None:
        vertices = self.run.vertices()
        if not self.run.growth.roomy:
            assert sorted(vertex.rank for vertex in vertices) == list(range(len(vertices)))
        assert all(vertex.rank < each.rank for vertex in vertices for each in vertex.after)
        assert all(vertex.rank < each.rank for vertex in vertices for each in vertex.binds or ())

    @invariant()
    def tasks_stand_where_their_predecessors_let_them(self) -> None:
        for task in self.run.tasks.values():
            if task.state is TaskState.PENDING:
                assert task.open
                assert not list(_blockers(task))
            elif task.state is TaskState.READY and task.first_at is None:
                assert not task.open
            assert (task.fence is None) or task.state in (TaskState.RUNNING, TaskState.WAITING)
            assert (task.state is TaskState.RUNNING) <= (task.fence is not None)

    @invariant()
    def the_queue_holds_each_ready_task_once_in_order(self) -> None:
        run = self.run
        queued = [task for _, _, task in run.ready]
        assert len(set(queued)) == len(queued)
        assert {task.id for task in queued} == {t.id for t in run.tasks.values() if t.queued}
        startable = sorted(
            (_rank(task), task.seq)
            for task in run.tasks.values()
            if task.state is TaskState.READY and task.id not in run.held
        )
        if run.paused or run.stopping is not None or run.draining:
            startable = []
        task = run.peek_ready()
        first = None if task is None else (_rank(task), task.seq)
        assert first == (startable[0] if startable else None)

    @invariant()
    def ended_runs_are_at_rest_and_others_are_not(self) -> None:
        run = self.run
        if run.state in ENDED:
            assert (run.unsettled, run.active, run.held, run.restarting) == (0, {}, set(), {})
            assert (run.stopping, run.draining, run.paused) == (None, False, False)
            assert run.ended_at is not None
        else:
            assert run.unsettled or run.open_holes
            assert run.ended_at is None
        if run.stopping is not None or run.draining:
            idle = (TaskState.PENDING, TaskState.READY, TaskState.RETRY_WAIT)
            assert not any(run.counts[state] for state in idle)
            assert not run.restarting

    @invariant()
    def what_must_stop_is_told_so(self) -> None:
        run = self.run
        for task in run.active.values():
            if task.id in run.held or run.stopping is not None:
                assert task.fence in self.to_stop

    def teardown(self) -> None:
        """Let everything go well from here on: then the run ends."""
        if not hasattr(self, "run"):
            return
        for _ in range(200):
            if self.run.ended:
                return
            self._go_on()
        raise AssertionError(f"the run does not end: {self.facts(self.run)}")

    def _go_on(self) -> None:
        self.say(c.Unpause())
        for hole in list(self.run.holes):
            self.create(c.CloseHole(hole=hole))
        for part in list(self.run.growth.open):
            if isinstance(part.shape, Lab):
                self.create(c.AddTask(name=part.shape.label, into=part.address))
        while (task := self.run.pop_ready()) is not None:
            self.start_task(task, 9)
        for task in list(self.run.active.values()):
            if task.fence is not None:
                self.report(task, "stop" if task.fence in self.to_stop else "succeed")
            else:
                self.say(c.Answer(task=task.id, value=True))
        self.time_passes(10)


def _blockers(task: Task) -> Iterator[str]:
    for earlier in task.before:
        if isinstance(earlier, Task) and earlier.withdrawn:
            yield from _blockers(earlier)
        elif isinstance(earlier, Task) and earlier.state in SETTLED and not earlier.released:
            yield earlier.id


def test_any_history(facts: Facts) -> None:
    class Told(AnyHistory):
        """Knows how to tell all that a run is."""

    Told.facts = staticmethod(facts)
    slow_is_fine = [HealthCheck.too_slow]
    run_state_machine_as_test(
        Told,
        settings=settings(
            max_examples=60,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=slow_is_fine,
        ),
    )


def _rank(task: Task) -> float:
    """What takes no slot stands in nobody's way and goes first."""
    return -math.inf if task.spec.kind in TAKES_NO_SLOT else -task.spec.options.priority
