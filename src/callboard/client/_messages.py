"""What changes a graph, as messages of the protocol: the other way of ``_creations``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias, cast

import attrs

from .._refs import DATA
from ..workflow import (
    DEFAULT_OPTIONS,
    Creation,
    InternalError,
    Stop,
    TaskOptions,
    TaskSpec,
    Timeouts,
    commands as c,
)

Json: TypeAlias = dict[str, Any]


def message_of(commands: Sequence[Creation], folder: str | None = None) -> Json:
    """Return commands as one message: all of it is done or nothing.

    Args:
        commands: What is to be done.
        folder: What functions of files stand in.
    """
    messages = [_MAKERS[type(each)](each, folder) for each in commands]
    return messages[0] if len(messages) == 1 else {"type": "batch", "commands": messages}


def made_of(commands: Sequence[Creation], answer: Mapping[str, Any]) -> list[Any]:
    """Return what each command made, as the server has answered.

    Raises:
        InternalError: it has answered something else.
    """
    answers = [answer] if len(commands) == 1 else answer.get("results", [])
    if len(answers) != len(commands):
        raise InternalError(f"{len(commands)} commands were said, and {answer!r} was answered")
    return [
        each.get("task" if isinstance(command, c.AddTask) else "hole")
        for command, each in zip(commands, answers, strict=True)
    ]


# --- one command each -----------------------------------------------------------------------------


def _add_task(said: c.AddTask, folder: str | None) -> Json:
    found: Json = {"type": "add_task", "name": said.name, "after": list(said.after)}
    if said.key is not None:
        found["key"] = said.key
    if said.before:
        found["before"] = list(said.before)
    if said.into is not None:
        found["into"] = said.into
    inputs = said.inputs
    if inputs is None and said.new is not None:
        inputs = said.new.inputs
    if inputs is not None:
        found |= {"with": inputs[DATA], "refs": True}
    return found if said.new is None else found | _how(said.new, folder)


def _how(new: TaskSpec, folder: str | None) -> Json:
    """Return how a task is done, with the keys that it has in a file."""
    kind, config = new.kind, dict(new.config)
    if kind == "sleep":
        return {"sleep": config["seconds"], **_options(new.options)}
    if kind in _PATHS:
        config[_PATHS[kind]] = _by_module(str(config[_PATHS[kind]]), folder)
    way = config[kind] if kind in _PLAIN else config
    return {kind: way, **_options(new.options)}


_PLAIN: Final = frozenset(("function", "python", "shell", "workflow"))
_PATHS: Final = {"function": "function", "wait": "probe"}


def _by_module(path: str, folder: str | None) -> str:
    """Return a function of a file beside the definition as it is written there."""
    file, _, name = path.rpartition(":")
    if file.endswith(".py") and folder is not None and Path(file).parent == Path(folder).resolve():
        return f"{Path(file).stem}:{name}"
    return path


def _options(options: TaskOptions) -> Json:
    """Return what is said of supervision, without what holds anyway."""
    found: Json = {}
    for field in attrs.fields(TaskOptions):
        value = getattr(options, field.name)
        if value == getattr(DEFAULT_OPTIONS, field.name):
            continue
        if isinstance(value, (Timeouts, Stop)) or field.name == "retry":
            given = attrs.asdict(value).items()
            value = {name: each for name, each in given if each is not None}
            if "on" in value:
                value["on"] = list(value["on"])
        found[field.name] = value
    return found


def _add_edge(said: c.AddEdge, folder: str | None) -> Json:
    del folder
    return {"type": "add_edge", "from": said.source, "to": said.target}


def _hole(said: c.OpenHole, folder: str | None) -> Json:
    del folder
    return {
        "type": "hole",
        "shape": said.shape,
        "name": said.hole,
        "owner": said.owner,
        "after": list(said.after),
        "before": list(said.before),
    }


def _give(said: c.GiveHole, folder: str | None) -> Json:
    del folder
    return {"type": "give", "hole": said.hole, "to": said.to}


def _close(said: c.CloseHole, folder: str | None) -> Json:
    del folder
    return {"type": "close", "hole": said.hole}


def _promise(said: c.Promise, folder: str | None) -> Json:
    del folder
    return {"type": "promise", "text": said.text}


def _style(said: c.Style, folder: str | None) -> Json:
    del folder
    target = said.target
    what: Json = {"task": target} if isinstance(target, str) else {"edge": list(target)}
    return {"type": "style", **what, "label": said.label, "color": said.color}


def _again(said: c.Again, folder: str | None) -> Json:
    del folder
    return {"type": "again", "task": said.task}


_MAKERS: Final = cast(
    "Mapping[type[Creation], Callable[[Creation, str | None], Json]]",
    {
        c.AddTask: _add_task,
        c.AddEdge: _add_edge,
        c.OpenHole: _hole,
        c.GiveHole: _give,
        c.CloseHole: _close,
        c.Promise: _promise,
        c.Style: _style,
        c.Again: _again,
    },
)
