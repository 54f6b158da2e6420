"""From DOT text to a drawing: by pygraphviz if it is installed, else by the program ``dot``.

pygraphviz is C code: it draws in a process of its own, so that a crash or a slow layout hurts
nobody else.  That process is a plain interpreter and imports nothing of the program: one that pools
of worker processes start would run a script that has no ``if __name__ == "__main__"`` once more.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from typing import Final, Literal, get_args

import anyio
import anyio.to_thread

from ._extras import how_to_install
from .workflow import CallboardError, UsageError

DrawnFormat = Literal["svg", "png", "pdf"]
FORMATS: Final = get_args(DrawnFormat)
"""What needs a drawing program; DOT, Mermaid and JSON need none."""

DRAW_SECONDS: Final = 120.0
"""How long one drawing may take."""


def can_draw(kind: str) -> None:
    """Refuse a format that nothing here draws.

    Raises:
        UsageError: it names the remedies.
    """
    if not _has_pygraphviz() and shutil.which("dot") is None:
        raise _lacking(kind)


def _has_pygraphviz() -> bool:
    return importlib.util.find_spec("pygraphviz") is not None


def _lacking(kind: str) -> UsageError:
    return UsageError(
        f"a {kind} picture needs something that draws: {how_to_install('draw')}, or install "
        f"Graphviz so that the program dot is found; .dot, .mmd and .json need neither"
    )


async def draw(dot: str, kind: str) -> bytes:
    """Return the drawing of a DOT text.

    Args:
        dot: The graph.
        kind: ``svg``, ``png`` or ``pdf``.

    Raises:
        UsageError: the format is none of these, or nothing that draws is installed.
        CallboardError: it could not be drawn.
    """
    if kind not in FORMATS:
        raise UsageError(f"pictures are drawn as {', '.join(FORMATS)}, not as {kind!r}")
    drawn: bytes | None = None
    with anyio.move_on_after(DRAW_SECONDS):
        drawn = await _drawn(_laid_out(dot, kind), kind)
    if drawn is None:
        raise CallboardError(
            f"the picture was not drawn within {DRAW_SECONDS:g} s, its graph is too large for "
            f"that; write it as .dot, .mmd or .json instead"
        )
    return drawn


_LAYOUT: Final = {"png": "pad=0.25 dpi=144", "svg": "pad=0.25", "pdf": "pad=0.25"}
"""Air around a drawing, and twice the pixels of a plain screen."""


async def lay_out(dot: str) -> str:
    """Return where things are in a DOT text, as Graphviz's ``plain`` output says it.

    Raises:
        UsageError: nothing that lays out is installed.
        CallboardError: it could not be laid out.
    """
    found: bytes | None = None
    with anyio.move_on_after(DRAW_SECONDS):
        found = await _drawn(dot, "plain")
    if found is None:
        raise CallboardError(f"the graph was not laid out within {DRAW_SECONDS:g} s: too large")
    return found.decode()


def _laid_out(dot: str, kind: str) -> str:
    """Say how this format is laid out; that is no part of the picture's text."""
    return f"{dot.rstrip().removesuffix('}')}  {_LAYOUT[kind]}\n}}\n"


async def _drawn(dot: str, kind: str) -> bytes:
    if _has_pygraphviz():
        try:
            return await _by_pygraphviz(dot, kind)
        except CallboardError:
            if shutil.which("dot") is None:
                raise
    return await anyio.to_thread.run_sync(_by_program, dot, kind, abandon_on_cancel=True)


_SCRIPT: Final = """
import signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal reaches it, too
import pygraphviz
text = sys.stdin.buffer.read().decode()
graph = pygraphviz.AGraph(string=text)
sys.stdout.buffer.write(graph.draw(format=sys.argv[1], prog="dot"))
"""


async def _by_pygraphviz(dot: str, kind: str) -> bytes:
    command = [sys.executable, "-P", "-c", _SCRIPT, kind]
    try:
        done = await anyio.run_process(command, input=dot.encode())
    except subprocess.CalledProcessError as error:
        lines = error.stderr.decode(errors="replace").strip().splitlines() or [str(error)]
        raise CallboardError(f"the picture could not be drawn: {lines[-1]}") from error
    return done.stdout


def _by_program(dot: str, kind: str) -> bytes:
    import graphviz

    try:
        drawn: bytes = graphviz.Source(dot).pipe(format=kind)
    except graphviz.ExecutableNotFound as error:
        raise _lacking(kind) from error
    except graphviz.CalledProcessError as error:
        raise CallboardError(f"the picture could not be drawn: {error}") from error
    return drawn
