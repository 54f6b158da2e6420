"""Runs that grow, on the command line: what is told while they do, and what was promised."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import Cli, Terminal

    Start = Callable[..., Terminal]

TALK = """\
import json, sys
start = json.loads(sys.stdin.readline())
def say(type, **fields):
    print(json.dumps({"type": type, **fields}), flush=True)
def ask(type, **fields):
    say(type, id=1, **fields)
    return json.loads(sys.stdin.readline())
"""


def write(begin: str, flow: str = "Begin -> fetch* -> End", *, promises: str = "") -> None:
    """Leave flow.yaml, in which Begin does something."""
    Path("begin.py").write_text(TALK + begin)
    Path("flow.yaml").write_text(
        f"flow: {flow}\npromises: [{promises}]\nconcurrency: 1\ntasks:\n"
        "  - {name: Begin, id: a, python: begin.py}\n"
        '  - {name: fetch, shell: "true"}\n'
        "  - {name: End}\n"
    )


def test_a_run_grows_and_its_events_say_how(cli: Cli) -> None:
    write('ask("add_task", name="fetch")\nask("promise", text="at most 2 fetch")')
    done = cli("run", "flow.yaml", "--run-id", "r", "--json")
    assert done.code == 0
    assert done.json()["holes"][0]["tasks"] == ["a/fetch-1"]
    assert "fetch (a/fetch-1): succeeded" in done.err
    told = cli("events", "r").out
    assert "fetch: added into fetch by Begin as a/fetch-1" in told
    assert "promised by Begin: at most 2 fetch" in told
    assert "hole fetch closed: its owner 'a' has ended" in told
    kinds = [each["kind"] for each in cli("events", "r", "--json").lines()]
    assert not [line for line in told.splitlines() if any(f"  {kind}" in line for kind in kinds)]


def test_show_tells_holes_and_promises(cli: Cli) -> None:
    write("ask('add_task', name='fetch')", promises="at most 3 fetch")
    assert cli("run", "flow.yaml", "--run-id", "r").code == 0
    shown = cli("show", "r").out.splitlines()
    hole = next(number for number, line in enumerate(shown) if line.startswith("hole"))
    assert shown[hole + 1].split() == ["fetch", "fetch*", "a", "settled", "1"]
    promise = next(number for number, line in enumerate(shown) if line.startswith("promise"))
    assert shown[promise + 1].split() == ["at", "most", "3", "fetch", "settled"]


def test_why_names_the_hole_what_may_come_and_from_whom(cli: Cli, terminal: Start) -> None:
    os.mkfifo("gate")
    write("ask('add_task', name='fetch')\nopen('gate').read()", "Begin -> fetch{1,3} -> End")
    first = terminal("run", "flow.yaml", "--run-id", "r")
    first.expect("Begin: running")
    words = "task 'end' waits for the hole '#fetch' (fetch{0,2} may still come from 'a' (running))"
    while cli("why", "r", "end").out.strip() != words:
        pass
    with Path("gate").open("w"):
        pass
    assert first.end().code == 0


def test_a_broken_promise_is_the_last_sentence(cli: Cli) -> None:
    write("ask('add_task', name='other')\nsys.stdin.read()")
    done = cli("run", "flow.yaml", "--run-id", "r")
    assert done.code == 1
    last = done.out.splitlines()[-1]
    assert "run r of flow promise broken in " in last
    assert "the promise 'closed' was broken by attempt 1 of Begin (a): " in last
    assert "Begin: attempt 1 broke the promise 'closed'" in cli("events", "r").out
    assert cli("show", "r", "--json").json()["tasks"]["a"]["error"]["kind"] == "promise_broken"


@pytest.mark.parametrize("command", ["validate", "run"])
def test_promises_that_cannot_hold_are_refused_and_nothing_is_stored(
    cli: Cli, command: str
) -> None:
    write("", "Begin -> fetch+ -> End", promises="no new fetch")
    done = cli(command, "flow.yaml")
    assert done.code == 2
    assert done.err.startswith("flow.yaml:2: promises: 'no new fetch' cannot hold: ")
    assert not Path("callboard.db").exists()


def test_all_that_is_wrong_with_a_flow_is_said(cli: Cli) -> None:
    write("", "Begn -> fetch* -> End")
    done = cli("validate", "flow.yaml", "--json")
    assert done.code == 2
    errors = json.loads(done.out)["errors"]
    assert len(errors) == 2
    assert 'did you mean "Begin"?' in errors[0]


def test_validate_sums_up_what_may_come(cli: Cli) -> None:
    write("", promises="at most 3 fetch")
    told = cli("validate", "flow.yaml").out
    assert "hole fetch: fetch*, filled by a" in told
    assert "described for what comes: fetch" in told
    assert "promised: at most 3 fetch" in told
    assert "critical path: a → #fetch → end" in told
