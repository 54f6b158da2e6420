"""What is shown while runs go on: a live table on a terminal, plain lines elsewhere, or notices."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import attrs
import click

from ..supervisor import Live
from ..workflow import Event, Run, Task, TaskState, events as ev
from . import _text as text

LINES_EACH_MAX = 5
"""How many tasks that settled together get a line each; more share one."""

VALUE_MAX = 1_000
"""How many characters of a value or a message are shown: it may hold megabytes."""


class Progress(Protocol):
    """Shows what happens; none of it may hold a run up or end it."""

    def say(self, line: str) -> None:
        """Tell a person something."""
        ...

    def follow(self, live: Live) -> None:
        """Show a run from now on."""
        ...

    def watch(self, run: Run, events: Sequence[Event]) -> None:
        """Note what was committed."""
        ...

    async def serve(self) -> None:
        """Keep what is shown up to date, for ever."""
        ...

    def close(self) -> None:
        """Show the last state and give the terminal back; twice is harmless."""
        ...


def new_progress(*, wanted: bool) -> Progress:
    """Return what suits the place that stderr leads to."""
    if not wanted:
        return Notices()
    if sys.stderr.isatty() and os.environ.get("TERM", "") not in ("", "dumb"):
        from ._live_table import LiveTable

        return LiveTable()
    return PlainLines()


class Notices:
    """Shows only what a person must know."""

    def say(self, line: str) -> None:
        """Tell a person something."""
        with contextlib.suppress(OSError):  # Nobody reads; the run goes on all the same.
            click.echo(line, err=True)

    def follow(self, live: Live) -> None:
        """Show nothing more of the run."""

    def watch(self, run: Run, events: Sequence[Event]) -> None:
        """Show nothing of it."""

    async def serve(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class Titles:
    """How the tasks of a run are called: by their names, with the id where others may share one."""

    def __init__(self, run: Run) -> None:
        names = Counter(task.spec.name for task in run.tasks.values())
        self._shared = {name for name, many in names.items() if many > 1}

    def of(self, task: Task) -> str:
        """Return a task's title."""
        name = task.spec.name
        created = task.created_by is not None and task.id != name
        return f"{name} ({task.id})" if created or name in self._shared else name


@attrs.define(eq=False)
class PlainLines(Notices):
    """One line for each change of a task, for logs and pipes."""

    _known: dict[tuple[str, str], tuple[int, int, TaskState]] = attrs.field(
        factory=dict[tuple[str, str], tuple[int, int, TaskState]]
    )
    _paused: dict[str, bool] = attrs.field(factory=dict[str, bool])
    _titles: dict[str, Titles] = attrs.field(factory=dict[str, "Titles"])

    def follow(self, live: Live) -> None:
        """Say where a run stands when it is taken up."""
        self._show(live.run, live.run.tasks.values())

    def watch(self, run: Run, events: Sequence[Event]) -> None:
        """Say what became of the tasks that these events are about."""
        self._show(run, (run.tasks[name] for name in _touched(events) if name in run.tasks))
        if run.paused is not self._paused.setdefault(run.id, run.paused):
            self._paused[run.id] = run.paused
            self.say(f"{run.spec.name} {run.id}: {'paused' if run.paused else 'unpaused'}")

    def _show(self, run: Run, tasks: Iterable[Task]) -> None:
        settled: dict[tuple[TaskState, str | None], list[Task]] = {}
        for task in tasks:
            now = (task.generation, task.attempt, task.state)
            if self._known.get((run.id, task.id)) == now or task.state is TaskState.PENDING:
                continue
            self._known[run.id, task.id] = now
            if task.first_at is None and task.ended_at is not None:
                settled.setdefault((task.state, task.reason), []).append(task)
            elif task.state is not TaskState.READY or task.reason is not None:
                self._line(self._title(run, task), state_text(task), _at(task))
        for (state, reason), together in settled.items():
            self._together(run, state, reason, together)

    def _together(self, run: Run, state: TaskState, reason: str | None, tasks: list[Task]) -> None:
        if len(tasks) > LINES_EACH_MAX:
            what = f"{state}: {reason}" if reason else str(state)
            self._line(text.count(len(tasks), "task"), what, _at(tasks[0]))
            return
        for task in tasks:
            self._line(self._title(run, task), state_text(task), _at(task))

    def _title(self, run: Run, task: Task) -> str:
        if run.id not in self._titles:
            self._titles[run.id] = Titles(run)
        return self._titles[run.id].of(task)

    def _line(self, who: str, what: str, at: float) -> None:
        self.say(f"{text.clock(at)}  {who}: {text.one_line(short(what))}")


def _touched(events: Iterable[Event]) -> Iterator[str]:
    for event in events:
        match event:
            case ev.TasksSettled(tasks=names):
                yield from names
            case (
                ev.AttemptStarted(task=name)
                | ev.TaskWaiting(task=name)
                | ev.TaskReleased(task=name)
                | ev.RetryScheduled(task=name)
                | ev.TaskSettled(task=name)
            ):
                yield name
            case _:
                pass


def _at(task: Task) -> float:
    began = task.started_at if task.state in (TaskState.RUNNING, TaskState.WAITING) else None
    return next((at for at in (task.ended_at, began) if at is not None), time.time())


def short(words: str) -> str:
    """Write the beginning of what may be very long, and where the rest is."""
    return words if len(words) <= VALUE_MAX else f"{words[:VALUE_MAX]}… (--json shows all of it)"


def state_text(task: Task) -> str:
    """Tell where a task stands, in a few words."""
    match task.state:
        case TaskState.RUNNING:
            return "running" if task.attempt <= 1 else f"running, attempt {task.attempt}"
        case TaskState.WAITING:
            return f"waits: {waits_for(task)}"
        case TaskState.RETRY_WAIT:
            return f"failed, tried again {_again(task)}: {task.reason}"
        case TaskState.READY:
            return f"ready again: {task.reason}" if task.reason else "ready"
        case TaskState.SUCCEEDED:
            if task.settled_by is not None:
                return f"succeeded, {task.reason}"
            return (
                "succeeded, it has no kind"
                if task.spec.kind == "step"
                else f"succeeded{_took(task)}"
            )
        case TaskState.FAILED:
            message = task.error.message if task.error is not None else task.reason
            return f"failed{_took(task)}: {message}"
        case TaskState.PENDING:
            return "pending"
        case _:
            return f"{task.state}: {task.reason}" if task.reason else str(task.state)


def _again(task: Task) -> str:
    return "soon" if task.retry_at is None else f"at {text.clock(task.retry_at)}"


def _took(task: Task) -> str:
    if task.started_at is None or task.ended_at is None:
        return ""
    return f" in {text.duration(task.ended_at - task.started_at)}"


def waits_for(task: Task) -> str:
    """Tell what a waiting task waits for."""
    wait = task.wait
    if wait is None:
        return "for something"
    match wait.kind:
        case "input":
            return f"for an answer to {wait.message!r}" if wait.message else "for an answer"
        case "lost":
            return "for somebody to say whether it may run again: its attempt was lost"
        case "sleep":
            return "" if wait.until is None else f"until {text.clock(wait.until)}"
        case "child":
            return f"for run {wait.child}"
        case _:
            return wait.message or "for its probe"
