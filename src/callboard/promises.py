"""Promises as objects: what texts such as ``at most 5 M by A`` say, without quoting names by hand.

::

    from callboard import promises

    w.promise(promises.at_most(5, "M"))
    w.promise(promises.no_new("Review Credit", by=opened))  # a reference, or an id

Each function returns a value that never changes; ``str()`` gives its text, which is what is stored
and shown.  Labels may be globs (``"page*"``) where more than one label makes sense.
"""

from __future__ import annotations

from typing import TypeAlias

from ._refs import TaskLike, task_id
from .workflow import UsageError
from .workflow._guard_text import (
    ANY,
    Closed,
    EdgeGuard,
    GuardSpec,
    Looks,
    OnlyEdges,
    OnlyTasks,
    Rounds,
    Sealed,
    TaskGuard,
    parse_promise,
)

Promise: TypeAlias = GuardSpec
"""What one of these functions returns."""


def no_new_tasks(*, by: TaskLike | None = None) -> Promise:
    """No task is created any more: ``no new tasks``."""
    return _checked(TaskGuard(ANY, no_new=True, by=_id(by)))


def no_new_edges(*, by: TaskLike | None = None) -> Promise:
    """No edge is added any more: ``no new edges``."""
    return _checked(EdgeGuard(by=_id(by)))


def no_new_looks(*, by: TaskLike | None = None) -> Promise:
    """Nothing looks different any more: ``no new looks``."""
    return _checked(Looks(by=_id(by)))


def no_new(label: str, *, by: TaskLike | None = None) -> Promise:
    """No task with this label is created any more: ``no new M``."""
    return _checked(TaskGuard(label, no_new=True, by=_id(by)))


def sealed(*, by: TaskLike | None = None) -> Promise:
    """No task is created and no edge is added any more: ``sealed``."""
    return _checked(Sealed(by=_id(by)))


def closed(*, by: TaskLike | None = None) -> Promise:
    """Nothing is created except into holes: ``closed``."""
    return _checked(Closed(by=_id(by)))


def at_most(number: int, label: str | None = None, *, by: TaskLike | None = None) -> Promise:
    """At the end there are at most so many tasks with this label, or tasks: ``at most 5 M``."""
    return _checked(TaskGuard(ANY if label is None else label, hi=number, by=_id(by)))


def at_least(number: int, label: str, *, by: TaskLike | None = None) -> Promise:
    """At the end there are at least so many tasks with this label: ``at least 1 M``."""
    return _checked(TaskGuard(label, lo=number, by=_id(by)))


def exactly(number: int, label: str, *, by: TaskLike | None = None) -> Promise:
    """At the end there are exactly so many tasks with this label: ``exactly 1 M``."""
    return _checked(TaskGuard(label, lo=number, hi=number, by=_id(by)))


def only_tasks(*labels: str, by: TaskLike | None = None) -> Promise:
    """Whatever is still created has one of these labels: ``only tasks A, B*``."""
    if not labels:
        raise UsageError("only_tasks() names no label; for none at all say no_new_tasks()")
    return _checked(OnlyTasks(labels, by=_id(by)))


def only_edges(*pairs: tuple[str, str], by: TaskLike | None = None) -> Promise:
    """Whatever edge is still added goes from a label to a label like these.

    ``only edges A -> *, * -> B`` is ``only_edges(("A", "*"), ("*", "B"))``.
    """
    if not pairs:
        raise UsageError("only_edges() names no pair of labels; for none say no_new_edges()")
    return _checked(OnlyEdges(pairs, by=_id(by)))


def no_edges(
    *, from_: str | None = None, into: str | None = None, by: TaskLike | None = None
) -> Promise:
    """No edge is added from, or into, tasks with this label: ``no edges into B``."""
    if (from_ is None) == (into is None):
        raise UsageError("no_edges() takes from_= or into=; say two promises for both")
    if into is None:
        return _checked(EdgeGuard(source=from_ or "", by=_id(by)))
    return _checked(EdgeGuard(target=into, by=_id(by)))


def at_most_rounds(number: int, task: TaskLike, *, by: TaskLike | None = None) -> Promise:
    """A task is begun anew by ``again`` at most so often: ``at most 5 rounds of T``."""
    return _checked(Rounds(task_id(task), number, by=_id(by)))


def _id(by: TaskLike | None) -> str | None:
    return None if by is None else task_id(by)


def _checked(promise: Promise) -> Promise:
    """Refuse what has no text: an empty label, or a number that no promise can have."""
    parse_promise(str(promise))
    return promise


__all__ = [
    "Promise",
    "at_least",
    "at_most",
    "at_most_rounds",
    "closed",
    "exactly",
    "no_edges",
    "no_new",
    "no_new_edges",
    "no_new_looks",
    "no_new_tasks",
    "only_edges",
    "only_tasks",
    "sealed",
]
