"""Leaves pictures of runs in files: the last one, and one for each change."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final

import anyio
import attrs

from .._drawing import FORMATS, can_draw, draw
from ..workflow import CallboardError, Event, Picture, Run, UsageError, picture
from . import _text as text
from ._outcome import sentences

TEXTS: Final = ("dot", "mmd", "json")
EACH: Final = "svg"
"""The format of the pictures of each change."""


def check_target(path: Path | None) -> None:
    """Refuse a file whose ending names no format, or one that nothing here can draw.

    Raises:
        UsageError: it says what to do.
    """
    if path is None:
        return
    kind = format_of(path)
    if kind in FORMATS:
        can_draw(kind)


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
    _waiting: deque[tuple[Path, str]] = attrs.field(factory=deque[tuple[Path, str]])
    _drawn: int = 0
    _more: anyio.Event = attrs.field(factory=anyio.Event)

    def watch(self, run: Run, events: Sequence[Event]) -> None:
        """Take the picture of a run as of now; it is drawn later."""
        del events
        if self.each is not None and run.version > self._drawn:
            self._drawn = run.version
            path = self.each / f"{run.version:06}.{EACH}"
            self._waiting.append((path, picture(run).to_dot()))
            self._more.set()

    async def serve(self) -> None:
        """Draw what was taken, for ever."""
        while True:
            await self._more.wait()
            self._more = anyio.Event()
            await self._try(self._draw_waiting)

    async def _draw_waiting(self) -> None:
        async with self._lock:
            while self._waiting:
                path, dot = self._waiting[0]
                await anyio.Path(path.parent).mkdir(parents=True, exist_ok=True)
                await anyio.Path(path).write_bytes(await draw(dot, EACH))
                self._waiting.popleft()

    async def finish(self, runs: Sequence[Run]) -> None:
        """Draw the rest, and the last picture."""
        await self._try(self._draw_waiting)
        if self.last is not None and runs:
            await self._try(write, picture(runs[0]), self.last)

    async def _try(self, work: Callable[..., Awaitable[None]], *args: Any) -> None:
        """Do it; what goes wrong is told, and the run goes on."""
        try:
            await work(*args)
        except (CallboardError, OSError) as error:
            self._waiting.clear()
            for line in sentences(error):
                self.say(line)
