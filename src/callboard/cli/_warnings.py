"""What the parts of the engine log, told on stderr: a sentence each."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager, suppress

import click

from ._outcome import Settings

_LOGGER = logging.getLogger("callboard")


class _Tell(logging.Handler):
    """Prints each warning, with its traceback only for whoever asked for tracebacks."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(logging.WARNING)
        self._settings = settings

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record where stderr leads to now: a live table puts itself before it."""
        text = self.format(record) if self._settings.debug else record.getMessage()
        with suppress(OSError):  # Nobody reads; the run goes on all the same.
            click.echo(text, err=True)


@contextmanager
def warnings_told(settings: Settings) -> Generator[None]:
    """Tell what is logged while this is entered."""
    handler = _Tell(settings)
    _LOGGER.addHandler(handler)
    try:
        yield
    finally:
        _LOGGER.removeHandler(handler)
