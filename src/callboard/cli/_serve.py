"""`serve`: an engine that takes up what nobody runs, behind REST and the page, until a signal."""

from __future__ import annotations

import signal
import socket
from collections.abc import Sequence
from functools import partial
from ipaddress import ip_address
from pathlib import Path

import anyio
import attrs
import click

from .._extras import lacks_extra
from .._frozen import frozen
from .._loading import let_import, load
from .._workflows import Workflow
from ..engine import Engine
from ..storage import open_store
from ..workflow import DefinitionError, UsageError, WorkflowSpec
from . import _text as text
from ._loop import run_loop
from ._outcome import DONE, INTERRUPTED
from ._signals import listen


@frozen(kw_only=True)
class Serving:
    """How a server is served."""

    store: str
    backend: str
    host: str
    port: int
    concurrency: int | None
    elsewhere: tuple[str, ...]
    no_page: bool
    rate: float | None
    grace: float


def serve_files(files: Sequence[str], serving: Serving) -> int:
    """Serve the workflows in files, and those that are uploaded."""
    workflows = load_all(files)
    for each in workflows:
        if isinstance(each, WorkflowSpec):
            let_import(each.folder)
    engine = Engine(
        open_store(serving.store),
        concurrency=serving.concurrency,
        workflows=workflows,
        elsewhere=serving.elsewhere,
        grace=serving.grace,
    )
    return run_loop(_serve, engine, serving, backend=serving.backend)


def load_all(files: Sequence[str]) -> list[Workflow | WorkflowSpec]:
    """Return the workflows in files; of a folder, those in each definition file in it.

    Raises:
        DefinitionError: something is wrong, in whichever file; or two have the same name.
    """
    found: dict[str, tuple[str, Workflow | WorkflowSpec]] = {}
    errors: list[str] = []
    for file in _spread(files):
        try:
            workflow = load(file)
        except DefinitionError as error:
            errors.extend(error.errors)
            continue
        earlier = found.setdefault(workflow.name, (file, workflow))[0]
        if earlier != file:
            errors.append(f"{file}: workflow {workflow.name!r} is in {earlier}, too; rename one")
    if errors:
        raise DefinitionError(errors)
    return [workflow for _, workflow in found.values()]


def _spread(files: Sequence[str]) -> list[str]:
    from ..definitions import DEFINITION_ENDINGS

    found: dict[str, None] = {}
    for file in files:
        if not Path(file).is_dir():
            found[file] = None
            continue
        inside = [each for each in Path(file).iterdir() if each.suffix in DEFINITION_ENDINGS]
        if not inside:
            raise UsageError(f"{file} holds no definition: no {', '.join(DEFINITION_ENDINGS)} file")
        found.update(dict.fromkeys(map(str, sorted(inside))))
    return list(found)


# --- serving --------------------------------------------------------------------------------------


@attrs.define(eq=False)
class _Stop:
    """That a signal has come, and which one.

    Attributes:
        starting: What is cut short if it comes before anything is served.
    """

    asked: anyio.Event = attrs.field(factory=anyio.Event)
    number: int | None = None
    starting: anyio.CancelScope | None = None

    def ask(self, number: signal.Signals) -> None:
        """Stop in order."""
        self.number = number
        click.echo("stopping in order; once more stops at once", err=True)
        self.asked.set()
        if self.starting is not None:
            self.starting.cancel()


async def _serve(engine: Engine, serving: Serving) -> int:
    try:
        from ..web import bound, serve
    except ModuleNotFoundError as lacking:
        raise lacks_extra(lacking, "serve") from lacking

    # What cannot be served is said before anything is begun.
    app = engine.asgi(rate=serving.rate, page=not serving.no_page)
    listener = bound(serving.host, serving.port)
    until, stop = anyio.Event(), _Stop()
    async with anyio.create_task_group() as group:
        await group.start(listen, stop.ask, lambda: None)
        async with anyio.create_task_group() as servers:
            with listener, anyio.CancelScope() as scope:
                stop.starting = scope
                async with engine:
                    await _check_access(engine, serving, listener)
                    serving_it = partial(serve, app, serving.host, serving.port, until)
                    urls = await servers.start(partial(serving_it, listener=listener))
                    stop.starting = None
                    click.echo(f"callboard serves on {urls[0]}")
                    await stop.asked.wait()
                    # From here on nothing more is accepted.  The engine's closing ends streams and
                    # answers those who wait for tasks; the server waits for both, behind it.
                    until.set()
        group.cancel_scope.cancel()
    return INTERRUPTED if stop.number == signal.SIGINT else DONE


async def _check_access(engine: Engine, serving: Serving, listener: socket.socket) -> None:
    """Refuse to be reached from other machines as long as there is no token."""
    address = str(listener.getsockname()[0])
    if ip_address(address).is_loopback or await engine.registry.tokens.any():
        return
    raise UsageError(
        f"{serving.host} can be reached from other machines, and there is no token to tell who "
        f"asks: make one with {text.command('token', 'add', store=serving.store)}, or listen on "
        "127.0.0.1"
    )
