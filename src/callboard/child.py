"""What a Python task says to the engine that started it.

Use it in a file that runs as a ``python:`` task::

    from callboard import child

    with child.connect() as task:
        task.progress(0.5, "half way")
        task.success(sum(task.inputs["numbers"]))

A file needs none of this: lines of JSON such as ``{"type": "success", "output": 1}`` on stdout say
the same.

While connected, ``print()`` and everything else that is written to stdout, by child processes too,
goes to the log. Leaving the block normally without ``success`` sends nothing: exit code 0 then
means success without output.  An exception that leaves the block is sent as the attempt's error.

When the engine cancels the attempt, ``task.cancelled`` becomes true and a verb that waits for a
reply raises ``Cancelled``; both leave the time of ``stop.grace`` to tidy up.  After that SIGTERM
comes, which raises ``Cancelled`` in the main thread wherever it is, so ``finally`` blocks run
within ``stop.term``; then the process is killed.

This module imports the standard library only.
"""

from __future__ import annotations

import contextlib
import contextvars
import importlib
import json
import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from types import CoroutineType, FrameType
from typing import Any, NoReturn

_LINE_BYTES_MAX = 4 * 1024 * 1024
_READ_BYTES = 1 << 16
_TRACEBACK_MAX = 1 << 14
_PROTOCOL = 1

Json = Any
"""Whatever ``json`` can write: None, booleans, numbers, text, lists and mappings of them."""


class Refused(Exception):
    """The engine refused what a verb asked for, and nothing changed.

    Attributes:
        kind: What sort of refusal it is.
        message: The engine's sentence.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


class Cancelled(BaseException):
    """The engine is stopping this attempt: tidy up and end.

    Like ``KeyboardInterrupt`` it is no ``Exception``, so that ``except Exception`` does not hold it
    up.
    """


class _Channel:
    """The two pipes to the engine, moved out of the way of everybody else in this process."""

    def __init__(self) -> None:
        sys.stdout.flush()
        self._in, self._out = os.dup(0), os.dup(1)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)
        os.dup2(2, 1)
        self._buffer = bytearray()
        self._writing = threading.Lock()
        self.ended = False

    def send(self, message: Mapping[str, Json]) -> None:
        line = json.dumps(message, allow_nan=False, separators=(",", ":")).encode() + b"\n"
        if len(line) > _LINE_BYTES_MAX:
            raise ValueError(
                f"A {message['type']!r} message of {len(line)} bytes is too long: at most 4 MiB "
                "can be sent. Write large data to a file or a store and send where it is."
            )
        rest = memoryview(line)
        with self._writing:
            while rest:
                rest = rest[os.write(self._out, rest) :]

    def receive(self, *, wait: bool) -> list[dict[str, Json]]:
        """Return the messages that have come.

        With ``wait`` it is at least one, unless the engine has closed its end.
        """
        messages: list[dict[str, Json]] = []
        while (
            not messages
            and not self.ended
            and select.select([self._in], [], [], None if wait else 0)[0]
        ):
            data = os.read(self._in, _READ_BYTES)
            self.ended = not data
            self._buffer += data
            if b"\n" in data:
                *lines, rest = self._buffer.split(b"\n")
                self._buffer = rest
                messages += [json.loads(line) for line in lines]
        return messages

    def close(self) -> None:
        """Give stdin and stdout back."""
        sys.stdout.flush()
        os.dup2(self._in, 0)
        os.dup2(self._out, 1)
        os.close(self._in)
        os.close(self._out)


class Needs(Mapping[str, dict[str, Json]]):
    """What the tasks before this one came to: ``needs["fetch"]["output"]``, ``["label"]``.

    An output that was too large to come along is fetched when its task is first looked up.
    """

    def __init__(self, given: dict[str, dict[str, Json]], fetch: Callable[[str], Json]) -> None:
        self._given = given
        self._fetch = fetch

    def __getitem__(self, task: str) -> dict[str, Json]:
        need = self._given[task]
        if "ref" in need:
            need["output"] = self._fetch(need.pop("ref"))
        return need

    def __iter__(self) -> Iterator[str]:
        return iter(self._given)

    def __len__(self) -> int:
        return len(self._given)


class Task:
    """The attempt that this process was started for, and all it can say.

    Attributes:
        inputs: What stands under ``with:``.
        needs: What the tasks before this one came to.
        holes: The holes that this task owns, each with ``id`` and ``shape``.
        answers: What earlier waits of this generation were told, in order.
        run: The run's id.
        task: The task's id.
        label: The task's label.
        generation: 1, and one more for each restart.
        attempt: The number of this attempt.
        fence: The attempt's fencing token.
        key: The same for all attempts of a generation: an idempotency key for the world outside.
    """

    def __init__(
        self, channel: _Channel, start: dict[str, Json], more: list[dict[str, Json]]
    ) -> None:
        self._channel = channel
        self._asking = threading.RLock()
        self._asked = 0
        self._replies: dict[int, dict[str, Json]] = {}
        self._cancelled = False
        self._batch: list[dict[str, Json]] | None = None
        self._waits = 0
        self.inputs: dict[str, Json] = start.get("inputs") or {}
        self.needs = Needs(start.get("needs") or {}, self._get)
        self.holes: list[dict[str, str]] = start.get("holes") or []
        self.answers: list[Json] = start.get("answers") or []
        self.run: str = start["run"]
        self.task: str = start["task"]
        self.label: str = start["label"]
        self.generation: int = start["generation"]
        self.attempt: int = start["attempt"]
        self.fence: Json = start["fence"]
        self.key: str = start["key"]
        self._take(more)

    # How it goes ---------------------------------------------------------------------------------

    @property
    def cancelled(self) -> bool:
        """Whether the engine has asked this attempt to end; asking costs a few microseconds."""
        with self._asking:
            self._take(self._channel.receive(wait=False))
        return self._cancelled

    def success(self, output: Json = None) -> None:
        """Say that the task succeeded, with its output; it counts when the process has exited."""
        self._send("success", output=output)

    def error(
        self, message: str, kind: str | None = None, retry_after: float | None = None
    ) -> None:
        """Say that the attempt failed, and perhaps how many seconds to wait before the next."""
        self._send("error", message=message, kind=kind, retry_after=retry_after)

    def not_ready(self, message: str | None = None) -> None:
        """Say that the task's condition does not hold: no failure, but nothing below it runs."""
        self._send("not_ready", message=message)

    def progress(
        self, fraction: float | None = None, message: str | None = None, data: Json = None
    ) -> None:
        """Tell how far the task is, from 0 to 1."""
        self._send("progress", fraction=fraction, message=message, data=data)

    def log(self, message: str, level: str = "info") -> None:
        """Write a line to the run's log."""
        self._send("log", level=level, message=message)

    def heartbeat(self) -> None:
        """Say that this process is alive."""
        self._send("heartbeat")

    def wait(self, schema: Json, message: str | None = None) -> Json:
        """Return the answer to a question to a person.

        Without an answer yet the process ends here; the answer starts the task again from its
        beginning, and the same call then returns it.  The n-th ``wait`` or ``pause`` of a task gets
        the n-th answer.
        """
        return self._suspend("wait", input=schema, message=message)

    def pause(self, message: str | None = None) -> None:
        """Wait, as ``wait`` does, until somebody lets the task go on."""
        self._suspend("pause", message=message)

    # What else is to be done ---------------------------------------------------------------------

    def add(
        self,
        name: str,
        *,
        key: str | None = None,
        after: Sequence[str] | None = None,
        before: Sequence[str] = (),
        into: str | None = None,
        with_: Mapping[str, Json] | None = None,
        **kind: Json,
    ) -> str | None:
        """Create a task and return its id (None inside ``batch``).

        Args:
            name: Its name; without a kind it is done as the task described under that name.
            key: What it is known by among the tasks this one creates: the same key is never created
                twice.
            after: Ids of the tasks it runs after; without it, it may start at once.
            before: Ids of the tasks that run after it.
            into: The hole it goes into.
            with_: Its inputs.
            kind: How it is done, as in a definition: ``shell="make"``, ``python="file.py"`` …
        """
        fields = {
            "after": after,
            "before": list(before) or None,
            "into": into,
            "with": with_,
            **kind,
        }
        return self._ask("add_task", name=name, key=key, **fields).get("task")

    def add_edge(self, source: str, target: str) -> None:
        """Make one task run after another."""
        self._ask("add_edge", **{"from": source, "to": target})

    def promise(self, text: object) -> None:
        """Promise something about what is still to be created.

        Args:
            text: The promise, as text or made by ``callboard.promises``.
        """
        self._ask("promise", text=str(text))

    def hole(
        self,
        shape: str,
        after: Sequence[str] = (),
        before: Sequence[str] = (),
        owner: str | None = None,
    ) -> str | None:
        """Declare a place for tasks to come, and return the hole's id (None inside ``batch``).

        Args:
            shape: What may come there.
            after: Ids of the tasks it stands behind.
            before: Ids of the tasks that run after all of it.
            owner: Who fills it, if not this task.
        """
        fields = {"shape": shape, "after": list(after), "before": list(before), "owner": owner}
        return self._ask("hole", **fields).get("hole")

    def give(self, hole: str, to: str) -> None:
        """Make another task the owner of a hole."""
        self._ask("give", hole=hole, to=to)

    def close(self, hole: str) -> None:
        """Say that nothing more goes into a hole."""
        self._ask("close", hole=hole)

    def withdraw(self, task: str) -> None:
        """Take back a task that this one, or what it has created, has created: it is skipped."""
        self._ask("withdraw", task=task)

    def style(
        self,
        task: str | None = None,
        *,
        edge: Sequence[str] | None = None,
        label: str | None = None,
        color: str | None = None,
    ) -> None:
        """Change how a task, or an edge given as two ids, is drawn."""
        self._ask("style", task=task, edge=edge, label=label, color=color)

    def again(self, task: str) -> None:
        """Have a task and all below it done anew when this attempt succeeds."""
        self._ask("again", task=task)

    @contextlib.contextmanager
    def batch(self) -> Generator[list[str | None]]:
        """Send what the block asks for as one, all or nothing, when it is left normally.

        It gives a list, which then holds for each command the id of the task or hole that it made,
        or None.
        """
        with self._asking:
            if self._batch is not None:
                raise RuntimeError("A batch cannot hold another batch.")
            commands = self._batch = []
            made: list[str | None] = []
            try:
                yield made
            finally:
                self._batch = None
            if commands:
                results = self._ask("batch", commands=commands).get("results", [])
                made += [each.get("task") or each.get("hole") for each in results]

    # Underneath ----------------------------------------------------------------------------------

    def _send(self, type: str, **fields: Json) -> None:
        self._channel.send(_message(type, fields))

    def _ask(self, type: str, **fields: Json) -> dict[str, Json]:
        """Send a message and return its reply."""
        with self._asking:
            if self._batch is not None:
                self._batch.append(_message(type, fields))
                return {}
            self._asked += 1
            number = self._asked
            self._send(type, id=number, **fields)
            while number not in self._replies:
                if self._cancelled:
                    raise Cancelled("The engine is stopping this attempt.")
                if self._channel.ended:
                    raise ConnectionError(
                        f"The engine has closed the connection; {type!r} got no reply."
                    )
                self._take(self._channel.receive(wait=True))
            reply = self._replies.pop(number)
        if not reply["ok"]:
            raise Refused(reply["error"]["kind"], reply["error"]["message"])
        return reply

    def _take(self, messages: list[dict[str, Json]]) -> None:
        for message in messages:
            if message["type"] == "reply":
                self._replies[message["id"]] = message
            elif message["type"] == "cancel":
                self._cancelled = True

    def _get(self, task: str) -> Json:
        return self._ask("get", task=task)["output"]

    def _suspend(self, type: str, **fields: Json) -> Json:
        self._waits += 1
        if self._waits <= len(self.answers):
            return self.answers[self._waits - 1]
        self._send(type, **fields)
        raise SystemExit(0)

    def fail(self, error: BaseException) -> None:
        """Send an exception as the attempt's error."""
        import traceback

        name = type(error).__name__
        detail = {
            "class": name,
            "classes": [cls.__name__ for cls in type(error).__mro__[:-2]],
            "traceback": _storable("".join(traceback.format_exception(error)))[-_TRACEBACK_MAX:],
        }
        kind = "cancelled" if isinstance(error, Cancelled) else "error"
        self._send(
            "error", message=f"{name}: {error}" if str(error) else name, kind=kind, detail=detail
        )

    def interrupt(self, _number: int, _frame: FrameType | None) -> NoReturn:
        """Turn a first SIGTERM into ``Cancelled``; a second one ends the process."""
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        self._cancelled = True
        raise Cancelled("The engine is stopping this attempt.")


def _message(type: str, fields: Mapping[str, Json]) -> dict[str, Json]:
    """Return a message without the fields that say nothing."""
    said = {name: value for name, value in fields.items() if value is not None}
    if isinstance(said.get("message"), str):
        said["message"] = _storable(str(said["message"]))
    return {"type": type, **said}


def _storable(text: str) -> str:
    """Return a text with whatever is no Unicode, as in names of files, written as an escape."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


_current: contextvars.ContextVar[Task] = contextvars.ContextVar("callboard.child.current")


@contextlib.contextmanager
def connect() -> Generator[Task]:
    """Take the engine's start line from stdin and speak to the engine inside the block.

    Inside a block (and in a function that runs as ``python: module:name``) it gives the task of
    that block.
    """
    outer = _current.get(None)
    if outer is not None:
        yield outer
        return
    if os.isatty(0):
        raise RuntimeError(
            "child.connect() speaks to the engine that started this process: run it in a workflow."
        )
    channel = _Channel()
    try:
        task = Task(channel, *_read_start(channel))
        token = _current.set(task)
        try:
            with _cancel_on_sigterm(task):
                yield task
        except SystemExit:
            raise
        except BaseException as error:
            task.fail(error)
            raise
        finally:
            _current.reset(token)
    finally:
        channel.close()


def _read_start(channel: _Channel) -> tuple[dict[str, Json], list[dict[str, Json]]]:
    """Return the start line, and what came in the same breath."""
    messages = channel.receive(wait=True)
    if not messages or messages[0].get("type") != "start":
        raise RuntimeError(
            "There is no start line on stdin: child.connect() works only in tasks of a workflow."
        )
    spoken = messages[0].get("protocol")
    if spoken != _PROTOCOL:
        raise RuntimeError(f"The engine speaks protocol {spoken!r}, this module {_PROTOCOL}.")
    return messages[0], messages[1:]


@contextlib.contextmanager
def _cancel_on_sigterm(task: Task) -> Generator[None]:
    """Make SIGTERM raise ``Cancelled`` in the main thread, unless the program handles it itself."""
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, task.interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def call(entry: str) -> None:
    """Do the function ``module:name`` as a task: inputs are arguments, the result is the output."""
    with connect() as task:
        module, _, name = entry.partition(":")
        function: Any = importlib.import_module(module)
        for part in name.split("."):
            function = getattr(function, part)
        output = function(**task.inputs)
        if isinstance(output, CoroutineType):
            output.close()
            raise TypeError(
                f"{entry} is async, which a `python:` task cannot call; use `function: {entry}`."
            )
        task.success(output)
