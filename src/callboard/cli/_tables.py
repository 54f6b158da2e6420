"""Tables for people: the list of runs, and one run with its tasks."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Collection, Sequence

import click

from ..storage import RunRow
from ..workflow import HoleResult, Run, Task, TaskState
from ..workflow._promise_states import state_of
from . import _text as text
from ._progress import short, state_text, waits_for
from ._symbols import RUN_COLOURS, symbol_of

Row = Sequence[str]

_PROMISE_COLOURS = {"owed": "yellow", "broken": "red"}

COLUMN_MAX = 60
"""How wide a column may be; the last one takes what is left of a terminal's width."""


def _print_table(head: Row, rows: Sequence[Row], colours: Sequence[str | None]) -> None:
    """Print rows in columns; each row in its colour, on a terminal cut to its width."""
    widths = [min(COLUMN_MAX, max(map(len, column))) for column in zip(head, *rows, strict=True)]
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    click.secho(_line(head, widths, room), bold=True)
    for row, colour in zip(rows, colours, strict=True):
        click.secho(_line(row, widths, room), fg=colour)


def _line(cells: Row, widths: Sequence[int], room: int | None) -> str:
    padded = [cell.ljust(width) for cell, width in zip(cells[:-1], widths, strict=False)]
    line = "  ".join([*padded, text.one_line(cells[-1])]).rstrip()
    return line if room is None or len(line) <= room else f"{line[: room - 1]}…"


def print_runs(rows: Sequence[RunRow], left: Collection[str]) -> None:
    """Print a line for each run; ``left`` are the unfinished ones that nobody runs."""
    now = time.time()
    lines: list[Row] = []
    for row in rows:
        began = row.started_at
        took = "" if began is None else text.duration((row.ended_at or now) - began)
        state = _state(str(row.state), paused=row.paused, left=row.run in left)
        lines.append((row.run, row.workflow, state, text.local(began), took))
    colours = [RUN_COLOURS.get(row.state) for row in rows]
    _print_table(("run", "workflow", "state", "started", "duration"), lines, colours)


def _state(state: str, *, paused: bool, left: bool = False) -> str:
    return ", ".join(
        [state, *(["paused"] if paused else []), *(["nobody runs it"] if left else [])]
    )


def print_run(run: Run) -> None:
    """Print a run and its tasks."""
    until = time.time() if run.ended_at is None else run.ended_at
    state = click.style(_state(str(run.state), paused=run.paused), fg=RUN_COLOURS.get(run.state))
    took = text.duration(until - run.created_at)
    name = click.style(run.spec.name, bold=True)
    click.echo(f"{name}  {run.id}  {state}  {text.local(run.created_at)}  {took}")
    if run.reason:
        click.echo(short(run.reason))
    if run.inputs:
        click.echo(f"inputs: {short(text.dumps(run.inputs, indent=None))}")
    if run.output is not None:
        click.echo(f"output: {short(text.dumps(run.output, indent=None))}")
    tasks = list(run.tasks.values())
    colours = [symbol_of(task.state).colour for task in tasks]
    head = ("", "id", "task", "state", "attempts", "took", "what")
    _print_table(head, [_task(task) for task in tasks], colours)
    _print_holes(HoleResult.all_of(run))
    _print_promises(run)


def _print_holes(holes: Sequence[HoleResult]) -> None:
    if holes:
        click.echo()
        rows = [
            (each.id, each.shape, each.owner or "", each.state, f"{len(each.tasks):,}")
            for each in holes
        ]
        colours = [_PROMISE_COLOURS.get(each.state) for each in holes]
        _print_table(("hole", "may come", "filled by", "state", "tasks"), rows, colours)


def _print_promises(run: Run) -> None:
    promises = run.growth.promises
    if promises:
        click.echo()
        rows = [(each.text, each.by or "", state_of(run, each)) for each in promises]
        colours = [_PROMISE_COLOURS.get(state) for _, _, state in rows]
        _print_table(("promise", "by", "state"), rows, colours)


def _task(task: Task) -> Row:
    until = time.time() if task.ended_at is None else task.ended_at
    took = "" if task.started_at is None else text.duration(until - task.started_at)
    return (
        symbol_of(task.state).sign(sys.stdout),
        task.id,
        task.spec.name,
        str(task.state),
        str(task.attempt) if task.attempt else "",
        took,
        short(_what(task)),
    )


def _what(task: Task) -> str:
    match task.state:
        case TaskState.SUCCEEDED if task.output is not None:
            return text.dumps(task.output, indent=None)
        case TaskState.FAILED:
            return task.error.message if task.error is not None else task.reason or ""
        case TaskState.WAITING:
            return f"waits {waits_for(task)}"
        case TaskState.RETRY_WAIT:
            return state_text(task)
        case _:
            return task.reason or ""
