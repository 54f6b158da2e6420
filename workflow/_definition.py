"""What a workflow is before it runs: plain, immutable data, whichever door it came through."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import attrs

from .._frozen import frozen
from . import _option_checks as option
from ._texts import storable

OnFailure = Literal["stop", "drain", "skip_downstream", "allow_partial"]
OnLost = Literal["retry", "fail", "ask"]
Backoff = Literal["fixed", "linear", "exponential"]

KINDS: Final = (
    "step",
    "function",
    "python",
    "shell",
    "http",
    "container",
    "workflow",
    "external",
    "input",
    "sleep",
    "wait",
)
"""The ways of doing a task; ``step`` is a task that says only its name."""

FAILURE_INPUTS: Final = ("run", "workflow", "state", "reason")
"""What a failure workflow is told of the run that it follows, as far as it declares it."""

ERROR_KINDS: Final = (
    "error",
    "exit",
    "timeout",
    "lost",
    "cancelled",
    "promise_broken",
    "bad_output",
    "config",
)
"""What an error's ``kind`` may be."""


MAX_TASKS: Final = 1_000_000
"""How many tasks a run may have if its definition does not say."""


def _nothing() -> dict[str, Any]:
    return {}


@frozen(kw_only=True)
class Retry:
    """When and how often a failed attempt is followed by another.

    Attributes:
        times: How many attempts may follow the first one.
        backoff: ``fixed`` waits ``delay``; ``linear`` waits ``delay + increment * (n - 1)``;
            ``exponential`` waits ``delay * 2 ** (n - 1)``, each before the n-th retry.
        delay: Seconds before the first retry.
        increment: Seconds that ``linear`` adds each time.
        cap: Seconds that no wait exceeds, whatever the task asks for.
        jitter: Draw the wait evenly from zero to the computed one ("full jitter").
        max_elapsed: Seconds since the first attempt after which no retry is begun.
        on: Error kinds, or names of exception classes, that are retried.
    """

    times: int = option.whole(0, least=0)
    backoff: Backoff = option.word("exponential", "linear", "fixed")
    delay: float = option.seconds(1.0)
    increment: float = option.seconds(1.0)
    cap: float = option.seconds(300.0)
    jitter: bool = option.flag(default=True)
    max_elapsed: float | None = option.seconds(None)
    on: tuple[str, ...] = option.texts(("error", "exit", "timeout"))


@frozen(kw_only=True)
class Timeouts:
    """Limits in seconds on one attempt, on all attempts together, and on the time spent ready."""

    attempt: float | None = option.seconds(None)
    total: float | None = option.seconds(None)
    queued: float | None = option.seconds(None)


@frozen(kw_only=True)
class Stop:
    """How an attempt is stopped: told, terminated ``grace`` seconds later, then killed."""

    grace: float = option.seconds(10.0)
    term: float = option.seconds(5.0)


@frozen(kw_only=True)
class TaskOptions:
    """How a task is supervised; most tasks share one object with the defaults."""

    retry: Retry | None = option.made(None, Retry, "a Retry, like Retry(times=3)")
    timeout: Timeouts | None = option.made(None, Timeouts, "seconds as a number, or Timeouts")
    lost: OnLost = option.word("retry", "fail", "ask")
    stop: Stop = option.made(Stop(), Stop, "a Stop")
    priority: int = option.whole(0)
    pool: str | None = option.text()
    critical: bool = option.flag(default=False)
    cwd: str | None = option.text()
    env: Mapping[str, str] | None = option.variables()


DEFAULT_OPTIONS: Final = TaskOptions()


@frozen(kw_only=True, weakref_slot=False)
class TaskSpec:
    """One task as it was defined.

    Attributes:
        id: Unique in the run.
        name: What people call it; its label, too.
        kind: One of :data:`KINDS`.
        needs: Ids of the tasks it runs after (``#id`` names a hole).
        config: The kind's own settings, JSON.
        inputs: What ``with:`` said or what a call was given, JSON that may hold expressions or
            references.
        when: A condition without its ``${{ }}``; false skips the task.
        options: How it is supervised.
    """

    id: str
    name: str
    kind: str = "step"
    needs: tuple[str, ...] = ()
    config: Mapping[str, Any] = attrs.field(factory=_nothing)
    inputs: Any = None
    when: str | None = None
    options: TaskOptions = DEFAULT_OPTIONS


def speaks(spec: TaskSpec) -> bool:
    """Return whether whoever does a task can change the graph."""
    return spec.kind in _SPEAKERS or (spec.kind == "external" and bool(spec.config.get("grows")))


_SPEAKERS: Final = frozenset({"function", "python"})


@frozen(kw_only=True)
class HoleSpec:
    """A hole that is there from the start.

    Attributes:
        id: Unique among the holes of the run.
        shape: What may come into it.
        owner: The task that fills it; None leaves it to a person.
        after: What it stands behind: ids of tasks, and of holes behind a ``#``.
        before: What stands behind it.
    """

    id: str
    shape: str
    owner: str | None = None
    after: tuple[str, ...] = ()
    before: tuple[str, ...] = ()


@frozen(kw_only=True)
class StyleSpec:
    """How a task, a hole behind a ``#``, or an edge as a pair of ids, looks from the start."""

    target: str | tuple[str, str]
    label: str | None = None
    color: str | None = None


@frozen(kw_only=True)
class InputSpec:
    """One declared input of a workflow: its JSON type, and what it is when nobody says.

    ``type`` is one of string, number, integer, boolean, array, object, any.
    """

    type: str = "any"
    default: Any = None
    required: bool = True
    description: str | None = None
    enum: tuple[Any, ...] | None = None


@frozen(kw_only=True)
class WorkflowSpec:
    """A workflow as it was defined; a run keeps the one it was started with.

    Attributes:
        concurrency: Tasks of one run at a time; None leaves it to the engine.
        timeout: Seconds for the whole run.
        failure_workflow: Started once after the run failed, timed out or broke a promise.
        pools: Slots shared by all runs on one store, by name.
        output: An expression (with its ``${{ }}``) or plain JSON.
        folder: What relative paths and imports start from.
        expressions: Whether texts in it may hold ``${{ }}``; otherwise references are data.
        promises: What holds from the start, each as a text.
        holes: Where tasks may still come.
        templates: How tasks are done that are created by their name alone.
        flow: Whether the graph came from a ``flow:``: then tasks come only into holes, and a name
            that has become certain becomes a task by itself.
        max_tasks: How many tasks a run may have, against what grows for ever.
        styles: How things look from the start.
    """

    name: str
    tasks: tuple[TaskSpec, ...] = ()
    description: str | None = None
    inputs: Mapping[str, InputSpec] = attrs.field(factory=dict[str, InputSpec])
    concurrency: int | None = option.whole(None, least=1)
    timeout: float | None = option.seconds(None)
    on_failure: OnFailure = option.word("skip_downstream", "stop", "drain", "allow_partial")
    failure_workflow: str | None = option.text()
    pools: Mapping[str, int] = option.slots()
    output: Any = None
    promises: tuple[str, ...] = ()
    folder: str | None = None
    expressions: bool = False
    holes: tuple[HoleSpec, ...] = ()
    templates: tuple[TaskSpec, ...] = ()
    flow: bool = False
    max_tasks: int = option.whole(MAX_TASKS, least=1)
    styles: tuple[StyleSpec, ...] = ()


@frozen(kw_only=True)
class Failure:
    """Why an attempt or a task failed.

    Attributes:
        kind: One of :data:`ERROR_KINDS`.
        message: One sentence.
        detail: JSON: exit code, exception class and traceback, the last output …
        retry_after: Seconds to wait at least before the next attempt, when the task said so and as
            far as the policy's ``cap`` allows.
    """

    kind: str = attrs.field(converter=storable)
    message: str = attrs.field(converter=storable)
    detail: Any = None
    retry_after: float | None = None
