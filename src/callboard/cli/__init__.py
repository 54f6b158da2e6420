"""The command line: ``callboard run flow.yaml`` and everything else one does from a shell.

Importing this costs next to nothing: click comes with :func:`main`, the rest with the
command that needs it.
"""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Do what a command line asks for and return the exit code.

    Args:
        argv: The words after the program's name; those of this process if not given.
    """
    import gc

    from ._outcome import guarded

    code = guarded(argv)
    if argv is None:
        # All that is left goes with the process. To look through it for garbage once more, as the
        # interpreter does at its end, takes a sixth of what a short command takes as a whole.
        gc.freeze()
    return code
