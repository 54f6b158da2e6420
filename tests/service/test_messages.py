"""What changes a graph says the same over HTTP as in the engine's own process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest

from callboard._creations import creations_of, reply_of
from callboard._refs import DATA
from callboard.client._messages import made_of, message_of
from callboard.executors._protocol import Message, read_message
from callboard.workflow import (
    Creation,
    Retry,
    Stop,
    TaskOptions,
    TaskSpec,
    Timeouts,
    commands as c,
)

OPTIONS = TaskOptions(
    retry=Retry(times=3, backoff="linear", on=("timeout",)),
    timeout=Timeouts(attempt=5, queued=10),
    stop=Stop(grace=1, term=2),
    pool="p",
    priority=4,
    critical=True,
    lost="ask",
    cwd="there",
    env={"A": "b"},
)


def new(kind: str, **config: Any) -> TaskSpec:
    return TaskSpec(id="new", name="new", kind=kind, config=config, options=OPTIONS)


COMMANDS: list[Creation] = [
    c.AddTask(name="A"),
    c.AddTask(name="A", key="k", after=("x", "#h"), before=("y",), into="h"),
    c.AddTask(name="A", inputs={DATA: {"a": {"$task": "x"}, "b": {"$value": {"$c": 1}}}}),
    c.AddTask(name="new", new=new("function", function="m:f"), inputs={DATA: {"n": 1}}),
    c.AddTask(name="new", new=new("shell", shell=["a", "b"]), inputs={DATA: {}}),
    c.AddTask(name="new", new=new("sleep", seconds=2.5), inputs={DATA: {}}),
    c.AddTask(name="new", new=new("wait", probe="m:f", every=1.0), inputs={DATA: {}}),
    c.AddTask(name="new", new=new("external", grows=True), inputs={DATA: {"a": []}}),
    c.AddEdge(source="a", target="b"),
    c.OpenHole(shape="M*", hole="a:M", owner="b", after=("x",), before=("y",)),
    c.GiveHole(hole="h", to="t"),
    c.CloseHole(hole="h"),
    c.Promise(text="no new tasks"),
    c.Style(target="a", label="L", color="red"),
    c.Style(target=("a", "b"), label="L"),
    c.Again(task="a"),
]


def heard(commands: list[Creation]) -> tuple[Message, list[Creation]]:
    said = read_message(message_of(commands))
    assert isinstance(said, Message), said
    return said, [_plain(each) for each in creations_of(said, None)]


def _plain(command: Creation) -> Creation:
    """Leave out what does not count: a new task's own id."""
    if not isinstance(command, c.AddTask) or command.new is None:
        return command
    return c.AddTask(
        name=command.name,
        new=attrs.evolve(command.new, id="new"),
        key=command.key,
        inputs=command.inputs,
        after=command.after,
        before=command.before,
        into=command.into,
    )


@pytest.mark.parametrize("command", COMMANDS, ids=lambda each: type(each).__name__)
def test_a_command_arrives_as_it_was_said(command: Creation) -> None:
    assert heard([command])[1] == [command]


def test_several_arrive_as_one() -> None:
    said, found = heard(COMMANDS)
    assert found == COMMANDS
    made = [f"made {number}" for number in range(len(COMMANDS))]
    told = made_of(COMMANDS, reply_of(said, made))
    creates = (c.AddTask, c.OpenHole)
    assert told == [
        each if isinstance(command, creates) else None
        for command, each in zip(COMMANDS, made, strict=True)
    ]


def test_a_function_beside_the_definition_is_named_as_in_it(tmp_path: Path) -> None:
    (tmp_path / "jobs.py").write_text("def work(): ...\n")
    said: dict[str, Any] = {"type": "add_task", "name": "W", "function": "jobs:work"}
    message = read_message(said)
    assert isinstance(message, Message)
    commands = creations_of(message, str(tmp_path))
    assert message_of(commands, str(tmp_path))["function"] == "jobs:work"
