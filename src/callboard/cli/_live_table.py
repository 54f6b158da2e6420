"""The live table on a terminal: all tasks of a small run; of a large one what runs, and counts."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence

import anyio
import attrs
from rich.console import Console, Group, RenderableType
from rich.live import Live as Screen
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ..supervisor import Live
from ..workflow import SETTLED, Event, Run, Task, TaskState
from . import _text as text
from ._progress import Titles, state_text, waits_for
from ._symbols import symbol_of

FRAMES_EACH_SECOND = 8
ROWS_MIN = 3
BAR_WIDTH = 28

_TOLD = (
    TaskState.RUNNING,
    TaskState.WAITING,
    TaskState.RETRY_WAIT,
    TaskState.READY,
    TaskState.FAILED,
    TaskState.NOT_READY,
    TaskState.UPSTREAM_FAILED,
    TaskState.CANCELLED,
    TaskState.SKIPPED,
)


@attrs.define(eq=False)
class LiveTable:
    """Redraws a few times a second; what that costs does not grow with the runs."""

    _console: Console = attrs.field(factory=lambda: Console(stderr=True, highlight=False))
    _screen: Screen | None = None
    _lives: list[Live] = attrs.field(factory=list[Live])
    _titles: dict[str, Titles] = attrs.field(factory=dict[str, Titles])

    def say(self, line: str) -> None:
        """Print a line above the table."""
        with contextlib.suppress(OSError):  # Nobody looks; the run goes on all the same.
            self._console.print(Text(line), soft_wrap=True)

    def follow(self, live: Live) -> None:
        """Show a run from now on."""
        self._lives.append(live)
        self._titles[live.run.id] = Titles(live.run)

    def watch(self, run: Run, events: Sequence[Event]) -> None:
        """Leave it to the next frame."""

    async def serve(self) -> None:
        """Draw frame after frame."""
        while True:
            if self._lives:
                self._draw()
            await anyio.sleep(1 / FRAMES_EACH_SECOND)

    def _draw(self) -> None:
        try:
            if self._screen is None:
                self._screen = Screen(console=self._console, auto_refresh=False)
                self._screen.start()
            self._screen.update(self._frame(), refresh=True)
        except OSError:
            self._lives.clear()

    def close(self) -> None:
        """Leave the last frame and give the terminal back."""
        if self._lives:
            self._draw()
        self._lives = []
        if self._screen is not None:
            screen, self._screen = self._screen, None
            screen.stop()

    def _frame(self) -> RenderableType:
        plain = "utf" not in self._console.encoding.lower()
        room = max(ROWS_MIN, (self._console.height - 2) // len(self._lives) - 3)
        return Group(
            *(
                part
                for live in self._lives
                for part in _parts(live.run, self._titles[live.run.id], room, plain=plain)
            )
        )


def _parts(run: Run, titles: Titles, room: int, *, plain: bool) -> Iterator[RenderableType]:
    yield _head(run)
    yield _bar(run)
    shown, more = rows(run, room)
    if shown:
        table = Table.grid(padding=(0, 1), expand=True)
        table.add_column(width=2, justify="right")
        table.add_column(ratio=2, no_wrap=True, overflow="ellipsis")
        table.add_column(width=11, justify="right", no_wrap=True)
        table.add_column(ratio=3, no_wrap=True, overflow="ellipsis")
        now = time.time()
        for task in shown:
            table.add_row(*_row(task, titles.of(task), now, plain=plain))
        yield table
    if more:
        yield Text(f"   … and {text.count(more, 'task')} more", style="dim")


def _head(run: Run) -> Text:
    state = "paused" if run.paused else "stopping" if run.stopping is not None else str(run.state)
    until = run.ended_at if run.ended_at is not None else time.time()
    head = Text.assemble((run.spec.name, "bold"), "  ", (run.id, "dim"), "  ")
    head.append(state, style=_style_of(state))
    head.append(f"  {text.duration(until - run.created_at)}")
    return head


def _style_of(state: str) -> str:
    return {"running": "cyan", "succeeded": "green", "paused": "yellow"}.get(state, "bold red")


def _bar(run: Run) -> Table:
    settled = sum(run.counts[state] for state in SETTLED)
    line = Table.grid(padding=(0, 1))
    numbers = Text(f"{settled:,} of {len(run.tasks):,}")
    for state in _TOLD:
        if run.counts[state]:
            numbers.append(" · ")
            numbers.append(f"{run.counts[state]:,} {state}", style=symbol_of(state).style)
    bar = ProgressBar(
        total=max(len(run.tasks), 1),
        completed=settled,
        width=BAR_WIDTH,
        complete_style="cyan",
        finished_style="green",
    )
    line.add_row("", bar, numbers)
    return line


def rows(run: Run, room: int) -> tuple[list[Task], int]:
    """Return the tasks that fit into the room, and how many active ones do not."""
    if len(run.tasks) <= room:
        return list(run.tasks.values()), 0
    shown: list[Task] = []
    for task in run.active.values():
        if len(shown) == room:
            break
        shown.append(task)
    return shown, len(run.active) - len(shown)


def _row(task: Task, title: str, now: float, *, plain: bool) -> tuple[Text, Text, Text, Text]:
    symbol = symbol_of(task.state)
    quiet = "dim" if task.state in (TaskState.PENDING, TaskState.SKIPPED) else ""
    return (
        Text(symbol.ascii if plain else symbol.unicode, style=symbol.style),
        Text(title, style=quiet),
        Text(_time(task, now), style="dim"),
        Text(
            text.one_line(_detail(task, now)),
            style="dim" if task.state is not TaskState.FAILED else "red",
        ),
    )


def _time(task: Task, now: float) -> str:
    if task.started_at is None or task.state is TaskState.RETRY_WAIT:
        return ""
    return text.duration((task.ended_at if task.ended_at is not None else now) - task.started_at)


def _detail(task: Task, now: float) -> str:
    match task.state:
        case TaskState.PENDING:
            return ""
        case TaskState.READY:
            return task.reason or "ready"
        case TaskState.RUNNING:
            return f"attempt {task.attempt}" if task.attempt > 1 else ""
        case TaskState.SUCCEEDED:
            return task.reason or ""
        case TaskState.WAITING:
            return f"waits {waits_for(task)}"
        case TaskState.RETRY_WAIT:
            left = text.duration((task.retry_at or now) - now)
            return f"again in {left}: {task.reason}"
        case TaskState.FAILED:
            return task.error.message if task.error is not None else task.reason or ""
        case _:
            return state_text(task)
