"""What a workflow function builds its graph with: tasks, edges, holes and promises."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import attrs

from ._calls import encode_call
from ._holes import Holes
from ._refs import (
    HoleLike,
    HoleRef,
    NodeLike,
    TaskLike,
    TaskRef,
    encode_refs,
    hole_id,
    node_id,
    node_ids,
    task_id,
)
from ._tasks import TaskFunction, known_task, slug
from ._values import check_same
from .workflow import StyleSpec, TaskSpec, UsageError, WorkflowSpec
from .workflow._guard_text import GuardSpec, parse_promise
from .workflow._picture_looks import check_colour
from .workflow._shapes import Shape

SHAPES: Final = typing.get_args(Shape)


@attrs.define(eq=False, weakref_slot=False)
class _Draft:
    """A task as far as it is known: what it needs grows until the workflow is finished."""

    function: TaskFunction[..., Any]
    config: Mapping[str, Any]
    inputs: Any
    needs: dict[str, None]


class Builder:
    """What a workflow function adds its tasks to; it is called once and runs nothing.

    Tasks, holes and their order are said with the same words as inside a running task, where
    :func:`callboard.current` gives them.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._tasks: dict[str, _Draft] = {}
        self._labels: dict[str, tuple[str, int]] = {}
        self._holes = Holes(name)
        self._promises: list[str] = []
        self._styles: list[StyleSpec] = []
        self._seen: dict[int, tuple[TaskFunction[..., Any], Mapping[str, Any]]] = {}
        self._kept: list[Callable[..., Any]] = []  # what was seen, or its id would be used again
        self.functions: dict[str, Callable[..., Any]] = {}

    def add(
        self,
        fn: Callable[..., Any],
        /,
        *args: Any,
        id: str | None = None,
        key: str | None = None,
        after: NodeLike | Iterable[NodeLike] = (),
        before: NodeLike | Iterable[NodeLike] = (),
        into: HoleLike | None = None,
        **kwargs: Any,
    ) -> TaskRef:
        """Add a task that calls ``fn(*args, **kwargs)``; a reference among them is a data edge.

        Args:
            fn: A function, or a task made of one.
            args: What it is called with.
            id: Its id in the run; from the function's name if not given.
            key: The same: what tells tasks apart that a running task adds.
            after: Tasks and holes it runs after, for order only.
            before: Tasks and holes that run after it.
            into: Nothing: a task comes into a hole only while the run goes on.
            kwargs: What it is called with by name.

        Raises:
            UsageError: the function or an argument cannot be used, or what a task gives clearly is
                of another type than the parameter that is to take it.
        """
        if into is not None:
            raise UsageError(
                f"a workflow's own task cannot come into hole {hole_id(into)!r}: holes are filled "
                "while the run goes on; say with after= and before= where it stands"
            )
        if id is not None and key is not None:
            raise UsageError("a task is called by id= or by key=, not by both")
        task, config = self._task_of(fn)
        name = self._new_id(task.name, key if id is None else id)
        refs: dict[str, None] = {}
        inputs = encode_call(task, args, kwargs, refs, name)
        for each in node_ids(after):
            refs[each] = None
        later = node_ids(before)
        for each in (*refs, *later):
            self._known(each)
        needs: dict[str, None] = {}
        self._tasks[name] = _Draft(task, config, inputs, needs)
        for each in refs:
            if each in self._tasks:
                needs[each] = None
            else:
                self._link(each, name)
        for each in later:
            self._link(name, each)
        return TaskRef(name, task)

    def _task_of(self, fn: Callable[..., Any]) -> tuple[TaskFunction[..., Any], Mapping[str, Any]]:
        """Return a function as a task, and its settings; each is looked at once."""
        seen = self._seen.get(id(fn))
        if seen is None:
            task, path = known_task(fn)
            check_same(self.functions.setdefault(path, task.function), task.function, path)
            self._kept.append(fn)
            seen = self._seen[id(fn)] = (task, {"function": path})
        return seen

    # --- the order, and places for tasks to come ----------------------------------------------

    def edge(self, source: NodeLike, target: NodeLike) -> None:
        """Let one task or hole run after another, for order only.

        Raises:
            UsageError: there is no such task or hole.
        """
        self._link(self._known(node_id(source)), self._known(node_id(target)))

    def _link(self, source: str, target: str) -> None:
        if target in self._tasks and source in self._tasks:
            self._tasks[target].needs[source] = None
        else:
            self._holes.link(source, target)

    def hole(
        self,
        shape: str,
        after: NodeLike | Iterable[NodeLike] = (),
        before: NodeLike | Iterable[NodeLike] = (),
        owner: TaskLike | None = None,
    ) -> HoleRef:
        """Leave a place in the graph where tasks may still come.

        Args:
            shape: What may come: ``page*``, ``(N -> M) | (J -> K)``, ``...``.
            after: Tasks and holes that what comes there runs after.
            before: Tasks and holes that wait until nothing more comes and all of it is done.
            owner: Who fills it; the nearest task in front of it if not given.

        Returns:
            Its reference; as an argument of a task it is the list of what its tasks gave.

        Raises:
            UsageError: the shape cannot be, or there is no such task or hole.
        """
        fills = None if owner is None else self._known_task(owner)
        earlier = [*map(self._known, node_ids(after))]
        later = [*map(self._known, node_ids(before))]
        name = self._holes.open(shape, fills)
        for each in earlier:
            self._link(each, f"#{name}")
        for each in later:
            self._link(f"#{name}", each)
        return HoleRef(name)

    def give(self, hole: HoleLike, task: TaskLike) -> None:
        """Let another task fill a hole.

        Raises:
            UsageError: there is no such hole or task.
        """
        given = self._holes.get(hole_id(hole))
        given.owner = self._known_task(task)

    def close(self, hole: HoleLike) -> None:
        """Let nothing come into a hole; what stands behind it stays in its order.

        Raises:
            UsageError: a task must come into it.
        """
        self._holes.close(hole_id(hole))

    # --- promises and looks -------------------------------------------------------------------

    def promise(self, text: GuardSpec | str) -> None:
        """Promise how the graph may still grow.

        Args:
            text: A limit (``no new tasks``, ``at most 5 M``, ``sealed``), also as made by
                :mod:`callboard.promises`, or a shape that begins
                and ends with tasks that exist (``A -> M* -> B``): that puts what stands between
                them into the graph as holes.

        Raises:
            UsageError: it cannot be read, or the shape does not fit the tasks that exist.
        """
        text = str(text)
        if not isinstance(parse_promise(text), SHAPES):
            self._promises.append(text)
            return
        specs = [self._spec_of(name, draft) for name, draft in self._tasks.items()]
        for name, needs in self._holes.put_between(text, specs).items():
            self._tasks[name].needs.update(dict.fromkeys(needs))

    def style(
        self,
        target: NodeLike | tuple[NodeLike, NodeLike],
        label: str | None = None,
        color: str | None = None,
    ) -> None:
        """Let a task, a hole, or an edge as a pair of them, look different in pictures.

        Raises:
            UsageError: there is no such task or hole, or no such colour.
        """
        check_colour(color)
        if isinstance(target, tuple):
            source, end = target
            ids = self._known(node_id(source)), self._known(node_id(end))
            self._styles.append(StyleSpec(target=ids, label=label, color=color))
        else:
            name = self._known(node_id(target))
            self._styles.append(StyleSpec(target=name, label=label, color=color))

    # --- names --------------------------------------------------------------------------------

    def _known(self, name: str) -> str:
        if name not in self._tasks and name not in self._holes:
            what = f"hole {name[1:]!r}" if name.startswith("#") else f"task {name!r}"
            raise UsageError(f"workflow {self._name!r} has no {what}; add it first")
        return name

    def _known_task(self, task: TaskLike) -> str:
        name = task_id(task)
        if name not in self._tasks:
            raise UsageError(f"workflow {self._name!r} has no task {name!r}; add it first")
        return name

    def _new_id(self, label: str, wanted: str | None) -> str:
        if wanted is not None:
            if wanted in self._tasks:
                raise UsageError(
                    f"workflow {self._name!r} has a task with the id {wanted!r} already"
                )
            return wanted
        base, number = self._labels.get(label) or (slug(label), 0)
        while True:
            number += 1
            name = base if number == 1 else f"{base}-{number}"
            if name not in self._tasks:
                self._labels[label] = (base, number)
                return name

    # --- the end ------------------------------------------------------------------------------

    def _spec_of(self, name: str, draft: _Draft) -> TaskSpec:
        return TaskSpec(
            id=name,
            name=draft.function.name,
            kind="function",
            needs=tuple(draft.needs),
            config=draft.config,
            inputs=draft.inputs,
            options=draft.function.options,
        )

    def finish(self, output: Any, settings: Mapping[str, Any]) -> WorkflowSpec:
        """Return the finished definition.

        Raises:
            DefinitionError: it is not clear who fills a hole.
            UsageError: the output cannot be stored.
        """
        refs: dict[str, None] = {}
        encoded = encode_refs(output, refs, "the output")
        for name in refs:
            self._known(name)
        return WorkflowSpec(
            name=self._name,
            tasks=tuple(self._spec_of(name, draft) for name, draft in self._tasks.items()),
            output=encoded,
            promises=tuple(self._promises),
            holes=self._holes.finish({n: draft.needs for n, draft in self._tasks.items()}),
            styles=tuple(self._styles),
            **settings,
        )
