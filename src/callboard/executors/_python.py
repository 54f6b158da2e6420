"""Python subprocess tasks: the engine's side of the conversation in JSON lines."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

import anyio
import attrs

from .._creations import creations_of, reply_of
from ..actors import ActorStopped
from ..actors._busy import busy, not_busy
from ..supervisor import Done, Failed, Lease, Lost, NotDone, Outcome, Suspended
from ..workflow import ERROR_KINDS, Failure, PromiseBroken, Refused, UsageError, Wait
from ._processes import LineLog, Output, command_for, exit_failure, keep_lines, stop_process
from ._protocol import (
    BadOutput,
    LineReader,
    Message,
    PlainText,
    Start,
    encode_cancel,
    encode_refusal,
    encode_reply,
    encode_start,
    parse_line,
)
from ._spawner import Exit, Process, ProcessLost, Spawner, StartFailed

LEAVE_SECONDS: Final = 5.0
"""How long a process may take to exit after it has said how its attempt ended."""

_STDERR_TAIL: Final = 4_096
_CLOSING: Final = frozenset({"success", "error", "not_ready", "wait", "pause"})


class PythonExecutor:
    """Runs Python files and functions in processes of their own."""

    def __init__(self, spawner: Spawner) -> None:
        self._spawner = spawner

    async def execute(self, lease: Lease) -> Outcome:
        """Start one process and talk with it until its attempt is over."""
        try:
            process = await self._spawner.start(command_for(lease, python=_target(lease)))
            async with process:
                with busy():
                    return await _Conversation(lease, process).hold()
        except StartFailed as error:
            return Failed(Failure(kind=error.kind, message=str(error)))
        except UsageError as error:
            return Failed(Failure(kind="config", message=str(error)))
        except ProcessLost as error:
            return Lost(str(error))


def _target(lease: Lease) -> str:
    said = str(lease.config["python"])
    if said.endswith(".py") and lease.workflow.folder is not None:
        return str(Path(lease.workflow.folder, said))
    return said


@attrs.define(eq=False)
class _Conversation:
    lease: Lease
    process: Process
    closing: Message | BadOutput | Failure | None = None
    said: anyio.Event = attrs.field(factory=anyio.Event)
    stderr: Output = attrs.field(init=False)
    ended: Exit | None = None
    lost: ProcessLost | None = None
    _telling: anyio.Lock = attrs.field(factory=anyio.Lock)
    _told_whole: bool = False

    def __attrs_post_init__(self) -> None:
        self.stderr = Output(_STDERR_TAIL, self.lease.secrets, last=True)

    async def hold(self) -> Outcome:
        """Talk until the process has ended, and return what came of it."""
        process = self.process
        async with anyio.create_task_group() as group:
            group.start_soon(self._read)
            group.start_soon(keep_lines, process.stderr, "stderr", self.lease, self.stderr)
            try:
                await self._tell(self._start_line(), first=True)
                await self._until_over()
            except anyio.get_cancelled_exc_class():
                await self._stop()
                raise
        if self.lost is not None:
            # Raised only here: a task group would wrap it.
            raise self.lost
        return self._outcome()

    async def _stop(self) -> None:
        """Tell the process to end, and end it; one that reads nothing may not even be told."""
        told = False
        try:
            with not_busy(), anyio.move_on_after(self.lease.stop.grace, shield=True):
                told = await self._tell(encode_cancel())
        finally:
            await stop_process(self.process, self.lease, told=told)

    def _start_line(self) -> bytes:
        lease = self.lease
        inputs: Any = lease.inputs
        return encode_start(
            Start(
                run=lease.run,
                task=lease.task,
                label=lease.spec.name,
                generation=lease.generation,
                attempt=lease.attempt,
                fence=lease.fence,
                key=lease.key,
                inputs=cast("Mapping[str, Any]", inputs) if isinstance(inputs, Mapping) else {},
                needs={name: (up.label, up.output) for name, up in lease.needs().items()},
                holes=[{"id": address, "shape": shape} for address, shape in lease.holes()],
                answers=lease.answers,
            )
        )

    async def _until_over(self) -> None:
        """Wait for the exit; a process that has said how it ended gets a few seconds for that."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._wait_for_exit, group.cancel_scope)
            await self.said.wait()
            await anyio.sleep(LEAVE_SECONDS if isinstance(self.closing, Message) else 0.0)
            await self.process.kill()
            await anyio.sleep_forever()

    async def _wait_for_exit(self, scope: anyio.CancelScope) -> None:
        try:
            self.ended = await self.process.wait()
        except ProcessLost as lost:
            self.lost = lost
        scope.cancel()

    async def _tell(self, line: bytes, *, first: bool = False) -> bool:
        """Write one line, after those that are being written; return whether it was told."""
        async with self._telling:
            if not (first or self._told_whole):
                return False  # It would stand first, or end a line that was cut short.
            self._told_whole = False
            try:
                await self.process.stdin.write(line)
            except (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError):
                return False  # It listens no more; its exit tells the rest.
            self._told_whole = True
            return True

    async def _read(self) -> None:
        """Read stdout to its end, also while the process is being stopped."""
        reader, log = LineReader(), LineLog(self.lease, "stdout")
        with anyio.CancelScope(shield=True):
            async for chunk in self.process.stdout:
                for line in reader.feed(chunk):
                    await self._line(line, log)
            for line in reader.close():
                await self._line(line, log)

    async def _line(self, line: bytes, log: LineLog) -> None:
        said = parse_line(line, self.lease.mask)
        match said:
            case PlainText():
                log.line(line)
            case BadOutput():
                self._close(said)
            case Message(type=kind) if kind in _CLOSING:
                self._close(said)
            case Message():
                await self._hear(said)

    def _close(self, said: Message | BadOutput | Failure) -> None:
        # The first word about how it ended counts; output that breaks the protocol outweighs it, as
        # does what was refused and asked for no reply.
        if self.closing is None or not isinstance(said, Message):
            self.closing = said
        self.said.set()

    async def _hear(self, said: Message) -> None:
        fields = said.fields
        match said.type:
            case "log":
                self.lease.log("log", fields["message"], {"level": fields["level"]})
            case "progress":
                body = {"fraction": fields["fraction"], "data": fields["data"]}
                self.lease.log("progress", fields["message"] or "", body)
            case "heartbeat":
                pass
            case "get":
                await self._get(said)
                return
            case _:
                await self._create(said)
                return
        if said.id is not None:
            await self._tell(encode_reply(said.id))

    async def _create(self, said: Message) -> None:
        """Change the graph as the task says, and tell it what was made when that is stored."""
        lease = self.lease
        try:
            if lease.grow is None:
                raise Refused("nothing can be created here")
            made = await lease.grow(creations_of(said, lease.workflow.folder))
        except PromiseBroken as broken:
            await self._refuse(said, "promise_broken", str(broken))
        except Refused as refused:
            await self._refuse(said, refused.kind, str(refused))
        except ActorStopped:
            await self._refuse(said, "stale", "this attempt has ended; what it said has no effect")
        else:
            if said.id is not None:
                await self._tell(encode_reply(said.id, reply_of(said, made)))

    async def _get(self, said: Message) -> None:
        assert said.id is not None
        name = said.fields["task"]
        found = self.lease.needs().get(name)
        if found is None:
            await self._refuse(
                said, "unknown", f"task {self.lease.task!r} does not run after {name!r}"
            )
        else:
            await self._tell(encode_reply(said.id, {"output": found.output}))

    async def _refuse(self, said: Message, kind: str, message: str) -> None:
        if said.id is not None:
            await self._tell(encode_refusal(said.id, kind=kind, message=message))
        else:
            self._close(Failure(kind="error", message=f"{said.type!r} was refused: {message}"))

    def _outcome(self) -> Outcome:
        match self.closing:
            case BadOutput(reason=reason):
                return Failed(Failure(kind="bad_output", message=reason))
            case Failure():
                return Failed(self.closing)
            case Message(type="success", fields=fields):
                return Done(fields["output"])
            case Message(type="not_ready", fields=fields):
                return NotDone(fields["message"])
            case Message(type="error", fields=fields):
                return Failed(failure_of_message(fields))
            case Message(type="wait", fields=fields):
                schema, message = fields["input"], fields["message"]
                return Suspended(Wait(kind="input", schema=schema, message=message))
            case Message(type="pause", fields=fields):
                return Suspended(Wait(kind="input", message=fields["message"] or "paused"))
            case _:
                return self._exit_outcome()

    def _exit_outcome(self) -> Outcome:
        ended = self.ended
        assert ended is not None
        if ended.code == 0:
            return Done()
        return Failed(exit_failure(ended, self.stderr.text()))


def failure_of_message(fields: Mapping[str, Any]) -> Failure:
    """Return what an ``error`` message tells."""
    kind = fields["kind"]
    known = kind in ERROR_KINDS
    detail = fields["detail"]
    if kind is not None and not known:
        # A task's own word for its error can be named in ``retry: on:`` like a class.
        detail = {"kind": kind, "classes": [kind], "detail": detail}
    return Failure(
        kind=kind if known else "error",
        message=fields["message"],
        detail=detail,
        retry_after=fields["retry_after"],
    )
