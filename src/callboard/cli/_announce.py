"""Tells a person what only a person can do: answer, or say what became of work that others do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import attrs

from ..workflow import Event, Run, Task, TaskState, events as ev
from . import _text as text

_BY_OTHERS = ("external",)


@attrs.define(eq=False)
class Announcer:
    """Says each thing once for each generation of a task.

    Attributes:
        say: Prints a line for the person.
        store: The store's URL, for the command lines.
    """

    say: Callable[[str], None]
    store: str
    _external: dict[str, list[str]] = attrs.field(factory=dict[str, list[str]])
    _said: set[tuple[str, str, int, int]] = attrs.field(factory=set[tuple[str, str, int, int]])

    def watch(self, run: Run, events: Sequence[Event]) -> None:
        """Look what waits for a person now."""
        for task in self._asking(run, events):
            key = (run.id, task.id, task.generation, task.attempt)
            if key not in self._said:
                self._said.add(key)
                for line in self._lines(run, task):
                    self.say(line)

    def _asking(self, run: Run, events: Sequence[Event]) -> Iterator[Task]:
        names = [e.task for e in events if isinstance(e, ev.TaskWaiting)] if events else run.active
        for name in names:
            task = run.tasks.get(name)
            if task is not None and task.wait is not None and task.wait.kind in ("input", "lost"):
                yield task
        external = self._external.get(run.id)
        if external is None:
            external = [t.id for t in run.tasks.values() if t.spec.kind in _BY_OTHERS]
            self._external[run.id] = external
        else:
            external.extend(_added(events))
        for name in external:
            # What was created may be taken back with the attempt that did so.
            task = run.tasks.get(name)
            if task is not None and task.state is TaskState.READY:
                yield task

    def _lines(self, run: Run, task: Task) -> Iterator[str]:
        wait = task.wait
        if wait is None:
            how = text.command("settle", run.id, task.id, "--state", "succeeded", store=self.store)
            yield f"{task.spec.name} is done by others; when it is done: {how} --output JSON"
        elif wait.kind == "input":
            how = text.command("answer", run.id, task.id, "JSON", store=self.store)
            yield f"{task.spec.name} asks: {wait.message or 'its input'}"
            yield f"  answer with: {how}"
        else:
            how = text.command("answer", run.id, task.id, "true", store=self.store)
            yield f"{task.spec.name} was lost while it ran; to run it again: {how} (or false)"


def _added(events: Sequence[Event]) -> Iterator[str]:
    for event in events:
        if isinstance(event, ev.TaskAdded) and event.new.kind in _BY_OTHERS:
            yield event.new.id
