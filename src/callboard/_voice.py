"""How one attempt speaks about the graph: what it says becomes commands, alone or in batches.

Ids are known before anything is sent: a created task is ``creator/key``, and without a key the key
is its label and the number of such creations in this attempt.  So a batch can hand out references
at once, and an attempt that says the same again as an earlier one creates nothing twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar, Token
from typing import Any

import attrs

from ._calls import encode_call
from ._refs import (
    DATA,
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
from ._tasks import known_task
from .workflow import Creation, InternalError, Refused, TaskSpec, UsageError, commands as c
from .workflow._guard_text import GuardSpec
from .workflow._parts import segment
from .workflow._shape_text import parse_shape

Grow = Callable[[Sequence[Creation]], Awaitable[list[Any]]]
Bring = Callable[[str, Callable[..., Any]], object]
Nodes = NodeLike | Iterable[NodeLike]


@attrs.frozen(eq=False)
class Said:
    """One command, and what is known of it before it is sent.

    Attributes:
        made: The id of the task or hole that it makes.
        function: A function that the new task calls, with the text it is stored under.
        number: The name and the number that make its id.
    """

    command: Creation
    made: str | None = None
    function: tuple[str, Callable[..., Any]] | None = None
    number: tuple[str, int] | None = None


@attrs.define(eq=False)
class Batch:
    """What was said in a block, to be sent when it is left.

    Attributes:
        named: The numbers of the attempt that it belongs to: they are the attempt's alone.
    """

    named: dict[str, int]
    said: list[Said] = attrs.field(factory=list[Said])
    open: bool = True
    token: Token[Batch | None] | None = None


_batch: ContextVar[Batch | None] = ContextVar("callboard_batch", default=None)


class Voice:
    """Says in the name of one attempt how the graph changes.

    Args:
        task: The task's id.
        grow: Sends commands, all or nothing, and returns what each made when that is stored.
        bring: Lets new tasks find the function that they call.
        named: How many tasks and holes of each name the attempt has created without a key.
        mute: Why this attempt cannot change the graph, if it cannot.
    """

    def __init__(
        self, task: str, grow: Grow, bring: Bring, named: dict[str, int], mute: str | None = None
    ) -> None:
        self._task = task
        self._grow = grow
        self._bring = bring
        self.named = named
        self._mute = mute

    # --- what can be said -----------------------------------------------------------------------

    def add(
        self,
        fn: Callable[..., Any] | str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        *,
        key: str | None,
        after: Nodes,
        before: Nodes,
        into: HoleLike | None,
    ) -> tuple[Said, TaskRef]:
        """Return the creation of a task, and the reference to it."""
        refs: dict[str, None] = {}
        function: tuple[str, Callable[..., Any]] | None = None
        new, inputs, label = None, None, fn
        if isinstance(label, str):
            inputs = _named_inputs(label, args, kwargs, refs)
        else:
            task, path = known_task(label)
            label = task.name
            call = encode_call(task, args, kwargs, refs, f"{self._task}/{key or label}")
            function = (path, task.function)
            new = TaskSpec(
                id=label,
                name=label,
                kind="function",
                config={"function": path},
                inputs=None if call is None else {DATA: call},
                options=task.options,
            )
        earlier, later = (*refs, *node_ids(after)), node_ids(before)
        number = None
        if key is None:
            number = self._draw(label)
            key = f"{label}-{number[1]}"
        else:
            self._skip(label, key)
        command = c.AddTask(
            name=label,
            new=new,
            key=key,
            inputs=inputs,
            after=tuple(dict.fromkeys(earlier)),
            before=later,
            into=None if into is None else hole_id(into),
        )
        made = f"{self._task}/{key}"
        said = Said(command, made, function, number)
        return said, TaskRef(made, None if function is None else function[1])

    def edge(self, source: TaskLike, target: TaskLike) -> Said:
        """Return that one task runs after another."""
        return Said(c.AddEdge(source=task_id(source), target=task_id(target)))

    def hole(
        self, shape: str, after: Nodes, before: Nodes, owner: TaskLike | None
    ) -> tuple[Said, HoleRef]:
        """Return the opening of a hole, and the reference to it."""
        try:
            name = segment(parse_shape(shape))
        except UsageError as error:
            raise Refused(str(error), kind="invalid") from error
        number = self._draw(f"#{name}")
        # Addresses of places begin with the id of their hole: it must not look like one.
        made = f"{self._task}:{name}".replace("/", ":")
        if number[1] > 1:
            made = f"{made}-{number[1]}"
        command = c.OpenHole(
            shape=shape,
            hole=made,
            owner=None if owner is None else task_id(owner),
            after=node_ids(after),
            before=node_ids(before),
        )
        return Said(command, made, number=number), HoleRef(made)

    def give(self, hole: HoleLike, task: TaskLike) -> Said:
        """Return that another task fills a hole."""
        return Said(c.GiveHole(hole=hole_id(hole), to=task_id(task)))

    def close(self, hole: HoleLike) -> Said:
        """Return that nothing more comes into a hole."""
        return Said(c.CloseHole(hole=hole_id(hole)))

    def withdraw(self, task: TaskLike) -> Said:
        """Return that a task is not needed after all."""
        return Said(c.Withdraw(task=task_id(task)))

    def promise(self, text: GuardSpec | str) -> Said:
        """Return a promise."""
        return Said(c.Promise(text=str(text)))

    def style(
        self, target: NodeLike | tuple[NodeLike, NodeLike], label: str | None, color: str | None
    ) -> Said:
        """Return how something looks."""
        if isinstance(target, tuple):
            source, end = target
            return Said(c.Style(target=(node_id(source), node_id(end)), label=label, color=color))
        return Said(c.Style(target=node_id(target), label=label, color=color))

    def again(self, task: TaskLike) -> Said:
        """Return that a task and all behind it are done anew."""
        return Said(c.Again(task=task_id(task)))

    # --- numbers ----------------------------------------------------------------------------------

    def _draw(self, name: str) -> tuple[str, int]:
        number = self.named[name] = self.named.get(name, 0) + 1
        return name, number

    def _skip(self, label: str, key: str) -> None:
        """Let no later creation get a key that was given to this one."""
        number = key.removeprefix(f"{label}-")
        if number != key and number.isdecimal():
            self.named[label] = max(int(number), self.named.get(label, 0))

    def forget(self, said: Sequence[Said]) -> None:
        """Use the numbers of what was not done again, for whatever comes next."""
        for each in reversed(said):
            if each.number is not None and self.named.get(each.number[0]) == each.number[1]:
                self.named[each.number[0]] -= 1

    # --- saying it --------------------------------------------------------------------------------

    def collects(self, said: Said) -> bool:
        """Keep a command for the batch that is open here; return False if there is none."""
        batch = self.batch
        if batch is not None:
            batch.said.append(said)
        return batch is not None

    @property
    def batch(self) -> Batch | None:
        """The batch that is open here, if one of this attempt is."""
        batch = _batch.get()
        return batch if batch is not None and batch.open and batch.named is self.named else None

    def open_batch(self) -> Batch:
        """Open a batch.

        Raises:
            UsageError: one is open already.
        """
        if self.batch is not None:
            raise UsageError("a batch cannot hold another batch: all of one is done or nothing")
        batch = Batch(self.named)
        batch.token = _batch.set(batch)
        return batch

    def close_batch(self, batch: Batch, *, done: bool) -> Sequence[Said]:
        """Close a batch and return what is to be sent; nothing if its block was not done."""
        batch.open = False
        if batch.token is not None:
            _batch.reset(batch.token)
        if done:
            return batch.said
        self.forget(batch.said)
        return ()

    async def send(self, said: Sequence[Said]) -> None:
        """Have commands done, all or nothing; what follows is stored when this returns.

        Raises:
            UsageError: this attempt cannot change the graph, or a function cannot be stored.
            Refused: it cannot be; nothing changed.
            PromiseBroken: it broke a promise, and the run is being stopped for that.
        """
        if not said:
            return
        try:
            if self._mute is not None:
                raise UsageError(self._mute)
            for each in said:
                if each.function is not None:
                    self._bring(*each.function)
            answers = await self._grow([each.command for each in said])
        except (Refused, UsageError):
            # Of everything else, a cancellation too, it is not known that nothing was done: then
            # these numbers must not be given to something else.
            self.forget(said)
            raise
        for each, answer in zip(said, answers, strict=True):
            if each.made is not None and each.made != answer:
                raise InternalError(f"{each.made!r} was to be created, and {answer!r} was")


def _named_inputs(
    label: str, args: Sequence[Any], kwargs: Mapping[str, Any], refs: dict[str, None]
) -> dict[str, Any] | None:
    """Return the inputs of a task that is done as the definition says of its name."""
    if args:
        raise UsageError(f"a task {label!r} that is named by its label takes inputs by name only")
    if not kwargs:
        return None
    what = f"an input of task {label!r}"
    return {DATA: {name: encode_refs(each, refs, what) for name, each in kwargs.items()}}
