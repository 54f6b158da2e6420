"""Leaves pictures of runs in files: the last one, and one for each change."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio
import attrs

from .._drawing import FORMATS, can_draw, draw
from ..storage import Store
from ..workflow import CallboardError, Event, Run, UsageError, evolve, fold
from . import _text as text
from ._outcome import sentences

if TYPE_CHECKING:
    from ..workflow import Picture

TEXTS: Final = ("dot", "mmd", "json")
EACH: Final = "svg"
"""The format of the pictures of each change."""
EACH_TASKS_MAX: Final = 100
"""A run of more tasks gets a picture only for every second event, every third, and so on."""


def check_target(path: Path | None) -> None:
    """Refuse a file in no folder, whose ending names no format, or that nothing here can draw.

    Raises:
        UsageError: it says what to do.
    """
    if path is None:
        return
    kind = format_of(path)
    if kind in FORMATS:
        can_draw(kind)
    if not path.parent.is_dir():
        raise UsageError(
            f"{str(path)!r} cannot be written: there is no folder {str(path.parent)!r}; make it "
            f"first"
        )


def format_of(path: Path) -> str:
    """Return the format that a file's ending asks for."""
    kind = path.suffix.removeprefix(".").lower()
    if kind not in (*FORMATS, *TEXTS):
        known = " ".join(f".{each}" for each in (*FORMATS, *TEXTS))
        raise UsageError(
            f"the ending of {str(path)!r} names no format of pictures; known are {known}"
        )
    return kind


def text_of(drawn: Picture, kind: str) -> str:
    """Return a picture as DOT, Mermaid or JSON."""
    match kind:
        case "mmd":
            return drawn.to_mermaid()
        case "json":
            return text.dumps(drawn.to_json())
        case _:
            return drawn.to_dot()


async def write(drawn: Picture, path: Path) -> None:
    """Write a picture as the file's ending asks for."""
    kind = format_of(path)
    if kind in TEXTS:
        content = text_of(drawn, kind).encode()
    else:
        content = await draw(drawn.to_dot(), kind)
    await anyio.Path(path).write_bytes(content)


@attrs.define(eq=False)
class Film:
    """A run that is told again event by event, so that its pictures depend on nothing else.

    Attributes:
        run: Its id.
        events: What is still to be told.
        known: How many events were taken from the store.
        told: The run as far as it was told.
        shown: The latest picture, in DOT.
        waiting: The name of its file and the picture, if that is still to be drawn.
    """

    run: str
    events: deque[Event] = attrs.field(factory=deque[Event])
    known: int = 0
    told: Run | None = None
    shown: str = ""
    waiting: tuple[str, str] | None = None

    async def collect(self, store: Store) -> None:
        """Take from the store what has happened since the last time."""
        while batch := await store.events(self.run, self.known):
            for number, event in batch:
                self.known = number
                self.events.append(event)

    def next(self) -> tuple[str, str] | None:
        """Return the next picture, with the name of its file; the same one until it is drawn."""
        while self.waiting is None and self.events:
            event = self.events.popleft()
            if self.told is None:
                self.told = fold([event])
            else:
                evolve(self.told, event)
            self._look(self.told)
        return self.waiting

    def _look(self, run: Run) -> None:
        from ..workflow import picture

        every = 1 + len(run.tasks) // EACH_TASKS_MAX
        if run.version % every and (self.events or not run.ended):
            return
        dot = picture(run).to_dot()
        if dot != self.shown:
            self.shown = dot
            self.waiting = f"{run.version:06}.{EACH}", dot


@attrs.define(eq=False)
class Pictures:
    """What is drawn of the runs that a process stays with.

    Attributes:
        last: Where the last picture goes.
        each: The folder of the pictures of each change.
    """

    last: Path | None
    each: Path | None
    say: Callable[[str], None]
    _lock: anyio.Lock = attrs.field(factory=anyio.Lock)
    _film: Film | None = None
    _changed: anyio.Event = attrs.field(factory=anyio.Event)
    _more: anyio.Event = attrs.field(factory=anyio.Event)

    def watch(self, run: Run, events: Sequence[Event]) -> None:
        """Note that something happened to a run."""
        del events  # the store has them all, from the first one
        if self.each is not None:
            if self._film is None:
                self._film = Film(run.id)
            self._changed.set()

    @asynccontextmanager
    async def told_by(self, store: Store) -> AsyncGenerator[None]:
        """Learn from a store what happens meanwhile, to the last event."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._listen, store)
            try:
                yield
            finally:
                group.cancel_scope.cancel()
                with anyio.CancelScope(shield=True):
                    await self._try(self._collect, store)

    async def _listen(self, store: Store) -> None:
        while True:
            await self._changed.wait()
            self._changed = anyio.Event()
            await self._try(self._collect, store)

    async def _collect(self, store: Store) -> None:
        if self._film is not None:
            await self._film.collect(store)
            self._more.set()

    async def serve(self) -> None:
        """Draw what is told, for ever."""
        while True:
            await self._more.wait()
            self._more = anyio.Event()
            await self._try(self._draw_waiting)

    async def _draw_waiting(self) -> None:
        async with self._lock:
            film = self._film
            while self.each is not None and film is not None and (found := film.next()):
                name, dot = found
                await anyio.Path(self.each).mkdir(parents=True, exist_ok=True)
                await anyio.Path(self.each / name).write_bytes(await draw(dot, EACH))
                film.waiting = None

    async def finish(self, runs: Sequence[Run]) -> None:
        """Draw the rest, and the last picture."""
        await self._try(self._draw_waiting)
        if self.last is not None and runs:
            from ..workflow import picture

            await self._try(write, picture(runs[0]), self.last)

    async def _try(self, work: Callable[..., Awaitable[None]], *args: Any) -> None:
        """Do it; what goes wrong is told, and the run goes on."""
        try:
            await work(*args)
        except (CallboardError, OSError) as error:
            self._film = None
            self.each = None
            for line in sentences(error):
                self.say(line)
