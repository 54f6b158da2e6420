"""Tables for people: the list of runs, and one run with its tasks."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..storage import RunRow
from ..workflow import Run, RunState, Task, TaskState
from . import _text as text
from ._live_table import LOOKS
from ._progress import state_text, waits_for

_RUN_STYLES = {
    RunState.RUNNING: "cyan",
    RunState.SUCCEEDED: "green",
    RunState.NOT_READY: "magenta",
    RunState.CANCELLED: "yellow",
}


def _console() -> Console:
    console = Console(highlight=False)
    if not console.is_terminal:
        # A pipe has no width: nothing is cut, and each line stays one line.
        return Console(highlight=False, width=10_000)
    return console


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, overflow="ellipsis" if column in ("task", "what") else "fold")
    return table


def _run_state(state: RunState, *, paused: bool, left: bool = False) -> Text:
    words = [str(state), *(["paused"] if paused else []), *(["nobody runs it"] if left else [])]
    return Text(", ".join(words), style=_RUN_STYLES.get(state, "bold red"))


def print_runs(rows: Sequence[RunRow], left: Collection[str]) -> None:
    """Print a line for each run; ``left`` are the unfinished ones that nobody runs."""
    table = _table("run", "workflow", "state", "started", "duration")
    now = time.time()
    for row in rows:
        began = row.started_at
        took = "" if began is None else text.duration((row.ended_at or now) - began)
        state = _run_state(row.state, paused=row.paused, left=row.run in left)
        table.add_row(row.run, row.workflow, state, text.local(began), took)
    _console().print(table)


def print_run(run: Run) -> None:
    """Print a run and its tasks."""
    console = _console()
    until = time.time() if run.ended_at is None else run.ended_at
    head = Text.assemble((run.spec.name, "bold"), f"  {run.id}  ")
    head.append(_run_state(run.state, paused=run.paused))
    head.append(f"  {text.local(run.created_at)}  {text.duration(until - run.created_at)}")
    console.print(head)
    if run.reason:
        console.print(Text(run.reason))
    if run.inputs:
        console.print(Text(f"inputs: {text.dumps(run.inputs, indent=None)}"))
    if run.output is not None:
        console.print(Text(f"output: {text.dumps(run.output, indent=None)}"))
    table = _table("", "id", "task", "state", "attempts", "took", "what")
    utf8 = "utf" in console.encoding.lower()
    for task in run.tasks.values():
        table.add_row(*_task(task, utf8=utf8))
    console.print(table)


def _task(task: Task, *, utf8: bool) -> tuple[Text, Text, Text, Text, Text, Text, Text]:
    symbol, plain, style = LOOKS[task.state]
    until = time.time() if task.ended_at is None else task.ended_at
    took = "" if task.started_at is None else text.duration(until - task.started_at)
    return (
        Text(symbol if utf8 else plain, style=style),
        Text(task.id),
        Text(task.spec.name),
        Text(str(task.state), style=style),
        Text(str(task.attempt) if task.attempt else ""),
        Text(took),
        Text(_what(task)),
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
