"""What is done with definitions: `validate`, `picture`, `schema`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from .._loading import load
from .._trial import why_not
from .._workflows import Workflow
from ..workflow import (
    CallboardError,
    DefinitionError,
    Picture,
    WorkflowSpec,
    picture,
    picture_of_spec,
)
from . import _text as text
from ._loop import run_loop
from ._outcome import DONE, WRONG
from ._pictures import check_target, text_of, write
from ._reading import load_run, looking

NAMES_MAX = 12
"""How many names a line of the summary holds."""


def validate_file(file: str, *, strict: bool, as_json: bool) -> int:
    """Say everything that is wrong with a file, or what it is made of."""
    try:
        spec = _spec(file)
        if (refused := why_not(spec)) is not None:
            raise DefinitionError([f"{file}: {refused}"])
        summary = _summary(spec)
        if strict:
            _refuse_loose_ends(file, summary)
    except DefinitionError as error:
        if as_json:
            click.echo(text.dumps({"valid": False, "errors": list(error.errors)}))
            return WRONG
        raise
    if as_json:
        click.echo(text.dumps({"valid": True, **summary}))
    else:
        _print(file, summary)
    return DONE


def _spec(file: str) -> WorkflowSpec:
    loaded = load(file)
    return loaded.build()[0] if isinstance(loaded, Workflow) else loaded


def _summary(spec: WorkflowSpec) -> dict[str, Any]:
    from ..definitions import summarise

    return summarise(spec).to_json()


def _refuse_loose_ends(file: str, summary: dict[str, Any]) -> None:
    errors = [f'{file}: task "{name}" has no edge to any other' for name in summary["lonely"]]
    parts = [
        part for part in summary["parts"] if part != [part[0]] or part[0] not in summary["lonely"]
    ]
    if len(parts) > 1:
        heads = ", ".join(
            f'that of "{part[0]}" ({text.count(len(part), "task")})' for part in parts
        )
        errors.append(f"{file}: the tasks fall into {len(parts)} separate parts: {heads}")
    if errors:
        raise DefinitionError(errors)


def _print(file: str, summary: dict[str, Any]) -> None:
    levels = summary["levels"]
    kinds = ", ".join(f"{number} {kind}" for kind, number in summary["kinds"].items())
    click.echo(f"{file} is valid: workflow {summary['workflow']}")
    click.echo(
        f"{text.count(summary['tasks'], 'task')} ({kinds}), "
        f"{text.count(summary['edges'], 'edge')}, {text.count(len(levels), 'level')}"
    )
    for number, level in enumerate(levels, start=1):
        click.echo(f"  level {number}: {_names(level, ', ')}")
    click.echo(f"critical path: {_names(summary['critical_path'], ' → ')}")
    for hole in summary["holes"]:
        click.echo(f"hole {hole['id']}: {hole['shape']}, filled by {hole['owner'] or 'a person'}")
    if summary["templates"]:
        click.echo(f"described for what comes: {_names(summary['templates'], ', ')}")
    if summary["promises"]:
        click.echo(f"promised: {'; '.join(summary['promises'])}")
    if summary["closed"]:
        click.echo("closed: tasks come only into the holes")
    if summary["lonely"]:
        click.echo(f"without any edge: {_names(summary['lonely'], ', ')}")


def _names(names: list[str], between: str) -> str:
    more = len(names) - NAMES_MAX
    shown = between.join(names[:NAMES_MAX])
    return f"{shown}{between}… {more:,} more" if more > 0 else shown


def schema_text() -> str:
    """Return the JSON Schema of workflow files."""
    from ..definitions import build_schema

    return text.dumps(build_schema())


# --- pictures -----------------------------------------------------------------------------------


def draw_picture(
    given: str | None,
    *,
    output: Path | None,
    at: int | None,
    unfold: Sequence[str],
    store: str,
    backend: str,
    as_json: bool,
) -> int:
    """Draw a workflow as it would begin, or a run as it is or was."""
    check_target(output)

    async def work() -> None:
        drawn = await _pictured(given, at, unfold, store)
        if output is not None:
            await write(drawn, output)
        else:
            click.echo(text_of(drawn, "json" if as_json else "dot").rstrip())

    run_loop(work, backend=backend)
    sys.stdout.flush()
    return DONE


async def _pictured(
    given: str | None, at: int | None, unfold: Sequence[str], store: str
) -> Picture:
    if given is not None and is_file(given) and not await _is_run_alone(given, store):
        if at is not None:
            raise click.UsageError("--at is for runs; a file has no events")
        return picture_of_spec(_spec(given), unfold=unfold)
    async with looking(store) as opened:
        return picture(await load_run(opened, given, at), unfold=unfold)


def is_file(given: str) -> bool:
    """Return whether this names a workflow rather than a run."""
    return (
        ":" in given
        or Path(given).suffix in (".yaml", ".yml", ".json", ".py")
        or Path(given).is_file()
    )


async def _is_run_alone(given: str, store: str) -> bool:
    """Return whether what looks like a workflow is no file, and a run has exactly this id."""
    if _exists(given):
        return False
    try:
        async with looking(store) as opened:
            return given in await opened.find(given)
    except CallboardError:
        return False


def _exists(given: str) -> bool:
    head = given.rpartition(":")[0]
    return Path(given).exists() or (head.endswith(".py") and Path(head).exists())
