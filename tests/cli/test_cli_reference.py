"""The reference names every command and every option, and no other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click

from callboard.cli._app import app

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "command-line.md").read_text("utf-8")


def commands(group: click.Group, *above: str) -> Iterator[tuple[str, click.Command]]:
    """Give every command with the words that call it."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, *above, name)
        else:
            yield " ".join(["callboard", *above, name]), command


def test_every_command_stands_in_the_reference() -> None:
    shown = re.findall(r"^callboard .*$", PAGE, re.MULTILINE)
    known = dict(commands(app))
    for words in known:
        assert any(line == words or line.startswith(f"{words} ") for line in shown), words
    for line in shown:
        assert any(f"{line} ".startswith(f"{words} ") for words in known), line


def test_every_option_stands_in_the_reference_and_none_else() -> None:
    known = {
        option
        for _, command in commands(app)
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for option in parameter.opts
        if option.startswith("--")
    }
    assert set(re.findall(r"--[a-z][a-z-]+", PAGE)) - {"--help"} == known


def test_every_command_says_what_it_does_in_a_sentence() -> None:
    for words, command in commands(app):
        assert re.match(r"[A-Z][^\n]*", command.help or ""), words
