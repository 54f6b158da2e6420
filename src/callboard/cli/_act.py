"""Acting on a run, whoever owns it: its engine is told, or it is recorded for the next one."""

from __future__ import annotations

import getpass
import json
import os
from typing import Any

import click

from .._frozen import frozen
from .._json_text import read_json
from ..engine import Engine, RunHandle
from ..workflow import CallboardError, Refused, Run, UsageError
from . import _text as text
from ._loop import run_loop
from ._outcome import DONE
from ._reading import find_run, find_task, open_existing

_DONE = {
    "pause": "paused",
    "unpause": "unpaused",
    "restart": "told to do {task} and all behind it anew",
    "answer": "told the answer to {task}",
    "settle": "told that {task} is {state}",
}


@frozen(kw_only=True)
class _Said:
    """What was said to which run, and what it came to."""

    word: str
    run: Run
    live: bool
    task: str | None
    fields: dict[str, Any]


def act(
    word: str,
    run: str,
    *,
    store: str,
    backend: str,
    as_json: bool,
    task: str | None = None,
    **fields: Any,
) -> int:
    """Say a command to a run and tell what it came to."""
    if "value" in fields:
        fields["value"] = _parse(word, fields["value"])
    said = run_loop(_say, store, word, run, task, fields, backend=backend)
    if as_json:
        click.echo(text.dumps(_json(said)))
        return DONE
    click.echo(_sentence(said))
    if not said.live and not said.run.ended:
        click.echo(
            f"nobody runs it now; carry on with {text.command('resume', said.run.id, store=store)}"
        )
    return DONE


def _parse(word: str, value: str | None) -> Any:
    if value is None:
        return None
    try:
        return read_json(value)
    except UsageError as error:
        raise UsageError(f"this JSON cannot be stored: {error}") from error
    except ValueError as error:
        quoted = json.dumps(value, ensure_ascii=False)
        raise UsageError(
            f"{value!r} is not JSON ({error}); for the text itself write: {word} … '{quoted}'"
        ) from error


async def _say(store: str, word: str, run: str, task: str | None, fields: dict[str, Any]) -> _Said:
    async with Engine(open_existing(store), recover="none", board=False, grace=0) as engine:
        handle = await engine.get(await find_run(engine.store, run))
        name = None if task is None else await _task(engine, handle, task)
        live = await _command(handle, word, name, fields)
        loaded = await engine.tree.load(handle.id)
    return _Said(word=word, run=loaded, live=live, task=name, fields=fields)


async def _task(engine: Engine, handle: RunHandle, given: str) -> str:
    try:
        return find_task(await engine.tree.load(handle.id), given)
    except UsageError as error:
        raise Refused(str(error)) from error


async def _command(handle: RunHandle, word: str, task: str | None, fields: dict[str, Any]) -> bool:
    by = _who()
    match word, task:
        case "pause", None:
            return await handle.pause(by=by)
        case "unpause", None:
            return await handle.unpause(by=by)
        case "cancel", None:
            return await handle.cancel(fields["reason"], by=by)
        case "restart", str():
            return await handle.restart(task, by=by)
        case "answer", str():
            try:
                return await handle.answer(task, fields["value"], by=by)
            except UsageError as error:
                raise Refused(str(error)) from error
        case "settle", str():
            return await handle.settle(task, fields["state"], fields["value"], by=by)
        case _:
            raise CallboardError(f"{word!r} is no command for a run")


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}" if hasattr(os, "getuid") else "somebody"


def _sentence(said: _Said) -> str:
    if said.word == "cancel":
        what = (
            "cancelled" if said.run.ended else "being cancelled, what runs of it is being stopped"
        )
        return f"run {said.run.id} is {what}"
    task = said.run.tasks[said.task].spec.name if said.task is not None else ""
    what = _DONE[said.word].format(task=task, state=said.fields.get("state"))
    return f"run {said.run.id} is {what}"


def _json(said: _Said) -> dict[str, Any]:
    return {
        "run": said.run.id,
        "command": said.word,
        "task": said.task,
        "state": str(said.run.state),
        "paused": said.run.paused,
        "carried_on": said.live,
    }
