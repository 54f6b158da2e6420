"""`run` and `resume`: take runs up, show what happens, stay to the end, say what came of them."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import attrs
import click

from .._drawing import can_draw
from .._frozen import frozen
from .._loading import let_import, load
from .._workflows import Workflow
from ..engine import Engine, RunHandle
from ..storage import RunQuery, Store, open_store
from ..supervisor import Live, NoExecutor, failure_run
from ..workflow import (
    DefinitionError,
    Run,
    RunOwned,
    RunResult,
    RunState,
    UnknownRun,
    UsageError,
    WorkflowSpec,
)
from ..workflow._run import TAKES_NO_SLOT
from . import _text as text
from ._announce import Announcer
from ._loop import run_loop
from ._outcome import BROKEN, DONE, FAILED, INTERRUPTED, NOT_READY, exit_code, sentences
from ._pictures import EACH, Pictures, check_target
from ._progress import Progress, new_progress
from ._reading import find_run, open_existing
from ._signals import listen
from ._streams import tell
from ._summary import summary

NO_EXECUTOR = TAKES_NO_SLOT - {"wait"}
LOOK_SECONDS = 1.0
UNFINISHED = frozenset({RunState.PENDING, RunState.RUNNING})


@frozen(kw_only=True)
class Stay:
    """How `run` and `resume` stay with their runs."""

    store: str
    backend: str
    as_json: bool
    no_progress: bool
    concurrency: int | None
    picture: Path | None
    pictures: Path | None

    def check(self) -> None:
        """Refuse what could not be drawn, before anything is begun."""
        check_target(self.picture)
        if self.pictures is not None:
            can_draw(EACH)

    def engine(self, store: Store) -> Engine:
        """Return an engine that takes up nothing by itself and stops at once when it is left."""
        return Engine(store, concurrency=self.concurrency, recover="none", board=False, grace=0)


def run_file(file: str, inputs: Sequence[str], run_id: str | None, stay: Stay) -> int:
    """Start a run of a file; nothing is stored if the file or an input is wrong."""
    workflow = load(file)
    given = _inputs(workflow, inputs)
    stay.check()
    engine = stay.engine(open_store(stay.store))
    if isinstance(workflow, WorkflowSpec):
        let_import(workflow.folder)
        _check_executors(engine, workflow)

    async def start(session: Session) -> None:
        if isinstance(workflow, WorkflowSpec):
            session.add(await engine.start(workflow, given, run_id=run_id))
        else:
            session.add(await engine.start(workflow, run_id=run_id, **given))

    return _in_session(engine, stay, start)


def _check_executors(engine: Engine, workflow: WorkflowSpec) -> None:
    """Refuse what nobody here can do: no other engine will come and do it."""
    wrong: list[str] = []
    for task in (*workflow.tasks, *workflow.templates):
        if task.kind not in NO_EXECUTOR:
            try:
                engine.tree.executor(task)
            except NoExecutor as lacking:
                wrong.append(f"task {task.name!r} {lacking}")
    if wrong:
        raise DefinitionError(wrong)


def resume_runs(run: str | None, stay: Stay) -> int:
    """Carry on one run, or all that nobody is running."""
    stay.check()
    if run is None and (stay.picture or stay.pictures):
        raise UsageError("a picture is of one run; name the RUN to resume")
    engine = stay.engine(open_existing(stay.store))

    async def take_up(session: Session) -> None:
        if run is None:
            await _resume_all(session)
        else:
            await _resume(session, await find_run(engine.store, run))

    return _in_session(engine, stay, take_up, many=run is None)


def _inputs(workflow: Workflow | WorkflowSpec, texts: Sequence[str]) -> dict[str, Any]:
    from ..definitions import check_inputs, parse_input_text

    if isinstance(workflow, WorkflowSpec):
        return check_inputs(workflow, dict(parse_input_text(each, workflow) for each in texts))
    given = dict(parse_input_text(each, WorkflowSpec(name=workflow.name)) for each in texts)
    if why := workflow.misfit(**given):
        raise UsageError(f"workflow {workflow.name!r} cannot be begun so: {why}")
    return given


async def _resume(session: Session, name: str) -> None:
    """Take up a run; of one that has ended, what follows its failure, if nobody runs that."""
    let_import((await session.engine.tree.load(name)).spec.folder)
    handle = await session.engine.resume(name)
    session.add(handle)
    if handle.live is None and failure_run(name) in await session.engine.store.unowned():
        await _resume(session, failure_run(name))


async def _resume_all(session: Session) -> None:
    """Take up what nobody runs; what is owned or paused is named.

    Runs that another run waits for are taken up by that one.
    """
    store = session.engine.store
    free = set(await store.unowned())
    rows = [
        row
        for row in await store.runs(RunQuery(states=UNFINISHED, limit=1_000_000))
        if row.parent_task is None
    ]
    for row in reversed(rows):
        if row.paused:
            unpause = text.command("unpause", row.run, store=session.stay.store)
            session.say(f"run {row.run} of {row.workflow} is paused and stays so; {unpause}")
        elif row.run in free:
            try:
                await _resume(session, row.run)
            except RunOwned as owned:
                session.say(f"skipped: {owned}")
            except Exception as error:  # noqa: BLE001 - the other runs are carried on all the same
                session.refused.append(row.run)
                for line in sentences(error):
                    why = line.removeprefix("error: ")
                    session.say(f"error: run {row.run} of {row.workflow} is not taken up: {why}")
        else:
            owner = await store.owner(row.run)
            where = f" (process {owner[0].pid} on {owner[0].host})" if owner else ""
            session.say(
                f"skipped: run {row.run} of {row.workflow} is run by a living engine{where}"
            )
    if not (session.lives or session.refused):
        session.say("there is no run to carry on")


# --- a session ----------------------------------------------------------------------------------


@attrs.define(eq=False)
class Session:
    """The runs that this process stays with, and who tells about them.

    Attributes:
        ended: Runs that had ended before they could be taken up.
        refused: Runs that could not be taken up.
        followers: Runs of failure workflows, by the run that failed.
        interrupted: Whether a signal asked to stop.
        begun: Whether all that was asked for was taken up.
    """

    engine: Engine
    stay: Stay
    progress: Progress
    announcer: Announcer
    pictures: Pictures
    lives: list[Live] = attrs.field(factory=list[Live])
    ended: list[RunHandle] = attrs.field(factory=list[RunHandle])
    refused: list[str] = attrs.field(factory=list[str])
    followers: dict[str, Run] = attrs.field(factory=dict[str, Run])
    interrupted: bool = False
    begun: bool = False

    def say(self, line: str) -> None:
        """Tell a person something beside the progress."""
        self.progress.say(line)

    def add(self, handle: RunHandle) -> None:
        """Stay with a run."""
        live = handle.live
        if live is None:
            self.ended.append(handle)
            return
        self.lives.append(live)
        run = live.run
        self.say(f"run {run.id} of {run.spec.name} in {self.stay.store}")
        if run.paused:
            unpause = text.command("unpause", run.id, store=self.stay.store)
            self.say(f"run {run.id} is paused, nothing starts before {unpause}")
        for watcher in (self.progress.watch, self.announcer.watch, self.pictures.watch):
            live.watchers.append(watcher)
            watcher(run, [])
        self.progress.follow(live)

    def last_words(self) -> None:
        """Give the terminal back and say how to carry on, before this process ends at once."""
        self.progress.close()
        for live in self.lives:
            if self.engine.store.durable and not live.run.ended:
                click.echo(
                    f"carry on with {text.command('resume', live.run.id, store=self.stay.store)}",
                    err=True,
                )


def _in_session(
    engine: Engine,
    stay: Stay,
    begin: Callable[[Session], Awaitable[None]],
    *,
    many: bool = False,
) -> int:
    progress = new_progress(wanted=not stay.no_progress)
    announcer = Announcer(say=progress.say, store=stay.store)
    pictures = Pictures(stay.picture, stay.pictures, progress.say)
    session = Session(engine, stay, progress, announcer, pictures)
    runs = run_loop(_serve, session, begin, backend=stay.backend)
    return _report(session, runs, many=many)


async def _serve(session: Session, begin: Callable[[Session], Awaitable[None]]) -> list[Run]:
    """Stay with the runs until they have ended or a signal comes; return what became of them."""
    runs: list[Run] = []
    async with anyio.create_task_group() as group:
        with anyio.CancelScope() as scope:
            await group.start(listen, partial(_interrupt, session, scope), session.last_words)
            group.start_soon(session.progress.serve)
            group.start_soon(session.pictures.serve)
            group.start_soon(_tell_blocked, session)
            async with session.engine, session.pictures.told_by(session.engine.store):
                await begin(session)
                runs = [await session.engine.tree.load(handle.id) for handle in session.ended]
                session.begun = True
                await _all_ended(session)
                await _find_followers(session)
        with anyio.CancelScope(shield=True):
            await session.pictures.finish([live.run for live in session.lives])
        session.progress.close()
        group.cancel_scope.cancel()
    return [*runs, *(live.run for live in session.lives if live.failure is None)]


async def _tell_blocked(session: Session) -> None:
    """Say what keeps tasks from starting, as soon as it does."""
    said: set[tuple[str, str, str]] = set()
    while True:
        for live in [each for each in session.engine.tree.live.values() if not each.resting]:
            for name, why in live.actor.blocked.items():
                task = live.run.tasks[name]
                key = (live.id, name, why)
                if task.spec.kind not in NO_EXECUTOR and key not in said:
                    said.add(key)
                    session.say(f"{task.spec.name} of run {live.id} cannot start: {why}")
        await anyio.sleep(LOOK_SECONDS)


def _interrupt(session: Session, scope: anyio.CancelScope, _: signal.Signals) -> None:
    session.interrupted = True
    session.say("stopping in order; once more stops at once")
    scope.cancel()


async def _all_ended(session: Session) -> None:
    for live in session.lives:
        await live.done.wait()
    if any(live.failure is not None for live in session.lives):
        # What still runs is stopped in order, and carried on with the run that is set aside.
        return
    for live in session.lives:
        if (follower := session.engine.tree.live.get(failure_run(live.id))) is not None:
            session.say(f"run {live.id} failed: its failure workflow runs as {follower.id}")
    # Failure workflows, and children that are still being stopped.
    while others := list(session.engine.tree.live.values()):
        for live in others:
            await live.done.wait()


async def _find_followers(session: Session) -> None:
    """Find the runs of failure workflows: of a run that fails, they exist before it has ended."""
    tree = session.engine.tree
    for live in session.lives:
        if live.run.ended and live.run.spec.failure_workflow is not None:
            with suppress(UnknownRun):
                session.followers[live.id] = await tree.load(failure_run(live.id))


# --- the end ------------------------------------------------------------------------------------


def _report(session: Session, runs: Sequence[Run], *, many: bool) -> int:
    as_json, durable = session.stay.as_json, session.engine.store.durable
    for run in runs:
        tell(summary(run, session.stay.store, durable=durable), err=as_json)
        if (follower := session.followers.get(run.id)) is not None:
            words = summary(follower, session.stay.store, durable=durable)
            tell(f"its failure workflow: {words}", err=as_json)
    if as_json and many:
        tell(text.dumps([RunResult.of(run).to_json() for run in runs]))
    elif as_json and runs:
        tell(text.dumps(RunResult.of(runs[0]).to_json()))
    aside = [live.id for live in session.lives if live.failure is not None]
    for name in aside:
        # Why was told when it happened.
        resume = text.command("resume", name, store=session.stay.store)
        then = f"carry on with {resume}" if durable else "it was kept in memory alone"
        tell(f"error: run {name} is set aside; {then}", err=True)
    if aside or session.refused:
        return BROKEN
    if session.interrupted and not (durable and session.begun):
        return INTERRUPTED
    return worst([exit_code(run.state) for run in runs])


def worst(codes: Sequence[int]) -> int:
    """Return the exit code for several runs."""
    order = (BROKEN, INTERRUPTED, FAILED, NOT_READY)
    return next((code for code in order if code in codes), DONE)
