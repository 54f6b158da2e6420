"""`worker`: does tasks of a server elsewhere, until a signal."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable

import anyio
import click

from .._extras import lacks_extra
from .._frozen import frozen
from ..workflow import UsageError
from ._loop import run_loop
from ._outcome import DONE, INTERRUPTED
from ._signals import listen
from ._text import count


@frozen(kw_only=True)
class Working:
    """How a worker works."""

    server: str
    token: str | None
    labels: tuple[str, ...]
    pools: tuple[str, ...]
    owner: str | None
    concurrency: int | None
    name: str | None
    lease: float
    modules: tuple[str, ...]
    grace: float
    backend: str


def work(working: Working) -> int:
    """Claim and do tasks until a signal."""
    # What it starts must not find the token in its environment.
    os.environ.pop("CALLBOARD_TOKEN", None)
    if not (working.labels or working.pools or working.modules):
        raise UsageError(
            "say which tasks this worker does: --label or --pool for those that the server leaves "
            "to workers, --module for those that a function of yours does"
        )
    return run_loop(_work, working, backend=working.backend)


async def _work(working: Working) -> int:
    try:
        from ..client import Client
    except ModuleNotFoundError as lacking:
        raise lacks_extra(lacking, "http") from lacking
    from ..worker import Wishes, Worker, labelled

    functions = labelled(working.modules)
    labels = list(working.labels) or (list(functions) if functions else None)
    limit = working.concurrency or max(8, 4 * (os.cpu_count() or 1))
    name = working.name or f"{socket.gethostname()}-{os.getpid()}"
    numbers: list[signal.Signals] = []
    async with Client(working.server, working.token or None, connections=2 * limit + 2) as client:
        client.http.on_away, client.http.on_back = _away_and_back(working.server)
        worker = Worker(
            client,
            name=name,
            wishes=Wishes(
                labels=labels,
                pools=list(working.pools) or None,
                owner=working.owner,
                lease=working.lease,
            ),
            functions=functions,
            concurrency=limit,
            grace=working.grace,
            tell=_say,
        )

        def stop(number: signal.Signals) -> None:
            numbers.append(number)
            running = count(worker.running, "task")
            _say(f"claiming nothing more; {running} may end within {working.grace:g} s")
            worker.stop()

        def hurry() -> None:
            _say("stopping what runs; once more ends at once")
            worker.hurry()

        async with anyio.create_task_group() as group:
            await group.start(listen, stop, lambda: None, hurry)
            _say(f"worker {name} does {_which(labels, working.pools)} for {working.server}")
            await worker.run()
            group.cancel_scope.cancel()
    return INTERRUPTED if numbers == [signal.SIGINT] else DONE


def _which(labels: list[str] | None, pools: tuple[str, ...]) -> str:
    words = "all tasks" if labels is None else ", ".join(map(repr, labels))
    return f"{words} of {', '.join(map(repr, pools))}" if pools else words


def _say(line: str) -> None:
    click.echo(line, err=True)


def _away_and_back(
    server: str,
) -> tuple[Callable[[Exception], object], Callable[[], object]]:
    """Return who tells, once each time, that the server is away, and that it is back."""
    is_away = False

    def away(error: Exception) -> None:
        nonlocal is_away
        if not is_away:
            is_away = True
            _say(f"{server} cannot be reached ({str(error) or type(error).__name__}); trying again")

    def back() -> None:
        nonlocal is_away
        if is_away:
            is_away = False
            _say(f"{server} is back")

    return away, back
