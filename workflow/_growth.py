"""What a run remembers only because its graph may grow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from ._guards import Guard, Guards

if TYPE_CHECKING:
    from ._definition import TaskSpec
    from ._guard_text import GuardSpec
    from ._run import Part, Task
    from ._shapes import Shape
    from .events import Growing

ANYBODY = ""
"""Stands for the owner where a part has none: only a person can close it."""


@attrs.frozen(eq=False)
class Promise:
    """A promise that was accepted.

    Attributes:
        by: The task that made it; None for those of the definition.
        number: Its number in the log; 0 for those of the definition.
    """

    text: str
    spec: GuardSpec
    by: str | None = None
    number: int = 0


@attrs.define(eq=False)
class Growth:
    """Parts, guards, and the record of what was made by whom.

    Attributes:
        closed: Whether tasks come only into declared holes.
        sealed: Whether nothing comes any more.
        flow: Whether a name that has become certain becomes a task by itself.
        templates: How tasks are done that are created without saying so, by label.
        parts: All parts of all holes, by address.
        open: Those into which something may still come.
        inside: The same by the address of the instance or hole that each stands in.
        kinds: How many of the open ones there are of each residual expression.
        names: The last number that a hole without a name of its own got, by what it is called.
        fresh: Parts that were made since somebody last looked, for names that are certain.
        places: Where an owner may put a label: open parts by owner and label.
        guards: How many tasks and which edges there may be.
        promises: All promises that hold, in the order of their making.
        log: What changed the graph since the definition, by number; restarts and undone attempts
            take away from it, and the graph is what is left.
        certain: By creator and label, how many tasks came by themselves because they had become
            certain: they are numbered before those that an attempt creates.
        by_itself: The tasks that came so, in order.
        rounds: How often tasks were begun anew by ``again``.
        roomy: Whether ranks were given with room between them.
        doubtful: Whether it must be asked exactly whether the run can still be finished.
        excused: Whether, when that was asked last, something owed was missing only because a task
            had ended without success: then nobody breaks a promise by it.
        margin: How many tasks at most one creation more brings with it.
        ending: A task that is about to end: it creates nothing more.
        now: The number of the event that is being folded.
        was_ready: Since when tasks were ready that are so no more, for what may be taken back.
        closed_by: Tasks whose creations come only into declared holes.
        rounds_max: How often tasks may be begun anew by ``again``.
        reborn: While the graph is built anew: the tasks that it had.
        planned: How many tasks one way to finish would still create, by guard; an upper bound.
    """

    closed: bool = False
    sealed: bool = False
    flow: bool = False
    templates: dict[str, TaskSpec] = attrs.field(factory=dict[str, "TaskSpec"])
    parts: dict[str, Part] = attrs.field(factory=dict[str, "Part"])
    open: dict[Part, None] = attrs.field(factory=dict["Part", None])
    inside: dict[str, dict[Part, None]] = attrs.field(factory=dict[str, "dict[Part, None]"])
    kinds: dict[Shape, int] = attrs.field(factory=dict["Shape", int])
    names: dict[str, int] = attrs.field(factory=dict[str, int])
    fresh: list[Part] = attrs.field(factory=list["Part"])
    places: dict[tuple[str, str], dict[Part, None]] = attrs.field(
        factory=dict[tuple[str, str], "dict[Part, None]"]
    )
    wilds: dict[str, dict[Part, None]] = attrs.field(factory=dict[str, "dict[Part, None]"])
    guards: Guards = attrs.field(factory=Guards)
    promises: list[Promise] = attrs.field(factory=list[Promise])
    log: dict[int, Growing] = attrs.field(factory=dict[int, "Growing"])
    certain: dict[str, dict[str, int]] = attrs.field(factory=dict[str, "dict[str, int]"])
    by_itself: dict[str, None] = attrs.field(factory=dict[str, None])
    rounds: dict[str, int] = attrs.field(factory=dict[str, int])
    roomy: bool = False
    doubtful: bool = False
    excused: bool = False
    margin: int = 1
    ending: Task | None = None
    now: int = 0
    was_ready: dict[str, float] = attrs.field(factory=dict[str, float])
    closed_by: set[str] = attrs.field(factory=set[str])
    rounds_max: dict[str, int] = attrs.field(factory=dict[str, int])
    reborn: dict[str, Task] = attrs.field(factory=dict[str, "Task"])
    planned: dict[Guard, int] = attrs.field(factory=dict[Guard, int])
