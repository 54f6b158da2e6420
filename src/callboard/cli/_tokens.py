"""`token add`, `token list` and `token remove`: who may ask a server for what."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import attrs
import click

from ..registry import Owners, Token, Tokens
from ..storage import Store, open_store
from ..workflow import UsageError
from . import _text as text
from ._loop import run_loop
from ._outcome import DONE
from ._reading import open_existing

PAGE = 1000


def add_token(
    name: str,
    roles: Sequence[str],
    owner: str | None,
    *,
    store: str,
    backend: str,
    as_json: bool,
) -> int:
    """Make a token and print its secret, which is shown this once."""
    secret = run_loop(_add, store, name, roles, owner, backend=backend)
    if as_json:
        told = {"name": name, "roles": list(roles), "owner": owner, "secret": secret}
        click.echo(text.dumps(told))
    else:
        click.echo(secret)
        click.echo(f"this is the only time the secret of {name!r} is shown", err=True)
    return DONE


async def _add(url: str, name: str, roles: Sequence[str], owner: str | None) -> str:
    if url.startswith("memory:"):
        raise UsageError("a store in memory ends with this command; name another one with --store")
    async with _tokens(open_store(url)) as tokens:
        return await tokens.add(name, roles, owner)


def list_tokens(*, store: str, backend: str, as_json: bool) -> int:
    """List the tokens without their secrets."""
    found = run_loop(_list, store, backend=backend)
    if as_json:
        click.echo(text.dumps([attrs.asdict(each) for each in found]))
        return DONE
    for each in found:
        made = datetime.fromtimestamp(each.created_at, UTC).strftime("%Y-%m-%d")
        owner = f", of {each.owner}" if each.owner else ""
        click.echo(f"{each.name}: {', '.join(each.roles)}{owner}, made on {made}")
    if not found:
        click.echo("there are no tokens: only this machine may ask")
    return DONE


async def _list(url: str) -> list[Token]:
    found: list[Token] = []
    async with _tokens(open_existing(url)) as tokens:
        while True:
            page = await tokens.list(limit=PAGE, offset=len(found))
            found += page.items
            if len(page.items) < PAGE:
                return found


def remove_token(name: str, *, store: str, backend: str, as_json: bool) -> int:
    """Make a token worthless."""
    run_loop(_remove, store, name, backend=backend)
    if as_json:
        click.echo(text.dumps({"name": name, "removed": True}))
    else:
        click.echo(f"token {name!r} is removed")
    return DONE


async def _remove(url: str, name: str) -> None:
    async with _tokens(open_existing(url)) as tokens:
        await tokens.remove(name)


@asynccontextmanager
async def _tokens(store: Store) -> AsyncGenerator[Tokens]:
    async with store.opened(None):
        yield Tokens(store, time.time, Owners(store, time.time))
