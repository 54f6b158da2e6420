"""Every error a user of callboard can meet, in one tree, sorted by whose move it is.

::

    CallboardError
    ├── UsageError            fix the call (also a ValueError)
    │   └── RunExists         a run has this id already: ``.run_id``
    ├── DefinitionError       fix the workflow: ``.errors`` holds all of them (also a ValueError)
    ├── RunFailed             the run ended failed, not_ready or timed_out: ``.run_id``, ``.result``
    │   └── PromiseBroken     the run ended promise_broken
    ├── RunCancelled          the run was cancelled
    ├── Refused               a command does not fit the state it met; nothing changed
    │   ├── PromiseRefused    a promise cannot hold
    │   ├── KeyTaken          a run was started with this key already: ``.run_id``
    │   ├── StaleFence        it came from an attempt that is no longer the current one
    │   └── VersionConflict   somebody else changed it meanwhile: ``.expected``, ``.found``
    ├── UnknownRun            no run has this id (also a LookupError)
    ├── UnknownRecord         no topic, job, owner, workflow … has this name (also a LookupError)
    ├── RunOwned              a living engine owns the run: ``.owner``
    ├── StoreError            the store could not be read or written: what it holds is intact
    └── InternalError         this should never happen; please report it
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class CallboardError(Exception):
    """The root of all errors that callboard raises on purpose."""


class UsageError(CallboardError, ValueError):
    """A call was made with arguments that cannot work; the message says which and what to do."""


class RunExists(UsageError):
    """A run has this id already; ``run_id`` is the id."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"there is a run {run_id!r} already")
        self.run_id = run_id


class DefinitionError(CallboardError, ValueError):
    """A workflow definition is invalid; ``errors`` lists everything that is wrong with it."""

    def __init__(self, errors: Sequence[str]) -> None:
        self.errors: tuple[str, ...] = tuple(errors)
        super().__init__("\n".join(self.errors))


class RunFailed(CallboardError):
    """A run did not succeed; ``result`` holds what it came to."""

    def __init__(self, message: str, *, run_id: str, result: Any = None) -> None:
        super().__init__(message)
        self.run_id = run_id
        self.result = result


class PromiseBroken(RunFailed):
    """A run did what a promise ruled out, and was ended for it.

    ``promise`` is its text, if it is known.
    """

    def __init__(
        self, message: str, *, run_id: str, result: Any = None, promise: str | None = None
    ) -> None:
        super().__init__(message, run_id=run_id, result=result)
        self.promise = promise


class RunCancelled(CallboardError):
    """A run was cancelled before it could end by itself."""

    def __init__(self, message: str, *, run_id: str, result: Any = None) -> None:
        super().__init__(message)
        self.run_id = run_id
        self.result = result


class Refused(CallboardError):
    """A command does not fit the state it met; nothing has changed.

    ``kind`` is a word for programs: ``refused``, or why the graph cannot change like this:
    ``ambiguous``, ``closed``, ``cycle``, ``exists``, ``started``, ``unknown``, ``entangled``.
    """

    def __init__(self, message: str, *, kind: str = "refused") -> None:
        super().__init__(message)
        self.kind = kind


class PromiseRefused(Refused):
    """A promise is untrue already, or would leave no way to finish; nothing has changed."""

    def __init__(self, message: str, *, kind: str = "promise_refused") -> None:
        super().__init__(message, kind=kind)


class StaleFence(Refused):
    """A command came from an attempt that has ended or was replaced; it had no effect."""

    def __init__(self, message: str, *, kind: str = "stale") -> None:
        super().__init__(message, kind=kind)


class KeyTaken(Refused):
    """A run was started with this key already; ``run_id`` tells which."""

    def __init__(self, key: str, run_id: str) -> None:
        super().__init__(
            f"the key {key!r} belongs to run {run_id!r} already: look at that one, or start with "
            "another key",
            kind="key_taken",
        )
        self.key = key
        self.run_id = run_id


class VersionConflict(Refused):
    """What was to be changed has another version than the caller had seen; nothing has changed.

    Args:
        what: The kind of thing.
        id: Which one.
        expected: The version that the caller had, 0 if it was not to exist.
        found: The version that it has, 0 if it does not exist.
    """

    def __init__(self, what: str, id: str, expected: int, found: int) -> None:
        super().__init__(_other_version(what, id, expected, found), kind="version")
        self.what = what
        self.id = id
        self.expected = expected
        self.found = found


def _other_version(what: str, id: str, expected: int, found: int) -> str:
    if not expected:
        return f"{what} {id!r} exists already (version {found}); choose another id, or change it"
    if not found:
        return f"{what} {id!r} does not exist (any more); you had its version {expected}"
    return (
        f"{what} {id!r} has version {found} and you had version {expected}: somebody else "
        "changed it; read it again and repeat your change"
    )


class UnknownRun(CallboardError, LookupError):
    """No run in this store has this id, or more than one begins like it."""


class UnknownRecord(CallboardError, LookupError):
    """Nothing of this kind has this name: no topic, job, owner, workflow or token."""


class RunOwned(CallboardError):
    """A living engine owns the run; ``owner`` tells which.

    ``posted`` tells whether it was left a command that it has not answered, and still does.
    """

    def __init__(self, message: str, *, run_id: str, owner: str, posted: bool = False) -> None:
        super().__init__(message)
        self.run_id = run_id
        self.owner = owner
        self.posted = posted


class StoreError(CallboardError):
    """The store could not be read or written; what it holds already is intact."""


class InternalError(CallboardError):
    """Something happened that should never happen; please report it."""
