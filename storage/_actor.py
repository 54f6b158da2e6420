"""The storage actor: the one place through which runs reach the store.

It takes everything that is pending, of all runs, writes it in one transaction and answers after the
commit.  That is what makes a durable commit affordable: the disk is asked once for all who wait.  A
batch that fails is replayed run by run, so that only the guilty run is told; what was handed in
together stays together.  Log lines ride on the
next commit.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import anyio
import anyio.abc
import anyio.lowlevel
import attrs

from ..actors._parking import Spot, new_spot
from ..workflow import StoreError
from ._crash import CrashHook, CrashPoint, crash_hook, never_crash
from ._memory import MemoryStore
from ._protocol import LogLine, Store, Transition

PENDING_MAX = 10_000
LINES_MAX = 10_000
LINES_WAIT_SECONDS = 0.1
JOIN_SECONDS = 0.005  # about what a commit takes: where others keep the loop busy, no longer
ROUNDS_MAX = 8
QUIET_ROUNDS = 2  # in one alone we may run last and then first, and see nobody: trio shuffles

Reply = Callable[[Exception | None], None]

_log = logging.getLogger(__name__)


@attrs.define(eq=False)
class _Request:
    """Transitions to be written, and who is told what became of them: a function or a waiter."""

    transitions: Sequence[Transition]
    call: Reply | None = None
    known: bool = False
    error: Exception | None = None
    spot: Spot | None = None

    def reply(self, error: Exception | None) -> None:
        self.known, self.error = True, error
        if self.spot is not None:
            self.spot.wake()
        if self.call is not None:
            self.call(error)

    async def wait(self) -> None:
        """Return when it was written, or raise why it was not."""
        if not self.known:
            self.spot = new_spot()
            await self.spot
        if self.error is not None:
            raise self.error


class Storage:
    """Writes the transitions of all runs in groups; run :meth:`run` in a task group.

    Args:
        store: An opened store.
        pending_max: Transitions that may wait; who comes then waits for room.
        lines_max: Log lines that may wait; what comes then is dropped, and the log says how many
            were.
        crash: A hook that is called at each :class:`CrashPoint`; by default what the environment
            asks for.
    """

    def __init__(
        self,
        store: Store,
        *,
        pending_max: int = PENDING_MAX,
        lines_max: int = LINES_MAX,
        crash: CrashHook | None = None,
    ) -> None:
        self._store = store
        self._pending_max = pending_max
        self._lines_max = lines_max
        self._crash = crash or crash_hook()
        self._store_never_waits = type(store) is MemoryStore and self._crash is never_crash
        self._pending: list[_Request] = []
        self._lines: list[LogLine] = []
        self._dropped: LogLine | None = None
        self._dropped_count = 0
        self._wake = anyio.Event()
        self._room = anyio.Event()
        self._stopped = False
        self._writing = False
        # Whether the last batch was a single transition: then most likely one run alone is at work,
        # which writes by itself and saves two task switches; the actor writes for several.
        self._one_writes = False

    # ------------------------------------------------------------------ what others call

    async def commit(self, *transitions: Transition) -> None:
        """Have transitions written, all of them or none, and return when they are committed.

        Raises:
            Conflict: a run has another version or owner than its transition expects.
            StoreError: it could not be written; nothing of it was.
        """
        if self._store_never_waits and not self._pending and not self._stopped:
            # In memory a group gains nothing, and its two task switches cost more than the commit.
            if self._lines:
                await self._write_lines(self._take_lines())
            await self._store.commit(transitions)
            return
        while len(self._pending) >= self._pending_max and not self._stopped:
            await self._room.wait()
        request = _Request(transitions)
        self._submit(request)
        if self._one_writes and len(self._pending) == 1 and not self._writing:
            await self._write_pending()
        else:
            self._wake.set()
        await request.wait()

    def commit_nowait(self, transition: Transition, reply: Reply) -> None:
        """Have a transition written without waiting; ``reply`` is called with None or the error.

        Raises:
            anyio.WouldBlock: too much is pending; use :meth:`commit`, which waits.
        """
        if len(self._pending) >= self._pending_max:
            raise anyio.WouldBlock
        self._submit(_Request((transition,), reply))
        self._wake.set()

    def note(self, line: LogLine) -> None:
        """Have a log line written soon; never waits, never fails, and a crash may lose it."""
        if len(self._lines) >= self._lines_max:
            self._dropped = self._dropped or line
            self._dropped_count += 1
            return
        if not self._lines:
            self._wake.set()
        self._lines.append(line)

    def _submit(self, request: _Request) -> None:
        if self._stopped:
            raise StoreError(
                f"the storage of this engine has stopped: run {request.transitions[0].run!r} "
                f"cannot be written; resume it with another engine"
            )
        self._pending.append(request)

    # ------------------------------------------------------------------ the actor

    async def run(
        self, *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED
    ) -> None:
        """Write what comes until cancelled; what is pending then is still written."""
        task_status.started()
        try:
            while True:
                await self._wait_for_work()
                await self._let_others_join()
                if not self._writing:
                    await self._write_pending()
        finally:
            await self._write_pending()
            self._stopped = True
            self._room.set()

    async def _wait_for_work(self) -> None:
        while self._writing or not self._pending:
            self._wake = anyio.Event()
            if self._lines and not self._writing:
                with anyio.move_on_after(LINES_WAIT_SECONDS) as scope:
                    await self._wake.wait()
                if scope.cancelled_caught and not self._writing:
                    return
            else:
                await self._wake.wait()

    async def _let_others_join(self) -> None:
        """Wait as long as rounds of the loop bring more: a commit costs more than a few of them."""
        until = anyio.current_time() + JOIN_SECONDS
        quiet = 0
        for _ in range(ROUNDS_MAX):
            before = len(self._pending)
            await anyio.lowlevel.checkpoint()
            quiet = quiet + 1 if len(self._pending) == before else 0
            if quiet == QUIET_ROUNDS or anyio.current_time() > until:
                return

    async def _write_pending(self) -> None:
        """Write what is pending now, in the actor or in the one run that has anything to write."""
        requests, self._pending = self._pending, []
        lines = self._take_lines()
        if len(requests) >= self._pending_max:
            self._room.set()
            self._room = anyio.Event()
        self._one_writes = len(requests) == 1
        self._writing = True
        # A commit that has begun ends, so that whoever waits for it learns what came of it.
        with anyio.CancelScope(shield=True):
            try:
                if requests:
                    await self._write(requests, lines)
                elif lines:
                    await self._write_lines(lines)
            finally:
                self._writing = False
        if self._pending or self._lines:
            self._wake.set()

    def _take_lines(self) -> list[LogLine]:
        lines, self._lines = self._lines, []
        if self._dropped is not None:
            text = (
                f"[{self._dropped_count} lines were dropped here: "
                f"they came faster than they could be stored]"
            )
            lines.append(attrs.evolve(self._dropped, text=text, stream="log", data=None))
            self._dropped, self._dropped_count = None, 0
        return lines

    async def _write(self, requests: Sequence[_Request], lines: Sequence[LogLine]) -> None:
        """Write a batch, then answer everybody who waits for it."""
        self._crash(CrashPoint.BEFORE_COMMIT)
        try:
            await self._store.commit(_all_of(requests), lines)
        except Exception as error:  # noqa: BLE001 - a user's store may raise anything
            await self._replay(requests, lines, error)
            return
        self._crash(CrashPoint.AFTER_COMMIT_BEFORE_REPLY)
        for request in requests:
            request.reply(None)
        self._crash(CrashPoint.AFTER_REPLY)

    async def _replay(
        self, requests: Sequence[_Request], lines: Sequence[LogLine], error: Exception
    ) -> None:
        """Write each run of a failed batch by itself, and tell only those that fail again."""
        if lines:
            await self._write_lines(lines)
        by_run: dict[str, list[_Request]] = {}
        for request in requests:
            by_run.setdefault(request.transitions[0].run, []).append(request)
        for group in by_run.values():
            outcome = error if len(by_run) == 1 and not lines else await self._write_group(group)
            for request in group:
                request.reply(outcome)

    async def _write_group(self, group: Sequence[_Request]) -> Exception | None:
        try:
            await self._store.commit(_all_of(group))
        except Exception as error:  # noqa: BLE001 - a user's store may raise anything
            return error
        return None

    async def _write_lines(self, lines: Sequence[LogLine]) -> None:
        try:
            await self._store.commit((), lines)
        except Exception as error:  # noqa: BLE001 - a user's store may raise anything
            _log.warning("%d log lines could not be stored: %s", len(lines), error)


def _all_of(requests: Sequence[_Request]) -> list[Transition]:
    return [each for request in requests for each in request.transitions]
