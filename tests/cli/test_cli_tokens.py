"""`callboard token`: the secret is printed once, on stdout alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import Cli


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_token_is_made_listed_and_removed(cli: Cli, backend: str) -> None:
    made = cli("token", "add", "ci", "--role", "operate", "--role", "worker", "--backend", backend)
    assert made.code == 0
    secret = made.out.strip()
    assert secret.startswith("callboard_")
    assert secret not in made.err
    listed = cli("token", "list")
    assert listed.out.startswith("ci: operate, worker, made on 2")
    assert secret not in listed.out
    (token,) = cli("token", "list", "--json").json()
    assert (token["name"], token["roles"], token["owner"]) == ("ci", ["operate", "worker"], None)
    assert cli("token", "remove", "ci").code == 0
    assert "no tokens" in cli("token", "list").out
    assert cli("token", "add", "x", "--role", "view", "--json").json()["roles"] == ["view"]


def test_what_cannot_be_is_said_in_a_sentence(cli: Cli, folder: Path) -> None:
    assert cli("token", "list").code == 4
    assert not (folder / "callboard.db").exists()
    cli("token", "add", "ci", "--role", "view")
    for words, code, said in (
        (("token", "add", "ci", "--role", "view"), 1, "there is a token 'ci' already"),
        (("token", "add", "b", "--role", "king"), 2, "the roles are view, operate, worker, admin"),
        (("token", "add", "b"), 2, "Missing option '--role'"),
        (("token", "add", "b", "--role", "worker", "--owner", "o"), 2, "no owner 'o'"),
        (("token", "remove", "b"), 2, "no token 'b'"),
        (("token", "add", "b", "--role", "view", "--store", "memory:"), 2, "name another one"),
    ):
        done = cli(*words)
        assert (done.code, done.out) == (code, "")
        assert said in done.err
        assert "Traceback" not in done.err
