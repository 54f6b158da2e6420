"""Where the command line writes to: whatever is wrong there, a command comes to what it came to."""

from __future__ import annotations

import os
import sys

import click


def tell(line: str, *, err: bool = False) -> None:
    """Print a line, or nothing any more once nobody reads."""
    try:
        click.echo(line, err=err)
    except BrokenPipeError:
        # Else what is left in the buffer is tried again when this process ends, and fails it.
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, (sys.stderr if err else sys.stdout).fileno())
        os.close(null)
