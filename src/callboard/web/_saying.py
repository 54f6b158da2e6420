"""What the holder of a lease says, in order, each once: the vocabulary of a task's process.

An answer is stored in the transaction of what it answers.  Said again under the same number, all
that was answered is answered again, and what was not, because the server went down between two
commands, is done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakValueDictionary

import anyio

from .._board_lease import why_mute
from .._creations import creations_of, reply_of
from ..executors._protocol import BadOutput, Message, read_message
from ..executors._python import failure_of_message
from ..storage import LogLine
from ..supervisor import Claim, Signed
from ..workflow import (
    CallboardError,
    Command,
    Creation,
    PromiseBroken,
    Refused,
    StaleFence,
    Wait,
    commands as c,
)
from ._problems import bad_request

if TYPE_CHECKING:
    from ..engine import Engine

COMMANDS_MAX: Final = 1_000
"""How many commands may stand under one number."""

Json = dict[str, Any]

_locks: Final[WeakValueDictionary[tuple[int, str], anyio.Lock]] = WeakValueDictionary()


async def say_all(
    engine: Engine,
    fence: str,
    seq: int,
    commands: Sequence[Mapping[str, Any]],
    may: Callable[[Sequence[Creation]], None],
) -> list[Json]:
    """Do what the holder of a lease says, and return what it is told of each.

    What follows after a command that ends the lease is refused, and so is all after a refusal.

    Args:
        engine: The engine whose board the task was claimed from.
        fence: The lease.
        seq: The number under which it is said.
        commands: What is said.
        may: Refuses what the speaker may not create.

    Raises:
        Problem: some of it are no messages; nothing is done.
        StaleFence: the lease has ended, and this was not said before.
    """
    messages = _messages(commands)
    lock = _locks.setdefault((id(engine), fence), anyio.Lock())
    async with lock:
        answered = {each.part: each.answer for each in await engine.store.receipts(fence, seq)}
        speaker = _Speaker(engine, fence, seq)
        results: list[Json] = []
        for part, message in enumerate(messages):
            if part in answered:
                results.append(answered[part])
            elif results and not results[-1]["ok"]:
                results.append(_no("skipped", "a command before this one was refused"))
            else:
                results.append(await speaker.say(part, message, may))
    return results


def _messages(commands: Sequence[Mapping[str, Any]]) -> list[Message]:
    if len(commands) > COMMANDS_MAX:
        raise bad_request([f"at most {COMMANDS_MAX} commands may stand under one number"])
    found: list[Message] = []
    errors: list[str] = []
    for number, each in enumerate(commands):
        said = Message(type="release") if each.get("type") == "release" else read_message(each)
        if isinstance(said, BadOutput):
            errors.append(f"commands[{number}]: {said.reason}")
        else:
            found.append(said)
    if errors:
        raise bad_request(errors)
    return found


class _Speaker:
    """Says one command after another under one lease."""

    def __init__(self, engine: Engine, fence: str, seq: int) -> None:
        self._engine = engine
        self._board = engine.tree.board
        self._fence = fence
        self._seq = seq
        self._unkept: dict[int, Json] = {}
        """What was answered and changed nothing: kept together with what follows."""

    async def say(
        self, part: int, said: Message, may: Callable[[Sequence[Creation]], None]
    ) -> Json:
        """Do one command and return what its sender is told."""
        try:
            claim = self._board.holder(self._fence)
            self._board.heartbeat(self._fence)
            if said.type in ("heartbeat", "get"):
                self._unkept[part] = found = _look(claim, said)
                return found
            answer = await self._do(claim, part, said, may)
            self._unkept.clear()
            return answer
        except PromiseBroken as broken:
            return _no("promise_broken", str(broken))
        except StaleFence as stale:
            # An engine that closes lets go of leases that its successor takes up.
            if part == 0 or not self._engine.is_open:
                raise
            return _no("stale", str(stale))
        except Refused as refused:
            return _no(refused.kind, str(refused))

    async def _do(
        self, claim: Claim, part: int, said: Message, may: Callable[[Sequence[Creation]], None]
    ) -> Json:
        match said.type:
            case "log" | "progress":
                signed = self._signed(part, lambda _: {"ok": True})
                await self._board.note(self._fence, [self._line(claim, said)], signed)
                return {"ok": True}
            case "success" | "error" | "not_ready" | "wait" | "pause" | "release":
                signed = self._signed(part, lambda _: {"ok": True})
                await self._board.say(self._fence, _ending(claim, said), signed)
                return {"ok": True}
            case _:
                return await self._grow(claim, part, said, may)

    async def _grow(
        self,
        claim: Claim,
        part: int,
        said: Message,
        may: Callable[[Sequence[Creation]], None],
    ) -> Json:
        mute = why_mute(claim)
        if mute is not None:
            raise Refused(mute, kind="mute")
        commands = creations_of(said, claim.lease.workflow.folder)
        may(commands)

        def told(made: Sequence[Any]) -> Json:
            return {"ok": True, **reply_of(said, made)}

        made = await self._board.grow(self._fence, commands, self._signed(part, told))
        return told(made)

    def _signed(self, part: int, told: Callable[[Sequence[Any]], Json]) -> Signed:
        def answer(made: Sequence[Any], failure: CallboardError | None) -> Json:
            if failure is None:
                return told(made)
            kind = "promise_broken" if isinstance(failure, PromiseBroken) else failure_kind(failure)
            return _no(kind, str(failure))

        return Signed(self._fence, self._seq, part, answer, dict(self._unkept))

    def _line(self, claim: Claim, said: Message) -> LogLine:
        lease, fields = claim.lease, said.fields
        stream, data = said.type, None
        if said.type == "progress":
            data = {"fraction": fields["fraction"], "data": fields["data"]}
        elif fields["stream"] is None:
            data = {"level": fields["level"]}
        else:
            stream = fields["stream"]
        return LogLine(
            run=lease.run,
            task=lease.task,
            generation=lease.generation,
            attempt=lease.attempt,
            at=self._engine.tree.clock.wall(),
            stream=stream,
            text=lease.mask(fields["message"] or ""),
            data=lease.secrets.mask_fields(data),
        )


def _look(claim: Claim, said: Message) -> Json:
    if said.type == "heartbeat":
        return {"ok": True}
    name = said.fields["task"]
    found = claim.lease.needs().get(name)
    if found is None:
        return _no("unknown", f"task {claim.lease.task!r} does not run after {name!r}")
    return {"ok": True, "output": found.output}


def _ending(claim: Claim, said: Message) -> Command:
    task, fence, fields = claim.lease.task, claim.lease.fence, said.fields
    match said.type:
        case "success":
            return c.Succeed(task=task, fence=fence, output=fields["output"])
        case "error":
            return c.Fail(task=task, fence=fence, failure=failure_of_message(fields))
        case "not_ready":
            return c.NotReady(task=task, fence=fence, message=fields["message"])
        case "release":
            return c.Stopped(task=task, fence=fence, note="released")
        case "wait":
            wait = Wait(kind="input", schema=fields["input"], message=fields["message"])
        case _:
            wait = Wait(kind="input", message=fields["message"] or "paused")
    return c.Suspend(task=task, fence=fence, wait=wait)


def failure_kind(error: CallboardError) -> str:
    """Return the word for programs of a refusal."""
    return error.kind if isinstance(error, Refused) else "error"


def _no(kind: str, message: str) -> Json:
    return {"ok": False, "error": {"kind": kind, "message": message}}
