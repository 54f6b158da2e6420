"""What a task says of tasks that are to come, as commands of the kernel: one vocabulary for all.

A process says it in lines of JSON, others over REST or a broker: the messages are the same.  What
they hold is data: no expression in it is ever evaluated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import attrs

from ._refs import DATA, escape
from .workflow import Creation, DefinitionError, Refused, TaskSpec, commands as c

if TYPE_CHECKING:
    from .executors._protocol import Message

CREATIONS: Final = frozenset(
    (
        "add_task",
        "add_edge",
        "hole",
        "give",
        "close",
        "withdraw",
        "promise",
        "style",
        "again",
        "batch",
    )
)
"""The types of messages that are read here."""

_SAID: Final = frozenset(("key", "name", "after", "before", "into", "with", "refs"))


def creations_of(said: Message, folder: str | None) -> list[Creation]:
    """Return the commands that a message gives: one, or those of a batch.

    Args:
        said: What was said.
        folder: What relative paths in it start from.

    Raises:
        Refused: something in it cannot be; all of that is said.
    """
    messages = said.commands if said.type == "batch" else (said,)
    found: list[Creation] = []
    wrong: list[str] = []
    for message in messages:
        try:
            found.append(_MAKERS[message.type](message.fields, folder))
        except DefinitionError as error:
            wrong.extend(error.errors)
    if wrong:
        raise Refused("; ".join(wrong), kind="invalid")
    return found


def reply_of(said: Message, made: Sequence[Any]) -> dict[str, Any]:
    """Return what a message is told that had an effect: ids of what it made."""
    if said.type == "batch":
        told = [_made(each, what) for each, what in zip(said.commands, made, strict=True)]
        return {"results": told}
    return _made(said, made[0])


def _made(said: Message, what: Any) -> dict[str, Any]:
    key = {"add_task": "task", "hole": "hole"}.get(said.type)
    return {} if key is None else {key: what}


# --- one command each -----------------------------------------------------------------------------


def _add_task(fields: Mapping[str, Any], folder: str | None) -> c.AddTask:
    given = fields["with"]
    kind = {name: value for name, value in fields.items() if name not in _SAID}
    return c.AddTask(
        name=fields["name"],
        new=_new_task(fields["name"], kind, given, folder) if kind else None,
        key=fields["key"],
        inputs=_data(given, refs=fields["refs"]) if given or kind else None,
        after=tuple(fields["after"] or ()),
        before=tuple(fields["before"]),
        into=fields["into"],
    )


def _new_task(
    name: str, kind: Mapping[str, Any], given: Mapping[str, Any], folder: str | None
) -> TaskSpec:
    from .definitions import read_task

    spec = read_task({"name": name, **kind, **({"with": given} if given else {})}, folder)
    return attrs.evolve(spec, inputs=None)


def _data(given: Mapping[str, Any], *, refs: bool) -> dict[str, Any]:
    """Return inputs; ``refs``: its sender has written references and escaped what is none."""
    return {DATA: dict(given) if refs else escape(dict(given))}


def _add_edge(fields: Mapping[str, Any], folder: str | None) -> c.AddEdge:
    del folder
    return c.AddEdge(source=fields["from"], target=fields["to"])


def _hole(fields: Mapping[str, Any], folder: str | None) -> c.OpenHole:
    del folder
    after, before = tuple(fields["after"]), tuple(fields["before"])
    return c.OpenHole(
        shape=fields["shape"],
        hole=fields["name"],
        owner=fields["owner"],
        after=after,
        before=before,
    )


def _give(fields: Mapping[str, Any], folder: str | None) -> c.GiveHole:
    del folder
    return c.GiveHole(hole=fields["hole"].removeprefix("#"), to=fields["to"])


def _close(fields: Mapping[str, Any], folder: str | None) -> c.CloseHole:
    del folder
    return c.CloseHole(hole=fields["hole"].removeprefix("#"))


def _withdraw(fields: Mapping[str, Any], folder: str | None) -> c.Withdraw:
    del folder
    return c.Withdraw(task=fields["task"])


def _promise(fields: Mapping[str, Any], folder: str | None) -> c.Promise:
    del folder
    return c.Promise(text=fields["text"])


def _style(fields: Mapping[str, Any], folder: str | None) -> c.Style:
    del folder
    task, edge = fields["task"], fields["edge"]
    if (task is None) == (edge is None) or (edge is not None and len(edge) != 2):  # noqa: PLR2004
        raise DefinitionError(["style takes a task, or an edge as a list of two ids"])
    target = task if edge is None else (edge[0], edge[1])
    return c.Style(target=target, label=fields["label"], color=fields["color"])


def _again(fields: Mapping[str, Any], folder: str | None) -> c.Again:
    del folder
    return c.Again(task=fields["task"])


_MAKERS: Final[Mapping[str, Callable[[Mapping[str, Any], str | None], Creation]]] = {
    "add_task": _add_task,
    "add_edge": _add_edge,
    "hole": _hole,
    "give": _give,
    "close": _close,
    "withdraw": _withdraw,
    "promise": _promise,
    "style": _style,
    "again": _again,
}
