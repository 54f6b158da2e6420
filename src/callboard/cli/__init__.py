"""The command line: ``callboard run flow.yaml`` and everything else one does from a shell.

Importing this costs next to nothing: click comes with :func:`main`, the rest with the
command that needs it.
"""

from __future__ import annotations

from collections.abc import Sequence

START_OBJECTS = 150_000
"""More than a command makes until it does its work, which is some 85,000."""


def main(argv: Sequence[str] | None = None) -> int:
    """Do what a command line asks for and return the exit code.

    Args:
        argv: The words after the program's name; those of this process if not given.
    """
    import gc

    if argv is None:
        _look_for_garbage_late()

    from ._outcome import guarded

    code = guarded(argv)
    if argv is None:
        # All that is left goes with the process. To look through it for garbage once more, as the
        # interpreter does at its end, takes a sixth of what a short command takes as a whole.
        gc.freeze()
    return code


def _look_for_garbage_late() -> None:
    """Let the garbage collector wait until the command has started, and be as always from then on.

    What a start makes is there to stay. To look through it a hundred times, as it grows, takes a
    twelfth of what a short command takes as a whole.
    """
    import gc

    usual = gc.get_threshold()

    def as_usual(phase: str, _: dict[str, int]) -> None:
        if phase == "stop":
            gc.callbacks.remove(as_usual)
            gc.set_threshold(*usual)

    gc.callbacks.append(as_usual)
    gc.set_threshold(START_OBJECTS, *usual[1:])
