"""From what happened to one sentence and an exit code."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, cast

import click

from ._streams import prepare, tell

if TYPE_CHECKING:
    from ..workflow import RunState

DONE: Final = 0
FAILED: Final = 1
WRONG: Final = 2
NOT_READY: Final = 3
BROKEN: Final = 4
INTERRUPTED: Final = 130


class Settings:
    """What holds for the whole command line."""

    def __init__(self) -> None:
        self.debug = False


def exit_code(state: RunState) -> int:
    """Return the exit code that tells how a run ended."""
    match str(state):
        case "succeeded":
            return DONE
        case "not_ready":
            return NOT_READY
        case "pending" | "running":
            return INTERRUPTED
        case _:
            return FAILED


def guarded(argv: Sequence[str] | None) -> int:
    """Run the command line; every error becomes a sentence on stderr and an exit code."""
    prepare()
    from ._app import app
    from ._warnings import warnings_told

    settings = Settings()
    try:
        with warnings_told(settings):
            code = app.main(
                args=None if argv is None else list(argv),
                prog_name="callboard",
                standalone_mode=False,
                obj=settings,
            )
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return WRONG
    except SystemExit:  # So click ends when whoever read our output has seen enough.
        return DONE
    except (KeyboardInterrupt, click.Abort):
        tell("interrupted", err=True)
        return INTERRUPTED
    except BaseExceptionGroup as group:
        return _told(_single(group), settings)
    except Exception as error:  # noqa: BLE001 - this is where errors become sentences
        return _told(error, settings)
    return code if isinstance(code, int) else DONE


def _single(error: BaseException) -> BaseException:
    causes = _causes(error)
    return _single(causes[0]) if len(causes) == 1 else error


def _causes(error: BaseException) -> tuple[BaseException, ...]:
    if not isinstance(error, BaseExceptionGroup):
        return ()
    return cast("BaseExceptionGroup[BaseException]", error).exceptions


def _told(error: BaseException, settings: Settings) -> int:
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    if settings.debug:
        traceback.print_exception(error)
    for line in sentences(error):
        tell(line, err=True)
    return code_of(error)


def sentences(error: BaseException) -> list[str]:
    """Return what a person is told about an error."""
    from ..workflow import CallboardError, DefinitionError

    if isinstance(error, DefinitionError):
        return list(error.errors)
    if isinstance(error, (CallboardError, OSError)):
        return [f"error: {line}" for line in str(error).splitlines()] or [f"error: {error!r}"]
    if causes := _causes(error):
        return [line for each in causes for line in sentences(each)]
    name = type(error).__name__
    return [f"error: {name}: {error} (this should not happen; --debug shows where it did)"]


def code_of(error: BaseException) -> int:
    """Return the exit code that an error asks for."""
    from ..workflow import (
        DefinitionError,
        Refused,
        RunCancelled,
        RunFailed,
        UnknownRecord,
        UnknownRun,
        UsageError,
    )

    match error:
        case DefinitionError() | UsageError() | UnknownRun() | UnknownRecord():
            return WRONG
        case Refused() | RunFailed() | RunCancelled():
            return FAILED
        case _:
            return BROKEN
