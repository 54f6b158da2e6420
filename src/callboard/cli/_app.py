"""Every command with its arguments; what a command does is imported when it is called."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from ._outcome import Settings

DEFAULT_STORE = "sqlite:///callboard.db"

_F = TypeVar("_F", bound=Callable[..., Any])


def _note_debug(context: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's
    if value:
        context.ensure_object(Settings).debug = True


def _debug(command: _F) -> _F:
    return click.option(
        "--debug",
        is_flag=True,
        expose_value=False,
        callback=_note_debug,
        help="Show the traceback of an error.",
    )(command)


def _store(command: _F) -> _F:
    return click.option(
        "--store",
        metavar="URL",
        envvar="CALLBOARD_STORE",
        show_envvar=True,
        default=DEFAULT_STORE,
        show_default=True,
        help="Where runs are remembered: sqlite:///FILE (four slashes: absolute).",
    )(command)


def _json(command: _F) -> _F:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")(command)


def _backend(command: _F) -> _F:
    return click.option(
        "--backend",
        type=click.Choice(["asyncio", "trio"]),
        default="asyncio",
        show_default=True,
        help="The event loop that runs everything.",
    )(command)


def _common(command: _F) -> _F:
    for option in (_debug, _backend, _json, _store):
        command = option(command)
    return command


def _staying(command: _F) -> _F:
    """Add what `run` and `resume` share: they stay until the end."""
    for option in (
        click.option("--no-progress", is_flag=True, help="Do not show what happens meanwhile."),
        click.option(
            "--pictures",
            type=click.Path(file_okay=False, path_type=Path),
            metavar="DIR",
            help="Leave one SVG for each change, named by the number of its event.",
        ),
        click.option(
            "--picture",
            type=click.Path(dir_okay=False, path_type=Path),
            metavar="OUT",
            help="Leave the last picture; the ending says how: .svg .png .pdf .dot .mmd .json.",
        ),
        click.option(
            "--concurrency",
            type=click.IntRange(min=1),
            metavar="N",
            help="Attempts at once; 4 for each CPU, at least 8, if not given.",
        ),
    ):
        command = option(command)
    return _common(command)


_run = click.argument("run", required=False)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="callboard", prog_name="callboard")
@_debug
@click.pass_context
def app(context: click.Context) -> None:
    """Run work made of steps that depend on each other, so that it survives crashes."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        context.color = False  # for the command, too; by itself click heeds neither


# --- running ------------------------------------------------------------------------------------


def _each_once(_: click.Context, __: click.Parameter, texts: tuple[str, ...]) -> tuple[str, ...]:
    from ..workflow import UsageError

    names = [text.partition("=")[0].strip() for text in texts]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"--input gives {name!r} more than once")
    return texts


@app.command()
@click.argument("file")
@click.option(
    "--input",
    "inputs",
    multiple=True,
    metavar="K=V",
    callback=_each_once,
    help="An input of the workflow; repeatable, each once.",
)
@click.option("--run-id", metavar="ID", help="The run's id; made up if not given.")
@_staying
def run(file: str, inputs: tuple[str, ...], run_id: str | None, **options: Any) -> int:
    """Start a run of FILE and stay with it until it ends.

    FILE is YAML, JSON, or a workflow in Python as flow.py:name or module:name.
    """
    from ._run import Stay, run_file

    return run_file(file, inputs, run_id, Stay(**options))


@app.command()
@_run
@_staying
def resume(run: str | None, **options: Any) -> int:
    """Carry on RUN, or every unfinished run that nobody is running.

    Without RUN, paused runs are named and left alone; a paused RUN is taken up and stays paused.
    """
    from ._run import Stay, resume_runs

    return resume_runs(run, Stay(**options))


# --- definitions --------------------------------------------------------------------------------


@app.command()
@click.argument("file")
@click.option("--strict", is_flag=True, help="Also refuse lonely tasks and separate parts.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")
@_debug
def validate(file: str, *, strict: bool, as_json: bool) -> int:
    """Say everything that is wrong with FILE, or what it is made of."""
    from ._files import validate_file

    return validate_file(file, strict=strict, as_json=as_json)


@app.command()
@click.argument("file_or_run", metavar="[FILE_OR_RUN]", required=False)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="OUT",
    help="Write it there; the ending says how: .svg .png .pdf .dot .mmd .json.",
)
@click.option("--at", type=click.IntRange(min=1), metavar="N", help="As it was after event N.")
@click.option(
    "--unfold",
    multiple=True,
    metavar="HOLE",
    help="Also draw in what ways a hole may be filled; all does it for each. May be repeated.",
)
@_common
def picture(file_or_run: str | None, **options: Any) -> int:
    """Draw a workflow, or a run as of now; without -o the DOT text goes to stdout."""
    from ._files import draw_picture

    return draw_picture(file_or_run, **options)


@app.command()
@_debug
def schema() -> None:
    """Print the JSON Schema of workflow files."""
    from ._files import schema_text

    click.echo(schema_text())


# --- looking ------------------------------------------------------------------------------------


@app.command()
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, metavar="N")
@_common
def runs(**options: Any) -> int:
    """List runs, newest first."""
    from ._look import list_runs

    return list_runs(**options)


@app.command()
@_run
@_common
def show(run: str | None, **options: Any) -> int:
    """Show a run and its tasks; without RUN the latest."""
    from ._look import show_run

    return show_run(run, **options)


@app.command()
@_run
@click.option("--follow", "-f", is_flag=True, help="Go on until the run ends.")
@_common
def events(run: str | None, **options: Any) -> int:
    """Tell what happened in a run, one line an event; --json gives one JSON object a line."""
    from ._look import tell_events

    return tell_events(run, **options)


@app.command()
@_run
@click.argument("task", required=False)
@click.option("--follow", "-f", is_flag=True, help="Go on until the run ends.")
@_common
def logs(run: str | None, task: str | None, **options: Any) -> int:
    """Print what the tasks of a run wrote; --json gives one JSON object a line.

    RUN may be the word "latest".
    """
    from ._look import print_logs

    return print_logs(run, task, **options)


@app.command()
@_run
@click.argument("task", required=False)
@_common
def why(run: str | None, task: str | None, **options: Any) -> int:
    """Tell why tasks are not running: what each waits for, and who holds it.

    RUN may be the word "latest".
    """
    from ._look import tell_why

    return tell_why(run, task, **options)


# --- acting -------------------------------------------------------------------------------------


@app.command()
@click.argument("run")
@_common
def pause(run: str, **options: Any) -> int:
    """Start nothing more of a run until it is unpaused; what runs goes on."""
    from ._act import act

    return act("pause", run, **options)


@app.command()
@click.argument("run")
@_common
def unpause(run: str, **options: Any) -> int:
    """Start tasks of a paused run again."""
    from ._act import act

    return act("unpause", run, **options)


@app.command()
@click.argument("run")
@click.option("--reason", default="cancelled", metavar="TEXT", help="Why; the run keeps it.")
@_common
def cancel(run: str, **options: Any) -> int:
    """Stop everything of a run and end it as cancelled."""
    from ._act import act

    return act("cancel", run, **options)


@app.command()
@click.argument("run")
@click.argument("task")
@_common
def restart(run: str, **options: Any) -> int:
    """Do a task and all behind it anew, also in a run that has ended."""
    from ._act import act

    return act("restart", run, **options)


@app.command()
@click.argument("run")
@click.argument("task")
@click.argument("value", metavar="JSON")
@_common
def answer(run: str, **options: Any) -> int:
    """Tell a waiting task what it waits for."""
    from ._act import act

    return act("answer", run, **options)


@app.command()
@click.argument("run")
@click.argument("task")
@click.option(
    "--state",
    required=True,
    type=click.Choice(["succeeded", "not_ready", "failed", "skipped", "cancelled"]),
    help="What became of it.",
)
@click.option("--output", "value", metavar="JSON", help="Its output.")
@_common
def settle(run: str, **options: Any) -> int:
    """Set a task's outcome by hand."""
    from ._act import act

    return act("settle", run, **options)


# --- the service --------------------------------------------------------------------------------

_grace = click.option(
    "--grace",
    type=click.FloatRange(min=0),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="What running tasks get when it is told to stop.",
)


@app.command()
@click.argument("files", nargs=-1)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=8700,
    show_default=True,
    metavar="N",
    help="The port; 0 is any that is free.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(min=1),
    metavar="N",
    help="Attempts at once; 4 for each CPU, at least 8, if not given.",
)
@click.option(
    "--elsewhere",
    multiple=True,
    metavar="NAME",
    help="A pool or a label whose tasks are left to workers. May be repeated.",
)
@click.option("--no-page", is_flag=True, help="Serve REST alone.")
@click.option(
    "--rate",
    type=click.FloatRange(min=0, min_open=True),
    default=2_000.0,
    show_default=True,
    metavar="N",
    help="Requests a second that one client, a token or an address, may make.",
)
@_grace
@_store
@_backend
@_debug
def serve(files: tuple[str, ...], **options: Any) -> int:
    """Run workflows as a service: REST and a live page, with workers elsewhere if wanted.

    FILES are definitions as `run` takes them, and folders of them.  More can be uploaded.
    """
    from ._serve import Serving, serve_files

    return serve_files(files, Serving(**options))


@app.command()
@click.option(
    "--server",
    metavar="URL",
    envvar="CALLBOARD_SERVER",
    show_envvar=True,
    default="http://127.0.0.1:8700",
    show_default=True,
    help="Where `callboard serve` is, or what it is mounted in.",
)
@click.option(
    "--token",
    metavar="TOKEN",
    envvar="CALLBOARD_TOKEN",
    show_envvar=True,
    help="Who this worker is; in the environment nobody reads it off the process list.",
)
@click.option("--label", "labels", multiple=True, metavar="L", help="Only tasks with these labels.")
@click.option("--pool", "pools", multiple=True, metavar="P", help="Only tasks of these pools.")
@click.option("--owner", metavar="O", help="The group of workers that it belongs to.")
@click.option(
    "--concurrency",
    type=click.IntRange(min=1),
    metavar="N",
    help="Tasks at once; 4 for each CPU, at least 8, if not given.",
)
@click.option("--name", metavar="NAME", help="What the server calls it; made up if not given.")
@click.option(
    "--lease",
    type=click.FloatRange(1, 86_400),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How long a claim lives if nothing is heard of this worker.",
)
@click.option(
    "--module",
    "modules",
    multiple=True,
    metavar="M",
    help="A flow.py or module whose @callboard.task functions do the tasks of their label.",
)
@_grace
@_backend
@_debug
def worker(**options: Any) -> int:
    """Do tasks of a server here: those it leaves to workers, and those of your own functions."""
    from ._worker import Working, work

    return work(Working(**options))


# --- the store ----------------------------------------------------------------------------------


@app.group()
def store() -> None:
    """Look after the place where runs are remembered."""


@store.command()
@_common
def check(**options: Any) -> int:
    """Read everything that is stored and say whether it is sound."""
    from ._upkeep import check_store

    return check_store(**options)


@store.command()
@_common
def migrate(**options: Any) -> int:
    """Bring the store's tables up to date with this version of callboard."""
    from ._upkeep import migrate_store

    return migrate_store(**options)


# --- tokens -------------------------------------------------------------------------------------


@app.group()
def token() -> None:
    """Say who may ask a server for what."""


@token.command("add")
@click.argument("name")
@click.option(
    "--role",
    "roles",
    multiple=True,
    required=True,
    metavar="ROLE",
    help="What it may: view, operate, worker or admin. May be repeated.",
)
@click.option("--owner", metavar="OWNER", help="The group of workers it belongs to.")
@_common
def add_token(name: str, roles: tuple[str, ...], owner: str | None, **options: Any) -> int:
    """Make a token and print its secret, this once: only its hash is kept."""
    from ._tokens import add_token

    return add_token(name, roles, owner, **options)


@token.command("list")
@_common
def list_tokens(**options: Any) -> int:
    """List the tokens with their roles."""
    from ._tokens import list_tokens

    return list_tokens(**options)


@token.command("remove")
@click.argument("name")
@_common
def remove_token(name: str, **options: Any) -> int:
    """Make a token worthless, at once."""
    from ._tokens import remove_token

    return remove_token(name, **options)
