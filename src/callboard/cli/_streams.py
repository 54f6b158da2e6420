"""Where the command line writes to: whatever is wrong there, a command comes to what it came to."""

from __future__ import annotations

import io
import os
import sys

import click

SHORT = 1_000
"""How many characters go to stderr if stdout does not take them."""


def prepare() -> None:
    """Let the standard streams take whatever is written to them."""
    # In this order each that is closed gets its own number again, which else the next file or
    # socket got, and with it what a process that is started here writes.
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(null, True)
            stream = open(null, mode, encoding="utf-8", closefd=False)  # noqa: SIM115 - it stays
            setattr(sys, name, stream)
    stdout: object = sys.stdout
    if isinstance(stdout, io.TextIOWrapper):
        # It may have no such character.  stderr escapes by itself.
        stdout.reconfigure(errors="backslashreplace")


def tell(line: str, *, err: bool = False) -> None:
    """Print a line, or nothing any more once nobody reads.

    Raises:
        OSError: stdout is on a full disk, say; a short line has gone to stderr instead.
    """
    try:
        click.echo(line, err=err)
    except OSError as error:
        # Else what is left in the buffer is tried again when this process ends, and fails it.
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, (sys.stderr if err else sys.stdout).fileno())
        os.close(null)
        if err or isinstance(error, BrokenPipeError):
            return
        if len(line) <= SHORT:
            tell(line, err=True)
        why = error.strerror or error
        raise OSError(f"stdout cannot be written ({why}); send it elsewhere") from error
